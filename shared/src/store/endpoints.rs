//! Webhook endpoints: made, changed, rotated, disabled and deleted, each with its audit entry.

use super::time::Time;
use super::{Making, OutgoingEvent, Store, StoreError, word, words};
use crate::api::Webhook;
use crate::config::Secret;
use crate::ids::{AccountId, EndpointId};
use crate::words::{DisabledReason, EventType, Payload};
use jiff::Timestamp;
use serde_json::json;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

/// For the audit trail: who disables an endpoint that failed for too long or is gone.
const ACTOR: &str = "webhooks";

#[derive(Debug, Clone)]
pub struct NewEndpoint {
    pub url: String,
    pub events: Vec<EventType>,
    pub payload: Payload,
    pub description: Option<String>,
}

/// What is `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct EndpointChange {
    pub url: Option<String>,
    pub events: Option<Vec<EventType>>,
    pub enabled: Option<bool>,
    pub payload: Option<Payload>,
    /// An empty one removes it.
    pub description: Option<String>,
}

/// A new secret, and until when the one before signs as well; `None`: it ends at once.
#[derive(Debug)]
pub struct SecretRotation {
    pub secret: Secret,
    pub previous_until: Option<Timestamp>,
}

macro_rules! columns {
    () => {
        "id, url, description, events, enabled, payload, created_at, failing_since, disabled_at,
         disabled_reason, previous_secret_until"
    };
}

fn webhook(row: &PgRow) -> Result<Webhook, StoreError> {
    let time =
        |column: usize| Ok::<_, StoreError>(row.try_get::<Option<Time>, _>(column)?.map(|time| time.0));
    Ok(Webhook {
        id: EndpointId::from_uuid(row.try_get(0)?),
        object: Webhook::OBJECT.to_owned(),
        url: row.try_get(1)?,
        description: row.try_get(2)?,
        events: words(&row.try_get::<Vec<String>, _>(3)?)?,
        enabled: row.try_get(4)?,
        payload: word(row.try_get(5)?)?,
        created_at: row.try_get::<Time, _>(6)?.0,
        failing_since: time(7)?,
        disabled_at: time(8)?,
        disabled_reason: row.try_get::<Option<&str>, _>(9)?.map(word).transpose()?,
        previous_secret_until: time(10)?,
    })
}

fn names(events: &[EventType]) -> Vec<&'static str> {
    events.iter().map(|event| event.as_str()).collect()
}

impl Store {
    /// Oldest first.
    pub async fn endpoints(&self, account: AccountId) -> Result<Vec<Webhook>, StoreError> {
        let rows = sqlx::query(concat!(
            "/* endpoints */ SELECT ",
            columns!(),
            " FROM endpoints WHERE account_id = $1 AND deleted_at IS NULL ORDER BY id"
        ))
        .bind(account.uuid())
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(webhook).collect()
    }

    /// Scoped to the account: another account's id does not exist. Nor does a deleted one.
    pub async fn endpoint(&self, account: AccountId, id: EndpointId) -> Result<Option<Webhook>, StoreError> {
        let row = sqlx::query(concat!(
            "/* endpoint */ SELECT ",
            columns!(),
            " FROM endpoints WHERE id = $1 AND account_id = $2 AND deleted_at IS NULL"
        ))
        .bind(id.uuid())
        .bind(account.uuid())
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(webhook).transpose()
    }

    /// Enabling a disabled endpoint, or sending it elsewhere, forgets its failures. `None`: no such endpoint.
    pub async fn change_endpoint(
        &self,
        account: AccountId,
        id: EndpointId,
        change: &EndpointChange,
        (actor, now): (&str, Timestamp),
    ) -> Result<Option<Webhook>, StoreError> {
        let EndpointChange { url, events, enabled, payload, description } = change;
        let changed = [
            url.is_some().then_some("url"),
            events.is_some().then_some("events"),
            enabled.is_some().then_some("enabled"),
            payload.is_some().then_some("payload"),
            description.is_some().then_some("description"),
        ];
        // The names alone: an address may hold a secret.
        let changed: Vec<&str> = changed.into_iter().flatten().collect();
        let row = sqlx::query(concat!(
            "/* change_endpoint */ WITH changed AS (
               UPDATE endpoints SET url = coalesce($3, url), events = coalesce($4, events),
                 enabled = coalesce($5, enabled), payload = coalesce($6, payload),
                 description = CASE WHEN $7::text IS NULL THEN description ELSE nullif($7, '') END,
                 failing_since = CASE WHEN ($5 AND NOT enabled) OR $3 <> url THEN NULL ELSE failing_since END,
                 disabled_at = CASE WHEN $5 THEN NULL
                   WHEN NOT $5 AND disabled_reason IS DISTINCT FROM 'requested' THEN $8 ELSE disabled_at END,
                 disabled_reason = CASE WHEN $5 THEN NULL WHEN NOT $5 THEN 'requested' ELSE disabled_reason END
               WHERE id = $1 AND account_id = $2 AND deleted_at IS NULL RETURNING *
             ), audited AS (
               INSERT INTO audit (account_id, at, actor, action, details)
               SELECT account_id, $8, $9, 'webhook.updated', $10 FROM changed
             )
             SELECT ",
            columns!(),
            " FROM changed"
        ))
        .bind(id.uuid())
        .bind(account.uuid())
        .bind(url)
        .bind(events.as_deref().map(names))
        .bind(enabled)
        .bind(payload.map(Payload::as_str))
        .bind(description)
        .bind(Time(now))
        .bind(actor)
        .bind(json!({ "webhook_id": id, "changed": changed }))
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(webhook).transpose()
    }

    /// Ends what waits for it; what is under way ends by itself. The row stays for the deliveries that point
    /// at it, its secrets go. False: no such endpoint.
    pub async fn delete_endpoint(
        &self,
        account: AccountId,
        id: EndpointId,
        (actor, now): (&str, Timestamp),
    ) -> Result<bool, StoreError> {
        let (deleted,): (i64,) = sqlx::query_as(
            "/* delete_endpoint */ WITH deleted AS (
               UPDATE endpoints SET enabled = false, disabled_reason = NULL, deleted_at = $3, sealed_secret = '',
                 previous_sealed_secret = NULL, previous_secret_until = NULL
               WHERE id = $1 AND account_id = $2 AND deleted_at IS NULL RETURNING id, account_id
             ), unsent AS (
               UPDATE deliveries SET state = 'failed', finished_at = $3, failure = 'endpoint_deleted'
               FROM deleted WHERE deliveries.endpoint_id = deleted.id AND deliveries.state = 'pending'
                 AND deliveries.lease_token IS NULL
             ), audited AS (
               INSERT INTO audit (account_id, at, actor, action, details)
               SELECT account_id, $3, $4, 'webhook.deleted', $5 FROM deleted
             )
             SELECT count(*) FROM deleted",
        )
        .bind(id.uuid())
        .bind(account.uuid())
        .bind(Time(now))
        .bind(actor)
        .bind(json!({ "webhook_id": id }))
        .fetch_one(&self.pool)
        .await?;
        Ok(deleted == 1)
    }

    /// Disables one that fails and tells the account's other endpoints by `event`. `failing_since`: at least
    /// so long it must have been failing, since a success may have come in between. What waits for it stays
    /// and ends as failed when it is due, unless it is enabled before. False: it was not enabled, or recovered.
    pub async fn disable_endpoint(
        &self,
        id: EndpointId,
        reason: DisabledReason,
        failing_since: Option<Timestamp>,
        event: &OutgoingEvent,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (disabled,): (i64,) = sqlx::query_as(
            "/* disable_endpoint */ WITH disabled AS (
               UPDATE endpoints SET enabled = false, disabled_at = $2, disabled_reason = $3
               WHERE id = $1 AND enabled AND ($4::timestamptz IS NULL OR failing_since <= $4)
               RETURNING id, account_id
             ), told AS (
               INSERT INTO events (id, account_id, type, sealed_body, created_at)
               SELECT $5, account_id, $6, $7, $2 FROM disabled RETURNING id, account_id, type
             ), subscribed AS (
               INSERT INTO deliveries (id, event_id, endpoint_id, url, state, due_at, created_at)
               SELECT gen_random_uuid(), told.id, endpoints.id, endpoints.url, 'pending', $2, $2
               FROM told JOIN endpoints ON endpoints.account_id = told.account_id
               WHERE endpoints.enabled AND endpoints.id <> $1 AND told.type = ANY (endpoints.events)
             ), audited AS (
               INSERT INTO audit (account_id, at, actor, action, details)
               SELECT account_id, $2, $8, 'webhook.disabled', $9 FROM disabled
             )
             SELECT count(*) FROM disabled",
        )
        .bind(id.uuid())
        .bind(Time(now))
        .bind(reason.as_str())
        .bind(failing_since.map(Time))
        .bind(event.id.uuid())
        .bind(event.event_type.as_str())
        .bind(event.sealed_body.as_slice())
        .bind(ACTOR)
        .bind(json!({ "webhook_id": id, "reason": reason }))
        .fetch_one(&self.pool)
        .await?;
        Ok(disabled == 1)
    }
}

impl Making {
    pub async fn create_endpoint(
        &mut self,
        new: &NewEndpoint,
        secret: &Secret,
        (actor, now): (&str, Timestamp),
    ) -> Result<Webhook, StoreError> {
        let id = EndpointId::generate();
        let row = sqlx::query(concat!(
            "/* create_endpoint */ WITH created AS (
               INSERT INTO endpoints (id, account_id, url, description, events, payload, sealed_secret, created_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING *
             ), audited AS (
               INSERT INTO audit (account_id, at, actor, action, details)
               SELECT account_id, $8, $9, 'webhook.created', $10 FROM created
             )
             SELECT ",
            columns!(),
            " FROM created"
        ))
        .bind(id.uuid())
        .bind(self.account.uuid())
        .bind(&new.url)
        .bind(&new.description)
        .bind(names(&new.events))
        .bind(new.payload.as_str())
        .bind(self.seal_secret(id, secret)?)
        .bind(Time(now))
        .bind(actor)
        .bind(json!({ "webhook_id": id }))
        .fetch_one(&mut *self.transaction)
        .await?;
        webhook(&row)
    }

    /// `None`: no such endpoint.
    pub async fn rotate_secret(
        &mut self,
        id: EndpointId,
        rotation: &SecretRotation,
        (actor, now): (&str, Timestamp),
    ) -> Result<Option<Webhook>, StoreError> {
        // Both are sealed at the endpoint's row, so the one before moves as it is.
        let row = sqlx::query(concat!(
            "/* rotate_secret */ WITH rotated AS (
               UPDATE endpoints SET sealed_secret = $3, previous_secret_until = $4,
                 previous_sealed_secret = CASE WHEN $4 IS NOT NULL THEN sealed_secret END
               WHERE id = $1 AND account_id = $2 AND deleted_at IS NULL RETURNING *
             ), audited AS (
               INSERT INTO audit (account_id, at, actor, action, details)
               SELECT account_id, $5, $6, 'webhook.secret_rotated', $7 FROM rotated
             )
             SELECT ",
            columns!(),
            " FROM rotated"
        ))
        .bind(id.uuid())
        .bind(self.account.uuid())
        .bind(self.seal_secret(id, &rotation.secret)?)
        .bind(rotation.previous_until.map(Time))
        .bind(Time(now))
        .bind(actor)
        .bind(json!({ "webhook_id": id, "previous_until": rotation.previous_until }))
        .fetch_optional(&mut *self.transaction)
        .await?;
        row.as_ref().map(webhook).transpose()
    }

    fn seal_secret(&self, id: EndpointId, secret: &Secret) -> Result<Vec<u8>, StoreError> {
        let place = super::accounts::secret_place(id.uuid());
        Ok(self.key.seal(&place, secret.reveal().as_bytes())?)
    }
}
