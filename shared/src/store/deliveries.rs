//! Webhook deliveries: leased fairly, attempted, and each attempt on record.

use super::accounts::secret_place;
use super::batch::column;
use super::time::Time;
use super::{Store, StoreError, word};
use crate::config::Secret;
use crate::ids::{AccountId, DeliveryId, EndpointId, EventId, VerificationId};
use crate::sealed::open_event;
use crate::words::{DeliveryFailure, Payload};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use sqlx::PgPool;
use sqlx::postgres::PgRow;
use std::sync::Arc;
use uuid::Uuid;

/// One delivery for each endpoint that subscribed to what was `told`. One that we disabled for failing gets its
/// delivery as failed, so that a replay brings it.
macro_rules! deliver_to_subscribers {
    () => {
        "
               INSERT INTO deliveries (id, event_id, endpoint_id, url, state, due_at, created_at, finished_at,
                 failure)
               SELECT gen_random_uuid(), told.id, endpoints.id, endpoints.url,
                 CASE WHEN endpoints.enabled THEN 'pending' ELSE 'failed' END, told.created_at,
                 told.created_at, CASE WHEN NOT endpoints.enabled THEN told.created_at END,
                 CASE WHEN NOT endpoints.enabled THEN 'endpoint_disabled' END
               FROM told JOIN endpoints ON endpoints.account_id = told.account_id
               WHERE (endpoints.enabled OR endpoints.disabled_reason = 'failing')
                 AND told.type = ANY (endpoints.events)
        "
    };
}
pub(super) use deliver_to_subscribers;

/// Consumers looked at by one claim, so that a claim costs the same however many there are.
const CONSUMERS: i64 = 512;

/// What a claim may take. A consumer is an endpoint, or the host of a request's own `webhook_url`.
#[derive(Debug, Clone)]
pub struct DeliveryClaim<'a> {
    pub limit: i64,
    /// Requests under way to one consumer at most; to one whose last attempt failed, a single one.
    pub per_consumer: i64,
    /// Requests that the caller has under way.
    pub busy: &'a [(Uuid, i64)],
    /// Where the claim before ended; `None` begins a round.
    pub after: Option<Uuid>,
    pub token: Uuid,
    pub now: Timestamp,
    pub lease_until: Timestamp,
}

#[derive(Debug, Clone)]
pub struct DeliveriesClaimed {
    pub deliveries: Vec<ClaimedDelivery>,
    /// Where the round goes on; `None`: every consumer had its turn.
    pub after: Option<Uuid>,
}

/// A delivery under lease, with what is needed to send it.
#[derive(Debug, Clone)]
pub struct ClaimedDelivery {
    pub id: DeliveryId,
    pub event_id: EventId,
    pub account_id: AccountId,
    /// `None`: the event is about the account.
    pub verification_id: Option<VerificationId>,
    pub consumer: Uuid,
    /// `None`: the request's own `webhook_url`.
    pub endpoint: Option<ClaimedEndpoint>,
    pub url: String,
    /// Attempts on record.
    pub attempts: i32,
    /// Failed attempts since it was made or replayed.
    pub failures: i32,
    /// The account asked for a second one of what arrives.
    pub duplicated: bool,
    pub token: Uuid,
    pub traceparent: Option<String>,
    wrapped_key: Option<Vec<u8>>,
    sealed_body: Vec<u8>,
    sealed_secret: Vec<u8>,
    previous_sealed_secret: Option<Vec<u8>>,
    secret_row: Uuid,
}

/// The endpoint as it stands when the delivery is claimed.
#[derive(Debug, Clone)]
pub struct ClaimedEndpoint {
    pub id: EndpointId,
    pub standing: Standing,
    pub payload: Payload,
    pub failing_since: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Enabled,
    Disabled,
    Deleted,
}

/// What a delivery is signed with; both while a rotation overlaps.
#[derive(Debug)]
pub struct Secrets {
    pub current: Secret,
    pub previous: Option<Secret>,
}

#[derive(Debug, Clone)]
pub struct AttemptRecord {
    pub started_at: Timestamp,
    pub duration_ms: i64,
    pub status_code: Option<u16>,
    pub error: Option<String>,
}

/// What an attempt says about its endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Response {
    Good,
    Bad,
    /// The failure was ours, or nothing was sent.
    None,
}

/// What becomes of a delivery after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryOutcome {
    Succeeded,
    RetryAt(Timestamp),
    /// Kept, listed, replayable.
    Failed(DeliveryFailure),
}

/// An attempt with what it means for its delivery.
pub(super) struct Attempted {
    id: DeliveryId,
    token: Uuid,
    attempt: Option<AttemptRecord>,
    outcome: DeliveryOutcome,
    response: Response,
    now: Timestamp,
}

impl Store {
    /// Leases due deliveries, consumer by consumer, so that whoever has many of them, or is slow, leaves the
    /// others their turn. A worker that dies loses the lease, not the delivery.
    /// Not waited for on disk: a lease that a power cut takes back was on a delivery that is made again.
    pub async fn claim_deliveries(&self, claim: DeliveryClaim<'_>) -> Result<DeliveriesClaimed, StoreError> {
        // `consumers` hops along the index from one consumer to the next: rows of the same are not read.
        let rows = sqlx::query(
            "/* claim_deliveries */ WITH RECURSIVE consumers AS (
               (SELECT coalesce(endpoint_id, consumer, id) AS consumer, due_at, 1::bigint AS place
                FROM deliveries
                WHERE state = 'pending' AND coalesce(endpoint_id, consumer, id) > $5
                ORDER BY coalesce(endpoint_id, consumer, id), due_at LIMIT 1)
               UNION ALL
               SELECT next.consumer, next.due_at, consumers.place + 1
               FROM consumers CROSS JOIN LATERAL (
                 SELECT coalesce(d.endpoint_id, d.consumer, d.id) AS consumer, d.due_at FROM deliveries d
                 WHERE d.state = 'pending' AND coalesce(d.endpoint_id, d.consumer, d.id) > consumers.consumer
                 ORDER BY coalesce(d.endpoint_id, d.consumer, d.id), d.due_at LIMIT 1) AS next
               WHERE consumers.place < $6
             ), due AS MATERIALIZED (
               SELECT picked.id FROM consumers
                 LEFT JOIN unnest($7::uuid[], $8::bigint[]) AS busy (consumer, requests)
                   ON busy.consumer = consumers.consumer
                 LEFT JOIN endpoints ON endpoints.id = consumers.consumer
                 CROSS JOIN LATERAL (
                   SELECT d.id FROM deliveries d
                   WHERE d.state = 'pending' AND d.due_at <= $3
                     AND coalesce(d.endpoint_id, d.consumer, d.id) = consumers.consumer
                   ORDER BY d.due_at
                   LIMIT greatest(0, CASE WHEN endpoints.enabled AND endpoints.failing_since IS NOT NULL
                                          THEN 1 ELSE $9 END - coalesce(busy.requests, 0))
                   FOR UPDATE SKIP LOCKED) AS picked
               WHERE consumers.due_at <= $3
               LIMIT $1
             ), claimed AS (
               UPDATE deliveries SET lease_token = $2, due_at = $4,
                 url = coalesce((SELECT url FROM endpoints WHERE endpoints.id = deliveries.endpoint_id), url)
               FROM due WHERE deliveries.id = due.id
               RETURNING deliveries.id, event_id, endpoint_id, consumer, url, attempts, earlier_attempts
             )
             SELECT last.place, last.consumer, set_config('synchronous_commit', 'off', true), claimed.id,
               claimed.event_id, events.account_id, events.verification_id,
               coalesce(claimed.endpoint_id, claimed.consumer, claimed.id), claimed.url, claimed.attempts,
               claimed.earlier_attempts, events.traceparent, verifications.wrapped_key, events.sealed_body,
               coalesce(endpoints.sealed_secret, accounts.sealed_webhook_secret),
               coalesce(endpoints.id, accounts.id),
               CASE WHEN endpoints.previous_secret_until > $3 THEN endpoints.previous_sealed_secret END,
               endpoints.id, endpoints.enabled, endpoints.deleted_at IS NOT NULL, endpoints.payload,
               endpoints.failing_since, coalesce(accounts.simulated_duplicates AND accounts.simulated_until > $3, false)
             FROM (SELECT place, consumer FROM consumers ORDER BY place DESC LIMIT 1) AS last
               LEFT JOIN claimed ON true
               LEFT JOIN events ON events.id = claimed.event_id
               LEFT JOIN verifications ON verifications.id = events.verification_id
               LEFT JOIN accounts ON accounts.id = events.account_id
               LEFT JOIN endpoints ON endpoints.id = claimed.endpoint_id",
        )
        .bind(claim.limit)
        .bind(claim.token)
        .bind(Time(claim.now))
        .bind(Time(claim.lease_until))
        .bind(claim.after.unwrap_or(Uuid::nil()))
        .bind(CONSUMERS)
        .bind(claim.busy.iter().map(|(consumer, _)| *consumer).collect::<Vec<_>>())
        .bind(claim.busy.iter().map(|(_, requests)| *requests).collect::<Vec<_>>())
        .bind(claim.per_consumer)
        .fetch_all(&self.pool)
        .await?;
        claimed(&rows, &claim)
    }

    /// The bytes to send, as they were written, and the secrets to sign them with.
    pub async fn open_delivery(&self, delivery: &ClaimedDelivery) -> Result<(Vec<u8>, Secrets), StoreError> {
        let account_key = self.account_key(delivery.account_id).await?;
        let body = match delivery.verification_id {
            None => open_event(&account_key, delivery.event_id, &delivery.sealed_body)?,
            Some(verification) => {
                let wrapped = delivery.wrapped_key.as_deref();
                let data_key = self.open_data_key(delivery.account_id, verification, wrapped).await?;
                open_event(&data_key, delivery.event_id, &delivery.sealed_body)?
            }
        };
        let open = |sealed: &Vec<u8>| {
            let secret = account_key.open(&secret_place(delivery.secret_row), sealed)?;
            Ok::<_, StoreError>(Secret::new(String::from_utf8_lossy(&secret)))
        };
        let current = open(&delivery.sealed_secret)?;
        let previous = delivery.previous_sealed_secret.as_ref().map(open).transpose()?;
        Ok((body, Secrets { current, previous }))
    }

    /// Records the attempt, if one was made, and its consequence for delivery and endpoint, fenced on the
    /// lease. False: the lease was lost.
    pub async fn record_attempt(
        &self,
        delivery: &ClaimedDelivery,
        attempt: Option<AttemptRecord>,
        outcome: DeliveryOutcome,
        response: Response,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (id, token) = (delivery.id, delivery.token);
        let attempted = Attempted { id, token, attempt, outcome, response, now };
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

fn claimed(rows: &[PgRow], claim: &DeliveryClaim<'_>) -> Result<DeliveriesClaimed, StoreError> {
    use sqlx::Row as _;
    let mut deliveries = Vec::with_capacity(rows.len());
    let mut last = None;
    for row in rows {
        last = Some((row.try_get::<i64, _>(0)?, row.try_get::<Uuid, _>(1)?));
        // A round without anything due is one row of nothing.
        if row.try_get::<Option<Uuid>, _>(3)?.is_some() {
            deliveries.push(claimed_delivery(row, claim.token)?);
        }
    }
    let full = i64::try_from(deliveries.len()).is_ok_and(|count| count >= claim.limit);
    let after = match last {
        _ if full => deliveries.iter().map(|delivery| delivery.consumer).max(),
        Some((place, consumer)) if place >= CONSUMERS => Some(consumer),
        _ => None,
    };
    Ok(DeliveriesClaimed { deliveries, after })
}

fn claimed_delivery(row: &PgRow, token: Uuid) -> Result<ClaimedDelivery, StoreError> {
    use sqlx::Row as _;
    let endpoint = match row.try_get::<Option<Uuid>, _>(17)? {
        None => None,
        Some(id) => Some(ClaimedEndpoint {
            id: EndpointId::from_uuid(id),
            standing: match (row.try_get(19)?, row.try_get(18)?) {
                (true, _) => Standing::Deleted,
                (false, true) => Standing::Enabled,
                (false, false) => Standing::Disabled,
            },
            payload: word(row.try_get(20)?)?,
            failing_since: row.try_get::<Option<Time>, _>(21)?.map(|time| time.0),
        }),
    };
    let (attempts, earlier): (i32, i32) = (row.try_get(9)?, row.try_get(10)?);
    Ok(ClaimedDelivery {
        id: DeliveryId::from_uuid(row.try_get(3)?),
        event_id: EventId::from_uuid(row.try_get(4)?),
        account_id: AccountId::from_uuid(row.try_get(5)?),
        verification_id: row.try_get::<Option<Uuid>, _>(6)?.map(VerificationId::from_uuid),
        consumer: row.try_get(7)?,
        endpoint,
        url: row.try_get(8)?,
        attempts,
        failures: attempts - earlier,
        duplicated: row.try_get(22)?,
        token,
        traceparent: row.try_get(11)?,
        wrapped_key: row.try_get(12)?,
        sealed_body: row.try_get(13)?,
        sealed_secret: row.try_get(14)?,
        secret_row: row.try_get(15)?,
        previous_sealed_secret: row.try_get(16)?,
    })
}

/// Not waited for on disk: what a power cut takes back is a delivery that is made again.
pub(super) fn record_attempts(
    pool: PgPool,
    rows: Vec<Arc<Attempted>>,
) -> BoxFuture<'static, Result<Vec<bool>, StoreError>> {
    Box::pin(async move {
        // One success among an endpoint's attempts is enough to call it well. Endpoints are locked in order,
        // since other workers write about the same ones.
        let settled: Vec<(Uuid, String)> = sqlx::query_as(
            "/* record_attempts */ WITH given AS (
               SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[],
                   $6::timestamptz[], $7::bigint[], $8::integer[], $9::text[], $10::text[], $11::boolean[])
                 AS given (id, token, state, again_at, at, started_at, duration_ms, status_code, error, failure,
                   good)
             ), settled AS (
               UPDATE deliveries SET state = given.state,
                 attempts = attempts + CASE WHEN given.started_at IS NULL THEN 0 ELSE 1 END,
                 lease_token = NULL, due_at = coalesce(given.again_at, deliveries.due_at),
                 failure = given.failure, finished_at = CASE WHEN given.again_at IS NULL THEN given.at END
               FROM given WHERE deliveries.id = given.id AND deliveries.lease_token = given.token
               RETURNING deliveries.id, deliveries.endpoint_id, deliveries.attempts, given.started_at,
                 given.duration_ms, given.status_code, given.error, given.good, given.at
             ), attempted AS (
               INSERT INTO delivery_attempts (delivery_id, attempt, started_at, duration_ms, status_code, error)
               SELECT id, attempts, started_at, duration_ms, status_code, error FROM settled
               WHERE started_at IS NOT NULL
             ), heard AS (
               SELECT endpoint_id, CASE WHEN NOT bool_or(good) THEN min(at) END AS failing_since FROM settled
               WHERE endpoint_id IS NOT NULL AND good IS NOT NULL GROUP BY endpoint_id
             ), changed AS MATERIALIZED (
               SELECT endpoints.id, heard.failing_since FROM heard JOIN endpoints ON endpoints.id = endpoint_id
               WHERE (endpoints.failing_since IS NULL) <> (heard.failing_since IS NULL)
               ORDER BY endpoints.id FOR NO KEY UPDATE OF endpoints
             ), marked AS (
               UPDATE endpoints SET failing_since = changed.failing_since FROM changed
               WHERE endpoints.id = changed.id
             )
             SELECT id, set_config('synchronous_commit', 'off', true) FROM settled",
        )
        .bind(column(&rows, |row| row.id.uuid()))
        .bind(column(&rows, |row| row.token))
        .bind(column(&rows, |row| row.outcome.state()))
        .bind(column(&rows, |row| row.outcome.again_at().map(Time)))
        .bind(column(&rows, |row| Time(row.now)))
        .bind(column(&rows, |row| row.attempt.as_ref().map(|attempt| Time(attempt.started_at))))
        .bind(column(&rows, |row| row.attempt.as_ref().map(|attempt| attempt.duration_ms)))
        .bind(column(&rows, |row| row.attempt.as_ref().and_then(|attempt| attempt.status_code).map(i32::from)))
        .bind(column(&rows, |row| row.attempt.as_ref().and_then(|attempt| attempt.error.as_deref())))
        .bind(column(&rows, |row| row.outcome.failure()))
        .bind(column(&rows, |row| row.response.good()))
        .fetch_all(&pool)
        .await?;
        Ok(column(&rows, |row| settled.iter().any(|(id, _)| *id == row.id.uuid())))
    })
}

impl DeliveryOutcome {
    const fn state(&self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::RetryAt(_) => "pending",
            Self::Failed(_) => "failed",
        }
    }

    const fn again_at(&self) -> Option<Timestamp> {
        match self {
            Self::RetryAt(at) => Some(*at),
            Self::Succeeded | Self::Failed(_) => None,
        }
    }

    const fn failure(&self) -> Option<&'static str> {
        match self {
            Self::Failed(why) => Some(why.as_str()),
            Self::Succeeded | Self::RetryAt(_) => None,
        }
    }
}

impl Response {
    const fn good(self) -> Option<bool> {
        match self {
            Self::Good => Some(true),
            Self::Bad => Some(false),
            Self::None => None,
        }
    }
}
