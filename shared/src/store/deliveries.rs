//! Webhook deliveries: leased, attempted, and each attempt on record.

use super::accounts::secret_place;
use super::batch::column;
use super::time::Time;
use super::{Store, StoreError};
use crate::config::Secret;
use crate::ids::{AccountId, DeliveryId, EventId, VerificationId};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use sqlx::PgPool;
use std::sync::Arc;
use uuid::Uuid;

/// A delivery under lease, with what is needed to send it.
#[derive(Debug, Clone)]
pub struct ClaimedDelivery {
    pub id: DeliveryId,
    pub event_id: EventId,
    pub account_id: AccountId,
    pub verification_id: VerificationId,
    pub url: String,
    /// Failed attempts so far.
    pub attempts: i32,
    pub token: Uuid,
    /// `None`: the verification was erased.
    pub wrapped_key: Option<Vec<u8>>,
    pub sealed_body: Vec<u8>,
    sealed_secret: Vec<u8>,
    secret_row: Uuid,
    pub traceparent: Option<String>,
}

#[derive(Debug, Clone)]
pub struct AttemptRecord {
    pub started_at: Timestamp,
    pub duration_ms: i64,
    pub status_code: Option<u16>,
    pub error: Option<String>,
}

/// What becomes of a delivery after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryOutcome {
    Succeeded,
    RetryAt(Timestamp),
    /// Kept, listed, replayable.
    Failed,
    /// The endpoint answered 410 Gone: it is disabled, too.
    Gone,
}

/// An attempt with what it means for its delivery.
pub(super) struct Attempted {
    id: DeliveryId,
    token: Uuid,
    attempt: AttemptRecord,
    state: &'static str,
    again_at: Option<Timestamp>,
    gone: bool,
    now: Timestamp,
}

impl Store {
    /// Leases due deliveries until `lease_until`; a worker that dies loses the lease, not the delivery.
    /// Not waited for on disk: a lease that a power cut takes back was on a delivery that is made again.
    pub async fn claim_deliveries(
        &self,
        limit: i64,
        token: Uuid,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Vec<ClaimedDelivery>, StoreError> {
        type Row = (
            (Uuid, Uuid, Uuid, Uuid, String, i32),
            (Option<Vec<u8>>, Vec<u8>, Vec<u8>, Uuid, Option<String>),
        );
        use sqlx::Row as _;
        let rows = sqlx::query(
            "/* claim_deliveries */ WITH claimed AS (
               UPDATE deliveries SET lease_token = $2, due_at = $4
               WHERE id IN (SELECT id FROM deliveries WHERE state = 'pending' AND due_at <= $3
                            ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
               RETURNING id, event_id, endpoint_id, url, attempts
             )
             SELECT claimed.id, events.id, events.account_id, events.verification_id, claimed.url,
               claimed.attempts, verifications.wrapped_key, events.sealed_body,
               coalesce(endpoints.sealed_secret, accounts.sealed_webhook_secret),
               coalesce(endpoints.id, accounts.id), events.traceparent,
               set_config('synchronous_commit', 'off', true)
             FROM claimed
               JOIN events ON events.id = claimed.event_id
               JOIN verifications ON verifications.id = events.verification_id
               JOIN accounts ON accounts.id = events.account_id
               LEFT JOIN endpoints ON endpoints.id = claimed.endpoint_id",
        )
        .bind(limit)
        .bind(token)
        .bind(Time(now))
        .bind(Time(lease_until))
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                let columns: Row = (
                    (
                        row.try_get(0)?,
                        row.try_get(1)?,
                        row.try_get(2)?,
                        row.try_get(3)?,
                        row.try_get(4)?,
                        row.try_get(5)?,
                    ),
                    (row.try_get(6)?, row.try_get(7)?, row.try_get(8)?, row.try_get(9)?, row.try_get(10)?),
                );
                let (
                    (id, event, account, verification, url, attempts),
                    (wrapped_key, sealed_body, sealed_secret, secret_row, traceparent),
                ) = columns;
                Ok(ClaimedDelivery {
                    id: DeliveryId::from_uuid(id),
                    event_id: EventId::from_uuid(event),
                    account_id: AccountId::from_uuid(account),
                    verification_id: VerificationId::from_uuid(verification),
                    url,
                    attempts,
                    token,
                    wrapped_key,
                    sealed_body,
                    sealed_secret,
                    secret_row,
                    traceparent,
                })
            })
            .collect()
    }

    /// The bytes to send and the secret to sign them with.
    pub async fn open_delivery(&self, delivery: &ClaimedDelivery) -> Result<(Vec<u8>, Secret), StoreError> {
        let account_key = self.account_key(delivery.account_id).await?;
        let wrapped = delivery.wrapped_key.as_ref().ok_or(StoreError::Erased)?;
        let data_key = account_key.unwrap_key(&delivery.verification_id.to_string(), wrapped)?;
        let body = data_key.open(&delivery.event_id.to_string(), &delivery.sealed_body)?;
        let secret = account_key.open(&secret_place(delivery.secret_row), &delivery.sealed_secret)?;
        Ok((body, Secret::new(String::from_utf8_lossy(&secret))))
    }

    /// Records the attempt and its consequence, fenced on the lease. False: the lease was lost.
    pub async fn record_attempt(
        &self,
        delivery: &ClaimedDelivery,
        attempt: &AttemptRecord,
        outcome: &DeliveryOutcome,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (state, again_at) = match outcome {
            DeliveryOutcome::Succeeded => ("succeeded", None),
            DeliveryOutcome::RetryAt(due) => ("pending", Some(*due)),
            DeliveryOutcome::Failed | DeliveryOutcome::Gone => ("failed", None),
        };
        let attempted = Attempted {
            id: delivery.id,
            token: delivery.token,
            attempt: attempt.clone(),
            state,
            again_at,
            gone: *outcome == DeliveryOutcome::Gone,
            now,
        };
        self.batches.record_attempt.run(attempted).await
    }

    /// Pending deliveries and the seconds the oldest due one waits.
    pub async fn delivery_backlog(&self, now: Timestamp) -> Result<(i64, f64), StoreError> {
        let (count, oldest): (i64, Option<Time>) = sqlx::query_as(
            "/* delivery_backlog */ SELECT count(*), min(due_at) FROM deliveries
             WHERE state = 'pending' AND due_at <= $1",
        )
        .bind(Time(now))
        .fetch_one(&self.pool)
        .await?;
        Ok((count, oldest.map_or(0.0, |time| now.duration_since(time.0).as_secs_f64())))
    }
}

/// Not waited for on disk: what a power cut takes back is a delivery that is made again.
pub(super) fn record_attempts(
    pool: PgPool,
    rows: Vec<Arc<Attempted>>,
) -> BoxFuture<'static, Result<Vec<bool>, StoreError>> {
    Box::pin(async move {
        let settled: Vec<(Uuid, String)> = sqlx::query_as(
            "/* record_attempts */ WITH given AS (
               SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[],
                   $6::timestamptz[], $7::bigint[], $8::integer[], $9::text[], $10::boolean[])
                 AS given (id, token, state, again_at, at, started_at, duration_ms, status_code, error, gone)
             ), settled AS (
               UPDATE deliveries SET state = given.state, attempts = deliveries.attempts + 1,
                 lease_token = NULL, due_at = coalesce(given.again_at, deliveries.due_at),
                 finished_at = CASE WHEN given.again_at IS NULL THEN given.at END
               FROM given WHERE deliveries.id = given.id AND deliveries.lease_token = given.token
               RETURNING deliveries.id, deliveries.endpoint_id, deliveries.attempts, given.started_at,
                 given.duration_ms, given.status_code, given.error, given.gone
             ), attempted AS (
               INSERT INTO delivery_attempts (delivery_id, attempt, started_at, duration_ms, status_code, error)
               SELECT id, attempts, started_at, duration_ms, status_code, error FROM settled
             ), disabled AS (
               UPDATE endpoints SET enabled = false
               WHERE id IN (SELECT endpoint_id FROM settled WHERE gone)
             )
             SELECT id, set_config('synchronous_commit', 'off', true) FROM settled",
        )
        .bind(column(&rows, |row| row.id.uuid()))
        .bind(column(&rows, |row| row.token))
        .bind(column(&rows, |row| row.state))
        .bind(column(&rows, |row| row.again_at.map(Time)))
        .bind(column(&rows, |row| Time(row.now)))
        .bind(column(&rows, |row| Time(row.attempt.started_at)))
        .bind(column(&rows, |row| row.attempt.duration_ms))
        .bind(column(&rows, |row| row.attempt.status_code.map(i32::from)))
        .bind(column(&rows, |row| row.attempt.error.as_deref()))
        .bind(column(&rows, |row| row.gone))
        .fetch_all(&pool)
        .await?;
        Ok(column(&rows, |row| settled.iter().any(|(id, _)| *id == row.id.uuid())))
    })
}
