//! `POST /v1/identity/liveness`: was a person in front of the camera? Passive on one picture; active on frames of
//! somebody who was asked to do something. Terms: ISO/IEC 30107.

use super::Api;
use super::auth::Caller;
use super::envelope::Refusal;
use super::idempotency::{Answer, IdempotencyHeader};
use super::oneshots::{of_one_stage, probability, refuse};
use super::verify::submit;
use crate::form::Form;
use crate::frames::{self, challenges};
use crate::images::LowResolution;
use crate::submission::{Submission, picture_in};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use txid_shared::api::{ActiveLiveness, ApiError, CheckOutcome, ErrorBody, LivenessCheck, Reason};
use txid_shared::ids::VerificationId;
use txid_shared::partial::Timing;
use txid_shared::policy::Thresholds;
use txid_shared::words::{Challenge, Check, ImageRole, LivenessMode, Purpose, ReasonCode};
use utoipa::ToSchema;

#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "documents the body; its fields are read one by one to name the wrong one")]
pub(super) struct LivenessRequest {
    /// JPEG or PNG, at most 10 MB, at least 112 px on its shorter side, as base64 or as a `data:` URL. Required
    /// in `passive` mode. In `active` mode it is judged passively in place of the best frame, and its face has to
    /// be that of the frames.
    #[schema(format = Byte)]
    image: Option<String>,
    /// Default: `active` where there are `frames`, else `passive`.
    mode: Option<LivenessMode>,
    /// `active` only: images like `image`, in the order they were taken, not mirrored, at most 50 megapixels
    /// together (and the request 45 MB). A multipart part named `frames` may repeat. For `blink` three or more, close
    /// enough together to catch closed eyes (a blink takes 0.1 to 0.4 s); for a turn also one that faces the camera.
    #[schema(min_items = 2, max_items = 16)]
    frames: Option<Vec<Frame>>,
    /// `active` only: what the person was asked to do. Default: `blink`.
    #[schema(min_items = 1)]
    challenges: Option<Vec<Challenge>>,
    /// Probability of a presentation attack from which the answer is `is_live: false`; default: the policy's.
    #[schema(minimum = 0.0, maximum = 1.0)]
    threshold: Option<f32>,
}

/// JPEG or PNG, as base64 or as a `data:` URL.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(value_type = String, format = Byte)]
#[expect(dead_code, reason = "documents one item of `frames`")]
pub(super) struct Frame(String);

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Liveness {
    /// `DELETE /v1/identity/verifications/{id}` erases what is kept of it.
    #[schema(value_type = String, example = "ver_01JDC3Z5V00000000000000000")]
    id: VerificationId,
    /// Always `identity.liveness`.
    object: &'static str,
    mode: LivenessMode,
    /// Whether it was a bona fide presentation. `null` where that cannot be judged: never take it for `true`. In
    /// `active` mode `true` needs both: the picture judged as bona fide, and `active.status: passed`; either of them can
    /// make it `false`.
    is_live: Option<bool>,
    /// How sure the answer is, 0..1; `null` without one.
    confidence: Option<f32>,
    /// Probability of a presentation attack (ISO/IEC 30107-3) in the picture that was judged, 0..1; `null` where
    /// none was. Challenges do not change it.
    spoof_probability: Option<f32>,
    /// The presentation attack instrument: `print`, `screen`; `null` where none was recognised.
    spoof_type: Option<String>,
    signals: LivenessQuality,
    /// In `active` mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    active: Option<ActiveLiveness>,
    reasons: Vec<Reason>,
    timing: Timing,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LivenessQuality {
    /// Sharpness, size and exposure of the face, 0..1.
    quality_score: f32,
}

/// Judge whether a selfie was taken of a present person
///
/// `passive`: one picture. `active`: two to sixteen frames of a person who was asked to blink or to turn the head; the
/// answer says per challenge whether the frames show it, with what was measured, and judges the best frame as
/// passive mode does. A challenge that is met shows a movement and not who made it: **a recording of the person that
/// is played back meets it as well**, unless the caller picks the challenge at random and lets little time pass.
#[utoipa::path(post, path = "/v1/identity/liveness", tag = "identity",
    params(IdempotencyHeader),
    request_body = LivenessRequest,
    responses(
        (status = 200, description = "Judged, or said why not. In `active` mode also where faces are missing or too \
            many: `reasons` and `active.frames` say on which frames", body = Liveness),
        (status = 400, description = "invalid_request, missing_parameter, invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:write`", body = ErrorBody),
        (status = 409, description = "idempotency_key_conflict, idempotency_in_progress", body = ErrorBody),
        (status = 413, description = "image_too_large: the whole request", body = ErrorBody),
        (status = 415, description = "invalid_request: neither JSON nor multipart", body = ErrorBody),
        (status = 422, description = "image_too_large, image_too_small, unsupported_media, invalid_document (`param` \
            names the frame, as in `frames[3]`); passive: face_not_detected, multiple_faces", body = ErrorBody),
        (status = 503, description = "service_unavailable", body = ErrorBody),
    ))]
pub(super) async fn liveness(
    State(api): State<Arc<Api>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Refusal> {
    submit(api, caller, request, "POST /v1/identity/liveness", presentation).await
}

fn presentation(form: &Form<'_>) -> Result<Submission, ApiError> {
    form.only(&["image", "mode", frames::FIELD, "challenges", "threshold"])?;
    let thresholds = Thresholds { liveness: probability(form, "threshold")?, ..Thresholds::default() };
    let has_frames = !form.all(frames::FIELD).is_empty();
    let given = form.parsed("mode", "`passive` or `active`")?;
    let mode = given.unwrap_or(if has_frames { LivenessMode::Active } else { LivenessMode::Passive });
    let mut challenges_asked = Vec::new();
    match mode {
        LivenessMode::Passive => {
            for field in [frames::FIELD, "challenges"] {
                if !form.all(field).is_empty() {
                    let message = format!("`{field}` is for `mode: active`");
                    return Err(ApiError::invalid(field, message));
                }
            }
            if form.all("image").is_empty() {
                return Err(ApiError::missing("image"));
            }
        }
        LivenessMode::Active if !has_frames => return Err(ApiError::missing(frames::FIELD)),
        LivenessMode::Active => challenges_asked = challenges(form)?,
    }
    let image = picture_in("image", form, ImageRole::Selfie, LowResolution::Note)?;
    let images = image.into_iter().chain(frames::frames(form)?).collect();
    let mut submission = of_one_stage(Purpose::Liveness, Check::Liveness, None, thresholds, images);
    submission.request.challenges = challenges_asked;
    Ok(submission)
}

pub(super) fn answer(id: VerificationId, check: LivenessCheck, timing: Timing) -> Result<Answer, Refusal> {
    let LivenessCheck { outcome, signals, active } = check;
    if active.is_none() {
        let faces = [ReasonCode::FaceNotDetected, ReasonCode::MultipleFaces];
        refuse(&outcome, &faces, &[(ImageRole::Selfie, "image")])?;
    }
    let mode = if active.is_some() { LivenessMode::Active } else { LivenessMode::Passive };
    let CheckOutcome { confidence, mut reasons, .. } = outcome;
    if let Some(active) = &active {
        // Reasons name images by their role; the caller knows them by his fields.
        let field = field_of_judged(active);
        reasons.iter_mut().for_each(|reason| reason.message = reason.message.replace("`selfie`", &field));
    }
    let judged = Liveness {
        id,
        object: "identity.liveness",
        mode,
        is_live: signals.is_live,
        confidence,
        spoof_probability: signals.spoof_probability,
        spoof_type: signals.spoof_type,
        signals: LivenessQuality { quality_score: signals.quality_score },
        active,
        reasons,
        timing,
    };
    Answer::json(StatusCode::OK, &judged)
}

fn field_of_judged(active: &ActiveLiveness) -> String {
    match active.judged_frame {
        Some(frame) => format!("`{}[{frame}]`", frames::FIELD),
        None if active.frames.iter().all(|frame| frame.faces == 0) => format!("`{}`", frames::FIELD),
        None => "`image`".to_owned(),
    }
}
