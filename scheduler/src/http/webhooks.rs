//! Endpoints that want to hear of verdicts.

use super::Api;
use super::auth::Caller;
use super::body::collect;
use super::envelope::Refusal;
use super::query::List;
use crate::form::Form;
use crate::submission::web_address;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;
use txid_shared::api::{ApiError, ErrorBody};
use txid_shared::ids::EndpointId;
use txid_shared::store::Endpoint;
use txid_shared::webhook_secret;
use txid_shared::words::{EventType, Permission};
use utoipa::ToSchema;

#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "documents the body; its fields are read one by one to name the wrong one")]
pub(super) struct WebhookRequest {
    #[schema(format = "uri")]
    url: String,
    /// Default: all of them.
    events: Option<Vec<EventType>>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Webhook {
    #[schema(value_type = String, example = "wh_01JDC3Z5V0000000000000000")]
    id: EndpointId,
    /// Always `webhook`.
    object: &'static str,
    url: String,
    events: Vec<EventType>,
    enabled: bool,
    /// RFC 3339 UTC
    #[schema(value_type = String, format = DateTime)]
    created_at: jiff::Timestamp,
    /// Signs every delivery. Shown once, here.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// Create a webhook endpoint
#[utoipa::path(post, path = "/v1/developers/webhooks", tag = "developers", request_body = WebhookRequest,
    responses(
        (status = 201, description = "Created; the secret is shown this once", body = Webhook),
        (status = 400, description = "invalid_request, missing_parameter, invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `developers:write`", body = ErrorBody),
    ))]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Webhook>), Refusal> {
    caller.require(Permission::DevelopersWrite)?;
    let _room = api.room.take(&headers).await;
    let body = collect(&headers, body).await?;
    let form = Form::from_json(&body)?;
    form.only(&["url", "events"])?;
    let url = form.text("url")?.map(Cow::into_owned).ok_or_else(|| ApiError::missing("url"))?;
    web_address("url", &url)?;
    let events = events(&form)?;
    let now = api.clock.now();
    let secret = webhook_secret().map_err(|error| Refusal::internal("a secret cannot be made", &error))?;
    let id = api
        .store
        .create_endpoint(caller.account_id, &url, &events, &secret, now)
        .await
        .map_err(|error| Refusal::unavailable("an endpoint cannot be created", &error))?;
    let secret = Some(secret.reveal().to_owned());
    let webhook = Webhook { id, object: "webhook", url, events, enabled: true, created_at: now, secret };
    Ok((StatusCode::CREATED, Json(webhook)))
}

fn events(form: &Form<'_>) -> Result<Vec<EventType>, ApiError> {
    let Some(named) = form.structure::<Vec<String>>("events", "a list of strings")? else {
        return Ok(EventType::ALL.to_vec());
    };
    let mut events = Vec::new();
    for name in named {
        let event = name.parse().map_err(|_| {
            let known: Vec<&str> = EventType::ALL.iter().map(|event| event.as_str()).collect();
            ApiError::invalid("events", format!("`events` may hold {}", known.join(", ")))
        })?;
        if !events.contains(&event) {
            events.push(event);
        }
    }
    if events.is_empty() {
        return Err(ApiError::invalid("events", "`events` must name at least one event"));
    }
    Ok(events)
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
    let endpoints = api
        .store
        .endpoints(caller.account_id)
        .await
        .map_err(|error| Refusal::unavailable("endpoints cannot be listed", &error))?;
    let data = endpoints.into_iter().map(webhook).collect();
    Ok(Json(List::whole(data)))
}

fn webhook(endpoint: Endpoint) -> Webhook {
    let Endpoint { id, url, events, enabled, created_at } = endpoint;
    Webhook { id, object: "webhook", url, events, enabled, created_at, secret: None }
}
