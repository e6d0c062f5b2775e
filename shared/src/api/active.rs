//! Active liveness: what a person did in front of the camera when asked to, frame by frame.
//!
//! Terms are those of ISO/IEC 30107: a *bona fide presentation* is a person in front of the camera, a
//! *presentation attack* shows the camera something else (the instrument: a print, a screen, a mask).

use crate::partial::FrameFace;
use crate::words::{Challenge, ChallengeStatus};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Challenge and response on still frames. Answers whether the frames show the movement, not who or what made it:
/// a replayed recording of the person answers a challenge as well as the person does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ActiveLiveness {
    /// `passed`: every frame shows one face, it is the same one, and every challenge was met. `failed`: a
    /// challenge was not met, or another face was shown.
    pub status: ChallengeStatus,
    /// In the order they were asked for.
    pub challenges: Vec<ChallengeOutcome>,
    pub same_face: SameFace,
    /// Which of the frames `spoof_probability` is about (the best one), from 0; `null` where it is about `image`.
    pub judged_frame: Option<usize>,
    /// In the order they were sent.
    pub frames: Vec<FrameEvidence>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChallengeOutcome {
    #[serde(rename = "type")]
    pub challenge: Challenge,
    pub status: ChallengeStatus,
    /// What was seen, for the operator.
    pub message: String,
    /// `blink`: the smallest eye aspect ratio of a frame that counts over that of the open eyes, 1 is open.
    /// `turn_left`, `turn_right`: the largest turn to that side from the frame that faces the camera, in degrees;
    /// negative where the head only turned the other way. `null` where nothing could be measured.
    pub measured: Option<f32>,
    /// In the unit of `measured`: at most this for `blink`, at least this for the turns.
    pub threshold: f32,
    /// The frames that say so, from 0. `blink` passed: open, closed, open. Turns: facing, turned.
    pub frames: Vec<usize>,
}

/// Whether all frames show the face that was judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SameFace {
    pub status: ChallengeStatus,
    /// The least like of the frames, on the scale of `face_match`, 0..1; `null` where there was none to compare.
    pub similarity: Option<f32>,
    /// Alike from here on.
    pub threshold: f32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FrameEvidence {
    /// Place in `frames`, from 0.
    pub frame: usize,
    /// Faces of comparable size. Only frames with one count.
    pub faces: usize,
    /// Measurements of the largest face; `null` where none was found.
    pub face: Option<FrameFace>,
    /// Eye aspect ratio over that of the open eyes; `null` where the eyes cannot be measured.
    pub eye_openness: Option<f32>,
}
