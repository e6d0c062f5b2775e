//! What one request makes of an account besides verifications, in one transaction with its idempotency record.

use super::idempotency::Claim;
use super::time::Time;
use super::{Store, StoreError};
use crate::blobs::crypto::SealingKey;
use crate::ids::{AccountId, VerificationId};
use sqlx::{Postgres, Transaction};

/// Dropped without [`Making::commit`] nothing is made. What is made is said by the methods that other files give
/// it. None of them asks for a second connection: of many who held one and waited for another none would go on.
pub struct Making {
    pub(super) transaction: Transaction<'static, Postgres>,
    pub(super) account: AccountId,
    pub(super) key: SealingKey,
    claim: Option<Claim>,
    /// With its erasure the answer goes, too.
    pub(super) erased_with: Option<VerificationId>,
}

impl Store {
    /// Begins. Of several at once under one claim the others wait here for the first. `None`: the claim was made
    /// before.
    pub async fn making(
        &self,
        account: AccountId,
        claim: Option<Claim>,
    ) -> Result<Option<Making>, StoreError> {
        let key = self.account_key(account).await?;
        let mut transaction = self.pool.begin().await?;
        if let Some(claim) = &claim
            && !make_claim(&mut transaction, claim).await?
        {
            return Ok(None);
        }
        Ok(Some(Making { transaction, account, key, claim, erased_with: None }))
    }
}

impl Making {
    pub const fn account_key(&self) -> &SealingKey {
        &self.key
    }

    /// All of it, with the answer that whoever sends the request again is given.
    pub async fn commit(mut self, status_code: u16, body: &[u8]) -> Result<(), StoreError> {
        if let Some(claim) = &self.claim {
            let answer = claim.seal(&self.key, status_code, body)?;
            sqlx::query(
                "/* commit */ UPDATE idempotency SET status_code = $4, sealed_answer = $5, verification_id = $6
                 WHERE key_id = $1 AND endpoint = $2 AND key = $3",
            )
            .bind(claim.key_id.uuid())
            .bind(claim.endpoint)
            .bind(&claim.key)
            .bind(i32::from(answer.status_code))
            .bind(&answer.body)
            .bind(self.erased_with.map(VerificationId::uuid))
            .execute(&mut *self.transaction)
            .await?;
        }
        Ok(self.transaction.commit().await?)
    }
}

async fn make_claim(transaction: &mut Transaction<'_, Postgres>, claim: &Claim) -> Result<bool, StoreError> {
    let made = sqlx::query(
        "/* make_claim */ INSERT INTO idempotency AS before
           (key_id, endpoint, key, fingerprint, request_id, expires_at, of_account)
         VALUES ($1, $2, $3, $4, $5, $6, true)
         ON CONFLICT (key_id, endpoint, key) DO UPDATE SET fingerprint = excluded.fingerprint,
           request_id = excluded.request_id, expires_at = excluded.expires_at, of_account = true,
           verification_id = NULL, status_code = NULL, sealed_answer = NULL
         -- Expired; the new one lasts a day, and so the old one ended a day before it does.
         WHERE before.expires_at <= excluded.expires_at - interval '1 day'",
    )
    .bind(claim.key_id.uuid())
    .bind(claim.endpoint)
    .bind(&claim.key)
    .bind(claim.fingerprint.as_slice())
    .bind(&claim.request_id)
    .bind(Time(claim.expires_at))
    .execute(&mut **transaction)
    .await?;
    Ok(made.rows_affected() == 1)
}
