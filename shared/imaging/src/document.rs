//! Where a document lies in a picture, by its outline alone: the four straight edges that best stand for the
//! sides of a card or a page. No model: it runs before anything is queued. A scan that the document fills has no
//! outline, and none is found in it.

use crate::{ImageError, RgbImage, resize};
use txid_shared::partial::{Polygon, QualityIssue};

/// Longer side of the picture that is looked at: a card's edge stays an edge, its print fades.
const SIDE_PX: u32 = 256;
/// Steps of direction over half a turn.
const DIRECTIONS: usize = 120;
/// The strongest lines that are tried as sides.
const LINES: usize = 14;
/// Step of brightness over two pixels, in any colour, that can be an edge.
const LEAST_STEP: f32 = 28.0;
/// Longer over shorter side: ID-1 is 1.59, ID-3 1.42, and perspective adds to both.
const ASPECT: std::ops::RangeInclusive<f32> = 1.1..=2.2;
/// Share of the picture; a smaller one cannot be read.
const LEAST_AREA: f32 = 0.08;
/// Share of a side along which there is an edge in its direction, for a document to be there.
const MEAN_SUPPORT: f32 = 0.62;
const LEAST_SUPPORT: f32 = 0.35;
/// A document that fills less of the picture is too far away.
const LEAST_FILL: f32 = 0.2;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outline {
    /// In pixels of the picture, clockwise from the corner nearest to its top left; `None`: no outline stands out.
    pub corners: Option<Polygon>,
    /// A side lies outside the picture.
    pub cut_off: bool,
    /// Share of the picture, 0..1.
    pub fill: f32,
}

impl Outline {
    /// The outline found in `small` as it lies in the `original` that `small` was made from.
    #[must_use]
    pub fn scaled_to(self, small: &RgbImage, original: &RgbImage) -> Self {
        let x = original.width() as f32 / small.width().max(1) as f32;
        let y = original.height() as f32 / small.height().max(1) as f32;
        let corners = self.corners.map(|corners| corners.map(|[left, top]| [left * x, top * y]));
        Self { corners, ..self }
    }

    pub fn issues(&self) -> Vec<QualityIssue> {
        let tell = |code: &str, message: &str, severity: f32| QualityIssue {
            code: code.to_owned(),
            message: message.to_owned(),
            severity,
        };
        let mut issues = Vec::new();
        if self.cut_off {
            issues.push(tell("cut_off", "A part of the document lies outside the picture", 0.6));
        } else if self.corners.is_none() {
            issues.push(tell("document_not_found", "No outline of a document stands out", 0.3));
        } else if self.fill < LEAST_FILL {
            issues.push(tell("too_far", "The document is small in the picture", 0.4));
        }
        issues
    }
}

pub fn find_document(picture: &RgbImage) -> Result<Outline, ImageError> {
    let longer = picture.width().max(picture.height()).max(1);
    let ratio = (SIDE_PX as f32 / longer as f32).min(1.0);
    let side = |length: u32| ((length as f32 * ratio).round() as u32).max(1);
    let small = resize(picture, side(picture.width()), side(picture.height()))?;
    let edges = Edges::of(&small);
    let mut lines = edges.lines();
    lines.extend(edges.frame());
    let best = quadrilaterals(&lines, &edges).max_by(|a, b| a.score.total_cmp(&b.score));
    let Some(best) = best else { return Ok(Outline { corners: None, cut_off: false, fill: 0.0 }) };
    let corners =
        clockwise(edges.refined(&best).unwrap_or(best.corners)).map(|[x, y]| [x / ratio, y / ratio]);
    Ok(Outline { corners: Some(corners), cut_off: best.cut_off, fill: best.area / edges.area() })
}

/// All points with `x·cos + y·sin = distance`.
#[derive(Debug, Clone, Copy)]
struct Line {
    direction: f32,
    distance: f32,
    /// A border of the picture, for documents that reach beyond it.
    is_frame: bool,
}

impl Line {
    fn meets(&self, other: &Self) -> Option<[f32; 2]> {
        let ((sin, cos), (other_sin, other_cos)) = (self.direction.sin_cos(), other.direction.sin_cos());
        let determinant = cos * other_sin - sin * other_cos;
        (determinant.abs() > 0.2).then(|| {
            let x = (self.distance * other_sin - other.distance * sin) / determinant;
            let y = (other.distance * cos - self.distance * other_cos) / determinant;
            [x, y]
        })
    }

    /// Between the two directions, 0..π/2.
    fn angle(&self, other: &Self) -> f32 {
        let turn = (self.direction - other.direction).abs() % std::f32::consts::PI;
        turn.min(std::f32::consts::PI - turn)
    }
}

/// Steps in any colour, with their directions (0..π).
struct Edges {
    width: usize,
    height: usize,
    /// Row by row; negative where there is no edge.
    directions: Vec<f32>,
}

impl Edges {
    fn of(picture: &RgbImage) -> Self {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let pixels = picture.as_raw();
        let at = |x: usize, y: usize, channel: usize| {
            pixels.get(3 * (y * width + x) + channel).map_or(0.0, |value| f32::from(*value))
        };
        let mut directions = vec![-1.0; width * height];
        for y in 1..height.saturating_sub(1) {
            for x in 1..width.saturating_sub(1) {
                let steps =
                    (0..3).map(|c| (at(x + 1, y, c) - at(x - 1, y, c), at(x, y + 1, c) - at(x, y - 1, c)));
                let strongest = steps.max_by(|a, b| a.0.hypot(a.1).total_cmp(&b.0.hypot(b.1)));
                if let (Some((across, down)), Some(cell)) = (strongest, directions.get_mut(y * width + x))
                    && across.hypot(down) >= LEAST_STEP
                {
                    *cell = down.atan2(across).rem_euclid(std::f32::consts::PI);
                }
            }
        }
        Self { width, height, directions }
    }

    fn area(&self) -> f32 {
        (self.width * self.height) as f32
    }

    fn direction(&self, x: usize, y: usize) -> Option<f32> {
        if x >= self.width {
            return None;
        }
        self.directions.get(y * self.width + x).copied().filter(|direction| *direction >= 0.0)
    }

    /// The strongest straight lines (Hough), each edge voting for its own direction alone.
    fn lines(&self) -> Vec<Line> {
        let reach = (self.width as f32).hypot(self.height as f32).ceil() as usize;
        let distances = 2 * reach + 1;
        let step = std::f32::consts::PI / DIRECTIONS as f32;
        let mut votes = vec![0u32; DIRECTIONS * distances];
        for y in 0..self.height {
            for x in 0..self.width {
                let Some(direction) = self.direction(x, y) else { continue };
                let nearest = (direction / step).round() as usize;
                for index in [nearest + DIRECTIONS - 1, nearest + DIRECTIONS, nearest + DIRECTIONS + 1] {
                    let index = index % DIRECTIONS;
                    let (sin, cos) = (index as f32 * step).sin_cos();
                    let distance = (x as f32 * cos + y as f32 * sin).round() as isize + reach as isize;
                    if let Some(cell) = votes.get_mut(index * distances + distance.unsigned_abs()) {
                        *cell += 1;
                    }
                }
            }
        }
        let mut ranked: Vec<(u32, Line)> = votes
            .iter()
            .enumerate()
            // Shorter than a sixth of the picture: no side.
            .filter(|(_, votes)| **votes as usize >= self.width.min(self.height) / 6)
            .map(|(place, votes)| {
                let direction = (place / distances) as f32 * step;
                let distance = (place % distances) as f32 - reach as f32;
                (*votes, Line { direction, distance, is_frame: false })
            })
            .collect();
        ranked.sort_by_key(|(votes, _)| std::cmp::Reverse(*votes));
        let mut lines: Vec<Line> = Vec::new();
        for (_, line) in ranked {
            let known = |other: &Line| {
                // Directions near 0 and π are the same with the sign of the distance turned.
                let turned = (line.direction - other.direction).abs() > std::f32::consts::FRAC_PI_2;
                let distance = if turned { -other.distance } else { other.distance };
                line.angle(other) < 4.0 * step && (line.distance - distance).abs() < 6.0
            };
            if !lines.iter().any(known) {
                lines.push(line);
            }
            if lines.len() == LINES {
                break;
            }
        }
        lines
    }

    fn frame(&self) -> [Line; 4] {
        let line = |direction: f32, distance: f32| Line { direction, distance, is_frame: true };
        let quarter = std::f32::consts::FRAC_PI_2;
        let (right, bottom) = (self.width as f32 - 1.0, self.height as f32 - 1.0);
        [line(0.0, 0.0), line(0.0, right), line(quarter, 0.0), line(quarter, bottom)]
    }

    /// The corners anew, from sides fitted to the edges along them: votes are counted in whole steps.
    fn refined(&self, found: &Quadrilateral) -> Option<Polygon> {
        let mut sides = found.sides;
        for (n, side) in sides.iter_mut().enumerate().filter(|(_, side)| !side.is_frame) {
            let (from, to) = (found.corners[n], found.corners[(n + 1) % 4]);
            *side = self.fitted(side, from, to).unwrap_or(*side);
        }
        let [a, b, c, d] = &sides;
        Some([d.meets(a)?, a.meets(b)?, b.meets(c)?, c.meets(d)?])
    }

    /// The line through the edges near `line` between two points (total least squares).
    fn fitted(&self, line: &Line, from: [f32; 2], to: [f32; 2]) -> Option<Line> {
        const NEAR: f32 = 4.0;
        let (sin, cos) = line.direction.sin_cos();
        let along = |[x, y]: [f32; 2]| y * cos - x * sin;
        let (first, last) = (along(from).min(along(to)), along(from).max(along(to)));
        let mut points = Vec::new();
        for y in 0..self.height {
            for x in 0..self.width {
                let point = [x as f32, y as f32];
                let away = (point[0] * cos + point[1] * sin - line.distance).abs();
                let between = (first..=last).contains(&along(point));
                let direction = self.direction(x, y).filter(|_| between && away < NEAR);
                if direction.is_some_and(|direction| Line { direction, ..*line }.angle(line) < 0.2) {
                    points.push(point);
                }
            }
        }
        let count = (points.len() >= 16).then_some(points.len() as f32)?;
        let mean = [0, 1].map(|axis| points.iter().map(|point| point[axis]).sum::<f32>() / count);
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        for [x, y] in points {
            let (x, y) = (x - mean[0], y - mean[1]);
            (xx, xy, yy) = (xx + x * x, xy + x * y, yy + y * y);
        }
        // The normal is across the direction in which the points are spread.
        let direction =
            (0.5 * (2.0 * xy).atan2(xx - yy) + std::f32::consts::FRAC_PI_2).rem_euclid(std::f32::consts::PI);
        let (sin, cos) = direction.sin_cos();
        Some(Line { direction, distance: mean[0] * cos + mean[1] * sin, is_frame: false })
    }

    /// Share of the way from `from` to `to` along which there is an edge in that direction. The ends do not
    /// count: corners are round.
    fn support(&self, from: [f32; 2], to: [f32; 2], line: &Line) -> f32 {
        const POINTS: usize = 48;
        let seen = (0..POINTS).filter(|point| {
            let share = 0.08 + 0.84 * *point as f32 / (POINTS - 1) as f32;
            let [x, y] = [0, 1].map(|axis| from[axis] + (to[axis] - from[axis]) * share);
            (-1i32..=1).any(|aside| {
                let (sin, cos) = line.direction.sin_cos();
                let (x, y) = ((x + aside as f32 * cos).round(), (y + aside as f32 * sin).round());
                if x < 0.0 || y < 0.0 {
                    return false;
                }
                self.direction(x as usize, y as usize).is_some_and(|direction| {
                    let edge = Line { direction, ..*line };
                    edge.angle(line) < 0.3
                })
            })
        });
        seen.count() as f32 / POINTS as f32
    }
}

#[derive(Debug, Clone, Copy)]
struct Quadrilateral {
    /// Side `n` joins corners `n` and `n + 1`.
    sides: [Line; 4],
    corners: Polygon,
    area: f32,
    score: f32,
    cut_off: bool,
}

/// Every way to choose two pairs of opposite sides that could be a document.
fn quadrilaterals<'a>(lines: &'a [Line], edges: &'a Edges) -> impl Iterator<Item = Quadrilateral> + 'a {
    let pairs: Vec<(&Line, &Line)> = lines
        .iter()
        .enumerate()
        .flat_map(|(number, a)| lines.iter().skip(number + 1).map(move |b| (a, b)))
        .filter(|(a, b)| a.angle(b) < 0.5 && !(a.is_frame && b.is_frame))
        .collect();
    let count = pairs.len();
    (0..count)
        .flat_map(move |first| (first + 1..count).map(move |second| (first, second)))
        .filter_map(move |(first, second)| quadrilateral(*pairs.get(first)?, *pairs.get(second)?, edges))
}

fn quadrilateral((a, b): (&Line, &Line), (c, d): (&Line, &Line), edges: &Edges) -> Option<Quadrilateral> {
    if a.angle(c) < 1.0 || b.angle(d) < 1.0 {
        return None;
    }
    let sides = [*c, *b, *d, *a];
    let corners = [a.meets(c)?, c.meets(b)?, b.meets(d)?, d.meets(a)?];
    let (width, height) = (edges.width as f32, edges.height as f32);
    let inside = |[x, y]: [f32; 2]| {
        (-0.05 * width..=1.05 * width).contains(&x) && (-0.05 * height..=1.05 * height).contains(&y)
    };
    if !corners.iter().all(|corner| inside(*corner)) {
        return None;
    }
    let next = |number: usize| corners[(number + 1) % 4];
    let twice_area: f32 = (0..4).map(|n| corners[n][0] * next(n)[1] - next(n)[0] * corners[n][1]).sum();
    let area = twice_area.abs() / 2.0;
    let length = |n: usize| (next(n)[0] - corners[n][0]).hypot(next(n)[1] - corners[n][1]);
    let (one, other) = (length(0) + length(2), length(1) + length(3));
    let aspect = one.max(other) / one.min(other).max(1.0);
    let frames = sides.iter().filter(|side| side.is_frame).count();
    if area < LEAST_AREA * edges.area() || frames > 1 || (frames == 0 && !ASPECT.contains(&aspect)) {
        return None;
    }
    let supports = (0..4).filter_map(|n| {
        let side = &sides[n];
        (!side.is_frame).then(|| edges.support(corners[n], next(n), side))
    });
    let supports: Vec<f32> = supports.collect();
    let mean = supports.iter().sum::<f32>() / supports.len() as f32;
    let least = supports.iter().copied().fold(1.0, f32::min);
    if mean < MEAN_SUPPORT || least < LEAST_SUPPORT {
        return None;
    }
    // Of two the larger: a portrait's frame and a band of colour have straight edges, too. A whole outline
    // before one that the picture's border completes.
    let score = mean + 0.4 * (area / edges.area()).sqrt() - 0.35 * frames as f32;
    Some(Quadrilateral { sides, corners, area, score, cut_off: frames > 0 })
}

/// From the corner nearest to the top left.
fn clockwise(mut corners: Polygon) -> Polygon {
    let next = |n: usize| corners[(n + 1) % 4];
    let twice_area: f32 = (0..4).map(|n| corners[n][0] * next(n)[1] - next(n)[0] * corners[n][1]).sum();
    if twice_area < 0.0 {
        corners.reverse();
    }
    let sums = corners.map(|[x, y]| x + y);
    let first = (0..4).min_by(|a, b| sums[*a].total_cmp(&sums[*b])).unwrap_or(0);
    corners.rotate_left(first);
    corners
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    /// A card with some print, `corners` on a table; both with a little structure.
    fn table(corners: Polygon) -> RgbImage {
        let inside = |x: f32, y: f32| {
            (0..4).all(|n| {
                let ([ax, ay], [bx, by]) = (corners[n], corners[(n + 1) % 4]);
                (bx - ax) * (y - ay) - (by - ay) * (x - ax) >= 0.0
            })
        };
        RgbImage::from_fn(960, 720, |x, y| {
            let grain = ((x * 7 + y * 13) % 11) as u8;
            if inside(x as f32, y as f32) {
                let print = (y / 24) % 3 == 0 && (x / 9) % 2 == 0;
                if print { Rgb([60, 60, 70]) } else { Rgb([205 + grain, 215, 205]) }
            } else {
                Rgb([96 + grain, 84 + grain, 70])
            }
        })
    }

    #[test]
    fn the_outline_of_a_tilted_card_is_found() {
        let truth = [[190.0, 150.0], [800.0, 190.0], [770.0, 585.0], [160.0, 530.0]];
        let found = find_document(&table(truth)).unwrap();
        let corners = found.corners.expect("an outline");
        for (corner, wanted) in corners.iter().zip(truth) {
            let distance = (corner[0] - wanted[0]).hypot(corner[1] - wanted[1]);
            assert!(distance < 14.0, "{corner:?} for {wanted:?}");
        }
        assert!(!found.cut_off && found.issues().is_empty(), "{found:?}");
    }

    #[test]
    fn a_card_that_reaches_beyond_the_picture_is_cut_off() {
        let found = find_document(&table([[300.0, 150.0], [1100.0, 150.0], [1100.0, 600.0], [300.0, 600.0]]))
            .unwrap();
        assert!(found.cut_off, "{found:?}");
        assert_eq!(found.issues()[0].code, "cut_off");
    }

    #[test]
    fn an_empty_table_has_no_document() {
        let found = find_document(&table([[0.0; 2]; 4].map(|_| [-5.0, -5.0]))).unwrap();
        assert_eq!((found.corners, found.issues()[0].code.as_str()), (None, "document_not_found"));
    }
}
