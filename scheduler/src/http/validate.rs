//! Whether a picture will do, at once and without the queue: while the person still holds the document.

use super::Api;
use super::auth::Caller;
use super::envelope::Refusal;
use super::verify::parsed;
use crate::images::LowResolution;
use crate::submission::picture_in;
use axum::Json;
use axum::extract::{Request, State};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::num::NonZero;
use std::sync::Arc;
use txid_imaging::{ImageError, SourceImage, document_issues, find_document, selfie_issues};
use txid_shared::api::{ApiError, ErrorBody, ErrorCode};
use txid_shared::partial::{Polygon, QualityIssue};
use txid_shared::words::{ImageRole, Permission};
use utoipa::ToSchema;

/// Both namings are taken, these and those of `verify`.
pub(super) const SIDES: &str = "`front`, `back` or `selfie`";
/// From this severity on an issue makes a picture not worth sending.
const SEVERE: f32 = 0.5;

#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "documents the body; its fields are read one by one to name the wrong one")]
pub(super) struct ValidateRequest {
    /// JPEG or PNG, at most 10 MB, as base64 or as a `data:` URL.
    #[schema(format = Byte)]
    image: String,
    /// `front`, `back`, `selfie`, or as in `verify`. Default: `front`.
    side: Option<ImageRole>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Validation {
    /// Always `identity.validation`.
    object: &'static str,
    /// No issue is severe.
    valid: bool,
    /// 0..1
    quality_score: f32,
    issues: Vec<QualityIssue>,
    /// What the person may do about it, the weightiest first.
    recommendations: Vec<&'static str>,
    /// The document's corners in pixels of the upright picture, from the top left clockwise; absent where no
    /// outline stands out. A corner beyond the picture's border is where the document's sides would meet.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Vec<f32>>>)]
    document: Option<Polygon>,
    /// Pixels of the upright picture.
    width_px: u32,
    height_px: u32,
}

/// Check whether a picture will do
#[utoipa::path(post, path = "/v1/identity/validate", tag = "identity", request_body = ValidateRequest,
    responses(
        (status = 200, description = "What is wrong with it, if anything", body = Validation),
        (status = 400, description = "invalid_request, missing_parameter, invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:write`", body = ErrorBody),
        (status = 413, description = "image_too_large: the whole request", body = ErrorBody),
        (status = 415, description = "invalid_request: neither JSON nor multipart", body = ErrorBody),
        (status = 422, description = "image_too_large, image_too_small, unsupported_media, invalid_document",
            body = ErrorBody),
    ))]
pub(super) async fn validate(
    State(api): State<Arc<Api>>,
    caller: Caller,
    request: Request,
) -> Result<Json<Validation>, Refusal> {
    caller.require(Permission::IdentityWrite)?;
    let (head, body) = request.into_parts();
    let _room = api.room.take(&head.headers).await;
    let picture = parsed(head, body, |form| {
        form.only(&["image", "side"])?;
        let role = form.parsed("side", SIDES)?.unwrap_or(ImageRole::DocumentFront);
        let picture = picture_in("image", form, role, LowResolution::Note)?;
        picture.ok_or_else(|| ApiError::missing("image"))
    })
    .await?;
    let role = picture.info.image;
    Ok(Json(validated(&api, picture.bytes, role).await?))
}

/// Pictures that may be decoded at once: the processors, so that more would only wait for each other.
pub(super) fn pool_size() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

pub(super) async fn validated(api: &Api, bytes: Bytes, role: ImageRole) -> Result<Validation, Refusal> {
    // Fails only if closed, and nobody closes it.
    let _turn = api.decoding.acquire().await.ok();
    let looking = tokio::task::spawn_blocking(move || look(bytes, role)).await;
    let looked = looking.map_err(|error| Refusal::internal("looking at a picture panicked", &error))?;
    looked.map_err(|error| {
        ApiError::new(ErrorCode::InvalidDocument, format!("`image` is damaged: {error}"))
            .param("image")
            .into()
    })
}

fn look(bytes: Bytes, role: ImageRole) -> Result<Validation, ImageError> {
    let source = SourceImage::new(bytes);
    let header = source.header()?;
    let (width_px, height_px) = (header.width, header.height);
    let small = source.scaled(txid_imaging::DOCUMENT_MEASURED_PX)?;
    let (mut issues, mut document) = (Vec::new(), None);
    if role == ImageRole::Selfie {
        issues.extend(selfie_issues(&small, width_px, height_px));
    } else {
        issues.extend(document_issues(&small, width_px, height_px));
        let outline = find_document(&small)?.scaled(width_px as f32 / small.width() as f32);
        issues.extend(outline.issues());
        document = outline.corners;
    }
    issues.sort_by(|a, b| b.severity.total_cmp(&a.severity));
    let worst = issues.first().map_or(0.0, |issue| issue.severity);
    Ok(Validation {
        object: "identity.validation",
        valid: worst < SEVERE,
        quality_score: 1.0 - worst,
        recommendations: issues.iter().filter_map(|issue| recommendation(&issue.code)).collect(),
        issues,
        document,
        width_px,
        height_px,
    })
}

fn recommendation(issue: &str) -> Option<&'static str> {
    Some(match issue {
        "low_resolution" => "Use the camera's full resolution, at least 1280×720, and come closer.",
        "too_dark" => "Turn on a light or go to a window.",
        "too_bright" => "Avoid direct light on the lens.",
        "glare" => "Tilt the document a little, or turn off the flash, until no reflection covers the print.",
        "blurred" => "Hold the phone still, wait until it is in focus, and clean the lens.",
        "cut_off" => "Move back until all four corners of the document are in the picture.",
        "too_far" => "Come closer: the document should fill most of the picture.",
        "several_documents" => "Take away the other documents, or photograph one at a time.",
        "document_not_found" => "Put the document on a plain surface of another colour.",
        _ => return None,
    })
}
