//! Rows of batches on their way from one state to another. Each statement changes the batch's counters as well, and
//! only for whoever holds the batch: so counters are right at every moment.

use super::bulk_rows::{NewRow, Reservation, RowEnd};
use super::time::Time;
use super::{Store, StoreError};
use crate::api::BatchFault;
use crate::ids::BatchId;
use crate::words::RowState;
use jiff::Timestamp;
use uuid::Uuid;

/// `$1` the batch, `$2` the lease, `$3` the state that rows leave (none: they are new).
macro_rules! moving {
    ($name:literal, $moved:literal) => {
        concat!(
            "/* ",
            $name,
            " */ WITH held AS (
               SELECT id FROM batches WHERE id = $1 AND lease_token = $2 FOR UPDATE
             ), moved AS (",
            $moved,
            "), counted AS (
               SELECT count(*) AS rows, coalesce(array_agg(number), '{}') AS numbers,
                 count(*) FILTER (WHERE state = 'pending') AS pending,
                 count(*) FILTER (WHERE state = 'processing') AS processing,
                 count(*) FILTER (WHERE state = 'verified') AS verified,
                 count(*) FILTER (WHERE state = 'failed') AS failed,
                 count(*) FILTER (WHERE state = 'manual_review') AS manual_review,
                 count(*) FILTER (WHERE state = 'error') AS error_rows,
                 count(*) FILTER (WHERE state = 'cancelled') AS cancelled,
                 count(*) FILTER (WHERE state = 'expired') AS expired,
                 count(*) FILTER (WHERE state = 'duplicate') AS duplicate
               FROM moved
             )
             UPDATE batches SET
               total = batches.total + CASE WHEN $3::text IS NULL THEN counted.rows ELSE 0 END,
               pending = batches.pending + counted.pending
                 - CASE WHEN $3 = 'pending' THEN counted.rows ELSE 0 END,
               processing = batches.processing + counted.processing
                 - CASE WHEN $3 = 'processing' THEN counted.rows ELSE 0 END,
               verified = batches.verified + counted.verified, failed = batches.failed + counted.failed,
               manual_review = batches.manual_review + counted.manual_review,
               error_rows = batches.error_rows + counted.error_rows,
               cancelled = batches.cancelled + counted.cancelled, expired = batches.expired + counted.expired,
               duplicate = batches.duplicate + counted.duplicate
             FROM counted, held WHERE batches.id = held.id
             RETURNING counted.numbers"
        )
    };
}

/// Numbers of the rows that moved; `None`: somebody else drives the batch.
type Moved = Option<Vec<i64>>;

impl Store {
    /// Appends rows; those whose `custom_id` an earlier row has are left out. Numbers of those that were taken.
    pub async fn append_rows(
        &self,
        (id, token): (BatchId, Uuid),
        rows: &[NewRow],
    ) -> Result<Moved, StoreError> {
        let moved: Option<(Vec<i64>,)> = sqlx::query_as(moving!(
            "append_rows",
            "INSERT INTO batch_rows (batch_id, number, line, custom_id, repeated, state, start_byte, size_bytes,
               error)
             SELECT held.id, given.number, given.line, given.custom_id, given.fault IS NOT NULL,
               CASE WHEN given.fault IS NULL THEN 'pending' ELSE 'error' END, given.start_byte, given.size_bytes,
               given.fault::jsonb
             FROM held, unnest($4::bigint[], $5::bigint[], $6::text[], $7::bigint[], $8::integer[], $9::text[])
               AS given (number, line, custom_id, start_byte, size_bytes, fault)
             ON CONFLICT (batch_id, custom_id) WHERE NOT repeated DO NOTHING
             RETURNING number, state"
        ))
        .bind(id.uuid())
        .bind(token)
        .bind(None::<String>)
        .bind(rows.iter().map(|row| row.number).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.line).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.custom_id.as_deref()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.start_byte).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.size_bytes).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.fault.as_ref().map(text)).collect::<Vec<_>>())
        .fetch_optional(&self.pool)
        .await?;
        Ok(moved.map(|(numbers,)| numbers))
    }

    /// Begins reading the manifest anew: what an earlier reading left goes.
    pub async fn reset_rows(&self, (id, token): (BatchId, Uuid)) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let reset = sqlx::query(
            "/* reset_rows */ UPDATE batches SET total = 0, pending = 0, error_rows = 0, next_row = 1
             WHERE id = $1 AND lease_token = $2 AND status = 'validating' AND total = pending + error_rows",
        )
        .bind(id.uuid())
        .bind(token)
        .execute(&mut *transaction)
        .await?;
        if reset.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query("/* reset_rows */ DELETE FROM batch_rows WHERE batch_id = $1")
            .bind(id.uuid())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// From pending to processing, each under the id chosen for it. Nothing moves unless the batch is in progress.
    pub async fn reserve_rows(
        &self,
        (id, token): (BatchId, Uuid),
        rows: &[Reservation],
    ) -> Result<Moved, StoreError> {
        let moved: Option<(Vec<i64>,)> = sqlx::query_as(moving!(
            "reserve_rows",
            "UPDATE batch_rows SET state = 'processing', verification_id = given.verification_id,
               wrapped_key = given.wrapped_key
             FROM held, batches, unnest($4::bigint[], $5::uuid[], $6::bytea[])
               AS given (number, verification_id, wrapped_key)
             WHERE batches.id = held.id AND batches.status = 'in_progress'
               AND batch_rows.batch_id = held.id AND batch_rows.number = given.number
               AND batch_rows.state = $3
             RETURNING batch_rows.number, batch_rows.state"
        ))
        .bind(id.uuid())
        .bind(token)
        .bind(RowState::Pending.as_str())
        .bind(rows.iter().map(|row| row.number).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.verification_id.uuid()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.wrapped_key.as_slice()).collect::<Vec<_>>())
        .fetch_optional(&self.pool)
        .await?;
        Ok(moved.map(|(numbers,)| numbers))
    }

    pub async fn next_row(&self, (id, token): (BatchId, Uuid), number: i64) -> Result<(), StoreError> {
        sqlx::query(
            "/* next_row */ UPDATE batches SET next_row = greatest(next_row, $3)
             WHERE id = $1 AND lease_token = $2",
        )
        .bind(id.uuid())
        .bind(token)
        .bind(number)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Rows end without a verification. The keys chosen for them stay until they are removed: `unused_keys`.
    pub async fn end_rows(
        &self,
        (id, token): (BatchId, Uuid),
        from: RowState,
        ends: &[RowEnd],
        now: Timestamp,
    ) -> Result<Moved, StoreError> {
        let moved: Option<(Vec<i64>,)> = sqlx::query_as(moving!(
            "end_rows",
            "UPDATE batch_rows SET state = given.state, error = given.error::jsonb,
               duplicate_of = given.duplicate_of, completed_at = $8
             FROM held, unnest($4::bigint[], $5::text[], $6::text[], $7::bigint[])
               AS given (number, state, error, duplicate_of)
             WHERE batch_rows.batch_id = held.id AND batch_rows.number = given.number AND batch_rows.state = $3
             RETURNING batch_rows.number, batch_rows.state"
        ))
        .bind(id.uuid())
        .bind(token)
        .bind(from.as_str())
        .bind(ends.iter().map(|end| end.number).collect::<Vec<_>>())
        .bind(ends.iter().map(|end| end.state.as_str()).collect::<Vec<_>>())
        .bind(ends.iter().map(|end| end.error.as_ref().map(text)).collect::<Vec<_>>())
        .bind(ends.iter().map(|end| end.duplicate_of).collect::<Vec<_>>())
        .bind(Time(now))
        .fetch_optional(&self.pool)
        .await?;
        Ok(moved.map(|(numbers,)| numbers))
    }

    /// Rows that wait end all at once, `limit` at most: the batch was cancelled or its time is up.
    pub async fn end_pending_rows(
        &self,
        (id, token): (BatchId, Uuid),
        state: RowState,
        limit: i64,
        now: Timestamp,
    ) -> Result<Moved, StoreError> {
        let moved: Option<(Vec<i64>,)> = sqlx::query_as(moving!(
            "end_pending_rows",
            "UPDATE batch_rows SET state = $4, completed_at = $6
             FROM held WHERE batch_rows.batch_id = held.id AND batch_rows.state = $3
               AND batch_rows.number IN (
                 SELECT number FROM batch_rows WHERE batch_id = $1 AND state = $3
                   AND number >= (SELECT next_row FROM batches WHERE id = $1)
                 ORDER BY number LIMIT $5)
             RETURNING batch_rows.number, batch_rows.state"
        ))
        .bind(id.uuid())
        .bind(token)
        .bind(RowState::Pending.as_str())
        .bind(state.as_str())
        .bind(limit)
        .bind(Time(now))
        .fetch_optional(&self.pool)
        .await?;
        Ok(moved.map(|(numbers,)| numbers))
    }

    /// Takes over how verifications ended. How many rows that were.
    pub async fn settle_rows(&self, (id, token): (BatchId, Uuid)) -> Result<Moved, StoreError> {
        let moved: Option<(Vec<i64>,)> = sqlx::query_as(moving!(
            "settle_rows",
            "UPDATE batch_rows SET state = verifications.status, outcome = verifications.summary,
               completed_at = verifications.completed_at, wrapped_key = NULL
             FROM held, verifications
             WHERE batch_rows.batch_id = held.id AND batch_rows.state = 'processing'
               AND verifications.id = batch_rows.verification_id AND verifications.status <> 'pending'
             RETURNING batch_rows.number, batch_rows.state"
        ))
        .bind(id.uuid())
        .bind(token)
        .bind(RowState::Processing.as_str())
        .fetch_optional(&self.pool)
        .await?;
        Ok(moved.map(|(numbers,)| numbers))
    }
}

fn text(fault: &BatchFault) -> String {
    // Strings alone; nothing here can fail.
    serde_json::to_string(fault).unwrap_or_default()
}
