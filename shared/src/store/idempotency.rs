//! Requests that their caller may send again: what was answered to the first one, kept for a day. A record
//! commits with what it protects (see `accept` and [`super::Making`]), so that there is no half of either.

use super::time::Time;
use super::{Store, StoreError};
use crate::blobs::crypto::SealingKey;
use crate::ids::{KeyId, VerificationId};
use jiff::Timestamp;
use ring::digest;
use uuid::Uuid;

/// A request under an idempotency key of its caller.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The API key: its holder chose `key`, and another's `key` is another's.
    pub key_id: KeyId,
    /// Method and route, such as `POST /v1/identity/verify`.
    pub endpoint: &'static str,
    pub key: String,
    /// sha256 of all that was asked.
    pub fingerprint: [u8; 32],
    pub request_id: String,
    pub expires_at: Timestamp,
}

/// An answer as it went out, sealed.
#[derive(Debug, Clone)]
pub struct SealedAnswer {
    pub status_code: u16,
    pub body: Vec<u8>,
}

/// What is on record under an idempotency key.
#[derive(Debug, Clone)]
pub struct Claimed {
    pub fingerprint: Vec<u8>,
    pub request_id: String,
    pub made: Made,
    /// `None` while the first caller still waits, and after an erasure.
    pub answer: Option<SealedAnswer>,
}

/// What a request made, and with it the key that its answer is sealed under.
#[derive(Debug, Clone, Copy)]
pub enum Made {
    /// Its data key.
    Verification(VerificationId),
    /// Something else; the account key.
    OfAccount,
}

impl Claim {
    /// The same request about something else is another one.
    pub fn about(mut self, id: &str) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&self.fingerprint);
        context.update(id.as_bytes());
        self.fingerprint.copy_from_slice(context.finish().as_ref());
        self
    }

    /// Seals an answer at the place that this claim gives it.
    pub fn seal(&self, key: &SealingKey, status_code: u16, body: &[u8]) -> Result<SealedAnswer, StoreError> {
        Ok(SealedAnswer { status_code, body: key.seal(&self.place(), body)? })
    }

    pub fn open(&self, key: &SealingKey, answer: &SealedAnswer) -> Result<Vec<u8>, StoreError> {
        Ok(key.open(&self.place(), &answer.body)?)
    }

    fn place(&self) -> String {
        format!("answer/{}/{}/{}", self.key_id, self.endpoint, self.key)
    }
}

impl Store {
    /// An expired record is none.
    pub async fn claimed(&self, claim: &Claim, now: Timestamp) -> Result<Option<Claimed>, StoreError> {
        type Row = (Vec<u8>, String, bool, Option<Uuid>, Option<i32>, Option<Vec<u8>>);
        let row: Option<Row> = sqlx::query_as(
            "/* claimed */ SELECT fingerprint, request_id, of_account, verification_id, status_code, sealed_answer
             FROM idempotency WHERE key_id = $1 AND endpoint = $2 AND key = $3 AND expires_at > $4",
        )
        .bind(claim.key_id.uuid())
        .bind(claim.endpoint)
        .bind(&claim.key)
        .bind(Time(now))
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|(fingerprint, request_id, of_account, verification, status_code, body)| {
            let status_code = status_code.and_then(|code| u16::try_from(code).ok());
            Claimed {
                fingerprint,
                request_id,
                made: match verification.filter(|_| !of_account) {
                    Some(id) => Made::Verification(VerificationId::from_uuid(id)),
                    None => Made::OfAccount,
                },
                answer: status_code.zip(body).map(|(status_code, body)| SealedAnswer { status_code, body }),
            }
        }))
    }

    /// Keeps the answer to a claim that had none. Of two the first stays; both callers get that one.
    pub async fn answered(&self, claim: &Claim, answer: &SealedAnswer) -> Result<(), StoreError> {
        sqlx::query(
            "/* answered */ UPDATE idempotency SET status_code = $4, sealed_answer = $5
             WHERE key_id = $1 AND endpoint = $2 AND key = $3 AND sealed_answer IS NULL AND fingerprint = $6",
        )
        .bind(claim.key_id.uuid())
        .bind(claim.endpoint)
        .bind(&claim.key)
        .bind(i32::from(answer.status_code))
        .bind(&answer.body)
        .bind(claim.fingerprint.as_slice())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Removes what is expired; how many records that were, `limit` at most.
    pub async fn forget_claims(&self, now: Timestamp, limit: i64) -> Result<u64, StoreError> {
        let forgotten = sqlx::query(
            "/* forget_claims */ DELETE FROM idempotency WHERE (key_id, endpoint, key) IN
             (SELECT key_id, endpoint, key FROM idempotency WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
        )
        .bind(Time(now))
        .bind(limit)
        .execute(&self.pool)
        .await?;
        Ok(forgotten.rows_affected())
    }
}
