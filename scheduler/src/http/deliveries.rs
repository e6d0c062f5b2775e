//! What was sent to an endpoint: its log, a test, and what is sent once more.

use super::Api;
use super::auth::Caller;
use super::body::collect;
use super::envelope::Refusal;
use super::idempotency::{Begun, IdempotencyHeader, Key, begin, made};
use super::query::{List, Parameters};
use super::verifications::no_such;
use super::webhooks::{event_type, load, unreadable, unwritable};
use crate::form::Form;
use crate::sample::sample;
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::sync::Arc;
use txid_shared::api::{ApiError, Delivery, ErrorBody, ErrorCode, Event};
use txid_shared::ids::{EndpointId, EventId};
use txid_shared::sealed::seal_event;
use txid_shared::store::Replay;
use txid_shared::telemetry::current_traceparent;
use txid_shared::words::{DeliveryStatus, EventType, Permission};
use utoipa::ToSchema;

/// Deliveries that one call may make due again.
const LARGEST_REPLAY: i64 = 10_000;

/// List what was sent to an endpoint
#[utoipa::path(get, path = "/v1/developers/webhooks/{id}/logs", tag = "developers",
    params(
        ("id" = String, Path, description = "`wh_…`"),
        ("status" = Option<DeliveryStatus>, Query),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 100, description = "Default 20"),
        ("starting_after" = Option<String>, Query, description = "`dlv_…`: older than this one"),
        ("ending_before" = Option<String>, Query, description = "`dlv_…`: newer than this one"),
    ),
    responses(
        (status = 200, description = "Deliveries with every attempt, newest first", body = List<Delivery>),
        (status = 400, description = "invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `developers:read`", body = ErrorBody),
        (status = 404, description = "not_found", body = ErrorBody),
    ))]
pub(super) async fn logs(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    parameters: Parameters,
) -> Result<Json<List<Delivery>>, Refusal> {
    caller.require(Permission::DevelopersRead)?;
    let endpoint = load(&api, &caller, &id).await?.id;
    parameters.only(&["status"], None)?;
    let status = parameters.parsed("status", "pending, success or failed")?;
    let (page, limit) = parameters.page()?;
    let found = api.store.deliveries_of(endpoint, status, page, limit + 1).await;
    let Some(found) = found.map_err(|error| unreadable(&error))? else {
        let param = page.parameter();
        return Err(ApiError::invalid(param, format!("`{param}` is no delivery to this endpoint")).into());
    };
    Ok(Json(List::of_page(found, &page, limit, |delivery| delivery.id.to_string())))
}

/// List what was sent to an endpoint, by its other name
#[utoipa::path(get, path = "/v1/developers/webhooks/{id}/deliveries", tag = "developers",
    params(
        ("id" = String, Path, description = "`wh_…`"),
        ("status" = Option<DeliveryStatus>, Query),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 100, description = "Default 20"),
        ("starting_after" = Option<String>, Query, description = "`dlv_…`: older than this one"),
        ("ending_before" = Option<String>, Query, description = "`dlv_…`: newer than this one"),
    ),
    responses(
        (status = 200, description = "Deliveries with every attempt, newest first", body = List<Delivery>),
        (status = 400, description = "invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `developers:read`", body = ErrorBody),
        (status = 404, description = "not_found", body = ErrorBody),
    ))]
pub(super) async fn deliveries(
    api: State<Arc<Api>>,
    caller: Caller,
    id: Path<String>,
    parameters: Parameters,
) -> Result<Json<List<Delivery>>, Refusal> {
    logs(api, caller, id, parameters).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "documents the body; its fields are read one by one to name the wrong one")]
pub(super) struct TestRequest {
    event_type: EventType,
}

/// Send a sample event to an endpoint
///
/// Delivered, signed, repeated and logged like any other. Its body says `"test": true`, and its data is made
/// up. It is sent whether the endpoint asked for this event or not.
#[utoipa::path(post, path = "/v1/developers/webhooks/{id}/test", tag = "developers",
    params(("id" = String, Path, description = "`wh_…`"), IdempotencyHeader), request_body = TestRequest,
    responses(
        (status = 202, description = "It will be sent; the log tells how it went", body = Delivery),
        (status = 400, description = "invalid_request, missing_parameter, invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `developers:write`", body = ErrorBody),
        (status = 404, description = "not_found", body = ErrorBody),
        (status = 409, description = "invalid_state: the endpoint is disabled; idempotency_key_conflict, \
            idempotency_in_progress", body = ErrorBody),
    ))]
pub(super) async fn test(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    caller.require(Permission::DevelopersWrite)?;
    let (head, body) = request.into_parts();
    let key = Key::of(&head)?;
    let body = collect(&head.headers, body).await?;
    let webhook = load(&api, &caller, &id).await?;
    let form = Form::from_json(&body)?;
    form.only(&["event_type"])?;
    let kind = form.text("event_type")?.ok_or_else(|| ApiError::missing("event_type"))?;
    let kind = event_type("event_type", &kind)?;
    let claim = key.claim(&api, &caller, "POST /v1/developers/webhooks/{id}/test", &form);
    let claim = claim.map(|claim| claim.about(&webhook.id.to_string()));
    let mut making = match begin(&api, &caller, claim).await? {
        Begun::Now(making) => making,
        Begun::Before(answer) => return Ok(answer),
    };
    let now = api.clock.now();
    let event = Event { test: true, ..Event::new(kind, sample(kind, &webhook, now), now) };
    let sealed = seal_event(making.account_key(), &event);
    let sealed = sealed.map_err(|error| Refusal::internal("an event cannot be sealed", &error))?;
    let by = (&*caller.key_id.to_string(), now);
    let told = (&sealed, current_traceparent());
    let sent = making.send_test(webhook.id, told, by).await;
    let sent = sent.map_err(|error| unwritable(&error))?.ok_or_else(disabled)?;
    made(making, StatusCode::ACCEPTED, &sent).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "documents the body; its fields are read one by one to name the wrong one")]
pub(super) struct ReplayRequest {
    /// Events from this time on, RFC 3339.
    #[schema(format = DateTime)]
    since: String,
    /// Up to this time and without it, RFC 3339.
    #[schema(format = DateTime)]
    until: String,
    /// `failed` or `success`; default: both.
    status: Option<DeliveryStatus>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReplayAnswer {
    /// Always `webhook.replay`.
    object: &'static str,
    #[schema(value_type = String)]
    webhook_id: EndpointId,
    /// How many deliveries are due again: 10,000 at most.
    deliveries: i64,
    /// Whether the range holds more.
    has_more: bool,
    /// Where there is more: the `since` that goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    next_since: Option<Timestamp>,
}

/// Send an endpoint's deliveries of a time range again
///
/// Deliveries that have ended become due at once, the oldest first, with the whole schedule of attempts
/// before them. The event ids stay; what waits already is left alone.
#[utoipa::path(post, path = "/v1/developers/webhooks/{id}/replay", tag = "developers",
    params(("id" = String, Path, description = "`wh_…`"), IdempotencyHeader), request_body = ReplayRequest,
    responses(
        (status = 202, description = "They will be sent", body = ReplayAnswer),
        (status = 400, description = "invalid_request, missing_parameter, invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `developers:write`", body = ErrorBody),
        (status = 404, description = "not_found", body = ErrorBody),
        (status = 409, description = "invalid_state: the endpoint is disabled; idempotency_key_conflict, \
            idempotency_in_progress", body = ErrorBody),
    ))]
pub(super) async fn replay(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    caller.require(Permission::DevelopersWrite)?;
    let (head, body) = request.into_parts();
    let key = Key::of(&head)?;
    let body = collect(&head.headers, body).await?;
    let webhook = load(&api, &caller, &id).await?;
    let form = Form::from_json(&body)?;
    let replay = parse_replay(&form)?;
    let claim = key.claim(&api, &caller, "POST /v1/developers/webhooks/{id}/replay", &form);
    let claim = claim.map(|claim| claim.about(&webhook.id.to_string()));
    let mut making = match begin(&api, &caller, claim).await? {
        Begun::Now(making) if webhook.enabled => making,
        Begun::Now(_) => return Err(disabled().into()),
        Begun::Before(answer) => return Ok(answer),
    };
    let by = (&*caller.key_id.to_string(), api.clock.now());
    let replayed = making.replay(webhook.id, &replay, by).await;
    let replayed = replayed.map_err(|error| unwritable(&error))?;
    let answer = ReplayAnswer {
        object: "webhook.replay",
        webhook_id: webhook.id,
        deliveries: replayed.deliveries,
        has_more: replayed.goes_on_at.is_some(),
        next_since: replayed.goes_on_at,
    };
    made(making, StatusCode::ACCEPTED, &answer).await
}

fn parse_replay(form: &Form<'_>) -> Result<Replay, ApiError> {
    form.only(&["since", "until", "status"])?;
    let time = |name: &str| -> Result<Timestamp, ApiError> {
        let given = form.parsed::<Timestamp>(name, "a time such as 2026-01-31T12:00:00Z")?;
        let time = given.ok_or_else(|| ApiError::missing(name))?;
        // Nothing was sent before, and Postgres has an earliest time.
        Ok(time.max(Timestamp::UNIX_EPOCH))
    };
    let (since, until) = (time("since")?, time("until")?);
    if until <= since {
        return Err(ApiError::invalid("until", "`until` must be later than `since`"));
    }
    let ended = |status: &DeliveryStatus| *status != DeliveryStatus::Pending;
    let wrong = || ApiError::invalid("status", "`status` must be `failed` or `success`");
    let status = form.text("status")?;
    let status = status.map(|text| text.parse().ok().filter(ended).ok_or_else(wrong)).transpose()?;
    Ok(Replay { since, until, status, limit: LARGEST_REPLAY })
}

/// An event with what became of it.
#[derive(Serialize, ToSchema)]
pub(super) struct EventRecord {
    #[schema(value_type = String, example = "evt_01JDC3Z5V00000000000000000")]
    id: EventId,
    /// Always `event`.
    object: &'static str,
    #[serde(rename = "type")]
    event_type: EventType,
    /// RFC 3339 UTC
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// As it is sent to an endpoint with the full payload.
    #[schema(value_type = Event)]
    body: Box<RawValue>,
    /// One for each consumer.
    deliveries: Vec<Delivery>,
}

/// Retrieve an event
///
/// With its body, so the key needs `identity:read` as well.
#[utoipa::path(get, path = "/v1/developers/events/{id}", tag = "developers",
    params(("id" = String, Path, description = "`evt_…`")),
    responses(
        (status = 200, description = "The event, its body and its deliveries", body = EventRecord),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `developers:read` or `identity:read`",
            body = ErrorBody),
        (status = 404, description = "not_found: never there, or its verification is erased", body = ErrorBody),
    ))]
pub(super) async fn show_event(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<EventRecord>, Refusal> {
    caller.require(Permission::DevelopersRead)?;
    caller.require(Permission::IdentityRead)?;
    let id = id.parse().map_err(|_| no_such("event"))?;
    let event = api.store.event(caller.account_id, id).await.map_err(|error| unreadable(&error))?;
    let event = event.ok_or_else(|| no_such("event"))?;
    let body = serde_json::from_slice(&event.body);
    let body = body.map_err(|error| Refusal::internal("an event is not what was written", &error))?;
    let deliveries = api.store.deliveries_of_event(caller.account_id, id).await;
    let deliveries = deliveries.map_err(|error| unreadable(&error))?;
    let (event_type, created_at) = (event.event_type, event.created_at);
    Ok(Json(EventRecord { id, object: "event", event_type, created_at, body, deliveries }))
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ResendAnswer {
    /// Always `event.resend`.
    object: &'static str,
    #[schema(value_type = String)]
    event_id: EventId,
    /// How many consumers will be sent it.
    deliveries: i64,
}

/// Send an event again
///
/// To everyone that it went to and that is not disabled, at once, under the same event id.
#[utoipa::path(post, path = "/v1/developers/events/{id}/resend", tag = "developers",
    params(("id" = String, Path, description = "`evt_…`"), IdempotencyHeader),
    responses(
        (status = 202, description = "It will be sent", body = ResendAnswer),
        (status = 400, description = "invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `developers:write`", body = ErrorBody),
        (status = 404, description = "not_found: never there, or its verification is erased", body = ErrorBody),
        (status = 409, description = "invalid_state: nobody is left to send it to, or it is being sent; \
            idempotency_key_conflict, idempotency_in_progress", body = ErrorBody),
    ))]
pub(super) async fn resend(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    caller.require(Permission::DevelopersWrite)?;
    let (head, _) = request.into_parts();
    let key = Key::of(&head)?;
    let event_id: EventId = id.parse().map_err(|_| no_such("event"))?;
    let event = api.store.event(caller.account_id, event_id).await.map_err(|error| unreadable(&error))?;
    event.ok_or_else(|| no_such("event"))?;
    let by = (&*caller.key_id.to_string(), api.clock.now());
    let claim = key.claim(&api, &caller, "POST /v1/developers/events/{id}/resend", &Form::default());
    let claim = claim.map(|claim| claim.about(&event_id.to_string()));
    let mut making = match begin(&api, &caller, claim).await? {
        Begun::Now(making) => making,
        Begun::Before(answer) => return Ok(answer),
    };
    let deliveries = making.resend(event_id, by).await;
    let deliveries = deliveries.map_err(|error| unwritable(&error))?;
    if deliveries == 0 {
        let message = "the event went to no endpoint that is enabled now, or is being sent this moment";
        return Err(ApiError::new(ErrorCode::InvalidState, message).into());
    }
    made(making, StatusCode::ACCEPTED, &ResendAnswer { object: "event.resend", event_id, deliveries }).await
}

fn disabled() -> ApiError {
    ApiError::new(ErrorCode::InvalidState, "the webhook is disabled; enable it with PUT first")
}
