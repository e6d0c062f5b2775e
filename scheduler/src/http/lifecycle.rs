//! What a customer does with a verification after submitting it: cancel, retry, review, erase, and look
//! at who did what.

use super::Api;
use super::auth::Caller;
use super::body;
use super::envelope::Refusal;
use super::idempotency::{IdempotencyHeader, Key};
use super::query::List;
use super::verifications::{load, no_such, row, unreadable};
use super::verify::{begin, parsed};
use crate::form::Form;
use crate::images::LowResolution;
use crate::submission::{self, Picture, Submission, picture};
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use txid_shared::api::{Accepted, ApiError, ErrorBody, ErrorCode, Event, EventData, Review, Verification};
use txid_shared::blobs::crypto::SealingKey;
use txid_shared::ids::VerificationId;
use txid_shared::present::present_row;
use txid_shared::request::SealedRequest;
use txid_shared::sealed::{seal_event, seal_review};
use txid_shared::store::{AuditEntry, Finish, Row};
use txid_shared::telemetry::{Metrics, current_traceparent};
use txid_shared::words::{ImageRole, Permission, Status};
use utoipa::ToSchema;

const LONGEST_REASON_BYTES: usize = 2000;
const LONGEST_REVIEWER_BYTES: usize = 200;

/// Cancel a pending verification
#[utoipa::path(post, path = "/v1/identity/verifications/{id}/cancel", tag = "identity",
    params(("id" = String, Path, description = "`ver_…`")),
    responses(
        (status = 200, description = "Cancelled; nothing is told about it", body = Verification),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:write`", body = ErrorBody),
        (status = 404, description = "not_found", body = ErrorBody),
        (status = 409, description = "invalid_state: it is not pending", body = ErrorBody),
    ))]
pub(super) async fn cancel(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Verification>, Refusal> {
    let id = writable(&caller, &id)?;
    let before = row(&api, caller.account_id, id).await?;
    let cancelled = api.store.finish(&end(&caller, &before, &api, Status::Cancelled)).await;
    if !cancelled.map_err(|error| unreadable(&error))? {
        return Err(invalid_state("only a pending verification can be cancelled"));
    }
    forget(&api, id).await;
    Ok(Json(load(&api, caller.account_id, id).await?))
}

#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "documents the body; its fields are read one by one to name the wrong one")]
pub(super) struct ReviewRequest {
    /// `verified` or `failed`.
    #[schema(value_type = String, example = "verified", pattern = "^(verified|failed)$")]
    decision: Status,
    /// At most 2,000 bytes.
    reason: String,
    /// Who decided, at most 200 bytes.
    reviewer: String,
}

/// Decide a verification that is in manual review
#[utoipa::path(post, path = "/v1/identity/verifications/{id}/review", tag = "identity",
    params(("id" = String, Path, description = "`ver_…`")), request_body = ReviewRequest,
    responses(
        (status = 200, description = "Decided; endpoints are told", body = Verification),
        (status = 400, description = "invalid_request, missing_parameter, invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:write`", body = ErrorBody),
        (status = 404, description = "not_found", body = ErrorBody),
        (status = 409, description = "invalid_state: it is not in manual review", body = ErrorBody),
    ))]
pub(super) async fn review(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Verification>, Refusal> {
    let id = writable(&caller, &id)?;
    let (head, body) = request.into_parts();
    let body = body::collect(&head.headers, body).await?;
    let review = parse_review(&Form::from_json(&body)?, api.clock.now())?;
    let before = row(&api, caller.account_id, id).await?;
    let not_open = || invalid_state("only a verification in `manual_review` can be reviewed");
    if before.case.status != Status::ManualReview {
        return Err(not_open());
    }
    let finish = reviewed(&api, &caller, &before, &review).await?;
    if !api.store.finish(&finish).await.map_err(|error| unreadable(&error))? {
        return Err(not_open());
    }
    Ok(Json(load(&api, caller.account_id, id).await?))
}

fn parse_review(form: &Form<'_>, decided_at: jiff::Timestamp) -> Result<Review, ApiError> {
    form.only(&["decision", "reason", "reviewer"])?;
    let bounded = |name: &str, longest: usize| {
        let text = form.text(name)?.ok_or_else(|| ApiError::missing(name))?;
        if text.len() > longest {
            return Err(ApiError::invalid(name, format!("`{name}` may have at most {longest} bytes")));
        }
        Ok(text.into_owned())
    };
    let decision = form.text("decision")?.ok_or_else(|| ApiError::missing("decision"))?;
    let decision = decision.parse().ok().filter(|status| matches!(status, Status::Verified | Status::Failed));
    let wrong = || ApiError::invalid("decision", "`decision` must be `verified` or `failed`");
    Ok(Review {
        decision: decision.ok_or_else(wrong)?,
        reason: bounded("reason", LONGEST_REASON_BYTES)?,
        reviewer: bounded("reviewer", LONGEST_REVIEWER_BYTES)?,
        decided_at,
    })
}

async fn reviewed(api: &Api, caller: &Caller, before: &Row, review: &Review) -> Result<Finish, Refusal> {
    let key = api.store.data_key(&before.case).await.map_err(|error| unreadable(&error))?;
    let shown = present_row(&api.store, before).await;
    let mut shown = shown.map_err(|error| unreadable(&error))?;
    shown.status = review.decision;
    shown.completed_at = Some(review.decided_at);
    shown.review = Some(review.clone());
    let data = EventData::Verification(Box::new(shown));
    let told = review.decision.event().map(|kind| Event::new(kind, data, review.decided_at));
    let events = told.iter().map(|event| seal_event(&key, event)).collect::<Result<_, _>>();
    let events = events.map_err(|error| unreadable(&error))?;
    let sealed = seal_review(&key, before.case.id, review).map_err(|error| unreadable(&error))?;
    let request = request_of(&key, before)?;
    Ok(Finish {
        from: Status::ManualReview,
        sealed_review: Some(sealed),
        events,
        webhook_url: request.webhook_url,
        now: review.decided_at,
        action: "verification.reviewed",
        ..end(caller, before, api, review.decision)
    })
}

fn request_of(key: &SealingKey, before: &Row) -> Result<SealedRequest, Refusal> {
    let sealed = before.case.sealed_request.as_ref();
    let opened = sealed.map(|sealed| SealedRequest::open(key, before.case.id, sealed)).transpose();
    Ok(opened.map_err(|error| unreadable(&error))?.unwrap_or_default())
}

/// The end of a pending verification by its customer's hand, of which nobody is told.
fn end(caller: &Caller, before: &Row, api: &Api, status: Status) -> Finish {
    Finish {
        id: before.case.id,
        from: Status::Pending,
        status,
        sealed_verdict: None,
        sealed_review: None,
        summary: None,
        events: Vec::new(),
        webhook_url: None,
        traceparent: current_traceparent(),
        now: api.clock.now(),
        actor: caller.key_id.to_string(),
        action: "verification.cancelled",
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "documents the body; its fields are read one by one to name the wrong one")]
pub(super) struct RetryRequest {
    /// In place of the picture before, as base64 or as a `data:` URL. So with the other two.
    #[schema(format = Byte)]
    document_front: Option<String>,
    #[schema(format = Byte)]
    document_back: Option<String>,
    #[schema(format = Byte)]
    selfie: Option<String>,
    mode: Option<txid_shared::api::Mode>,
}

/// Try a verification again
///
/// Makes a new verification with the same request and, where none are sent, the same pictures. The one
/// before keeps its verdict; the new one names it in `retry_of`.
#[utoipa::path(post, path = "/v1/identity/verifications/{id}/retry", tag = "identity",
    params(("id" = String, Path, description = "`ver_…`"), IdempotencyHeader), request_body = Option<RetryRequest>,
    responses(
        (status = 200, description = "sync: the new verification with its verdict", body = Verification),
        (status = 201, description = "async: accepted", body = Accepted),
        (status = 202, description = "sync, and time was up: it goes on", body = Verification),
        (status = 400, description = "invalid_request, invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:write`", body = ErrorBody),
        (status = 404, description = "not_found", body = ErrorBody),
        (status = 409, description = "invalid_state: neither `failed` nor `error`; idempotency_key_conflict, \
            idempotency_in_progress", body = ErrorBody),
        (status = 413, description = "image_too_large: the whole request", body = ErrorBody),
        (status = 415, description = "invalid_request: neither JSON nor multipart", body = ErrorBody),
        (status = 422, description = "image_too_large, image_too_small, unsupported_media, invalid_document",
            body = ErrorBody),
        (status = 503, description = "service_unavailable", body = ErrorBody),
    ))]
pub(super) async fn retry(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let id = writable(&caller, &id)?;
    let (head, body) = request.into_parts();
    let (key, room) = (Key::of(&head)?, api.room.take(&head.headers).await);
    let before = row(&api, caller.account_id, id).await?;
    let data_key = api.store.data_key(&before.case).await.map_err(|error| unreadable(&error))?;
    let request = request_of(&data_key, &before)?;
    let low = LowResolution::of(&request.thresholds);
    let ((mode, given), claim) = {
        let (api, caller) = (api.clone(), caller.clone());
        parsed(head, body, move |form| {
            form.only(&["document_front", "document_back", "selfie", "mode"])?;
            let pictures = ImageRole::ALL.iter().filter_map(|role| picture(form, *role, low).transpose());
            let given: Vec<Picture> = pictures.collect::<Result<_, _>>()?;
            let claim = key.claim(&api, &caller, "POST /v1/identity/verifications/{id}/retry", form);
            Ok(((submission::mode(form)?, given), claim.map(|claim| claim.about(&id.to_string()))))
        })
        .await?
    };
    if !matches!(before.case.status, Status::Failed | Status::Error) {
        return Err(invalid_state("only a `failed` or `error` verification can be tried again"));
    }
    let images = with_those_before(&api, &data_key, &before, given).await?;
    let case = before.case;
    let again = Submission {
        purpose: case.purpose,
        declared: case.declared,
        checks: case.checks,
        stages: case.stages,
        mode,
        metadata: case.metadata,
        request,
        images,
        retry_of: Some(case.id),
    };
    begin(&api, caller, VerificationId::generate(), again, claim, room).await
}

/// The pictures given, and for the other roles those of the verification before.
async fn with_those_before(
    api: &Api,
    key: &SealingKey,
    before: &Row,
    mut given: Vec<Picture>,
) -> Result<Vec<Picture>, Refusal> {
    let case = &before.case;
    for info in &case.images {
        if given.iter().any(|picture| picture.info.image == info.image) {
            continue;
        }
        let name = format!("{}/{}/{}", case.account_id, case.id, info.name());
        let bytes = api.blobs.get(key, &name).await.map_err(|error| unreadable(&error))?;
        given.push(Picture { info: info.clone(), bytes });
    }
    Ok(given)
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Deleted {
    #[schema(value_type = String, example = "ver_01JDC3Z5V00000000000000000")]
    id: VerificationId,
    /// Always `identity.verification`.
    object: &'static str,
    /// Always `true`.
    deleted: bool,
}

/// Erase a verification
///
/// Its data key is destroyed: pictures, fields, verdict and the bodies of its events are unreadable from
/// then on, also in a backup of the database from before. What stays is that it existed, and an audit entry without personal data.
#[utoipa::path(delete, path = "/v1/identity/verifications/{id}", tag = "identity",
    params(("id" = String, Path, description = "`ver_…`")),
    responses(
        (status = 200, description = "Erased", body = Deleted),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:write`", body = ErrorBody),
        (status = 404, description = "not_found: never there, or erased before", body = ErrorBody),
    ))]
pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Deleted>, Refusal> {
    let id = writable(&caller, &id)?;
    let (account, actor) = (caller.account_id, caller.key_id.to_string());
    let erased = api.store.erase(account, id, &actor, api.clock.now()).await;
    if !erased.map_err(|error| Refusal::unavailable("a verification cannot be erased", &error))? {
        return Err(no_such("verification").into());
    }
    txid_shared::crash::point("erase.after_commit");
    forget(&api, id).await;
    // The row's half of the key is gone. The share goes now, and with it what backups of the database hold; what
    // cannot be removed the sweeper removes: that it remains was written with the erasure.
    let removed = match api.blobs.erase(account, id).await {
        Ok(()) => api.store.nothing_remains(id).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    if let Err(error) = removed {
        Metrics::get().not_removed();
        tracing::error!(verification.id = %id, %error, "key share and blobs of an erased verification are removed later");
    }
    tracing::info!(verification.id = %id, "verification erased");
    Ok(Json(Deleted { id, object: Verification::OBJECT, deleted: true }))
}

/// Drops partials and wakes whoever waits for the end.
async fn forget(api: &Api, id: VerificationId) {
    if let Err(error) = api.partials.finish(id).await {
        tracing::warn!(verification.id = %id, %error, "partials stay until they expire");
    }
}

/// Who did what with a verification.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditRecord {
    /// Always `identity.audit_entry`.
    object: &'static str,
    /// RFC 3339 UTC
    #[schema(value_type = String, format = DateTime)]
    at: jiff::Timestamp,
    /// A key id, `policy`, or a part of the service.
    actor: String,
    /// Such as `verification.accepted`.
    action: String,
    #[schema(value_type = Object)]
    details: serde_json::Value,
    /// Place in the installation's chain of entries; absent for some seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<i64>,
    /// sha256 over this entry and the hash before it, hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
}

impl From<AuditEntry> for AuditRecord {
    fn from(entry: AuditEntry) -> Self {
        let AuditEntry { at, actor, action, details, link, hash, .. } = entry;
        let hash = hash.map(|hash| txid_shared::hex(&hash));
        Self { object: "identity.audit_entry", at, actor, action, details, link, hash }
    }
}

/// Who did what with a verification, oldest first
#[utoipa::path(get, path = "/v1/identity/verifications/{id}/audit", tag = "identity",
    params(("id" = String, Path, description = "`ver_…`")),
    responses(
        (status = 200, description = "All entries, also of an erased verification", body = List<AuditRecord>),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:read`", body = ErrorBody),
        (status = 404, description = "not_found", body = ErrorBody),
    ))]
pub(super) async fn audit(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<List<AuditRecord>>, Refusal> {
    caller.require(Permission::IdentityRead)?;
    let id = id.parse().map_err(|_| no_such("verification"))?;
    let entries = api.store.audit_of(caller.account_id, id).await;
    let entries = entries.map_err(|error| Refusal::unavailable("the audit trail cannot be read", &error))?;
    if entries.is_empty() {
        return Err(no_such("verification").into());
    }
    Ok(Json(List::whole(entries.into_iter().map(AuditRecord::from).collect())))
}

fn writable(caller: &Caller, id: &str) -> Result<VerificationId, Refusal> {
    caller.require(Permission::IdentityWrite)?;
    id.parse().map_err(|_| no_such("verification").into())
}

fn invalid_state(message: &str) -> Refusal {
    ApiError::new(ErrorCode::InvalidState, message).into()
}
