//! The deep-tree anti-spoof model (256×256): eight leaves, each with a spoof score, and the path
//! that this face takes through the tree.

use crate::inference::{Engine, InferenceError, Model};
use crate::stages::faces::Face;
use txid_imaging::{RgbImage, Similarity, warp_similarity};

const INPUT_PX: u32 = 256;

/// The face with some of what surrounds it: on photographs degraded step by step this crop stayed
/// live longer than the face alone (MODELS.md).
const WIDE: f32 = 1.3;
/// The face alone: asked where the wide crop is not clearly live, since single crops jumped from live
/// to spoof and back. Costs as much again, so not always.
const TIGHT: f32 = 1.0;
/// Probability below which one crop is enough.
const CLEARLY_LIVE: f32 = 0.2;

/// The raw score where its authors cut between live and spoof.
const RAW_CUT: f32 = 0.2;

pub(super) enum Judgement {
    /// Of a presentation attack, 0..1; 0.5 lies at the authors' cut.
    Probability(f32),
    /// The two crops contradict each other, or lie too near the cut.
    Undecided,
}

pub(super) fn judge(
    engine: &mut Engine,
    picture: &RgbImage,
    face: &Face,
) -> Result<Judgement, InferenceError> {
    let wide = calibrated(raw_score(engine, picture, face, WIDE)?);
    if wide < CLEARLY_LIVE {
        return Ok(Judgement::Probability(wide));
    }
    let tight = calibrated(raw_score(engine, picture, face, TIGHT)?);
    let mean = (tight + wide) / 2.0;
    // Opposite verdicts, or a mean in the middle: no answer.
    let opposed = (tight - 0.5) * (wide - 0.5) < 0.0;
    Ok(if opposed || (mean - 0.5).abs() < 0.1 { Judgement::Undecided } else { Judgement::Probability(mean) })
}

/// 0 live .. 1 spoof, as the model gives it.
fn raw_score(
    engine: &mut Engine,
    picture: &RgbImage,
    face: &Face,
    scale: f32,
) -> Result<f32, InferenceError> {
    // Upright, but not levelled by the eyes: levelling resamples, and the model judges fine detail.
    let quarter = std::f32::consts::FRAC_PI_2;
    let angle = (face.detection.angle() / quarter).round() * quarter;
    let extent = face.detection.side() * scale;
    let square = Similarity::square_around(INPUT_PX as f32, face.detection.centre, extent, angle);
    let crop = warp_similarity(picture, &square, INPUT_PX);
    let input: Vec<f32> = crop.as_raw().iter().map(|&value| f32::from(value) / 255.0).collect();
    let side = INPUT_PX as usize;
    engine.run(Model::AntiSpoof, &[1, side, side, 3], &input, |outputs| {
        let (scores, path) = (outputs.named("leaf_scores")?, outputs.named("leaf_path")?);
        let score: f32 = scores.data.iter().zip(path.data).map(|(score, taken)| score.abs() * taken).sum();
        Ok(score.clamp(0.0, 1.0))
    })
}

/// Straight lines through 0 → 0.02, the authors' cut → 0.5, 1 → 0.98: the model never knows for sure.
fn calibrated(raw: f32) -> f32 {
    if raw < RAW_CUT { 0.02 + 0.48 * raw / RAW_CUT } else { 0.5 + 0.48 * (raw - RAW_CUT) / (1.0 - RAW_CUT) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authors_cut_is_the_middle_of_the_scale() {
        assert!((calibrated(RAW_CUT) - 0.5).abs() < 1e-6);
        assert!(calibrated(0.0) > 0.0 && calibrated(1.0) < 1.0);
    }
}
