//! `liveness`: was a person in front of the camera, or a picture of one?
//! The model is weak (MODELS.md): where the input cannot carry its judgement, the answer is
//! `Inconclusive`, not a guess.

mod anti_spoof;
mod frames;

use super::faces::{self, Face, FaceError, FaceQuality};
use super::fraud::screen_moire;
use super::{Outcome, Stage, StageClock, StageFailure, StageInput};
use crate::inference::Engine;
use anti_spoof::Judgement;
use frames::Look;
use txid_imaging::{RgbImage, SourceImage};
use txid_shared::partial::{FrameReading, LivenessOutcome, LivenessResult, StageResult};
use txid_shared::words::{ImageRole, Stage as StageName};

/// Takes `selfie`, or frames of a person who was asked to do something, or both: then `selfie` is judged, else the
/// best of the frames. What the frames show is measured; whether that is what was asked for says the policy.
#[derive(Debug, Default)]
pub struct Liveness;

impl Stage for Liveness {
    fn name(&self) -> StageName {
        StageName::Liveness
    }

    fn run(&self, input: &StageInput, engine: &mut Engine) -> Outcome {
        let mut clock = StageClock::start(engine);
        match judge(input, engine, &mut clock) {
            Ok(result) => Outcome::completed(StageResult::Liveness(result), clock.timing(engine)),
            Err(failure) => failure.into_outcome(),
        }
    }
}

const ROLE: ImageRole = ImageRole::Selfie;

fn judge(
    input: &StageInput,
    engine: &mut Engine,
    clock: &mut StageClock,
) -> Result<LivenessResult, StageFailure> {
    let frames = &input.images.frames;
    let looks = frames::look(frames, engine, clock)?;
    let Some(source) = input.images.get(ROLE) else {
        let Some(number) = frames::best(&looks) else {
            return if frames.is_empty() {
                Err(StageFailure::MissingImage(ROLE))
            } else {
                Ok(nobody(&looks))
            };
        };
        let (Some(look), Some(source)) = (looks.get(number), frames.get(number)) else {
            return Err(StageFailure::MissingImage(ROLE));
        };
        let mut result = of_face(source, look, engine)?;
        if let Some((face, _)) = &look.face {
            result.frames = frames::read(&looks, (&look.picture, face), engine)?;
        }
        return Ok(LivenessResult { judged_frame: Some(number), ..result });
    };
    let alone = frames::look(std::slice::from_ref(source), engine, clock)?;
    let Some((look, (face, _))) = alone.first().and_then(|look| Some((look, look.face.as_ref()?))) else {
        return Ok(nobody(&looks));
    };
    let mut result = of_face(source, look, engine)?;
    if !looks.is_empty() {
        result.frames = frames::read(&looks, (&look.picture, face), engine)?;
    }
    Ok(result)
}

fn find_faces(engine: &mut Engine, picture: &RgbImage) -> Result<Vec<Face>, StageFailure> {
    faces::find(engine, picture).map_err(|error| match error {
        FaceError::Image(source) => StageFailure::Image { role: ROLE, source },
        FaceError::Inference(error) => error.into(),
    })
}

/// There is no face to judge, and so none that those on the frames could be compared with.
fn nobody(looks: &[Look]) -> LivenessResult {
    let reading = |look: &Look| FrameReading { faces: look.count, face: None };
    LivenessResult {
        outcome: LivenessOutcome::NoFace,
        quality_score: 0.0,
        face: None,
        issues: Vec::new(),
        frames: looks.iter().map(reading).collect(),
        judged_frame: None,
    }
}

/// The passive judgement on the largest face of a picture.
fn of_face(source: &SourceImage, look: &Look, engine: &mut Engine) -> Result<LivenessResult, StageFailure> {
    let Some((face, quality)) = &look.face else { return Ok(nobody(&[])) };
    let outcome = if look.count > 1 {
        LivenessOutcome::SeveralFaces { count: look.count }
    } else {
        outcome(source, &look.picture, face, *quality, engine)?
    };
    Ok(LivenessResult {
        outcome,
        quality_score: quality.score(),
        face: Some(face.found(ROLE)),
        issues: quality.issues(),
        frames: Vec::new(),
        judged_frame: None,
    })
}

fn outcome(
    source: &SourceImage,
    picture: &RgbImage,
    face: &Face,
    quality: FaceQuality,
    engine: &mut Engine,
) -> Result<LivenessOutcome, StageFailure> {
    // A display's pixel grid needs no model, and it stays visible where the model is blind.
    let screen = screen_moire::score_of_region(picture, face_region(picture, face));
    if screen >= CERTAIN_SCREEN {
        return Ok(LivenessOutcome::Judged {
            spoof_probability: screen,
            spoof_type: Some("screen".to_owned()),
        });
    }
    if let Some(why) = unfit(source, quality) {
        return Ok(LivenessOutcome::Inconclusive { why: why.to_owned() });
    }
    Ok(match anti_spoof::judge(engine, picture, face)? {
        Judgement::Undecided => {
            LivenessOutcome::Inconclusive { why: "the model gives no clear answer on this face".to_owned() }
        }
        Judgement::Probability(spoof_probability) => {
            LivenessOutcome::Judged { spoof_probability, spoof_type: None }
        }
    })
}

/// From here on the spectrum alone says "screen" (see fraud/screen_moire for the scale).
const CERTAIN_SCREEN: f32 = 0.8;

/// Why this face cannot carry a judgement. The limits are where real photographs, degraded step by
/// step, begin to be called spoof: see MODELS.md.
fn unfit(source: &SourceImage, quality: FaceQuality) -> Option<&'static str> {
    if quality.eye_distance_px < MIN_EYE_DISTANCE_PX {
        Some("the face is too small")
    } else if quality.sharpness < MIN_SHARPNESS {
        Some("the face is not in focus")
    } else if quality.exposure_score() < 0.3 {
        Some("the face is too dark or too bright")
    } else if source.jpeg_quality().is_some_and(|quality| quality < MIN_JPEG_QUALITY) {
        Some("the image was compressed too strongly")
    } else {
        None
    }
}

const MIN_EYE_DISTANCE_PX: f32 = 45.0;
const MIN_SHARPNESS: f32 = 0.025;
/// On the scale of the JPEG group's reference encoder.
const MIN_JPEG_QUALITY: u8 = 75;

/// Left, top, width, height of the upright bounding box of the face.
fn face_region(picture: &RgbImage, face: &Face) -> [u32; 4] {
    let side = face.detection.side() * 1.4;
    let [x, y] = face.detection.centre;
    let left = (x - side / 2.0).clamp(0.0, picture.width() as f32) as u32;
    let top = (y - side / 2.0).clamp(0.0, picture.height() as f32) as u32;
    let fit = |from: u32, length: u32| (side as u32).min(length.saturating_sub(from));
    [left, top, fit(left, picture.width()), fit(top, picture.height())]
}
