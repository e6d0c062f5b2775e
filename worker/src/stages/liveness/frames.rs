//! What each frame of an active call shows: faces, lids, pose, and whether it is the face that was judged.

use super::{ROLE, find_faces};
use crate::inference::{Engine, InferenceError};
use crate::stages::face_match::{embedding, similarity};
use crate::stages::faces::{self, Face, FaceQuality};
use crate::stages::{StageClock, StageFailure};
use std::sync::Arc;
use txid_imaging::{RgbImage, SourceImage};
use txid_shared::partial::{FrameFace, FrameReading};

/// A frame with the largest face in it.
pub(super) struct Look {
    pub(super) picture: Arc<RgbImage>,
    pub(super) count: usize,
    pub(super) face: Option<(Face, FaceQuality)>,
}

pub(super) fn look(
    frames: &[Arc<SourceImage>],
    engine: &mut Engine,
    clock: &mut StageClock,
) -> Result<Vec<Look>, StageFailure> {
    let mut looks = Vec::with_capacity(frames.len());
    for source in frames {
        let picture = clock.decoding(|| source.decoded()).map_err(StageFailure::image(ROLE))?;
        let found = find_faces(engine, &picture)?;
        let count = faces::comparable(&found);
        let face = found.into_iter().next();
        let face = face.map(|face| {
            let quality = FaceQuality::of(&picture, &face);
            (face, quality)
        });
        looks.push(Look { picture, count, face });
    }
    Ok(looks)
}

/// The frame to judge passively: of those with one face the best one, else of those with several.
pub(super) fn best(looks: &[Look]) -> Option<usize> {
    let rank = |look: &Look| {
        let (_, quality) = look.face.as_ref()?;
        // Of equally good ones the one that shows the face most from the front.
        Some((look.count == 1, quality.score() - 0.01 * quality.yaw))
    };
    let ranked = looks.iter().enumerate().filter_map(|(number, look)| Some((number, rank(look)?)));
    ranked.max_by(|(_, (a, x)), (_, (b, y))| a.cmp(b).then(x.total_cmp(y))).map(|(number, _)| number)
}

/// `judged`: the face that the passive judgement is about, and its picture.
pub(super) fn read(
    looks: &[Look],
    judged: (&RgbImage, &Face),
    engine: &mut Engine,
) -> Result<Vec<FrameReading>, InferenceError> {
    let (picture, face) = judged;
    let reference = embedding::embed(engine, picture, face)?;
    looks.iter().map(|look| reading(look, &reference, engine)).collect()
}

fn reading(look: &Look, reference: &[f32], engine: &mut Engine) -> Result<FrameReading, InferenceError> {
    let Some((face, quality)) = &look.face else { return Ok(FrameReading { faces: 0, face: None }) };
    let cosine = embedding::cosine(&embedding::embed(engine, &look.picture, face)?, reference);
    let face = FrameFace {
        eye_aspect_ratio: face.mesh.eye_aspect_ratio(),
        yaw_degrees: face.mesh.yaw_degrees(),
        pitch_degrees: face.mesh.pitch_degrees(),
        nose_length: face.mesh.nose_length(),
        eye_distance_px: quality.eye_distance_px,
        similarity: similarity(cosine),
        quality_score: quality.score(),
    };
    Ok(FrameReading { faces: look.count, face: Some(face) })
}
