//! From the outbox to the broker. A row goes only after every message of it is confirmed, so a crash
//! anywhere publishes twice at worst; the stages and the join do not mind.

use rand::Rng;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::Span;
use txid_shared::clock::Clock;
use txid_shared::config::{self, ms};
use txid_shared::queue::{Job, Outgoing, Queue};
use txid_shared::services::Services;
use txid_shared::store::{ClaimedRow, Store, StoreError};
use txid_shared::telemetry::{Metrics, set_parent, traceparent_of};
use uuid::Uuid;

const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// Under load: time for rows to gather, so that a claim and its two commits serve several of them.
const GATHER: Duration = Duration::from_millis(10);

pub struct Relay {
    store: Store,
    queue: Queue,
    clock: Clock,
    settings: config::Relay,
    outbox_filled: Arc<Notify>,
    failures_in_a_row: u32,
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Rows that were claimed; a full batch means that there may be more.
    pub claimed: usize,
    /// Rows that were published and removed.
    pub published: usize,
}

impl Relay {
    /// `outbox_filled` wakes the relay; without it the outbox is polled.
    pub fn new(services: &Services, settings: config::Relay, outbox_filled: Arc<Notify>) -> Self {
        Self {
            store: services.context.store.clone(),
            queue: services.queue.clone(),
            clock: services.context.clock.clone(),
            settings,
            outbox_filled,
            failures_in_a_row: 0,
        }
    }

    /// Until `stopping`; then publishes what is there, as long as that goes well.
    pub async fn run(mut self, stopping: CancellationToken) {
        loop {
            let step = self.step().await.unwrap_or_else(|error| {
                self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
                tracing::error!(%error, "the outbox cannot be read");
                Step { claimed: 0, published: 0 }
            });
            if step.claimed > 0 && step.claimed == step.published {
                if i64::try_from(step.claimed).is_ok_and(|claimed| claimed < self.settings.batch_rows) {
                    tokio::time::sleep(GATHER).await;
                }
                continue;
            }
            if stopping.is_cancelled() {
                return;
            }
            let pause = if self.failures_in_a_row > 0 { self.backoff() } else { ms(self.settings.poll_ms) };
            tokio::select! {
                () = stopping.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
                // While the broker is away, new rows are no reason to try sooner.
                () = self.outbox_filled.notified(), if self.failures_in_a_row == 0 => {}
            }
        }
    }

    /// Claims due rows, publishes a job per stage, removes what the broker confirmed.
    pub async fn step(&mut self) -> Result<Step, StoreError> {
        let now = self.clock.now();
        let token = Uuid::new_v4();
        let lease_until = later(now, ms(self.settings.lease_ms));
        let rows = self.store.claim_outbox(self.settings.batch_rows, token, now, lease_until).await?;
        if rows.is_empty() {
            self.failures_in_a_row = 0;
            return Ok(Step { claimed: 0, published: 0 });
        }
        let spans: Vec<Span> = rows.iter().map(|row| publishing(row, now)).collect();
        let jobs: Vec<Outgoing> =
            rows.iter().zip(&spans).flat_map(|(row, span)| jobs(row, span, now)).collect();
        txid_shared::crash::point("relay.before_publish");
        let mut results = self.queue.publish(&jobs).await.into_iter();
        let (mut published, mut unpublished, mut messages) = (Vec::new(), Vec::new(), 0u64);
        for (row, span) in rows.iter().zip(spans) {
            // All of a row's results are taken, also behind a failure.
            let mut complete = true;
            for _ in &row.stages {
                match results.next() {
                    Some(Ok(())) => messages += 1,
                    Some(Err(error)) => {
                        if unpublished.is_empty() && complete {
                            tracing::warn!(%error, "a job was not published; its row stays in the outbox");
                        }
                        complete = false;
                    }
                    None => complete = false,
                }
            }
            span.record("published", complete);
            if complete { published.push(row.id) } else { unpublished.push(row.id) }
        }
        if !published.is_empty() {
            self.store.remove_published(&published, token).await?;
        }
        Metrics::get().published(messages);
        if unpublished.is_empty() {
            self.failures_in_a_row = 0;
        } else {
            self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
            let not_before = later(self.clock.now(), self.backoff());
            self.store.release_outbox(&unpublished, token, not_before).await?;
        }
        Ok(Step { claimed: rows.len(), published: published.len() })
    }

    /// Doubles with each failure; half of it is random, so that relays do not come back together.
    fn backoff(&self) -> Duration {
        let doublings = self.failures_in_a_row.saturating_sub(1).min(16);
        let longest = FIRST_BACKOFF.saturating_mul(1 << doublings).min(LONGEST_BACKOFF);
        longest.mul_f64(rand::rng().random_range(0.5..=1.0))
    }
}

/// From the claim of a row to the broker's confirm, between the request and the stages.
fn publishing(row: &ClaimedRow, now: jiff::Timestamp) -> Span {
    let span = tracing::info_span!(
        "publish",
        otel.kind = "producer",
        verification.id = %row.verification_id,
        lane = row.lane.as_str(),
        stages = row.stages.len(),
        outbox.waited_s = now.duration_since(row.created_at).as_secs_f64(),
        published = tracing::field::Empty,
    );
    set_parent(&span, row.traceparent.as_deref());
    span
}

fn jobs(row: &ClaimedRow, span: &Span, now: jiff::Timestamp) -> impl Iterator<Item = Outgoing> {
    let traceparent = traceparent_of(span).or_else(|| row.traceparent.clone());
    row.stages.iter().map(move |stage| Outgoing {
        job: Job { verification_id: row.verification_id, stage: *stage, lane: row.lane, enqueued_at: now },
        traceparent: traceparent.clone(),
    })
}

fn later(now: jiff::Timestamp, by: Duration) -> jiff::Timestamp {
    now.saturating_add(by).unwrap_or(jiff::Timestamp::MAX)
}
