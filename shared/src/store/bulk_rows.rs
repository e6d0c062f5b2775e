//! The rows of batches: what is known of them, read and forgotten. They move in `bulk_moves.rs`.

use super::time::Time;
use super::{Store, StoreError, word};
use crate::api::{BatchFault, Summary};
use crate::ids::{BatchId, VerificationId};
use crate::words::{RowState, Status};
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

macro_rules! row_columns {
    () => {
        "number, line, custom_id, state, start_byte, size_bytes, verification_id, wrapped_key, error, outcome,
         completed_at, (SELECT first.custom_id FROM batch_rows AS first
           WHERE first.batch_id = batch_rows.batch_id AND first.number = batch_rows.duplicate_of)"
    };
}

impl Store {
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

    /// Rows that ended without a verification, and the id that was chosen for each: its key is of no use.
    pub async fn unused_keys(
        &self,
        id: BatchId,
        limit: i64,
    ) -> Result<Vec<(i64, VerificationId)>, StoreError> {
        let rows: Vec<(i64, Uuid)> = sqlx::query_as(
            "/* unused_keys */ SELECT number, verification_id FROM batch_rows
             WHERE batch_id = $1 AND wrapped_key IS NOT NULL AND state <> 'processing'
               AND NOT EXISTS (SELECT 1 FROM verifications WHERE id = batch_rows.verification_id)
             ORDER BY number LIMIT $2",
        )
        .bind(id.uuid())
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|(number, id)| (number, VerificationId::from_uuid(id))).collect())
    }

    /// Their shares are gone: rows forget what was chosen for them.
    pub async fn forget_unused_keys(&self, id: BatchId, numbers: &[i64]) -> Result<(), StoreError> {
        sqlx::query(
            "/* forget_unused_keys */ UPDATE batch_rows SET verification_id = NULL, wrapped_key = NULL
             WHERE batch_id = $1 AND number = ANY ($2) AND state <> 'processing' AND wrapped_key IS NOT NULL",
        )
        .bind(id.uuid())
        .bind(numbers)
        .execute(&self.pool)
        .await?;
        Ok(())
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

    /// Of the rows under way, those that nobody has begun to decide are taken back. For a batch that is cancelled, or
    /// whose time is up.
    pub async fn take_rows_back(
        &self,
        id: BatchId,
        status: Status,
        now: Timestamp,
    ) -> Result<Vec<VerificationId>, StoreError> {
        let rows: Vec<(Uuid,)> = sqlx::query_as(
            "/* take_rows_back */ UPDATE verifications SET status = $3, completed_at = $2
             FROM batch_rows WHERE batch_rows.batch_id = $1 AND batch_rows.state = 'processing'
               AND verifications.id = batch_rows.verification_id AND verifications.status = 'pending'
             RETURNING verifications.id",
        )
        .bind(id.uuid())
        .bind(Time(now))
        .bind(status.as_str())
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|(id,)| VerificationId::from_uuid(id)).collect())
    }
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
