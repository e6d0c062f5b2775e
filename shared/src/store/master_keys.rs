//! Account keys under master keys: how many are under which, and the way from an old one to the current one.

use super::time::Time;
use super::{Store, StoreError};
use crate::blobs::crypto::CryptoError;
use crate::ids::AccountId;
use jiff::Timestamp;
use std::collections::BTreeMap;
use uuid::Uuid;

/// How the account keys of an installation are wrapped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountKeysReport {
    /// Under the current master key, and it opens them.
    pub current: usize,
    /// By the id of another master key that is configured.
    pub older: BTreeMap<String, usize>,
    /// By an id that no configured master key has.
    pub unknown: BTreeMap<String, usize>,
    /// The key of that id does not open them.
    pub unreadable: usize,
}

/// What one step did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rewrapped {
    pub done: usize,
    /// Their master key is not configured, or is another than it was.
    pub unreadable: usize,
    /// The next step begins behind it; `None`: there are no more.
    pub last: Option<AccountId>,
}

type Wrapped = (Uuid, String, Vec<u8>);

impl Store {
    /// Opens every account key once.
    pub async fn inspect_account_keys(&self) -> Result<AccountKeysReport, StoreError> {
        let rows: Vec<Wrapped> = sqlx::query_as(
            "/* inspect_account_keys */ SELECT id, master_key_id, wrapped_key FROM accounts ORDER BY id",
        )
        .fetch_all(&self.pool)
        .await?;
        let (current, _) = self.keys.master().current()?;
        let mut report = AccountKeysReport::default();
        for (id, under, wrapped) in rows {
            let place = AccountId::from_uuid(id).to_string();
            match self.keys.master().by_id(&under).map(|key| key.unwrap_key(&place, &wrapped)) {
                Err(_) => *report.unknown.entry(under).or_default() += 1,
                Ok(Err(_)) => report.unreadable += 1,
                Ok(Ok(_)) if under == current => report.current += 1,
                Ok(Ok(_)) => *report.older.entry(under).or_default() += 1,
            }
        }
        Ok(report)
    }

    /// With the wrong master keys a process would say that it is ready and answer every call with an error. Single
    /// account keys that do not open are those accounts' trouble: the others go on.
    pub async fn check_account_keys(&self) -> Result<(), StoreError> {
        let found = self.inspect_account_keys().await?;
        let opened = found.current + found.older.values().sum::<usize>();
        let closed = found.unreadable + found.unknown.values().sum::<usize>();
        if closed > 0 && opened == 0 {
            return Err(StoreError::WrongMasterKeys(closed));
        }
        if closed > 0 {
            tracing::error!(closed, opened, "account keys that keys.master does not open: run `txid doctor`");
        }
        Ok(())
    }

    /// Up to `limit` account keys behind `after` that are under another master key than the current one are wrapped
    /// under that one, in one transaction. The keys themselves stay, so that whoever holds them goes on; whoever reads
    /// a row before or after finds the id of the key that opens it beside it.
    pub async fn rewrap_account_keys(
        &self,
        after: Option<AccountId>,
        limit: i64,
        actor: &str,
        now: Timestamp,
    ) -> Result<Rewrapped, StoreError> {
        let (current, _) = self.keys.master().current()?;
        let rows: Vec<Wrapped> = sqlx::query_as(
            "/* rewrap_account_keys */ SELECT id, master_key_id, wrapped_key FROM accounts
             WHERE master_key_id <> $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3",
        )
        .bind(current)
        .bind(after.map(AccountId::uuid))
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        let mut step =
            Rewrapped { last: rows.last().map(|row| AccountId::from_uuid(row.0)), ..Rewrapped::default() };
        let (mut ids, mut before, mut wrapped) = (Vec::new(), Vec::new(), Vec::new());
        for (id, under, old) in rows {
            let account = AccountId::from_uuid(id);
            match self.keys.master().rewrap(&account.to_string(), &under, &old) {
                Ok(new) => {
                    ids.push(id);
                    before.push(old);
                    wrapped.push(new);
                }
                Err(error @ (CryptoError::UnknownMasterKey(_) | CryptoError::Unreadable)) => {
                    tracing::error!(account.id = %account, %error, "an account key cannot be opened");
                    step.unreadable += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
        let (done,): (i64,) = sqlx::query_as(
            "/* rewrap_account_keys */ WITH given AS (
               SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS given (id, before, wrapped)
             ), done AS (
               UPDATE accounts SET master_key_id = $4, wrapped_key = given.wrapped
               -- Of two who do this at once, one.
               FROM given WHERE accounts.id = given.id AND accounts.wrapped_key = given.before
               RETURNING accounts.id
             ), audited AS (
               INSERT INTO audit (account_id, at, actor, action, details)
               SELECT id, $5, $6, 'account.key_rewrapped', jsonb_build_object('master_key', $4) FROM done
             )
             SELECT count(*) FROM done",
        )
        .bind(&ids)
        .bind(&before)
        .bind(&wrapped)
        .bind(current)
        .bind(Time(now))
        .bind(actor)
        .fetch_one(&self.pool)
        .await?;
        step.done = usize::try_from(done).unwrap_or_default();
        Ok(step)
    }
}
