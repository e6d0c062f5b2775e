//! What a batch needs next, step by step, for as long as the lease on it is held.

use super::references::Reach;
use super::source::Source;
use super::{Batches, DriveError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use txid_shared::api::{ApiError, BatchFault, Counts, ErrorCode};
use txid_shared::blobs::crypto::SealingKey;
use txid_shared::blobs::spool::{SpoolReader, SpoolWriter};
use txid_shared::config::ms;
use txid_shared::ids::BatchId;
use txid_shared::store::{BatchRecord, Progress};
use txid_shared::words::{BatchStatus, RowState, Status};
use uuid::Uuid;

/// Rows that end together when a batch is cancelled.
const ENDING: i64 = 5_000;
/// A step that admits rows is left after this long, so that somebody who pauses does not wait.
const STEP: Duration = Duration::from_millis(500);
/// Rows that ended before a share of failures among them means anything.
const ENOUGH: i64 = 20;
/// The rate is measured over about so long.
const RATE_OVER_S: f64 = 10.0;
/// Rows under way at least, whatever was decided lately.
const LEAST_UNDER_WAY: i64 = 32;
/// Names of what lies in a batch's place.
pub(crate) const ROWS: &str = "rows";

/// A batch in the hands of its driver.
pub(super) struct Drive {
    pub(super) id: BatchId,
    pub(super) token: Uuid,
    /// Opened when they are first needed.
    opened: Option<Opened>,
    /// Rows that a driver before this one left half accepted are looked for at the beginning, and after an error.
    pub(super) recovered: bool,
    /// Bytes of a row's pictures, lately.
    pub(super) row_bytes: u64,
    measured: Instant,
    settled: i64,
    rate: f64,
}

#[derive(Clone)]
pub(super) struct Opened {
    pub(super) key: SealingKey,
    pub(super) source: Source,
    pub(super) rows: SpoolReader,
    pub(super) reach: Reach,
}

/// What follows a step.
pub(super) enum Next {
    /// There is more to do.
    Again,
    /// Somebody else's work has to get on first.
    Wait,
    /// It needs no driver for now.
    Leave,
}

impl Batches {
    pub(super) async fn drive(&self, id: BatchId, token: Uuid, stopping: CancellationToken) {
        let mut drive = Drive {
            id,
            token,
            opened: None,
            recovered: false,
            row_bytes: u64::MAX,
            measured: Instant::now(),
            settled: 0,
            rate: 0.0,
        };
        tracing::debug!(batch.id = %id, "batch taken up");
        match self.until_idle(&mut drive, &stopping).await {
            Ok(()) | Err(DriveError::Stopping) => {
                if let Err(error) = self.store.release_batch(id, token).await {
                    tracing::warn!(batch.id = %id, %error, "the lease on a batch stays until it expires");
                }
            }
            // The lease is kept, which holds everybody off for a while.
            Err(error) => tracing::error!(batch.id = %id, %error, "a batch does not get on"),
        }
    }

    async fn until_idle(&self, drive: &mut Drive, stopping: &CancellationToken) -> Result<(), DriveError> {
        loop {
            if stopping.is_cancelled() {
                return Err(DriveError::Stopping);
            }
            let record = self.hold(drive.id, drive.token).await?;
            match self.step(drive, &record, stopping).await? {
                Next::Again => {}
                Next::Leave => return Ok(()),
                Next::Wait => {
                    tokio::select! {
                        () = stopping.cancelled() => {}
                        () = tokio::time::sleep(ms(self.settings.poll_ms)) => {}
                    }
                }
            }
        }
    }

    pub(super) async fn hold(&self, id: BatchId, token: Uuid) -> Result<BatchRecord, DriveError> {
        let until = self.clock.now() + self.lease();
        self.store.hold_batch(id, token, until).await?.ok_or(DriveError::LeaseLost)
    }

    async fn step(
        &self,
        drive: &mut Drive,
        record: &BatchRecord,
        stopping: &CancellationToken,
    ) -> Result<Next, DriveError> {
        if record.is_deleted {
            return self.remove(record).await;
        }
        match record.batch.status {
            BatchStatus::Validating => self.validate(drive, record, stopping).await,
            BatchStatus::Queued => {
                self.advance(drive, record, BatchStatus::InProgress, &Progress::default()).await
            }
            BatchStatus::InProgress => self.get_on(drive, record, stopping).await,
            BatchStatus::AwaitingConfirmation | BatchStatus::Paused => self.rest(drive, record).await,
            BatchStatus::Cancelling => self.cancel(drive, record).await,
            BatchStatus::Finalizing => self.finish(drive, record, stopping).await,
            BatchStatus::Completed | BatchStatus::Failed | BatchStatus::Expired | BatchStatus::Cancelled => {
                Ok(Next::Leave)
            }
        }
    }

    pub(super) async fn advance(
        &self,
        drive: &Drive,
        record: &BatchRecord,
        to: BatchStatus,
        progress: &Progress,
    ) -> Result<Next, DriveError> {
        let from = record.batch.status;
        let held = (drive.id, drive.token);
        // Not if its owner was faster: the next look tells.
        if self.store.advance_batch(held, from, to, progress, self.clock.now()).await? && from != to {
            tracing::info!(batch.id = %drive.id, batch.status = %to, batch.rows = record.batch.counts.total, "batch gets on");
        }
        Ok(Next::Again)
    }

    /// Its key, its rows and what they may refer to. The inner error is the customer's.
    pub(super) async fn opened(
        &self,
        drive: &mut Drive,
        record: &BatchRecord,
    ) -> Result<Result<Opened, ApiError>, DriveError> {
        if let Some(opened) = &drive.opened {
            return Ok(Ok(opened.clone()));
        }
        let key = self.store.batch_key(record).await?;
        let account_key = self.store.account_key(record.account_id).await?;
        let sealed = record.sealed_source.as_deref().ok_or(txid_shared::store::StoreError::Erased)?;
        let source = Source::open(&account_key, drive.id, sealed)?;
        let reach = match self.references.of_batch(record.account_id, &source).await? {
            Ok(reach) => reach,
            Err(refused) => return Ok(Err(refused)),
        };
        let rows = SpoolReader::new(&self.blobs, &key, &record.place(ROWS));
        let opened = Opened { key, source, rows, reach };
        drive.opened = Some(opened.clone());
        Ok(Ok(opened))
    }

    async fn validate(
        &self,
        drive: &mut Drive,
        record: &BatchRecord,
        stopping: &CancellationToken,
    ) -> Result<Next, DriveError> {
        let opened = match self.opened(drive, record).await? {
            Ok(opened) => opened,
            Err(refused) => return self.refuse(drive, record, refused).await,
        };
        let holding = super::manifest::Holding {
            id: drive.id,
            token: drive.token,
            until: self.lease(),
            rows: SpoolWriter::new(&self.blobs, &opened.key, &record.place(ROWS)),
            batches: self,
        };
        let (reach, manifest) = (&opened.reach, &opened.source.manifest);
        let read = holding.read(manifest, reach.archive(), reach.account_name(), record.account_id).await?;
        if let Err(refused) = read {
            // Rows of a manifest that is not taken would wait for ever.
            if !self.store.reset_rows((drive.id, drive.token)).await? {
                return Err(DriveError::LeaseLost);
            }
            return self.refuse(drive, record, refused).await;
        }
        // What the rows' reader kept is of a reading before.
        drive.opened = None;
        if !record.options.validate_only {
            return self.advance(drive, record, BatchStatus::Queued, &Progress::default()).await;
        }
        self.preflight(drive, record, stopping).await
    }

    /// The manifest cannot be used as a whole.
    async fn refuse(&self, drive: &Drive, record: &BatchRecord, error: ApiError) -> Result<Next, DriveError> {
        let progress =
            Progress { ending: Some(BatchStatus::Failed), error: Some(error.into()), ..Progress::default() };
        self.advance(drive, record, BatchStatus::Finalizing, &progress).await
    }

    /// Waits for its owner, but not for ever; what is under way is taken over meanwhile.
    async fn rest(&self, drive: &mut Drive, record: &BatchRecord) -> Result<Next, DriveError> {
        self.settle(drive).await?;
        if record.batch.expires_at <= self.clock.now() {
            let progress = Progress { ending: Some(BatchStatus::Expired), ..Progress::default() };
            return self.advance(drive, record, BatchStatus::InProgress, &progress).await;
        }
        Ok(if record.batch.counts.processing > 0 { Next::Wait } else { Next::Leave })
    }

    async fn get_on(
        &self,
        drive: &mut Drive,
        record: &BatchRecord,
        stopping: &CancellationToken,
    ) -> Result<Next, DriveError> {
        let settled = self.settle(drive).await?;
        let Counts { pending, processing, .. } = record.batch.counts;
        let ending = record.ending.or_else(|| self.must_end(record));
        if ending != record.ending {
            let error = (ending == Some(BatchStatus::Failed)).then(|| BatchFault {
                code: ErrorCode::InvalidState.name(),
                message: "more rows failed than `failure_threshold_percent` allows".to_owned(),
                param: Some("failure_threshold_percent".to_owned()),
            });
            let progress = Progress { ending, error, ..Progress::default() };
            return self.advance(drive, record, BatchStatus::InProgress, &progress).await;
        }
        if let Some(ending) = ending
            && pending > 0
        {
            let state = if ending == BatchStatus::Expired { RowState::Expired } else { RowState::Cancelled };
            self.end_pending(drive, state).await?;
            return Ok(Next::Again);
        }
        if ending == Some(BatchStatus::Expired) && processing > settled {
            return self.take_back(drive, RowState::Expired, Status::Expired).await;
        }
        if pending == 0 && processing == 0 {
            return self.advance(drive, record, BatchStatus::Finalizing, &Progress::default()).await;
        }
        let opened = match self.opened(drive, record).await? {
            Ok(opened) => opened,
            Err(refused) => {
                let progress = Progress {
                    ending: Some(BatchStatus::Failed),
                    error: Some(refused.into()),
                    ..Progress::default()
                };
                return self.advance(drive, record, BatchStatus::InProgress, &progress).await;
            }
        };
        if !drive.recovered {
            self.accept_unaccepted(drive, record, &opened).await?;
            drive.recovered = true;
        }
        let under_way = processing - settled;
        let mut room = self.room(drive).await? - under_way;
        let (begun, mut next, mut admitted) = (Instant::now(), record.next_row, 0);
        while room > 0 && pending > admitted && begun.elapsed() < STEP && !stopping.is_cancelled() {
            let taken = self.admit(drive, record, &opened, &mut next, room).await?;
            if taken == 0 {
                break;
            }
            admitted += taken;
            room -= taken;
        }
        Ok(if admitted > 0 { Next::Again } else { Next::Wait })
    }

    fn must_end(&self, record: &BatchRecord) -> Option<BatchStatus> {
        if record.batch.expires_at <= self.clock.now() {
            return Some(BatchStatus::Expired);
        }
        let counts = &record.batch.counts;
        let threshold = record.options.failure_threshold_percent?;
        let ended = counts.ended();
        let share = 100.0 * (counts.failed + counts.error) as f64 / ended.max(1) as f64;
        (ended >= ENOUGH.min(counts.total) && share > threshold).then_some(BatchStatus::Failed)
    }

    pub(super) async fn end_pending(&self, drive: &Drive, state: RowState) -> Result<(), DriveError> {
        let held = (drive.id, drive.token);
        let ended = self.store.end_pending_rows(held, state, ENDING, self.clock.now()).await?;
        let last = ended.ok_or(DriveError::LeaseLost)?.into_iter().max();
        if let Some(last) = last {
            self.store.next_row(held, last + 1).await?;
        }
        Ok(())
    }

    /// Rows of this batch that may be under way: its share of what the lane decides in `ahead_s`.
    async fn room(&self, drive: &Drive) -> Result<i64, DriveError> {
        let (rate, share) = self.store.batch_share(drive.id).await?;
        let most = (self.settings.most_under_way as f64 * share).max(1.0);
        let ahead = rate.max(drive.rate) * self.settings.ahead_s * share;
        Ok((ahead as i64).max(LEAST_UNDER_WAY).min(most as i64))
    }

    /// Takes over how rows ended, and how fast they do.
    pub(super) async fn settle(&self, drive: &mut Drive) -> Result<i64, DriveError> {
        let settled = self.store.settle_rows((drive.id, drive.token)).await?.ok_or(DriveError::LeaseLost)?;
        let count = i64::try_from(settled.len()).unwrap_or(i64::MAX);
        drive.settled += count;
        let over_s = drive.measured.elapsed().as_secs_f64();
        if over_s >= 1.0 {
            let now = drive.settled as f64 / over_s;
            let weight = (over_s / RATE_OVER_S).min(1.0);
            drive.rate = if drive.rate == 0.0 { now } else { drive.rate + (now - drive.rate) * weight };
            (drive.measured, drive.settled) = (Instant::now(), 0);
            self.store.note_rate(drive.id, drive.token, drive.rate).await?;
        }
        Ok(count)
    }
}
