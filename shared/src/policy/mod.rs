//! The decision: pure, versioned, replayable. Partials and the caller's request go in, a verdict comes out.

mod active;
mod age;
mod data;
mod duplicate;
mod face;
mod fraud;
mod names;
mod reading;
mod verdict;

pub use duplicate::{Looked, document_key};
pub use verdict::{Decision, Question, decide};

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const DEFAULT: &str = include_str!("default.toml");

/// The thresholds and weights of a verdict, with the identity of the file they came from.
#[derive(Debug, Clone)]
pub struct Policy {
    pub rules: Rules,
    /// sha256 of the file, hex.
    pub digest: String,
}

#[derive(Debug, thiserror::Error)]
#[error("policy: {0}")]
pub struct PolicyError(#[from] toml::de::Error);

impl Policy {
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let rules = toml::from_str(text)?;
        Ok(Self { rules, digest: crate::hex(digest(&SHA256, text.as_bytes()).as_ref()) })
    }
}

impl Default for Policy {
    fn default() -> Self {
        // A test parses the file; it is part of the binary.
        Self::parse(DEFAULT).unwrap_or_else(|error| unreachable!("built-in policy: {error}"))
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    pub version: String,
    pub ocr: OcrRules,
    pub face_match: FaceMatchRules,
    pub liveness: LivenessRules,
    pub fraud: FraudRules,
    pub age_verification: AgeRules,
    pub duplicate: DuplicateRules,
    pub risk: RiskRules,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OcrRules {
    pub required_fields: Vec<String>,
    pub minimum_field_confidence: f32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaceMatchRules {
    pub similarity: f32,
    pub minimum_confidence: f32,
    /// −1..1
    pub same_photograph_cosine: f32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LivenessRules {
    pub inconclusive_from: f32,
    pub failed_from: f32,
    pub active: ActiveRules,
}

/// When a challenge counts as met. MODELS.md says what the numbers were measured on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActiveRules {
    pub minimum_eye_distance_px: f32,
    pub same_face_similarity: f32,
    pub other_face_below: f32,
    pub blink: BlinkRules,
    pub turn: TurnRules,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlinkRules {
    pub closed_up_to: f32,
    pub open_from: f32,
    pub minimum_open_ratio: f32,
    pub eyes_seen_within_degrees: f32,
    pub pitch_within_degrees: f32,
    pub nose_length_within: f32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TurnRules {
    pub turned_from_degrees: f32,
    pub inconclusive_from_degrees: f32,
    pub facing_within_degrees: f32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FraudRules {
    pub local_edit: SignalRule,
    pub editor_metadata: SignalRule,
    pub screen_moire: SignalRule,
    pub grey_copy: SignalRule,
    pub mrz_visual_conflict: SignalRule,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalRule {
    pub suspected_from: f32,
    pub failed_from: f32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgeRules {
    pub minimum_age_years: i16,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DuplicateRules {
    /// −1..1
    pub same_face_cosine: f32,
    /// −1..1
    pub same_holder_cosine: f32,
    pub same_image_bits: u32,
    pub most_matches: usize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RiskRules {
    /// A risk score of this and more needs a person's eyes.
    pub review_from: u32,
    pub document_fraud: Contribution,
    pub document_fraud_suspected: Contribution,
    pub face_mismatch: Contribution,
    pub liveness_failed: Contribution,
    pub data_inconsistency: Contribution,
    pub duplicate: Contribution,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contribution {
    pub lowest: u32,
    pub highest: u32,
}

impl Contribution {
    /// `strength` 0..1 of the finding picks the weight between lowest and highest.
    fn weight(self, strength: f32) -> u32 {
        let span = self.highest.saturating_sub(self.lowest) as f32;
        self.lowest + (span * strength.clamp(0.0, 1.0)).round() as u32
    }
}

/// What a caller may set for one verification; each overrides the policy's value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// Similarity 0..1 from which on two faces are one person (policy: 0.80).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1)]
    pub face_match: Option<f32>,
    /// Probability of a presentation attack 0..1 from which on liveness fails (policy: 0.80).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1)]
    pub liveness: Option<f32>,
    /// Youngest accepted age in years (policy: 18).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 150)]
    pub minimum_age: Option<i16>,
    /// Pictures of documents below 1280×720 are refused with `image_too_small` instead of noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reject_low_resolution: Option<bool>,
}
