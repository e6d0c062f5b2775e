//! The end of an endpoint that is gone, or was nothing but a failure for too long. Its owner's other
//! endpoints are told.

use super::{Deliverer, later, send};
use jiff::Timestamp;
use std::time::Duration;
use txid_shared::api::{Event, EventData, Webhook};
use txid_shared::sealed::seal_event;
use txid_shared::store::{ClaimedDelivery, ClaimedEndpoint, Response, StoreError};
use txid_shared::telemetry::Metrics;
use txid_shared::words::{DisabledReason, EventType};

impl Deliverer {
    pub(super) async fn disable_if_due(
        &self,
        delivery: &ClaimedDelivery,
        answer: &send::Answer,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(endpoint) = &delivery.endpoint else { return Ok(()) };
        let Some(reason) = self.reason(endpoint, answer, now) else { return Ok(()) };
        let found = self.store.endpoint(delivery.account_id, endpoint.id).await?;
        let Some(found) = found.filter(|found| found.enabled) else { return Ok(()) };
        let account_key = self.store.account_key(delivery.account_id).await?;
        // As `GET` shows it from now on.
        let data = Webhook { enabled: false, disabled_at: Some(now), disabled_reason: Some(reason), ..found };
        let event = Event::new(EventType::WebhookDisabled, EventData::Webhook(Box::new(data)), now);
        let sealed = seal_event(&account_key, &event)?;
        let failing_since = endpoint.failing_since.filter(|_| reason == DisabledReason::Failing);
        if self.store.disable_endpoint(endpoint.id, reason, failing_since, &sealed, now).await? {
            Metrics::get().endpoint_disabled(reason);
            tracing::warn!(endpoint.id = %endpoint.id, %reason, "webhook endpoint disabled");
        }
        Ok(())
    }

    fn reason(
        &self,
        endpoint: &ClaimedEndpoint,
        answer: &send::Answer,
        now: Timestamp,
    ) -> Option<DisabledReason> {
        if matches!(answer, send::Answer::Gone) {
            return Some(DisabledReason::Gone);
        }
        let after = Duration::from_secs(self.settings.disable_after_s);
        let since = endpoint.failing_since.filter(|_| answer.response() == Response::Bad)?;
        (!after.is_zero() && later(since, after) <= now).then_some(DisabledReason::Failing)
    }
}
