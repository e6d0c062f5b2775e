//! Who drives a batch, and how far it got.

use super::bulk::{BatchRecord, Progress, batch_columns, record};
use super::deliveries::deliver_to_subscribers;
use super::time::Time;
use super::verifications::OutgoingEvent;
use super::{Store, StoreError};
use crate::ids::{AccountId, BatchId};
use crate::words::BatchStatus;
use jiff::Timestamp;
use sqlx::types::Json;
use uuid::Uuid;

impl Store {
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
            concat!(
            "/* end_batch */ WITH ended AS (
               UPDATE batches SET status = $4, reached = reached || jsonb_build_object($4::text, $5::text),
                 error = coalesce($6, error), files = coalesce(files, '{}'::jsonb) || coalesce($7, '{}'::jsonb),
                 lease_token = NULL, lease_until = NULL, rate = 0, retained_until = $13,
                 pictures_until = $14
               WHERE id = $1 AND lease_token = $2 AND status = $3
               RETURNING id, account_id
             ), told AS (
               INSERT INTO events (id, account_id, type, sealed_body, created_at)
               SELECT $8, account_id, $9, $10, $11 FROM ended RETURNING id, account_id, type, created_at
             ), subscribed AS (",
            deliver_to_subscribers!(),
            "             ), audited AS (
               INSERT INTO audit (account_id, at, actor, action, details)
               SELECT account_id, $11, 'scheduler', 'batch.' || $4, jsonb_build_object('batch', $12::text)
               FROM ended
             )
             SELECT count(*) FROM ended"
        ))
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
        .bind(progress.retained_until.map(Time))
        .bind(progress.pictures_until.map(Time))
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
