//! From rows to verifications: each is fetched, checked like a single call and accepted under an id and a key that
//! were chosen for it before, so that a crash in between makes no second one.

use super::drive::{Drive, Opened};
use super::rows::row_form;
use super::{Batches, DriveError};
use crate::form::Given;
use crate::submission::Submission;
use futures_util::future::{join_all, try_join_all};
use std::borrow::Cow;
use tracing::Instrument;
use txid_shared::api::ApiError;
use txid_shared::blobs::crypto::{DataKey, SealingKey};
use txid_shared::ids::VerificationId;
use txid_shared::sha256_hex;
use txid_shared::store::{Acceptance, BatchRecord, BatchRow, Reservation, RowEnd, StoreError};
use txid_shared::telemetry::{Metrics, current_traceparent};
use txid_shared::words::{ImageRole, Lane, RowState};

/// With pictures this small, more rows are taken together.
const SMALL_ROW_BYTES: u64 = 64 * 1024;
const MORE: usize = 4;
/// Rows that a driver before this one left.
const LEFT: i64 = 10_000;
/// Keys that are removed together.
const TOGETHER: i64 = 200;

/// A row under way, under the id and the key that were chosen for it.
struct Reserved {
    row: BatchRow,
    id: VerificationId,
    wrapped_key: Vec<u8>,
    key: SealingKey,
}

impl Batches {
    /// Rows that are to be taken together.
    fn group(&self, drive: &Drive) -> usize {
        let admissions = self.settings.admissions.max(1);
        if drive.row_bytes < SMALL_ROW_BYTES { admissions.saturating_mul(MORE) } else { admissions }
    }

    /// A group of rows from `next` on, `room` at most. How many were taken.
    pub(super) async fn admit(
        &self,
        drive: &mut Drive,
        record: &BatchRecord,
        opened: &Opened,
        next: &mut i64,
        room: i64,
    ) -> Result<i64, DriveError> {
        let held = (drive.id, drive.token);
        let limit = room.min(i64::try_from(self.group(drive)).unwrap_or(room));
        let rows = self.store.rows_from(drive.id, *next, Some(RowState::Pending), limit).await?;
        let Some(last) = rows.last().map(|row| row.number) else { return Ok(0) };
        let account = record.account_id;
        // A key's share is stored before a row refers to the key.
        let choosing = rows.iter().map(|row| async move {
            let id = VerificationId::generate();
            let data_key = self.store.new_data_key(account, id).await?;
            self.blobs.put_share(account, id, &data_key.share).await?;
            let DataKey { wrapped: wrapped_key, key, .. } = data_key;
            let reservation = Reservation { number: row.number, verification_id: id, wrapped_key };
            Ok::<_, DriveError>((reservation, key))
        });
        let (reservations, keys): (Vec<_>, Vec<_>) = try_join_all(choosing).await?.into_iter().unzip();
        drive.recovered = false;
        let reserved = self.store.reserve_rows(held, &reservations).await?.ok_or(DriveError::LeaseLost)?;
        let chosen = rows.into_iter().zip(reservations).zip(keys);
        let (chosen, left): (Vec<_>, Vec<_>) =
            chosen.partition(|((row, _), _)| reserved.contains(&row.number));
        // Its owner was faster: no row will ever refer to these keys.
        try_join_all(left.iter().map(|((_, left), _)| self.blobs.erase(account, left.verification_id)))
            .await?;
        let rows: Vec<Reserved> = chosen
            .into_iter()
            .map(|((row, Reservation { verification_id: id, wrapped_key, .. }), key)| Reserved {
                row,
                id,
                wrapped_key,
                key,
            })
            .collect();
        let taken = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        self.accept_rows(drive, record, opened, rows).await?;
        drive.recovered = true;
        *next = last + 1;
        self.store.next_row(held, *next).await?;
        Ok(taken)
    }

    /// What a driver reserved that died before the rows were accepted.
    pub(super) async fn accept_unaccepted(
        &self,
        drive: &mut Drive,
        record: &BatchRecord,
        opened: &Opened,
    ) -> Result<(), DriveError> {
        let mut left = self.store.unaccepted_rows(drive.id, LEFT).await?;
        if !left.is_empty() {
            tracing::warn!(batch.id = %drive.id, batch.rows = left.len(), "rows were reserved and not accepted: again");
        }
        while !left.is_empty() {
            let rest = left.split_off(left.len().min(self.group(drive)));
            let reserved = try_join_all(left.into_iter().map(|row| self.reserved(record, row))).await?;
            self.accept_rows(drive, record, opened, reserved).await?;
            self.hold(drive.id, drive.token).await?;
            left = rest;
        }
        Ok(())
    }

    async fn reserved(&self, record: &BatchRecord, row: BatchRow) -> Result<Reserved, DriveError> {
        let (Some(id), Some(wrapped_key)) = (row.verification_id, row.wrapped_key.clone()) else {
            return Err(StoreError::Erased.into());
        };
        let key = self.store.open_data_key(record.account_id, id, Some(&wrapped_key)).await?;
        Ok(Reserved { row, id, wrapped_key, key })
    }

    /// The row as a single call would have submitted it.
    pub(super) async fn prepare(
        &self,
        opened: &Opened,
        row: &BatchRow,
    ) -> Result<Result<Submission, ApiError>, DriveError> {
        let line = opened.rows.read(row.start_byte, row.size_bytes).await?;
        let text = String::from_utf8_lossy(&line);
        let (mut form, pictures) = match row_form(&text, &opened.source.defaults) {
            Ok(parts) => parts,
            Err(refused) => return Ok(Err(refused)),
        };
        let reach = &opened.reach;
        let fetching = pictures.iter().map(|(role, location)| async move {
            Ok::<_, ApiError>((*role, reach.picture(role.as_str(), location).await?))
        });
        for picture in join_all(fetching).await {
            match picture {
                Ok((role, bytes)) => form.add(Cow::Borrowed(role.as_str()), Given::File(bytes)),
                Err(refused) => return Ok(Err(refused)),
            }
        }
        let parsing = tokio::task::spawn_blocking(move || Submission::parse(&form));
        parsing.await.map_err(|_| DriveError::Panicked)
    }

    /// The rows are reserved. Afterwards each is accepted, or has ended.
    async fn accept_rows(
        &self,
        drive: &mut Drive,
        record: &BatchRecord,
        opened: &Opened,
        rows: Vec<Reserved>,
    ) -> Result<(), DriveError> {
        let held = (drive.id, drive.token);
        let prepared = try_join_all(rows.iter().map(|reserved| self.prepare(opened, &reserved.row))).await?;
        let (mut ends, mut submissions) = (Vec::new(), Vec::new());
        for (reserved, submission) in rows.into_iter().zip(prepared) {
            match submission {
                Ok(submission) => submissions.push((reserved, submission)),
                Err(error) => ends.push(RowEnd {
                    number: reserved.row.number,
                    state: RowState::Error,
                    error: Some(error.into()),
                    duplicate_of: None,
                }),
            }
        }
        let bytes: u64 = submissions
            .iter()
            .flat_map(|(_, submission)| &submission.images)
            .map(|image| image.info.size_bytes)
            .sum();
        if !submissions.is_empty() {
            drive.row_bytes = bytes / submissions.len() as u64;
        }
        let digests: Vec<(i64, Vec<u8>)> = submissions
            .iter()
            .map(|(reserved, submission)| (reserved.row.number, digest(submission)))
            .collect();
        let repeated = self.store.note_digests(drive.id, &digests).await?;
        if !record.options.verify_duplicates {
            submissions.retain(|(Reserved { row, .. }, _)| {
                let of = repeated.iter().find(|(number, _)| *number == row.number).map(|(_, of)| *of);
                ends.extend(of.map(|of| RowEnd {
                    number: row.number,
                    state: RowState::Duplicate,
                    error: None,
                    duplicate_of: Some(of),
                }));
                of.is_none()
            });
        }
        if !ends.is_empty() {
            let now = self.clock.now();
            self.store
                .end_rows(held, RowState::Processing, &ends, now)
                .await?
                .ok_or(DriveError::LeaseLost)?;
            self.remove_unused_keys(record).await?;
        }
        try_join_all(submissions.into_iter().map(|(reserved, submission)| {
            // No call asked for this row alone: its trace begins here.
            let span = tracing::info_span!(
                parent: None,
                "accept",
                batch.id = %drive.id,
                verification.id = %reserved.id
            );
            self.accept(record, reserved, submission).instrument(span)
        }))
        .await?;
        self.outbox_filled.notify_one();
        Ok(())
    }

    /// Rows that ended without a verification leave a key share, and after a crash pictures. Whoever dies meanwhile
    /// leaves them to the next driver, at the latest before the batch ends.
    pub(super) async fn remove_unused_keys(&self, record: &BatchRecord) -> Result<(), DriveError> {
        let batch = record.batch.id;
        loop {
            let unused = self.store.unused_keys(batch, TOGETHER).await?;
            if unused.is_empty() {
                return Ok(());
            }
            try_join_all(unused.iter().map(|(_, id)| self.blobs.erase(record.account_id, *id))).await?;
            let numbers: Vec<i64> = unused.into_iter().map(|(number, _)| number).collect();
            self.store.forget_unused_keys(batch, &numbers).await?;
        }
    }

    async fn accept(
        &self,
        record: &BatchRecord,
        Reserved { id, wrapped_key, key, .. }: Reserved,
        submission: Submission,
    ) -> Result<(), DriveError> {
        let account = record.account_id;
        let named: Vec<(String, &[u8])> = submission
            .images
            .iter()
            .map(|picture| (picture.info.image.to_string(), &picture.bytes[..]))
            .collect();
        self.blobs.put_new(&key, &format!("{account}/{id}"), &named).await?;
        let mut request = submission.request;
        request.untold = !record.options.row_events;
        let acceptance = Acceptance {
            id,
            account_id: account,
            lane: Lane::Batch,
            purpose: submission.purpose,
            declared: submission.declared,
            checks: submission.checks,
            stages: submission.stages,
            metadata: submission.metadata,
            images: submission.images.iter().map(|picture| picture.info.clone()).collect(),
            sealed_request: request.seal(&key, id)?,
            wrapped_key,
            traceparent: current_traceparent(),
            created_at: self.clock.now(),
            retry_of: None,
            actor: record.key_id.to_string(),
            claim: None,
            answer: None,
            session_id: None,
            retention: self.retention,
        };
        if let Err(error) = self.store.accept(&acceptance).await {
            // It was accepted by a driver before this one, or the answer alone was lost.
            if self.store.status(id).await?.is_none() {
                return Err(error.into());
            }
        }
        Metrics::get().accepted();
        Ok(())
    }
}

/// Which document a submission shows: the bytes of its front.
pub(super) fn digest(submission: &Submission) -> Vec<u8> {
    let front = submission.images.iter().find(|picture| picture.info.image == ImageRole::DocumentFront);
    let sha256 = front.map_or_else(|| sha256_hex(&[]), |picture| picture.info.sha256.clone());
    sha256.into_bytes()
}
