//! `fraud`: signals of tampering on the document sides. Each signal measures one thing, on every
//! side, and reports it also where it finds nothing. `MrzVisualConflict` is the policy's.

pub mod editor_metadata;
pub mod grey_copy;
mod grid;
pub mod local_edit;
pub mod screen_moire;

use super::{Outcome, Stage, StageClock, StageFailure, StageInput};
use crate::inference::Engine;
use txid_imaging::SourceImage;
use txid_shared::partial::{Evidence, FraudKind, FraudResult, FraudSignal, Polygon, StageResult};
use txid_shared::words::{ImageRole, Stage as StageName};

/// Takes `document_front` and, where there is one, `document_back`. Uses no model.
#[derive(Debug, Default)]
pub struct Fraud;

impl Stage for Fraud {
    fn name(&self) -> StageName {
        StageName::Fraud
    }

    fn run(&self, input: &StageInput, engine: &mut Engine) -> Outcome {
        let mut clock = StageClock::start(engine);
        match measure(input, &mut clock) {
            Ok(result) => Outcome::completed(StageResult::Fraud(result), clock.timing(engine)),
            Err(failure) => failure.into_outcome(),
        }
    }
}

/// What one signal says about one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// 0 (nothing) .. 1 (certain)
    pub score: f32,
    /// For a person; no personal data.
    pub message: String,
    /// The region that it was seen in, where it is not the whole image.
    pub region: Option<Polygon>,
}

impl Finding {
    fn nothing(message: &str) -> Self {
        Self { score: 0.0, message: message.to_owned(), region: None }
    }
}

/// Evidence is cut only for what a person may have to look at.
const EVIDENCE_FROM: f32 = 0.3;

fn measure(input: &StageInput, clock: &mut StageClock) -> Result<FraudResult, StageFailure> {
    let mut result = FraudResult::default();
    for (role, source) in input.images.document_sides() {
        result.signals.extend(measure_side(role, source, clock)?);
    }
    if result.signals.is_empty() {
        return Err(StageFailure::MissingImage(ImageRole::DocumentFront));
    }
    Ok(result)
}

fn measure_side(
    role: ImageRole,
    source: &SourceImage,
    clock: &mut StageClock,
) -> Result<Vec<FraudSignal>, StageFailure> {
    let picture = clock.decoding(|| source.decoded()).map_err(StageFailure::image(role))?;
    let grid = source.grid_origin().map_err(StageFailure::image(role))?;
    let grey = txid_imaging::luminance(&picture);
    let findings = [
        (FraudKind::LocalEdit, local_edit::find(&grey, grid)),
        (FraudKind::ScreenMoire, screen_moire::find(&picture, &grey)),
        (FraudKind::GreyCopy, grey_copy::find(&picture)),
        (FraudKind::EditorMetadata, editor_metadata::find(source.encoded())),
    ];
    let whole = whole_image(picture.width(), picture.height());
    Ok(findings
        .into_iter()
        .map(|(kind, Finding { score, message, region })| {
            let about_pixels = kind != FraudKind::EditorMetadata;
            let evidence = (score >= EVIDENCE_FROM && about_pixels).then(|| {
                let polygon = region.unwrap_or(whole);
                let margin = if region.is_some() { 0.5 } else { 0.0 };
                // A crop that cannot be made must not hide the signal.
                let crop_jpeg = txid_imaging::crop_jpeg_of_polygon(&picture, &polygon, margin).ok();
                Evidence { image: role, polygon, crop_jpeg, crop_id: None }
            });
            FraudSignal { kind, score, image: role, message, evidence }
        })
        .collect())
}

fn whole_image(width: u32, height: u32) -> Polygon {
    let (right, bottom) = (width as f32, height as f32);
    [[0.0, 0.0], [right, 0.0], [right, bottom], [0.0, bottom]]
}

/// A piecewise linear score through `points` of (measured value, score), both ascending.
fn scored(value: f32, points: &[(f32, f32)]) -> f32 {
    let mut previous: Option<(f32, f32)> = None;
    for &(at, score) in points {
        if value <= at {
            return match previous {
                Some((from, low)) => low + (score - low) * (value - from) / (at - from).max(1e-6),
                None => score,
            };
        }
        previous = Some((at, score));
    }
    previous.map_or(0.0, |(_, score)| score)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_follows_its_measured_points() {
        let points = [(1.0, 0.0), (2.0, 0.5), (4.0, 1.0)];
        for (value, score) in [(0.0, 0.0), (1.5, 0.25), (3.0, 0.75), (9.0, 1.0)] {
            assert!((scored(value, &points) - score).abs() < 1e-6);
        }
    }
}
