//! What was asked of the API: one row per call, without body, header or path, and its count.

use super::time::Time;
use super::{Page, Store, StoreError};
use crate::ids::{AccountId, KeyId, RequestId};
use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use std::net::IpAddr;

/// Rows that one statement removes.
const FORGET: i64 = 5_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestLog {
    pub account_id: AccountId,
    pub id: RequestId,
    pub key_id: KeyId,
    /// As answered in `X-Request-Id`: the same as `id`, or what the caller sent.
    pub request_id: String,
    pub at: Timestamp,
    pub method: String,
    /// The route's pattern; `unknown` for an address that does not exist.
    pub route: String,
    pub status: u16,
    /// The contract's code, where the call was refused or failed.
    pub error_code: Option<String>,
    pub duration_ms: i64,
    pub address: Option<IpAddr>,
    /// The key opened the account: it was not revoked, expired or from elsewhere.
    pub authenticated: bool,
}

/// Which calls to list. What is `None` admits all.
#[derive(Debug, Clone, Default)]
pub struct RequestFilter {
    pub status: Option<i32>,
    pub key: Option<KeyId>,
    pub request_id: Option<String>,
    pub created_after: Option<Timestamp>,
    pub created_before: Option<Timestamp>,
}

macro_rules! request_logs {
    ($name:literal, $($rest:literal),+) => {
        concat!(
            "/* ",
            $name,
            " */ SELECT account_id, id, key_id, request_id, at, method, route, status, error_code,
               duration_ms, address
             FROM request_logs ",
            $($rest),+
        )
    };
}

macro_rules! page_of_requests {
    ($order:literal) => {
        request_logs!(
            "requests",
            "WHERE account_id = $1 AND id > $2 AND id < $3
               AND ($4::integer IS NULL OR status = $4) AND ($5::uuid IS NULL OR key_id = $5)
               AND ($6::text IS NULL OR request_id = $6)
               AND ($7::timestamptz IS NULL OR at > $7) AND ($8::timestamptz IS NULL OR at < $8)
             ORDER BY id ",
            $order,
            " LIMIT $9"
        )
    };
}

fn request_log(row: &PgRow) -> Result<RequestLog, StoreError> {
    Ok(RequestLog {
        account_id: AccountId::from_uuid(row.try_get(0)?),
        id: RequestId::from_uuid(row.try_get(1)?),
        key_id: KeyId::from_uuid(row.try_get(2)?),
        request_id: row.try_get(3)?,
        at: row.try_get::<Time, _>(4)?.0,
        method: row.try_get(5)?,
        route: row.try_get(6)?,
        status: u16::try_from(row.try_get::<i32, _>(7)?).unwrap_or_default(),
        error_code: row.try_get(8)?,
        duration_ms: row.try_get(9)?,
        address: row.try_get::<Option<String>, _>(10)?.and_then(|address| address.parse().ok()),
        authenticated: true,
    })
}

impl Store {
    /// Writes the rows, counts them and notes when their keys were used, in one statement that nobody
    /// waits for to be on disk. Rows that are there already count for nothing, so it may be repeated.
    pub async fn record_requests(&self, requests: &[RequestLog]) -> Result<(), StoreError> {
        sqlx::query(
            "/* record_requests */ WITH given AS (
               SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[],
                 $6::text[], $7::text[], $8::integer[], $9::text[], $10::bigint[], $11::text[],
                 $12::boolean[]) AS given (account_id, id, key_id, request_id, at, method, route, status,
                   error_code, duration_ms, address, authenticated)
             ), logged AS (
               INSERT INTO request_logs (account_id, id, key_id, request_id, at, method, route, status,
                 error_code, duration_ms, address)
               SELECT account_id, id, key_id, request_id, at, method, route, status, error_code,
                 duration_ms, address FROM given
               ON CONFLICT DO NOTHING RETURNING account_id, id, key_id, at, method, route, status
             ), counted AS (
               INSERT INTO usage AS u (account_id, day, endpoint, requests, refused, rate_limited, failed)
               SELECT account_id, (at AT TIME ZONE 'UTC')::date, method || ' ' || route, count(*),
                 count(*) FILTER (WHERE status BETWEEN 400 AND 499), count(*) FILTER (WHERE status = 429),
                 count(*) FILTER (WHERE status >= 500)
               FROM logged GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
               ON CONFLICT (account_id, day, endpoint) DO UPDATE SET
                 requests = u.requests + excluded.requests, refused = u.refused + excluded.refused,
                 rate_limited = u.rate_limited + excluded.rate_limited, failed = u.failed + excluded.failed
             ), used AS (
               SELECT logged.key_id, max(logged.at) AS at FROM logged JOIN given USING (account_id, id)
               WHERE given.authenticated GROUP BY logged.key_id
             ), noted AS (
               UPDATE api_keys SET last_used_at = used.at FROM used
               WHERE api_keys.id = used.key_id
                 AND (last_used_at IS NULL OR last_used_at <= used.at - interval '1 minute')
             )
             SELECT set_config('synchronous_commit', 'off', true)",
        )
        .bind(column(requests, |log| log.account_id.uuid()))
        .bind(column(requests, |log| log.id.uuid()))
        .bind(column(requests, |log| log.key_id.uuid()))
        .bind(column(requests, |log| log.request_id.as_str()))
        .bind(column(requests, |log| Time(log.at)))
        .bind(column(requests, |log| log.method.as_str()))
        .bind(column(requests, |log| log.route.as_str()))
        .bind(column(requests, |log| i32::from(log.status)))
        .bind(column(requests, |log| log.error_code.as_deref()))
        .bind(column(requests, |log| log.duration_ms))
        .bind(column(requests, |log| log.address.map(|address| address.to_string())))
        .bind(column(requests, |log| log.authenticated))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Newest first, whichever way the page was reached.
    pub async fn requests(
        &self,
        account: AccountId,
        filter: &RequestFilter,
        page: Page<RequestId>,
        limit: i64,
    ) -> Result<Vec<RequestLog>, StoreError> {
        let (newer_than, older_than, backwards) = page.bounds(RequestId::uuid);
        let statement = if backwards { page_of_requests!("ASC") } else { page_of_requests!("DESC") };
        let found = sqlx::query(statement)
            .bind(account.uuid())
            .bind(newer_than)
            .bind(older_than)
            .bind(filter.status)
            .bind(filter.key.map(KeyId::uuid))
            .bind(filter.request_id.as_deref())
            .bind(filter.created_after.map(Time))
            .bind(filter.created_before.map(Time))
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        let mut rows: Vec<RequestLog> = found.iter().map(request_log).collect::<Result<_, _>>()?;
        if backwards {
            rows.reverse();
        }
        Ok(rows)
    }

    pub async fn request_of(
        &self,
        account: AccountId,
        id: RequestId,
    ) -> Result<Option<RequestLog>, StoreError> {
        let statement = request_logs!("request_of", "WHERE account_id = $1 AND id = $2");
        let found = sqlx::query(statement).bind(account.uuid()).bind(id.uuid()).fetch_optional(&self.pool);
        found.await?.as_ref().map(request_log).transpose()
    }

    /// Removes logs from before `limit`; how many. Their counts stay.
    pub async fn forget_requests(&self, limit: Timestamp) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let rows = sqlx::query(
                "/* forget_requests */ DELETE FROM request_logs WHERE (account_id, id) IN (
                   SELECT account_id, id FROM request_logs WHERE at < $1 LIMIT $2)",
            )
            .bind(Time(limit))
            .bind(FORGET)
            .execute(&self.pool)
            .await?;
            removed += rows.rows_affected();
            if rows.rows_affected() < FORGET.unsigned_abs() {
                return Ok(removed);
            }
        }
    }
}

fn column<'a, T>(requests: &'a [RequestLog], value: impl Fn(&'a RequestLog) -> T) -> Vec<T> {
    requests.iter().map(value).collect()
}
