//! The verification: read by those who work on it, decided once.

use super::acceptance::Declared;
use super::batch::column;
use super::deliveries::deliver_to_subscribers;
use super::time::Time;
use super::{Store, StoreError, word, words};
use crate::api::{ImageInfo, Summary};
use crate::ids::{AccountId, EventId, VerificationId};
use crate::words::{Check, EventType, Lane, Purpose, Stage, Status};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use std::sync::Arc;
use uuid::Uuid;

/// What a worker must know to run and decide.
#[derive(Debug, Clone)]
pub struct Case {
    pub id: VerificationId,
    pub account_id: AccountId,
    pub status: Status,
    pub lane: Lane,
    pub purpose: Purpose,
    /// Always there for a [`Purpose::Verification`].
    pub declared: Option<Declared>,
    pub checks: Vec<Check>,
    pub stages: Vec<Stage>,
    pub metadata: Map<String, Value>,
    pub images: Vec<ImageInfo>,
    /// Half of the data key, or all of it where the row is from before there were shares. `None`: erased.
    pub wrapped_key: Option<Vec<u8>>,
    pub sealed_request: Option<Vec<u8>>,
    pub traceparent: Option<String>,
    pub created_at: Timestamp,
    /// When it will be erased.
    pub expires_at: Option<Timestamp>,
}

/// A case with its outcome, as `GET` needs it.
#[derive(Debug, Clone)]
pub struct Row {
    pub case: Case,
    pub sealed_verdict: Option<Vec<u8>>,
    pub sealed_review: Option<Vec<u8>>,
    pub completed_at: Option<Timestamp>,
    pub retry_of: Option<VerificationId>,
}

/// An event with the exact bytes that will be sent, sealed.
#[derive(Debug, Clone)]
pub struct OutgoingEvent {
    pub id: EventId,
    pub event_type: EventType,
    pub sealed_body: Vec<u8>,
}

/// The end of a verification with everything that follows from it.
#[derive(Debug, Clone)]
pub struct Finish {
    pub id: VerificationId,
    /// Where it must stand; elsewhere nothing is changed.
    pub from: Status,
    pub status: Status,
    /// Absent: the one before stays.
    pub sealed_verdict: Option<Vec<u8>>,
    /// Absent: the one before stays.
    pub sealed_review: Option<Vec<u8>>,
    /// What the verdict comes down to. Absent: the one before stays.
    pub summary: Option<Summary>,
    pub events: Vec<OutgoingEvent>,
    /// The request's own `webhook_url`.
    pub webhook_url: Option<String>,
    pub traceparent: Option<String>,
    pub now: Timestamp,
    pub actor: String,
    /// For the audit trail, such as `verification.decided`.
    pub action: &'static str,
}

/// In the order in which `columns` reads them.
macro_rules! case_columns {
    () => {
        "id, account_id, status, lane, purpose, country, document_type, checks, stages, metadata, images,
         wrapped_key, sealed_request, traceparent, created_at, expires_at"
    };
}
/// In the order in which `full_row` reads them: those of a case first.
macro_rules! row_columns {
    () => {
        concat!(case_columns!(), ", sealed_verdict, sealed_review, completed_at, retry_of")
    };
}
pub(super) use {case_columns, row_columns};

type CaseColumns = (
    (Uuid, Uuid, String, String, String, Option<String>, Option<String>),
    (Vec<String>, Vec<String>, Json<Map<String, Value>>, Json<Vec<ImageInfo>>),
    (Option<Vec<u8>>, Option<Vec<u8>>, Option<String>, Time, Option<Time>),
);

impl Store {
    pub async fn case(&self, id: VerificationId) -> Result<Option<Case>, StoreError> {
        self.batches.case.run(id).await
    }

    /// Scoped to the account: another account's id does not exist. Nor does an erased one.
    pub async fn verification(
        &self,
        account: AccountId,
        id: VerificationId,
    ) -> Result<Option<Row>, StoreError> {
        let row = self.any_purpose(account, id).await?;
        Ok(row.filter(|row| row.case.purpose == Purpose::Verification))
    }

    /// The same, for calls for a single stage as well.
    pub async fn any_purpose(
        &self,
        account: AccountId,
        id: VerificationId,
    ) -> Result<Option<Row>, StoreError> {
        let query = sqlx::query(concat!(
            "/* any_purpose */ SELECT ",
            row_columns!(),
            " FROM verifications WHERE id = $1 AND account_id = $2 AND erased_at IS NULL"
        ));
        let row = query.bind(id.uuid()).bind(account.uuid()).fetch_optional(&self.pool).await?;
        row.map(|row| full_row(&row)).transpose()
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
    /// fenced on the status before. False: somebody else was faster; nothing was changed and nothing is sent.
    /// An endpoint that we disabled for failing gets its delivery as failed, so that a replay brings it.
    pub async fn finish(&self, finish: &Finish) -> Result<bool, StoreError> {
        self.batches.finish.run(finish.clone()).await
    }
}

pub(super) fn cases(
    pool: PgPool,
    rows: Vec<Arc<VerificationId>>,
) -> BoxFuture<'static, Result<Vec<Option<Case>>, StoreError>> {
    Box::pin(async move {
        let found = sqlx::query(concat!(
            "/* cases */ SELECT ",
            case_columns!(),
            " FROM verifications WHERE id = ANY ($1)"
        ))
        .bind(column(&rows, |id| id.uuid()))
        .fetch_all(&pool)
        .await?;
        let cases: Vec<Case> = found.iter().map(|row| case(columns(row)?)).collect::<Result<_, _>>()?;
        Ok(column(&rows, |id| cases.iter().find(|case| case.id == *id).cloned()))
    })
}

/// Of two verdicts on one verification in the same batch one is taken, with its own events.
pub(super) fn finish(
    pool: PgPool,
    rows: Vec<Arc<Finish>>,
) -> BoxFuture<'static, Result<Vec<bool>, StoreError>> {
    Box::pin(async move {
        // Events point at their verdict by its number in the batch.
        let events: Vec<(i64, &OutgoingEvent)> = (1i64..)
            .zip(&rows)
            .flat_map(|(number, row)| row.events.iter().map(move |event| (number, event)))
            .collect();
        let decided: Vec<(i64,)> = sqlx::query_as(
            concat!(
            "/* finish */ WITH given AS (
               SELECT * FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::timestamptz[], $5::text[],
                   $6::text[], $7::text[], $8::text[], $13::text[], $14::bytea[], $15::text[], $16::text[])
                 WITH ORDINALITY
                 AS given (id, status, sealed_verdict, at, webhook_url, traceparent, actor, details,
                   from_status, sealed_review, action, summary, number)
             ), decided AS (
               UPDATE verifications SET status = given.status,
                 sealed_verdict = coalesce(given.sealed_verdict, verifications.sealed_verdict),
                 sealed_review = coalesce(given.sealed_review, verifications.sealed_review),
                 summary = coalesce(given.summary::jsonb, verifications.summary),
                 completed_at = given.at
               FROM given WHERE verifications.id = given.id AND verifications.status = given.from_status
                 AND verifications.erased_at IS NULL
               RETURNING given.number, verifications.id, verifications.account_id, given.at,
                 given.webhook_url, given.traceparent, given.actor, given.action, given.details
             ), told AS (
               INSERT INTO events (id, account_id, verification_id, type, sealed_body, traceparent, created_at)
               SELECT event.id, decided.account_id, decided.id, event.type, event.body, decided.traceparent,
                 decided.at
               FROM decided JOIN unnest($9::bigint[], $10::uuid[], $11::text[], $12::bytea[])
                 AS event (number, id, type, body) ON event.number = decided.number
               RETURNING id, account_id, verification_id, type, created_at
             ), subscribed AS (
",
            deliver_to_subscribers!(),
            "             ), requested AS (
               INSERT INTO deliveries (id, event_id, endpoint_id, consumer, url, state, due_at, created_at)
               SELECT gen_random_uuid(), told.id, NULL,
                 md5(concat(told.account_id, lower(substring(decided.webhook_url FROM '//([^/?#]*)'))))::uuid,
                 decided.webhook_url, 'pending', told.created_at, told.created_at
               FROM told JOIN decided ON decided.id = told.verification_id
               WHERE decided.webhook_url IS NOT NULL AND told.type LIKE 'identity.verification.%'
             ), audited AS (
               INSERT INTO audit (account_id, verification_id, at, actor, action, details)
               SELECT account_id, id, at, actor, action, details::jsonb FROM decided
             )
             SELECT number FROM decided"
        ))
        .bind(column(&rows, |row| row.id.uuid()))
        .bind(column(&rows, |row| row.status.as_str()))
        .bind(column(&rows, |row| row.sealed_verdict.as_deref()))
        .bind(column(&rows, |row| Time(row.now)))
        .bind(column(&rows, |row| row.webhook_url.as_deref()))
        .bind(column(&rows, |row| row.traceparent.as_deref()))
        .bind(column(&rows, |row| row.actor.as_str()))
        .bind(column(&rows, |row| json!({ "status": row.status }).to_string()))
        .bind(events.iter().map(|(number, _)| *number).collect::<Vec<_>>())
        .bind(events.iter().map(|(_, event)| event.id.uuid()).collect::<Vec<_>>())
        .bind(events.iter().map(|(_, event)| event.event_type.as_str()).collect::<Vec<_>>())
        .bind(events.iter().map(|(_, event)| event.sealed_body.as_slice()).collect::<Vec<_>>())
        // A parameter: as a literal it invites a plan over the index of everything that is pending.
        .bind(column(&rows, |row| row.from.as_str()))
        .bind(column(&rows, |row| row.sealed_review.as_deref()))
        .bind(column(&rows, |row| row.action))
        .bind(column(&rows, |row| row.summary.as_ref().map(|summary| json!(summary).to_string())))
        .fetch_all(&pool)
        .await?;
        Ok((1i64..).zip(&rows).map(|(number, _)| decided.contains(&(number,))).collect())
    })
}

pub(super) fn full_row(row: &PgRow) -> Result<Row, StoreError> {
    use sqlx::Row as _;
    Ok(Row {
        case: case(columns(row)?)?,
        sealed_verdict: row.try_get(16)?,
        sealed_review: row.try_get(17)?,
        completed_at: row.try_get::<Option<Time>, _>(18)?.map(|time| time.0),
        retry_of: row.try_get::<Option<Uuid>, _>(19)?.map(VerificationId::from_uuid),
    })
}

fn columns(row: &PgRow) -> Result<CaseColumns, StoreError> {
    use sqlx::Row as _;
    Ok((
        (
            row.try_get(0)?,
            row.try_get(1)?,
            row.try_get(2)?,
            row.try_get(3)?,
            row.try_get(4)?,
            row.try_get(5)?,
            row.try_get(6)?,
        ),
        (row.try_get(7)?, row.try_get(8)?, row.try_get(9)?, row.try_get(10)?),
        (row.try_get(11)?, row.try_get(12)?, row.try_get(13)?, row.try_get(14)?, row.try_get(15)?),
    ))
}

fn case(columns: CaseColumns) -> Result<Case, StoreError> {
    let (
        (id, account, status, lane, purpose, country, document_type),
        (checks, stages, Json(metadata), Json(images)),
        (wrapped_key, sealed_request, traceparent, created_at, expires_at),
    ) = columns;
    let declared = country.zip(document_type).map(|(country, document_type)| {
        Ok::<_, StoreError>(Declared { country, document_type: word(&document_type)? })
    });
    Ok(Case {
        id: VerificationId::from_uuid(id),
        account_id: AccountId::from_uuid(account),
        status: word(&status)?,
        lane: word(&lane)?,
        purpose: word(&purpose)?,
        declared: declared.transpose()?,
        checks: words(&checks)?,
        stages: words(&stages)?,
        metadata,
        images,
        wrapped_key,
        sealed_request,
        traceparent,
        created_at: created_at.0,
        expires_at: expires_at.map(|time| time.0),
    })
}
