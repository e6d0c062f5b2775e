//! Batches: listed, watched, steered. They are opened in `batch_opening.rs`; what they leave is in
//! `batch_results.rs`.

use super::Api;
use super::auth::Caller;
use super::batch_opening::open;
use super::envelope::Refusal;
use super::idempotency::{IdempotencyHeader, Key, replay};
use super::query::{List, Parameters};
use super::verifications::no_such;
use crate::batches::{Location, Source};
use crate::form::{Form, Given};
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use serde::Serialize;
use std::sync::Arc;
use txid_shared::api::{ApiError, Batch, ErrorBody, ErrorCode};
use txid_shared::ids::BatchId;
use txid_shared::store::{BatchOptions, BatchRecord};
use txid_shared::words::{BatchFile, BatchStatus, Permission};
use utoipa::ToSchema;

const RETRY: &str = "POST /v1/identity/batches/{id}/retry-failed";

pub(super) fn lost(error: &dyn std::error::Error) -> Refusal {
    Refusal::unavailable("a batch cannot be written or read", error)
}

/// List batches
#[utoipa::path(get, path = "/v1/identity/batches", tag = "batches",
    params(
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 100, description = "Default 20"),
        ("starting_after" = Option<String>, Query, description = "`batch_…`: older than this one"),
        ("ending_before" = Option<String>, Query, description = "`batch_…`: newer than this one"),
        ("status" = Option<BatchStatus>, Query),
    ),
    responses(
        (status = 200, description = "Newest first", body = List<Batch>),
        (status = 400, description = "invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:read`", body = ErrorBody),
    ))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    parameters: Parameters,
) -> Result<Json<List<Batch>>, Refusal> {
    caller.require(Permission::IdentityRead)?;
    parameters.only(&["status"], None)?;
    let status = parameters.parsed("status", "a status of a batch")?;
    let (page, limit) = parameters.page()?;
    let found = api.store.list_batches(caller.account_id, status, page, limit + 1).await;
    let data = found.map_err(|error| lost(&error))?.into_iter().map(|record| record.batch).collect();
    Ok(Json(List::of_page(data, &page, limit, |batch: &Batch| batch.id.to_string())))
}

/// Retrieve a batch
#[utoipa::path(get, path = "/v1/identity/batches/{id}", tag = "batches",
    params(("id" = String, Path, description = "`batch_…`")),
    responses(
        (status = 200, description = "As it stands; its counters add up at every moment", body = Batch),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:read`", body = ErrorBody),
        (status = 404, description = "not_found", body = ErrorBody),
    ))]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Batch>, Refusal> {
    caller.require(Permission::IdentityRead)?;
    Ok(Json(find(&api, &caller, &id).await?.batch))
}

pub(super) async fn find(api: &Api, caller: &Caller, id: &str) -> Result<BatchRecord, Refusal> {
    let id: BatchId = id.parse().map_err(|_| no_such("batch"))?;
    let record = api.store.batch(caller.account_id, id).await.map_err(|error| lost(&error))?;
    record.ok_or_else(|| no_such("batch").into())
}

/// What its owner may ask for, and where the batch may stand then.
async fn change(
    api: &Api,
    caller: &Caller,
    id: &str,
    from: &[BatchStatus],
    to: BatchStatus,
) -> Result<Json<Batch>, Refusal> {
    caller.require(Permission::IdentityWrite)?;
    let before = find(api, caller, id).await?.batch;
    let of = (caller.account_id, before.id);
    let changed = api.store.change_batch(of, from, to, &caller.key_id.to_string(), api.clock.now()).await;
    if !changed.map_err(|error| lost(&error))? {
        let known: Vec<&str> = from.iter().map(|status| status.as_str()).collect();
        let now = find(api, caller, id).await?.batch.status;
        let message = format!("the batch is {now}; this needs {}", known.join(", "));
        return Err(ApiError::new(ErrorCode::InvalidState, message).into());
    }
    Ok(Json(find(api, caller, id).await?.batch))
}

macro_rules! steering {
    ($name:ident, $path:literal, $summary:literal, $from:expr, $to:ident) => {
        #[doc = $summary]
        #[utoipa::path(post, path = $path, tag = "batches",
            params(("id" = String, Path, description = "`batch_…`")),
            responses(
                (status = 200, description = "As it stands now", body = Batch),
                (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
                (status = 403, description = "forbidden: the key lacks `identity:write`", body = ErrorBody),
                (status = 404, description = "not_found", body = ErrorBody),
                (status = 409, description = "invalid_state", body = ErrorBody),
            ))]
        pub(super) async fn $name(
            State(api): State<Arc<Api>>,
            caller: Caller,
            Path(id): Path<String>,
        ) -> Result<Json<Batch>, Refusal> {
            use BatchStatus::*;
            change(&api, &caller, &id, &$from, $to).await
        }
    };
}

steering!(
    confirm,
    "/v1/identity/batches/{id}/confirm",
    "Begin a batch that was checked",
    [AwaitingConfirmation],
    Queued
);
steering!(
    pause,
    "/v1/identity/batches/{id}/pause",
    "Begin no further rows; those under way end",
    [Queued, InProgress],
    Paused
);
steering!(resume, "/v1/identity/batches/{id}/resume", "Go on with a paused batch", [Paused], Queued);
steering!(
    cancel,
    "/v1/identity/batches/{id}/cancel",
    "End a batch: rows without a verdict end as `cancelled`",
    [Validating, AwaitingConfirmation, Queued, InProgress, Paused],
    Cancelling
);

/// Submit the rows without a verdict again
///
/// Opens a batch with the rows of this one that ended as `error`, `cancelled` or `expired`.
#[utoipa::path(post, path = "/v1/identity/batches/{id}/retry-failed", tag = "batches",
    params(("id" = String, Path, description = "`batch_…`"), IdempotencyHeader),
    responses(
        (status = 201, description = "The new batch", body = Batch),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:write`", body = ErrorBody),
        (status = 404, description = "not_found", body = ErrorBody),
        (status = 409, description = "invalid_state: it has not ended, or every row has a verdict", body = ErrorBody),
    ))]
pub(super) async fn retry_failed(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    caller.require(Permission::IdentityWrite)?;
    let record = find(&api, &caller, &id).await?;
    let mut asked = Form::default();
    asked.add("id".into(), Given::Text(id));
    let claim = Key::of(&request.into_parts().0)?.claim(&api, &caller, RETRY, &asked);
    if let Some(answer) = replay(&api, &caller, claim.as_ref()).await? {
        return Ok(answer);
    }
    let refused = |why: &str| ApiError::new(ErrorCode::InvalidState, why);
    if !record.batch.status.is_terminal() {
        return Err(refused("the batch has not ended").into());
    }
    let counts = record.batch.counts;
    if counts.error + counts.cancelled + counts.expired == 0 {
        return Err(refused("every row of the batch has a verdict").into());
    }
    if !record.batch.files.as_ref().is_some_and(|files| files.contains_key(&BatchFile::Errors)) {
        return Err(refused("its rows held pictures that are not kept any longer").into());
    }
    let account_key = api.store.account_key(record.account_id).await.map_err(|error| lost(&error))?;
    let sealed = record.sealed_source.as_deref().unwrap_or_default();
    let source = Source::open(&account_key, record.batch.id, sealed).map_err(|error| lost(&error))?;
    let manifest = api.drivers.errors_as_upload(&record).await.map_err(|error| lost(&error))?;
    let source = Source { manifest: Location::Upload(manifest), ..source };
    let options = BatchOptions { validate_only: false, ..record.options.clone() };
    let life = record.batch.expires_at.duration_since(record.batch.created_at);
    let described = (record.batch.name.clone(), record.batch.metadata.clone(), options);
    let expires_at = api.clock.now() + life;
    open(&api, &caller, source, described, (Some(record.batch.id), claim), expires_at).await
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeletedBatch {
    #[schema(value_type = String, example = "batch_01JDC3Z5V00000000000000000")]
    id: BatchId,
    /// Always `identity.batch`.
    object: &'static str,
    /// Always `true`.
    deleted: bool,
}

/// Delete a batch that has ended
///
/// Erases its verifications with everything that was read, its rows and its files.
#[utoipa::path(delete, path = "/v1/identity/batches/{id}", tag = "batches",
    params(("id" = String, Path, description = "`batch_…`")),
    responses(
        (status = 200, description = "It does not exist any more; what it held is being removed",
            body = DeletedBatch),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:write`", body = ErrorBody),
        (status = 404, description = "not_found", body = ErrorBody),
        (status = 409, description = "invalid_state: cancel it first", body = ErrorBody),
    ))]
pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<DeletedBatch>, Refusal> {
    caller.require(Permission::IdentityWrite)?;
    let record = find(&api, &caller, &id).await?;
    let of = (caller.account_id, record.batch.id);
    let deleted = api.store.delete_batch(of, &caller.key_id.to_string(), api.clock.now()).await;
    if !deleted.map_err(|error| lost(&error))? {
        let message = format!("the batch is {}; cancel it first", record.batch.status);
        return Err(ApiError::new(ErrorCode::InvalidState, message).into());
    }
    Ok(Json(DeletedBatch { id: record.batch.id, object: Batch::OBJECT, deleted: true }))
}
