//! Webhook endpoints and what was sent to them.

use crate::ids::{DeliveryId, EndpointId, EventId, VerificationId};
use crate::words::{DeliveryFailure, DeliveryStatus, DisabledReason, EventType, Payload};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Webhook {
    #[schema(value_type = String, example = "wh_01JDC3Z5V00000000000000000")]
    pub id: EndpointId,
    /// Always `webhook`.
    pub object: String,
    #[schema(format = "uri")]
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub events: Vec<EventType>,
    pub enabled: bool,
    pub payload: Payload,
    /// RFC 3339 UTC
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// The first failure since the last success; absent while all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub failing_since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub disabled_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_reason: Option<DisabledReason>,
    /// Until then the secret before the last rotation signs as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub previous_secret_until: Option<Timestamp>,
}

impl Webhook {
    pub const OBJECT: &'static str = "webhook";
}

/// One event to one endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    #[schema(value_type = String, example = "dlv_01JDC3Z5V00000000000000000")]
    pub id: DeliveryId,
    /// Always `webhook.delivery`.
    pub object: String,
    /// Absent: to the `webhook_url` of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub webhook_id: Option<EndpointId>,
    #[schema(value_type = String)]
    pub event_id: EventId,
    pub event_type: EventType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub verification_id: Option<VerificationId>,
    /// Where the last attempt went, or the next one will go.
    pub url: String,
    pub status: DeliveryStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_reason: Option<DeliveryFailure>,
    /// RFC 3339 UTC
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// Absent at the end and while an attempt is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_attempt_at: Option<Timestamp>,
    /// Oldest first; those before a replay stay.
    pub attempts: Vec<DeliveryAttempt>,
}

impl Delivery {
    pub const OBJECT: &'static str = "webhook.delivery";
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryAttempt {
    /// From 1.
    pub attempt: i32,
    /// RFC 3339 UTC
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    pub duration_ms: i64,
    /// What the consumer answered; absent where it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_code: Option<i32>,
    /// Why there is no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
