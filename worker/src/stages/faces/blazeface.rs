//! BlazeFace (back camera model, 256×256): boxes and six points per face.

use crate::inference::{Engine, InferenceError, Model};
use image::imageops;
use txid_imaging::{ImageError, RgbImage, Similarity, resize_region};

/// Side of the model's input in pixels.
const INPUT_PX: u32 = 256;
/// Detections below are noise (sigmoid of the model's score).
const MIN_SCORE: f32 = 0.5;
/// Boxes that overlap more than this (intersection over union) show the same face.
const SAME_FACE_OVERLAP: f32 = 0.3;
/// Values per anchor: centre x, y, width, height, six points x, y.
const VALUES: usize = 16;

/// Coordinates are pixels of the upright original.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// 0..1
    pub score: f32,
    pub centre: [f32; 2],
    /// Width and height along the face's own axes.
    pub size: [f32; 2],
    /// The subject's right eye (left in the picture), left eye, nose, mouth, right ear, left ear.
    pub points: [[f32; 2]; 6],
}

impl Detection {
    pub fn side(&self) -> f32 {
        self.size[0].max(self.size[1])
    }

    /// Angle of the line from the right to the left eye, radians, clockwise.
    pub fn angle(&self) -> f32 {
        let [right, left, ..] = self.points;
        (left[1] - right[1]).atan2(left[0] - right[0])
    }

    /// Maps a square of `side` pixels to the face's box times `scale`, upright by the eyes.
    pub fn square(&self, scale: f32, side: u32) -> Similarity {
        Similarity::square_around(side as f32, self.centre, self.side() * scale, self.angle())
    }

    /// Intersection over union, as if the boxes were upright.
    pub fn overlap(&self, other: &Self) -> f32 {
        let along = |axis: usize| {
            let low =
                (self.centre[axis] - self.size[axis] / 2.0).max(other.centre[axis] - other.size[axis] / 2.0);
            let high =
                (self.centre[axis] + self.size[axis] / 2.0).min(other.centre[axis] + other.size[axis] / 2.0);
            (high - low).max(0.0)
        };
        let intersection = along(0) * along(1);
        let area = |detection: &Self| detection.size[0] * detection.size[1];
        intersection / (area(self) + area(other) - intersection).max(1e-6)
    }

    /// Applies `place` to all coordinates; sizes are in units of `scale`.
    fn moved(self, scale: f32, place: impl Fn([f32; 2]) -> [f32; 2]) -> Self {
        Self {
            centre: place(self.centre),
            size: self.size.map(|length| length * scale),
            points: self.points.map(place),
            ..self
        }
    }
}

/// A region of a picture, letterboxed into the model's input.
pub(super) struct Frame {
    pixels: RgbImage,
    /// Picture pixels per input pixel.
    scale: f32,
    /// Where input pixel 0,0 lies in the picture.
    origin: [f32; 2],
}

impl Frame {
    pub(super) fn of(picture: &RgbImage, [left, top, width, height]: [f32; 4]) -> Result<Self, ImageError> {
        let scale = width.max(height) / INPUT_PX as f32;
        let side = |length: f32| ((length / scale).round() as u32).clamp(1, INPUT_PX);
        let (inner_width, inner_height) = (side(width), side(height));
        let region = [left, top, width, height].map(f64::from);
        let inner = resize_region(picture, region, inner_width, inner_height)?;
        let (pad_x, pad_y) = ((INPUT_PX - inner_width) / 2, (INPUT_PX - inner_height) / 2);
        let mut pixels = RgbImage::new(INPUT_PX, INPUT_PX);
        imageops::replace(&mut pixels, &inner, i64::from(pad_x), i64::from(pad_y));
        Ok(Self { pixels, scale, origin: [left - pad_x as f32 * scale, top - pad_y as f32 * scale] })
    }

    /// Detections, best score first, with the frame turned clockwise by `quarter_turns` × 90°.
    pub(super) fn detect(
        &self,
        engine: &mut Engine,
        quarter_turns: u8,
    ) -> Result<Vec<Detection>, InferenceError> {
        let turned = match quarter_turns {
            0 => None,
            1 => Some(imageops::rotate90(&self.pixels)),
            2 => Some(imageops::rotate180(&self.pixels)),
            _ => Some(imageops::rotate270(&self.pixels)),
        };
        let pixels = turned.as_ref().unwrap_or(&self.pixels);
        let input: Vec<f32> = pixels.as_raw().iter().map(|&value| f32::from(value) / 127.5 - 1.0).collect();
        let side = INPUT_PX as usize;
        let found = engine.run(Model::FaceDetection, &[1, side, side, 3], &input, |outputs| {
            let mut raw = Vec::new();
            for (layer, cells, per_cell) in [("16", 16, 2), ("8", 8, 6)] {
                let scores = outputs.named(&format!("scores_{layer}"))?;
                let boxes = outputs.named(&format!("boxes_{layer}"))?;
                read_layer(scores.data, boxes.data, cells, per_cell, &mut raw);
            }
            Ok(raw)
        })?;
        let end = INPUT_PX as f32;
        let turn_back = |[x, y]: [f32; 2]| match quarter_turns {
            0 => [x, y],
            1 => [y, end - x],
            2 => [end - x, end - y],
            _ => [end - y, x],
        };
        let to_picture = |point: [f32; 2]| {
            let [x, y] = turn_back(point);
            [self.origin[0] + x * self.scale, self.origin[1] + y * self.scale]
        };
        Ok(merged(found).into_iter().map(|detection| detection.moved(self.scale, to_picture)).collect())
    }
}

/// Anchors are the centres of the cells, row by row, `per_cell` of them in each.
fn read_layer(scores: &[f32], boxes: &[f32], cells: usize, per_cell: usize, into: &mut Vec<Detection>) {
    let cell_px = INPUT_PX as f32 / cells as f32;
    for (index, (&score, values)) in scores.iter().zip(boxes.chunks_exact(VALUES)).enumerate() {
        let score = 1.0 / (1.0 + (-score).exp());
        if score < MIN_SCORE {
            continue;
        }
        let cell = index / per_cell;
        let anchor = [((cell % cells) as f32 + 0.5) * cell_px, ((cell / cells) as f32 + 0.5) * cell_px];
        let &[x, y, width, height, ref points @ ..] = values else { continue };
        let mut six = [[0.0; 2]; 6];
        for (point, offsets) in six.iter_mut().zip(points.chunks_exact(2)) {
            if let &[dx, dy] = offsets {
                *point = [anchor[0] + dx, anchor[1] + dy];
            }
        }
        into.push(Detection {
            score,
            centre: [anchor[0] + x, anchor[1] + y],
            size: [width, height],
            points: six,
        });
    }
}

/// Overlapping detections become one, weighted by score; it keeps the best score.
fn merged(mut raw: Vec<Detection>) -> Vec<Detection> {
    raw.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut faces = Vec::new();
    while let Some(&best) = raw.first() {
        let (same, others): (Vec<_>, Vec<_>) = raw
            .into_iter()
            .partition(|detection| best.overlap(detection) > SAME_FACE_OVERLAP || *detection == best);
        raw = others;
        let total: f32 = same.iter().map(|detection| detection.score).sum();
        let mean = |value: &dyn Fn(&Detection) -> [f32; 2]| {
            same.iter().fold([0.0; 2], |[x, y], detection| {
                let weight = detection.score / total;
                let [dx, dy] = value(detection);
                [x + dx * weight, y + dy * weight]
            })
        };
        let mut points = [[0.0; 2]; 6];
        for (index, point) in points.iter_mut().enumerate() {
            *point = mean(&|detection| detection.points.get(index).copied().unwrap_or_default());
        }
        faces.push(Detection {
            score: best.score,
            centre: mean(&|detection| detection.centre),
            size: mean(&|detection| detection.size),
            points,
        });
    }
    faces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detection(score: f32, x: f32) -> Detection {
        Detection { score, centre: [x, 100.0], size: [40.0, 40.0], points: [[x, 100.0]; 6] }
    }

    #[test]
    fn overlapping_boxes_merge_towards_the_better_score_and_distant_ones_stay() {
        let faces = merged(vec![detection(0.6, 104.0), detection(0.9, 100.0), detection(0.7, 200.0)]);
        assert_eq!(faces.len(), 2);
        assert!(faces[0].score == 0.9 && (faces[0].centre[0] - 101.6).abs() < 1e-3, "{faces:?}");
    }
}
