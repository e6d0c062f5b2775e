//! The end of a batch: its files, its event, and in the end its removal.

use super::drive::{Drive, Next, ROWS};
use super::files::{Written, write_files};
use super::{Batches, DriveError};
use tokio_util::sync::CancellationToken;
use txid_shared::api::{Event, EventData};
use txid_shared::sealed::seal_event;
use txid_shared::store::{BatchRecord, Progress, RowEnd};
use txid_shared::words::{BatchStatus, EventType, RowState, Status};

/// Rows of a deleted batch that are removed together.
const REMOVED: i64 = 200;
/// Rows that were reserved when the batch was cancelled.
const LEFT: i64 = 10_000;

impl Batches {
    /// What waits is cancelled, and what is under way and not decided as well.
    pub(super) async fn cancel(&self, drive: &mut Drive, record: &BatchRecord) -> Result<Next, DriveError> {
        if record.batch.counts.pending > 0 {
            self.end_pending(drive, RowState::Cancelled).await?;
            return Ok(Next::Again);
        }
        if record.batch.counts.processing > 0 {
            return self.take_back(drive, RowState::Cancelled, Status::Cancelled).await;
        }
        self.end(drive, record, BatchStatus::Cancelled, &CancellationToken::new()).await
    }

    /// Rows under way end at once, but for those that are decided.
    pub(super) async fn take_back(
        &self,
        drive: &mut Drive,
        state: RowState,
        status: Status,
    ) -> Result<Next, DriveError> {
        for id in self.store.take_rows_back(drive.id, status, self.clock.now()).await? {
            if let Err(error) = self.partials.finish(id).await {
                tracing::warn!(verification.id = %id, %error, "partials of a verification that was taken back stay until they expire");
            }
        }
        let left = self.store.unaccepted_rows(drive.id, LEFT).await?;
        let ends: Vec<RowEnd> = left
            .iter()
            .map(|row| RowEnd { number: row.number, state, error: None, duplicate_of: None })
            .collect();
        let held = (drive.id, drive.token);
        let ended = self.store.end_rows(held, RowState::Processing, &ends, self.clock.now()).await?;
        ended.ok_or(DriveError::LeaseLost)?;
        self.settle(drive).await?;
        Ok(Next::Again)
    }

    pub(super) async fn finish(
        &self,
        drive: &mut Drive,
        record: &BatchRecord,
        stopping: &CancellationToken,
    ) -> Result<Next, DriveError> {
        self.end(drive, record, record.ending.unwrap_or(BatchStatus::Completed), stopping).await
    }

    async fn end(
        &self,
        drive: &Drive,
        record: &BatchRecord,
        to: BatchStatus,
        stopping: &CancellationToken,
    ) -> Result<Next, DriveError> {
        self.remove_unused_keys(record).await?;
        let Written { files: infos, has_pictures } = write_files(self, drive, record, to, stopping).await?;
        let now = self.clock.now();
        let mut shown = record.batch.clone();
        shown.status = to;
        shown.rows_per_second = 0.0;
        shown.timestamps.insert(to, now);
        shown.files.get_or_insert_default().extend(infos.clone());
        // From the end on, so that no verification of it goes before its own time.
        let kept = self.store.retention_of(record.account_id, self.retention).await?;
        let until = |kept_s: Option<i64>| {
            kept_s.and_then(|kept_s| now.checked_add(jiff::SignedDuration::from_secs(kept_s)).ok())
        };
        let retained_until = until(kept.data_s);
        let pictures_until = until(kept.images_s).filter(|_| has_pictures);
        shown.retained_until = retained_until;
        let event = Event::new(EventType::BatchCompleted, EventData::Batch(Box::new(shown)), now);
        let account_key = self.store.account_key(record.account_id).await?;
        let sealed = seal_event(&account_key, &event)?;
        let progress = Progress { files: Some(infos), retained_until, pictures_until, ..Progress::default() };
        let held = (drive.id, drive.token);
        if self.store.end_batch(held, (record.batch.status, to), &progress, &sealed, now).await? {
            tracing::info!(batch.id = %drive.id, batch.status = %to, batch.rows = record.batch.counts.total, "batch ended");
            // The files hold what is needed of it; what fails here goes when the batch does.
            if let Err(error) = self.blobs.remove_all(&record.place(ROWS)).await {
                tracing::warn!(batch.id = %drive.id, %error, "its copy of the manifest stays until the batch is erased");
            }
            return Ok(Next::Leave);
        }
        Ok(Next::Again)
    }

    /// Its owner deleted it: verifications, files and rows go, part by part, whoever dies meanwhile.
    pub(super) async fn remove(&self, record: &BatchRecord) -> Result<Next, DriveError> {
        let id = record.batch.id;
        let rows = self.store.verifications_of_batch(id, REMOVED).await?;
        let Some((last, _)) = rows.last().copied() else {
            self.blobs.remove_all(&format!("{}/{id}", record.account_id)).await?;
            self.store.forget_batch(id).await?;
            return Ok(Next::Leave);
        };
        let now = self.clock.now();
        for verification in rows.into_iter().filter_map(|(_, verification)| verification) {
            // Its blobs go by the sweeper, which does not give up.
            self.store.erase(record.account_id, verification, "batch", now).await?;
        }
        self.store.forget_rows(id, last).await?;
        Ok(Next::Again)
    }
}
