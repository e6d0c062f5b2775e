//! What in the picture makes reading harder, in words for whoever took it.

use super::side::Side;
use crate::imaging::{RgbImage, exposure, luminance, sharpness};
use txid_shared::partial::QualityIssue;

/// The contract's least size, in either orientation.
const LEAST_LONGER_PX: u32 = 1280;
const LEAST_SHORTER_PX: u32 = 720;
/// The side at which sharpness is measured.
pub const MEASURED_SIDE_PX: u32 = 960;
/// Below, small print is lost; a text page in focus has ten times as much (imaging::sharpness).
const LEAST_SHARPNESS: f32 = 0.04;
const LEAST_MEAN: f32 = 0.22;
const MOST_MEAN: f32 = 0.95;
/// Share of burnt-out pixels that is more than white paper's highlights.
const GLARE_SHARE: f32 = 0.02;
/// White paper around a scan is bright all over; glare is bright patches in a darker picture.
const GLARE_MEAN: f32 = 0.75;

/// `small` is the picture at [`MEASURED_SIDE_PX`]; `width` and `height` are the original's.
pub fn issues(small: &RgbImage, width: u32, height: u32, side: &Side) -> Vec<QualityIssue> {
    let mut found = Vec::new();
    let mut tell = |code: &str, message: String, severity: f32| {
        found.push(QualityIssue { code: code.to_owned(), message, severity: severity.clamp(0.0, 1.0) });
    };
    let (longer, shorter) = (width.max(height), width.min(height));
    if longer < LEAST_LONGER_PX || shorter < LEAST_SHORTER_PX {
        let share = (longer as f32 / LEAST_LONGER_PX as f32).min(shorter as f32 / LEAST_SHORTER_PX as f32);
        let message =
            format!("{width}x{height} pixels; at least {LEAST_LONGER_PX}x{LEAST_SHORTER_PX} are needed");
        tell("low_resolution", message, 1.0 - share + 0.3);
    }
    let grey = luminance(small);
    let light = exposure(&grey);
    if light.mean < LEAST_MEAN {
        tell("too_dark", "The picture is dark; use more light".to_owned(), 1.0 - light.mean / LEAST_MEAN);
    }
    if light.mean > MOST_MEAN && light.contrast < 0.1 {
        tell("too_bright", "The picture is washed out; use less light".to_owned(), 0.6);
    }
    if light.bright > GLARE_SHARE && light.mean < GLARE_MEAN {
        tell("glare", "Light is reflected by the document; tilt it a little".to_owned(), light.bright * 5.0);
    }
    let sharp = sharpness(&grey, MEASURED_SIDE_PX);
    if sharp < LEAST_SHARPNESS {
        tell(
            "blurred",
            "The picture is blurred; hold still and focus".to_owned(),
            1.0 - sharp / LEAST_SHARPNESS,
        );
    }
    if side.lines.is_empty() && side.zone.is_none() {
        tell("no_text", "No text was found".to_owned(), 1.0);
    }
    found
}
