//! What `POST /v1/identity/verify` takes.

use crate::policy::Thresholds;
use crate::words::{Check, DocumentType};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Whether the caller waits for the verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// 200 with the verdict, or 202 with the pending verification when time is up.
    #[default]
    Sync,
    /// 201 at once.
    Async,
}

/// The request as JSON. Images are JPEG or PNG, at most 10 MB each, as base64 or as a `data:` URL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyRequest {
    #[schema(format = Byte)]
    pub document_front: String,
    /// Required for every document but passports and voter cards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = Byte)]
    pub document_back: Option<String>,
    /// Required for `face_match` and `liveness`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = Byte)]
    pub selfie: Option<String>,
    /// ISO 3166-1 alpha-2
    #[schema(example = "MA")]
    pub country: String,
    pub document_type: DocumentType,
    /// Default: `ocr face_match liveness fraud`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<Vec<Check>>,
    #[serde(default)]
    pub mode: Mode,
    /// Where this verification's events go, besides the account's endpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = "uri")]
    pub webhook_url: Option<String>,
    /// Given back as it came: at most 50 keys and 16 KB. No personal data: it is stored readable.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    #[serde(default)]
    pub thresholds: Thresholds,
    /// Field name → the value expected on the document, compared by `data_validation`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub expected: BTreeMap<String, String>,
}

/// The same request as form parts: images are files, everything else is text.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct VerifyForm {
    #[schema(format = Binary)]
    pub document_front: String,
    #[schema(format = Binary)]
    pub document_back: Option<String>,
    #[schema(format = Binary)]
    pub selfie: Option<String>,
    pub country: String,
    pub document_type: DocumentType,
    /// Repeated, or separated by commas, or a JSON array.
    pub checks: Option<String>,
    pub mode: Option<Mode>,
    pub webhook_url: Option<String>,
    /// A JSON object.
    pub metadata: Option<String>,
    /// A JSON object, see `Thresholds`.
    pub thresholds: Option<String>,
    /// A JSON object of strings.
    pub expected: Option<String>,
}

/// The answer to an asynchronous request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Accepted {
    #[schema(value_type = String, example = "ver_01JDC3Z5V00000000000000000")]
    pub id: crate::ids::VerificationId,
    /// Always `identity.verification`.
    pub object: String,
    pub status: crate::words::Status,
    /// RFC 3339 UTC
    #[schema(value_type = String, format = DateTime)]
    pub created_at: jiff::Timestamp,
}
