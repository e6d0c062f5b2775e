//! What the broker gave up on, as the scheduler recorded it. The scheduler settles each letter when it records it: a
//! row is what an operator finds afterwards, and nothing waits for it.

use super::time::Time;
use super::{Store, StoreError, word};
use crate::ids::VerificationId;
use crate::words::{Lane, Stage, Status};
use jiff::Timestamp;
use uuid::Uuid;

#[derive(Debug, Clone)]
pub struct DeadLetter {
    pub verification_id: Option<VerificationId>,
    pub queue: String,
    pub reason: String,
    pub body: Vec<u8>,
}

/// A recorded letter as the operator sees it.
#[derive(Debug, Clone)]
pub struct DeadLetterRow {
    pub id: i64,
    /// Absent: it was no job.
    pub verification_id: Option<VerificationId>,
    /// With the installation's prefix.
    pub queue: String,
    /// RabbitMQ's word: `rejected`, `delivery_limit`, `expired`, `maxlen`.
    pub reason: String,
    pub body_bytes: i64,
    pub at: Timestamp,
    pub redriven_at: Option<Timestamp>,
    /// Of the verification. Absent: there is none.
    pub status: Option<Status>,
    pub erased: bool,
    /// Runs of this stage that did not end in a partial.
    pub attempts: i64,
    pub traceparent: Option<String>,
}

/// Which letters. What is absent or empty admits all.
#[derive(Debug, Clone, Default)]
pub struct LetterFilter {
    pub ids: Vec<i64>,
    pub stage: Option<Stage>,
    pub lane: Option<Lane>,
    pub reason: Option<String>,
    pub verification_id: Option<VerificationId>,
}

#[derive(Debug, Clone)]
pub struct DeadLetterCount {
    /// With the installation's prefix.
    pub queue: String,
    pub reason: String,
    pub letters: i64,
    /// Of these: the verification is still pending, so that enqueueing its stage again has an effect.
    pub pending: i64,
    pub oldest: Timestamp,
}

/// `$1` to `$5`. The queue's name ends in `verify.<stage>.<lane>`, whatever the prefix.
macro_rules! chosen {
    () => {
        "(cardinality($1::bigint[]) = 0 OR letter.id = ANY($1))
         AND ($2::text IS NULL OR split_part(letter.queue, '.', -2) = $2)
         AND ($3::text IS NULL OR split_part(letter.queue, '.', -1) = $3)
         AND ($4::text IS NULL OR letter.reason = $4)
         AND ($5::uuid IS NULL OR letter.verification_id = $5)"
    };
}

macro_rules! bind_filter {
    ($query:expr, $filter:expr) => {
        $query
            .bind(&$filter.ids)
            .bind($filter.stage.map(Stage::as_str))
            .bind($filter.lane.map(Lane::as_str))
            .bind($filter.reason.as_deref())
            .bind($filter.verification_id.map(VerificationId::uuid))
    };
}

/// Of a queue's name, as `queue::Source` makes it.
pub fn stage_and_lane(queue: &str) -> Option<(Stage, Lane)> {
    let mut parts = queue.rsplit('.');
    let (lane, stage) = (parts.next()?, parts.next()?);
    Some((stage.parse().ok()?, lane.parse().ok()?))
}

impl Store {
    pub async fn record_dead_letter(&self, letter: &DeadLetter, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "/* record_dead_letter */ INSERT INTO dead_letters (verification_id, queue, reason, body, at)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(letter.verification_id.map(VerificationId::uuid))
        .bind(&letter.queue)
        .bind(&letter.reason)
        .bind(&letter.body)
        .bind(Time(now))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// By queue and reason.
    pub async fn count_dead_letters(
        &self,
        filter: &LetterFilter,
    ) -> Result<Vec<DeadLetterCount>, StoreError> {
        let query = sqlx::query_as(concat!(
            "/* count_dead_letters */ SELECT letter.queue, letter.reason, count(*),
               count(*) FILTER (WHERE verification.status = 'pending'), min(letter.at)
             FROM dead_letters letter LEFT JOIN verifications verification ON verification.id = letter.verification_id
             WHERE ",
            chosen!(),
            " GROUP BY letter.queue, letter.reason ORDER BY letter.queue, letter.reason"
        ));
        let rows: Vec<(String, String, i64, i64, Time)> =
            bind_filter!(query, filter).fetch_all(&self.pool).await?;
        let counts = rows.into_iter().map(|(queue, reason, letters, pending, oldest)| DeadLetterCount {
            queue,
            reason,
            letters,
            pending,
            oldest: oldest.0,
        });
        Ok(counts.collect())
    }

    /// Newest first, those below number `before`.
    pub async fn dead_letters(
        &self,
        filter: &LetterFilter,
        before: i64,
        limit: i64,
    ) -> Result<Vec<DeadLetterRow>, StoreError> {
        let query = sqlx::query(concat!(
            "/* dead_letters */ SELECT letter.id, letter.verification_id, letter.queue, letter.reason,
               octet_length(letter.body)::bigint, letter.at, letter.redriven_at, verification.status,
               verification.erased_at IS NOT NULL,
               (SELECT count(*) FROM attempts WHERE attempts.verification_id = letter.verification_id
                  AND attempts.stage = split_part(letter.queue, '.', -2)),
               verification.traceparent
             FROM dead_letters letter LEFT JOIN verifications verification ON verification.id = letter.verification_id
             WHERE ",
            chosen!(),
            " AND letter.id < $6 ORDER BY letter.id DESC LIMIT $7"
        ));
        let rows = bind_filter!(query, filter).bind(before).bind(limit).fetch_all(&self.pool).await?;
        rows.iter().map(letter).collect()
    }

    /// The stages of these letters are enqueued again, as far as their verifications are pending: all of it in one
    /// transaction, through the outbox. The sweeper's rounds begin anew, and suspicions from before are forgotten.
    /// Answers with the letters that this was done for.
    pub async fn redrive(&self, ids: &[i64], actor: &str, now: Timestamp) -> Result<Vec<i64>, StoreError> {
        let redriven = sqlx::query_scalar(
            "/* redrive */ WITH chosen AS (
               SELECT id, verification_id, split_part(queue, '.', -2) AS stage FROM dead_letters
               WHERE id = ANY($1) AND verification_id IS NOT NULL
             ), open AS (
               UPDATE verifications SET enqueued_at = $3, rounds = 0
               WHERE status = 'pending' AND id IN (SELECT verification_id FROM chosen)
               RETURNING id, account_id, lane, traceparent, stages
             ), job AS (
               SELECT open.id, open.account_id, open.lane, open.traceparent, chosen.stage
               FROM open JOIN chosen ON chosen.verification_id = open.id AND chosen.stage = ANY(open.stages)
               GROUP BY 1, 2, 3, 4, 5
             ), again AS (
               INSERT INTO outbox (verification_id, stages, lane, traceparent, created_at, not_before)
               SELECT id, array_agg(stage), lane, traceparent, $3, $3 FROM job GROUP BY id, lane, traceparent
             ), unsuspected AS (
               DELETE FROM attempts USING job WHERE attempts.verification_id = job.id
                 AND attempts.stage = job.stage AND attempts.class = 'started_after_redelivery'
             ), audited AS (
               INSERT INTO audit (account_id, verification_id, at, actor, action, details)
               SELECT account_id, id, $3, $2, 'verification.redriven', jsonb_build_object('stages', array_agg(stage))
               FROM job GROUP BY account_id, id
             )
             UPDATE dead_letters SET redriven_at = $3 FROM chosen JOIN job
               ON job.id = chosen.verification_id AND job.stage = chosen.stage
             WHERE dead_letters.id = chosen.id RETURNING dead_letters.id",
        )
        .bind(ids)
        .bind(actor)
        .bind(Time(now))
        .fetch_all(&self.pool)
        .await?;
        Ok(redriven)
    }

    /// Forgets letters; their verifications stay as they are. How many there were.
    pub async fn drop_dead_letters(&self, filter: &LetterFilter) -> Result<u64, StoreError> {
        let query =
            sqlx::query(concat!("/* drop_dead_letters */ DELETE FROM dead_letters letter WHERE ", chosen!()));
        Ok(bind_filter!(query, filter).execute(&self.pool).await?.rows_affected())
    }
}

fn letter(row: &sqlx::postgres::PgRow) -> Result<DeadLetterRow, StoreError> {
    use sqlx::Row as _;
    let status: Option<String> = row.try_get(7)?;
    Ok(DeadLetterRow {
        id: row.try_get(0)?,
        verification_id: row.try_get::<Option<Uuid>, _>(1)?.map(VerificationId::from_uuid),
        queue: row.try_get(2)?,
        reason: row.try_get(3)?,
        body_bytes: row.try_get(4)?,
        at: row.try_get::<Time, _>(5)?.0,
        redriven_at: row.try_get::<Option<Time>, _>(6)?.map(|time| time.0),
        status: status.as_deref().map(word).transpose()?,
        erased: row.try_get(8)?,
        attempts: row.try_get(9)?,
        traceparent: row.try_get(10)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_queue_tells_stage_and_lane_whatever_the_prefix() {
        let known = Some((Stage::FaceMatch, Lane::Batch));
        for prefix in ["", "txid.", "a.b.c."] {
            let source = crate::queue::Source::Jobs(Stage::FaceMatch, Lane::Batch);
            assert_eq!(stage_and_lane(&format!("{prefix}{}", source.name())), known);
        }
        for other in ["unknown", "", "txid.verify.dead", "elsewhere.queue"] {
            assert_eq!(stage_and_lane(other), None);
        }
    }
}
