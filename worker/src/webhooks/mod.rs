//! Telling the customer: due deliveries are leased, signed, sent, and each attempt goes on record.

mod disable;
mod places;
mod send;
pub mod sign;

use crate::webhooks::places::Places;
use jiff::Timestamp;
use rand::Rng;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::Instrument;
use txid_shared::api::ThinEvent;
use txid_shared::clock::Clock;
use txid_shared::config::{self, ms};
use txid_shared::outbound::{self, Guard};
use txid_shared::store::{
    AttemptRecord, ClaimedDelivery, DeliveriesClaimed, DeliveryClaim, DeliveryOutcome, Standing, Store,
    StoreError,
};
use txid_shared::task::Tasks;
use txid_shared::telemetry::{self, Metrics};
use txid_shared::words::{DeliveryFailure, Payload};
use uuid::Uuid;

/// Under load: time for deliveries to become due, so that a claim serves several of them.
const GATHER: Duration = Duration::from_millis(10);
/// Spread of the retry times, so that a receiver that comes back is not hit by all at once.
const JITTER: f64 = 0.10;

/// Sends what is due. Cheap to clone.
#[derive(Clone)]
pub struct Deliverer {
    store: Store,
    clock: Clock,
    client: reqwest::Client,
    guard: Arc<Guard>,
    settings: config::Webhooks,
    places: Places,
}

#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    #[error("webhooks.allow_networks: {0}")]
    Guard(#[from] txid_shared::network::MalformedNetwork),
    #[error("HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

impl Deliverer {
    pub fn new(store: Store, clock: Clock, settings: &config::Webhooks) -> Result<Self, WebhookError> {
        txid_shared::use_ring_for_tls();
        let guard = Arc::new(Guard::allowing(&settings.allow_networks)?);
        Ok(Self {
            client: outbound::client(guard.clone(), ms(settings.request_timeout_ms))?,
            store,
            clock,
            guard,
            places: Places::new(settings.concurrency),
            settings: settings.clone(),
        })
    }

    /// Until `tasks` is asked to stop.
    pub async fn deliver(self, tasks: Tasks) {
        let stopping = tasks.stopping().clone();
        Metrics::get().delivery_places(self.settings.concurrency);
        let (mut after, mut found) = (None, false);
        while !stopping.is_cancelled() {
            let more_may_be_due = match self.step(after, &tasks).await {
                Ok((claimed, goes_on_after)) => {
                    after = goes_on_after;
                    found |= claimed > 0;
                    // Only a whole round that found nothing ends in waiting.
                    after.is_some() || std::mem::take(&mut found)
                }
                Err(error) => {
                    tracing::warn!(%error, "deliveries cannot be claimed");
                    false
                }
            };
            let pause = if more_may_be_due { GATHER } else { ms(self.settings.poll_ms) };
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                // A consumer that had all its places may have more that is due.
                () = self.places.freed(), if !more_may_be_due => tokio::time::sleep(GATHER).await,
            }
        }
    }

    /// Claims as many due deliveries as may be under way and starts them: how many there were, and where
    /// the next claim of this round begins.
    async fn step(&self, after: Option<Uuid>, tasks: &Tasks) -> Result<(usize, Option<Uuid>), StoreError> {
        let permits = self.places.free().await;
        let claimed = self.claim(permits.len(), after).await?;
        let count = claimed.deliveries.len();
        for (delivery, permit) in claimed.deliveries.into_iter().zip(permits) {
            let (deliverer, place) = (self.clone(), self.places.take(delivery.consumer, permit));
            tasks.spawn(async move {
                deliverer.attempt(&delivery).await;
                drop(place);
            });
        }
        Ok((count, claimed.after))
    }

    async fn claim(&self, limit: usize, after: Option<Uuid>) -> Result<DeliveriesClaimed, StoreError> {
        let now = self.clock.now();
        let claim = DeliveryClaim {
            limit: i64::try_from(limit).unwrap_or(i64::MAX),
            per_consumer: i64::try_from(self.settings.endpoint_concurrency).unwrap_or(i64::MAX),
            busy: &self.places.busy(),
            after,
            token: Uuid::new_v4(),
            now,
            lease_until: later(now, ms(self.settings.lease_ms)),
        };
        self.store.claim_deliveries(claim).await
    }

    /// One round on the caller's task, for tests with a clock of their own: claims, sends, records.
    pub async fn deliver_due(&self) -> Result<usize, StoreError> {
        let claimed = self.claim(self.settings.concurrency, None).await?.deliveries;
        futures_util::future::join_all(claimed.iter().map(|delivery| self.attempt(delivery))).await;
        Ok(claimed.len())
    }

    async fn attempt(&self, delivery: &ClaimedDelivery) {
        let span = tracing::info_span!(
            "webhook",
            otel.kind = "client",
            event.id = %delivery.event_id,
            delivery.id = %delivery.id,
            attempt = delivery.attempts + 1,
            http.response.status_code = tracing::field::Empty,
            outcome = tracing::field::Empty,
        );
        telemetry::set_parent(&span, delivery.traceparent.as_deref());
        async {
            let started_at = self.clock.now();
            let stopwatch = Instant::now();
            let answer = self.answer(delivery, started_at).await;
            let now = self.clock.now();
            let outcome = self.outcome(&answer, delivery, now);
            let attempt = AttemptRecord {
                started_at,
                duration_ms: i64::try_from(stopwatch.elapsed().as_millis()).unwrap_or(i64::MAX),
                status_code: answer.status(),
                error: answer.error(),
            };
            let status = attempt.status_code;
            let span = tracing::Span::current();
            span.record("http.response.status_code", status).record("outcome", word(&outcome));
            // Where nothing was sent there is no attempt.
            let attempt = (!matches!(answer, send::Answer::Never(_))).then_some(attempt);
            if attempt.is_some() {
                Metrics::get().delivery_attempted(word(&outcome), stopwatch.elapsed().as_secs_f64());
            }
            // First: a process that dies in between leaves the delivery to one that finds the endpoint disabled.
            if let Err(error) = self.disable_if_due(delivery, &answer, now).await {
                tracing::warn!(%error, "an endpoint cannot be disabled; the attempt will be made again");
                return;
            }
            let outcome_word = word(&outcome);
            match self.store.record_attempt(delivery, attempt, outcome, answer.response(), now).await {
                Ok(true) => tracing::info!(status, outcome = outcome_word, "webhook attempt"),
                Ok(false) => tracing::warn!("lease lost: another worker delivers"),
                Err(error) => tracing::warn!(%error, "attempt cannot be recorded; it will be made again"),
            }
        }
        .instrument(span)
        .await;
    }

    /// Opens, signs and sends, unless its endpoint wants nothing any more.
    async fn answer(&self, delivery: &ClaimedDelivery, now: Timestamp) -> send::Answer {
        let endpoint = delivery.endpoint.as_ref();
        match endpoint.map(|endpoint| endpoint.standing) {
            Some(Standing::Deleted) => return send::Answer::Never(DeliveryFailure::EndpointDeleted),
            Some(Standing::Disabled) => return send::Answer::Never(DeliveryFailure::EndpointDisabled),
            Some(Standing::Enabled) | None => {}
        }
        let (full, secrets) = match self.store.open_delivery(delivery).await {
            Ok(opened) => opened,
            Err(StoreError::Erased) => return send::Answer::Never(DeliveryFailure::VerificationErased),
            Err(error) => return send::Answer::Unready(error.to_string()),
        };
        let body = match endpoint.map(|endpoint| endpoint.payload) {
            Some(Payload::Thin) => match ThinEvent::of(&full) {
                Ok(thin) => thin,
                // Its text may quote the body.
                Err(_) => return send::Answer::Unready("the event has no thin form".to_owned()),
            },
            Some(Payload::Full) | None => full,
        };
        let event_id = delivery.event_id.to_string();
        let request = send::Request { event_id: &event_id, url: &delivery.url, body, secrets: &secrets };
        send::send(&self.client, &self.guard, request, now).await
    }

    /// The schedule as data: `retry_after_s[n]` follows the n-th failure (from 0); none left: failed.
    fn outcome(&self, answer: &send::Answer, delivery: &ClaimedDelivery, now: Timestamp) -> DeliveryOutcome {
        let failures = delivery.failures;
        let retry_after = match answer {
            // As if it had not been recorded.
            send::Answer::Accepted(_) if delivery.duplicated && failures == 0 => {
                return DeliveryOutcome::RetryAt(now);
            }
            send::Answer::Accepted(_) => return DeliveryOutcome::Succeeded,
            send::Answer::Gone => return DeliveryOutcome::Failed(DeliveryFailure::Gone),
            send::Answer::Never(why) => return DeliveryOutcome::Failed(*why),
            send::Answer::Refused { retry_after, .. } => *retry_after,
            send::Answer::Unreachable(_) | send::Answer::Unready(_) => None,
        };
        let delay = usize::try_from(failures).ok().and_then(|index| self.settings.retry_after_s.get(index));
        match delay {
            Some(seconds) => {
                let jitter = rand::rng().random_range(1.0 - JITTER..=1.0 + JITTER);
                let planned = Duration::from_secs(*seconds).mul_f64(jitter);
                // `Retry-After` can only lengthen the wait.
                DeliveryOutcome::RetryAt(later(now, planned.max(retry_after.unwrap_or_default())))
            }
            None => DeliveryOutcome::Failed(DeliveryFailure::AttemptsExhausted),
        }
    }
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    now.saturating_add(by).unwrap_or(Timestamp::MAX)
}

const fn word(outcome: &DeliveryOutcome) -> &'static str {
    match outcome {
        DeliveryOutcome::Succeeded => "succeeded",
        DeliveryOutcome::RetryAt(_) => "retry",
        DeliveryOutcome::Failed(DeliveryFailure::Gone) => "gone",
        DeliveryOutcome::Failed(_) => "failed",
    }
}
