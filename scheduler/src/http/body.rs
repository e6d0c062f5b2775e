//! Reading request bodies within bounds: of one body, and of all bodies in memory together.

use super::envelope::Refusal;
use axum::body::Body;
use axum::extract::{FromRequest, Multipart};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Request, StatusCode};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use txid_shared::api::{ApiError, ErrorCode};

use crate::form::{Form, Given};

const MIB: usize = 1024 * 1024;
/// Three images of 10 MB in base64 with the rest of the request.
const LARGEST_BODY_MIB: usize = 45;
/// What is read and thrown away behind the limit, so that a client still writing gets to read why.
const DISCARDED_MIB: usize = 45;

/// Memory for uploads, counted in MiB: many small ones or few large ones. Whoever finds no room waits.
#[derive(Clone)]
pub(super) struct UploadRoom(Arc<Semaphore>);

impl UploadRoom {
    /// Room for so many bodies of the largest size.
    pub(super) fn new(largest_bodies: usize) -> Self {
        let mebibytes = largest_bodies.saturating_mul(LARGEST_BODY_MIB).min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(mebibytes)))
    }

    /// Room for the body that `headers` announce. Kept as long as its bytes are needed.
    pub(super) async fn take(&self, headers: &HeaderMap) -> Option<OwnedSemaphorePermit> {
        let announced = content_length(headers).map_or(LARGEST_BODY_MIB, |length| length / MIB + 1);
        let mebibytes = u32::try_from(announced.min(LARGEST_BODY_MIB)).unwrap_or(u32::MAX);
        // Fails only if closed, and nobody closes it.
        self.0.clone().acquire_many_owned(mebibytes).await.ok()
    }
}

fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// How the fields are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Json,
    Multipart,
}

/// Asks only for the media type's name; a missing header is taken for JSON.
pub(super) fn encoding(headers: &HeaderMap) -> Result<Encoding, Refusal> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(Encoding::Json) };
    let value = value.to_str().unwrap_or_default();
    let name = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match name.as_str() {
        "application/json" => Ok(Encoding::Json),
        "multipart/form-data" => Ok(Encoding::Multipart),
        _ => {
            let message = "send `Content-Type: application/json` or `multipart/form-data`";
            let error = ApiError::new(ErrorCode::InvalidRequest, message);
            Err(Refusal::with_status(error, StatusCode::UNSUPPORTED_MEDIA_TYPE))
        }
    }
}

/// The whole body, or the refusal of one that is too large.
pub(super) async fn collect(headers: &HeaderMap, body: Body) -> Result<Bytes, Refusal> {
    let limit = LARGEST_BODY_MIB * MIB;
    let announced = content_length(headers).unwrap_or_default();
    let mut collected = BytesMut::with_capacity(announced.min(limit));
    let mut stream = body.into_data_stream();
    let mut received = 0usize;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| ApiError::new(ErrorCode::InvalidRequest, "the body broke off"))?;
        received = received.saturating_add(chunk.len());
        if received > limit.saturating_add(DISCARDED_MIB * MIB) {
            break;
        }
        if received <= limit {
            collected.extend_from_slice(&chunk);
        } else {
            collected = BytesMut::new();
        }
    }
    if received > limit {
        let message = "the request is larger than 45 MB; each image may have 10 MB";
        let error = ApiError::new(ErrorCode::ImageTooLarge, message);
        return Err(Refusal::with_status(error, StatusCode::PAYLOAD_TOO_LARGE));
    }
    Ok(collected.freeze())
}

/// Parts with a file name or a media type of their own are files, all others text.
pub(super) async fn multipart(head: Parts, body: Bytes) -> Result<Form<'static>, ApiError> {
    let malformed = || ApiError::new(ErrorCode::InvalidRequest, "the multipart body is malformed");
    let request = Request::from_parts(head, Body::from(body));
    let mut parts = Multipart::from_request(request, &()).await.map_err(|_| malformed())?;
    let mut form = Form::default();
    while let Some(part) = parts.next_field().await.map_err(|_| malformed())? {
        let name = part.name().unwrap_or_default().to_owned();
        let is_file =
            part.file_name().is_some() || part.content_type().is_some_and(|t| t.starts_with("image/"));
        let bytes = part.bytes().await.map_err(|_| malformed())?;
        let given = if is_file {
            Given::File(bytes)
        } else {
            let text = String::from_utf8(bytes.into());
            Given::Text(text.map_err(|_| ApiError::invalid("body", "a text part is not UTF-8"))?)
        };
        form.add(name.into(), given);
    }
    Ok(form)
}
