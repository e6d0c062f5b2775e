//! What an account asked of the API. Bodies, headers and paths are not kept, so there is nothing to redact.

use super::Api;
use super::auth::Caller;
use super::envelope::Refusal;
use super::query::{List, Parameters};
use super::verifications::no_such;
use axum::Json;
use axum::extract::{Path, State};
use jiff::Timestamp;
use serde::Serialize;
use std::net::IpAddr;
use std::sync::Arc;
use txid_shared::api::{ApiError, ErrorBody};
use txid_shared::ids::{KeyId, RequestId};
use txid_shared::store::{RequestFilter, RequestLog};
use txid_shared::words::Permission;
use utoipa::ToSchema;

const FILTERS: [&str; 5] = ["status", "key_id", "request_id", "created_after", "created_before"];

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LoggedRequest {
    #[schema(value_type = String, example = "req_01JDC3Z5V00000000000000000")]
    id: RequestId,
    /// Always `request_log`.
    object: &'static str,
    /// As `X-Request-Id` of the answer: `id`, or what the caller sent.
    request_id: String,
    /// RFC 3339 UTC
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    method: String,
    /// The address' pattern, without ids and parameters; `unknown` where there is none.
    #[schema(example = "/v1/identity/verifications/{id}")]
    route: String,
    /// 499: the caller hung up first.
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<String>,
    duration_ms: i64,
    #[schema(value_type = String)]
    key_id: KeyId,
    #[schema(value_type = Option<String>)]
    client_address: Option<IpAddr>,
}

impl From<RequestLog> for LoggedRequest {
    fn from(log: RequestLog) -> Self {
        let RequestLog { id, key_id, request_id, method, route, status, error_code, duration_ms, .. } = log;
        Self {
            id,
            object: "request_log",
            request_id,
            created_at: log.at,
            method,
            route,
            status,
            error_code,
            duration_ms,
            key_id,
            client_address: log.address,
        }
    }
}

/// List request logs
///
/// Calls with a key of this account, a second after they were answered. They are kept for a limited time.
#[utoipa::path(get, path = "/v1/developers/logs", tag = "developers",
    params(
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 100, description = "Default 20"),
        ("starting_after" = Option<String>, Query, description = "`req_…`: older than this one"),
        ("ending_before" = Option<String>, Query, description = "`req_…`: newer than this one"),
        ("status" = Option<u16>, Query, description = "HTTP status"),
        ("key_id" = Option<String>, Query, description = "`key_…`"),
        ("request_id" = Option<String>, Query, description = "As `X-Request-Id` of the answer"),
        ("created_after" = Option<String>, Query, description = "RFC 3339"),
        ("created_before" = Option<String>, Query, description = "RFC 3339"),
    ),
    responses(
        (status = 200, description = "Newest first", body = List<LoggedRequest>),
        (status = 400, description = "invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `developers:read`", body = ErrorBody),
    ))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    parameters: Parameters,
) -> Result<Json<List<LoggedRequest>>, Refusal> {
    caller.require(Permission::DevelopersRead)?;
    parameters.only(&FILTERS, None)?;
    let time = "a time such as 2026-01-31T12:00:00Z";
    let filter = RequestFilter {
        status: parameters.parsed::<u16>("status", "an HTTP status")?.map(i32::from),
        key: parameters.parsed("key_id", "an id `key_…`")?,
        request_id: parameters.text("request_id")?.map(str::to_owned),
        created_after: parameters.parsed("created_after", time)?,
        created_before: parameters.parsed("created_before", time)?,
    };
    // Postgres has no such text.
    if filter.request_id.as_ref().is_some_and(|id| id.contains('\0')) {
        return Err(ApiError::invalid("request_id", "`request_id` holds the character U+0000").into());
    }
    let (page, limit) = parameters.page()?;
    let found = api.store.requests(caller.account_id, &filter, page, limit + 1).await;
    let found = found.map_err(|error| Refusal::unavailable("request logs cannot be listed", &error))?;
    let data = found.into_iter().map(LoggedRequest::from).collect();
    Ok(Json(List::of_page(data, &page, limit, |log: &LoggedRequest| log.id.to_string())))
}

/// Retrieve a request log
#[utoipa::path(get, path = "/v1/developers/logs/{id}", tag = "developers",
    params(("id" = String, Path, description = "`req_…`")),
    responses(
        (status = 200, description = "One call", body = LoggedRequest),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `developers:read`", body = ErrorBody),
        (status = 404, description = "not_found", body = ErrorBody),
    ))]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<LoggedRequest>, Refusal> {
    caller.require(Permission::DevelopersRead)?;
    let id = id.parse().map_err(|_| no_such("request log"))?;
    let found = api.store.request_of(caller.account_id, id).await;
    let found = found.map_err(|error| Refusal::unavailable("a request log cannot be read", &error))?;
    Ok(Json(found.ok_or_else(|| no_such("request log"))?.into()))
}
