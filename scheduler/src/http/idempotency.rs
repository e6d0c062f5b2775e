//! `Idempotency-Key`: a request that is sent again gets the answer of the first one, and nothing is made twice.
//! The record commits with what the request makes, so a request that was refused or died leaves none.

use super::Api;
use super::auth::Caller;
use super::envelope::{Refusal, ShownRequestId};
use super::verifications::{no_such, unreadable};
use super::verify;
use crate::form::Form;
use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use txid_shared::api::{ApiError, ErrorCode};
use txid_shared::ids::VerificationId;
use txid_shared::store::{Claim, Claimed, Made, Making};
use utoipa::IntoParams;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const KEPT: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);
/// Bytes of a key.
const LENGTH: std::ops::RangeInclusive<usize> = 10..=255;
/// What a caller is told to wait while the first request is under way.
const RETRY_AFTER_S: u32 = 1;

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "documents the header, which `Key` reads")]
pub(super) struct IdempotencyHeader {
    /// Letters, digits and `-_:.`; the same request again within 24 hours gets the same answer
    #[param(rename = "Idempotency-Key", min_length = 10, max_length = 255)]
    idempotency_key: Option<String>,
}

/// The key that a request brings.
pub(super) struct Key {
    key: Option<String>,
    request_id: String,
}

impl Key {
    pub(super) fn of(head: &Parts) -> Result<Self, ApiError> {
        let request_id = head.extensions.get::<ShownRequestId>().map(|id| id.0.clone()).unwrap_or_default();
        let Some(value) = head.headers.get(IDEMPOTENCY_KEY) else {
            return Ok(Self { key: None, request_id });
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_:.".contains(&byte);
        let key = value.to_str().ok().filter(|key| LENGTH.contains(&key.len()) && key.bytes().all(plain));
        let message = "`Idempotency-Key` must be 10 to 255 of letters, digits and - _ : .";
        let key = key.ok_or_else(|| ApiError::invalid("Idempotency-Key", message))?;
        Ok(Self { key: Some(key.to_owned()), request_id })
    }

    /// `None` where the request brought no key.
    pub(super) fn claim(
        self,
        api: &Api,
        caller: &Caller,
        endpoint: &'static str,
        form: &Form<'_>,
    ) -> Option<Claim> {
        let expires_at = api.clock.now() + KEPT;
        let (key_id, request_id) = (caller.key_id, self.request_id);
        self.key.map(|key| Claim {
            key_id,
            endpoint,
            key,
            fingerprint: form.fingerprint(),
            request_id,
            expires_at,
        })
    }
}

/// The answer to a request whose key was used before, if it has one and it was: the one then given,
/// `in_progress` or conflict.
pub(super) async fn replay(
    api: &Api,
    caller: &Caller,
    claim: Option<&Claim>,
) -> Result<Option<Response>, Refusal> {
    let Some(claim) = claim else { return Ok(None) };
    let before = api.store.claimed(claim, api.clock.now()).await;
    let before =
        before.map_err(|error| Refusal::unavailable("an idempotency record cannot be read", &error))?;
    let Some(before) = before else { return Ok(None) };
    if before.fingerprint != claim.fingerprint {
        let message = "this `Idempotency-Key` was used with another request";
        return Err(ApiError::new(ErrorCode::IdempotencyKeyConflict, message).into());
    }
    let answer = match before.made {
        Made::Verification(id) => of_verification(api, caller, claim, &before, id).await?,
        Made::OfAccount => {
            let answer = before.answer.ok_or_else(|| no_such("answer: what this request made was erased"))?;
            let key = api.store.account_key(caller.account_id).await.map_err(|error| unreadable(&error))?;
            let body = claim.open(&key, &answer).map_err(|error| unreadable(&error))?;
            Answer { status: status(answer.status_code), body }
        }
    };
    Ok(Some(replayed(answer, &before.request_id)))
}

async fn of_verification(
    api: &Api,
    caller: &Caller,
    claim: &Claim,
    before: &Claimed,
    id: VerificationId,
) -> Result<Answer, Refusal> {
    let row = api.store.any_purpose(caller.account_id, id).await.map_err(|error| unreadable(&error))?;
    let row = row.ok_or_else(|| no_such("verification: what this request made was erased"))?;
    let key = api.store.data_key(&row.case).await.map_err(|error| unreadable(&error))?;
    if let Some(answer) = &before.answer {
        let body = claim.open(&key, answer).map_err(|error| unreadable(&error))?;
        return Ok(Answer { status: status(answer.status_code), body });
    }
    if !row.case.status.is_terminal() {
        return Err(in_progress().into());
    }
    // The first caller did not wait for his answer, or his scheduler died.
    let answer = verify::answer(api, &row).await?;
    let sealed =
        claim.seal(&key, answer.status.as_u16(), &answer.body).map_err(|error| unreadable(&error))?;
    api.store.answered(claim, &sealed).await.map_err(|error| unreadable(&error))?;
    Ok(answer)
}

/// What a request makes besides verifications, or the answer that was given before.
pub(super) enum Begun {
    Now(Making),
    Before(Response),
}

/// Begins what `claim` protects, where there is one. Several at once come one after the other.
pub(super) async fn begin(api: &Api, caller: &Caller, claim: Option<Claim>) -> Result<Begun, Refusal> {
    if let Some(answer) = replay(api, caller, claim.as_ref()).await? {
        return Ok(Begun::Before(answer));
    }
    let unmade = |error| Refusal::unavailable("a request cannot be begun", &error);
    if let Some(making) = api.store.making(caller.account_id, claim.clone()).await.map_err(unmade)? {
        return Ok(Begun::Now(making));
    }
    // Another request with the same key was faster by a moment.
    let answer = replay(api, caller, claim.as_ref()).await?;
    answer.map(Begun::Before).ok_or_else(|| in_progress().into())
}

/// Commits what was made together with the answer to it.
pub(super) async fn made(
    making: Making,
    status: StatusCode,
    body: &impl Serialize,
) -> Result<Response, Refusal> {
    let answer = Answer::json(status, body)?;
    let committed = making.commit(status.as_u16(), &answer.body).await;
    committed.map_err(|error| Refusal::unavailable("what a request made cannot be kept", &error))?;
    Ok(answer.into_response())
}

fn in_progress() -> ApiError {
    let mut error =
        ApiError::new(ErrorCode::IdempotencyInProgress, "the first request with this key is still under way");
    error.retry_after = Some(RETRY_AFTER_S);
    error
}

/// An answer as bytes, so that the same ones can be given again.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Result<Self, Refusal> {
        let body = serde_json::to_vec(body);
        Ok(Self { status, body: body.map_err(|error| Refusal::internal("an answer is no JSON", &error))? })
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let json = HeaderValue::from_static("application/json");
        (self.status, [(CONTENT_TYPE, json)], Body::from(self.body)).into_response()
    }
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::OK)
}

fn replayed(answer: Answer, request_id: &str) -> Response {
    let mut response = answer.into_response();
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response.extensions_mut().insert(ShownRequestId(request_id.to_owned()));
    response
}
