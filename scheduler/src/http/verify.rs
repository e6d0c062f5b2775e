//! `POST /v1/identity/verify`: check, seal, store in one transaction, answer.

use super::Api;
use super::auth::Caller;
use super::body::{self, Encoding};
use super::envelope::Refusal;
use super::verifications;
use crate::form::Form;
use crate::submission::{Picture, Submission};
use crate::waiters::Waiting;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use txid_shared::api::{Accepted, ApiError, ErrorBody, Mode, Verification, VerifyForm, VerifyRequest};
use txid_shared::blobs::crypto::SealingKey;
use txid_shared::config::ms;
use txid_shared::ids::{AccountId, VerificationId};
use txid_shared::store::{Acceptance, StoreError};
use txid_shared::telemetry::{Metrics, current_traceparent};
use txid_shared::words::{Lane, Permission, Status};

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
    request_body(content((VerifyRequest = "application/json"), (VerifyForm = "multipart/form-data"))),
    responses(
        (status = 200, description = "sync: the verification with its verdict", body = Verification),
        (status = 201, description = "async: accepted", body = Accepted),
        (status = 202, description = "sync, and time was up: it goes on", body = Verification),
        (status = 400, description = "invalid_request, missing_parameter, invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:write`", body = ErrorBody),
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
    caller.require(Permission::IdentityWrite)?;
    let (head, body) = request.into_parts();
    let encoding = body::encoding(&head.headers)?;
    let room = api.room.take(&head.headers).await;
    let body = body::collect(&head.headers, body).await?;
    let submission = parse(encoding, head, body).await?;

    begin(&api, caller, VerificationId::generate(), submission, room).await
}

/// Accepts, and answers as the submission's mode asks.
pub(super) async fn begin(
    api: &Arc<Api>,
    caller: Caller,
    id: VerificationId,
    submission: Submission,
    room: Option<OwnedSemaphorePermit>,
) -> Result<Response, Refusal> {
    let (mode, account) = (submission.mode, caller.account_id);
    let waiting = (mode == Mode::Sync).then(|| api.waiters.wait_for(id));
    // A task of its own: a caller who hangs up must not leave images without a row.
    let accepting = api.tasks.spawn({
        let api = api.clone();
        async move { accept(&api, &caller, id, submission).await }
    });
    let acceptance =
        accepting.await.map_err(|error| Refusal::internal("accepting a verification panicked", &error))?;
    let created_at = acceptance?;
    drop(room);
    match waiting {
        None => {
            let object = Verification::OBJECT.to_owned();
            let accepted = Accepted { id, object, status: Status::Pending, created_at };
            Ok((StatusCode::CREATED, Json(accepted)).into_response())
        }
        Some(waiting) => answer_when_decided(api, account, id, waiting).await,
    }
}

/// 200 with the verdict, or 202 with the pending verification once time is up.
pub(super) async fn answer_when_decided(
    api: &Api,
    account: AccountId,
    id: VerificationId,
    waiting: Waiting,
) -> Result<Response, Refusal> {
    wait(api, id, waiting).await;
    let verification = verifications::load(api, account, id).await?;
    let code = if verification.status.is_terminal() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((code, Json(verification)).into_response())
}

async fn parse(encoding: Encoding, head: Parts, body: Bytes) -> Result<Submission, Refusal> {
    let large = body.len() > LARGE_BODY_BYTES;
    let parsing: Box<dyn FnOnce() -> Result<Submission, ApiError> + Send> = match encoding {
        Encoding::Json => Box::new(move || Submission::parse(&Form::from_json(&body)?)),
        Encoding::Multipart => {
            let form = body::multipart(head, body).await?;
            Box::new(move || Submission::parse(&form))
        }
    };
    if !large {
        return Ok(parsing()?);
    }
    let parsed = tokio::task::spawn_blocking(parsing).await;
    Ok(parsed.map_err(|error| Refusal::internal("parsing a request panicked", &error))??)
}

/// Images first, then the row that refers to them: a row without images could never be decided.
async fn accept(
    api: &Api,
    caller: &Caller,
    id: VerificationId,
    submission: Submission,
) -> Result<jiff::Timestamp, Refusal> {
    let unavailable =
        |error: &dyn std::error::Error| Refusal::unavailable("a verification cannot be accepted", error);
    let account = caller.account_id;
    let account_key = api.store.account_key(account).await.map_err(|error| unavailable(&error))?;
    let (key, wrapped_key) =
        account_key.generate_wrapped(&id.to_string()).map_err(|error| unavailable(&error))?;
    let sealed_request = submission.request.seal(&key, id).map_err(|error| unavailable(&error))?;
    let folder = format!("{account}/{id}");
    if let Err(error) = store_images(api, &key, &folder, &submission.images).await {
        remove_images(api, &folder).await;
        return Err(unavailable(&error));
    }
    let created_at = api.clock.now();
    let acceptance = Acceptance {
        id,
        account_id: account,
        lane: Lane::Interactive,
        country: submission.country.to_owned(),
        document_type: submission.document_type,
        checks: submission.checks,
        stages: submission.stages,
        metadata: submission.metadata,
        images: submission.images.into_iter().map(|picture| picture.info).collect(),
        wrapped_key,
        sealed_request,
        traceparent: current_traceparent(),
        created_at,
        retry_of: submission.retry_of,
        actor: caller.key_id.to_string(),
    };
    if let Err(error) = api.store.accept(&acceptance).await {
        settle_failed_acceptance(api, id, &folder, &error).await.map_err(|()| unavailable(&error))?;
    }
    api.outbox_filled.notify_one();
    Metrics::get().accepted();
    tracing::info!(verification.id = %id, "verification accepted");
    Ok(created_at)
}

async fn store_images(
    api: &Api,
    key: &SealingKey,
    folder: &str,
    images: &[Picture],
) -> Result<(), txid_shared::blobs::BlobError> {
    let named: Vec<(String, &[u8])> =
        images.iter().map(|picture| (picture.info.image.to_string(), &picture.bytes[..])).collect();
    api.blobs.put_new(key, folder, &named).await
}

/// An error can mean that the commit went through and its answer was lost. Then the verification is
/// accepted; only when it certainly is not may its images go.
async fn settle_failed_acceptance(
    api: &Api,
    id: VerificationId,
    folder: &str,
    error: &StoreError,
) -> Result<(), ()> {
    match api.store.status(id).await {
        Ok(Some(_)) => {
            tracing::warn!(verification.id = %id, %error, "accepted, though the answer was lost");
            return Ok(());
        }
        Ok(None) => remove_images(api, folder).await,
        Err(_) => {}
    }
    Err(())
}

async fn remove_images(api: &Api, folder: &str) {
    if let Err(error) = api.blobs.remove_all(folder).await {
        tracing::warn!(blobs.folder = folder, %error, "images of a refused request stay, sealed");
    }
}

/// Until the verdict is there or time is up; the row tells which.
async fn wait(api: &Api, id: VerificationId, mut waiting: Waiting) {
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
