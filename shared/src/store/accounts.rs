//! Accounts and their keys.

use super::batch::column;
use super::time::Time;
use super::{Store, StoreError, words};
use crate::blobs::crypto::{MasterKeys, SealingKey};
use crate::config::Secret;
use crate::ids::{AccountId, KeyId};
use crate::words::Permission;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use sqlx::PgPool;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

#[derive(Debug, Clone)]
pub struct Account {
    pub id: AccountId,
    pub name: String,
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
}

/// Account keys unwrapped once per process.
pub struct AccountKeys {
    master: MasterKeys,
    unwrapped: Mutex<HashMap<AccountId, SealingKey>>,
}

impl AccountKeys {
    pub(super) fn new(master: MasterKeys) -> Self {
        Self { master, unwrapped: Mutex::default() }
    }

    fn known(&self, id: AccountId) -> Option<SealingKey> {
        self.unwrapped.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    fn keep(&self, id: AccountId, key: SealingKey) {
        self.unwrapped.lock().unwrap_or_else(PoisonError::into_inner).insert(id, key);
    }
}

impl Store {
    pub async fn create_account(
        &self,
        name: &str,
        webhook_secret: &Secret,
        now: Timestamp,
    ) -> Result<Account, StoreError> {
        let id = AccountId::generate();
        let (master_key_id, master) = self.keys.master.current()?;
        let (key, wrapped) = master.generate_wrapped(&id.to_string())?;
        let sealed_secret = key.seal(&secret_place(id.uuid()), webhook_secret.reveal().as_bytes())?;
        let created = sqlx::query(
            "/* create_account */ INSERT INTO accounts
             (id, name, master_key_id, wrapped_key, sealed_webhook_secret, created_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name) DO NOTHING",
        )
        .bind(id.uuid())
        .bind(name)
        .bind(master_key_id)
        .bind(wrapped)
        .bind(sealed_secret)
        .bind(Time(now))
        .execute(&self.pool)
        .await?;
        if created.rows_affected() == 0 {
            return Err(StoreError::Exists(format!("account {name}")));
        }
        self.keys.keep(id, key);
        Ok(Account { id, name: name.to_owned() })
    }

    pub async fn account_by_name(&self, name: &str) -> Result<Option<Account>, StoreError> {
        let row: Option<(Uuid, String)> =
            sqlx::query_as("/* account_by_name */ SELECT id, name FROM accounts WHERE name = $1")
                .bind(name)
                .fetch_optional(&self.pool)
                .await?;
        Ok(row.map(|(id, name)| Account { id: AccountId::from_uuid(id), name }))
    }

    pub async fn account_key(&self, id: AccountId) -> Result<SealingKey, StoreError> {
        if let Some(key) = self.keys.known(id) {
            return Ok(key);
        }
        let (master_key_id, wrapped): (String, Vec<u8>) =
            sqlx::query_as("/* account_key */ SELECT master_key_id, wrapped_key FROM accounts WHERE id = $1")
                .bind(id.uuid())
                .fetch_one(&self.pool)
                .await?;
        let key = self.keys.master.by_id(&master_key_id)?.unwrap_key(&id.to_string(), &wrapped)?;
        self.keys.keep(id, key.clone());
        Ok(key)
    }

    pub async fn create_api_key(
        &self,
        account: AccountId,
        name: &str,
        permissions: &[Permission],
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<ApiKey, StoreError> {
        let id = KeyId::generate();
        let secret = crate::random_token("txc_live_")?;
        sqlx::query(
            "/* create_api_key */ INSERT INTO api_keys
             (id, account_id, name, hash, hint, permissions, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(id.uuid())
        .bind(account.uuid())
        .bind(name)
        .bind(hash(secret.reveal()))
        .bind(secret.reveal().chars().take(14).collect::<String>())
        .bind(permissions.iter().map(|p| p.as_str()).collect::<Vec<_>>())
        .bind(Time(now))
        .bind(expires_at.map(Time))
        .execute(&self.pool)
        .await?;
        Ok(ApiKey { id, secret })
    }

    /// Asked of the database each time. The caller judges revocation and expiry: each has its own answer.
    pub async fn api_key(&self, presented: &str) -> Result<Option<AuthenticatedKey>, StoreError> {
        self.batches.api_key.run(hash(presented)).await
    }

    /// False: no such key, or revoked before.
    pub async fn revoke_api_key(&self, id: KeyId, now: Timestamp) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "/* revoke_api_key */ UPDATE api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL",
        )
        .bind(id.uuid())
        .bind(Time(now))
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

pub(super) fn api_keys(
    pool: PgPool,
    rows: Vec<Arc<Vec<u8>>>,
) -> BoxFuture<'static, Result<Vec<Option<AuthenticatedKey>>, StoreError>> {
    type Row = (Vec<u8>, Uuid, Uuid, Vec<String>, Option<Time>, Option<Time>);
    Box::pin(async move {
        let found: Vec<Row> = sqlx::query_as(
            "/* api_keys */ SELECT hash, id, account_id, permissions, expires_at, revoked_at
             FROM api_keys WHERE hash = ANY ($1)",
        )
        .bind(column(&rows, |hash| hash.as_slice()))
        .fetch_all(&pool)
        .await?;
        let mut keys = HashMap::with_capacity(found.len());
        for (hash, id, account, permissions, expires_at, revoked_at) in found {
            let key = AuthenticatedKey {
                id: KeyId::from_uuid(id),
                account_id: AccountId::from_uuid(account),
                permissions: words(&permissions)?,
                expires_at: expires_at.map(|time| time.0),
                revoked_at: revoked_at.map(|time| time.0),
            };
            keys.insert(hash, key);
        }
        Ok(column(&rows, |hash| keys.get(hash).cloned()))
    })
}

/// A key is 256 random bits, so a plain hash cannot be guessed back.
fn hash(key: &str) -> Vec<u8> {
    digest(&SHA256, key.as_bytes()).as_ref().to_vec()
}

/// Where a webhook secret is sealed: the row it belongs to.
pub(super) fn secret_place(row: Uuid) -> String {
    format!("webhook-secret/{row}")
}
