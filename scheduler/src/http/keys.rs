//! API keys, managed with an API key.

use super::Api;
use super::auth::Caller;
use super::body::collect;
use super::envelope::Refusal;
use super::idempotency::{Begun, IdempotencyHeader, Key, begin, made};
use super::query::{List, Parameters};
use super::verifications::no_such;
use crate::form::Form;
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;
use txid_shared::api::{ApiError, ErrorBody, ErrorCode};
use txid_shared::config::Secret;
use txid_shared::ids::KeyId;
use txid_shared::network::Network;
use txid_shared::store::{KeyRow, NewKey, Rotation};
use txid_shared::words::{KeyMode, Permission};
use utoipa::ToSchema;

const LONGEST_NAME_BYTES: usize = 200;
const MOST_NETWORKS: usize = 100;
const HIGHEST_RATE_LIMIT: u32 = 1_000_000;
const USUAL_GRACE_HOURS: i64 = 24;
const LONGEST_GRACE_HOURS: i64 = 720;

#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "documents the body; its fields are read one by one to name the wrong one")]
pub(super) struct KeyRequest {
    /// At most 200 bytes.
    name: String,
    /// Of those that the calling key has itself.
    permissions: Vec<Permission>,
    /// RFC 3339; absent: it does not expire.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Addresses and networks such as `192.0.2.0/24`; absent: from everywhere.
    #[schema(value_type = Option<Vec<String>>, example = json!(["192.0.2.0/24", "2001:db8::7"]))]
    allowed_ips: Option<Vec<Network>>,
    /// Calls per minute, besides the account's plan.
    #[schema(minimum = 1, maximum = 1_000_000)]
    rate_limit: Option<u32>,
    /// Default: the calling key's. A `test` key opens data apart from all live data.
    mode: Option<KeyMode>,
}

/// An API key; what opens the account is shown once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownKey {
    #[schema(value_type = String, example = "key_01JDC3Z5V00000000000000000")]
    id: KeyId,
    /// Always `api_key`.
    object: &'static str,
    name: String,
    mode: KeyMode,
    /// How the key begins.
    #[schema(example = "txc_live_A1b2C")]
    hint: String,
    permissions: Vec<Permission>,
    /// Empty: from everywhere.
    #[schema(value_type = Vec<String>)]
    allowed_ips: Vec<Network>,
    rate_limit: Option<u32>,
    /// RFC 3339 UTC
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
    /// To the minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
    /// The key that a rotation made in its place.
    #[schema(value_type = Option<String>)]
    replaced_by: Option<KeyId>,
    /// The key itself. Shown once, here.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

fn shown(row: KeyRow, secret: Option<Secret>) -> ShownKey {
    let NewKey { name, permissions, expires_at, allowed_ips, rate_limit } = row.terms;
    ShownKey {
        id: row.id,
        object: "api_key",
        name,
        mode: row.mode,
        hint: row.hint,
        permissions,
        allowed_ips,
        rate_limit,
        created_at: row.created_at,
        expires_at,
        revoked_at: row.revoked_at,
        last_used_at: row.last_used_at,
        replaced_by: row.replaced_by,
        key: secret.map(|secret| secret.reveal().to_owned()),
    }
}

/// Create an API key
#[utoipa::path(post, path = "/v1/developers/keys", tag = "developers", params(IdempotencyHeader),
    request_body = KeyRequest,
    responses(
        (status = 201, description = "Created; the key is shown this once", body = ShownKey),
        (status = 400, description = "invalid_request, missing_parameter, invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `developers:write`, or what it would grant",
            body = ErrorBody),
        (status = 409, description = "idempotency_key_conflict, idempotency_in_progress", body = ErrorBody),
    ))]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Refusal> {
    caller.require(Permission::DevelopersWrite)?;
    let (head, body) = request.into_parts();
    let (key, _room) = (Key::of(&head)?, api.room.take(&head.headers).await);
    let body = collect(&head.headers, body).await?;
    let form = Form::from_json(&body)?;
    form.only(&["name", "permissions", "expires_at", "allowed_ips", "rate_limit", "mode"])?;
    let now = api.clock.now();
    let new = new_key(&form, now)?;
    caller.may_grant(&new.permissions).map_err(|error| error.param("permissions"))?;
    let mode = form.parsed("mode", "`live` or `test`")?.unwrap_or(caller.mode);
    let failed = |error| Refusal::unavailable("an API key cannot be created", &error);
    let account = match (caller.mode, mode) {
        (KeyMode::Test, KeyMode::Live) => {
            let error = ApiError::new(ErrorCode::Forbidden, "a test key cannot open live data");
            return Err(error.param("mode").into());
        }
        (KeyMode::Live, KeyMode::Test) => {
            api.store.test_account(caller.account_id, now).await.map_err(failed)?
        }
        (KeyMode::Live, KeyMode::Live) | (KeyMode::Test, KeyMode::Test) => caller.account_id,
    };
    let claim = key.claim(&api, &caller, "POST /v1/developers/keys", &form);
    let mut making = match begin(&api, &caller, claim).await? {
        Begun::Now(making) => making,
        Begun::Before(answer) => return Ok(answer),
    };
    let by = (&*caller.key_id.to_string(), now);
    let (row, secret) = making.create_api_key(account, &new, by).await.map_err(failed)?;
    made(making, StatusCode::CREATED, &shown(row, Some(secret))).await
}

fn new_key(form: &Form<'_>, now: Timestamp) -> Result<NewKey, ApiError> {
    let name = form.text("name")?.map(Cow::into_owned).ok_or_else(|| ApiError::missing("name"))?;
    if name.len() > LONGEST_NAME_BYTES || name.chars().any(char::is_control) {
        let message = format!("`name` may have at most {LONGEST_NAME_BYTES} bytes and no control characters");
        return Err(ApiError::invalid("name", message));
    }
    let mut permissions: Vec<Permission> = form
        .structure("permissions", &format!("a list of {}", known_permissions()))?
        .ok_or_else(|| ApiError::missing("permissions"))?;
    permissions.sort_unstable();
    permissions.dedup();
    if permissions.is_empty() {
        return Err(ApiError::invalid("permissions", "`permissions` must name at least one"));
    }
    let expires_at: Option<Timestamp> = form.parsed("expires_at", "a time such as 2027-01-31T12:00:00Z")?;
    if expires_at.is_some_and(|expiry| expiry <= now) {
        return Err(ApiError::invalid("expires_at", "`expires_at` must lie in the future"));
    }
    let wanted = "a list of addresses and networks such as 192.0.2.0/24";
    let allowed_ips: Option<Vec<Network>> = form.structure("allowed_ips", wanted)?;
    // An empty list would read as nobody and mean everybody.
    if allowed_ips.as_ref().is_some_and(|networks| networks.is_empty() || networks.len() > MOST_NETWORKS) {
        let message =
            format!("`allowed_ips` may hold 1 to {MOST_NETWORKS} entries; leave it out to allow all");
        return Err(ApiError::invalid("allowed_ips", message));
    }
    let wanted = format!("a whole number from 1 to {HIGHEST_RATE_LIMIT}");
    let rate_limit: Option<u32> = form.within("rate_limit", 1..=HIGHEST_RATE_LIMIT, &wanted)?;
    Ok(NewKey { name, permissions, expires_at, allowed_ips: allowed_ips.unwrap_or_default(), rate_limit })
}

fn known_permissions() -> String {
    Permission::ALL.iter().map(|permission| permission.as_str()).collect::<Vec<_>>().join(", ")
}

/// List API keys
///
/// A live key sees the account's test keys as well; a test key sees test keys alone.
#[utoipa::path(get, path = "/v1/developers/keys", tag = "developers",
    params(
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 100, description = "Default 20"),
        ("starting_after" = Option<String>, Query, description = "`key_…`: older than this one"),
        ("ending_before" = Option<String>, Query, description = "`key_…`: newer than this one"),
    ),
    responses(
        (status = 200, description = "Newest first, revoked and expired ones included", body = List<ShownKey>),
        (status = 400, description = "invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `developers:read`", body = ErrorBody),
    ))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    parameters: Parameters,
) -> Result<Json<List<ShownKey>>, Refusal> {
    caller.require(Permission::DevelopersRead)?;
    parameters.only(&[], None)?;
    let (page, limit) = parameters.page()?;
    let found = api.store.api_keys(caller.account_id, page, limit + 1).await;
    let found = found.map_err(|error| Refusal::unavailable("API keys cannot be listed", &error))?;
    let data = found.into_iter().map(|row| shown(row, None)).collect();
    Ok(Json(List::of_page(data, &page, limit, |key: &ShownKey| key.id.to_string())))
}

/// Retrieve an API key
#[utoipa::path(get, path = "/v1/developers/keys/{id}", tag = "developers",
    params(("id" = String, Path, description = "`key_…`")),
    responses(
        (status = 200, description = "All but the key itself", body = ShownKey),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `developers:read`", body = ErrorBody),
        (status = 404, description = "not_found", body = ErrorBody),
    ))]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<ShownKey>, Refusal> {
    caller.require(Permission::DevelopersRead)?;
    Ok(Json(shown(named(&api, &caller, &id).await?, None)))
}

/// Revoke an API key
///
/// At once and for good. A key may revoke itself.
#[utoipa::path(delete, path = "/v1/developers/keys/{id}", tag = "developers",
    params(("id" = String, Path, description = "`key_…`")),
    responses(
        (status = 200, description = "Revoked, now or before", body = ShownKey),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `developers:write`", body = ErrorBody),
        (status = 404, description = "not_found", body = ErrorBody),
    ))]
pub(super) async fn revoke(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<ShownKey>, Refusal> {
    caller.require(Permission::DevelopersWrite)?;
    let id = named(&api, &caller, &id).await?.id;
    let revoked = api.store.revoke_api_key(id, &caller.key_id.to_string(), api.clock.now()).await;
    revoked.map_err(|error| Refusal::unavailable("an API key cannot be revoked", &error))?;
    Ok(Json(shown(row(&api, &caller, id).await?, None)))
}

#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "documents the body; its fields are read one by one to name the wrong one")]
pub(super) struct RotateRequest {
    /// How long the key before works on. Default 24; 0: it ends at once.
    #[schema(minimum = 0, maximum = 720)]
    grace_period_hours: Option<i64>,
}

/// Replace an API key
///
/// Makes a new key of the same name, permissions and limits. The one before works until the grace is over.
#[utoipa::path(post, path = "/v1/developers/keys/{id}/rotate", tag = "developers",
    params(("id" = String, Path, description = "`key_…`"), IdempotencyHeader), request_body = Option<RotateRequest>,
    responses(
        (status = 201, description = "The new key, shown this once", body = ShownKey),
        (status = 400, description = "invalid_request, invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `developers:write`, or what the other grants",
            body = ErrorBody),
        (status = 404, description = "not_found", body = ErrorBody),
        (status = 409, description = "invalid_state: revoked, expired or replaced before; \
            idempotency_key_conflict, idempotency_in_progress", body = ErrorBody),
    ))]
pub(super) async fn rotate(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    caller.require(Permission::DevelopersWrite)?;
    let (head, body) = request.into_parts();
    let (key, _room) = (Key::of(&head)?, api.room.take(&head.headers).await);
    let body = collect(&head.headers, body).await?;
    let form = if body.is_empty() { Form::default() } else { Form::from_json(&body)? };
    let grace = grace(&form)?;
    let before = named(&api, &caller, &id).await?;
    caller.may_grant(&before.terms.permissions)?;
    let claim = key.claim(&api, &caller, "POST /v1/developers/keys/{id}/rotate", &form);
    let claim = claim.map(|claim| claim.about(&before.id.to_string()));
    let mut making = match begin(&api, &caller, claim).await? {
        Begun::Now(making) => making,
        Begun::Before(answer) => return Ok(answer),
    };
    let failed = |error| Refusal::unavailable("an API key cannot be rotated", &error);
    let by = (&*caller.key_id.to_string(), api.clock.now());
    match making.rotate_api_key(before.id, grace, by).await.map_err(failed)? {
        Rotation::Made(key) => {
            let row = making.row_of(key.id).await.map_err(failed)?;
            made(making, StatusCode::CREATED, &shown(row, Some(key.secret))).await
        }
        Rotation::NoSuchKey => Err(no_such("API key").into()),
        Rotation::NotActive => {
            let message = "this API key is revoked, expired or replaced";
            Err(ApiError::new(ErrorCode::InvalidState, message).into())
        }
    }
}

fn grace(form: &Form<'_>) -> Result<SignedDuration, ApiError> {
    form.only(&["grace_period_hours"])?;
    let wanted = format!("a whole number from 0 to {LONGEST_GRACE_HOURS}");
    let hours = form.within("grace_period_hours", 0..=LONGEST_GRACE_HOURS, &wanted)?;
    Ok(SignedDuration::from_hours(hours.unwrap_or(USUAL_GRACE_HOURS)))
}

async fn named(api: &Api, caller: &Caller, id: &str) -> Result<KeyRow, Refusal> {
    row(api, caller, id.parse().map_err(|_| no_such("API key"))?).await
}

async fn row(api: &Api, caller: &Caller, id: KeyId) -> Result<KeyRow, Refusal> {
    let row = api.store.api_key_of(caller.account_id, id).await;
    let row = row.map_err(|error| Refusal::unavailable("an API key cannot be read", &error))?;
    row.ok_or_else(|| no_such("API key").into())
}
