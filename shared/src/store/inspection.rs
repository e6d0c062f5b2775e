//! What the database says about itself, for `txid doctor`. Nothing is changed.

use super::time::Time;
use super::{MIGRATIONS, Store, StoreError, single_connection};
use crate::config;
use crate::ids::{AccountId, VerificationId};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

#[derive(Debug, Clone)]
pub struct DatabaseReport {
    /// Such as `15.3 (Debian 15.3-1)`.
    pub version: String,
    /// Such as `150003`.
    pub version_number: i32,
    /// A standby takes no writes.
    pub is_standby: bool,
    /// False for either: what was accepted may be lost by a power cut.
    pub fsync: bool,
    pub synchronous_commit: bool,
    /// How far the server's clock is ahead of this process's.
    pub clock_ahead: SignedDuration,
    pub migrations: Migrations,
}

/// This version's migrations against those of the schema, by number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Migrations {
    /// Of this version.
    pub known: usize,
    pub missing: Vec<i64>,
    /// Begun and not ended.
    pub failed: Vec<i64>,
    /// Of a newer version.
    pub newer: Vec<i64>,
    /// Applied with another text than this version's.
    pub different: Vec<i64>,
}

/// Version, whether it went well, and its checksum.
type Applied = (i64, bool, Vec<u8>);

impl Migrations {
    fn compared(applied: &[Applied]) -> Self {
        let known: Vec<_> = MIGRATIONS.iter().collect();
        let found = |version: i64| applied.iter().find(|(number, ..)| *number == version);
        let numbers = |wanted: &dyn Fn(&Applied) -> bool| -> Vec<i64> {
            applied.iter().filter(|row| wanted(row)).map(|(number, ..)| *number).collect()
        };
        Self {
            known: known.len(),
            missing: known.iter().map(|m| m.version).filter(|version| found(*version).is_none()).collect(),
            failed: numbers(&|(_, success, _)| !success),
            newer: numbers(&|(number, ..)| known.iter().all(|m| m.version != *number)),
            different: numbers(&|(number, _, checksum)| {
                known.iter().any(|m| m.version == *number && *m.checksum != **checksum)
            }),
        }
    }
}

/// Connects by itself, so that it tells also of a database that was never migrated.
pub async fn inspect_database(settings: &config::Database) -> Result<DatabaseReport, StoreError> {
    let pool = single_connection(settings).await?;
    let before = Timestamp::now();
    let (version, version_number, is_standby, fsync, committed, clock): (String, i32, bool, bool, bool, Time) =
        sqlx::query_as(
            "/* inspect_database */ SELECT current_setting('server_version'),
               current_setting('server_version_num')::int, pg_is_in_recovery(), current_setting('fsync')::bool,
               current_setting('synchronous_commit') <> 'off', clock_timestamp()",
        )
        .fetch_one(&pool)
        .await?;
    let asked_for = Timestamp::now().duration_since(before);
    let applied: Vec<Applied> = if has_migrations(&pool).await? {
        sqlx::query_as(
            "/* inspect_database */ SELECT version, success, checksum FROM _sqlx_migrations ORDER BY 1",
        )
        .fetch_all(&pool)
        .await?
    } else {
        Vec::new()
    };
    pool.close().await;
    Ok(DatabaseReport {
        version,
        version_number,
        is_standby,
        fsync,
        synchronous_commit: committed,
        // Asked half way between both.
        clock_ahead: clock.0.duration_since(before) - asked_for / 2,
        migrations: Migrations::compared(&applied),
    })
}

async fn has_migrations(pool: &sqlx::PgPool) -> Result<bool, StoreError> {
    let (there,): (bool,) =
        sqlx::query_as("/* has_migrations */ SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
            .fetch_one(pool)
            .await?;
    Ok(there)
}

/// Whether what the newest rows are sealed under opens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DataKeys {
    pub looked_at: usize,
    /// Their half in the object store is gone.
    pub without_share: usize,
    /// Wrong account key, or damaged.
    pub unreadable: usize,
}

impl Store {
    /// Of the newest `limit` verifications that were not erased.
    pub async fn inspect_data_keys(&self, limit: i64) -> Result<DataKeys, StoreError> {
        let rows: Vec<(Uuid, Uuid, Vec<u8>)> = sqlx::query_as(
            "/* inspect_data_keys */ SELECT account_id, id, wrapped_key FROM verifications
             WHERE erased_at IS NULL AND wrapped_key IS NOT NULL ORDER BY id DESC LIMIT $1",
        )
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        let mut found = DataKeys { looked_at: rows.len(), ..DataKeys::default() };
        for (account, id, wrapped) in rows {
            let (account, id) = (AccountId::from_uuid(account), VerificationId::from_uuid(id));
            match self.open_data_key(account, id, Some(&wrapped)).await {
                Ok(_) => {}
                Err(StoreError::ShareGone) => found.without_share += 1,
                Err(StoreError::Crypto(_)) => found.unreadable += 1,
                Err(other) => return Err(other),
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_behind_ahead_of_or_other_than_this_version() {
        let whole: Vec<Applied> = MIGRATIONS.iter().map(|m| (m.version, true, m.checksum.to_vec())).collect();
        let known = whole.len();
        assert_eq!(Migrations::compared(&whole), Migrations { known, ..Migrations::default() });
        assert_eq!(Migrations::compared(&[]).missing.len(), known);
        let mut applied = whole;
        let last = applied.pop().unwrap().0;
        applied[0].2 = vec![0];
        applied[1].1 = false;
        applied.push((9_999, true, Vec::new()));
        let found = Migrations::compared(&applied);
        assert_eq!(
            (found.missing, found.failed, found.newer, found.different),
            (vec![last], vec![2], vec![9_999], vec![1])
        );
    }
}
