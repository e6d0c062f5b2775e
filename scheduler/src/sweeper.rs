//! Finds verifications that should long be decided: partials lost with Redis, jobs lost with a
//! broker, a worker that died between its partial and the decision. It enqueues what is missing.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use txid_shared::api::{Event, EventData, ExpiredSession};
use txid_shared::blobs::{BlobError, Blobs};
use txid_shared::conclude::{ConcludeError, Context, conclude, give_up};
use txid_shared::config::{self, ms};
use txid_shared::ids::{SessionId, VerificationId};
use txid_shared::partials::{PartialsError, Sealed};
use txid_shared::queue::{Queue, Source};
use txid_shared::request::SealedRequest;
use txid_shared::sealed::{open_partials, seal_event};
use txid_shared::services::Services;
use txid_shared::store::{Overdue, Session, StoreError};
use txid_shared::telemetry::Metrics;
use txid_shared::words::{BatchFile, EventType, Lane, SessionStatus, Stage, Status};

/// Rows per look; more of them come in the next one.
const BATCH: i64 = 500;

pub struct Sweeper {
    context: Context,
    blobs: Blobs,
    queue: Queue,
    settings: config::Sweeper,
    outbox_filled: Arc<Notify>,
}

#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Partials(#[from] PartialsError),
    #[error(transparent)]
    Conclude(#[from] ConcludeError),
    #[error(transparent)]
    Blob(#[from] BlobError),
}

impl Sweeper {
    pub fn new(services: &Services, settings: config::Sweeper, outbox_filled: Arc<Notify>) -> Self {
        let Services { context, blobs, queue } = services.clone();
        Self { context, blobs, queue, settings, outbox_filled }
    }

    /// `recover`: the queue died with the process before, so everything pending is enqueued at once.
    pub async fn run(self, recover: bool, stopping: CancellationToken) {
        if recover {
            match self.recover().await {
                Ok(0) => {}
                Ok(verifications) => tracing::info!(verifications, "pending verifications enqueued again"),
                Err(error) => tracing::error!(%error, "pending verifications cannot be enqueued again"),
            }
        }
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(ms(self.settings.interval_ms)) => {}
            }
            self.clean().await;
        }
    }

    /// Everything once. What fails is tried again the next time.
    async fn clean(&self) {
        let told = |what: &str, ended: Result<(), SweepError>| {
            if let Err(error) = ended {
                tracing::error!(%error, "{what}");
            }
        };
        told("overdue verifications cannot be swept", self.sweep().await.map(drop));
        told("sessions cannot be expired", self.expire_sessions().await);
        told("what is past its time cannot be removed", self.expire_verifications().await);
        told("batches past their time cannot be removed", self.expire_batches().await);
        told("blobs of erased verifications cannot be removed", self.remove_remains().await);
        told("expired uploads cannot be removed", self.expire_uploads().await);
        told("idempotency records cannot be forgotten", self.forget_claims().await);
        told("old request logs cannot be removed", self.forget_requests().await.map(drop));
        told("the audit trail cannot be linked", self.link_audit().await);
    }

    /// Enqueues every pending verification whatever its age. How many there were.
    pub async fn recover(&self) -> Result<usize, SweepError> {
        let mut recovered = 0;
        let started = self.context.clock.now();
        loop {
            // Enqueueing moves a row behind `started`, so that each is met once.
            let before = started.saturating_sub(jiff::SignedDuration::from_micros(1)).unwrap_or(started);
            let pending = self.context.store.overdue(before, 0, BATCH).await?;
            if pending.is_empty() {
                return Ok(recovered);
            }
            for overdue in pending {
                self.enqueue(&overdue, &overdue.stages, overdue.rounds + 1).await?;
                recovered += 1;
            }
        }
    }

    /// One look at what is overdue. How many verifications were enqueued again or ended.
    pub async fn sweep(&self) -> Result<usize, SweepError> {
        let (store, now) = (&self.context.store, self.context.clock.now());
        let after_ms = i64::try_from(self.settings.overdue_after_ms).unwrap_or(i64::MAX);
        let overdue = store.overdue(now, after_ms, BATCH).await?;
        if overdue.is_empty() {
            return Ok(0);
        }
        // While nothing reaches the broker, more rows would not get there either, and rounds would burn.
        if store.oldest_unpublished_s(now).await? * 1000.0 >= self.settings.overdue_after_ms as f64 {
            tracing::warn!(
                verifications = overdue.len(),
                "overdue, but the outbox is stuck: not enqueued again"
            );
            return Ok(0);
        }
        let has_batches = overdue.iter().any(|verification| verification.lane == Lane::Batch);
        let crowded = if has_batches { self.crowded().await } else { HashSet::new() };
        let mut swept = 0;
        for verification in &overdue {
            // Partials that cannot be read are no missing partials: better late than twice.
            let sealed = self.context.partials.get(verification.id).await?;
            match self.one(verification, sealed, &crowded).await {
                Ok(done) => swept += usize::from(done),
                // Of this row, or of all of them: the others are tried either way.
                Err(error) => tracing::error!(verification.id = %verification.id, %error, "cannot be swept"),
            }
        }
        Ok(swept)
    }

    /// Key shares and blobs that an erasure or an expired session left. One that cannot be removed now is tried
    /// again the next time, and holds up no other.
    pub async fn remove_remains(&self) -> Result<(), SweepError> {
        let mut after = VerificationId::from_uuid(uuid::Uuid::nil());
        loop {
            let remains = self.context.store.remains(after, BATCH).await?;
            for (account, id) in &remains {
                let removed = async {
                    self.blobs.erase(*account, *id).await?;
                    Ok::<_, SweepError>(self.context.store.nothing_remains(*id).await?)
                };
                if let Err(error) = removed.await {
                    Metrics::get().not_removed();
                    tracing::error!(verification.id = %id, %error, "what was erased cannot be removed yet");
                }
            }
            match remains.last() {
                Some((_, last)) if is_full(remains.len()) => after = *last,
                _ => return Ok(()),
            }
        }
    }

    /// Sessions whose time is up: their uploads are unreadable from then on, and removed with what remains.
    pub async fn expire_sessions(&self) -> Result<(), SweepError> {
        let now = self.context.clock.now();
        let mut after = (jiff::Timestamp::UNIX_EPOCH, SessionId::from_uuid(uuid::Uuid::nil()));
        loop {
            let overdue = self.context.store.overdue_sessions(now, after, BATCH).await?;
            for session in &overdue {
                match self.expire(session, now).await {
                    Ok(true) => tracing::info!(session.id = %session.id, "session expired"),
                    Ok(false) => {}
                    Err(error) => {
                        tracing::error!(session.id = %session.id, %error, "a session cannot be expired");
                    }
                }
            }
            match overdue.last() {
                Some(last) if is_full(overdue.len()) => after = (last.expires_at, last.id),
                _ => return Ok(()),
            }
        }
    }

    /// Also a session that cannot be opened expires; where its own address was nobody knows then.
    async fn expire(&self, session: &Session, now: jiff::Timestamp) -> Result<bool, SweepError> {
        let store = &self.context.store;
        let webhook_url = match self.request_of(session).await {
            Ok(request) => request.webhook_url,
            Err(StoreError::Database(error)) => return Err(StoreError::Database(error).into()),
            Err(StoreError::Share(error)) => return Err(error.into()),
            Err(error) => {
                tracing::warn!(session.id = %session.id, %error, "a session that expires cannot be opened");
                None
            }
        };
        let event = Event::new(EventType::SessionExpired, told_of(session), now);
        let account_key = store.account_key(session.account_id).await?;
        let sealed = seal_event(&account_key, &event).map_err(StoreError::from)?;
        Ok(store.expire_session(session, &sealed, webhook_url.as_deref(), now).await?)
    }

    async fn request_of(&self, session: &Session) -> Result<SealedRequest, StoreError> {
        let key = self.context.store.session_key(session).await?;
        Ok(SealedRequest::open(&key, session.verification_id, &session.sealed_request)?)
    }

    /// What accounts wanted kept no longer: whole verifications, and pictures alone.
    pub async fn expire_verifications(&self) -> Result<(), SweepError> {
        let (store, now) = (&self.context.store, self.context.clock.now());
        for (account, id) in store.expired(now, BATCH).await? {
            if store.erase(account, id, "retention", now).await? {
                if let Err(error) = self.context.partials.finish(id).await {
                    tracing::warn!(verification.id = %id, %error, "partials stay until they expire");
                }
                tracing::info!(verification.id = %id, "verification erased: its time is over");
            }
        }
        for (account, id) in store.images_expired(now, BATCH).await? {
            if let Err(error) = self.blobs.remove_all(&format!("{account}/{id}")).await {
                tracing::error!(verification.id = %id, %error, "pictures past their time cannot be removed yet");
                continue;
            }
            store.images_removed(account, id, now).await?;
        }
        Ok(())
    }

    /// Batches that have ended and whose time is over: who drives batches removes what they held. Pictures that stand in
    /// an errors file may go earlier, and the file with them.
    pub async fn expire_batches(&self) -> Result<(), SweepError> {
        let (store, now) = (&self.context.store, self.context.clock.now());
        for held in store.batches_past_retention(now, BATCH).await? {
            if store.delete_batch(held, "retention", now).await? {
                tracing::info!(batch.id = %held.1, "batch erased: its time is over");
            }
        }
        for (account, id) in store.batches_with_old_pictures(now, BATCH).await? {
            for file in [crate::batches::ROWS, BatchFile::Errors.as_str()] {
                self.blobs.remove_all(&format!("{account}/{id}/{file}")).await?;
            }
            store.errors_removed(id).await?;
        }
        Ok(())
    }

    /// Files for batches that nobody needs any more.
    pub async fn expire_uploads(&self) -> Result<(), SweepError> {
        for upload in self.context.store.uploads_expired(self.context.clock.now(), BATCH).await? {
            self.blobs.remove_all(&upload.folder()).await?;
            self.context.store.forget_upload(upload.id).await?;
        }
        Ok(())
    }

    pub async fn forget_claims(&self) -> Result<(), SweepError> {
        while self.context.store.forget_claims(self.context.clock.now(), BATCH).await? > 0 {}
        Ok(())
    }

    /// Until nothing is left to link.
    pub async fn link_audit(&self) -> Result<(), SweepError> {
        while self.context.store.link_audit().await? > 0 {}
        Ok(())
    }

    /// Request logs beyond their retention. How many there were.
    pub async fn forget_requests(&self) -> Result<u64, SweepError> {
        let kept = jiff::SignedDuration::from_hours(self.settings.request_log_days.saturating_mul(24));
        let limit = self.context.clock.now().saturating_sub(kept).unwrap_or(jiff::Timestamp::MIN);
        Ok(self.context.store.forget_requests(limit).await?)
    }

    /// Stages whose batch lane holds jobs that wait. Where the broker does not tell, they may.
    async fn crowded(&self) -> HashSet<Stage> {
        let mut crowded = HashSet::new();
        for stage in Stage::ALL {
            if self.queue.has_waiting(Source::Jobs(*stage, Lane::Batch)).await.unwrap_or(true) {
                crowded.insert(*stage);
            }
        }
        crowded
    }

    /// In the batch lane a job may stand behind others, and behind everything interactive, for as long as it takes.
    /// While its queue is not empty it may be waiting, and the last round is not begun: a job that was lost is found
    /// by the rounds before.
    fn next_round(&self, overdue: &Overdue, missing: &[Stage], crowded: &HashSet<Stage>) -> i32 {
        let waits = overdue.lane == Lane::Batch && missing.iter().any(|stage| crowded.contains(stage));
        let next = overdue.rounds + 1;
        if waits { next.min((self.settings.rounds - 1).max(0)) } else { next }
    }

    async fn one(
        &self,
        overdue: &Overdue,
        sealed: Sealed,
        crowded: &HashSet<Stage>,
    ) -> Result<bool, SweepError> {
        let missing: Vec<Stage> =
            overdue.stages.iter().copied().filter(|stage| !sealed.contains_key(stage)).collect();
        let round = self.next_round(overdue, &missing, crowded);
        if !missing.is_empty() && round <= self.settings.rounds {
            return self.enqueue(overdue, &missing, round).await;
        }
        let case = self.context.store.case(overdue.id).await?;
        let Some(case) = case.filter(|case| case.status == Status::Pending) else { return Ok(false) };
        let rounds_left = overdue.rounds < self.settings.rounds;
        let key = match self.context.store.data_key(&case).await {
            // It may come back: a folder that was not mounted.
            Err(error) if error.is_destroyed() && rounds_left => {
                return self.enqueue(overdue, &overdue.stages, overdue.rounds + 1).await;
            }
            Err(error) if error.is_destroyed() => return Ok(give_up(&self.context, &case).await?),
            key => key?,
        };
        match open_partials(&key, case.id, &sealed) {
            Ok(partials) => {
                tracing::warn!(verification.id = %case.id, ?missing, "ended by the sweeper");
                Ok(conclude(&self.context, &case, &key, &partials).await?)
            }
            // Sealed under a key or a version that is not ours: the stages run again.
            Err(error) if rounds_left => {
                tracing::error!(verification.id = %case.id, %error, "partials cannot be opened");
                self.enqueue(overdue, &overdue.stages, overdue.rounds + 1).await
            }
            Err(_) => Ok(conclude(&self.context, &case, &key, &BTreeMap::new()).await?),
        }
    }

    async fn enqueue(&self, overdue: &Overdue, stages: &[Stage], round: i32) -> Result<bool, SweepError> {
        let now = self.context.clock.now();
        let enqueued = self.context.store.enqueue_again(overdue, (stages, round), now).await?;
        if enqueued {
            self.outbox_filled.notify_one();
            Metrics::get().swept();
            tracing::warn!(
                verification.id = %overdue.id,
                sweep.round = round,
                sweep.stages = ?stages,
                "overdue verification enqueued again"
            );
        }
        Ok(enqueued)
    }
}

/// Then there may be more behind them.
fn is_full(rows: usize) -> bool {
    i64::try_from(rows).is_ok_and(|rows| rows >= BATCH)
}

fn told_of(session: &Session) -> EventData {
    EventData::Session(Box::new(ExpiredSession {
        id: session.id,
        object: ExpiredSession::OBJECT.to_owned(),
        status: SessionStatus::Expired,
        country: session.declared.country.clone(),
        document_type: session.declared.document_type,
        checks: session.checks.clone(),
        uploaded: session.images.iter().map(|image| image.image).collect(),
        metadata: session.metadata.clone(),
        created_at: session.created_at,
        expires_at: session.expires_at,
    }))
}
