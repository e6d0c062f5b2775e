//! Acceptance: a verification with everything that follows from it, in one statement.

use super::batch::column;
use super::idempotency::{Claim, SealedAnswer};
use super::time::Time;
use super::{Store, StoreError};
use crate::api::ImageInfo;
use crate::ids::{AccountId, SessionId, VerificationId};
use crate::words::{Check, DocumentType, Lane, Purpose, Stage};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sqlx::PgPool;
use std::sync::Arc;
use uuid::Uuid;

/// What acceptance writes in one transaction.
#[derive(Debug, Clone)]
pub struct Acceptance {
    pub id: VerificationId,
    pub account_id: AccountId,
    pub lane: Lane,
    pub purpose: Purpose,
    pub declared: Option<Declared>,
    pub checks: Vec<Check>,
    pub stages: Vec<Stage>,
    pub metadata: Map<String, Value>,
    pub images: Vec<ImageInfo>,
    pub wrapped_key: Vec<u8>,
    pub sealed_request: Vec<u8>,
    pub traceparent: Option<String>,
    pub created_at: Timestamp,
    /// The verification that this one tries again.
    pub retry_of: Option<VerificationId>,
    /// For the audit trail, such as a key id.
    pub actor: String,
    /// The request may be sent again; nothing is accepted where it was before.
    pub claim: Option<Claim>,
    /// The answer to the claim, where it is known already.
    pub answer: Option<SealedAnswer>,
    /// The session that this completes; nothing is accepted where it was completed before.
    pub session_id: Option<SessionId>,
    /// Where the account has no times of its own.
    pub retention: Retention,
}

/// How long something is kept, in seconds; `None`: for good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    pub images_s: Option<i64>,
    pub data_s: Option<i64>,
}

/// What the caller says the document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// ISO 3166-1 alpha-2
    pub country: String,
    pub document_type: DocumentType,
}

impl Store {
    /// Verification, outbox row, audit entry, and what it claims or completes: all or nothing.
    /// False: the claim was made or the session completed before; nothing was written.
    pub async fn accept(&self, acceptance: &Acceptance) -> Result<bool, StoreError> {
        self.batches.accept.run(acceptance.clone()).await
    }
}

pub(super) fn accept(
    pool: PgPool,
    rows: Vec<Arc<Acceptance>>,
) -> BoxFuture<'static, Result<Vec<bool>, StoreError>> {
    Box::pin(async move {
        // Most requests have no idempotency key, so that the columns of claims are short or empty.
        let claims: Vec<(&Acceptance, &Claim)> =
            rows.iter().filter_map(|row| Some((&**row, row.claim.as_ref()?))).collect();
        let accepted: Vec<(Uuid,)> = sqlx::query_as(
            "/* accept */ WITH given AS (
               SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[],
                   $7::text[], $8::text[], $9::text[], $10::bytea[], $11::bytea[], $12::text[],
                   $13::timestamptz[], $14::text[], $15::text[], $16::uuid[], $17::text[], $18::uuid[],
                   $28::bigint[], $29::bigint[])
                 AS given (id, account_id, lane, country, document_type, checks, stages, metadata, images,
                   wrapped_key, sealed_request, traceparent, at, actor, details, retry_of, purpose, session_id,
                   data_s, images_s)
             ), claiming AS (
               SELECT * FROM unnest($19::uuid[], $20::uuid[], $21::text[], $22::text[], $23::bytea[], $24::text[],
                   $25::timestamptz[], $26::integer[], $27::bytea[])
                 AS claiming (id, key_id, endpoint, key, fingerprint, request_id, expires_at, status_code, answer)
             ), claimed AS (
               INSERT INTO idempotency AS before
                 (key_id, endpoint, key, fingerprint, request_id, verification_id, status_code, sealed_answer,
                  expires_at)
               SELECT claiming.key_id, claiming.endpoint, claiming.key, claiming.fingerprint,
                 claiming.request_id, claiming.id, claiming.status_code, claiming.answer, claiming.expires_at
               FROM claiming
               ON CONFLICT (key_id, endpoint, key) DO UPDATE SET fingerprint = excluded.fingerprint,
                 request_id = excluded.request_id, verification_id = excluded.verification_id,
                 status_code = excluded.status_code, sealed_answer = excluded.sealed_answer,
                 expires_at = excluded.expires_at
               -- Expired; the new one lasts a day, and so the old one ended a day before it does.
               WHERE before.expires_at <= excluded.expires_at - interval '1 day'
               RETURNING verification_id
             ), completed AS (
               UPDATE sessions SET status = 'completed', completed_at = given.at, wrapped_key = NULL
               FROM given WHERE sessions.id = given.session_id AND sessions.status = 'ready'
               RETURNING sessions.id
             ), admitted AS (
               SELECT * FROM given
               WHERE (id NOT IN (SELECT id FROM claiming) OR id IN (SELECT verification_id FROM claimed))
                 AND (session_id IS NULL OR session_id IN (SELECT id FROM completed))
             ), accepted AS (
               INSERT INTO verifications (id, account_id, status, lane, country, document_type, checks, stages,
                 metadata, images, wrapped_key, sealed_request, traceparent, created_at, enqueued_at, retry_of,
                 purpose, expires_at, images_expire_at)
               SELECT admitted.id, account_id, 'pending', lane, country, document_type,
                 string_to_array(checks, ','), string_to_array(stages, ','), metadata::jsonb, images::jsonb,
                 admitted.wrapped_key, sealed_request, traceparent, at, at, retry_of, purpose,
                 at + CASE purpose WHEN 'verification' THEN coalesce(accounts.retain_data_s, admitted.data_s)
                   ELSE admitted.data_s END * interval '1 second',
                 at + coalesce(accounts.retain_images_s, admitted.images_s) * interval '1 second'
               FROM admitted JOIN accounts ON accounts.id = admitted.account_id
             ), queued AS (
               INSERT INTO outbox (verification_id, stages, lane, traceparent, created_at, not_before)
               SELECT id, string_to_array(stages, ','), lane, traceparent, at, at FROM admitted
             ), audited AS (
               INSERT INTO audit (account_id, verification_id, at, actor, action, details)
               SELECT account_id, id, at, actor, purpose || '.accepted', details::jsonb FROM admitted
             )
             SELECT id FROM admitted",
        )
        .bind(column(&rows, |row| row.id.uuid()))
        .bind(column(&rows, |row| row.account_id.uuid()))
        .bind(column(&rows, |row| row.lane.as_str()))
        .bind(column(&rows, |row| row.declared.as_ref().map(|declared| declared.country.as_str())))
        .bind(column(&rows, |row| row.declared.as_ref().map(|declared| declared.document_type.as_str())))
        .bind(column(&rows, |row| list(row.checks.iter().map(|check| check.as_str()))))
        .bind(column(&rows, |row| list(row.stages.iter().map(|stage| stage.as_str()))))
        .bind(column(&rows, |row| json!(row.metadata).to_string()))
        .bind(column(&rows, |row| json!(row.images).to_string()))
        .bind(column(&rows, |row| row.wrapped_key.as_slice()))
        .bind(column(&rows, |row| row.sealed_request.as_slice()))
        .bind(column(&rows, |row| row.traceparent.as_deref()))
        .bind(column(&rows, |row| Time(row.created_at)))
        .bind(column(&rows, |row| row.actor.as_str()))
        .bind(column(&rows, |row| json!({ "checks": row.checks, "images": row.images.len() }).to_string()))
        .bind(column(&rows, |row| row.retry_of.map(VerificationId::uuid)))
        .bind(column(&rows, |row| row.purpose.as_str()))
        .bind(column(&rows, |row| row.session_id.map(SessionId::uuid)))
        .bind(claims.iter().map(|(row, _)| row.id.uuid()).collect::<Vec<_>>())
        .bind(claims.iter().map(|(_, claim)| claim.key_id.uuid()).collect::<Vec<_>>())
        .bind(claims.iter().map(|(_, claim)| claim.endpoint).collect::<Vec<_>>())
        .bind(claims.iter().map(|(_, claim)| claim.key.as_str()).collect::<Vec<_>>())
        .bind(claims.iter().map(|(_, claim)| claim.fingerprint.as_slice()).collect::<Vec<_>>())
        .bind(claims.iter().map(|(_, claim)| claim.request_id.as_str()).collect::<Vec<_>>())
        .bind(claims.iter().map(|(_, claim)| Time(claim.expires_at)).collect::<Vec<_>>())
        .bind(claims.iter().map(|(row, _)| row.answer.as_ref().map(|a| i32::from(a.status_code))).collect::<Vec<_>>())
        .bind(claims.iter().map(|(row, _)| row.answer.as_ref().map(|a| a.body.as_slice())).collect::<Vec<_>>())
        .bind(column(&rows, |row| row.retention.data_s))
        .bind(column(&rows, |row| row.retention.images_s))
        .fetch_all(&pool)
        .await?;
        Ok(column(&rows, |row| accepted.contains(&(row.id.uuid(),))))
    })
}

/// Arrays of arrays are not what `unnest` takes apart, so a row's own list travels as one text. Our words
/// have no commas.
fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(",")
}
