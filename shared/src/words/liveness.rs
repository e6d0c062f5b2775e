//! The words of liveness with challenges.

use super::UnknownWord;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

words! {
    /// How a selfie's liveness is asked for.
    LivenessMode("liveness mode") {
        /// One picture.
        Passive => "passive",
        /// Several frames of a person who was asked to do something.
        Active => "active",
    }
}

words! {
    /// What the person in front of the camera was asked to do. Left and right are the person's own.
    Challenge("challenge") {
        Blink => "blink",
        TurnLeft => "turn_left",
        TurnRight => "turn_right",
    }
}

words! {
    /// How a challenge ended.
    ChallengeStatus("challenge status") {
        Passed => "passed",
        Failed => "failed",
        /// The frames cannot carry a judgement; never read as passed.
        Inconclusive => "inconclusive",
    }
}
