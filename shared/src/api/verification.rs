//! The verification as `GET /v1/identity/verifications/{id}` and the webhooks show it.

use super::{ActiveLiveness, DuplicateCheck};
use crate::ids::VerificationId;
use crate::partial::{
    Agreement, Barcode, FieldCheck, FieldComparison, FieldSource, FraudSignal, Mrz, Polygon, SideReading,
    Timing,
};
use crate::words::{
    Check, CheckStatus, DocumentType, ImageRole, ReasonCode, RiskLevel, Severity, Stage, Status,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Verification {
    #[schema(value_type = String, example = "ver_01JDC3Z5V00000000000000000")]
    pub id: VerificationId,
    /// Always `identity.verification`.
    pub object: String,
    pub status: Status,
    /// ISO 3166-1 alpha-2
    pub country: String,
    pub document_type: DocumentType,
    /// RFC 3339 UTC
    #[schema(value_type = String, format = DateTime)]
    pub created_at: jiff::Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub completed_at: Option<jiff::Timestamp>,
    /// When it will be erased; absent where it is kept until somebody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<jiff::Timestamp>,
    /// The verification that this one tries again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "ver_01JDC3Z5V00000000000000000")]
    pub retry_of: Option<VerificationId>,
    /// What a person decided on a `manual_review`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
    /// As the caller sent it.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub metadata: serde_json::Map<String, serde_json::Value>,
    pub images: Vec<ImageInfo>,
    #[serde(flatten)]
    pub verdict: Option<Verdict>,
}

impl Verification {
    pub const OBJECT: &'static str = "identity.verification";
}

/// A person's decision on what the policy left open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Review {
    /// `verified` or `failed`.
    pub decision: Status,
    pub reason: String,
    pub reviewer: String,
    /// RFC 3339 UTC
    #[schema(value_type = String, format = DateTime)]
    pub decided_at: jiff::Timestamp,
}

/// What the scheduler accepted, without its content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ImageInfo {
    pub image: ImageRole,
    /// Which of several frames it is, from 0 in the order they were taken; absent for a picture of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame: Option<u8>,
    /// Of the bytes as they were sent, hex.
    pub sha256: String,
    pub size_bytes: u64,
    pub width_px: u32,
    pub height_px: u32,
}

impl ImageInfo {
    /// The picture of its own that plays `role`.
    pub fn plays(&self, role: ImageRole) -> bool {
        self.image == role && self.frame.is_none()
    }

    /// What it is called in the object store, within its verification.
    pub fn name(&self) -> String {
        match self.frame {
            None => self.image.to_string(),
            Some(frame) => format!("{}-{frame}", self.image),
        }
    }
}

/// What was decided and why. A pure function of partials, request and policy, so that it can be replayed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Verdict {
    pub checks: Checks,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extracted_data: Option<ExtractedData>,
    /// Why the status is what it is, the weightiest first; empty on a clean `verified`.
    pub reasons: Vec<Reason>,
    /// 0..1000, the sum of `risk_factors`.
    #[schema(minimum = 0, maximum = 1000)]
    pub risk_score: u32,
    pub risk_level: RiskLevel,
    pub risk_factors: Vec<RiskFactor>,
    pub policy: PolicyUsed,
    /// sha256 of each model that took part, by its name in the model manifest.
    pub models: BTreeMap<String, String>,
    /// Milliseconds per stage.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub timings: BTreeMap<Stage, Timing>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PolicyUsed {
    pub version: String,
    /// sha256 of the policy file, hex.
    pub digest: String,
}

/// Keyed by check; only the checks that were asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Checks {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ocr: Option<OcrCheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub face_match: Option<FaceMatchCheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness: Option<LivenessCheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fraud: Option<FraudCheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_validation: Option<DataValidationCheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_verification: Option<AgeVerificationCheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate: Option<DuplicateCheck>,
}

/// What every check says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CheckOutcome {
    #[serde(rename = "type")]
    pub check: Check,
    pub status: CheckStatus,
    /// How sure the check is of its status, 0..1; `null` where it could not judge.
    pub confidence: Option<f32>,
    pub reasons: Vec<Reason>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OcrCheck {
    #[serde(flatten)]
    pub outcome: CheckOutcome,
    /// Fields that the policy requires and that were not read.
    pub missing_fields: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FaceMatchCheck {
    #[serde(flatten)]
    pub outcome: CheckOutcome,
    /// 0..1; `null` where no comparison was possible.
    pub similarity: Option<f32>,
    pub threshold: f32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LivenessCheck {
    #[serde(flatten)]
    pub outcome: CheckOutcome,
    pub signals: LivenessSignals,
    /// Where challenges were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<ActiveLiveness>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LivenessSignals {
    /// `null` where the image cannot carry a judgement.
    pub is_live: Option<bool>,
    /// `print`, `screen`; `null` where none was recognised.
    pub spoof_type: Option<String>,
    /// 0..1
    pub quality_score: f32,
    /// 0..1; `null` where nothing was judged.
    pub spoof_probability: Option<f32>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FraudCheck {
    #[serde(flatten)]
    pub outcome: CheckOutcome,
    /// 0..1000: the document's share of the verification's risk score.
    pub risk_score: u32,
    pub risk_level: RiskLevel,
    pub signals: FraudSignals,
    /// Each measured signal with its score and where it was seen.
    pub measurements: Vec<FraudSignal>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FraudSignals {
    pub tampering: bool,
    pub photoshop: bool,
    pub screen_capture: bool,
    pub printed_copy: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DataValidationCheck {
    #[serde(flatten)]
    pub outcome: CheckOutcome,
    /// The same fact from two places of the document.
    pub comparisons: Vec<FieldComparison>,
    /// The document against the caller's `expected`.
    pub expected: Vec<ExpectedComparison>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExpectedComparison {
    pub field: String,
    /// `null`: the field was not read.
    pub outcome: Option<Agreement>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AgeVerificationCheck {
    #[serde(flatten)]
    pub outcome: CheckOutcome,
    pub age_years: Option<i16>,
    pub minimum_age_years: i16,
}

/// The product: why, in words for the operator and for the person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    pub code: ReasonCode,
    pub severity: Severity,
    pub check: Check,
    /// For the operator.
    pub message: String,
    /// For the person in front of the camera.
    pub user_message: String,
    pub score: Option<f32>,
    pub threshold: Option<f32>,
    /// Whether a new picture can help.
    pub retryable: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<crate::partial::Evidence>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RiskFactor {
    /// Such as `face_mismatch`, `liveness_failed`, `local_edit`, `data_inconsistency`.
    pub code: String,
    pub weight: u32,
}

/// The seed page's fields, flat; beside them how sure we are and where we looked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExtractedData {
    /// `full_name first_name last_name date_of_birth document_number nationality gender
    /// expiry_date issue_date address place_of_birth …`, and `first_name_arabic last_name_arabic
    /// full_name_arabic` where a name is printed in Arabic script: only what was read.
    #[serde(flatten)]
    pub fields: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mrz: Option<Mrz>,
    /// Every barcode that was read. Fields from one have the source `barcode`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub barcodes: Vec<Barcode>,
    /// What fields say of themselves and of each other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub field_checks: Vec<FieldCheck>,
    /// How each side was read, and where the document lies in its picture.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sides: Vec<SideReading>,
    /// Scripts (ISO 15924) that documents of this issuer are printed in and that were not looked for: what
    /// stands there in them alone is absent. Arabic is looked for where the country, a zone or a title tells
    /// of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread_scripts: Vec<String>,
    /// 0..1 by field.
    #[serde(default)]
    pub field_confidences: BTreeMap<String, f32>,
    #[serde(default)]
    pub field_sources: BTreeMap<String, FieldOrigin>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FieldOrigin {
    pub source: FieldSource,
    pub image: ImageRole,
    /// As printed.
    pub raw: String,
    /// Four corners in pixels of the upright image.
    #[schema(value_type = Vec<Vec<f32>>)]
    pub polygon: Polygon,
}

impl Checks {
    /// In the order of [`Check::ALL`].
    pub fn outcomes(&self) -> impl Iterator<Item = &CheckOutcome> {
        [
            self.ocr.as_ref().map(|c| &c.outcome),
            self.face_match.as_ref().map(|c| &c.outcome),
            self.liveness.as_ref().map(|c| &c.outcome),
            self.fraud.as_ref().map(|c| &c.outcome),
            self.data_validation.as_ref().map(|c| &c.outcome),
            self.age_verification.as_ref().map(|c| &c.outcome),
            self.duplicate.as_ref().map(|c| &c.outcome),
        ]
        .into_iter()
        .flatten()
    }
}
