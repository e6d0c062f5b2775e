//! Uploads to a session: stored, and judged at once.

use super::Api;
use super::body;
use super::envelope::Refusal;
use super::sessions::{SessionObject, Visitor, closed, lost, missing, object};
use super::validate::{SIDES, Validation, validated};
use super::verifications::no_such;
use super::verify::parsed;
use crate::images::LowResolution;
use crate::submission::{Picture, inspected, picture_in};
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use txid_shared::api::{ApiError, ErrorBody};
use txid_shared::ids::{DocumentId, SessionId};
use txid_shared::words::{ImageRole, Permission, SessionStatus};
use utoipa::ToSchema;

#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "documents the body; its fields are read one by one to name the wrong one")]
pub(super) struct UploadRequest {
    /// `front`, `back`, `selfie`, or as in `verify`. Also taken as `type`.
    side: ImageRole,
    /// JPEG or PNG, at most 10 MB, as base64 or as a `data:` URL.
    #[schema(format = Byte)]
    image: String,
}

/// What an upload is answered: whether it will do, at once, while the person still holds the document.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Uploaded {
    #[schema(value_type = String, example = "doc_01JDC3Z5V00000000000000000")]
    id: DocumentId,
    /// Always `identity.document`.
    object: &'static str,
    side: ImageRole,
    quality: Validation,
    session: SessionObject,
}

/// Upload a picture to a session
///
/// With an API key or the session's client token. A second picture of a side replaces the first.
#[utoipa::path(post, path = "/v1/identity/sessions/{id}/documents", tag = "identity",
    params(("id" = String, Path, description = "`sess_…`")), request_body = UploadRequest,
    responses(
        (status = 201, description = "Stored; with its quality", body = Uploaded),
        (status = 400, description = "invalid_request, missing_parameter, invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:write`", body = ErrorBody),
        (status = 404, description = "not_found", body = ErrorBody),
        (status = 409, description = "invalid_state: completed or expired", body = ErrorBody),
        (status = 413, description = "image_too_large: the whole request", body = ErrorBody),
        (status = 415, description = "invalid_request: neither JSON nor multipart", body = ErrorBody),
        (status = 422, description = "image_too_large, image_too_small, unsupported_media, invalid_document",
            body = ErrorBody),
    ),
    security(("api_key" = []), ("client_token" = [])))]
pub(super) async fn upload(
    State(api): State<Arc<Api>>,
    visitor: Visitor,
    Path(id): Path<String>,
    request: Request,
) -> Result<(StatusCode, Json<Uploaded>), Refusal> {
    let session = visitor.session(&api, &id, Permission::IdentityWrite).await?;
    let (head, body) = request.into_parts();
    let _room = api.room.take(&head.headers).await;
    let picture = parsed(head, body, |form| {
        form.only(&["side", "type", "image"])?;
        let field = if form.all("side").is_empty() { "type" } else { "side" };
        let role = form.parsed(field, SIDES)?.ok_or_else(|| ApiError::missing("side"))?;
        let picture = picture_in("image", form, role, LowResolution::Note)?;
        picture.ok_or_else(|| ApiError::missing("image"))
    })
    .await?;
    store(&api, session.id, picture).await
}

/// Upload a picture to a session as it is
///
/// The body is the JPEG or PNG. The addresses in `upload_urls` carry the client token.
#[utoipa::path(put, path = "/v1/identity/sessions/{id}/documents/{side}", tag = "identity",
    params(
        ("id" = String, Path, description = "`sess_…`"),
        ("side" = String, Path, description = "`front`, `back`, `selfie`, or as in `verify`"),
        ("token" = Option<String>, Query, description = "The client token, where no `Authorization` is sent"),
    ),
    request_body(content((Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png"))),
    responses(
        (status = 201, description = "Stored; with its quality", body = Uploaded),
        (status = 400, description = "missing_parameter: no picture", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:write`", body = ErrorBody),
        (status = 404, description = "not_found: the session, or the side", body = ErrorBody),
        (status = 409, description = "invalid_state: completed or expired", body = ErrorBody),
        (status = 413, description = "image_too_large: the whole request", body = ErrorBody),
        (status = 422, description = "image_too_large, image_too_small, unsupported_media, invalid_document",
            body = ErrorBody),
    ),
    security(("api_key" = []), ("client_token" = [])))]
pub(super) async fn put(
    State(api): State<Arc<Api>>,
    visitor: Visitor,
    Path((id, side)): Path<(String, String)>,
    request: Request,
) -> Result<(StatusCode, Json<Uploaded>), Refusal> {
    let session = visitor.session(&api, &id, Permission::IdentityWrite).await?;
    let role = side.parse().map_err(|_| no_such("side"))?;
    let (head, body) = request.into_parts();
    let _room = api.room.take(&head.headers).await;
    let bytes = body::collect(&head.headers, body).await?;
    let picture = inspected("image", role, bytes, LowResolution::Note)?;
    store(&api, session.id, picture).await
}

async fn store(api: &Api, id: SessionId, picture: Picture) -> Result<(StatusCode, Json<Uploaded>), Refusal> {
    let role = picture.info.image;
    let quality = validated(api, picture.bytes.clone(), role).await?;
    let upload = api.store.upload(id).await.map_err(|error| lost(&error))?;
    let upload = upload.ok_or_else(|| no_such("session"))?;
    closed(&upload.session, api.clock.now())?;
    let key = api.store.session_key(&upload.session).await.map_err(|error| lost(&error))?;
    let (account, verification) = (upload.session.account_id, upload.session.verification_id);
    let stored = api.blobs.put(&key, &format!("{account}/{verification}/{role}"), &picture.bytes).await;
    stored.map_err(|error| Refusal::unavailable("a picture cannot be stored", &error))?;
    let left = missing(&upload.session);
    let ready = left.iter().all(|missing| *missing == role);
    let status = if ready { SessionStatus::Ready } else { SessionStatus::Pending };
    let session = upload.stored(picture.info, status).await.map_err(|error| lost(&error))?;
    let uploaded = Uploaded {
        id: verification.document(role),
        object: "identity.document",
        side: role,
        quality,
        session: object(session),
    };
    Ok((StatusCode::CREATED, Json(uploaded)))
}
