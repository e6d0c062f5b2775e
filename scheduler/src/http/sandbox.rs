//! What integrators try their side with: pictures that bring about each reason, and faults of the transport. With
//! test keys alone; a verdict is never made up here.

use super::Api;
use super::auth::Caller;
use super::body::collect;
use super::documents::public_address;
use super::envelope::Refusal;
use super::query::List;
use super::verifications::no_such;
use crate::fixtures::{self, Catalogue};
use crate::form::Form;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use txid_shared::api::{ApiError, ErrorBody, ErrorCode};
use txid_shared::store::Simulation;
use txid_shared::words::{Check, DocumentType, ImageRole, KeyMode, Permission, ReasonCode, Status};
use utoipa::ToSchema;

/// Calls here are never held up or refused by a simulation, or nobody could end one.
pub(super) const ROUTES: &str = "/v1/developers/sandbox/";
const LONGEST_DELAY_MS: u32 = 10_000;
const STATUSES: [u16; 4] = [500, 502, 503, 504];
const LIFE_S: std::ops::RangeInclusive<i64> = 1..=3600;
const USUAL_LIFE_S: i64 = 60;
/// What a caller is told to wait after a simulated fault.
const RETRY_AFTER_S: u32 = 1;

/// A submission and what comes of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Fixture {
    id: String,
    /// Always `sandbox.fixture`.
    object: &'static str,
    description: String,
    country: String,
    document_type: DocumentType,
    /// Submit it with these.
    checks: Vec<Check>,
    images: Vec<FixtureImage>,
    expected: ExpectedVerdict,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FixtureImage {
    /// The field to send it in.
    side: ImageRole,
    /// `GET` it with the API key.
    #[schema(format = "uri")]
    url: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExpectedVerdict {
    status: Status,
    /// All codes among the verdict's reasons.
    reasons: Vec<ReasonCode>,
}

/// List submissions to try the integration with
///
/// One for each reason that a picture can bring about: generated documents of people who do not exist. Send them
/// to `POST /v1/identity/verify`: they are checked like any other.
#[utoipa::path(get, path = "/v1/developers/sandbox/fixtures", tag = "developers",
    responses(
        (status = 200, description = "All there are", body = List<Fixture>),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: no test key, or it lacks `developers:read`", body = ErrorBody),
        (status = 404, description = "not_found: this installation has none", body = ErrorBody),
    ))]
pub(super) async fn fixtures(
    State(api): State<Arc<Api>>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Json<List<Fixture>>, Refusal> {
    caller.require(Permission::DevelopersRead)?;
    test_key(&caller)?;
    let host = public_address(&api, &headers);
    let shown = catalogue(&api).await?.fixtures.into_iter().map(|fixture| {
        let fixtures::Fixture { id, description, country, document_type, checks, images, expected } = fixture;
        let address = |side: ImageRole| format!("{host}{ROUTES}fixtures/{id}/{side}");
        Fixture {
            object: "sandbox.fixture",
            images: images.iter().map(|i| FixtureImage { side: i.side, url: address(i.side) }).collect(),
            id,
            description,
            country,
            document_type,
            checks: if checks.is_empty() { Check::DEFAULT.to_vec() } else { checks },
            expected: ExpectedVerdict { status: expected.status, reasons: expected.reasons },
        }
    });
    Ok(Json(List::whole(shown.collect())))
}

/// Fetch a picture of a fixture
#[utoipa::path(get, path = "/v1/developers/sandbox/fixtures/{fixture}/{side}", tag = "developers",
    params(
        ("fixture" = String, Path, description = "As in the list"),
        ("side" = ImageRole, Path, description = "As in the list"),
    ),
    responses(
        (status = 200, description = "The picture", body = Vec<u8>, content_type = "image/jpeg"),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: no test key, or it lacks `developers:read`", body = ErrorBody),
        (status = 404, description = "not_found", body = ErrorBody),
    ))]
pub(super) async fn fixture_image(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((id, side)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    caller.require(Permission::DevelopersRead)?;
    test_key(&caller)?;
    let catalogue = catalogue(&api).await?;
    let image = side.parse().ok().and_then(|side| catalogue.image(&id, side));
    let image = image.ok_or_else(|| no_such("picture of a fixture"))?;
    let bytes = fixtures::read(&api.fixtures, image).await;
    let bytes = bytes.map_err(|error| Refusal::unavailable("a fixture cannot be read", &error))?;
    Ok(([(CONTENT_TYPE, "image/jpeg")], bytes).into_response())
}

async fn catalogue(api: &Api) -> Result<Catalogue, Refusal> {
    let found = fixtures::catalogue(&api.fixtures).await;
    let found = found.map_err(|error| Refusal::unavailable("the fixtures cannot be read", &error))?;
    let message = "this installation has no fixtures; `make models` and the container image bring them";
    found.ok_or_else(|| ApiError::new(ErrorCode::NotFound, message).into())
}

#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "documents the body; its fields are read one by one to name the wrong one")]
pub(super) struct SimulationRequest {
    /// Milliseconds before each answer: 1 to 10,000.
    #[schema(minimum = 1, maximum = 10_000)]
    delay_ms: Option<u32>,
    /// In the place of each answer, and nothing is done: 500, 502, 503 or 504.
    #[schema(minimum = 500, maximum = 504)]
    error_status: Option<u16>,
    /// Deliveries that arrived come once more, under the same event id.
    duplicate_webhooks: Option<bool>,
    /// Seconds until it ends by itself: 1 to 3,600, default 60.
    #[schema(minimum = 1, maximum = 3600)]
    expires_in: Option<i64>,
}

/// The faults that an account asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownSimulation {
    /// Always `sandbox.simulation`.
    object: &'static str,
    delay_ms: Option<u32>,
    error_status: Option<u16>,
    duplicate_webhooks: bool,
    /// RFC 3339 UTC; absent: there is none any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// Simulate faults of the transport
///
/// For all calls with the account's test keys but those to the sandbox, and for its webhooks, in the place of what
/// was asked for before. Without any fault that ends. Verdicts are not simulated: that is what fixtures are for.
#[utoipa::path(post, path = "/v1/developers/sandbox/simulate", tag = "developers",
    request_body = SimulationRequest,
    responses(
        (status = 200, description = "From now on", body = ShownSimulation),
        (status = 400, description = "invalid_request, invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: no test key, or it lacks `developers:write`", body = ErrorBody),
    ))]
pub(super) async fn simulate(
    State(api): State<Arc<Api>>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ShownSimulation>, Refusal> {
    caller.require(Permission::DevelopersWrite)?;
    test_key(&caller)?;
    let body = collect(&headers, body).await?;
    let now = api.clock.now();
    let simulation = parse(&Form::from_json(&body)?, now)?;
    let by = (&*caller.key_id.to_string(), now);
    let set = api.store.simulate(caller.account_id, simulation, by).await;
    let set = set.map_err(|error| Refusal::unavailable("a simulation cannot be set", &error))?;
    if !set {
        return Err(live_data().into());
    }
    Ok(Json(ShownSimulation {
        object: "sandbox.simulation",
        delay_ms: simulation.and_then(|simulation| simulation.delay_ms),
        error_status: simulation.and_then(|simulation| simulation.status),
        duplicate_webhooks: simulation.is_some_and(|simulation| simulation.duplicates),
        expires_at: simulation.map(|simulation| simulation.until),
    }))
}

fn parse(form: &Form<'_>, now: Timestamp) -> Result<Option<Simulation>, ApiError> {
    form.only(&["delay_ms", "error_status", "duplicate_webhooks", "expires_in"])?;
    let delay_ms = form.within("delay_ms", 1..=LONGEST_DELAY_MS, "a whole number from 1 to 10000")?;
    let wanted = "500, 502, 503 or 504";
    let status: Option<u16> = form.structure("error_status", wanted)?;
    if status.is_some_and(|status| !STATUSES.contains(&status)) {
        return Err(ApiError::invalid("error_status", format!("`error_status` must be {wanted}")));
    }
    let duplicates = form.structure("duplicate_webhooks", "true or false")?.unwrap_or(false);
    let life_s = form.within("expires_in", LIFE_S, "a whole number of seconds from 1 to 3600")?;
    let until = now + SignedDuration::from_secs(life_s.unwrap_or(USUAL_LIFE_S));
    let any = delay_ms.is_some() || status.is_some() || duplicates;
    Ok(any.then_some(Simulation { until, delay_ms, status, duplicates }))
}

fn test_key(caller: &Caller) -> Result<(), ApiError> {
    if caller.mode == KeyMode::Test { Ok(()) } else { Err(live_data()) }
}

fn live_data() -> ApiError {
    ApiError::new(ErrorCode::Forbidden, "the sandbox is for test keys (`txc_test_…`)")
}

/// What an account asked its calls to meet with. A scheduler that stops makes nobody wait.
pub(super) async fn meet(api: &Api, simulation: &Simulation) -> Result<(), Refusal> {
    if let Some(delay_ms) = simulation.delay_ms {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(u64::from(delay_ms.min(LONGEST_DELAY_MS)))) => {}
            () = api.tasks.stopping().cancelled() => {}
        }
    }
    let Some(status) = simulation.status else { return Ok(()) };
    let code = if status == 500 { ErrorCode::InternalError } else { ErrorCode::ServiceUnavailable };
    let mut error = ApiError::new(code, "simulated: this account asked for it");
    error.retry_after = Some(RETRY_AFTER_S);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    Err(Refusal::with_status(error, status))
}
