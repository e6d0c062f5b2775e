//! Batches: what their owner sees and changes, and who drives them. Their rows are in `bulk_rows.rs`.

use super::time::Time;
use super::{Making, Page, Store, StoreError, word};
use crate::api::{Batch, BatchFault, Counts, FileInfo, Preflight};
use crate::blobs::crypto::SealingKey;
use crate::ids::{AccountId, BatchId, KeyId};
use crate::words::{BatchFile, BatchStatus};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use std::collections::BTreeMap;
use uuid::Uuid;

/// How a batch is to be treated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchOptions {
    /// Check everything first, verify nothing before it is confirmed.
    pub validate_only: bool,
    /// Of the rows that ended, how many may fail before the batch does.
    pub failure_threshold_percent: Option<f64>,
    /// Each row's verdict is told like that of a single call.
    pub row_events: bool,
    /// A row with the same document as an earlier one is verified nevertheless.
    pub verify_duplicates: bool,
}

#[derive(Debug, Clone)]
pub struct NewBatch {
    pub id: BatchId,
    pub account_id: AccountId,
    pub key_id: KeyId,
    pub name: Option<String>,
    pub metadata: serde_json::Map<String, serde_json::Value>,
    pub options: BatchOptions,
    /// Where the manifest is, and what each row has where it does not say otherwise; under the account key.
    pub sealed_source: Vec<u8>,
    pub wrapped_key: Vec<u8>,
    pub retry_of: Option<BatchId>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

#[derive(Debug, Clone)]
pub struct BatchRecord {
    pub batch: Batch,
    pub account_id: AccountId,
    pub key_id: KeyId,
    pub options: BatchOptions,
    pub sealed_source: Option<Vec<u8>>,
    pub wrapped_key: Option<Vec<u8>>,
    /// How it will end once no row is open; `None`: completed.
    pub ending: Option<BatchStatus>,
    pub next_row: i64,
    pub is_deleted: bool,
}

impl BatchRecord {
    /// Where its rows and files lie.
    pub fn place(&self, what: &str) -> String {
        format!("{}/{}/{what}", self.account_id, self.batch.id)
    }
}

/// What a driver writes when a batch gets on.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    pub ending: Option<BatchStatus>,
    pub error: Option<BatchFault>,
    pub preflight: Option<Preflight>,
    pub files: Option<BTreeMap<BatchFile, FileInfo>>,
    /// It has ended: how long it is kept.
    pub retained_until: Option<Timestamp>,
    /// The same for the pictures in its errors file, if there are any.
    pub pictures_until: Option<Timestamp>,
}

macro_rules! batch_columns {
    () => {
        "id, account_id, key_id, name, metadata, status, ending, reached, options, sealed_source, wrapped_key,
         retry_of, error, preflight, files, total, pending, processing, verified, failed, manual_review,
         error_rows, cancelled, expired, duplicate, next_row, rate, created_at, expires_at,
         deleted_at IS NOT NULL, retained_until"
    };
}

pub(super) use batch_columns;

macro_rules! page_of_batches {
    ($order:literal) => {
        concat!(
            "/* batches */ SELECT ",
            batch_columns!(),
            " FROM batches WHERE account_id = $1 AND id > $2 AND id < $3 AND deleted_at IS NULL
               AND ($4::text IS NULL OR status = $4)
             ORDER BY id ",
            $order,
            " LIMIT $5"
        )
    };
}

impl Making {
    pub async fn create_batch(&mut self, new: &NewBatch) -> Result<BatchRecord, StoreError> {
        let row = sqlx::query(concat!(
            "/* create_batch */ WITH audited AS (
               INSERT INTO audit (account_id, at, actor, action, details)
               VALUES ($2, $10, $3::text, 'batch.created', jsonb_build_object('batch', $12::text))
             )
             INSERT INTO batches (id, account_id, key_id, name, metadata, status, reached, options, sealed_source,
               wrapped_key, retry_of, created_at, expires_at)
             VALUES ($1, $2, $3::uuid, $4, $5, 'validating', jsonb_build_object('validating', $13::text), $6, $7,
               $8, $9, $10, $11)
             RETURNING ",
            batch_columns!()
        ))
        .bind(new.id.uuid())
        .bind(new.account_id.uuid())
        .bind(new.key_id.uuid())
        .bind(&new.name)
        .bind(json!(new.metadata))
        .bind(Json(&new.options))
        .bind(&new.sealed_source)
        .bind(&new.wrapped_key)
        .bind(new.retry_of.map(BatchId::uuid))
        .bind(Time(new.created_at))
        .bind(Time(new.expires_at))
        .bind(new.id.to_string())
        .bind(new.created_at.to_string())
        .fetch_one(&mut *self.transaction)
        .await?;
        record(&row)
    }
}

impl Store {
    /// Scoped to the account: another account's id does not exist. Nor does a deleted one.
    pub async fn batch(&self, account: AccountId, id: BatchId) -> Result<Option<BatchRecord>, StoreError> {
        let row = sqlx::query(concat!(
            "/* batch */ SELECT ",
            batch_columns!(),
            " FROM batches WHERE id = $1 AND account_id = $2 AND deleted_at IS NULL"
        ))
        .bind(id.uuid())
        .bind(account.uuid())
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| record(&row)).transpose()
    }

    /// Newest first, whichever way the page was reached.
    pub async fn list_batches(
        &self,
        account: AccountId,
        status: Option<BatchStatus>,
        page: Page<BatchId>,
        limit: i64,
    ) -> Result<Vec<BatchRecord>, StoreError> {
        let (newer_than, older_than, backwards) = page.bounds(BatchId::uuid);
        let statement = if backwards { page_of_batches!("ASC") } else { page_of_batches!("DESC") };
        let rows = sqlx::query(statement)
            .bind(account.uuid())
            .bind(newer_than)
            .bind(older_than)
            .bind(status.map(BatchStatus::as_str))
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        let mut records: Vec<BatchRecord> = rows.iter().map(record).collect::<Result<_, _>>()?;
        if backwards {
            records.reverse();
        }
        Ok(records)
    }

    /// What its owner asks for, if the batch stands in one of `from`. False: it does not.
    pub async fn change_batch(
        &self,
        (account, id): (AccountId, BatchId),
        from: &[BatchStatus],
        to: BatchStatus,
        actor: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (changed,): (i64,) = sqlx::query_as(
            "/* change_batch */ WITH changed AS (
               UPDATE batches SET status = $4, reached = reached || jsonb_build_object($4::text, $6::text)
               WHERE id = $1 AND account_id = $2 AND status = ANY ($3) AND deleted_at IS NULL
               RETURNING account_id
             ), audited AS (
               INSERT INTO audit (account_id, at, actor, action, details)
               SELECT account_id, $5, $7, 'batch.' || $4, jsonb_build_object('batch', $8::text) FROM changed
             )
             SELECT count(*) FROM changed",
        )
        .bind(id.uuid())
        .bind(account.uuid())
        .bind(from.iter().map(|status| status.as_str()).collect::<Vec<_>>())
        .bind(to.as_str())
        .bind(Time(now))
        .bind(now.to_string())
        .bind(actor)
        .bind(id.to_string())
        .fetch_one(&self.pool)
        .await?;
        Ok(changed == 1)
    }

    /// From now on it does not exist for its owner; who drives it removes it. False: it has not ended yet.
    pub async fn delete_batch(
        &self,
        (account, id): (AccountId, BatchId),
        actor: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (deleted,): (i64,) = sqlx::query_as(
            "/* delete_batch */ WITH deleted AS (
               UPDATE batches SET deleted_at = $3, name = NULL, metadata = '{}', sealed_source = NULL,
                 wrapped_key = NULL, preflight = NULL
               WHERE id = $1 AND account_id = $2 AND deleted_at IS NULL
                 AND status IN ('completed', 'failed', 'expired', 'cancelled', 'awaiting_confirmation')
               RETURNING account_id
             ), audited AS (
               INSERT INTO audit (account_id, at, actor, action, details)
               SELECT account_id, $3, $4, 'batch.deleted', jsonb_build_object('batch', $5::text) FROM deleted
             )
             SELECT count(*) FROM deleted",
        )
        .bind(id.uuid())
        .bind(account.uuid())
        .bind(Time(now))
        .bind(actor)
        .bind(id.to_string())
        .fetch_one(&self.pool)
        .await?;
        Ok(deleted == 1)
    }

    /// Batches whose time is over.
    pub async fn batches_past_retention(
        &self,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<(AccountId, BatchId)>, StoreError> {
        let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
            "/* batches_past_retention */ SELECT account_id, id FROM batches
             WHERE retained_until <= $1 AND deleted_at IS NULL ORDER BY retained_until LIMIT $2",
        )
        .bind(Time(now))
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        Ok(ids(rows))
    }

    /// Batches whose errors file holds pictures that are not kept any longer.
    pub async fn batches_with_old_pictures(
        &self,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<(AccountId, BatchId)>, StoreError> {
        let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
            "/* batches_with_old_pictures */ SELECT account_id, id FROM batches
             WHERE pictures_until <= $1 AND deleted_at IS NULL ORDER BY pictures_until LIMIT $2",
        )
        .bind(Time(now))
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        Ok(ids(rows))
    }

    /// Its errors file is removed, with the pictures in it.
    pub async fn errors_removed(&self, id: BatchId) -> Result<(), StoreError> {
        sqlx::query(
            "/* errors_removed */ UPDATE batches SET files = files - 'errors', pictures_until = NULL WHERE id = $1",
        )
        .bind(id.uuid())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The key that its rows and files are sealed under.
    pub async fn batch_key(&self, record: &BatchRecord) -> Result<SealingKey, StoreError> {
        let wrapped = record.wrapped_key.as_ref().ok_or(StoreError::Erased)?;
        let account_key = self.account_key(record.account_id).await?;
        Ok(account_key.unwrap_key(&record.batch.id.to_string(), wrapped)?)
    }
}

fn ids(rows: Vec<(Uuid, Uuid)>) -> Vec<(AccountId, BatchId)> {
    rows.into_iter().map(|(account, id)| (AccountId::from_uuid(account), BatchId::from_uuid(id))).collect()
}

pub(super) fn record(row: &PgRow) -> Result<BatchRecord, StoreError> {
    let status: String = row.try_get(5)?;
    let ending: Option<String> = row.try_get(6)?;
    let reached: Json<BTreeMap<BatchStatus, Timestamp>> = row.try_get(7)?;
    let files: Option<Json<BTreeMap<BatchFile, FileInfo>>> = row.try_get(14)?;
    let counts = Counts {
        total: row.try_get(15)?,
        pending: row.try_get(16)?,
        processing: row.try_get(17)?,
        verified: row.try_get(18)?,
        failed: row.try_get(19)?,
        manual_review: row.try_get(20)?,
        error: row.try_get(21)?,
        cancelled: row.try_get(22)?,
        expired: row.try_get(23)?,
        duplicate: row.try_get(24)?,
    };
    let batch = Batch {
        id: BatchId::from_uuid(row.try_get(0)?),
        object: Batch::OBJECT.to_owned(),
        status: word(&status)?,
        name: row.try_get(3)?,
        metadata: row.try_get::<Json<_>, _>(4)?.0,
        counts,
        rows_per_second: row.try_get(26)?,
        timestamps: reached.0,
        created_at: row.try_get::<Time, _>(27)?.0,
        expires_at: row.try_get::<Time, _>(28)?.0,
        retained_until: row.try_get::<Option<Time>, _>(30)?.map(|time| time.0),
        preflight: row.try_get::<Option<Json<Preflight>>, _>(13)?.map(|json| json.0),
        files: files.map(|json| json.0).filter(|files| !files.is_empty()),
        error: row.try_get::<Option<Json<BatchFault>>, _>(12)?.map(|json| json.0),
        retry_of: row.try_get::<Option<Uuid>, _>(11)?.map(BatchId::from_uuid),
    };
    Ok(BatchRecord {
        batch,
        account_id: AccountId::from_uuid(row.try_get(1)?),
        key_id: KeyId::from_uuid(row.try_get(2)?),
        options: row.try_get::<Json<BatchOptions>, _>(8)?.0,
        sealed_source: row.try_get(9)?,
        wrapped_key: row.try_get(10)?,
        ending: ending.map(|ending| word(&ending)).transpose()?,
        next_row: row.try_get(25)?,
        is_deleted: row.try_get(29)?,
    })
}
