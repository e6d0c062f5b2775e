//! What a webhook endpoint receives.

use super::{Batch, ExpiredSession, Verification, Webhook};
use crate::ids::EventId;
use crate::words::{Check, DisabledReason, EventType, ReasonCode, Severity};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The version of the wire format, as in the `TXCloud-Version` header.
pub const API_VERSION: &str = "2025-01-01";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// The same over every attempt, replay and resend: what a receiver remembers to drop repetitions.
    #[schema(value_type = String, example = "evt_01JDC3Z5V00000000000000000")]
    pub id: EventId,
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// RFC 3339 UTC
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    pub api_version: String,
    /// Only there, and `true`, on what a test sends: its data is a sample.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
    pub data: EventData,
}

/// What an event is about, as the matching `GET` shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum EventData {
    Verification(Box<Verification>),
    Webhook(Box<Webhook>),
    Session(Box<ExpiredSession>),
    Batch(Box<Batch>),
}

impl Event {
    pub fn new(event_type: EventType, data: EventData, created_at: Timestamp) -> Self {
        let api_version = API_VERSION.to_owned();
        Self { id: EventId::generate(), event_type, created_at, api_version, test: false, data }
    }
}

/// The event as an endpoint with `payload: thin` receives it. What is not named here is not sent, so a new
/// field of the full event stays out until somebody puts it here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ThinEvent {
    #[schema(value_type = String, example = "evt_01JDC3Z5V00000000000000000")]
    id: EventId,
    #[serde(rename = "type")]
    event_type: EventType,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    api_version: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    test: bool,
    data: ThinData,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ThinData {
    /// Ask for the rest with it.
    id: String,
    object: String,
    /// Absent where the object has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    created_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    completed_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_of: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    disabled_reason: Option<DisabledReason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reasons: Option<Vec<ThinReason>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ThinReason {
    code: ReasonCode,
    severity: Severity,
    check: Check,
}

impl ThinEvent {
    /// From the bytes of the full event: the same bytes each time.
    pub fn of(full: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&serde_json::from_slice::<Self>(full)?)
    }
}
