//! API keys: what opens an account, from where, how often and for how long.

use super::accounts::mode;
use super::batch::column;
use super::time::Time;
use super::{Making, Page, Simulation, Store, StoreError, word, words};
use crate::config::Secret;
use crate::ids::{AccountId, KeyId};
use crate::network::Network;
use crate::words::{KeyMode, Permission, Plan};
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use ring::digest::{SHA256, digest};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row as _};
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// Of a key's own text, so many characters help to recognise it.
const HINT_CHARACTERS: usize = 14;

/// What a new key may do.
#[derive(Debug, Clone, Default)]
pub struct NewKey {
    pub name: String,
    pub permissions: Vec<Permission>,
    pub expires_at: Option<Timestamp>,
    /// Empty: from everywhere.
    pub allowed_ips: Vec<Network>,
    /// Calls per minute, besides the account's plan.
    pub rate_limit: Option<u32>,
}

/// A key as it is created; `secret` is shown once and kept nowhere.
#[derive(Debug)]
pub struct ApiKey {
    pub id: KeyId,
    pub secret: Secret,
}

/// What a presented key says about its holder.
#[derive(Debug, Clone)]
pub struct AuthenticatedKey {
    pub id: KeyId,
    pub account_id: AccountId,
    pub permissions: Vec<Permission>,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    pub allowed_ips: Vec<Network>,
    pub rate_limit: Option<u32>,
    pub plan: Plan,
    pub mode: KeyMode,
    /// Faults that the account asked for, perhaps ended.
    pub simulation: Option<Simulation>,
}

/// A key as it is shown.
#[derive(Debug, Clone)]
pub struct KeyRow {
    pub id: KeyId,
    pub account_id: AccountId,
    /// How the key begins.
    pub hint: String,
    pub mode: KeyMode,
    pub terms: NewKey,
    pub created_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
    pub replaced_by: Option<KeyId>,
}

#[derive(Debug)]
pub enum Rotation {
    Made(ApiKey),
    NoSuchKey,
    /// Revoked, expired, or replaced before.
    NotActive,
}

macro_rules! key_rows {
    ($name:literal, $($rest:literal),+) => {
        concat!(
            "/* ",
            $name,
            " */ SELECT k.id, k.account_id, k.hint, a.live_account_id IS NOT NULL, k.name, k.permissions,
               k.expires_at, k.allowed_ips, k.rate_limit, k.created_at, k.revoked_at, k.last_used_at,
               k.replaced_by
             FROM api_keys k JOIN accounts a ON a.id = k.account_id ",
            $($rest),+
        )
    };
}

macro_rules! page_of_keys {
    ($order:literal) => {
        key_rows!(
            "api_keys",
            "WHERE (a.id = $1 OR a.live_account_id = $1) AND k.id > $2 AND k.id < $3 ORDER BY k.id ",
            $order,
            " LIMIT $4"
        )
    };
}

fn key_row(row: &PgRow) -> Result<KeyRow, StoreError> {
    let time = |column: usize| row.try_get::<Option<Time>, _>(column).map(|time| time.map(|time| time.0));
    let terms = NewKey {
        name: row.try_get(4)?,
        permissions: words(&row.try_get::<Vec<String>, _>(5)?)?,
        expires_at: time(6)?,
        allowed_ips: networks(&row.try_get::<Vec<String>, _>(7)?)?,
        rate_limit: rate_limit(row.try_get(8)?),
    };
    Ok(KeyRow {
        id: KeyId::from_uuid(row.try_get(0)?),
        account_id: AccountId::from_uuid(row.try_get(1)?),
        hint: row.try_get(2)?,
        mode: mode(row.try_get(3)?),
        terms,
        created_at: row.try_get::<Time, _>(9)?.0,
        revoked_at: time(10)?,
        last_used_at: time(11)?,
        replaced_by: row.try_get::<Option<Uuid>, _>(12)?.map(KeyId::from_uuid),
    })
}

fn networks(texts: &[String]) -> Result<Vec<Network>, StoreError> {
    let unknown = |error: crate::network::MalformedNetwork| StoreError::Unknown(error.to_string());
    texts.iter().map(|text| Network::of_address_or_network(text).map_err(unknown)).collect()
}

fn rate_limit(stored: Option<i32>) -> Option<u32> {
    stored.and_then(|calls| u32::try_from(calls).ok())
}

impl Store {
    /// `actor`: who makes it, for the audit trail.
    pub async fn create_api_key(
        &self,
        account: AccountId,
        new: &NewKey,
        actor: &str,
        now: Timestamp,
    ) -> Result<ApiKey, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let key = create(&mut transaction, account, new, (actor, now)).await?;
        transaction.commit().await?;
        Ok(key)
    }

    /// Asked of the database each time. The caller judges revocation and expiry: each has its own answer.
    pub async fn api_key(&self, presented: &str) -> Result<Option<AuthenticatedKey>, StoreError> {
        self.batches.api_key.run(hash(presented)).await
    }

    /// Newest first. A live account sees the keys of its test twin among its own.
    pub async fn api_keys(
        &self,
        account: AccountId,
        page: Page<KeyId>,
        limit: i64,
    ) -> Result<Vec<KeyRow>, StoreError> {
        let (newer_than, older_than, backwards) = page.bounds(KeyId::uuid);
        let statement = if backwards { page_of_keys!("ASC") } else { page_of_keys!("DESC") };
        let found = sqlx::query(statement).bind(account.uuid()).bind(newer_than).bind(older_than).bind(limit);
        let found = found.fetch_all(&self.pool).await?;
        let mut rows: Vec<KeyRow> = found.iter().map(key_row).collect::<Result<_, _>>()?;
        if backwards {
            rows.reverse();
        }
        Ok(rows)
    }

    /// As [`Self::api_keys`] would list it.
    pub async fn api_key_of(&self, account: AccountId, id: KeyId) -> Result<Option<KeyRow>, StoreError> {
        let statement = key_rows!("api_key_of", "WHERE k.id = $2 AND (a.id = $1 OR a.live_account_id = $1)");
        let found = sqlx::query(statement).bind(account.uuid()).bind(id.uuid()).fetch_optional(&self.pool);
        found.await?.as_ref().map(key_row).transpose()
    }

    /// False: no such key, or revoked before.
    pub async fn revoke_api_key(&self, id: KeyId, actor: &str, now: Timestamp) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let account: Option<Uuid> = sqlx::query_scalar(
            "/* revoke_api_key */ UPDATE api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL
             RETURNING account_id",
        )
        .bind(id.uuid())
        .bind(Time(now))
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(account) = account else { return Ok(false) };
        audit(&mut transaction, AccountId::from_uuid(account), "key.revoked", id, None, actor, now).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Makes a key of the same terms in the place of `id`, which works on until `grace` is over.
    pub async fn rotate_api_key(
        &self,
        id: KeyId,
        grace: SignedDuration,
        actor: &str,
        now: Timestamp,
    ) -> Result<Rotation, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let rotation = rotate(&mut transaction, id, grace, (actor, now)).await?;
        transaction.commit().await?;
        Ok(rotation)
    }
}

impl Making {
    /// As [`Store::create_api_key`], with how it is shown.
    pub async fn create_api_key(
        &mut self,
        account: AccountId,
        new: &NewKey,
        by: (&str, Timestamp),
    ) -> Result<(KeyRow, Secret), StoreError> {
        let key = create(&mut self.transaction, account, new, by).await?;
        Ok((self.row_of(key.id).await?, key.secret))
    }

    /// As [`Store::rotate_api_key`].
    pub async fn rotate_api_key(
        &mut self,
        id: KeyId,
        grace: SignedDuration,
        by: (&str, Timestamp),
    ) -> Result<Rotation, StoreError> {
        rotate(&mut self.transaction, id, grace, by).await
    }

    /// Of a key that was made here.
    pub async fn row_of(&mut self, id: KeyId) -> Result<KeyRow, StoreError> {
        let statement = key_rows!("row_of", "WHERE k.id = $1");
        key_row(&sqlx::query(statement).bind(id.uuid()).fetch_one(&mut *self.transaction).await?)
    }
}

async fn create(
    transaction: &mut sqlx::PgTransaction<'_>,
    account: AccountId,
    new: &NewKey,
    (actor, now): (&str, Timestamp),
) -> Result<ApiKey, StoreError> {
    let key = insert(transaction, account, new, now).await?;
    audit(transaction, account, "key.created", key.id, None, actor, now).await?;
    Ok(key)
}

async fn rotate(
    transaction: &mut sqlx::PgTransaction<'_>,
    id: KeyId,
    grace: SignedDuration,
    (actor, now): (&str, Timestamp),
) -> Result<Rotation, StoreError> {
    let statement = key_rows!("rotate_api_key", "WHERE k.id = $1 FOR UPDATE OF k");
    let found = sqlx::query(statement).bind(id.uuid()).fetch_optional(&mut **transaction).await?;
    let Some(old) = found.as_ref().map(key_row).transpose()? else { return Ok(Rotation::NoSuchKey) };
    let expired = old.terms.expires_at.is_some_and(|expiry| expiry <= now);
    if expired || old.revoked_at.is_some() || old.replaced_by.is_some() {
        return Ok(Rotation::NotActive);
    }
    let new = insert(transaction, old.account_id, &old.terms, now).await?;
    sqlx::query(
        "/* rotate_api_key */ UPDATE api_keys SET replaced_by = $2, expires_at = least(expires_at, $3)
         WHERE id = $1",
    )
    .bind(id.uuid())
    .bind(new.id.uuid())
    .bind(Time(now.saturating_add(grace).unwrap_or(Timestamp::MAX)))
    .execute(&mut **transaction)
    .await?;
    audit(transaction, old.account_id, "key.rotated", id, Some(new.id), actor, now).await?;
    Ok(Rotation::Made(new))
}

/// A key of a test account looks like one.
async fn insert(
    transaction: &mut sqlx::PgTransaction<'_>,
    account: AccountId,
    new: &NewKey,
    now: Timestamp,
) -> Result<ApiKey, StoreError> {
    let test: bool = sqlx::query_scalar(
        "/* insert_api_key */ SELECT live_account_id IS NOT NULL FROM accounts WHERE id = $1",
    )
    .bind(account.uuid())
    .fetch_one(&mut **transaction)
    .await?;
    let id = KeyId::generate();
    let secret = crate::random_token(if test { "txc_test_" } else { "txc_live_" })?;
    sqlx::query(
        "/* insert_api_key */ INSERT INTO api_keys
         (id, account_id, name, hash, hint, permissions, created_at, expires_at, allowed_ips, rate_limit)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(id.uuid())
    .bind(account.uuid())
    .bind(&new.name)
    .bind(hash(secret.reveal()))
    .bind(secret.reveal().chars().take(HINT_CHARACTERS).collect::<String>())
    .bind(new.permissions.iter().map(|permission| permission.as_str()).collect::<Vec<_>>())
    .bind(Time(now))
    .bind(new.expires_at.map(Time))
    .bind(new.allowed_ips.iter().map(Network::to_string).collect::<Vec<_>>())
    .bind(new.rate_limit.map(|calls| i32::try_from(calls).unwrap_or(i32::MAX)))
    .execute(&mut **transaction)
    .await?;
    Ok(ApiKey { id, secret })
}

async fn audit(
    transaction: &mut sqlx::PgTransaction<'_>,
    account: AccountId,
    action: &'static str,
    key: KeyId,
    replaced_by: Option<KeyId>,
    actor: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "/* audit_key */ INSERT INTO audit (account_id, at, actor, action, details)
         VALUES ($1, $2, $3, $4, jsonb_strip_nulls(jsonb_build_object('key', $5, 'replaced_by', $6)))",
    )
    .bind(account.uuid())
    .bind(Time(now))
    .bind(actor)
    .bind(action)
    .bind(key.to_string())
    .bind(replaced_by.map(|id| id.to_string()))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

pub(super) fn authenticate(
    pool: PgPool,
    rows: Vec<Arc<Vec<u8>>>,
) -> BoxFuture<'static, Result<Vec<Option<AuthenticatedKey>>, StoreError>> {
    Box::pin(async move {
        let found = sqlx::query(
            "/* authenticate */ SELECT k.hash, k.id, k.account_id, k.permissions, k.expires_at, k.revoked_at,
               k.allowed_ips, k.rate_limit, a.plan, a.live_account_id IS NOT NULL, a.simulated_until,
               a.simulated_delay_ms, a.simulated_status, a.simulated_duplicates
             FROM api_keys k JOIN accounts a ON a.id = k.account_id WHERE k.hash = ANY ($1)",
        )
        .bind(column(&rows, |hash| hash.as_slice()))
        .fetch_all(&pool)
        .await?;
        let mut keys = HashMap::with_capacity(found.len());
        for row in &found {
            let time =
                |column: usize| row.try_get::<Option<Time>, _>(column).map(|time| time.map(|time| time.0));
            let key = AuthenticatedKey {
                id: KeyId::from_uuid(row.try_get(1)?),
                account_id: AccountId::from_uuid(row.try_get(2)?),
                permissions: words(&row.try_get::<Vec<String>, _>(3)?)?,
                expires_at: time(4)?,
                revoked_at: time(5)?,
                allowed_ips: networks(&row.try_get::<Vec<String>, _>(6)?)?,
                rate_limit: rate_limit(row.try_get(7)?),
                plan: word(&row.try_get::<String, _>(8)?)?,
                mode: mode(row.try_get(9)?),
                simulation: Simulation::of(
                    row.try_get(10)?,
                    row.try_get(11)?,
                    row.try_get(12)?,
                    row.try_get(13)?,
                ),
            };
            keys.insert(row.try_get::<Vec<u8>, _>(0)?, key);
        }
        Ok(column(&rows, |hash| keys.get(hash).cloned()))
    })
}

/// A key is 256 random bits, so a plain hash cannot be guessed back.
fn hash(key: &str) -> Vec<u8> {
    digest(&SHA256, key.as_bytes()).as_ref().to_vec()
}
