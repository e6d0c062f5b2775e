//! From the detector's map of text probability to boxes around lines (Differentiable
//! Binarization, Liao et al. 2020).

use super::geometry::{Point, TextBox, smallest_rectangle};

/// A pixel above this belongs to the shrunken core of a line (PP-OCR's own setting).
const PIXEL_THRESHOLD: f32 = 0.3;
/// A core whose mean probability lies below this is texture, not text. PP-OCR's own setting is
/// 0.6; security printing over small labels brings real lines down to that.
const BOX_THRESHOLD: f32 = 0.55;
/// Cores thinner than this are specks.
const LEAST_SIDE: f32 = 2.5;
/// The network is trained on lines shrunk by offsetting their outline; this undoes it.
const UNCLIP_RATIO: f32 = 1.5;

/// `map` holds `width` columns per row, values 0..1. Boxes are in pixels of the map.
pub fn text_boxes(map: &[f32], width: usize) -> Vec<TextBox> {
    if width == 0 {
        return Vec::new();
    }
    let height = map.len() / width;
    let mut seen = vec![false; width * height];
    let mut open: Vec<usize> = Vec::new();
    let mut boxes = Vec::new();
    for start in 0..width * height {
        if seen[start] || map[start] <= PIXEL_THRESHOLD {
            continue;
        }
        seen[start] = true;
        open.push(start);
        let mut component = Component::default();
        while let Some(pixel) = open.pop() {
            let (x, y) = (pixel % width, pixel / width);
            component.add(x, y, map[pixel]);
            for ny in y.saturating_sub(1)..(y + 2).min(height) {
                for nx in x.saturating_sub(1)..(x + 2).min(width) {
                    let next = ny * width + nx;
                    if !seen[next] && map[next] > PIXEL_THRESHOLD {
                        seen[next] = true;
                        open.push(next);
                    }
                }
            }
        }
        boxes.extend(component.text_box());
    }
    boxes
}

/// Left and right ends per row: all that the convex hull needs.
#[derive(Default)]
struct Component {
    rows: std::collections::BTreeMap<usize, (usize, usize)>,
    sum: f32,
    pixels: usize,
}

impl Component {
    fn add(&mut self, x: usize, y: usize, probability: f32) {
        let ends = self.rows.entry(y).or_insert((x, x));
        *ends = (ends.0.min(x), ends.1.max(x));
        self.sum += probability;
        self.pixels += 1;
    }

    fn text_box(&self) -> Option<TextBox> {
        let score = self.sum / self.pixels as f32;
        if score < BOX_THRESHOLD {
            return None;
        }
        let corners: Vec<Point> = self
            .rows
            .iter()
            .flat_map(|(y, (left, right))| {
                let (left, right, y) = (*left as f32, (right + 1) as f32, *y as f32);
                [[left, y], [right, y], [left, y + 1.0], [right, y + 1.0]]
            })
            .collect();
        let core = smallest_rectangle(&corners)?;
        if core.thickness < LEAST_SIDE {
            return None;
        }
        let margin = core.length * core.thickness * UNCLIP_RATIO / (2.0 * (core.length + core.thickness));
        Some(TextBox {
            length: core.length + 2.0 * margin,
            thickness: core.thickness + 2.0 * margin,
            score,
            ..core
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map_with(width: usize, height: usize, inside: impl Fn(usize, usize) -> f32) -> Vec<f32> {
        (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| inside(x, y)).collect()
    }

    #[test]
    fn two_lines_make_two_boxes_grown_by_the_unclip_ratio() {
        let map = map_with(64, 32, |x, y| match (x, y) {
            (10..50, 4..8) => 0.9,
            (10..30, 20..24) => 0.8,
            _ => 0.05,
        });
        let boxes = text_boxes(&map, 64);
        assert_eq!(boxes.len(), 2);
        let first = boxes[0];
        // 40×4 core: margin 160 · 1.5 / 88.
        assert!((first.length - (40.0 + 2.0 * 2.727)).abs() < 0.01, "{}", first.length);
        assert_eq!(first.centre, [30.0, 6.0]);
        assert!((first.score - 0.9).abs() < 1e-3);
    }

    #[test]
    fn specks_and_faint_texture_are_no_text() {
        let speck = map_with(64, 32, |x, y| if x == 5 && y < 20 { 0.9 } else { 0.0 });
        assert!(text_boxes(&speck, 64).is_empty());
        let faint = map_with(64, 32, |_, y| if y < 10 { 0.4 } else { 0.0 });
        assert!(text_boxes(&faint, 64).is_empty());
        assert!(text_boxes(&[], 0).is_empty());
    }

    #[test]
    fn a_slanted_line_makes_one_turned_box() {
        let map = map_with(80, 80, |x, y| {
            let across = (y as f32 - x as f32 * 0.5 - 10.0).abs();
            if across < 3.0 && (5..75).contains(&x) { 0.9 } else { 0.0 }
        });
        let boxes = text_boxes(&map, 80);
        assert_eq!(boxes.len(), 1);
        let angle = boxes[0].along[1].atan2(boxes[0].along[0]).to_degrees();
        assert!((angle - 26.6).abs() < 2.0, "{angle}");
    }
}
