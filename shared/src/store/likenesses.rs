//! Likenesses: written before they are compared, forgotten with their verification.

use super::{Store, StoreError};
use crate::ids::{AccountId, BatchId, VerificationId};
use crate::likeness::{DocumentKey, Probe};
use crate::sealed::seal_likeness;
use std::collections::HashSet;
use uuid::Uuid;

/// One of an account, as it is stored.
#[derive(Debug, Clone)]
pub struct StoredLikeness {
    pub number: i64,
    pub verification_id: VerificationId,
    pub document: Option<DocumentKey>,
    pub sealed: Vec<u8>,
}

/// What is left of verifications that were found to be alike.
#[derive(Debug, Default)]
pub struct Others {
    /// Not erased.
    pub known: HashSet<VerificationId>,
    /// Tried again by the one that was compared, or never judged, so that to submit it again is what one should.
    pub retried: HashSet<VerificationId>,
}

/// Two verifications that are alike, one of them of a row of a batch.
#[derive(Debug, Clone)]
pub struct AlikeRow {
    pub number: i64,
    /// `None`: the row was not verified, since it is the same file as an earlier one.
    pub verification_id: Option<VerificationId>,
    pub other_id: VerificationId,
    pub alike_in: Vec<String>,
}

impl Store {
    /// Nothing where the verification was erased or is remembered already. Not waited for until it is on disk: the
    /// verdict that follows is, and takes what was written before it along.
    pub async fn remember(
        &self,
        account: AccountId,
        id: VerificationId,
        probe: &Probe,
    ) -> Result<(), StoreError> {
        let sealed = seal_likeness(&self.account_key(account).await?, id, &probe.likeness)?;
        sqlx::query(
            "/* remember */ WITH lazily AS (SELECT set_config('synchronous_commit', 'off', true)), present AS (
               -- An erasure under way is waited for, and waits for this.
               SELECT id FROM verifications WHERE id = $1 AND account_id = $2 AND erased_at IS NULL FOR SHARE
             )
             INSERT INTO likenesses (verification_id, account_id, document, sealed)
             SELECT id, $2, $3, $4 FROM present, lazily ON CONFLICT (verification_id) DO NOTHING",
        )
        .bind(id.uuid())
        .bind(account.uuid())
        .bind(probe.document.as_ref().map(<[u8; 16]>::as_slice))
        .bind(sealed)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Numbers of an account's likenesses, ascending, and whether no row can appear before it any more.
    pub async fn likenesses_after(
        &self,
        account: AccountId,
        number: i64,
        limit: i64,
    ) -> Result<Vec<(i64, bool)>, StoreError> {
        Ok(sqlx::query_as(
            "/* likenesses_after */ SELECT number,
               -- Its insertion is a single statement, which takes milliseconds.
               recorded_at < clock_timestamp() - interval '60 seconds'
             FROM likenesses WHERE account_id = $1 AND number > $2 ORDER BY number LIMIT $3",
        )
        .bind(account.uuid())
        .bind(number)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?)
    }

    pub async fn likenesses(&self, numbers: &[i64]) -> Result<Vec<StoredLikeness>, StoreError> {
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        type Row = (i64, Uuid, Option<Vec<u8>>, Vec<u8>);
        let rows: Vec<Row> = sqlx::query_as(
            "/* likenesses */ SELECT number, verification_id, document, sealed FROM likenesses
             WHERE number = ANY($1)",
        )
        .bind(numbers)
        .fetch_all(&self.pool)
        .await?;
        let rows = rows.into_iter().map(|(number, id, document, sealed)| StoredLikeness {
            number,
            verification_id: VerificationId::from_uuid(id),
            document: document.and_then(|bytes| bytes.try_into().ok()),
            sealed,
        });
        Ok(rows.collect())
    }

    pub async fn others(&self, id: VerificationId, alike: &[VerificationId]) -> Result<Others, StoreError> {
        if alike.is_empty() {
            return Ok(Others::default());
        }
        let rows: Vec<(Uuid, bool)> = sqlx::query_as(
            "/* others */ WITH RECURSIVE tried AS (
               SELECT retry_of AS id FROM verifications WHERE id = $1 AND retry_of IS NOT NULL
               UNION
               SELECT verifications.retry_of FROM tried JOIN verifications ON verifications.id = tried.id
               WHERE verifications.retry_of IS NOT NULL
             )
             SELECT likenesses.verification_id, likenesses.verification_id IN (SELECT id FROM tried)
                 OR verifications.status IN ('error', 'cancelled', 'expired')
             FROM likenesses JOIN verifications ON verifications.id = likenesses.verification_id
             WHERE likenesses.verification_id = ANY($2)",
        )
        .bind(id.uuid())
        .bind(alike.iter().map(|id| id.uuid()).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await?;
        let mut others = Others::default();
        for (id, retried) in rows {
            let id = VerificationId::from_uuid(id);
            others.known.insert(id);
            if retried {
                others.retried.insert(id);
            }
        }
        Ok(others)
    }

    /// What the check found, for the groups of a batch; each `(other, what they have in common)`.
    pub async fn note_lookalikes(
        &self,
        id: VerificationId,
        found: &[(VerificationId, Vec<&'static str>)],
    ) -> Result<(), StoreError> {
        if found.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "/* note_lookalikes */ INSERT INTO lookalikes (verification_id, other_id, alike_in)
             SELECT $1, other.verification_id, string_to_array(given.alike_in, ',')
             FROM unnest($2::uuid[], $3::text[]) AS given (id, alike_in)
               JOIN likenesses AS other ON other.verification_id = given.id
             WHERE EXISTS (SELECT 1 FROM likenesses WHERE verification_id = $1)
             ON CONFLICT DO NOTHING",
        )
        .bind(id.uuid())
        .bind(found.iter().map(|(other, _)| other.uuid()).collect::<Vec<_>>())
        .bind(found.iter().map(|(_, alike_in)| alike_in.join(",")).collect::<Vec<_>>())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// How many of these digests (hex) are those of a front that the account has a verification of.
    pub async fn known_fronts(&self, account: AccountId, digests: &[String]) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar(
            "/* known_fronts */ SELECT count(*) FROM unnest($2::text[]) AS given (digest)
             WHERE EXISTS (SELECT 1 FROM verifications WHERE account_id = $1 AND purpose = 'verification'
               AND images -> 0 ->> 'sha256' = given.digest)",
        )
        .bind(account.uuid())
        .bind(digests)
        .fetch_one(&self.pool)
        .await?)
    }

    /// Rows of a batch from `number` on that are like another verification.
    pub async fn alike_rows(
        &self,
        batch: BatchId,
        number: i64,
        limit: i64,
    ) -> Result<Vec<AlikeRow>, StoreError> {
        let rows: Vec<(i64, Option<Uuid>, Uuid, Vec<String>)> = sqlx::query_as(
            "/* alike_rows */ WITH rows AS (
               SELECT number, verification_id, duplicate_of FROM batch_rows
               WHERE batch_id = $1 AND number >= $2 ORDER BY number LIMIT $3
             )
             SELECT rows.number, rows.verification_id, lookalikes.other_id, lookalikes.alike_in
             FROM rows JOIN lookalikes ON lookalikes.verification_id = rows.verification_id
             UNION ALL
             SELECT rows.number, NULL, first.verification_id, ARRAY['file']
             FROM rows JOIN batch_rows AS first ON first.batch_id = $1 AND first.number = rows.duplicate_of
             WHERE first.verification_id IS NOT NULL",
        )
        .bind(batch.uuid())
        .bind(number)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        let rows = rows.into_iter().map(|(number, id, other, alike_in)| AlikeRow {
            number,
            verification_id: id.map(VerificationId::from_uuid),
            other_id: VerificationId::from_uuid(other),
            alike_in,
        });
        Ok(rows.collect())
    }
}
