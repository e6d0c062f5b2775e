//! What is told of a session.

use crate::ids::SessionId;
use crate::words::{Check, DocumentType, ImageRole, SessionStatus};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A session that nobody completed in time. Its uploads are gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExpiredSession {
    #[schema(value_type = String, example = "sess_01JDC3Z5V00000000000000000")]
    pub id: SessionId,
    /// Always `identity.session`.
    pub object: String,
    /// Always `expired`.
    pub status: SessionStatus,
    pub country: String,
    pub document_type: DocumentType,
    pub checks: Vec<Check>,
    /// What was uploaded by then.
    pub uploaded: Vec<ImageRole>,
    #[schema(value_type = Object)]
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// RFC 3339 UTC
    #[schema(value_type = String, format = DateTime)]
    pub created_at: jiff::Timestamp,
    /// RFC 3339 UTC
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: jiff::Timestamp,
}

impl ExpiredSession {
    pub const OBJECT: &'static str = "identity.session";
}
