//! The audit trail: who did what when. Entries are linked into a chain of hashes, so that one that was
//! changed, removed or put in between shows.

use super::time::Time;
use super::{Store, StoreError};
use crate::ids::{AccountId, VerificationId};
use jiff::Timestamp;
use ring::digest::{Context, SHA256};
use serde_json::Value;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use uuid::Uuid;

/// Entries read at a time.
const PAGE: i64 = 1000;
/// For Postgres' advisory lock: whoever holds it links.
const LINKING: i64 = 0x7478_6964_6175_6469;

#[derive(Debug, Clone)]
pub struct AuditEntry {
    pub id: i64,
    pub account_id: AccountId,
    pub verification_id: Option<VerificationId>,
    pub at: Timestamp,
    /// A key id, `policy`, or a part of ours.
    pub actor: String,
    pub action: String,
    pub details: Value,
    /// Place in the chain, from 1; `None` until it is linked.
    pub link: Option<i64>,
    pub hash: Option<Vec<u8>>,
}

/// What a walk along the chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chain {
    Whole {
        linked: i64,
        /// Written in the last moments and not linked yet.
        unlinked: i64,
    },
    /// The first link that is not what it should be.
    Broken { link: i64, why: &'static str },
}

impl AuditEntry {
    /// Over the hash before and every field, each with its length, so that no two entries say the same.
    fn chained(&self, before: &[u8]) -> Vec<u8> {
        let verification = self.verification_id.map(|id| id.to_string()).unwrap_or_default();
        let mut context = Context::new(&SHA256);
        context.update(before);
        for field in [
            self.id.to_string(),
            self.account_id.to_string(),
            verification,
            self.at.as_microsecond().to_string(),
            self.actor.clone(),
            self.action.clone(),
            self.details.to_string(),
        ] {
            context.update(&(field.len() as u64).to_be_bytes());
            context.update(field.as_bytes());
        }
        context.finish().as_ref().to_vec()
    }
}

fn entry(row: &PgRow) -> Result<AuditEntry, StoreError> {
    Ok(AuditEntry {
        id: row.try_get(0)?,
        account_id: AccountId::from_uuid(row.try_get(1)?),
        verification_id: row.try_get::<Option<Uuid>, _>(2)?.map(VerificationId::from_uuid),
        at: row.try_get::<Time, _>(3)?.0,
        actor: row.try_get(4)?,
        action: row.try_get(5)?,
        details: row.try_get::<Json<Value>, _>(6)?.0,
        link: row.try_get(7)?,
        hash: row.try_get(8)?,
    })
}

impl Store {
    /// Oldest first.
    pub async fn audit_of(
        &self,
        account: AccountId,
        id: VerificationId,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let rows = sqlx::query(
            "/* audit_of */ SELECT id, account_id, verification_id, at, actor, action, details, link, hash
             FROM audit WHERE verification_id = $1 AND account_id = $2 ORDER BY id",
        )
        .bind(id.uuid())
        .bind(account.uuid())
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(entry).collect()
    }

    /// Links what is not linked yet, oldest first; how many entries that were. 0 also while another does it.
    pub async fn link_audit(&self) -> Result<usize, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let (ours,): (bool,) = sqlx::query_as("/* link_audit */ SELECT pg_try_advisory_xact_lock($1)")
            .bind(LINKING)
            .fetch_one(&mut *transaction)
            .await?;
        if !ours {
            return Ok(0);
        }
        let last: Option<(i64, Vec<u8>)> = sqlx::query_as(
            "/* link_audit */ SELECT link, hash FROM audit WHERE link IS NOT NULL ORDER BY link DESC LIMIT 1",
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let (mut link, mut hash) = last.unwrap_or_default();
        let rows = sqlx::query(
            "/* link_audit */ SELECT id, account_id, verification_id, at, actor, action, details, link, hash
             FROM audit WHERE link IS NULL ORDER BY id LIMIT $1",
        )
        .bind(PAGE)
        .fetch_all(&mut *transaction)
        .await?;
        if rows.is_empty() {
            return Ok(0);
        }
        let (mut ids, mut links, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
        for row in &rows {
            let entry = entry(row)?;
            link += 1;
            hash = entry.chained(&hash);
            ids.push(entry.id);
            links.push(link);
            hashes.push(hash.clone());
        }
        sqlx::query(
            "/* link_audit */ UPDATE audit SET link = given.link, hash = given.hash
             FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS given (id, link, hash)
             WHERE audit.id = given.id",
        )
        .bind(&ids)
        .bind(&links)
        .bind(&hashes)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(ids.len())
    }

    /// Walks the whole chain.
    pub async fn verify_audit(&self) -> Result<Chain, StoreError> {
        let (mut link, mut hash) = (0, Vec::new());
        loop {
            let rows = sqlx::query(
                "/* verify_audit */ SELECT id, account_id, verification_id, at, actor, action, details, link, hash
                 FROM audit WHERE link > $1 ORDER BY link LIMIT $2",
            )
            .bind(link)
            .bind(PAGE)
            .fetch_all(&self.pool)
            .await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                let entry = entry(row)?;
                link += 1;
                if entry.link != Some(link) {
                    return Ok(Chain::Broken { link, why: "an entry is missing" });
                }
                hash = entry.chained(&hash);
                if entry.hash.as_ref() != Some(&hash) {
                    return Ok(Chain::Broken { link, why: "an entry was changed" });
                }
            }
        }
        let (unlinked,): (i64,) =
            sqlx::query_as("/* verify_audit */ SELECT count(*) FROM audit WHERE link IS NULL")
                .fetch_one(&self.pool)
                .await?;
        Ok(Chain::Whole { linked: link, unlinked })
    }
}
