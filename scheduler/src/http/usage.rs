//! What an account used, by day and by endpoint.

use super::Api;
use super::auth::Caller;
use super::envelope::Refusal;
use super::query::{List, Parameters};
use axum::Json;
use axum::extract::State;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::{AddAssign, RangeInclusive};
use std::sync::Arc;
use txid_shared::api::{ApiError, ErrorBody};
use txid_shared::store::{Calls, StoreError};
use txid_shared::words::{Permission, Status};
use utoipa::ToSchema;

const LONGEST_PERIOD_DAYS: i32 = 366;

/// Counts of calls.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
pub(super) struct Requests {
    total: i64,
    succeeded: i64,
    /// Answered 4xx.
    refused: i64,
    /// Answered 429; also among the refused.
    rate_limited: i64,
    /// Answered 5xx.
    failed: i64,
}

/// Verifications by the day of their acceptance and the status that they have now.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub(super) struct Verifications {
    total: i64,
    by_status: BTreeMap<Status, i64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Usage {
    /// Always `usage`.
    object: &'static str,
    #[schema(value_type = String, format = Date)]
    from: Date,
    #[schema(value_type = String, format = Date)]
    to: Date,
    requests: Requests,
    verifications: Verifications,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UsageOfDay {
    #[schema(value_type = String, format = Date)]
    date: Date,
    requests: Requests,
    verifications: Verifications,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UsageOfEndpoint {
    #[schema(example = "POST /v1/identity/verify")]
    endpoint: String,
    requests: Requests,
}

impl From<Calls> for Requests {
    fn from(calls: Calls) -> Self {
        let Calls { total, refused, rate_limited, failed } = calls;
        Self { total, succeeded: total - refused - failed, refused, rate_limited, failed }
    }
}

impl AddAssign for Requests {
    fn add_assign(&mut self, other: Self) {
        self.total += other.total;
        self.succeeded += other.succeeded;
        self.refused += other.refused;
        self.rate_limited += other.rate_limited;
        self.failed += other.failed;
    }
}

impl Verifications {
    fn add(&mut self, status: Status, count: i64) {
        self.total += count;
        *self.by_status.entry(status).or_default() += count;
    }
}

/// Usage of a period
///
/// Requests are counted a second after they were answered, and what a killed process had not written yet
/// is not counted.
#[utoipa::path(get, path = "/v1/developers/usage", tag = "developers",
    params(
        ("from" = Option<String>, Query, description = "First day, `YYYY-MM-DD` (UTC); default: of this month"),
        ("to" = Option<String>, Query, description = "Last day; default: today. At most 366 days"),
    ),
    responses(
        (status = 200, description = "Sums of all days", body = Usage),
        (status = 400, description = "invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `developers:read`", body = ErrorBody),
    ))]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    parameters: Parameters,
) -> Result<Json<Usage>, Refusal> {
    let period = readable(&api, &caller, &parameters)?;
    let days = days(&api, &caller, &period).await?;
    let (mut requests, mut verifications) = (Requests::default(), Verifications::default());
    for day in days {
        requests += day.requests;
        for (status, count) in day.verifications.by_status {
            verifications.add(status, count);
        }
    }
    let (from, to) = (*period.start(), *period.end());
    Ok(Json(Usage { object: "usage", from, to, requests, verifications }))
}

/// Usage day by day
#[utoipa::path(get, path = "/v1/developers/usage/daily", tag = "developers",
    params(
        ("from" = Option<String>, Query, description = "First day, `YYYY-MM-DD` (UTC); default: of this month"),
        ("to" = Option<String>, Query, description = "Last day; default: today. At most 366 days"),
    ),
    responses(
        (status = 200, description = "Every day of the period, oldest first", body = List<UsageOfDay>),
        (status = 400, description = "invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `developers:read`", body = ErrorBody),
    ))]
pub(super) async fn daily(
    State(api): State<Arc<Api>>,
    caller: Caller,
    parameters: Parameters,
) -> Result<Json<List<UsageOfDay>>, Refusal> {
    let period = readable(&api, &caller, &parameters)?;
    Ok(Json(List::whole(days(&api, &caller, &period).await?)))
}

/// Usage by endpoint
#[utoipa::path(get, path = "/v1/developers/usage/by-endpoint", tag = "developers",
    params(
        ("from" = Option<String>, Query, description = "First day, `YYYY-MM-DD` (UTC); default: of this month"),
        ("to" = Option<String>, Query, description = "Last day; default: today. At most 366 days"),
    ),
    responses(
        (status = 200, description = "Every endpoint that was called, the most called first",
            body = List<UsageOfEndpoint>),
        (status = 400, description = "invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `developers:read`", body = ErrorBody),
    ))]
pub(super) async fn by_endpoint(
    State(api): State<Arc<Api>>,
    caller: Caller,
    parameters: Parameters,
) -> Result<Json<List<UsageOfEndpoint>>, Refusal> {
    let period = readable(&api, &caller, &parameters)?;
    let found = api.store.usage_by_endpoint(caller.account_id, &period).await;
    let found = found.map_err(|error| unreadable(&error))?.into_iter();
    let data = found.map(|used| UsageOfEndpoint { endpoint: used.endpoint, requests: used.calls.into() });
    Ok(Json(List::whole(data.collect())))
}

fn readable(api: &Api, caller: &Caller, parameters: &Parameters) -> Result<RangeInclusive<Date>, ApiError> {
    caller.require(Permission::DevelopersRead)?;
    parameters.only(&["from", "to"], None)?;
    let today = api.clock.now().to_zoned(TimeZone::UTC).date();
    let to: Date = parameters.parsed("to", "a day such as 2026-01-31")?.unwrap_or(today);
    let from: Date = parameters.parsed("from", "a day such as 2026-01-31")?.unwrap_or(to.first_of_month());
    let days = to.since(from).map_or(i32::MAX, |span| span.get_days());
    if from > to || days >= LONGEST_PERIOD_DAYS {
        let message =
            format!("`from` must lie before `to`, and at most {LONGEST_PERIOD_DAYS} days may be asked for");
        return Err(ApiError::invalid("from", message));
    }
    Ok(from..=to)
}

/// Days without anything are there as well, so that a chart has no gaps.
async fn days(api: &Api, caller: &Caller, period: &RangeInclusive<Date>) -> Result<Vec<UsageOfDay>, Refusal> {
    let (calls, verifications) = tokio::try_join!(
        api.store.usage_by_day(caller.account_id, period),
        api.store.verifications_by_day(caller.account_id, period),
    )
    .map_err(|error| unreadable(&error))?;
    let mut requests: BTreeMap<Date, Requests> =
        calls.into_iter().map(|day| (day.day, day.calls.into())).collect();
    let mut by_day: BTreeMap<Date, Verifications> = BTreeMap::new();
    for counted in verifications {
        by_day.entry(counted.day).or_default().add(counted.status, counted.count);
    }
    let every_day = period.start().series(jiff::Span::new().days(1)).take_while(|day| day <= period.end());
    let of_day = |date| UsageOfDay {
        date,
        requests: requests.remove(&date).unwrap_or_default(),
        verifications: by_day.remove(&date).unwrap_or_default(),
    };
    Ok(every_day.map(of_day).collect())
}

fn unreadable(error: &StoreError) -> Refusal {
    Refusal::unavailable("usage cannot be read", error)
}
