//! What was sent to whom: the log of an endpoint, events read back, and deliveries made once more.

use super::time::Time;
use super::{Making, OutgoingEvent, Page, Store, StoreError, word};
use crate::api::{Delivery, DeliveryAttempt};
use crate::ids::{AccountId, DeliveryId, EndpointId, EventId, VerificationId};
use crate::sealed::open_event;
use crate::words::{DeliveryStatus, EventType};
use jiff::Timestamp;
use serde_json::json;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use std::collections::HashMap;
use uuid::Uuid;

/// Which of an endpoint's deliveries are made once more: those of events from `since` until before `until`.
#[derive(Debug, Clone)]
pub struct Replay {
    pub since: Timestamp,
    pub until: Timestamp,
    /// `None`: whatever has ended.
    pub status: Option<DeliveryStatus>,
    pub limit: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replayed {
    pub deliveries: i64,
    /// More lie in the range: it goes on at this time.
    pub goes_on_at: Option<Timestamp>,
}

/// An event with the body that is sent, opened.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    pub id: EventId,
    pub event_type: EventType,
    pub created_at: Timestamp,
    pub body: Vec<u8>,
}

macro_rules! delivery {
    () => {
        "deliveries.id, deliveries.endpoint_id, deliveries.event_id, events.type, events.verification_id,
         deliveries.url, deliveries.state, deliveries.failure, deliveries.created_at, deliveries.finished_at,
         CASE WHEN deliveries.state = 'pending' AND deliveries.lease_token IS NULL THEN deliveries.due_at END"
    };
}

const DELIVERIES_OF_EVENT: &str = concat!(
    "/* deliveries_of_event */ SELECT ",
    delivery!(),
    " FROM deliveries JOIN events ON events.id = deliveries.event_id
     WHERE deliveries.event_id = $1 AND events.account_id = $2 ORDER BY deliveries.id"
);

/// State and order stand in the text, so that each finds its index and stops at the limit.
macro_rules! page_of_deliveries {
    ($state:literal, $order:literal) => {
        concat!(
            "/* deliveries_of */ SELECT ",
            delivery!(),
            " FROM deliveries JOIN events ON events.id = deliveries.event_id
             WHERE deliveries.endpoint_id = $1 ",
            $state,
            "AND (deliveries.created_at, deliveries.id) > ($2, $3)
               AND (deliveries.created_at, deliveries.id) < ($4, $5)
             ORDER BY deliveries.created_at ",
            $order,
            ", deliveries.id ",
            $order,
            " LIMIT $6"
        )
    };
}

macro_rules! replay {
    ($state:literal) => {
        concat!(
            "/* replay */ WITH found AS MATERIALIZED (
               SELECT deliveries.id, deliveries.created_at,
                 row_number() OVER (ORDER BY deliveries.created_at, deliveries.id) AS place
               FROM deliveries JOIN events ON events.id = deliveries.event_id
               WHERE deliveries.endpoint_id = $1 AND deliveries.created_at >= $2 AND deliveries.created_at < $3
                 AND ",
            $state,
            " AND events.sealed_body <> ''
               ORDER BY deliveries.created_at, deliveries.id LIMIT $4 + 1
             ), again AS (
               UPDATE deliveries SET state = 'pending', due_at = $5, finished_at = NULL, failure = NULL,
                 earlier_attempts = attempts
               FROM found
               WHERE deliveries.id = found.id AND found.place <= $4 AND deliveries.state <> 'pending'
               RETURNING deliveries.id
             ), audited AS (
               INSERT INTO audit (account_id, at, actor, action, details)
               SELECT account_id, $5, $6, 'webhook.replayed',
                 $7::jsonb || jsonb_build_object('deliveries', (SELECT count(*) FROM again))
               FROM endpoints WHERE id = $1
             )
             SELECT (SELECT count(*) FROM again), (SELECT created_at FROM found WHERE place > $4)"
        )
    };
}

fn delivery(row: &PgRow) -> Result<Delivery, StoreError> {
    let time =
        |column: usize| Ok::<_, StoreError>(row.try_get::<Option<Time>, _>(column)?.map(|time| time.0));
    Ok(Delivery {
        id: DeliveryId::from_uuid(row.try_get(0)?),
        object: Delivery::OBJECT.to_owned(),
        webhook_id: row.try_get::<Option<Uuid>, _>(1)?.map(EndpointId::from_uuid),
        event_id: EventId::from_uuid(row.try_get(2)?),
        event_type: word(row.try_get(3)?)?,
        verification_id: row.try_get::<Option<Uuid>, _>(4)?.map(VerificationId::from_uuid),
        url: row.try_get(5)?,
        status: word(row.try_get(6)?)?,
        failure_reason: row.try_get::<Option<&str>, _>(7)?.map(word).transpose()?,
        created_at: row.try_get::<Time, _>(8)?.0,
        finished_at: time(9)?,
        next_attempt_at: time(10)?,
        attempts: Vec::new(),
    })
}

impl Store {
    /// An endpoint's deliveries with their attempts, newest first, whichever way the page was reached.
    /// `None`: the page begins at a delivery that is not in this list.
    pub async fn deliveries_of(
        &self,
        endpoint: EndpointId,
        status: Option<DeliveryStatus>,
        page: Page<DeliveryId>,
        limit: i64,
    ) -> Result<Option<Vec<Delivery>>, StoreError> {
        let (mut newer_than, mut older_than) =
            ((Timestamp::UNIX_EPOCH, Uuid::nil()), (Timestamp::MAX, Uuid::max()));
        let backwards = match page {
            Page::Newest => false,
            Page::StartingAfter(id) => {
                let Some(at) = self.delivery_created_at(endpoint, id).await? else { return Ok(None) };
                older_than = (at, id.uuid());
                false
            }
            Page::EndingBefore(id) => {
                let Some(at) = self.delivery_created_at(endpoint, id).await? else { return Ok(None) };
                newer_than = (at, id.uuid());
                true
            }
        };
        let statement = match (status, backwards) {
            (None, false) => page_of_deliveries!("", "DESC"),
            (None, true) => page_of_deliveries!("", "ASC"),
            (Some(DeliveryStatus::Success), false) => {
                page_of_deliveries!("AND deliveries.state = 'succeeded' ", "DESC")
            }
            (Some(DeliveryStatus::Success), true) => {
                page_of_deliveries!("AND deliveries.state = 'succeeded' ", "ASC")
            }
            (Some(DeliveryStatus::Failed), false) => {
                page_of_deliveries!("AND deliveries.state = 'failed' ", "DESC")
            }
            (Some(DeliveryStatus::Failed), true) => {
                page_of_deliveries!("AND deliveries.state = 'failed' ", "ASC")
            }
            (Some(DeliveryStatus::Pending), false) => {
                page_of_deliveries!("AND deliveries.state = 'pending' ", "DESC")
            }
            (Some(DeliveryStatus::Pending), true) => {
                page_of_deliveries!("AND deliveries.state = 'pending' ", "ASC")
            }
        };
        let rows = sqlx::query(statement)
            .bind(endpoint.uuid())
            .bind(Time(newer_than.0))
            .bind(newer_than.1)
            .bind(Time(older_than.0))
            .bind(older_than.1)
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        let mut deliveries = rows.iter().map(delivery).collect::<Result<Vec<_>, _>>()?;
        if backwards {
            deliveries.reverse();
        }
        self.with_attempts(&mut deliveries).await?;
        Ok(Some(deliveries))
    }

    async fn delivery_created_at(
        &self,
        endpoint: EndpointId,
        id: DeliveryId,
    ) -> Result<Option<Timestamp>, StoreError> {
        let row: Option<(Time,)> = sqlx::query_as(
            "/* delivery_created_at */ SELECT created_at FROM deliveries WHERE id = $1 AND endpoint_id = $2",
        )
        .bind(id.uuid())
        .bind(endpoint.uuid())
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|(at,)| at.0))
    }

    async fn with_attempts(&self, deliveries: &mut [Delivery]) -> Result<(), StoreError> {
        type Row = (Uuid, i32, Time, i64, Option<i32>, Option<String>);
        let rows: Vec<Row> = sqlx::query_as(
            "/* with_attempts */ SELECT delivery_id, attempt, started_at, duration_ms, status_code, error
             FROM delivery_attempts WHERE delivery_id = ANY ($1) ORDER BY delivery_id, attempt",
        )
        .bind(deliveries.iter().map(|delivery| delivery.id.uuid()).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await?;
        let mut attempts: HashMap<DeliveryId, Vec<DeliveryAttempt>> = HashMap::new();
        for (delivery, attempt, started_at, duration_ms, status_code, error) in rows {
            let started_at = started_at.0;
            let attempt = DeliveryAttempt { attempt, started_at, duration_ms, status_code, error };
            attempts.entry(DeliveryId::from_uuid(delivery)).or_default().push(attempt);
        }
        for delivery in deliveries {
            delivery.attempts = attempts.remove(&delivery.id).unwrap_or_default();
        }
        Ok(())
    }

    /// Scoped to the account. `None` also where the verification that it was about is erased.
    pub async fn event(&self, account: AccountId, id: EventId) -> Result<Option<StoredEvent>, StoreError> {
        type Row = (String, Vec<u8>, Time, Option<Uuid>, Option<Vec<u8>>);
        let row: Option<Row> = sqlx::query_as(
            "/* event */ SELECT type, sealed_body, events.created_at, verification_id, wrapped_key
             FROM events LEFT JOIN verifications ON verifications.id = verification_id
             WHERE events.id = $1 AND events.account_id = $2 AND sealed_body <> ''",
        )
        .bind(id.uuid())
        .bind(account.uuid())
        .fetch_optional(&self.pool)
        .await?;
        let Some((event_type, sealed, created_at, verification, wrapped)) = row else { return Ok(None) };
        let key = match verification.map(VerificationId::from_uuid) {
            None => self.account_key(account).await?,
            Some(verification) => match self.open_data_key(account, verification, wrapped.as_deref()).await {
                Err(error) if error.is_destroyed() => return Ok(None),
                key => key?,
            },
        };
        let body = open_event(&key, id, &sealed)?;
        Ok(Some(StoredEvent { id, event_type: word(&event_type)?, created_at: created_at.0, body }))
    }

    /// To whom the event went, with the attempts; also to endpoints that are deleted.
    pub async fn deliveries_of_event(
        &self,
        account: AccountId,
        id: EventId,
    ) -> Result<Vec<Delivery>, StoreError> {
        let rows = sqlx::query(DELIVERIES_OF_EVENT).bind(id.uuid()).bind(account.uuid());
        let rows = rows.fetch_all(&self.pool).await?;
        let mut deliveries = rows.iter().map(delivery).collect::<Result<Vec<_>, _>>()?;
        self.with_attempts(&mut deliveries).await?;
        Ok(deliveries)
    }
}

impl Making {
    /// Makes ended deliveries of an endpoint due again, oldest first. What was erased has nothing to send.
    pub async fn replay(
        &mut self,
        endpoint: EndpointId,
        replay: &Replay,
        (actor, now): (&str, Timestamp),
    ) -> Result<Replayed, StoreError> {
        let statement = match replay.status {
            Some(DeliveryStatus::Failed) => replay!("deliveries.state = 'failed'"),
            Some(DeliveryStatus::Success) => replay!("deliveries.state = 'succeeded'"),
            Some(DeliveryStatus::Pending) | None => replay!("deliveries.state IN ('failed', 'succeeded')"),
        };
        let Replay { since, until, status, .. } = replay;
        let details = json!({ "webhook_id": endpoint, "since": since, "until": until, "status": status });
        let (deliveries, goes_on_at): (i64, Option<Time>) = sqlx::query_as(statement)
            .bind(endpoint.uuid())
            .bind(Time(*since))
            .bind(Time(*until))
            .bind(replay.limit)
            .bind(Time(now))
            .bind(actor)
            .bind(details)
            .fetch_one(&mut *self.transaction)
            .await?;
        Ok(Replayed { deliveries, goes_on_at: goes_on_at.map(|time| time.0) })
    }

    /// Writes `event` with a delivery to this endpoint alone. `None`: it is not there or not enabled.
    pub async fn send_test(
        &mut self,
        endpoint: EndpointId,
        (event, traceparent): (&OutgoingEvent, Option<String>),
        (actor, now): (&str, Timestamp),
    ) -> Result<Option<Delivery>, StoreError> {
        let id = DeliveryId::generate();
        let sent = sqlx::query(
            "/* send_test */ WITH tested AS (
               SELECT id, account_id, url FROM endpoints
               WHERE id = $1 AND account_id = $2 AND enabled AND deleted_at IS NULL
             ), told AS (
               INSERT INTO events (id, account_id, type, sealed_body, traceparent, created_at)
               SELECT $3, account_id, $4, $5, $6, $7 FROM tested
             ), sent AS (
               INSERT INTO deliveries (id, event_id, endpoint_id, url, state, due_at, created_at)
               SELECT $8, $3, id, url, 'pending', $7, $7 FROM tested
             )
             INSERT INTO audit (account_id, at, actor, action, details)
             SELECT account_id, $7, $9, 'webhook.tested', $10 FROM tested",
        )
        .bind(endpoint.uuid())
        .bind(self.account.uuid())
        .bind(event.id.uuid())
        .bind(event.event_type.as_str())
        .bind(event.sealed_body.as_slice())
        .bind(traceparent)
        .bind(Time(now))
        .bind(id.uuid())
        .bind(actor)
        .bind(json!({ "webhook_id": endpoint, "event_id": event.id }))
        .execute(&mut *self.transaction)
        .await?;
        if sent.rows_affected() == 0 {
            return Ok(None);
        }
        // It has no attempts before this commits.
        let row = sqlx::query(DELIVERIES_OF_EVENT).bind(event.id.uuid()).bind(self.account.uuid());
        row.fetch_optional(&mut *self.transaction).await?.as_ref().map(delivery).transpose()
    }

    /// Makes the event's deliveries due now, whether they ended or wait, except to endpoints that are not
    /// enabled. How many there were.
    pub async fn resend(&mut self, id: EventId, (actor, now): (&str, Timestamp)) -> Result<i64, StoreError> {
        let (deliveries,): (i64,) = sqlx::query_as(
            "/* resend */ WITH again AS (
               UPDATE deliveries SET state = 'pending', due_at = $3, finished_at = NULL, failure = NULL,
                 earlier_attempts = attempts
               FROM events
               WHERE events.id = $1 AND events.account_id = $2 AND deliveries.event_id = events.id
                 AND events.sealed_body <> '' AND deliveries.lease_token IS NULL
                 AND (deliveries.endpoint_id IS NULL
                      OR EXISTS (SELECT 1 FROM endpoints WHERE endpoints.id = deliveries.endpoint_id AND enabled))
               RETURNING events.account_id, events.verification_id
             ), audited AS (
               INSERT INTO audit (account_id, verification_id, at, actor, action, details)
               SELECT account_id, verification_id, $3, $4, 'event.resent',
                 $5::jsonb || jsonb_build_object('deliveries', count(*))
               FROM again GROUP BY account_id, verification_id
             )
             SELECT count(*) FROM again",
        )
        .bind(id.uuid())
        .bind(self.account.uuid())
        .bind(Time(now))
        .bind(actor)
        .bind(json!({ "event_id": id }))
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(deliveries)
    }
}
