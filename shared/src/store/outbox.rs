//! Jobs that are decided but not yet on the broker. Rows are claimed by state, never by an id
//! cursor: a row that commits late would be skipped.

use super::time::Time;
use super::{Store, StoreError, word, words};
use crate::ids::VerificationId;
use crate::words::{Lane, Stage};
use jiff::Timestamp;
use uuid::Uuid;

#[derive(Debug, Clone)]
pub struct ClaimedRow {
    pub id: i64,
    pub verification_id: VerificationId,
    pub stages: Vec<Stage>,
    pub lane: Lane,
    pub traceparent: Option<String>,
    pub created_at: Timestamp,
}

impl Store {
    /// Leases up to `limit` due rows under `token`. A relay that dies loses its lease, not the rows.
    /// Neither this nor the removal is waited for on disk: what a power cut takes back is published twice.
    pub async fn claim_outbox(
        &self,
        limit: i64,
        token: Uuid,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Vec<ClaimedRow>, StoreError> {
        type Row = (i64, Uuid, Vec<String>, String, Option<String>, Time, String);
        let rows: Vec<Row> = sqlx::query_as(
            "/* claim_outbox */ UPDATE outbox SET lease_token = $2, lease_until = $4, attempts = attempts + 1
             WHERE id IN (SELECT id FROM outbox
                          WHERE not_before <= $3 AND (lease_until IS NULL OR lease_until < $3)
                          ORDER BY not_before LIMIT $1 FOR UPDATE SKIP LOCKED)
             RETURNING id, verification_id, stages, lane, traceparent, created_at,
               set_config('synchronous_commit', 'off', true)",
        )
        .bind(limit)
        .bind(token)
        .bind(Time(now))
        .bind(Time(lease_until))
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|(id, verification, stages, lane, traceparent, created_at, _)| {
                Ok(ClaimedRow {
                    id,
                    verification_id: VerificationId::from_uuid(verification),
                    stages: words(&stages)?,
                    lane: word(&lane)?,
                    traceparent,
                    created_at: created_at.0,
                })
            })
            .collect()
    }

    /// Confirmed by the broker: done. Fenced on the lease; a row claimed by another stays.
    pub async fn remove_published(&self, ids: &[i64], token: Uuid) -> Result<u64, StoreError> {
        let removed = sqlx::query(
            "/* remove_published */ DELETE FROM outbox WHERE id = ANY($1) AND lease_token = $2
             RETURNING set_config('synchronous_commit', 'off', true)",
        )
        .bind(ids)
        .bind(token)
        .execute(&self.pool)
        .await?;
        Ok(removed.rows_affected())
    }

    /// Not confirmed: due again at `not_before`.
    pub async fn release_outbox(
        &self,
        ids: &[i64],
        token: Uuid,
        not_before: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "/* release_outbox */ UPDATE outbox SET lease_token = NULL, lease_until = NULL, not_before = $3
             WHERE id = ANY($1) AND lease_token = $2",
        )
        .bind(ids)
        .bind(token)
        .bind(Time(not_before))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Seconds the oldest row that is due, or was tried in vain, has been waiting; the alert that means "nothing flows".
    pub async fn oldest_unpublished_s(&self, now: Timestamp) -> Result<f64, StoreError> {
        let (oldest,): (Option<Time>,) = sqlx::query_as(
            "/* oldest_unpublished_s */ SELECT min(created_at) FROM outbox
             WHERE not_before <= $1 OR attempts > 0",
        )
        .bind(Time(now))
        .fetch_one(&self.pool)
        .await?;
        Ok(oldest.map_or(0.0, |time| now.duration_since(time.0).as_secs_f64()))
    }
}
