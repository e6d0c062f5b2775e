//! What is accepted and has not ended, in numbers: for those who watch the fleet.

use super::time::Time;
use super::{Store, StoreError, word};
use crate::words::{BatchStatus, Lane};
use jiff::Timestamp;

/// Batches that have not ended and that their owners still see.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BatchesUnderWay {
    pub by_status: Vec<(BatchStatus, i64)>,
    /// Their rows.
    pub pending: i64,
    pub processing: i64,
    pub ended: i64,
    /// Rows that were decided lately.
    pub rows_per_s: f64,
}

impl Store {
    /// For each lane: verifications without a verdict, and the seconds the oldest of them has been waiting.
    pub async fn pending_by_lane(&self, now: Timestamp) -> Result<Vec<(Lane, i64, f64)>, StoreError> {
        let rows: Vec<(String, i64, Time)> = sqlx::query_as(
            "/* pending_by_lane */ SELECT lane, count(*), min(created_at) FROM verifications
             WHERE status = 'pending' GROUP BY lane",
        )
        .fetch_all(&self.pool)
        .await?;
        let mut lanes: Vec<_> = Lane::ALL.iter().map(|lane| (*lane, 0, 0.0)).collect();
        for (name, count, oldest) in rows {
            let lane: Lane = word(&name)?;
            lanes.retain(|(known, ..)| *known != lane);
            lanes.push((lane, count, now.duration_since(oldest.0).as_secs_f64().max(0.0)));
        }
        Ok(lanes)
    }

    pub async fn batches_under_way(&self) -> Result<BatchesUnderWay, StoreError> {
        let rows: Vec<(String, i64, i64, i64, i64, f64)> = sqlx::query_as(
            "/* batches_under_way */ SELECT status, count(*), sum(pending)::bigint, sum(processing)::bigint,
               sum(total - pending - processing)::bigint, sum(rate)
             FROM batches
             WHERE status NOT IN ('completed', 'failed', 'expired', 'cancelled') AND deleted_at IS NULL
             GROUP BY status",
        )
        .fetch_all(&self.pool)
        .await?;
        let mut under_way = BatchesUnderWay::default();
        for (status, count, pending, processing, ended, rate) in rows {
            under_way.by_status.push((word(&status)?, count));
            under_way.pending += pending;
            under_way.processing += processing;
            under_way.ended += ended;
            under_way.rows_per_s += rate;
        }
        Ok(under_way)
    }
}
