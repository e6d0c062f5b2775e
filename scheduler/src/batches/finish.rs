//! The end of a batch: its files, its event, and in the end its removal.

use super::drive::{Drive, Next};
use super::files::write_files;
use super::{Batches, DriveError};
use tokio_util::sync::CancellationToken;
use txid_shared::api::{Event, EventData};
use txid_shared::sealed::seal_event;
use txid_shared::store::{BatchRecord, Progress, RowEnd};
use txid_shared::words::{BatchStatus, EventType, RowState};

/// Rows of a deleted batch that are removed together.
const REMOVED: i64 = 200;
/// Rows that were reserved when the batch was cancelled.
const LEFT: i64 = 10_000;

impl Batches {
    /// What waits is cancelled, and what is under way and not decided as well.
    pub(super) async fn cancel(&self, drive: &mut Drive, record: &BatchRecord) -> Result<Next, DriveError> {
        let held = (drive.id, drive.token);
        if record.batch.counts.pending > 0 {
            self.end_pending(drive, RowState::Cancelled).await?;
            return Ok(Next::Again);
        }
        if record.batch.counts.processing > 0 {
            for id in self.store.cancel_rows(drive.id, self.clock.now()).await? {
                if let Err(error) = self.partials.finish(id).await {
                    tracing::warn!(verification.id = %id, %error, "partials of a cancelled verification stay until they expire");
                }
            }
            let left = self.store.unaccepted_rows(drive.id, LEFT).await?;
            let ends: Vec<RowEnd> = left
                .iter()
                .map(|row| RowEnd {
                    number: row.number,
                    state: RowState::Cancelled,
                    error: None,
                    duplicate_of: None,
                })
                .collect();
            let now = self.clock.now();
            self.store
                .end_rows(held, RowState::Processing, &ends, now)
                .await?
                .ok_or(DriveError::LeaseLost)?;
            self.settle(drive).await?;
            return Ok(Next::Again);
        }
        self.end(drive, record, BatchStatus::Cancelled, &CancellationToken::new()).await
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
        let infos = write_files(self, drive, record, to, stopping).await?;
        let now = self.clock.now();
        let mut shown = record.batch.clone();
        shown.status = to;
        shown.rows_per_second = 0.0;
        shown.timestamps.insert(to, now);
        shown.files.get_or_insert_default().extend(infos.clone());
        let event = Event::new(EventType::BatchCompleted, EventData::Batch(Box::new(shown)), now);
        let account_key = self.store.account_key(record.account_id).await?;
        let sealed = seal_event(&account_key, &event)?;
        let progress = Progress { files: Some(infos), ..Progress::default() };
        let held = (drive.id, drive.token);
        if self.store.end_batch(held, (record.batch.status, to), &progress, &sealed, now).await? {
            tracing::info!(batch.id = %drive.id, batch.status = %to, batch.rows = record.batch.counts.total, "batch ended");
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
