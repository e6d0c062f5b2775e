//! What in the picture of a document makes reading harder, in words for whoever took it.

use crate::places::{blurred, burnt_out};
use crate::{Exposure, RgbImage, exposure, luminance, sharpness};
use txid_shared::partial::{Polygon, QualityIssue};

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

/// A selfie's sharpness counts on the whole picture, background included: lower than for print.
const LEAST_SELFIE_SHARPNESS: f32 = 0.008;
/// Shorter side of a selfie that shows enough of a face.
const LEAST_SELFIE_PX: u32 = 480;

/// The same for a selfie.
pub fn selfie_issues(small: &RgbImage, width: u32, height: u32) -> Vec<QualityIssue> {
    let mut found = Found::default();
    let shorter = width.min(height);
    if shorter < LEAST_SELFIE_PX {
        let message = format!("{width}x{height} pixels; {LEAST_SELFIE_PX} on the shorter side are better");
        found.tell("low_resolution", message, 1.0 - shorter as f32 / LEAST_SELFIE_PX as f32);
    }
    let grey = luminance(small);
    found.light(&exposure(&grey));
    found.focus(sharpness(&grey, MEASURED_SIDE_PX), LEAST_SELFIE_SHARPNESS);
    found.0
}

/// `small` is the picture at [`MEASURED_SIDE_PX`]; `width` and `height` are the original's.
pub fn document_issues(small: &RgbImage, width: u32, height: u32) -> Vec<QualityIssue> {
    let mut found = Found::default();
    let (longer, shorter) = (width.max(height), width.min(height));
    if longer < LEAST_LONGER_PX || shorter < LEAST_SHORTER_PX {
        let share = (longer as f32 / LEAST_LONGER_PX as f32).min(shorter as f32 / LEAST_SHORTER_PX as f32);
        let message =
            format!("{width}x{height} pixels; at least {LEAST_LONGER_PX}x{LEAST_SHORTER_PX} are needed");
        found.tell("low_resolution", message, 1.0 - share + 0.3);
    }
    let grey = luminance(small);
    let light = exposure(&grey);
    found.light(&light);
    let ratio = longer as f32 / small.width().max(small.height()).max(1) as f32;
    let scaled = |places: Vec<Polygon>| {
        places.into_iter().map(|place| place.map(|point| point.map(|value| value * ratio))).collect()
    };
    if light.bright > GLARE_SHARE && light.mean < GLARE_MEAN {
        let message = "Light is reflected by the document; tilt it a little";
        found.tell("glare", message, light.bright * 5.0).places = scaled(burnt_out(&grey));
    }
    if let Some(issue) = found.focus(sharpness(&grey, MEASURED_SIDE_PX), LEAST_SHARPNESS) {
        issue.places = scaled(blurred(&grey, LEAST_SHARPNESS));
    }
    found.0
}

#[derive(Default)]
struct Found(Vec<QualityIssue>);

impl Found {
    fn tell(&mut self, code: &str, message: impl Into<String>, severity: f32) -> &mut QualityIssue {
        self.0.push(QualityIssue::new(code, message, severity.clamp(0.0, 1.0)));
        let last = self.0.len() - 1;
        &mut self.0[last]
    }

    fn light(&mut self, light: &Exposure) {
        if light.mean < LEAST_MEAN {
            let severity = 1.0 - light.mean / LEAST_MEAN;
            self.tell("too_dark", "The picture is dark; use more light", severity);
        }
        if light.mean > MOST_MEAN && light.contrast < 0.1 {
            self.tell("too_bright", "The picture is washed out; use less light", 0.6);
        }
    }

    fn focus(&mut self, sharp: f32, least: f32) -> Option<&mut QualityIssue> {
        let message = "The picture is blurred; hold still and focus";
        (sharp < least).then(|| self.tell("blurred", message, 1.0 - sharp / least))
    }
}
