//! What the broker gave up on. A job that kills its process ends its check as `error`, an innocent
//! one runs again; both leave a record.

use rand::Rng;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use txid_shared::conclude::{ConcludeError, Context, conclude};
use txid_shared::partial::{Partial, StageResult, Unable};
use txid_shared::partials::PartialsError;
use txid_shared::queue::{Consumer, Job, Queue, Received, Source};
use txid_shared::sealed::{open_partials, seal_partial};
use txid_shared::store::{DeadLetter, StoreError};
use txid_shared::telemetry::{Metrics, set_parent};
use txid_shared::words::Status;

/// Started after a redelivery and never ended, this often: it is the job, not the machine.
const SUSPICIONS: i64 = 2;
const PREFETCH: u16 = 8;
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);
/// An innocent job waits this long, so that whatever killed its neighbours has settled.
const RUN_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// Our own messages have some 200 bytes; what is longer is not ours and is kept in part.
const LONGEST_BODY_BYTES: usize = 4096;

pub(crate) struct DeadLetters {
    context: Context,
    queue: Queue,
    outbox_filled: Arc<Notify>,
}

#[derive(Debug, thiserror::Error)]
enum BurialError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Partials(#[from] PartialsError),
    #[error(transparent)]
    Conclude(#[from] ConcludeError),
    #[error(transparent)]
    Crypto(#[from] txid_shared::blobs::crypto::CryptoError),
}

impl DeadLetters {
    pub(crate) fn new(context: Context, queue: Queue, outbox_filled: Arc<Notify>) -> Self {
        Self { context, queue, outbox_filled }
    }

    /// Until `stopping`; rebuilds the consumer when the connection is lost.
    pub(crate) async fn run(self, stopping: CancellationToken) {
        let mut failures = 0u32;
        while !stopping.is_cancelled() {
            match self.queue.consume(Source::DeadLetters, PREFETCH).await {
                Ok(mut consumer) => {
                    let handled = self.consume(&mut consumer, &stopping).await;
                    consumer.cancel().await;
                    failures = if handled > 0 { 0 } else { failures };
                }
                Err(error) => tracing::warn!(%error, "dead letters cannot be taken"),
            }
            if stopping.is_cancelled() {
                return;
            }
            Metrics::get().consumer_rebuilt();
            failures = failures.saturating_add(1);
            tokio::select! {
                () = stopping.cancelled() => {}
                () = tokio::time::sleep(backoff(failures)) => {}
            }
        }
    }

    /// How many were settled before the connection went, a failure, or the stop.
    async fn consume(&self, consumer: &mut Consumer, stopping: &CancellationToken) -> usize {
        let mut settled = 0;
        loop {
            let received = tokio::select! {
                () = stopping.cancelled() => return settled,
                received = consumer.next() => received,
            };
            let Some(received) = received else { return settled };
            let span = tracing::info_span!("dead_letter");
            set_parent(&span, received.traceparent.as_deref());
            let handled = self.settle(&received).instrument(span).await;
            match handled {
                Ok(()) => {
                    received.acknowledge().await;
                    settled += 1;
                }
                Err(error) => {
                    tracing::error!(%error, "a dead letter cannot be settled; it is tried again");
                    received.give_back().await;
                    return settled;
                }
            }
        }
    }

    /// Everything it does may be done twice.
    async fn settle(&self, received: &Received) -> Result<(), BurialError> {
        let (queue, reason) = match &received.death {
            Some(death) => (death.queue.as_str(), death.reason.as_str()),
            None => ("unknown", "unknown"),
        };
        Metrics::get().dead_letter(reason);
        let job = received.job.as_ref().ok();
        tracing::error!(
            verification.id = job.map(|job| job.verification_id.to_string()),
            dead_letter.queue = queue,
            dead_letter.reason = reason,
            dead_letter.problem = received.job.as_ref().err(),
            "a message died"
        );
        if let Some(job) = job {
            self.settle_job(job, reason).await?;
        }
        let letter = DeadLetter {
            verification_id: job.map(|job| job.verification_id),
            queue: queue.to_owned(),
            reason: reason.to_owned(),
            body: received.body.iter().copied().take(LONGEST_BODY_BYTES).collect(),
        };
        Ok(self.context.store.record_dead_letter(&letter, self.context.clock.now()).await?)
    }

    async fn settle_job(&self, job: &Job, reason: &str) -> Result<(), BurialError> {
        let (store, id) = (&self.context.store, job.verification_id);
        let case = store.case(id).await?;
        let pending = |case: &txid_shared::store::Case| {
            case.status == Status::Pending && case.wrapped_key.is_some() && case.stages.contains(&job.stage)
        };
        let Some(case) = case.filter(pending) else { return Ok(()) };
        let class = if reason == "rejected" {
            "rejected"
        } else if store.suspicions(id, job.stage).await? >= SUSPICIONS {
            "crashed"
        } else {
            let now = self.context.clock.now();
            let not_before = now.saturating_add(RUN_AGAIN_AFTER).unwrap_or(now);
            store.enqueue_stage(id, job.stage, now, not_before).await?;
            self.outbox_filled.notify_one();
            return Ok(());
        };
        let unable = Unable {
            stage: job.stage,
            class: class.to_owned(),
            message: format!("the job ended in the dead-letter queue: {reason}"),
        };
        let partial = Partial::of(StageResult::Unable(unable));
        let key = match store.data_key(&case).await {
            // The sweeper ends what nobody can open.
            Err(error) if error.is_destroyed() => return Ok(()),
            key => key?,
        };
        // The stage may have ended well after all, and only its acknowledgement was lost.
        let known = self.context.partials.get(id).await?.remove(&job.stage);
        let sealed = match known {
            Some(sealed) => sealed,
            None => seal_partial(&key, id, job.stage, &partial)?,
        };
        if let Some(set) = self.context.partials.join(id, job.stage, sealed, case.stages.len()).await? {
            conclude(&self.context, &case, &key, &open_partials(&key, id, &set)?).await?;
        }
        Ok(())
    }
}

fn backoff(failures: u32) -> Duration {
    let longest = FIRST_BACKOFF.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST_BACKOFF);
    longest.mul_f64(rand::rng().random_range(0.5..=1.0))
}
