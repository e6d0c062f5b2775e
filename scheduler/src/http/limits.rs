//! How much a caller may ask for, and how much of it is left.

use super::Api;
use super::auth::Caller;
use super::envelope::Refusal;
use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use std::sync::Arc;
use txid_shared::allowance::{Look, Scope, Standing};
use txid_shared::api::ErrorBody;
use txid_shared::words::{KeyMode, Permission, Plan};
use utoipa::ToSchema;

/// What the calling key's account has agreed on.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Limits {
    /// Always `limits`.
    object: &'static str,
    plan: Plan,
    mode: KeyMode,
    /// Empty where nothing is limited.
    windows: Vec<LimitWindow>,
    /// Absent where calls at once are not limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrency: Option<Concurrency>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LimitWindow {
    /// `account`, `key` or `endpoint`.
    scope: &'static str,
    /// Method and route, where the limit is an endpoint's.
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    window_seconds: u32,
    limit: u32,
    used: u32,
    remaining: u32,
    /// RFC 3339 UTC
    #[schema(value_type = String, format = DateTime)]
    resets_at: Timestamp,
}

/// Calls under way, this one included.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Concurrency {
    limit: u32,
    used: u32,
    remaining: u32,
}

/// Limits and what is left of them
///
/// Windows are minutes and days of UTC. A call has to fit into all of them; one that does not is refused
/// and counts in none.
#[utoipa::path(get, path = "/v1/developers/limits", tag = "developers",
    responses(
        (status = 200, description = "As they stand", body = Limits),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `developers:read`", body = ErrorBody),
        (status = 503, description = "service_unavailable: nobody knows now; calls are not refused", body = ErrorBody),
    ))]
pub(super) async fn show(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<Limits>, Refusal> {
    caller.require(Permission::DevelopersRead)?;
    let endpoints = api.gate.limits.endpoints_per_minute.keys().map(String::as_str);
    let terms = api.gate.terms(&caller, endpoints);
    let look = if terms.are_unlimited() {
        Look { standings: Vec::new(), under_way: 0 }
    } else {
        let look = api.gate.allowance.look(&terms, api.clock.now()).await;
        look.map_err(|error| Refusal::unavailable("limits cannot be looked up", &error))?
    };
    let used = look.under_way;
    let concurrency =
        terms.concurrent.map(|limit| Concurrency { limit, used, remaining: limit.saturating_sub(used) });
    let windows = look.standings.into_iter().map(window).collect();
    Ok(Json(Limits { object: "limits", plan: caller.plan, mode: caller.mode, windows, concurrency }))
}

fn window(standing: Standing) -> LimitWindow {
    let remaining = standing.remaining();
    let Standing { limit, used, resets_at } = standing;
    let (scope, endpoint) = match limit.scope {
        Scope::Account => ("account", None),
        Scope::Key(_) => ("key", None),
        Scope::Endpoint(endpoint) => ("endpoint", Some(endpoint)),
    };
    let window_seconds = limit.per.seconds();
    LimitWindow { scope, endpoint, window_seconds, limit: limit.calls, used, remaining, resets_at }
}
