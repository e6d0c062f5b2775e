//! What a webhook endpoint receives.

use super::Verification;
use crate::ids::EventId;
use crate::words::EventType;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The version of the wire format, as in the `TXCloud-Version` header.
pub const API_VERSION: &str = "2025-01-01";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// The same over every attempt: what a receiver remembers to drop repetitions.
    #[schema(value_type = String, example = "evt_01JDC3Z5V0000000000000000")]
    pub id: EventId,
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// RFC 3339 UTC
    #[schema(value_type = String, format = DateTime)]
    pub created_at: jiff::Timestamp,
    pub api_version: String,
    /// As `GET /v1/identity/verifications/{id}` shows it.
    pub data: Verification,
}
