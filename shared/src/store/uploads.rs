//! Files that batches refer to. Their bytes are in the object store; the row tells what they are sealed under.

use super::time::Time;
use super::{Store, StoreError};
use crate::blobs::crypto::SealingKey;
use crate::blobs::spool::Spooled;
use crate::ids::{AccountId, UploadId};
use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

#[derive(Debug, Clone)]
pub struct Upload {
    pub id: UploadId,
    pub account_id: AccountId,
    pub wrapped_key: Vec<u8>,
    /// `None` until the last byte is stored.
    pub stored: Option<Spooled>,
    /// Which of several tries became the content.
    pub attempt: Option<Uuid>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

impl Upload {
    /// Where everything of it lies.
    pub fn folder(&self) -> String {
        format!("{}/{}", self.account_id, self.id)
    }

    /// Where the pieces of one try lie.
    pub fn place_of(&self, attempt: Uuid) -> String {
        format!("{}/{attempt}", self.folder())
    }

    /// Where its content lies.
    pub fn place(&self) -> Option<String> {
        self.attempt.map(|attempt| self.place_of(attempt))
    }
}

impl Store {
    /// A place for bytes to come.
    pub async fn create_upload(
        &self,
        account: AccountId,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<Upload, StoreError> {
        let id = UploadId::generate();
        let (_, wrapped_key) = self.account_key(account).await?.generate_wrapped(&id.to_string())?;
        sqlx::query(
            "/* create_upload */ INSERT INTO uploads (id, account_id, wrapped_key, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(id.uuid())
        .bind(account.uuid())
        .bind(&wrapped_key)
        .bind(Time(now))
        .bind(Time(expires_at))
        .execute(&self.pool)
        .await?;
        Ok(Upload {
            id,
            account_id: account,
            wrapped_key,
            stored: None,
            attempt: None,
            created_at: now,
            expires_at,
        })
    }

    /// Its last byte is stored. False: it was stored before, or is gone.
    pub async fn upload_stored(
        &self,
        id: UploadId,
        attempt: Uuid,
        spooled: &Spooled,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "/* upload_stored */ UPDATE uploads SET size_bytes = $2, sha256 = $3, attempt = $4
             WHERE id = $1 AND size_bytes IS NULL",
        )
        .bind(id.uuid())
        .bind(i64::try_from(spooled.size_bytes).unwrap_or(i64::MAX))
        .bind(&spooled.sha256)
        .bind(attempt)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Scoped to the account: another account's id does not exist.
    pub async fn upload_of(&self, account: AccountId, id: UploadId) -> Result<Option<Upload>, StoreError> {
        let row = sqlx::query(
            "/* upload_of */ SELECT id, account_id, wrapped_key, size_bytes, sha256, created_at, expires_at, attempt
             FROM uploads WHERE id = $1 AND account_id = $2",
        )
        .bind(id.uuid())
        .bind(account.uuid())
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| upload(&row)).transpose()
    }

    pub async fn upload_key(&self, upload: &Upload) -> Result<SealingKey, StoreError> {
        let account_key = self.account_key(upload.account_id).await?;
        Ok(account_key.unwrap_key(&upload.id.to_string(), &upload.wrapped_key)?)
    }

    /// Those whose time is up, `limit` at most.
    pub async fn uploads_expired(&self, now: Timestamp, limit: i64) -> Result<Vec<Upload>, StoreError> {
        let rows = sqlx::query(
            "/* uploads_expired */ SELECT id, account_id, wrapped_key, size_bytes, sha256, created_at, expires_at, attempt
             FROM uploads WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2",
        )
        .bind(Time(now))
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(upload).collect()
    }

    /// A batch needs it: it stays until then.
    pub async fn keep_upload(&self, id: UploadId, until: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "/* keep_upload */ UPDATE uploads SET expires_at = greatest(expires_at, $2) WHERE id = $1",
        )
        .bind(id.uuid())
        .bind(Time(until))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    pub async fn forget_upload(&self, id: UploadId) -> Result<(), StoreError> {
        sqlx::query("/* forget_upload */ DELETE FROM uploads WHERE id = $1")
            .bind(id.uuid())
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

fn upload(row: &PgRow) -> Result<Upload, StoreError> {
    let size: Option<i64> = row.try_get(3)?;
    let sha256: Option<String> = row.try_get(4)?;
    let stored = size
        .zip(sha256)
        .map(|(size, sha256)| Spooled { size_bytes: u64::try_from(size).unwrap_or_default(), sha256 });
    Ok(Upload {
        id: UploadId::from_uuid(row.try_get(0)?),
        account_id: AccountId::from_uuid(row.try_get(1)?),
        wrapped_key: row.try_get(2)?,
        stored,
        attempt: row.try_get(7)?,
        created_at: row.try_get::<Time, _>(5)?.0,
        expires_at: row.try_get::<Time, _>(6)?.0,
    })
}
