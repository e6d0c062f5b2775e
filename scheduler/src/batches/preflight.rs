//! The check before the start: every row is read and its pictures are fetched and looked at as far as a call for a
//! single verification does before it is accepted. Nothing is verified.

use super::admit::digest;
use super::drive::{Drive, Next};
use super::{Batches, DriveError};
use futures_util::future::try_join_all;
use std::collections::BTreeMap;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use txid_shared::api::{BatchFault, FileInfo, Preflight, RowFault};
use txid_shared::blobs::spool::SpoolWriter;
use txid_shared::store::{BatchRecord, BatchRow, Progress};
use txid_shared::words::{BatchFile, BatchStatus, RowState};

/// Faults that the batch itself shows.
const SHOWN: usize = 100;

impl Batches {
    pub(super) async fn preflight(
        &self,
        drive: &mut Drive,
        record: &BatchRecord,
        stopping: &CancellationToken,
    ) -> Result<Next, DriveError> {
        let begun = Instant::now();
        let opened = match self.opened(drive, record).await? {
            Ok(opened) => opened,
            Err(_) => return Ok(Next::Again),
        };
        let mut found = Preflight::default();
        let place = record.place(BatchFile::Preflight.as_str());
        let mut file = SpoolWriter::new(&self.blobs, &opened.key, &place);
        let group = i64::try_from(self.settings.admissions.max(1)).unwrap_or(i64::MAX);
        let mut next = 1;
        loop {
            if stopping.is_cancelled() {
                return Err(DriveError::Stopping);
            }
            if self.hold(drive.id, drive.token).await?.batch.status != BatchStatus::Validating {
                return Ok(Next::Again);
            }
            let rows = self.store.rows_from(drive.id, next, None, group).await?;
            let Some(last) = rows.last() else { break };
            next = last.number + 1;
            let (wrong, sound): (Vec<&BatchRow>, Vec<&BatchRow>) =
                rows.iter().partition(|row| row.state == RowState::Error);
            let mut faults: Vec<(&BatchRow, BatchFault)> =
                wrong.into_iter().filter_map(|row| Some((row, row.error.clone()?))).collect();
            let prepared = try_join_all(sound.iter().map(|row| self.prepare(&opened, row))).await?;
            let mut digests = Vec::new();
            for (row, submission) in sound.into_iter().zip(prepared) {
                match submission {
                    Err(error) => faults.push((row, error.into())),
                    Ok(submission) => {
                        digests.push((row.number, digest(&submission)));
                        let bytes: u64 = submission.images.iter().map(|image| image.info.size_bytes).sum();
                        found.image_bytes += i64::try_from(bytes).unwrap_or(i64::MAX);
                    }
                }
            }
            let repeated = self.store.note_digests(drive.id, &digests).await?;
            found.duplicates += i64::try_from(repeated.len()).unwrap_or(i64::MAX);
            let fronts: Vec<_> =
                digests.iter().map(|(_, hex)| String::from_utf8_lossy(hex).into_owned()).collect();
            found.known_to_account += self.store.known_fronts(record.account_id, &fronts).await?;
            found.rows += i64::try_from(rows.len()).unwrap_or(i64::MAX);
            faults.sort_by_key(|(row, _)| row.number);
            for (row, error) in faults {
                found.rows_with_faults += 1;
                *found.faults.entry(error.code.clone()).or_default() += 1;
                let fault = RowFault { line: row.line, custom_id: row.custom_id.clone(), error };
                let mut line = serde_json::to_vec(&fault).unwrap_or_default();
                line.push(b'\n');
                file.write(&line).await?;
                if found.first_faults.len() < SHOWN {
                    found.first_faults.push(fault);
                }
            }
        }
        let spooled = file.close().await?;
        let info =
            FileInfo { rows: found.rows_with_faults, size_bytes: spooled.size_bytes, sha256: spooled.sha256 };
        found.seconds = begun.elapsed().as_secs_f64();
        let sound = (found.rows - found.rows_with_faults - found.duplicates).max(0) as f64;
        let (core_seconds, rate) = self.store.recent_costs(record.account_id).await?;
        found.core_seconds = core_seconds.map(|each| each * sound);
        found.estimated_seconds = rate.filter(|rate| *rate > 0.0).map(|rate| sound / rate);
        let progress = Progress {
            preflight: Some(found),
            files: Some(BTreeMap::from([(BatchFile::Preflight, info)])),
            ..Progress::default()
        };
        self.advance(drive, record, BatchStatus::AwaitingConfirmation, &progress).await
    }
}
