//! The verification: accepted once, decided once.

use super::time::Time;
use super::{Store, StoreError, word, words};
use crate::api::ImageInfo;
use crate::blobs::crypto::SealingKey;
use crate::ids::{AccountId, EventId, VerificationId};
use crate::words::{Check, DocumentType, EventType, Lane, Stage, Status};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sqlx::types::Json;
use uuid::Uuid;

/// What acceptance writes in one transaction.
#[derive(Debug, Clone)]
pub struct Acceptance {
    pub id: VerificationId,
    pub account_id: AccountId,
    pub lane: Lane,
    pub country: String,
    pub document_type: DocumentType,
    pub checks: Vec<Check>,
    pub stages: Vec<Stage>,
    pub metadata: Map<String, Value>,
    pub images: Vec<ImageInfo>,
    pub wrapped_key: Vec<u8>,
    pub sealed_request: Vec<u8>,
    pub traceparent: Option<String>,
    pub created_at: Timestamp,
    /// For the audit trail, such as a key id.
    pub actor: String,
}

/// What a worker must know to run and decide.
#[derive(Debug, Clone)]
pub struct Case {
    pub id: VerificationId,
    pub account_id: AccountId,
    pub status: Status,
    pub lane: Lane,
    pub country: String,
    pub document_type: DocumentType,
    pub checks: Vec<Check>,
    pub stages: Vec<Stage>,
    pub metadata: Map<String, Value>,
    pub images: Vec<ImageInfo>,
    /// `None`: erased.
    pub wrapped_key: Option<Vec<u8>>,
    pub sealed_request: Option<Vec<u8>>,
    pub traceparent: Option<String>,
    pub created_at: Timestamp,
}

/// A case with its outcome, as `GET` needs it.
#[derive(Debug, Clone)]
pub struct Row {
    pub case: Case,
    pub sealed_verdict: Option<Vec<u8>>,
    pub completed_at: Option<Timestamp>,
}

/// An event with the exact bytes that will be sent, sealed.
#[derive(Debug, Clone)]
pub struct OutgoingEvent {
    pub id: EventId,
    pub event_type: EventType,
    pub sealed_body: Vec<u8>,
}

/// The verdict with everything that follows from it.
#[derive(Debug, Clone)]
pub struct Finish {
    pub id: VerificationId,
    pub status: Status,
    pub sealed_verdict: Vec<u8>,
    pub events: Vec<OutgoingEvent>,
    /// The request's own `webhook_url`.
    pub webhook_url: Option<String>,
    pub traceparent: Option<String>,
    pub now: Timestamp,
    pub actor: String,
}

type CaseColumns = (
    (Uuid, Uuid, String, String, String, String),
    (Vec<String>, Vec<String>, Json<Map<String, Value>>, Json<Vec<ImageInfo>>),
    (Option<Vec<u8>>, Option<Vec<u8>>, Option<String>, Time),
);

impl Store {
    /// Verification, outbox row and audit entry: all or nothing.
    pub async fn accept(&self, acceptance: &Acceptance) -> Result<(), StoreError> {
        sqlx::query(
            "/* accept */ WITH accepted AS (
               INSERT INTO verifications (id, account_id, status, lane, country, document_type, checks, stages,
                 metadata, images, wrapped_key, sealed_request, traceparent, created_at, enqueued_at)
               VALUES ($1, $2, 'pending', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13)
             ), queued AS (
               INSERT INTO outbox (verification_id, stages, lane, traceparent, created_at, not_before)
               VALUES ($1, $7, $3, $12, $13, $13)
             )
             INSERT INTO audit (account_id, verification_id, at, actor, action, details)
             VALUES ($2, $1, $13, $14, 'verification.accepted', $15)",
        )
        .bind(acceptance.id.uuid())
        .bind(acceptance.account_id.uuid())
        .bind(acceptance.lane.as_str())
        .bind(&acceptance.country)
        .bind(acceptance.document_type.as_str())
        .bind(acceptance.checks.iter().map(|check| check.as_str()).collect::<Vec<_>>())
        .bind(acceptance.stages.iter().map(|stage| stage.as_str()).collect::<Vec<_>>())
        .bind(Json(&acceptance.metadata))
        .bind(Json(&acceptance.images))
        .bind(&acceptance.wrapped_key)
        .bind(&acceptance.sealed_request)
        .bind(&acceptance.traceparent)
        .bind(Time(acceptance.created_at))
        .bind(&acceptance.actor)
        .bind(Json(json!({ "checks": acceptance.checks, "images": acceptance.images.len() })))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The key that images, partials, verdict and events of this case are sealed under.
    pub async fn data_key(&self, case: &Case) -> Result<SealingKey, StoreError> {
        let wrapped = case.wrapped_key.as_ref().ok_or(StoreError::Erased)?;
        Ok(self.account_key(case.account_id).await?.unwrap_key(&case.id.to_string(), wrapped)?)
    }

    pub async fn case(&self, id: VerificationId) -> Result<Option<Case>, StoreError> {
        let query = sqlx::query(
            "/* case */ SELECT id, account_id, status, lane, country, document_type, checks, stages, metadata,
               images, wrapped_key, sealed_request, traceparent, created_at
             FROM verifications WHERE id = $1",
        );
        let row = query.bind(id.uuid()).fetch_optional(&self.pool).await?;
        row.map(|row| case(columns(&row)?)).transpose()
    }

    /// Scoped to the account: another account's id does not exist.
    pub async fn verification(
        &self,
        account: AccountId,
        id: VerificationId,
    ) -> Result<Option<Row>, StoreError> {
        let query = sqlx::query(
            "/* verification */ SELECT id, account_id, status, lane, country, document_type, checks, stages,
               metadata, images, wrapped_key, sealed_request, traceparent, created_at,
               sealed_verdict, completed_at
             FROM verifications WHERE id = $1 AND account_id = $2",
        );
        let row = query.bind(id.uuid()).bind(account.uuid()).fetch_optional(&self.pool).await?;
        row.map(|row| {
            use sqlx::Row as _;
            Ok(Row {
                case: case(columns(&row)?)?,
                sealed_verdict: row.try_get(14)?,
                completed_at: row.try_get::<Option<Time>, _>(15)?.map(|time| time.0),
            })
        })
        .transpose()
    }

    pub async fn status(&self, id: VerificationId) -> Result<Option<Status>, StoreError> {
        let row: Option<(String,)> =
            sqlx::query_as("/* status */ SELECT status FROM verifications WHERE id = $1")
                .bind(id.uuid())
                .fetch_optional(&self.pool)
                .await?;
        row.map(|(status,)| word(&status)).transpose()
    }

    /// Writes the verdict, its events, one delivery per endpoint and the audit entry in one statement,
    /// fenced on `pending`. False: somebody else decided before; nothing was changed and nothing is sent.
    pub async fn finish(&self, finish: &Finish) -> Result<bool, StoreError> {
        let (decided,): (i64,) = sqlx::query_as(
            "/* finish */ WITH decided AS (
               UPDATE verifications SET status = $2, sealed_verdict = $3, completed_at = $4
               WHERE id = $1 AND status = 'pending'
               RETURNING id, account_id
             ), told AS (
               INSERT INTO events (id, account_id, verification_id, type, sealed_body, traceparent, created_at)
               SELECT event.id, decided.account_id, decided.id, event.type, event.body, $8, $4
               FROM decided, unnest($5::uuid[], $6::text[], $7::bytea[]) AS event (id, type, body)
               RETURNING id, account_id, type
             ), subscribed AS (
               INSERT INTO deliveries (id, event_id, endpoint_id, url, state, due_at, created_at)
               SELECT gen_random_uuid(), told.id, endpoints.id, endpoints.url, 'pending', $4, $4
               FROM told JOIN endpoints ON endpoints.account_id = told.account_id
               WHERE endpoints.enabled AND told.type = ANY (endpoints.events)
             ), requested AS (
               INSERT INTO deliveries (id, event_id, endpoint_id, url, state, due_at, created_at)
               SELECT gen_random_uuid(), told.id, NULL, $9, 'pending', $4, $4
               FROM told WHERE $9::text IS NOT NULL AND told.type LIKE 'identity.verification.%'
             ), audited AS (
               INSERT INTO audit (account_id, verification_id, at, actor, action, details)
               SELECT account_id, id, $4, $10, 'verification.decided', $11 FROM decided
             )
             SELECT count(*) FROM decided",
        )
        .bind(finish.id.uuid())
        .bind(finish.status.as_str())
        .bind(&finish.sealed_verdict)
        .bind(Time(finish.now))
        .bind(finish.events.iter().map(|event| event.id.uuid()).collect::<Vec<_>>())
        .bind(finish.events.iter().map(|event| event.event_type.as_str()).collect::<Vec<_>>())
        .bind(finish.events.iter().map(|event| event.sealed_body.as_slice()).collect::<Vec<_>>())
        .bind(&finish.traceparent)
        .bind(&finish.webhook_url)
        .bind(&finish.actor)
        .bind(Json(json!({ "status": finish.status })))
        .fetch_one(&self.pool)
        .await?;
        Ok(decided == 1)
    }
}

fn columns(row: &sqlx::postgres::PgRow) -> Result<CaseColumns, StoreError> {
    use sqlx::Row as _;
    Ok((
        (
            row.try_get(0)?,
            row.try_get(1)?,
            row.try_get(2)?,
            row.try_get(3)?,
            row.try_get(4)?,
            row.try_get(5)?,
        ),
        (row.try_get(6)?, row.try_get(7)?, row.try_get(8)?, row.try_get(9)?),
        (row.try_get(10)?, row.try_get(11)?, row.try_get(12)?, row.try_get(13)?),
    ))
}

fn case(columns: CaseColumns) -> Result<Case, StoreError> {
    let (
        (id, account, status, lane, country, document_type),
        (checks, stages, Json(metadata), Json(images)),
        (wrapped_key, sealed_request, traceparent, created_at),
    ) = columns;
    Ok(Case {
        id: VerificationId::from_uuid(id),
        account_id: AccountId::from_uuid(account),
        status: word(&status)?,
        lane: word(&lane)?,
        country,
        document_type: word(&document_type)?,
        checks: words(&checks)?,
        stages: words(&stages)?,
        metadata,
        images,
        wrapped_key,
        sealed_request,
        traceparent,
        created_at: created_at.0,
    })
}
