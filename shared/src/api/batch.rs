//! A batch as `GET` and its event show it.

use crate::ids::BatchId;
use crate::words::{BatchFile, BatchStatus};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Batch {
    #[schema(value_type = String, example = "batch_01JDC3Z5V00000000000000000")]
    pub id: BatchId,
    /// Always `identity.batch`.
    pub object: String,
    pub status: BatchStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    pub counts: Counts,
    /// Rows a second that reached an end lately; 0 while none is under way.
    pub rows_per_second: f64,
    /// Status → when it was reached last, RFC 3339 UTC.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub timestamps: BTreeMap<BatchStatus, Timestamp>,
    /// RFC 3339 UTC
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When rows that are still open end as `expired`.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// When it is erased with its files and verifications, as `DELETE` does; there once it has ended, where the account
    /// keeps things for a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub retained_until: Option<Timestamp>,
    /// What a check before the start found; there when one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preflight: Option<Preflight>,
    /// What can be fetched, once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<BTreeMap<BatchFile, FileInfo>>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<BatchFault>,
    /// The batch whose rows without a verdict these are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "batch_01JDC3Z5V00000000000000000")]
    pub retry_of: Option<BatchId>,
}

impl Batch {
    pub const OBJECT: &'static str = "identity.batch";

    /// Whether rows of it were ever taken up: not where it was only checked, or its manifest refused.
    pub fn was_begun(&self) -> bool {
        self.timestamps.contains_key(&BatchStatus::Queued)
    }
}

/// Rows by state; `total` is their sum at every moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Counts {
    pub total: i64,
    pub pending: i64,
    pub processing: i64,
    pub verified: i64,
    pub failed: i64,
    pub manual_review: i64,
    pub error: i64,
    pub cancelled: i64,
    pub expired: i64,
    pub duplicate: i64,
}

impl Counts {
    /// Rows that reached an end.
    pub const fn ended(&self) -> i64 {
        self.total - self.pending - self.processing
    }
}

/// Every row read, its pictures fetched and their headers looked at; nothing was verified.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Preflight {
    pub rows: i64,
    pub rows_with_faults: i64,
    /// The same document as an earlier row.
    pub duplicates: i64,
    /// Rows whose front is the same file as that of a verification that the account has already.
    #[serde(default)]
    pub known_to_account: i64,
    /// Error code → rows.
    pub faults: BTreeMap<String, i64>,
    /// The first of them; all are in the file `preflight`.
    pub first_faults: Vec<RowFault>,
    pub image_bytes: i64,
    /// How long it took.
    pub seconds: f64,
    /// What verifying the rows without faults would take of processors, from what verifications took here lately;
    /// absent where there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub core_seconds: Option<f64>,
    /// The same in time, from the best rate that a batch had here lately; absent where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_seconds: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RowFault {
    /// In the manifest, from 1.
    pub line: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_id: Option<String>,
    #[serde(flatten)]
    pub error: BatchFault,
}

/// As in the error of a single call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BatchFault {
    pub code: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub param: Option<String>,
}

impl From<super::ApiError> for BatchFault {
    fn from(error: super::ApiError) -> Self {
        Self { code: error.code.name(), message: error.message, param: error.param }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileInfo {
    /// Lines.
    pub rows: i64,
    pub size_bytes: u64,
    /// Hex, of the bytes as they are fetched.
    pub sha256: String,
}

/// What a verdict comes down to without personal data.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Summary {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk_score: Option<u32>,
    /// Check → how it ended.
    #[serde(default)]
    pub checks: BTreeMap<crate::words::Check, crate::words::CheckStatus>,
    /// Codes.
    #[serde(default)]
    pub reasons: Vec<crate::words::ReasonCode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub similarity: Option<f32>,
    /// Milliseconds of processor time over all stages.
    #[serde(default)]
    pub cpu_ms: f64,
}
