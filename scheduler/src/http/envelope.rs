//! Around every call: request id, span, time limit, a net under panics, and one shape of error.

use super::admission::Call;
use super::{Api, files};
use axum::Json;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use axum::http::{Extensions, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::Instrument;
use txid_shared::api::{ApiError, ErrorCode};
use txid_shared::config::ms;
use txid_shared::ids::RequestId;
use txid_shared::telemetry::{Metrics, set_parent};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST_REQUEST_ID: usize = 128;
/// Calls that need a key, are limited and leave a row.
const VERSIONED: &str = "/v1/";
/// Of a body of any length.
const LONGEST_UPLOAD: Duration = Duration::from_secs(86_400);
/// What a caller is told to wait when we are the ones who could not.
const RETRY_AFTER_S: u32 = 5;

/// A refusal on its way out. The envelope writes its body, because only there the request id is known.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    error: ApiError,
    /// Where HTTP has a more exact status than the contract's code.
    status: Option<StatusCode>,
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self { error, status: None }
    }
}

impl Refusal {
    pub(super) fn with_status(error: ApiError, status: StatusCode) -> Self {
        Self { error, status: Some(status) }
    }

    pub(super) fn method_not_allowed() -> Self {
        let error = ApiError::new(ErrorCode::InvalidRequest, "this address does not take that method");
        Self::with_status(error, StatusCode::METHOD_NOT_ALLOWED)
    }

    /// Something of ours cannot be reached; the log says what, the caller learns that he may retry.
    pub(super) fn unavailable(what: &'static str, cause: &dyn std::error::Error) -> Self {
        tracing::error!(error = %cause, "{what}");
        let mut error = ApiError::new(ErrorCode::ServiceUnavailable, "the service cannot do this right now");
        error.retry_after = Some(RETRY_AFTER_S);
        error.into()
    }

    pub(super) fn internal(what: &'static str, cause: &dyn std::error::Error) -> Self {
        tracing::error!(error = %cause, "{what}");
        ApiError::new(ErrorCode::InternalError, "something went wrong on our side").into()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status.or_else(|| StatusCode::from_u16(self.error.code.http_status()).ok());
        let mut response = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Of the request, for handlers; on an answer the one that it goes out with.
#[derive(Debug, Clone)]
pub(super) struct ShownRequestId(pub(super) String);

pub(super) async fn envelope(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let id = RequestId::generate();
    let request_id = request_id(request.headers()).unwrap_or_else(|| id.to_string());
    request.extensions_mut().insert(ShownRequestId(request_id.clone()));
    let route = route(request.extensions());
    // Of the highest level: what is logged in it tells the request also where the filter lets only errors through.
    let span = tracing::error_span!(
        "request",
        otel.kind = "server",
        http.request.method = %request.method(),
        http.route = route.as_deref().unwrap_or("unknown"),
        request.id = request_id,
        http.response.status_code = tracing::field::Empty,
    );
    set_parent(&span, request.headers().get("traceparent").and_then(|value| value.to_str().ok()));
    let (started, method) = (Instant::now(), known(request.method()));
    let mut call = request.uri().path().starts_with(VERSIONED).then(|| {
        let route = route.as_deref().unwrap_or("unknown");
        Call::new(api.clone(), id, request_id.clone(), &request, route)
    });
    let handling = async {
        let admitted = async {
            if let Some(call) = &mut call
                && let Err(refusal) = call.admit(&mut request).await
            {
                return refusal.into_response();
            }
            next.run(request).await
        };
        let handled = AssertUnwindSafe(admitted).catch_unwind();
        // A large file takes as long as it takes: there its pauses are bounded.
        let limit = match route.as_deref() {
            Some(files::CONTENT_ROUTE) => LONGEST_UPLOAD,
            _ => ms(api.settings.request_timeout_ms),
        };
        let response = match tokio::time::timeout(limit, handled).await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => {
                tracing::error!("a handler panicked");
                let error = ApiError::new(ErrorCode::InternalError, "something went wrong on our side");
                Refusal::from(error).into_response()
            }
            Err(_) => {
                let message = "the request took longer than server.request_timeout_ms";
                let mut error = ApiError::new(ErrorCode::ServiceUnavailable, message);
                error.retry_after = Some(RETRY_AFTER_S);
                Refusal::from(error).into_response()
            }
        };
        let code = response.extensions().get::<Refusal>().map(|refusal| refusal.error.code);
        let mut response = finished(response, &request_id);
        if let Some(call) = call {
            call.finish(&mut response, code).await;
        }
        let (status, duration_ms) = (response.status().as_u16(), started.elapsed().as_secs_f64() * 1000.0);
        tracing::Span::current().record("http.response.status_code", status);
        if let Some(route) = route.as_deref().filter(|route| route.starts_with(VERSIONED)) {
            Metrics::get().answered(method, route, status, duration_ms / 1000.0);
            tracing::info!(http.response.status_code = status, duration_ms, "request answered");
        } else {
            tracing::debug!(http.response.status_code = status, duration_ms, "request answered");
        }
        response
    };
    handling.instrument(span).await
}

/// The caller's own id where it is fit to be echoed.
fn request_id(headers: &HeaderMap) -> Option<String> {
    headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| {
            !id.is_empty() && id.len() <= LONGEST_REQUEST_ID && id.bytes().all(|b| b.is_ascii_graphic())
        })
        .map(str::to_owned)
}

/// Callers make methods up as they like; the conventions have one word for these.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}

/// The pattern, not the path: ids stay out of metrics.
fn route(extensions: &Extensions) -> Option<String> {
    extensions.get::<MatchedPath>().map(|path| path.as_str().to_owned())
}

/// Writes the error body and the request id.
fn finished(mut response: Response, request_id: &str) -> Response {
    if let Some(Refusal { error, .. }) = response.extensions_mut().remove::<Refusal>() {
        tracing::debug!(error.code = ?error.code, error.param = error.param, "request refused");
        let (status, retry_after) = (response.status(), error.retry_after);
        response = (status, Json(error.into_body(request_id))).into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
    }
    let replayed = response.extensions_mut().remove::<ShownRequestId>();
    let shown = replayed.as_ref().map_or(request_id, |ShownRequestId(first)| first);
    if let Ok(value) = HeaderValue::from_str(shown) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}
