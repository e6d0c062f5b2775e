//! Telling the customer: due deliveries are leased, signed, sent, and each attempt goes on record.

pub mod guard;
mod send;
pub mod sign;

use crate::webhooks::guard::Guard;
use jiff::Timestamp;
use rand::Rng;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tracing::Instrument;
use txid_shared::clock::Clock;
use txid_shared::config::{self, ms};
use txid_shared::store::{AttemptRecord, ClaimedDelivery, DeliveryOutcome, Store, StoreError};
use txid_shared::task::Tasks;
use txid_shared::telemetry::{self, Metrics};

/// Under load: time for deliveries to become due, so that a claim serves several of them.
const GATHER: Duration = Duration::from_millis(10);
/// How often the backlog is measured.
const MEASURE_EVERY: Duration = Duration::from_secs(2);
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
    under_way: Arc<Semaphore>,
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
            client: send::client(guard.clone(), ms(settings.request_timeout_ms))?,
            store,
            clock,
            guard,
            under_way: Arc::new(Semaphore::new(settings.concurrency)),
            settings: settings.clone(),
        })
    }

    /// Until `tasks` is asked to stop.
    pub async fn deliver(self, tasks: Tasks) {
        let stopping = tasks.stopping().clone();
        let mut measured: Option<Instant> = None;
        while !stopping.is_cancelled() {
            if measured.is_none_or(|last| last.elapsed() >= MEASURE_EVERY) {
                measured = Some(Instant::now());
                self.measure().await;
            }
            let pause = match self.step(&tasks).await {
                // More may be due already.
                Ok(claimed) if claimed > 0 => GATHER,
                Ok(_) => ms(self.settings.poll_ms),
                Err(error) => {
                    tracing::warn!(%error, "deliveries cannot be claimed");
                    ms(self.settings.poll_ms)
                }
            };
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn measure(&self) {
        match self.store.delivery_backlog(self.clock.now()).await {
            Ok((due, oldest_s)) => {
                Metrics::get().delivery_backlog(u64::try_from(due).unwrap_or(0));
                tracing::debug!(due, oldest_s, "deliveries are due");
            }
            Err(error) => tracing::warn!(%error, "the backlog of deliveries cannot be measured"),
        }
    }

    /// Claims as many due deliveries as may be under way and starts them; how many there were.
    async fn step(&self, tasks: &Tasks) -> Result<usize, StoreError> {
        // At least one place, so that nothing is leased that cannot start.
        let Ok(first) = self.under_way.clone().acquire_owned().await else { return Ok(0) };
        let more = self.under_way.available_permits();
        let mut permits = vec![first];
        permits.extend((0..more).map_while(|_| self.under_way.clone().try_acquire_owned().ok()));
        let claimed = self.claim(permits.len()).await?;
        let count = claimed.len();
        for (delivery, permit) in claimed.into_iter().zip(permits) {
            let deliverer = self.clone();
            tasks.spawn(async move {
                deliverer.attempt(&delivery).await;
                drop(permit);
            });
        }
        Ok(count)
    }

    async fn claim(&self, limit: usize) -> Result<Vec<ClaimedDelivery>, StoreError> {
        let now = self.clock.now();
        let lease_until = later(now, ms(self.settings.lease_ms));
        let token = uuid::Uuid::new_v4();
        self.store.claim_deliveries(i64::try_from(limit).unwrap_or(i64::MAX), token, now, lease_until).await
    }

    /// One round on the caller's task, for tests with a clock of their own: claims, sends, records.
    pub async fn deliver_due(&self) -> Result<usize, StoreError> {
        let claimed = self.claim(self.settings.concurrency).await?;
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
        );
        telemetry::set_parent(&span, delivery.traceparent.as_deref());
        async {
            let started_at = self.clock.now();
            let stopwatch = Instant::now();
            let answer = match self.store.open_delivery(delivery).await {
                Ok((body, secret)) => {
                    let event = delivery.event_id.to_string();
                    let request =
                        send::Request { event_id: &event, url: &delivery.url, body, secret: &secret };
                    send::send(&self.client, &self.guard, request, started_at).await
                }
                Err(StoreError::Erased) => send::Answer::Never("the verification was erased".to_owned()),
                Err(error) => send::Answer::Unreachable(error.to_string()),
            };
            let outcome = self.outcome(&answer, delivery.attempts, self.clock.now());
            let attempt = AttemptRecord {
                started_at,
                duration_ms: i64::try_from(stopwatch.elapsed().as_millis()).unwrap_or(i64::MAX),
                status_code: answer.status(),
                error: answer.error(),
            };
            Metrics::get().delivery_attempted(word(&outcome), stopwatch.elapsed().as_secs_f64());
            match self.store.record_attempt(delivery, &attempt, &outcome, self.clock.now()).await {
                Ok(true) => {
                    tracing::info!(status = attempt.status_code, outcome = word(&outcome), "webhook attempt")
                }
                Ok(false) => tracing::warn!("lease lost: another worker delivers"),
                Err(error) => tracing::warn!(%error, "attempt cannot be recorded; it will be made again"),
            }
        }
        .instrument(span)
        .await;
    }

    /// The schedule as data: `retry_after_s[n]` follows the n-th failure (from 0); none left: failed.
    fn outcome(&self, answer: &send::Answer, failures: i32, now: Timestamp) -> DeliveryOutcome {
        let retry_after = match answer {
            send::Answer::Accepted(_) => return DeliveryOutcome::Succeeded,
            send::Answer::Gone => return DeliveryOutcome::Gone,
            send::Answer::Never(_) => return DeliveryOutcome::Failed,
            send::Answer::Refused { retry_after, .. } => *retry_after,
            send::Answer::Unreachable(_) => None,
        };
        let delay = usize::try_from(failures).ok().and_then(|index| self.settings.retry_after_s.get(index));
        match delay {
            Some(seconds) => {
                let jitter = rand::rng().random_range(1.0 - JITTER..=1.0 + JITTER);
                let planned = Duration::from_secs(*seconds).mul_f64(jitter);
                // `Retry-After` can only lengthen the wait.
                DeliveryOutcome::RetryAt(later(now, planned.max(retry_after.unwrap_or_default())))
            }
            None => DeliveryOutcome::Failed,
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
        DeliveryOutcome::Failed => "failed",
        DeliveryOutcome::Gone => "gone",
    }
}
