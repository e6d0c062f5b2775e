//! Finding lines of text in a picture.

use super::geometry::TextBox;
use super::text_regions::text_boxes;
use crate::imaging::{RgbImage, resize};
use crate::inference::{Engine, InferenceError, Model};

/// Longer side that the detector sees. Time grows with the area; below this the small print of
/// labels falls apart (measured in MODELS.md).
pub const DETECTION_SIDE_PX: u32 = 960;
/// The network halves its input five times.
const MULTIPLE: u32 = 32;
/// Per channel, in the order blue, green, red in which the network takes them.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

/// Boxes in pixels of `picture`.
pub fn detect(
    picture: &RgbImage,
    side_px: u32,
    engine: &mut Engine,
) -> Result<Vec<TextBox>, super::OcrError> {
    let (width, height) = (picture.width(), picture.height());
    let ratio = (side_px as f32 / width.max(height) as f32).min(1.0);
    let rounded =
        |side: u32| ((side as f32 * ratio / MULTIPLE as f32).round() as u32).max(1).saturating_mul(MULTIPLE);
    let (map_width, map_height) = (rounded(width), rounded(height));
    let small = resize(picture, map_width, map_height)?;
    let input = planes(&small);
    let shape = [1, 3, map_height as usize, map_width as usize];
    let boxes = engine.run(Model::TextDetection, &shape, &input, |outputs| {
        let map = outputs.first()?;
        if map.data.len() != map_width as usize * map_height as usize {
            return Err(InferenceError::Failed {
                model: Model::TextDetection,
                message: format!("answered with the shape {:?}", map.shape),
            });
        }
        Ok(text_boxes(map.data, map_width as usize))
    })?;
    let (x, y) = (width as f32 / map_width as f32, height as f32 / map_height as f32);
    Ok(boxes.into_iter().map(|found| found.scaled(x, y)).collect())
}

/// Blue, green and red planes, normalised as the network was trained.
fn planes(picture: &RgbImage) -> Vec<f32> {
    let pixels = picture.as_raw();
    let mut input = Vec::with_capacity(pixels.len());
    for (plane, channel) in [2, 1, 0].into_iter().enumerate() {
        let (scale, shift) = (1.0 / (255.0 * DEVIATION[plane]), MEAN[plane] / DEVIATION[plane]);
        input.extend(pixels.iter().skip(channel).step_by(3).map(|v| f32::from(*v) * scale - shift));
    }
    input
}
