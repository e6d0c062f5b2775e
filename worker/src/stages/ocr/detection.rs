//! Finding lines of text in a picture: a coarse look tells where there is text at all, a fine one
//! looks there. A card that fills a third of a photograph is so seen as large as one that fills it.

use super::frame::{Frame, Place};
use super::geometry::TextBox;
use super::text_regions::text_boxes;
use crate::inference::{Engine, InferenceError, Model};
use txid_imaging::RgbImage;

/// Longer side of the whole picture at the coarse look: lines melt into blocks, which is enough.
const COARSE_SIDE_PX: u32 = 320;
/// Longer side of the document, or of the part with text, at the fine look. Time grows with the area; below
/// this the small print of labels falls apart (measured in MODELS.md).
const FINE_SIDE_PX: u32 = 832;
/// Longer side of the whole picture where the usual look saw next to nothing.
const THOROUGH_SIDE_PX: u32 = 1440;
/// What the part with text is grown by on each side, as a share of its longer side: print too
/// small for the coarse look stands beside larger print.
const MARGIN: f32 = 0.06;
/// A part larger than this share of the picture is not worth cutting out.
const WORTH_CUTTING: f32 = 0.85;
/// The network halves its input five times.
const MULTIPLE: u32 = 32;
/// Per channel, in the order blue, green, red in which the network takes them.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

/// How closely to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// A fine look where there is a document or text.
    Usual,
    /// A finer one at everything.
    Thorough,
}

/// Boxes in the frame's coordinates.
pub fn detect(frame: &Frame<'_>, look: Look, engine: &mut Engine) -> Result<Vec<TextBox>, super::OcrError> {
    let whole = frame.extent();
    if look == Look::Thorough {
        return detect_in(frame, whole, THOROUGH_SIDE_PX, engine);
    }
    if let Place::Document { .. } = frame.place {
        return detect_in(frame, whole, FINE_SIDE_PX, engine);
    }
    let coarse = detect_blocks(frame, engine)?;
    let part = part_with_text(whole, &coarse).unwrap_or(whole);
    detect_in(frame, part, FINE_SIDE_PX, engine)
}

/// Where there is text at all.
pub fn detect_blocks(frame: &Frame<'_>, engine: &mut Engine) -> Result<Vec<TextBox>, super::OcrError> {
    detect_in(frame, frame.extent(), COARSE_SIDE_PX, engine)
}

/// Left, top, width and height of what is worth cutting out.
fn part_with_text([_, _, width, height]: [f32; 4], boxes: &[TextBox]) -> Option<[f32; 4]> {
    let corners = || boxes.iter().flat_map(TextBox::corners);
    let extent = |axis: usize| {
        corners().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), corner| {
            (low.min(corner[axis]), high.max(corner[axis]))
        })
    };
    let ((left, right), (top, bottom)) = (extent(0), extent(1));
    if left >= right || top >= bottom {
        return None;
    }
    let margin = MARGIN * (right - left).max(bottom - top);
    let (left, right) = ((left - margin).max(0.0).floor(), (right + margin).min(width).ceil());
    let (top, bottom) = ((top - margin).max(0.0).floor(), (bottom + margin).min(height).ceil());
    ((right - left) * (bottom - top) < WORTH_CUTTING * width * height).then_some([
        left,
        top,
        right - left,
        bottom - top,
    ])
}

/// Looks in one rectangle of the frame (left, top, width, height), its longer side brought to `side_px`.
fn detect_in(
    frame: &Frame<'_>,
    part: [f32; 4],
    side_px: u32,
    engine: &mut Engine,
) -> Result<Vec<TextBox>, super::OcrError> {
    let [left, top, width, height] = part;
    let ratio = (side_px as f32 / width.max(height)).min(1.0);
    let rounded =
        |side: f32| ((side * ratio / MULTIPLE as f32).round() as u32).max(1).saturating_mul(MULTIPLE);
    let (map_width, map_height) = (rounded(width), rounded(height));
    let small = frame.resampled(part, [map_width, map_height])?;
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
    let (x, y) = (width / map_width as f32, height / map_height as f32);
    Ok(boxes.into_iter().map(|found| found.scaled(x, y).moved(left, top)).collect())
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
