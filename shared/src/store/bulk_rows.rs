//! The rows of batches. Whatever moves rows from one state to another changes the batch's counters in the same
//! statement, and only for whoever holds the batch: so counters are right at every moment.

use super::time::Time;
use super::{Store, StoreError, word};
use crate::api::{BatchFault, Summary};
use crate::ids::{AccountId, BatchId, VerificationId};
use crate::words::RowState;
use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use uuid::Uuid;

/// A row as it is read from a manifest.
#[derive(Debug, Clone)]
pub struct NewRow {
    pub number: i64,
    pub line: i64,
    pub custom_id: Option<String>,
    pub start_byte: i64,
    pub size_bytes: i32,
    /// It can be seen already that it will not do.
    pub fault: Option<BatchFault>,
}

#[derive(Debug, Clone)]
pub struct BatchRow {
    pub number: i64,
    pub line: i64,
    pub custom_id: Option<String>,
    pub state: RowState,
    pub start_byte: u64,
    pub size_bytes: usize,
    pub verification_id: Option<VerificationId>,
    pub wrapped_key: Option<Vec<u8>>,
    /// Of the row that shows the same document.
    pub duplicate_custom_id: Option<String>,
    pub error: Option<BatchFault>,
    pub outcome: Option<Summary>,
    pub completed_at: Option<Timestamp>,
}

/// A row that is about to be accepted, under the id and key that were chosen for it.
#[derive(Debug, Clone)]
pub struct Reservation {
    pub number: i64,
    pub verification_id: VerificationId,
    pub wrapped_key: Vec<u8>,
}

/// A row that is not verified.
#[derive(Debug, Clone)]
pub struct RowEnd {
    pub number: i64,
    pub state: RowState,
    pub error: Option<BatchFault>,
    pub duplicate_of: Option<i64>,
}

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

macro_rules! row_columns {
    () => {
        "number, line, custom_id, state, start_byte, size_bytes, verification_id, wrapped_key, error, outcome,
         completed_at, (SELECT first.custom_id FROM batch_rows AS first
           WHERE first.batch_id = batch_rows.batch_id AND first.number = batch_rows.duplicate_of)"
    };
}

/// Somebody else drives the batch.
pub type Moved = Option<Vec<i64>>;

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

    /// The line on which a `custom_id` stands first.
    pub async fn line_of(&self, id: BatchId, custom_id: &str) -> Result<Option<i64>, StoreError> {
        let row: Option<(i64,)> = sqlx::query_as(
            "/* line_of */ SELECT line FROM batch_rows WHERE batch_id = $1 AND custom_id = $2 AND NOT repeated",
        )
        .bind(id.uuid())
        .bind(custom_id)
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|(line,)| line))
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

    /// In their order, from `number` on.
    pub async fn rows_from(
        &self,
        id: BatchId,
        number: i64,
        state: Option<RowState>,
        limit: i64,
    ) -> Result<Vec<BatchRow>, StoreError> {
        let rows = sqlx::query(concat!(
            "/* rows_from */ SELECT ",
            row_columns!(),
            " FROM batch_rows WHERE batch_id = $1 AND number >= $2 AND ($3::text IS NULL OR state = $3)
             ORDER BY number LIMIT $4"
        ))
        .bind(id.uuid())
        .bind(number)
        .bind(state.map(RowState::as_str))
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(row).collect()
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

    /// Rows that were reserved and not accepted: whoever did it died, or could not.
    pub async fn unaccepted_rows(&self, id: BatchId, limit: i64) -> Result<Vec<BatchRow>, StoreError> {
        let rows = sqlx::query(concat!(
            "/* unaccepted_rows */ SELECT ",
            row_columns!(),
            " FROM batch_rows WHERE batch_id = $1 AND state = 'processing'
               AND NOT EXISTS (SELECT 1 FROM verifications WHERE id = batch_rows.verification_id)
             ORDER BY number LIMIT $2"
        ))
        .bind(id.uuid())
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(row).collect()
    }

    /// Notes which document each row shows. Row → the earlier row with the same one.
    pub async fn note_digests(
        &self,
        id: BatchId,
        digests: &[(i64, Vec<u8>)],
    ) -> Result<Vec<(i64, i64)>, StoreError> {
        Ok(sqlx::query_as(
            "/* note_digests */ WITH given AS (
               SELECT * FROM unnest($2::bigint[], $3::bytea[]) AS given (number, digest)
             ), noted AS (
               UPDATE batch_rows SET digest = given.digest FROM given
               WHERE batch_id = $1 AND batch_rows.number = given.number
             ), together AS (
               SELECT given.number, min(earlier.number) AS of
               FROM given JOIN given AS earlier ON earlier.digest = given.digest
                 AND earlier.number < given.number
               GROUP BY given.number
             )
             SELECT given.number, least(before.number, together.of)
             FROM given LEFT JOIN together ON together.number = given.number
               LEFT JOIN LATERAL (SELECT number FROM batch_rows WHERE batch_id = $1 AND digest = given.digest
                 AND number < given.number AND state <> 'error' ORDER BY number LIMIT 1) AS before ON true
             WHERE least(before.number, together.of) IS NOT NULL",
        )
        .bind(id.uuid())
        .bind(digests.iter().map(|(number, _)| *number).collect::<Vec<_>>())
        .bind(digests.iter().map(|(_, digest)| digest.as_slice()).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await?)
    }

    /// Rows end without a verification.
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
               duplicate_of = given.duplicate_of, verification_id = NULL, wrapped_key = NULL, completed_at = $8
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

    /// Verifications of a batch's rows, `limit` at most, for their removal.
    pub async fn verifications_of_batch(
        &self,
        id: BatchId,
        limit: i64,
    ) -> Result<Vec<(i64, Option<VerificationId>)>, StoreError> {
        let rows: Vec<(i64, Option<Uuid>)> = sqlx::query_as(
            "/* verifications_of_batch */ SELECT number, verification_id FROM batch_rows WHERE batch_id = $1
             ORDER BY number LIMIT $2",
        )
        .bind(id.uuid())
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|(number, id)| (number, id.map(VerificationId::from_uuid))).collect())
    }

    /// Of a deleted batch: rows up to this number, and the batch itself when it has none left.
    pub async fn forget_rows(&self, id: BatchId, up_to: i64) -> Result<(), StoreError> {
        sqlx::query("/* forget_rows */ DELETE FROM batch_rows WHERE batch_id = $1 AND number <= $2")
            .bind(id.uuid())
            .bind(up_to)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    pub async fn forget_batch(&self, id: BatchId) -> Result<(), StoreError> {
        sqlx::query("/* forget_batch */ DELETE FROM batches WHERE id = $1 AND deleted_at IS NOT NULL")
            .bind(id.uuid())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Of the rows under way, those that nobody has begun to decide are taken back. For a batch that is cancelled.
    pub async fn cancel_rows(&self, id: BatchId, now: Timestamp) -> Result<Vec<VerificationId>, StoreError> {
        let rows: Vec<(Uuid,)> = sqlx::query_as(
            "/* cancel_rows */ UPDATE verifications SET status = 'cancelled', completed_at = $2
             FROM batch_rows WHERE batch_rows.batch_id = $1 AND batch_rows.state = 'processing'
               AND verifications.id = batch_rows.verification_id AND verifications.status = 'pending'
             RETURNING verifications.id",
        )
        .bind(id.uuid())
        .bind(Time(now))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|(id,)| VerificationId::from_uuid(id)).collect())
    }

    pub async fn account_name(&self, account: AccountId) -> Result<Option<String>, StoreError> {
        let row: Option<(String,)> = sqlx::query_as(
            "/* account_name */ SELECT coalesce(live.name, accounts.name) FROM accounts
             LEFT JOIN accounts AS live ON live.id = accounts.live_account_id WHERE accounts.id = $1",
        )
        .bind(account.uuid())
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|(name,)| name))
    }
}

fn text(fault: &BatchFault) -> String {
    // Strings alone; nothing here can fail.
    serde_json::to_string(fault).unwrap_or_default()
}

fn row(row: &PgRow) -> Result<BatchRow, StoreError> {
    let state: String = row.try_get(3)?;
    Ok(BatchRow {
        number: row.try_get(0)?,
        line: row.try_get(1)?,
        custom_id: row.try_get(2)?,
        state: word(&state)?,
        start_byte: u64::try_from(row.try_get::<i64, _>(4)?).unwrap_or_default(),
        size_bytes: usize::try_from(row.try_get::<i32, _>(5)?).unwrap_or_default(),
        verification_id: row.try_get::<Option<Uuid>, _>(6)?.map(VerificationId::from_uuid),
        wrapped_key: row.try_get(7)?,
        error: row.try_get::<Option<Json<BatchFault>>, _>(8)?.map(|json| json.0),
        outcome: row.try_get::<Option<Json<Summary>>, _>(9)?.map(|json| json.0),
        completed_at: row.try_get::<Option<Time>, _>(10)?.map(|time| time.0),
        duplicate_custom_id: row.try_get(11)?,
    })
}
