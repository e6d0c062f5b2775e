//! Calls for the result of one stage: reading a document, comparing two faces (and `liveness`). They run on the
//! fleet like verifications, and nothing is told about them but the answer.

use super::Api;
use super::auth::Caller;
use super::envelope::Refusal;
use super::idempotency::{Answer, IdempotencyHeader};
use super::liveness;
use super::verifications::unreadable;
use super::verify::submit;
use crate::form::Form;
use crate::images::LowResolution;
use crate::submission::{self, Picture, Submission, picture, picture_in};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;
use txid_shared::api::{
    ApiError, CheckOutcome, Checks, ErrorBody, ErrorCode, ExtractedData, Mode, Reason, Verdict,
};
use txid_shared::ids::VerificationId;
use txid_shared::partial::Timing;
use txid_shared::policy::Thresholds;
use txid_shared::present::verdict_of;
use txid_shared::request::SealedRequest;
use txid_shared::store::{Declared, Row};
use txid_shared::words::{Check, DocumentType, ImageRole, Purpose, ReasonCode, Status};
use utoipa::ToSchema;

/// What a caller is told to wait when the stage took too long or could not run.
const RETRY_AFTER_S: u32 = 5;

#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "documents the body; its fields are read one by one to name the wrong one")]
pub(super) struct ExtractRequest {
    /// JPEG or PNG, at most 10 MB, as base64 or as a `data:` URL.
    #[schema(format = Byte)]
    document_front: String,
    #[schema(format = Byte)]
    document_back: Option<String>,
    /// ISO 3166-1 alpha-2; with `document_type`, or both absent.
    country: Option<String>,
    document_type: Option<DocumentType>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Extraction {
    /// `DELETE /v1/identity/verifications/{id}` erases what is kept of it.
    #[schema(value_type = String, example = "ver_01JDC3Z5V00000000000000000")]
    id: VerificationId,
    /// Always `identity.extraction`.
    object: &'static str,
    extracted_data: ExtractedData,
    /// Mean over the fields, 0..1; `null` without any.
    confidence: Option<f32>,
    /// What limits the result, such as fields that were not read.
    reasons: Vec<Reason>,
    timing: Timing,
}

/// Read a document
#[utoipa::path(post, path = "/v1/identity/extract", tag = "identity",
    params(IdempotencyHeader),
    request_body = ExtractRequest,
    responses(
        (status = 200, description = "What was read", body = Extraction),
        (status = 400, description = "invalid_request, missing_parameter, invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:write`", body = ErrorBody),
        (status = 409, description = "idempotency_key_conflict, idempotency_in_progress", body = ErrorBody),
        (status = 413, description = "image_too_large: the whole request", body = ErrorBody),
        (status = 415, description = "invalid_request: neither JSON nor multipart", body = ErrorBody),
        (status = 422, description = "document_unreadable, unsupported_country, unsupported_document, \
            image_too_large, image_too_small, unsupported_media, invalid_document", body = ErrorBody),
        (status = 503, description = "service_unavailable", body = ErrorBody),
    ))]
pub(super) async fn extract(
    State(api): State<Arc<Api>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Refusal> {
    submit(api, caller, request, "POST /v1/identity/extract", extraction).await
}

fn extraction(form: &Form<'_>) -> Result<Submission, ApiError> {
    form.only(&["document_front", "document_back", "country", "document_type"])?;
    let said = ["country", "document_type"].iter().any(|name| !form.all(name).is_empty());
    let declared = said.then(|| submission::declared(form)).transpose()?;
    let front = picture(form, ImageRole::DocumentFront, LowResolution::Note)?;
    let front = front.ok_or_else(|| ApiError::missing("document_front"))?;
    let back = picture(form, ImageRole::DocumentBack, LowResolution::Note)?;
    let images = [front].into_iter().chain(back).collect();
    Ok(of_one_stage(Purpose::Extraction, Check::Ocr, declared, Thresholds::default(), images))
}

#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "documents the body; its fields are read one by one to name the wrong one")]
pub(super) struct FaceMatchRequest {
    /// JPEG or PNG, at most 10 MB, as base64 or as a `data:` URL: a document or a portrait.
    #[schema(format = Byte)]
    image_1: String,
    /// A selfie or another portrait.
    #[schema(format = Byte)]
    image_2: String,
    /// Similarity from which the faces count as one person; default: the policy's, 0.80.
    #[schema(minimum = 0.0, maximum = 1.0)]
    threshold: Option<f32>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FaceMatch {
    /// `DELETE /v1/identity/verifications/{id}` erases what is kept of it.
    #[schema(value_type = String, example = "ver_01JDC3Z5V00000000000000000")]
    id: VerificationId,
    /// Always `identity.face_match`.
    object: &'static str,
    r#match: bool,
    /// 0..1
    similarity: f32,
    threshold: f32,
    /// How far size, sharpness and pose of both faces carry the comparison, 0..1.
    confidence: f32,
    reasons: Vec<Reason>,
    timing: Timing,
}

/// Compare two faces
#[utoipa::path(post, path = "/v1/identity/face-match", tag = "identity",
    params(IdempotencyHeader),
    request_body = FaceMatchRequest,
    responses(
        (status = 200, description = "Compared", body = FaceMatch),
        (status = 400, description = "invalid_request, missing_parameter, invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:write`", body = ErrorBody),
        (status = 409, description = "idempotency_key_conflict, idempotency_in_progress", body = ErrorBody),
        (status = 413, description = "image_too_large: the whole request", body = ErrorBody),
        (status = 415, description = "invalid_request: neither JSON nor multipart", body = ErrorBody),
        (status = 422, description = "face_not_detected, multiple_faces, image_quality_too_low, \
            image_too_large, image_too_small, unsupported_media, invalid_document", body = ErrorBody),
        (status = 503, description = "service_unavailable", body = ErrorBody),
    ))]
pub(super) async fn face_match(
    State(api): State<Arc<Api>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Refusal> {
    submit(api, caller, request, "POST /v1/identity/face-match", comparison).await
}

fn comparison(form: &Form<'_>) -> Result<Submission, ApiError> {
    form.only(&["image_1", "image_2", "threshold"])?;
    let threshold = probability(form, "threshold")?;
    let mut images = Vec::new();
    for (field, place) in [("image_1", ImageRole::DocumentFront), ("image_2", ImageRole::Selfie)] {
        // Neither needs the pixels of a document: it is the face that counts.
        let mut found = picture_in(field, form, ImageRole::Selfie, LowResolution::Note)?
            .ok_or_else(|| ApiError::missing(field))?;
        found.info.image = place;
        images.push(found);
    }
    let thresholds = Thresholds { face_match: threshold, ..Thresholds::default() };
    Ok(of_one_stage(Purpose::FaceMatch, Check::FaceMatch, None, thresholds, images))
}

pub(super) fn probability(form: &Form<'_>, name: &str) -> Result<Option<f32>, ApiError> {
    form.within(name, 0.0..=1.0, "a number from 0 to 1")
}

pub(super) fn of_one_stage(
    purpose: Purpose,
    check: Check,
    declared: Option<Declared>,
    thresholds: Thresholds,
    images: Vec<Picture>,
) -> Submission {
    Submission {
        purpose,
        declared,
        checks: vec![check],
        stages: vec![check.stage()],
        mode: Mode::Sync,
        metadata: Map::<String, Value>::new(),
        request: SealedRequest { thresholds, ..SealedRequest::default() },
        images,
        retry_of: None,
    }
}

/// The result of a row that is for one stage.
pub(super) async fn answer(api: &Api, row: &Row) -> Result<Answer, Refusal> {
    let verdict = verdict_of(&api.store, row).await.map_err(|error| unreadable(&error))?;
    let Some(verdict) = verdict.filter(|_| !matches!(row.case.status, Status::Pending | Status::Error))
    else {
        return Err(not_now().into());
    };
    let (id, timing) = (row.case.id, verdict.timings.values().next().copied().unwrap_or_default());
    let Verdict { checks: Checks { ocr, face_match, liveness, .. }, extracted_data, .. } = verdict;
    if let Some(check) = ocr {
        refuse(&check.outcome, &[ReasonCode::DocumentUnreadable], &[])?;
        let CheckOutcome { confidence, reasons, .. } = check.outcome;
        let (object, extracted_data) = ("identity.extraction", extracted_data.unwrap_or_default());
        let extraction = Extraction { id, object, extracted_data, confidence, reasons, timing };
        return Answer::json(StatusCode::OK, &extraction);
    }
    if let Some(check) = face_match {
        let faces = [ReasonCode::FaceNotDetected, ReasonCode::MultipleFaces, ReasonCode::ImageQualityTooLow];
        refuse(
            &check.outcome,
            &faces,
            &[(ImageRole::DocumentFront, "image_1"), (ImageRole::Selfie, "image_2")],
        )?;
        let CheckOutcome { confidence, reasons, .. } = check.outcome;
        let (Some(similarity), Some(confidence)) = (check.similarity, confidence) else {
            return Err(not_now().into());
        };
        let (object, threshold) = ("identity.face_match", check.threshold);
        let r#match = similarity >= threshold;
        let found = FaceMatch { id, object, r#match, similarity, threshold, confidence, reasons, timing };
        return Answer::json(StatusCode::OK, &found);
    }
    liveness::answer(id, liveness.ok_or_else(not_now)?, timing)
}

/// Where there is nothing to give, the reason is the error.
pub(super) fn refuse(
    outcome: &CheckOutcome,
    errors: &[ReasonCode],
    fields: &[(ImageRole, &str)],
) -> Result<(), ApiError> {
    let nothing = outcome.reasons.iter().find(|reason| {
        // A document of which some fields are missing was read all the same.
        errors.contains(&reason.code)
            && !(reason.code == ReasonCode::DocumentUnreadable && outcome.confidence.is_some())
    });
    let Some(reason) = nothing else { return Ok(()) };
    let code = match reason.code {
        ReasonCode::FaceNotDetected => ErrorCode::FaceNotDetected,
        ReasonCode::MultipleFaces => ErrorCode::MultipleFaces,
        ReasonCode::ImageQualityTooLow => ErrorCode::ImageQualityTooLow,
        _ => ErrorCode::DocumentUnreadable,
    };
    // Reasons name images by their role; the caller knows them by his fields.
    let message = fields.iter().fold(reason.message.clone(), |message, (role, field)| {
        message.replace(&format!("`{role}`"), &format!("`{field}`"))
    });
    Err(ApiError::new(code, message))
}

fn not_now() -> ApiError {
    let mut error = ApiError::new(ErrorCode::ServiceUnavailable, "the check could not run in time");
    error.retry_after = Some(RETRY_AFTER_S);
    error
}
