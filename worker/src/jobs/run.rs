//! One job from the case to the join, and the decision where the set is full.

use super::Settlement;
use super::case::{CaseError, Cases, OpenCase};
use crate::inference::{InferencePool, Model};
use crate::stages::Outcome;
use rand::Rng;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::Instrument;
use txid_shared::blobs::{BlobError, Blobs};
use txid_shared::conclude::{ConcludeError, Context, conclude};
use txid_shared::config::{self, ms};
use txid_shared::ids::DocumentId;
use txid_shared::partial::{Evidence, Partial, StageResult, Unable};
use txid_shared::partials::Sealed;
use txid_shared::queue::{Job, Received};
use txid_shared::sealed::{open_partial, seal_partial};
use txid_shared::telemetry::{self, Metrics};
use txid_shared::words::Stage;

/// Between tries of Postgres, Redis or the object store while they are away.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Runs jobs: owns the open cases and the inference threads.
pub struct Runner {
    context: Context,
    cases: Cases,
    pool: InferencePool,
    /// sha256 by model name, for the partials of each stage.
    digests: BTreeMap<String, String>,
    /// A job that may have killed a process runs alone among its like, so that suspicion falls on the right one.
    suspects: tokio::sync::Mutex<()>,
    stage_deadline: Duration,
    retry_delay: Duration,
    attempts: i32,
}

enum Ran {
    Partial(Box<Partial>),
    Failed { class: &'static str, message: String },
}

impl Runner {
    pub fn new(
        context: Context,
        blobs: Blobs,
        pool: InferencePool,
        digests: BTreeMap<String, String>,
        settings: &config::Worker,
    ) -> Self {
        Self {
            cases: Cases::new(context.store.clone(), blobs, settings.image_cache_bytes),
            context,
            pool,
            digests,
            suspects: tokio::sync::Mutex::new(()),
            stage_deadline: ms(settings.stage_deadline_ms),
            retry_delay: ms(settings.retry_delay_ms),
            attempts: settings.attempts,
        }
    }

    /// Never fails: while a service is away it waits; the caller drops it when the drain is over.
    pub(crate) async fn run(&self, received: &Received) -> Settlement {
        let job = match &received.job {
            Ok(job) => job,
            Err(why) => {
                tracing::error!(reason = %why, "message is no job: to the dead letters");
                return Settlement::DeadLetter("undecodable");
            }
        };
        let span = tracing::info_span!(
            "stage",
            otel.kind = "consumer",
            stage = job.stage.as_str(),
            lane = job.lane.as_str(),
            verification.id = %job.verification_id,
            redeliveries = received.redeliveries,
            queue_ms = tracing::field::Empty,
            decode_ms = tracing::field::Empty,
            models_ms = tracing::field::Empty,
            total_ms = tracing::field::Empty,
        );
        telemetry::set_parent(&span, received.traceparent.as_deref());
        self.run_job(job, received.redeliveries).instrument(span).await
    }

    async fn run_job(&self, job: &Job, redeliveries: u32) -> Settlement {
        let Some(open) = insist("open the case", || self.cases.open(job.verification_id)).await else {
            tracing::debug!("nothing left to do");
            return Settlement::Acknowledge;
        };
        if redeliveries > 0 {
            // The crash may have come after the partial: then only the join is missing.
            let known = insist("look for the partial", || self.context.partials.get(open.case.id)).await;
            if let Some(sealed) = known.get(&job.stage) {
                return self.join(&open, job.stage, sealed.clone()).await;
            }
        }
        let ran = if redeliveries > 0 {
            self.run_suspect(&open, job).await
        } else {
            self.run_stage(&open, job).await
        };
        let partial = match ran {
            Ran::Partial(partial) => *partial,
            Ran::Failed { class, message } => match self.failed(&open, job.stage, class, &message).await {
                Some(partial) => partial,
                None => return Settlement::Acknowledge,
            },
        };
        match seal_partial(&open.key, open.case.id, job.stage, &partial) {
            Ok(sealed) => self.join(&open, job.stage, sealed).await,
            Err(error) => {
                tracing::error!(%error, "partial cannot be sealed");
                Settlement::GiveBack
            }
        }
    }

    /// Notes the start in Postgres first: if the process dies, the dead-letter handler knows who did it.
    async fn run_suspect(&self, open: &Arc<OpenCase>, job: &Job) -> Ran {
        let _alone = self.suspects.lock().await;
        let (store, id) = (&self.context.store, open.case.id);
        insist("note the suspicion", || store.suspect(id, job.stage, self.context.clock.now())).await;
        let ran = self.run_stage(open, job).await;
        insist("clear the suspicion", || store.clear_suspicion(id, job.stage)).await;
        ran
    }

    async fn run_stage(&self, open: &Arc<OpenCase>, job: &Job) -> Ran {
        let stage = job.stage;
        let queued = self.context.clock.now().duration_since(job.enqueued_at);
        let roles = self.pool.images_of(stage);
        let fetching = Instant::now();
        let input = match self.cases.input(open, stage, roles).await {
            Ok(input) => {
                Metrics::get().stage_phase(stage, "fetch", fetching.elapsed().as_secs_f64());
                input
            }
            Err(CaseError::Blob(BlobError::Crypto(_))) => {
                return self.unable(stage, "image_damaged", "a stored image cannot be opened");
            }
            Err(error) => {
                tracing::warn!(%error, "images cannot be fetched");
                return Ran::Failed {
                    class: "image_unavailable",
                    message: "an image could not be fetched".to_owned(),
                };
            }
        };
        match self.pool.run(job.verification_id, stage, input, job.lane, self.stage_deadline).await {
            Outcome::Completed(completed) => {
                let mut timing = completed.timing;
                timing.queue_ms = queued.as_secs_f32().max(0.0) * 1e3;
                Metrics::get().stage_ran(stage, job.lane, &timing);
                let span = tracing::Span::current();
                span.record("queue_ms", timing.queue_ms).record("decode_ms", timing.decode_ms);
                span.record("models_ms", timing.models_ms).record("total_ms", timing.total_ms);
                tracing::info!(total_ms = timing.total_ms, models_ms = timing.models_ms, "stage completed");
                let mut result = completed.result;
                if let StageResult::Fraud(fraud) = &mut result {
                    for evidence in fraud.signals.iter_mut().filter_map(|signal| signal.evidence.as_mut()) {
                        self.keep_evidence(open, evidence).await;
                    }
                }
                let models = self.models(stage);
                Ran::Partial(Box::new(Partial { result, models, timing, likeness: completed.likeness }))
            }
            Outcome::Retry { class, message } => Ran::Failed { class, message },
            Outcome::Refused { class, message } => self.unable(stage, class, &message),
        }
    }

    fn models(&self, stage: Stage) -> BTreeMap<String, String> {
        let names = Model::of_stage(stage).iter().map(|model| model.as_str());
        names.filter_map(|name| Some((name.to_owned(), self.digests.get(name)?.clone()))).collect()
    }

    fn unable(&self, stage: Stage, class: &str, message: &str) -> Ran {
        Metrics::get().stage_failed(stage, class);
        tracing::warn!(class, message, "stage cannot run on this input");
        Ran::Partial(Box::new(unable(stage, class, message)))
    }

    /// A picture of what was seen, sealed like the images. Losing it loses no verdict.
    async fn keep_evidence(&self, open: &OpenCase, evidence: &mut Evidence) {
        let Some(crop) = evidence.crop_jpeg.take() else { return };
        let id = DocumentId::generate();
        let name = format!("{}/{}/evidence/{id}", open.case.account_id, open.case.id);
        match self.cases.blobs().put(&open.key, &name, &crop).await {
            Ok(()) => evidence.crop_id = Some(id),
            Err(error) => tracing::warn!(%error, "evidence crop could not be kept"),
        }
    }

    /// Records the failed run. `Some`: it was the last attempt, and this is what the join gets.
    async fn failed(&self, open: &OpenCase, stage: Stage, class: &str, message: &str) -> Option<Partial> {
        Metrics::get().stage_failed(stage, class);
        let now = self.context.clock.now();
        let again_at = now.saturating_add(self.retry_delay).unwrap_or(now);
        let failed = insist("record the failed run", || {
            self.context.store.record_failure(
                open.case.id,
                stage,
                (class, message),
                self.attempts,
                now,
                again_at,
            )
        })
        .await;
        tracing::warn!(class, message, failed, attempts = self.attempts, "stage failed");
        (failed >= i64::from(self.attempts)).then(|| unable(stage, class, message))
    }

    async fn join(&self, open: &Arc<OpenCase>, stage: Stage, sealed: Vec<u8>) -> Settlement {
        let (expected, storing) = (open.case.stages.len(), Instant::now());
        let joined =
            insist("join", || self.context.partials.join(open.case.id, stage, sealed.clone(), expected))
                .await;
        txid_shared::crash::point("worker.after_partial");
        let settlement = match joined {
            Some(set) => self.decide(open, &set).await,
            None => Settlement::Acknowledge,
        };
        Metrics::get().stage_phase(stage, "store", storing.elapsed().as_secs_f64());
        settlement
    }

    async fn decide(&self, open: &Arc<OpenCase>, set: &Sealed) -> Settlement {
        let partials = set
            .iter()
            .map(|(stage, sealed)| {
                // A partial that cannot be read is as good as none: damaged, or of another version.
                let partial = open_partial(&open.key, open.case.id, *stage, sealed)
                    .unwrap_or_else(|_| unable(*stage, "partial_unreadable", "the partial cannot be read"));
                (*stage, partial)
            })
            .collect();
        let decided = insist("decide", || async {
            match conclude(&self.context, &open.case, &open.key, &partials).await {
                Err(ConcludeError::Store(error)) => Err(error),
                other => Ok(other),
            }
        })
        .await;
        self.cases.forget(open.case.id);
        match decided {
            Ok(_) => Settlement::Acknowledge,
            Err(error) => {
                tracing::error!(%error, "the verdict cannot be written: to the dead letters");
                Settlement::DeadLetter("undecidable")
            }
        }
    }
}

fn unable(stage: Stage, class: &str, message: &str) -> Partial {
    let (class, message) = (class.to_owned(), message.to_owned());
    Partial::of(StageResult::Unable(Unable { stage, class, message }))
}

/// Repeats until it works: a service that is away costs time, not attempts and not verdicts.
async fn insist<T, E, F>(what: &'static str, mut operation: impl FnMut() -> F) -> T
where
    E: std::fmt::Display,
    F: Future<Output = Result<T, E>>,
{
    let mut pause = Duration::from_millis(50);
    loop {
        match operation().await {
            Ok(value) => return value,
            Err(error) => {
                tracing::warn!(%error, ?pause, "cannot {what}: trying again");
                let jitter = rand::rng().random_range(0.5..1.5);
                tokio::time::sleep(pause.mul_f64(jitter)).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}
