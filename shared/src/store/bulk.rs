//! Batches: what their owner sees and changes, and who drives them. Their rows are in `bulk_rows.rs`.

use super::time::Time;
use super::verifications::OutgoingEvent;
use super::{Page, Store, StoreError, word};
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
}

macro_rules! batch_columns {
    () => {
        "id, account_id, key_id, name, metadata, status, ending, reached, options, sealed_source, wrapped_key,
         retry_of, error, preflight, files, total, pending, processing, verified, failed, manual_review,
         error_rows, cancelled, expired, duplicate, next_row, rate, created_at, expires_at,
         deleted_at IS NOT NULL"
    };
}

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

impl Store {
    pub async fn create_batch(&self, new: &NewBatch) -> Result<BatchRecord, StoreError> {
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
        .fetch_one(&self.pool)
        .await?;
        record(&row)
    }

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

    /// The key that its rows and files are sealed under.
    pub async fn batch_key(&self, record: &BatchRecord) -> Result<SealingKey, StoreError> {
        let wrapped = record.wrapped_key.as_ref().ok_or(StoreError::Erased)?;
        let account_key = self.account_key(record.account_id).await?;
        Ok(account_key.unwrap_key(&record.batch.id.to_string(), wrapped)?)
    }

    /// Batches that nobody drives, for as long as the lease lasts.
    pub async fn claim_batches(
        &self,
        limit: i64,
        token: Uuid,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<BatchId>, StoreError> {
        let claimed: Vec<(Uuid,)> = sqlx::query_as(
            "/* claim_batches */ UPDATE batches SET lease_token = $2, lease_until = $4 WHERE id IN (
               SELECT id FROM batches
               WHERE (status NOT IN ('completed', 'failed', 'expired', 'cancelled') OR deleted_at IS NOT NULL)
                 AND (lease_until IS NULL OR lease_until <= $3)
                 AND (status NOT IN ('awaiting_confirmation', 'paused') OR processing > 0 OR expires_at <= $3
                   OR deleted_at IS NOT NULL)
               ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)
             RETURNING id",
        )
        .bind(limit)
        .bind(token)
        .bind(Time(now))
        .bind(Time(until))
        .fetch_all(&self.pool)
        .await?;
        Ok(claimed.into_iter().map(|(id,)| BatchId::from_uuid(id)).collect())
    }

    /// Holds on to a batch and looks how it stands. `None`: somebody else drives it.
    pub async fn hold_batch(
        &self,
        id: BatchId,
        token: Uuid,
        until: Timestamp,
    ) -> Result<Option<BatchRecord>, StoreError> {
        let row = sqlx::query(concat!(
            "/* hold_batch */ UPDATE batches SET lease_until = $3 WHERE id = $1 AND lease_token = $2 RETURNING ",
            batch_columns!()
        ))
        .bind(id.uuid())
        .bind(token)
        .bind(Time(until))
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| record(&row)).transpose()
    }

    pub async fn release_batch(&self, id: BatchId, token: Uuid) -> Result<(), StoreError> {
        sqlx::query(
            "/* release_batch */ UPDATE batches SET lease_token = NULL, lease_until = NULL, rate = 0
             WHERE id = $1 AND lease_token = $2",
        )
        .bind(id.uuid())
        .bind(token)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The queue died with the process that held these leases, and so nobody holds them.
    pub async fn release_all_batches(&self) -> Result<(), StoreError> {
        sqlx::query("/* release_all_batches */ UPDATE batches SET lease_token = NULL, lease_until = NULL WHERE lease_token IS NOT NULL")
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// From one status to the next. False: it does not stand there any more, or somebody else drives it.
    pub async fn advance_batch(
        &self,
        (id, token): (BatchId, Uuid),
        from: BatchStatus,
        to: BatchStatus,
        progress: &Progress,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "/* advance_batch */ UPDATE batches SET status = $4,
               reached = CASE WHEN status = $4 THEN reached
                 ELSE reached || jsonb_build_object($4::text, $5::text) END,
               ending = coalesce($6, ending), error = coalesce($7, error), preflight = coalesce($8, preflight),
               files = coalesce(files, '{}'::jsonb) || coalesce($9, '{}'::jsonb)
             WHERE id = $1 AND lease_token = $2 AND status = $3",
        )
        .bind(id.uuid())
        .bind(token)
        .bind(from.as_str())
        .bind(to.as_str())
        .bind(now.to_string())
        .bind(progress.ending.map(BatchStatus::as_str))
        .bind(progress.error.as_ref().map(Json))
        .bind(progress.preflight.as_ref().map(Json))
        .bind(progress.files.as_ref().map(Json))
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// The end, with its event for everybody who subscribed. False: it was reached before.
    pub async fn end_batch(
        &self,
        (id, token): (BatchId, Uuid),
        (from, to): (BatchStatus, BatchStatus),
        progress: &Progress,
        event: &OutgoingEvent,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (ended,): (i64,) = sqlx::query_as(
            "/* end_batch */ WITH ended AS (
               UPDATE batches SET status = $4, reached = reached || jsonb_build_object($4::text, $5::text),
                 error = coalesce($6, error), files = coalesce(files, '{}'::jsonb) || coalesce($7, '{}'::jsonb),
                 lease_token = NULL, lease_until = NULL, rate = 0
               WHERE id = $1 AND lease_token = $2 AND status = $3
               RETURNING id, account_id
             ), told AS (
               INSERT INTO events (id, account_id, type, sealed_body, created_at)
               SELECT $8, account_id, $9, $10, $11 FROM ended RETURNING id, account_id, type
             ), subscribed AS (
               INSERT INTO deliveries (id, event_id, endpoint_id, url, state, due_at, created_at, finished_at,
                 failure)
               SELECT gen_random_uuid(), told.id, endpoints.id, endpoints.url,
                 CASE WHEN endpoints.enabled THEN 'pending' ELSE 'failed' END, $11, $11,
                 CASE WHEN NOT endpoints.enabled THEN $11::timestamptz END,
                 CASE WHEN NOT endpoints.enabled THEN 'endpoint_disabled' END
               FROM told JOIN endpoints ON endpoints.account_id = told.account_id
               WHERE (endpoints.enabled OR endpoints.disabled_reason = 'failing')
                 AND told.type = ANY (endpoints.events)
             ), audited AS (
               INSERT INTO audit (account_id, at, actor, action, details)
               SELECT account_id, $11, 'scheduler', 'batch.' || $4, jsonb_build_object('batch', $12::text)
               FROM ended
             )
             SELECT count(*) FROM ended",
        )
        .bind(id.uuid())
        .bind(token)
        .bind(from.as_str())
        .bind(to.as_str())
        .bind(now.to_string())
        .bind(progress.error.as_ref().map(Json))
        .bind(progress.files.as_ref().map(Json))
        .bind(event.id.uuid())
        .bind(event.event_type.as_str())
        .bind(event.sealed_body.as_slice())
        .bind(Time(now))
        .bind(id.to_string())
        .fetch_one(&self.pool)
        .await?;
        Ok(ended == 1)
    }

    pub async fn note_rate(&self, id: BatchId, token: Uuid, rows_per_s: f64) -> Result<(), StoreError> {
        sqlx::query("/* note_rate */ UPDATE batches SET rate = $3 WHERE id = $1 AND lease_token = $2")
            .bind(id.uuid())
            .bind(token)
            .bind(rows_per_s)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Rate of all batches under way, and this one's part of the lane: by account and its weight, then by
    /// batch. From the rows, so that no scheduler has to ask another.
    pub async fn batch_share(&self, id: BatchId) -> Result<(f64, f64), StoreError> {
        let (rate, share): (f64, f64) = sqlx::query_as(
            "/* batch_share */ WITH running AS (
               SELECT batches.id, batches.account_id, batches.rate, accounts.batch_weight::float8 AS weight
               FROM batches JOIN accounts ON accounts.id = batches.account_id
               WHERE batches.status NOT IN ('completed', 'failed', 'expired', 'cancelled')
                 AND batches.status = 'in_progress' AND batches.deleted_at IS NULL
             ), mine AS (SELECT account_id, weight FROM running WHERE id = $1)
             SELECT coalesce((SELECT sum(rate) FROM running), 0)::float8,
               coalesce((SELECT mine.weight
                 / (SELECT sum(weight) FROM (SELECT DISTINCT account_id, weight FROM running) AS accounts)
                 / (SELECT count(*) FROM running WHERE running.account_id = mine.account_id)
               FROM mine), 1)::float8",
        )
        .bind(id.uuid())
        .fetch_one(&self.pool)
        .await?;
        Ok((rate, share))
    }

    pub async fn set_batch_weight(&self, name: &str, weight: i32) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "/* set_batch_weight */ UPDATE accounts SET batch_weight = $2
             WHERE name = $1 AND live_account_id IS NULL",
        )
        .bind(name)
        .bind(weight)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// What verifications took lately: core-seconds of one, and the best rate of a batch. For estimates.
    pub async fn recent_costs(&self, account: AccountId) -> Result<(Option<f64>, Option<f64>), StoreError> {
        Ok(sqlx::query_as(
            "/* recent_costs */ SELECT
               (SELECT avg((summary ->> 'cpu_ms')::float8) / 1000 FROM (
                  SELECT summary FROM verifications WHERE account_id = $1 AND summary IS NOT NULL
                  ORDER BY id DESC LIMIT 200) AS lately),
               (SELECT max((total - pending - processing - error_rows - duplicate)::float8 / greatest(1, extract(epoch
                    FROM (reached ->> 'finalizing')::timestamptz - (reached ->> 'in_progress')::timestamptz)))
                FROM (SELECT * FROM batches WHERE account_id = $1 AND status = 'completed'
                      ORDER BY id DESC LIMIT 20) AS ended)",
        )
        .bind(account.uuid())
        .fetch_one(&self.pool)
        .await?)
    }
}

fn record(row: &PgRow) -> Result<BatchRecord, StoreError> {
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
