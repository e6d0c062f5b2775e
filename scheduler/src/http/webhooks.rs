//! Endpoints that want to hear of events.

use super::Api;
use super::auth::Caller;
use super::body::collect;
use super::envelope::Refusal;
use super::idempotency::{Begun, IdempotencyHeader, Key, begin, made};
use super::query::List;
use super::verifications::no_such;
use crate::form::Form;
use crate::submission::web_address;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;
use txid_shared::api::{ApiError, ErrorBody, Webhook};
use txid_shared::ids::EndpointId;
use txid_shared::store::{EndpointChange, NewEndpoint, SecretRotation, StoreError};
use txid_shared::webhook_secret;
use txid_shared::words::{EventType, Payload, Permission};
use utoipa::ToSchema;

const LONGEST_DESCRIPTION_BYTES: usize = 500;
/// How long both secrets sign, unless the caller says otherwise, and at most.
const USUAL_OVERLAP_HOURS: i64 = 24;
const LONGEST_OVERLAP_HOURS: i64 = 168;

#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "documents the body; its fields are read one by one to name the wrong one")]
pub(super) struct WebhookRequest {
    #[schema(format = "uri")]
    url: String,
    /// Default: all that there are today.
    events: Option<Vec<EventType>>,
    /// Default: `full`.
    payload: Option<Payload>,
    /// At most 500 bytes.
    description: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "documents the body; its fields are read one by one to name the wrong one")]
pub(super) struct WebhookChange {
    #[schema(format = "uri")]
    url: Option<String>,
    events: Option<Vec<EventType>>,
    /// `true` forgets what it was disabled for.
    enabled: Option<bool>,
    payload: Option<Payload>,
    /// An empty one removes it.
    description: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "documents the body; its fields are read one by one to name the wrong one")]
pub(super) struct RotateRequest {
    /// How long the secret before signs as well: 0 to 168, default 24.
    overlap_hours: Option<i64>,
}

/// An endpoint with the secret that signs every delivery. It is shown once, here.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhookWithSecret {
    #[serde(flatten)]
    webhook: Webhook,
    secret: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeletedWebhook {
    #[schema(value_type = String, example = "wh_01JDC3Z5V00000000000000000")]
    id: EndpointId,
    /// Always `webhook`.
    object: &'static str,
    /// Always `true`.
    deleted: bool,
}

/// Create a webhook endpoint
#[utoipa::path(post, path = "/v1/developers/webhooks", tag = "developers", params(IdempotencyHeader),
    request_body = WebhookRequest,
    responses(
        (status = 201, description = "Created; the secret is shown this once", body = WebhookWithSecret),
        (status = 400, description = "invalid_request, missing_parameter, invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `developers:write`", body = ErrorBody),
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
    form.only(&["url", "events", "payload", "description"])?;
    let new = NewEndpoint {
        url: url(&form)?.ok_or_else(|| ApiError::missing("url"))?,
        events: events(&form)?.unwrap_or_else(|| EventType::ALL.to_vec()),
        payload: payload(&form)?.unwrap_or(Payload::Full),
        description: description(&form)?.filter(|text| !text.is_empty()),
    };
    let secret = webhook_secret().map_err(|error| Refusal::internal("a secret cannot be made", &error))?;
    let claim = key.claim(&api, &caller, "POST /v1/developers/webhooks", &form);
    let mut making = match begin(&api, &caller, claim).await? {
        Begun::Now(making) => making,
        Begun::Before(answer) => return Ok(answer),
    };
    let by = (&*caller.key_id.to_string(), api.clock.now());
    let created = making.create_endpoint(&new, &secret, by).await;
    let webhook = created.map_err(|error| unwritable(&error))?;
    let secret = secret.reveal().to_owned();
    made(making, StatusCode::CREATED, &WebhookWithSecret { webhook, secret }).await
}

/// List webhook endpoints
#[utoipa::path(get, path = "/v1/developers/webhooks", tag = "developers",
    responses(
        (status = 200, description = "All endpoints of the account, oldest first", body = List<Webhook>),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `developers:read`", body = ErrorBody),
    ))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
) -> Result<Json<List<Webhook>>, Refusal> {
    caller.require(Permission::DevelopersRead)?;
    let endpoints = api.store.endpoints(caller.account_id).await;
    Ok(Json(List::whole(endpoints.map_err(|error| unreadable(&error))?)))
}

/// Retrieve a webhook endpoint
#[utoipa::path(get, path = "/v1/developers/webhooks/{id}", tag = "developers",
    params(("id" = String, Path, description = "`wh_…`")),
    responses(
        (status = 200, description = "The endpoint as it stands, without its secret", body = Webhook),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `developers:read`", body = ErrorBody),
        (status = 404, description = "not_found", body = ErrorBody),
    ))]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Webhook>, Refusal> {
    caller.require(Permission::DevelopersRead)?;
    Ok(Json(load(&api, &caller, &id).await?))
}

/// Change a webhook endpoint
///
/// What is absent stays. Events that wait for a disabled endpoint are sent if it is enabled before they are
/// due; later they have failed and can be replayed.
#[utoipa::path(put, path = "/v1/developers/webhooks/{id}", tag = "developers",
    params(("id" = String, Path, description = "`wh_…`")), request_body = WebhookChange,
    responses(
        (status = 200, description = "Changed", body = Webhook),
        (status = 400, description = "invalid_request, invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `developers:write`", body = ErrorBody),
        (status = 404, description = "not_found", body = ErrorBody),
    ))]
pub(super) async fn change(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Webhook>, Refusal> {
    let id = writable(&caller, &id)?;
    let body = collect(&headers, body).await?;
    let form = Form::from_json(&body)?;
    form.only(&["url", "events", "enabled", "payload", "description"])?;
    let change = EndpointChange {
        url: url(&form)?,
        events: events(&form)?,
        enabled: form.structure("enabled", "true or false")?,
        payload: payload(&form)?,
        description: description(&form)?,
    };
    let by = (&*caller.key_id.to_string(), api.clock.now());
    let changed = api.store.change_endpoint(caller.account_id, id, &change, by).await;
    let changed = changed.map_err(|error| unwritable(&error))?;
    Ok(Json(changed.ok_or_else(|| no_such("webhook"))?))
}

/// Delete a webhook endpoint
///
/// What waits for it is not sent any more.
#[utoipa::path(delete, path = "/v1/developers/webhooks/{id}", tag = "developers",
    params(("id" = String, Path, description = "`wh_…`")),
    responses(
        (status = 200, description = "Deleted", body = DeletedWebhook),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `developers:write`", body = ErrorBody),
        (status = 404, description = "not_found: never there, or deleted before", body = ErrorBody),
    ))]
pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<DeletedWebhook>, Refusal> {
    let id = writable(&caller, &id)?;
    let by = (&*caller.key_id.to_string(), api.clock.now());
    let deleted = api.store.delete_endpoint(caller.account_id, id, by).await;
    if !deleted.map_err(|error| unwritable(&error))? {
        return Err(no_such("webhook").into());
    }
    Ok(Json(DeletedWebhook { id, object: Webhook::OBJECT, deleted: true }))
}

/// Give a webhook endpoint a new secret
///
/// Until the overlap ends both secrets sign: `webhook-signature` holds a signature by each, and
/// `X-TXCloud-Signature` stays with the secret before.
#[utoipa::path(post, path = "/v1/developers/webhooks/{id}/rotate-secret", tag = "developers",
    params(("id" = String, Path, description = "`wh_…`"), IdempotencyHeader), request_body = Option<RotateRequest>,
    responses(
        (status = 200, description = "Rotated; the secret is shown this once", body = WebhookWithSecret),
        (status = 400, description = "invalid_request, invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `developers:write`", body = ErrorBody),
        (status = 404, description = "not_found", body = ErrorBody),
        (status = 409, description = "idempotency_key_conflict, idempotency_in_progress", body = ErrorBody),
    ))]
pub(super) async fn rotate_secret(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let id = writable(&caller, &id)?;
    let (head, body) = request.into_parts();
    let key = Key::of(&head)?;
    let body = collect(&head.headers, body).await?;
    let form = if body.is_empty() { Form::default() } else { Form::from_json(&body)? };
    form.only(&["overlap_hours"])?;
    let wanted = "a whole number from 0 to 168";
    let hours =
        form.within("overlap_hours", 0..=LONGEST_OVERLAP_HOURS, wanted)?.unwrap_or(USUAL_OVERLAP_HOURS);
    let now = api.clock.now();
    let until = now.saturating_add(SignedDuration::from_hours(hours)).ok();
    let secret = webhook_secret().map_err(|error| Refusal::internal("a secret cannot be made", &error))?;
    let rotation = SecretRotation { secret, previous_until: until.filter(|_| hours > 0) };
    let claim = key.claim(&api, &caller, "POST /v1/developers/webhooks/{id}/rotate-secret", &form);
    let claim = claim.map(|claim| claim.about(&id.to_string()));
    let mut making = match begin(&api, &caller, claim).await? {
        Begun::Now(making) => making,
        Begun::Before(answer) => return Ok(answer),
    };
    let by = (&*caller.key_id.to_string(), now);
    let rotated = making.rotate_secret(id, &rotation, by).await;
    let rotated = rotated.map_err(|error| unwritable(&error))?;
    let webhook = rotated.ok_or_else(|| no_such("webhook"))?;
    let secret = rotation.secret.reveal().to_owned();
    made(making, StatusCode::OK, &WebhookWithSecret { webhook, secret }).await
}

/// Another account's id does not exist.
pub(super) async fn load(api: &Api, caller: &Caller, id: &str) -> Result<Webhook, Refusal> {
    let id = id.parse().map_err(|_| no_such("webhook"))?;
    let found = api.store.endpoint(caller.account_id, id).await.map_err(|error| unreadable(&error))?;
    found.ok_or_else(|| no_such("webhook").into())
}

fn writable(caller: &Caller, id: &str) -> Result<EndpointId, Refusal> {
    caller.require(Permission::DevelopersWrite)?;
    id.parse().map_err(|_| no_such("webhook").into())
}

pub(super) fn unreadable(error: &StoreError) -> Refusal {
    Refusal::unavailable("webhooks cannot be read", error)
}

pub(super) fn unwritable(error: &StoreError) -> Refusal {
    Refusal::unavailable("a webhook cannot be changed", error)
}

fn url(form: &Form<'_>) -> Result<Option<String>, ApiError> {
    let url = form.text("url")?.map(Cow::into_owned);
    if let Some(url) = &url {
        web_address("url", url)?;
    }
    Ok(url)
}

fn payload(form: &Form<'_>) -> Result<Option<Payload>, ApiError> {
    form.parsed("payload", "`full` or `thin`")
}

/// Also an empty one: that removes it.
fn description(form: &Form<'_>) -> Result<Option<String>, ApiError> {
    let Some(given) = form.one("description")? else { return Ok(None) };
    let text = given.text("description")?;
    if text.len() > LONGEST_DESCRIPTION_BYTES || text.contains('\0') {
        let message = "`description` may have at most 500 bytes, and none of them zero";
        return Err(ApiError::invalid("description", message));
    }
    Ok(Some(text.into_owned()))
}

fn events(form: &Form<'_>) -> Result<Option<Vec<EventType>>, ApiError> {
    let Some(named) = form.structure::<Vec<String>>("events", "a list of strings")? else {
        return Ok(None);
    };
    let mut events = Vec::new();
    for name in named {
        let event = event_type("events", &name)?;
        if !events.contains(&event) {
            events.push(event);
        }
    }
    if events.is_empty() {
        return Err(ApiError::invalid("events", "`events` must name at least one event"));
    }
    Ok(Some(events))
}

pub(super) fn event_type(param: &str, name: &str) -> Result<EventType, ApiError> {
    name.parse().map_err(|_| {
        let known: Vec<&str> = EventType::ALL.iter().map(|event| event.as_str()).collect();
        ApiError::invalid(param, format!("`{param}` may hold {}", known.join(", ")))
    })
}
