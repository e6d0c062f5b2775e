//! What happens to verifications besides their verdict: they are listed and erased.

use super::acceptance::Retention;
use super::accounts::set_on_account;
use super::time::Time;
use super::verifications::{Row, case_columns, full_row, row_columns};
use super::{Store, StoreError};
use crate::ids::{AccountId, VerificationId};
use crate::words::{DocumentType, Status};
use jiff::Timestamp;
use uuid::Uuid;

/// Which verifications of an account a caller wants to see. What is `None` or empty admits all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub status: Option<Status>,
    pub document_type: Option<DocumentType>,
    pub country: Option<String>,
    pub created_after: Option<Timestamp>,
    pub created_before: Option<Timestamp>,
    /// Metadata key → its value as text.
    pub metadata: Vec<(String, String)>,
}

/// Where a page begins, by id; ids sort by time.
#[derive(Debug, Clone, Copy)]
pub enum Page<Id> {
    Newest,
    /// Older than this one.
    StartingAfter(Id),
    /// Newer than this one.
    EndingBefore(Id),
}

impl<Id: Copy> Page<Id> {
    /// Only ids above the first and below the second, and whether they are read from the oldest on.
    pub(super) fn bounds(self, uuid: fn(Id) -> Uuid) -> (Uuid, Uuid, bool) {
        match self {
            Self::Newest => (Uuid::nil(), Uuid::max(), false),
            Self::StartingAfter(id) => (Uuid::nil(), uuid(id), false),
            Self::EndingBefore(id) => (uuid(id), Uuid::max(), true),
        }
    }

    /// The parameter that names where the page begins.
    pub const fn parameter(&self) -> &'static str {
        match self {
            Self::Newest | Self::StartingAfter(_) => "starting_after",
            Self::EndingBefore(_) => "ending_before",
        }
    }
}

/// The order stands in the text, so that either way walks the index and stops at the limit.
macro_rules! page_of_verifications {
    ($order:literal) => {
        concat!(
            "/* verifications */ SELECT ",
            row_columns!(),
            " FROM verifications
             WHERE account_id = $1 AND id > $2 AND id < $3 AND erased_at IS NULL
               AND purpose = 'verification'
               AND ($4::text IS NULL OR status = $4) AND ($5::text IS NULL OR document_type = $5)
               AND ($6::text IS NULL OR country = $6)
               AND ($7::timestamptz IS NULL OR created_at > $7)
               AND ($8::timestamptz IS NULL OR created_at < $8)
               AND NOT EXISTS (SELECT 1 FROM unnest($9::text[], $10::text[]) AS wanted (key, value)
                               WHERE metadata ->> wanted.key IS DISTINCT FROM wanted.value)
             ORDER BY id ",
            $order,
            " LIMIT $11"
        )
    };
}

impl Store {
    /// Newest first, whichever way the page was reached.
    pub async fn verifications(
        &self,
        account: AccountId,
        filter: &Filter,
        page: Page<VerificationId>,
        limit: i64,
    ) -> Result<Vec<Row>, StoreError> {
        let (newer_than, older_than, backwards) = page.bounds(VerificationId::uuid);
        let statement =
            if backwards { page_of_verifications!("ASC") } else { page_of_verifications!("DESC") };
        let found = sqlx::query(statement)
            .bind(account.uuid())
            .bind(newer_than)
            .bind(older_than)
            .bind(filter.status.map(Status::as_str))
            .bind(filter.document_type.map(DocumentType::as_str))
            .bind(filter.country.as_deref())
            .bind(filter.created_after.map(Time))
            .bind(filter.created_before.map(Time))
            .bind(filter.metadata.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>())
            .bind(filter.metadata.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>())
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        let mut rows: Vec<Row> = found.iter().map(full_row).collect::<Result<_, _>>()?;
        if backwards {
            rows.reverse();
        }
        Ok(rows)
    }

    /// Destroys this database's half of the data key and with it everything that is sealed under it; clears what
    /// was readable; takes what was not delivered off the list; notes that the other half and the blobs remain to
    /// be removed (`remains`). One that was pending is cancelled by it.
    /// False: it does not exist, or not any more.
    pub async fn erase(
        &self,
        account: AccountId,
        id: VerificationId,
        actor: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (erased,): (i64,) = sqlx::query_as(
            "/* erase */ WITH erased AS (
               UPDATE verifications SET wrapped_key = NULL, sealed_request = NULL, sealed_verdict = NULL,
                 sealed_review = NULL, summary = NULL, metadata = '{}', images = '[]', images_expire_at = NULL, expires_at = NULL,
                 erased_at = $3, remains = true,
                 status = CASE status WHEN 'pending' THEN 'cancelled' ELSE status END
               WHERE id = $1 AND account_id = $2 AND erased_at IS NULL
               RETURNING id, account_id
             ), answered AS (
               UPDATE idempotency SET sealed_answer = NULL, status_code = NULL
               FROM erased WHERE idempotency.verification_id = erased.id
             ), begun AS (
               UPDATE sessions SET sealed_request = '', metadata = '{}', images = '[]'
               FROM erased WHERE sessions.verification_id = erased.id
             ), told AS (
               UPDATE events SET sealed_body = '' FROM erased WHERE events.verification_id = erased.id
               RETURNING events.id
             ), unsent AS (
               UPDATE deliveries SET state = 'failed', finished_at = $3, lease_token = NULL,
                 failure = 'verification_erased'
               FROM told WHERE deliveries.event_id = told.id AND deliveries.state = 'pending'
             ), unremembered AS (
               DELETE FROM likenesses USING erased WHERE likenesses.verification_id = erased.id
             ), unlike AS (
               DELETE FROM lookalikes USING erased
               WHERE lookalikes.verification_id = erased.id OR lookalikes.other_id = erased.id
             ), unpublished AS (
               DELETE FROM outbox USING erased WHERE outbox.verification_id = erased.id
             ), failures AS (
               DELETE FROM attempts USING erased WHERE attempts.verification_id = erased.id
             ), audited AS (
               INSERT INTO audit (account_id, verification_id, at, actor, action, details)
               SELECT account_id, id, $3, $4, 'verification.erased', '{}' FROM erased
             )
             SELECT count(*) FROM erased",
        )
        .bind(id.uuid())
        .bind(account.uuid())
        .bind(Time(now))
        .bind(actor)
        .fetch_one(&self.pool)
        .await?;
        Ok(erased == 1)
    }

    /// What was erased or expired and whose key share and blobs may still be there, with ids above `after`.
    pub async fn remains(
        &self,
        after: VerificationId,
        limit: i64,
    ) -> Result<Vec<(AccountId, VerificationId)>, StoreError> {
        let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
            "/* remains */ SELECT account_id, id FROM (
               SELECT account_id, id FROM verifications WHERE remains AND id > $1
               UNION ALL
               SELECT account_id, verification_id FROM sessions WHERE remains AND verification_id > $1
             ) AS remaining ORDER BY id LIMIT $2",
        )
        .bind(after.uuid())
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        Ok(ids(rows))
    }

    /// Share and blobs are gone. What was remembered while the erasure ran goes now.
    pub async fn nothing_remains(&self, id: VerificationId) -> Result<(), StoreError> {
        sqlx::query(
            "/* nothing_remains */ WITH uploads AS (
               UPDATE sessions SET remains = false WHERE verification_id = $1 AND remains
             ), unremembered AS (
               DELETE FROM likenesses WHERE verification_id = $1
                 AND EXISTS (SELECT 1 FROM verifications WHERE id = $1 AND remains)
             ), unlike AS (
               DELETE FROM lookalikes WHERE (verification_id = $1 OR other_id = $1)
                 AND EXISTS (SELECT 1 FROM verifications WHERE id = $1 AND remains)
             )
             UPDATE verifications SET remains = false WHERE id = $1 AND remains",
        )
        .bind(id.uuid())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Verifications whose time is over.
    pub async fn expired(
        &self,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<(AccountId, VerificationId)>, StoreError> {
        let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
            "/* expired */ SELECT account_id, id FROM verifications
             WHERE expires_at <= $1 AND erased_at IS NULL ORDER BY expires_at LIMIT $2",
        )
        .bind(Time(now))
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        Ok(ids(rows))
    }

    /// Decided verifications whose pictures' time is over.
    pub async fn images_expired(
        &self,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<(AccountId, VerificationId)>, StoreError> {
        let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
            "/* images_expired */ SELECT account_id, id FROM verifications
             WHERE images_expire_at <= $1 AND status <> 'pending' ORDER BY images_expire_at LIMIT $2",
        )
        .bind(Time(now))
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        Ok(ids(rows))
    }

    /// The pictures were removed: what was known of them stays, with the verdict.
    pub async fn images_removed(
        &self,
        account: AccountId,
        id: VerificationId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "/* images_removed */ WITH removed AS (
               UPDATE verifications SET images_expire_at = NULL
               WHERE id = $1 AND account_id = $2 AND images_expire_at IS NOT NULL
               RETURNING id, account_id
             )
             INSERT INTO audit (account_id, verification_id, at, actor, action, details)
             SELECT account_id, id, $3, 'retention', 'verification.images_removed', '{}' FROM removed",
        )
        .bind(id.uuid())
        .bind(account.uuid())
        .bind(Time(now))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// How long what an account sends is kept, where it has no times of its own as `otherwise` says.
    pub async fn retention_of(
        &self,
        account: AccountId,
        otherwise: Retention,
    ) -> Result<Retention, StoreError> {
        let (images_s, data_s): (Option<i64>, Option<i64>) = sqlx::query_as(
            "/* retention_of */ SELECT coalesce(retain_images_s, $2), coalesce(retain_data_s, $3)
             FROM accounts WHERE id = $1",
        )
        .bind(account.uuid())
        .bind(otherwise.images_s)
        .bind(otherwise.data_s)
        .fetch_one(&self.pool)
        .await?;
        Ok(Retention { images_s, data_s })
    }

    /// From now on, for what the account of that name and its test twin send. False: no such account.
    pub async fn set_retention(
        &self,
        name: &str,
        retention: Retention,
        actor: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (changed,): (i64,) = sqlx::query_as(set_on_account!(
            "set_retention",
            "retain_images_s = $4, retain_data_s = $5",
            "account.retention_set",
            "jsonb_build_object('images_s', $4, 'data_s', $5)"
        ))
        .bind(name)
        .bind(Time(now))
        .bind(actor)
        .bind(retention.images_s)
        .bind(retention.data_s)
        .fetch_one(&self.pool)
        .await?;
        Ok(changed == 1)
    }
}

fn ids(rows: Vec<(Uuid, Uuid)>) -> Vec<(AccountId, VerificationId)> {
    let ids = rows.into_iter();
    ids.map(|(account, id)| (AccountId::from_uuid(account), VerificationId::from_uuid(id))).collect()
}
