//! Crops that a person looks at: evidence, thumbnails.

use super::{ImageError, RgbImage, resize_region};
use image::codecs::jpeg::JpegEncoder;
use txid_shared::partial::Polygon;

/// The region `[left, top, width, height]` (clipped) as a JPEG whose longer side is at most
/// `max_side_px`, quality 0..100.
pub fn crop_jpeg(
    picture: &RgbImage,
    [left, top, width, height]: [f32; 4],
    max_side_px: u32,
    quality: u8,
) -> Result<Vec<u8>, ImageError> {
    let (right, bottom) =
        ((left + width).min(picture.width() as f32), (top + height).min(picture.height() as f32));
    let (left, top) = (left.max(0.0), top.max(0.0));
    let (width, height) = (right - left, bottom - top);
    let ratio = (max_side_px as f32 / width.max(height).max(1.0)).min(1.0);
    let side = |length: f32| (length * ratio).round().max(1.0) as u32;
    let region = [left, top, width, height].map(f64::from);
    let crop = resize_region(picture, region, side(width), side(height))?;
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality)
        .encode_image(&crop)
        .map_err(|error| ImageError::Encoding(error.to_string()))?;
    Ok(bytes)
}

/// The upright bounding box of a polygon, grown by `margin` of its size on every side.
pub fn crop_jpeg_of_polygon(
    picture: &RgbImage,
    polygon: &Polygon,
    margin: f32,
) -> Result<Vec<u8>, ImageError> {
    let bound = |axis: usize| {
        let values = polygon.map(|corner| corner[axis]);
        let low = values.iter().copied().fold(f32::INFINITY, f32::min);
        let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        (low, high - low)
    };
    let ((left, width), (top, height)) = (bound(0), bound(1));
    let (grow_x, grow_y) = (width * margin, height * margin);
    let region = [left - grow_x, top - grow_y, width + 2.0 * grow_x, height + 2.0 * grow_y];
    crop_jpeg(picture, region, EVIDENCE_SIDE_PX, EVIDENCE_QUALITY)
}

/// Enough to see what is meant, small enough to keep for every signal.
const EVIDENCE_SIDE_PX: u32 = 640;
const EVIDENCE_QUALITY: u8 = 85;
