//! Accounts and their keys.

use super::time::Time;
use super::{Store, StoreError, word};
use crate::blobs::crypto::{MasterKeys, SealingKey};
use crate::config::Secret;
use crate::ids::AccountId;
use crate::words::{KeyMode, Plan};
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use uuid::Uuid;

#[derive(Debug, Clone)]
pub struct Account {
    pub id: AccountId,
    pub name: String,
}

/// An account as the operator sees it.
#[derive(Debug, Clone)]
pub struct AccountRow {
    pub id: AccountId,
    pub name: String,
    pub plan: Plan,
    /// Its share of the batch lane, against other accounts.
    pub batch_weight: i32,
    /// `Test`: it holds the test data of another.
    pub mode: KeyMode,
    pub created_at: Timestamp,
}

/// Bounds of `accounts.batch_weight`.
pub const BATCH_WEIGHTS: std::ops::RangeInclusive<i64> = 1..=1000;

/// Account keys unwrapped once per process.
pub struct AccountKeys {
    master: MasterKeys,
    unwrapped: Mutex<HashMap<AccountId, SealingKey>>,
}

impl AccountKeys {
    pub(super) fn new(master: MasterKeys) -> Self {
        Self { master, unwrapped: Mutex::default() }
    }

    pub(super) const fn master(&self) -> &MasterKeys {
        &self.master
    }

    fn known(&self, id: AccountId) -> Option<SealingKey> {
        self.unwrapped.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    fn keep(&self, id: AccountId, key: SealingKey) {
        self.unwrapped.lock().unwrap_or_else(PoisonError::into_inner).insert(id, key);
    }
}

/// Of the account of that name (`$1`) and its test twin, with an audit entry by `$3` at `$2`; values are `$4` and on.
macro_rules! set_on_account {
    ($name:literal, $values:literal, $action:literal, $details:literal) => {
        concat!(
            "/* ",
            $name,
            " */ WITH changed AS (
               UPDATE accounts SET ",
            $values,
            " WHERE name = $1 AND live_account_id IS NULL RETURNING id
             ), twin AS (
               UPDATE accounts SET ",
            $values,
            " FROM changed WHERE accounts.live_account_id = changed.id
             ), audited AS (
               INSERT INTO audit (account_id, at, actor, action, details)
               SELECT id, $2, $3, '",
            $action,
            "', ",
            $details,
            " FROM changed
             )
             SELECT count(*) FROM changed"
        )
    };
}
pub(super) use set_on_account;

impl Store {
    pub async fn create_account(
        &self,
        name: &str,
        webhook_secret: &Secret,
        now: Timestamp,
    ) -> Result<Account, StoreError> {
        let plan = Plan::Enterprise;
        let created = self.insert_account(name, webhook_secret, plan, None, now).await?;
        created.ok_or_else(|| StoreError::Exists(format!("account {name}")))
    }

    /// `None`: the name is taken, or the live account has its twin.
    async fn insert_account(
        &self,
        name: &str,
        webhook_secret: &Secret,
        plan: Plan,
        live: Option<AccountId>,
        now: Timestamp,
    ) -> Result<Option<Account>, StoreError> {
        let id = AccountId::generate();
        let (master_key_id, master) = self.keys.master.current()?;
        let (key, wrapped) = master.generate_wrapped(&id.to_string())?;
        let sealed_secret = key.seal(&secret_place(id.uuid()), webhook_secret.reveal().as_bytes())?;
        let created = sqlx::query(
            "/* insert_account */ INSERT INTO accounts
             (id, name, master_key_id, wrapped_key, sealed_webhook_secret, created_at, plan, live_account_id)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
        )
        .bind(id.uuid())
        .bind(name)
        .bind(master_key_id)
        .bind(wrapped)
        .bind(sealed_secret)
        .bind(Time(now))
        .bind(plan.as_str())
        .bind(live.map(AccountId::uuid))
        .execute(&self.pool)
        .await?;
        if created.rows_affected() == 0 {
            return Ok(None);
        }
        self.keys.keep(id, key);
        Ok(Some(Account { id, name: name.to_owned() }))
    }

    /// The account that holds the test data of `live`, created at the first call: apart from live data as
    /// any two accounts are. It signs deliveries with the same secret, so that one receiver serves both.
    pub async fn test_account(&self, live: AccountId, now: Timestamp) -> Result<AccountId, StoreError> {
        if let Some(id) = self.twin(live).await? {
            return Ok(id);
        }
        let (name, plan, sealed): (String, String, Vec<u8>) = sqlx::query_as(
            "/* test_account */ SELECT name, plan, sealed_webhook_secret FROM accounts
             WHERE id = $1 AND live_account_id IS NULL",
        )
        .bind(live.uuid())
        .fetch_one(&self.pool)
        .await?;
        let secret = self.account_key(live).await?.open(&secret_place(live.uuid()), &sealed)?;
        let secret = Secret::new(String::from_utf8_lossy(&secret));
        let name = format!("{name} (test)");
        if let Some(account) = self.insert_account(&name, &secret, word(&plan)?, Some(live), now).await? {
            return Ok(account.id);
        }
        // Another caller was first, or somebody has that name.
        self.twin(live).await?.ok_or_else(|| StoreError::Exists(format!("account {name}")))
    }

    async fn twin(&self, live: AccountId) -> Result<Option<AccountId>, StoreError> {
        let id: Option<Uuid> =
            sqlx::query_scalar("/* twin */ SELECT id FROM accounts WHERE live_account_id = $1")
                .bind(live.uuid())
                .fetch_optional(&self.pool)
                .await?;
        Ok(id.map(AccountId::from_uuid))
    }

    /// Oldest first.
    pub async fn accounts(&self) -> Result<Vec<AccountRow>, StoreError> {
        let rows: Vec<(Uuid, String, String, i32, bool, Time)> = sqlx::query_as(
            "/* accounts */ SELECT id, name, plan, batch_weight, live_account_id IS NOT NULL, created_at
             FROM accounts ORDER BY id",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|(id, name, plan, batch_weight, test, created_at)| {
                let (id, plan) = (AccountId::from_uuid(id), word(&plan)?);
                Ok(AccountRow { id, name, plan, batch_weight, mode: mode(test), created_at: created_at.0 })
            })
            .collect()
    }

    /// For the account of that name and its test twin. False: no such account.
    pub async fn set_plan(
        &self,
        name: &str,
        plan: Plan,
        actor: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (changed,): (i64,) = sqlx::query_as(set_on_account!(
            "set_plan",
            "plan = $4",
            "account.plan_set",
            "jsonb_build_object('plan', $4)"
        ))
        .bind(name)
        .bind(Time(now))
        .bind(actor)
        .bind(plan.as_str())
        .fetch_one(&self.pool)
        .await?;
        Ok(changed == 1)
    }

    /// For the account of that name and its test twin. False: no such account.
    pub async fn set_batch_weight(
        &self,
        name: &str,
        weight: i32,
        actor: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (changed,): (i64,) = sqlx::query_as(set_on_account!(
            "set_batch_weight",
            "batch_weight = $4",
            "account.batch_weight_set",
            "jsonb_build_object('batch_weight', $4)"
        ))
        .bind(name)
        .bind(Time(now))
        .bind(actor)
        .bind(weight)
        .fetch_one(&self.pool)
        .await?;
        Ok(changed == 1)
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
        self.known_account_key(id).await?.ok_or(StoreError::Database(sqlx::Error::RowNotFound))
    }

    /// Of test data: the name of the account whose twin holds it.
    pub async fn account_name(&self, account: AccountId) -> Result<Option<String>, StoreError> {
        let row: Option<(String,)> = sqlx::query_as(
            "/* account_name */ SELECT coalesce(live.name, accounts.name) FROM accounts
             LEFT JOIN accounts AS live ON live.id = accounts.live_account_id WHERE accounts.id = $1",
        )
        .bind(account.uuid())
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|(name,)| name))
    }

    /// For an id that came from outside: `None` where there is no such account.
    pub async fn known_account_key(&self, id: AccountId) -> Result<Option<SealingKey>, StoreError> {
        if let Some(key) = self.keys.known(id) {
            return Ok(Some(key));
        }
        let row: Option<(String, Vec<u8>)> =
            sqlx::query_as("/* account_key */ SELECT master_key_id, wrapped_key FROM accounts WHERE id = $1")
                .bind(id.uuid())
                .fetch_optional(&self.pool)
                .await?;
        let Some((master_key_id, wrapped)) = row else { return Ok(None) };
        let key = self.keys.master.by_id(&master_key_id)?.unwrap_key(&id.to_string(), &wrapped)?;
        self.keys.keep(id, key.clone());
        Ok(Some(key))
    }
}

pub(super) const fn mode(test: bool) -> KeyMode {
    if test { KeyMode::Test } else { KeyMode::Live }
}

/// Where a webhook secret is sealed: the row it belongs to.
pub(super) fn secret_place(row: Uuid) -> String {
    format!("webhook-secret/{row}")
}
