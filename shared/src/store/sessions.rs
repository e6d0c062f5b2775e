//! Sessions: a phone uploads picture by picture with a token of its own; completing one makes a verification.

use super::acceptance::Declared;
use super::time::Time;
use super::verifications::OutgoingEvent;
use super::{Making, Store, StoreError, word, words};
use crate::api::ImageInfo;
use crate::ids::{AccountId, KeyId, SessionId, VerificationId};
use crate::words::{Check, DocumentType, SessionStatus};
use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value, json};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

#[derive(Debug, Clone)]
pub struct Session {
    pub id: SessionId,
    pub account_id: AccountId,
    /// Whose key made it.
    pub key_id: KeyId,
    /// What it becomes when it is completed; uploads lie in its place from the beginning.
    pub verification_id: VerificationId,
    /// Of that verification; `None` once it was handed over, or the session expired.
    pub wrapped_key: Option<Vec<u8>>,
    pub status: SessionStatus,
    pub declared: Declared,
    pub checks: Vec<Check>,
    pub metadata: Map<String, Value>,
    pub images: Vec<ImageInfo>,
    pub sealed_request: Vec<u8>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub completed_at: Option<Timestamp>,
}

impl Session {
    /// Whether pictures are still taken.
    pub fn is_open(&self, now: Timestamp) -> bool {
        matches!(self.status, SessionStatus::Pending | SessionStatus::Ready) && now < self.expires_at
    }
}

/// A session that nobody else changes until this is dropped or the upload is on record.
pub struct Upload {
    transaction: sqlx::Transaction<'static, sqlx::Postgres>,
    pub session: Session,
}

impl Upload {
    /// The picture is stored: it takes the place of an earlier one of its role.
    pub async fn stored(mut self, picture: ImageInfo, status: SessionStatus) -> Result<Session, StoreError> {
        self.session.images.retain(|image| image.image != picture.image);
        self.session.images.push(picture);
        self.session.images.sort_by_key(|image| image.image);
        self.session.status = status;
        sqlx::query("/* stored */ UPDATE sessions SET images = $2, status = $3 WHERE id = $1")
            .bind(self.session.id.uuid())
            .bind(json!(self.session.images))
            .bind(status.as_str())
            .execute(&mut *self.transaction)
            .await?;
        self.transaction.commit().await?;
        Ok(self.session)
    }
}

macro_rules! select_sessions {
    ($name:literal, $where:literal) => {
        concat!(
            "/* ",
            $name,
            " */ SELECT id, account_id, key_id, verification_id, wrapped_key, status, country, document_type, checks,
               metadata, images, sealed_request, created_at, expires_at, completed_at FROM sessions WHERE ",
            $where
        )
    };
}

impl Store {
    /// Scoped to the account: another account's id does not exist.
    pub async fn session(&self, account: AccountId, id: SessionId) -> Result<Option<Session>, StoreError> {
        let query = sqlx::query(select_sessions!("session", "id = $1 AND account_id = $2"));
        let row = query.bind(id.uuid()).bind(account.uuid()).fetch_optional(&self.pool).await?;
        row.map(|row| session(&row)).transpose()
    }

    /// The session of a client token.
    pub async fn session_of_token(&self, client_token: &str) -> Result<Option<Session>, StoreError> {
        let query = sqlx::query(select_sessions!("session_of_token", "token_hash = $1"));
        let row = query.bind(token_hash(client_token)).fetch_optional(&self.pool).await?;
        row.map(|row| session(&row)).transpose()
    }

    /// Begins an upload: two for one session come one after the other, and none overlaps its completion.
    pub async fn upload(&self, id: SessionId) -> Result<Option<Upload>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let query = sqlx::query(select_sessions!("upload", "id = $1 FOR UPDATE"));
        let row = query.bind(id.uuid()).fetch_optional(&mut *transaction as &mut PgConnection).await?;
        let session = row.map(|row| session(&row)).transpose()?;
        Ok(session.map(|session| Upload { transaction, session }))
    }

    /// Open sessions whose time is up, behind `after`, `limit` at most.
    pub async fn overdue_sessions(
        &self,
        now: Timestamp,
        after: (Timestamp, SessionId),
        limit: i64,
    ) -> Result<Vec<Session>, StoreError> {
        let query = sqlx::query(select_sessions!(
            "overdue_sessions",
            "status IN ('pending', 'ready') AND expires_at <= $1 AND (expires_at, id) > ($2, $3)
             ORDER BY expires_at, id LIMIT $4"
        ));
        let query = query.bind(Time(now)).bind(Time(after.0)).bind(after.1.uuid()).bind(limit);
        let rows = query.fetch_all(&self.pool).await?;
        rows.iter().map(session).collect()
    }

    /// Ends a session: its key is destroyed, and with it what was uploaded, which remains to be removed; `event`
    /// goes to the account's endpoints and to the session's own address. False: it was completed, or another was faster.
    pub async fn expire_session(
        &self,
        session: &Session,
        event: &OutgoingEvent,
        webhook_url: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (expired,): (i64,) = sqlx::query_as(
            "/* expire_session */ WITH expired AS (
               UPDATE sessions SET status = 'expired', wrapped_key = NULL, images = '[]', sealed_request = '',
                 remains = true
               WHERE id = $1 AND status IN ('pending', 'ready')
               RETURNING id, account_id, verification_id
             ), told AS (
               INSERT INTO events (id, account_id, type, sealed_body, created_at)
               SELECT $2, account_id, $3, $4, $5 FROM expired RETURNING id, account_id, type
             ), subscribed AS (
               INSERT INTO deliveries (id, event_id, endpoint_id, url, state, due_at, created_at)
               SELECT gen_random_uuid(), told.id, endpoints.id, endpoints.url, 'pending', $5, $5
               FROM told JOIN endpoints ON endpoints.account_id = told.account_id
               WHERE endpoints.enabled AND told.type = ANY (endpoints.events)
             ), requested AS (
               INSERT INTO deliveries (id, event_id, endpoint_id, url, state, due_at, created_at)
               SELECT gen_random_uuid(), told.id, NULL, $6, 'pending', $5, $5 FROM told WHERE $6 IS NOT NULL
             ), audited AS (
               INSERT INTO audit (account_id, verification_id, at, actor, action, details)
               SELECT account_id, verification_id, $5, 'sweeper', 'session.expired',
                 jsonb_build_object('session', $7::text)
               FROM expired
             )
             SELECT count(*) FROM expired",
        )
        .bind(session.id.uuid())
        .bind(event.id.uuid())
        .bind(event.event_type.as_str())
        .bind(event.sealed_body.as_slice())
        .bind(Time(now))
        .bind(webhook_url)
        .bind(session.id.to_string())
        .fetch_one(&self.pool)
        .await?;
        Ok(expired == 1)
    }
}

impl Making {
    /// `client_token` is shown once and kept as a hash.
    pub async fn create_session(&mut self, session: &Session, client_token: &str) -> Result<(), StoreError> {
        self.erased_with = Some(session.verification_id);
        sqlx::query(
            "/* create_session */ WITH created AS (
               INSERT INTO sessions (id, account_id, key_id, verification_id, wrapped_key, status, country,
                 document_type, checks, metadata, images, sealed_request, created_at, expires_at, token_hash)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, '[]', $11, $12, $13, $14)
             )
             INSERT INTO audit (account_id, verification_id, at, actor, action, details)
             VALUES ($2, $4, $12, $15, 'session.created', jsonb_build_object('session', $16::text))",
        )
        .bind(session.id.uuid())
        .bind(session.account_id.uuid())
        .bind(session.key_id.uuid())
        .bind(session.verification_id.uuid())
        .bind(&session.wrapped_key)
        .bind(session.status.as_str())
        .bind(&session.declared.country)
        .bind(session.declared.document_type.as_str())
        .bind(session.checks.iter().map(|check| check.as_str()).collect::<Vec<_>>())
        .bind(json!(session.metadata))
        .bind(&session.sealed_request)
        .bind(Time(session.created_at))
        .bind(Time(session.expires_at))
        .bind(token_hash(client_token))
        .bind(session.key_id.to_string())
        .bind(session.id.to_string())
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }
}

/// A token is 256 random bits, so a plain hash cannot be guessed back.
fn token_hash(client_token: &str) -> Vec<u8> {
    digest(&SHA256, client_token.as_bytes()).as_ref().to_vec()
}

/// In the order of the columns in `select_sessions`.
fn session(row: &PgRow) -> Result<Session, StoreError> {
    let status: SessionStatus = word(row.try_get(5)?)?;
    let document_type: DocumentType = word(row.try_get(7)?)?;
    Ok(Session {
        id: SessionId::from_uuid(row.try_get(0)?),
        account_id: AccountId::from_uuid(row.try_get(1)?),
        key_id: KeyId::from_uuid(row.try_get(2)?),
        verification_id: VerificationId::from_uuid(row.try_get::<Uuid, _>(3)?),
        wrapped_key: row.try_get(4)?,
        status,
        declared: Declared { country: row.try_get(6)?, document_type },
        checks: words(&row.try_get::<Vec<String>, _>(8)?)?,
        metadata: row.try_get::<Json<Map<String, Value>>, _>(9)?.0,
        images: row.try_get::<Json<Vec<ImageInfo>>, _>(10)?.0,
        sealed_request: row.try_get(11)?,
        created_at: row.try_get::<Time, _>(12)?.0,
        expires_at: row.try_get::<Time, _>(13)?.0,
        completed_at: row.try_get::<Option<Time>, _>(14)?.map(|time| time.0),
    })
}
