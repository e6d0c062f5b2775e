//! What an account asked for over time. Calls are counted day by day as they are logged; verifications
//! are counted from their rows. Days are those of UTC.

use super::time::Time;
use super::{Store, StoreError, word};
use crate::ids::AccountId;
use crate::words::Status;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::ops::RangeInclusive;

/// Counts of calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    pub total: i64,
    /// 4xx
    pub refused: i64,
    /// 429, also among the refused.
    pub rate_limited: i64,
    /// 5xx
    pub failed: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageDay {
    pub day: Date,
    pub calls: Calls,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointUsage {
    /// Method and route.
    pub endpoint: String,
    pub calls: Calls,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerificationsOfDay {
    pub day: Date,
    pub status: Status,
    pub count: i64,
}

type Counts = (String, i64, i64, i64, i64);

impl Store {
    /// Only days with calls, oldest first.
    pub async fn usage_by_day(
        &self,
        account: AccountId,
        days: &RangeInclusive<Date>,
    ) -> Result<Vec<UsageDay>, StoreError> {
        let rows: Vec<Counts> = sqlx::query_as(
            "/* usage_by_day */ SELECT day::text, sum(requests)::bigint, sum(refused)::bigint,
               sum(rate_limited)::bigint, sum(failed)::bigint
             FROM usage WHERE account_id = $1 AND day BETWEEN $2::text::date AND $3::text::date
             GROUP BY day ORDER BY day",
        )
        .bind(account.uuid())
        .bind(days.start().to_string())
        .bind(days.end().to_string())
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(|row| Ok(UsageDay { day: date(&row.0)?, calls: calls(&row) })).collect()
    }

    /// The most called first.
    pub async fn usage_by_endpoint(
        &self,
        account: AccountId,
        days: &RangeInclusive<Date>,
    ) -> Result<Vec<EndpointUsage>, StoreError> {
        let rows: Vec<Counts> = sqlx::query_as(
            "/* usage_by_endpoint */ SELECT endpoint, sum(requests)::bigint, sum(refused)::bigint,
               sum(rate_limited)::bigint, sum(failed)::bigint
             FROM usage WHERE account_id = $1 AND day BETWEEN $2::text::date AND $3::text::date
             GROUP BY endpoint ORDER BY 2 DESC, endpoint",
        )
        .bind(account.uuid())
        .bind(days.start().to_string())
        .bind(days.end().to_string())
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| EndpointUsage { calls: calls(&row), endpoint: row.0 }).collect())
    }

    /// By the day of their acceptance and the status that they have now, erased ones included.
    pub async fn verifications_by_day(
        &self,
        account: AccountId,
        days: &RangeInclusive<Date>,
    ) -> Result<Vec<VerificationsOfDay>, StoreError> {
        let rows: Vec<(String, String, i64)> = sqlx::query_as(
            "/* verifications_by_day */ SELECT ((created_at AT TIME ZONE 'UTC')::date)::text, status, count(*)
             FROM verifications WHERE account_id = $1 AND created_at >= $2 AND created_at < $3
             GROUP BY 1, 2 ORDER BY 1, 2",
        )
        .bind(account.uuid())
        .bind(Time(midnight(*days.start())))
        .bind(Time(midnight(days.end().tomorrow().unwrap_or(Date::MAX))))
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|(day, status, count)| {
                Ok(VerificationsOfDay { day: date(&day)?, status: word(&status)?, count })
            })
            .collect()
    }
}

fn calls(row: &Counts) -> Calls {
    Calls { total: row.1, refused: row.2, rate_limited: row.3, failed: row.4 }
}

fn date(text: &str) -> Result<Date, StoreError> {
    text.parse().map_err(|_| StoreError::Unknown(format!("the day {text}")))
}

fn midnight(day: Date) -> Timestamp {
    let start = day.to_zoned(TimeZone::UTC).map(|start| start.timestamp());
    // Only the first and last days of jiff's calendar have none.
    start.unwrap_or(Timestamp::MAX)
}
