//! Uploads: files that batches refer to, sent to a signed address in one stream of any length.

use super::Api;
use super::auth::Caller;
use super::documents::public_address;
use super::envelope::Refusal;
use super::query::Parameters;
use super::signed::Thing;
use super::verifications::no_such;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use bytes::Bytes;
use futures_util::StreamExt;
use serde::Serialize;
use std::sync::Arc;
use txid_shared::api::{ApiError, ErrorBody, ErrorCode};
use txid_shared::blobs::spool::SpoolWriter;
use txid_shared::config::ms;
use txid_shared::ids::{AccountId, UploadId};
use txid_shared::store::Upload;
use txid_shared::words::Permission;
use utoipa::ToSchema;

/// Its body may take longer than other requests.
pub(super) const CONTENT_ROUTE: &str = "/v1/identity/uploads/{id}/content";

/// A file for batches.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UploadObject {
    #[schema(value_type = String, example = "upl_01JDC3Z5V00000000000000000")]
    id: UploadId,
    /// Always `identity.upload`.
    object: &'static str,
    /// `pending` until its last byte is there, then `stored`.
    #[schema(example = "stored")]
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_bytes: Option<u64>,
    /// Hex, of the bytes as they came.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    /// `PUT` the file there, without an API key. Shown once, here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "uri")]
    url: Option<String>,
    /// RFC 3339 UTC
    #[schema(value_type = String, format = DateTime)]
    created_at: jiff::Timestamp,
    /// When it is removed; a batch that needs it keeps it longer.
    #[schema(value_type = String, format = DateTime)]
    expires_at: jiff::Timestamp,
}

fn object(upload: Upload) -> UploadObject {
    let (size_bytes, sha256) = upload.stored.map(|stored| (stored.size_bytes, stored.sha256)).unzip();
    UploadObject {
        id: upload.id,
        object: "identity.upload",
        status: if size_bytes.is_some() { "stored" } else { "pending" },
        size_bytes,
        sha256,
        url: None,
        created_at: upload.created_at,
        expires_at: upload.expires_at,
    }
}

pub(super) fn lost(error: &dyn std::error::Error) -> Refusal {
    Refusal::unavailable("an upload cannot be stored or read", error)
}

/// Open an upload
///
/// Answers with an address that takes a manifest, a picture or a ZIP archive of any size, in one `PUT`. The first
/// `PUT` that arrives whole is the upload's content; one that breaks off may be sent again.
#[utoipa::path(post, path = "/v1/identity/uploads", tag = "batches",
    responses(
        (status = 201, description = "Opened", body = UploadObject),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:write`", body = ErrorBody),
    ))]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    caller: Caller,
    request: Request,
) -> Result<(StatusCode, Json<UploadObject>), Refusal> {
    caller.require(Permission::IdentityWrite)?;
    let (head, _) = request.into_parts();
    let account = caller.account_id;
    let upload = open(&api, account).await?;
    let query = signed(upload.id).query(&api, account, upload.expires_at).await?;
    let host = public_address(&api, &head.headers);
    let url = format!("{host}/v1/identity/uploads/{}/content?{query}", upload.id);
    Ok((StatusCode::CREATED, Json(UploadObject { url: Some(url), ..object(upload) })))
}

fn signed(id: UploadId) -> Thing {
    Thing { place: format!("upload/{id}"), instead: "open another upload", lost }
}

async fn open(api: &Api, account: AccountId) -> Result<Upload, Refusal> {
    api.drivers.new_upload(account).await.map_err(|error| lost(&error))
}

/// Bytes that came with another request, as an upload of its account.
pub(super) async fn keep(api: &Api, account: AccountId, bytes: Bytes) -> Result<UploadId, Refusal> {
    Ok(store(api, &open(api, account).await?, Body::from(bytes)).await?.id)
}

/// Send an upload's content
#[utoipa::path(put, path = "/v1/identity/uploads/{id}/content", tag = "batches",
    params(
        ("id" = String, Path, description = "`upl_…`"),
        ("account" = String, Query, description = "As in the address"),
        ("token" = String, Query, description = "As in the address"),
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "Stored", body = UploadObject),
        (status = 400, description = "invalid_request: the body is empty or broke off", body = ErrorBody),
        (status = 401, description = "unauthorized: the address is not one of ours", body = ErrorBody),
        (status = 403, description = "forbidden: its time is over", body = ErrorBody),
        (status = 404, description = "not_found", body = ErrorBody),
        (status = 409, description = "invalid_state: it is stored already", body = ErrorBody),
        (status = 413, description = "invalid_request: larger than `batches.largest_upload_bytes`", body = ErrorBody),
    ),
    security(()))]
pub(super) async fn content(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    parameters: Parameters,
    request: Request,
) -> Result<Json<UploadObject>, Refusal> {
    let id: UploadId = id.parse().map_err(|_| no_such("upload"))?;
    let account = signed(id).account(&api, &parameters).await?;
    let upload = api.store.upload_of(account, id).await.map_err(|error| lost(&error))?;
    let upload = upload.ok_or_else(|| no_such("upload"))?;
    if upload.stored.is_some() {
        return Err(ApiError::new(ErrorCode::InvalidState, "the upload is stored already").into());
    }
    Ok(Json(object(store(&api, &upload, request.into_body()).await?)))
}

/// The body to its end, or an error and nothing kept.
async fn store(api: &Api, upload: &Upload, body: Body) -> Result<Upload, Refusal> {
    let key = api.store.upload_key(upload).await.map_err(|error| lost(&error))?;
    // Two at once do not write over each other: only one becomes the content.
    let attempt = uuid::Uuid::new_v4();
    let place = upload.place_of(attempt);
    let mut writer = SpoolWriter::new(&api.blobs, &key, &place);
    let received = receive(api, body, &mut writer).await;
    if let Err(refused) = received {
        if let Err(error) = api.blobs.remove_all(&place).await {
            tracing::warn!(upload.id = %upload.id, %error, "parts of a broken upload stay until it expires, sealed");
        }
        return Err(refused);
    }
    let spooled = writer.close().await.map_err(|error| lost(&error))?;
    let stored = api.store.upload_stored(upload.id, attempt, &spooled).await.map_err(|error| lost(&error))?;
    if !stored {
        api.blobs.remove_all(&place).await.map_err(|error| lost(&error))?;
        return Err(ApiError::new(ErrorCode::InvalidState, "the upload is stored already").into());
    }
    Ok(Upload { stored: Some(spooled), attempt: Some(attempt), ..upload.clone() })
}

async fn receive(api: &Api, body: Body, writer: &mut SpoolWriter) -> Result<(), Refusal> {
    let broken = || ApiError::new(ErrorCode::InvalidRequest, "the body broke off");
    let mut stream = body.into_data_stream();
    let patience = ms(api.settings.request_timeout_ms);
    // The whole may take hours; a pause in it may not.
    while let Some(part) = tokio::time::timeout(patience, stream.next()).await.map_err(|_| broken())? {
        let part = part.map_err(|_| broken())?;
        let size = writer.size_bytes() + part.len() as u64;
        if size > api.batches.largest_upload_bytes {
            let message = format!("an upload may have {} bytes", api.batches.largest_upload_bytes);
            let error = ApiError::new(ErrorCode::InvalidRequest, message);
            return Err(Refusal::with_status(error, StatusCode::PAYLOAD_TOO_LARGE));
        }
        writer.write(&part).await.map_err(|error| lost(&error))?;
    }
    if writer.size_bytes() == 0 {
        return Err(ApiError::new(ErrorCode::InvalidRequest, "the body is empty").into());
    }
    Ok(())
}

/// Retrieve an upload
#[utoipa::path(get, path = "/v1/identity/uploads/{id}", tag = "batches",
    params(("id" = String, Path, description = "`upl_…`")),
    responses(
        (status = 200, description = "As it stands", body = UploadObject),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:read`", body = ErrorBody),
        (status = 404, description = "not_found", body = ErrorBody),
    ))]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<UploadObject>, Refusal> {
    caller.require(Permission::IdentityRead)?;
    let id: UploadId = id.parse().map_err(|_| no_such("upload"))?;
    let upload = api.store.upload_of(caller.account_id, id).await.map_err(|error| lost(&error))?;
    Ok(Json(object(upload.ok_or_else(|| no_such("upload"))?)))
}
