//! What did not go straight: failed stage runs, verifications that wait too long.

use super::time::Time;
use super::{Store, StoreError, word, words};
use crate::ids::VerificationId;
use crate::words::{Lane, Stage};
use jiff::Timestamp;
use uuid::Uuid;

/// A pending verification whose stages should long be done.
#[derive(Debug, Clone)]
pub struct Overdue {
    pub id: VerificationId,
    pub stages: Vec<Stage>,
    pub lane: Lane,
    pub rounds: i32,
    pub enqueued_at: Timestamp,
    pub traceparent: Option<String>,
}

impl Store {
    /// Records a failed run and, if the stage has attempts left, enqueues it again at `not_before` in
    /// the same transaction. Answers with the number of failed runs so far, this one included.
    pub async fn record_failure(
        &self,
        id: VerificationId,
        stage: Stage,
        (class, message): (&str, &str),
        attempts: i32,
        now: Timestamp,
        not_before: Timestamp,
    ) -> Result<i64, StoreError> {
        let (failed,): (i64,) = sqlx::query_as(
            "/* record_failure */ WITH failure AS (
               INSERT INTO attempts (verification_id, stage, class, message, at)
               SELECT id, $2, $3, $4, $6 FROM verifications WHERE id = $1
             ), failed AS (
               SELECT count(*) + 1 AS runs FROM attempts WHERE verification_id = $1 AND stage = $2
             ), again AS (
               INSERT INTO outbox (verification_id, stages, lane, traceparent, created_at, not_before)
               SELECT id, ARRAY[$2], lane, traceparent, $6, $7 FROM verifications, failed
               WHERE id = $1 AND status = 'pending' AND failed.runs < $5
             )
             SELECT runs FROM failed",
        )
        .bind(id.uuid())
        .bind(stage.as_str())
        .bind(class)
        .bind(message)
        .bind(i64::from(attempts))
        .bind(Time(now))
        .bind(Time(not_before))
        .fetch_one(&self.pool)
        .await?;
        Ok(failed)
    }

    /// A redelivered job is about to run: if the process dies of it, this row tells.
    pub async fn suspect(&self, id: VerificationId, stage: Stage, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "/* suspect */ INSERT INTO attempts (verification_id, stage, class, message, at)
             SELECT id, $2, 'started_after_redelivery', '', $3 FROM verifications WHERE id = $1",
        )
        .bind(id.uuid())
        .bind(stage.as_str())
        .bind(Time(now))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// It ended well after all.
    pub async fn clear_suspicion(&self, id: VerificationId, stage: Stage) -> Result<(), StoreError> {
        sqlx::query(
            "/* clear_suspicion */ DELETE FROM attempts
             WHERE verification_id = $1 AND stage = $2 AND class = 'started_after_redelivery'",
        )
        .bind(id.uuid())
        .bind(stage.as_str())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// How often a redelivered job of this stage was started and never ended.
    pub async fn suspicions(&self, id: VerificationId, stage: Stage) -> Result<i64, StoreError> {
        let (count,): (i64,) = sqlx::query_as(
            "/* suspicions */ SELECT count(*) FROM attempts
             WHERE verification_id = $1 AND stage = $2 AND class = 'started_after_redelivery'",
        )
        .bind(id.uuid())
        .bind(stage.as_str())
        .fetch_one(&self.pool)
        .await?;
        Ok(count)
    }

    /// Pending verifications last enqueued `after_ms` or longer ago, oldest first. Each round waits
    /// twice as long as the one before, up to eight times: a long queue must not be made longer.
    pub async fn overdue(
        &self,
        now: Timestamp,
        after_ms: i64,
        limit: i64,
    ) -> Result<Vec<Overdue>, StoreError> {
        type Row = (Uuid, Vec<String>, String, i32, Option<String>, Time);
        let rows: Vec<Row> = sqlx::query_as(
            "/* overdue */ SELECT id, stages, lane, rounds, traceparent, enqueued_at FROM verifications
             WHERE status = 'pending' AND enqueued_at <= $1 - $2 * interval '1 ms'
               AND enqueued_at <= $1 - $2 * (1 << least(rounds, 3)) * interval '1 ms'
             ORDER BY enqueued_at LIMIT $3",
        )
        .bind(Time(now))
        .bind(after_ms)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|(id, stages, lane, rounds, traceparent, enqueued_at)| {
                Ok(Overdue {
                    id: VerificationId::from_uuid(id),
                    stages: words(&stages)?,
                    lane: word(&lane)?,
                    rounds,
                    enqueued_at: enqueued_at.0,
                    traceparent,
                })
            })
            .collect()
    }

    /// A job that died without fault of its own runs again. Rounds do not count it; they still bound it.
    pub async fn enqueue_stage(
        &self,
        id: VerificationId,
        stage: Stage,
        now: Timestamp,
        not_before: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "/* enqueue_stage */ INSERT INTO outbox
               (verification_id, stages, lane, traceparent, created_at, not_before)
             SELECT id, ARRAY[$2], lane, traceparent, $3, $4 FROM verifications
             WHERE id = $1 AND status = 'pending'",
        )
        .bind(id.uuid())
        .bind(stage.as_str())
        .bind(Time(now))
        .bind(Time(not_before))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Enqueues `stages` again, which is then the round `rounds`; fenced, so that two sweepers do it once.
    pub async fn enqueue_again(
        &self,
        overdue: &Overdue,
        (stages, rounds): (&[Stage], i32),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (done,): (i64,) = sqlx::query_as(
            "/* enqueue_again */ WITH round AS (
               UPDATE verifications SET enqueued_at = $4, rounds = $5
               WHERE id = $1 AND status = 'pending' AND rounds = $2 AND enqueued_at = $6
               RETURNING id, lane, traceparent
             ), again AS (
               INSERT INTO outbox (verification_id, stages, lane, traceparent, created_at, not_before)
               SELECT id, $3, lane, traceparent, $4, $4 FROM round
             )
             SELECT count(*) FROM round",
        )
        .bind(overdue.id.uuid())
        .bind(overdue.rounds)
        .bind(stages.iter().map(|stage| stage.as_str()).collect::<Vec<_>>())
        .bind(Time(now))
        .bind(rounds)
        .bind(Time(overdue.enqueued_at))
        .fetch_one(&self.pool)
        .await?;
        Ok(done == 1)
    }
}
