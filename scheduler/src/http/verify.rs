//! `POST /v1/identity/verify`: check, seal, store in one transaction, answer.

use super::Api;
use super::auth::Caller;
use super::body::{self, Encoding};
use super::envelope::Refusal;
use super::idempotency::{Answer, IdempotencyHeader, Key, replay};
use super::oneshots;
use super::verifications::{no_such, unreadable};
use crate::form::Form;
use crate::submission::{Picture, Submission};
use crate::waiters::Waiting;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use txid_shared::api::{
    Accepted, ApiError, ErrorBody, ErrorCode, ImageInfo, Mode, Verification, VerifyForm, VerifyRequest,
};
use txid_shared::blobs::BlobError;
use txid_shared::blobs::crypto::{DataKey, SealingKey};
use txid_shared::config::ms;
use txid_shared::ids::{AccountId, SessionId, VerificationId};
use txid_shared::present::present_row;
use txid_shared::store::{Acceptance, Claim, Retention, Row, StoreError};
use txid_shared::telemetry::{Metrics, current_traceparent};
use txid_shared::words::{Lane, Permission, Purpose, Status};

/// As long as an idempotency key.
const ONE_SHOT_KEPT_S: i64 = 86_400;
/// A wake-up can be lost; the row cannot.
const POLL: Duration = Duration::from_millis(500);
/// Callers who wait while the scheduler stops are answered 202 after this long.
const WAIT_WHILE_STOPPING: Duration = Duration::from_secs(5);
/// From this size on, decoding and hashing would hold up other requests.
const LARGE_BODY_BYTES: usize = 512 * 1024;

/// Submit a document and a selfie
///
/// With `mode: sync` the call waits for the verdict up to 30 seconds. When time is up it answers 202:
/// the verification goes on, and `GET` or a webhook tells its end.
#[utoipa::path(post, path = "/v1/identity/verify", tag = "identity",
    params(IdempotencyHeader),
    request_body(content((VerifyRequest = "application/json"), (VerifyForm = "multipart/form-data"))),
    responses(
        (status = 200, description = "sync: the verification with its verdict", body = Verification),
        (status = 201, description = "async: accepted", body = Accepted),
        (status = 202, description = "sync, and time was up: it goes on", body = Verification),
        (status = 400, description = "invalid_request, missing_parameter, invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:write`", body = ErrorBody),
        (status = 409, description = "idempotency_key_conflict, idempotency_in_progress", body = ErrorBody),
        (status = 413, description = "image_too_large: the whole request", body = ErrorBody),
        (status = 415, description = "invalid_request: neither JSON nor multipart", body = ErrorBody),
        (status = 422, description = "unsupported_country, unsupported_document, image_too_large, \
            image_too_small, unsupported_media, invalid_document", body = ErrorBody),
        (status = 503, description = "service_unavailable", body = ErrorBody),
    ))]
pub(super) async fn verify(
    State(api): State<Arc<Api>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Refusal> {
    submit(api, caller, request, "POST /v1/identity/verify", Submission::parse).await
}

/// Reads a submission with its idempotency key and begins. `endpoint` is what the key is scoped to.
pub(super) async fn submit(
    api: Arc<Api>,
    caller: Caller,
    request: Request,
    endpoint: &'static str,
    parse: fn(&Form<'_>) -> Result<Submission, ApiError>,
) -> Result<Response, Refusal> {
    caller.require(Permission::IdentityWrite)?;
    let (head, body) = request.into_parts();
    let (key, room) = (Key::of(&head)?, api.room.take(&head.headers).await);
    let (submission, claim) = {
        let (api, caller) = (api.clone(), caller.clone());
        parsed(head, body, move |form| Ok((parse(form)?, key.claim(&api, &caller, endpoint, form)))).await?
    };
    begin(&api, caller, VerificationId::generate(), submission, claim, room).await
}

/// Reads the fields of a body and makes something of them, where it is large on a thread of its own.
pub(super) async fn parsed<T: Send + 'static>(
    head: Parts,
    body: Body,
    parse: impl FnOnce(&Form<'_>) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, Refusal> {
    let encoding = body::encoding(&head.headers)?;
    let body = body::collect(&head.headers, body).await?;
    let large = body.len() > LARGE_BODY_BYTES;
    let parsing: Box<dyn FnOnce() -> Result<T, ApiError> + Send> = match encoding {
        Encoding::Json if body.is_empty() => Box::new(move || parse(&Form::default())),
        Encoding::Json => Box::new(move || parse(&Form::from_json(&body)?)),
        Encoding::Multipart => {
            let form = body::multipart(head, body).await?;
            Box::new(move || parse(&form))
        }
    };
    if !large {
        return Ok(parsing()?);
    }
    let parsed = tokio::task::spawn_blocking(parsing).await;
    Ok(parsed.map_err(|error| Refusal::internal("parsing a request panicked", &error))??)
}

/// Accepts, and answers as the submission's mode asks; what was claimed before is answered as it was then.
pub(super) async fn begin(
    api: &Arc<Api>,
    caller: Caller,
    id: VerificationId,
    submission: Submission,
    claim: Option<Claim>,
    room: Option<OwnedSemaphorePermit>,
) -> Result<Response, Refusal> {
    if let Some(answer) = replay(api, &caller, claim.as_ref()).await? {
        return Ok(answer);
    }
    let mode = submission.mode;
    let waiting = (mode == Mode::Sync).then(|| api.waiters.wait_for(id));
    // A task of its own: a caller who hangs up must not leave images without a row.
    let accepting = api.tasks.spawn({
        let (api, caller, claim) = (api.clone(), caller.clone(), claim.clone());
        async move { accept(&api, &caller, id, submission, claim).await }
    });
    let accepted =
        accepting.await.map_err(|error| Refusal::internal("accepting a verification panicked", &error))??;
    drop(room);
    let Some(accepted) = accepted else {
        // Another request with the same key was faster by a moment.
        let answer = replay(api, &caller, claim.as_ref()).await?;
        return answer
            .ok_or_else(|| ApiError::new(ErrorCode::InvalidState, "the request was withdrawn").into());
    };
    match waiting {
        None => Ok(accepted.into_response()),
        Some(waiting) => {
            wait(api, id, waiting).await;
            decided(api, &caller, id, claim).await
        }
    }
}

/// The answer once the wait is over, kept for whoever sends the request again.
pub(super) async fn decided(
    api: &Api,
    caller: &Caller,
    id: VerificationId,
    claim: Option<Claim>,
) -> Result<Response, Refusal> {
    let row = api.store.any_purpose(caller.account_id, id).await.map_err(|error| unreadable(&error))?;
    let row = row.ok_or_else(|| no_such("verification: it was erased"))?;
    let answer = answer(api, &row).await?;
    if let Some(claim) = claim {
        let key = api.store.data_key(&row.case).await.map_err(|error| unreadable(&error))?;
        let sealed = claim.seal(&key, answer.status.as_u16(), &answer.body);
        let kept = api.store.answered(&claim, &sealed.map_err(|error| unreadable(&error))?).await;
        kept.map_err(|error| unreadable(&error))?;
    }
    Ok(answer.into_response())
}

/// What a synchronous caller is answered: 200 with the result, 202 with a verification that goes on.
pub(super) async fn answer(api: &Api, row: &Row) -> Result<Answer, Refusal> {
    if row.case.purpose != Purpose::Verification {
        return oneshots::answer(api, row).await;
    }
    let verification = present_row(&api.store, row).await.map_err(|error| unreadable(&error))?;
    let code = if verification.status.is_terminal() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Answer::json(code, &verification)
}

/// Images first, then the row that refers to them: a row without images could never be decided.
/// `None`: the claim was made by another request meanwhile.
async fn accept(
    api: &Api,
    caller: &Caller,
    id: VerificationId,
    submission: Submission,
    claim: Option<Claim>,
) -> Result<Option<Answer>, Refusal> {
    let account = caller.account_id;
    let data_key = api.store.new_data_key(account, id).await.map_err(|error| unavailable(&error))?;
    if let Err(error) = store_images(api, &data_key, (account, id), &submission.images).await {
        remove_images(api, account, id).await;
        return Err(unavailable(&error));
    }
    let DataKey { key, wrapped: wrapped_key, .. } = data_key;
    let entry = Entry { id, wrapped_key, key, claim, session_id: None };
    let images = submission.images.iter().map(|picture| picture.info.clone()).collect();
    enter(api, caller, entry, submission, images).await
}

fn unavailable(error: &dyn std::error::Error) -> Refusal {
    Refusal::unavailable("a verification cannot be accepted", error)
}

/// What a row is entered under.
pub(super) struct Entry {
    pub(super) id: VerificationId,
    pub(super) wrapped_key: Vec<u8>,
    pub(super) key: SealingKey,
    pub(super) claim: Option<Claim>,
    pub(super) session_id: Option<SessionId>,
}

/// The row of a submission whose images are stored, and what an asynchronous caller is answered. `None`: it was
/// claimed or completed before, and the images are removed.
pub(super) async fn enter(
    api: &Api,
    caller: &Caller,
    entry: Entry,
    submission: Submission,
    images: Vec<ImageInfo>,
) -> Result<Option<Answer>, Refusal> {
    let Entry { id, wrapped_key, key, claim, session_id } = entry;
    let created_at = api.clock.now();
    let object = Verification::OBJECT.to_owned();
    let accepted =
        Answer::json(StatusCode::CREATED, &Accepted { id, object, status: Status::Pending, created_at })?;
    let known = claim.as_ref().filter(|_| submission.mode == Mode::Async);
    let answer = known.map(|claim| claim.seal(&key, accepted.status.as_u16(), &accepted.body)).transpose();
    // What a single stage found was given out; it is kept for those who ask again with the same key.
    let retention = match submission.purpose {
        Purpose::Verification => api.retention,
        _ => Retention { data_s: Some(ONE_SHOT_KEPT_S), ..api.retention },
    };
    let acceptance = Acceptance {
        id,
        account_id: caller.account_id,
        lane: Lane::Interactive,
        purpose: submission.purpose,
        declared: submission.declared,
        checks: submission.checks,
        stages: submission.stages,
        metadata: submission.metadata,
        images,
        wrapped_key,
        sealed_request: submission.request.seal(&key, id).map_err(|error| unavailable(&error))?,
        traceparent: current_traceparent(),
        created_at,
        retry_of: submission.retry_of,
        actor: caller.key_id.to_string(),
        claim,
        answer: answer.map_err(|error| unavailable(&error))?,
        session_id,
        retention,
    };
    match api.store.accept(&acceptance).await {
        Ok(true) => {}
        Ok(false) => {
            // The images of a session are those of what it became.
            if session_id.is_none() {
                remove_images(api, caller.account_id, id).await;
            }
            return Ok(None);
        }
        Err(error) => {
            let settled = settle_failed_acceptance(api, &acceptance, &error).await;
            settled.map_err(|()| unavailable(&error))?;
        }
    }
    api.outbox_filled.notify_one();
    Metrics::get().accepted();
    tracing::info!(verification.id = %id, "verification accepted");
    Ok(Some(accepted))
}

/// Images and the key's share side by side: the share costs no time of its own. Both have ended when this
/// returns, so that what is removed after an error stays removed.
async fn store_images(
    api: &Api,
    data_key: &DataKey,
    (account, id): (AccountId, VerificationId),
    images: &[Picture],
) -> Result<(), BlobError> {
    let named: Vec<(String, &[u8])> =
        images.iter().map(|picture| (picture.info.name(), &picture.bytes[..])).collect();
    let folder = format!("{account}/{id}");
    let (images, share) = tokio::join!(
        api.blobs.put_new(&data_key.key, &folder, &named),
        api.blobs.put_share(account, id, &data_key.share),
    );
    images.and(share)
}

/// An error can mean that the commit went through and its answer was lost. Then the verification is
/// accepted; only when it certainly is not may its images go. Those of a session stay for the next try.
async fn settle_failed_acceptance(api: &Api, acceptance: &Acceptance, error: &StoreError) -> Result<(), ()> {
    let id = acceptance.id;
    match api.store.status(id).await {
        Ok(Some(_)) => {
            tracing::warn!(verification.id = %id, %error, "accepted, though the answer was lost");
            return Ok(());
        }
        Ok(None) if acceptance.session_id.is_none() => {
            remove_images(api, acceptance.account_id, id).await;
        }
        Ok(None) | Err(_) => {}
    }
    Err(())
}

/// With their key's share.
pub(super) async fn remove_images(api: &Api, account: AccountId, id: VerificationId) {
    if let Err(error) = api.blobs.erase(account, id).await {
        tracing::warn!(verification.id = %id, %error, "images of a refused request stay, sealed");
    }
}

/// Until the verdict is there or time is up; the row tells which.
pub(super) async fn wait(api: &Api, id: VerificationId, mut waiting: Waiting) {
    let deadline = Instant::now() + ms(api.settings.sync_wait_ms);
    let stopping = async {
        api.tasks.stopping().cancelled().await;
        tokio::time::sleep(WAIT_WHILE_STOPPING).await;
    };
    let mut out_of_time = std::pin::pin!(async {
        tokio::select! {
            () = tokio::time::sleep_until(deadline) => {}
            () = stopping => {}
        }
    });
    loop {
        tokio::select! {
            () = waiting.finished() => return,
            () = &mut out_of_time => return,
            () = tokio::time::sleep(POLL) => {}
        }
        match api.store.status(id).await {
            Ok(Some(status)) if status.is_terminal() => return,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "a waiting caller's verification cannot be read"),
        }
    }
}
