//! Sessions: a backend opens one, a phone uploads picture by picture without an API key (`uploads.rs`), the
//! backend completes it.

use super::Api;
use super::auth::{Caller, bearer};
use super::body;
use super::envelope::Refusal;
use super::idempotency::{Answer, Begun, IdempotencyHeader, Key, begin, made, replay};
use super::verifications::{no_such, unreadable};
use super::verify::{Entry, decided, enter, parsed, remove_images, wait};
use crate::form::Form;
use crate::submission::{self, Submission};
use crate::waiters::Waiting;
use axum::Json;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use txid_shared::api::{ApiError, ErrorBody, ErrorCode, ImageInfo, Mode, Verification};
use txid_shared::blobs::crypto::DataKey;
use txid_shared::documents::required_images;
use txid_shared::ids::{DocumentId, SessionId, VerificationId};
use txid_shared::policy::Thresholds;
use txid_shared::random_token;
use txid_shared::request::SealedRequest;
use txid_shared::store::{Session, StoreError};
use txid_shared::words::{Check, DocumentType, ImageRole, Permission, Purpose, SessionStatus};
use utoipa::ToSchema;

const USUAL_LIFE_S: i64 = 900;
const LIFE_S: std::ops::RangeInclusive<i64> = 60..=86_400;
const TOKEN_PREFIX: &str = "cst_";

#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "documents the body; its fields are read one by one to name the wrong one")]
pub(super) struct SessionRequest {
    /// ISO 3166-1 alpha-2
    #[schema(example = "MA")]
    country: String,
    document_type: DocumentType,
    /// Default: `ocr face_match liveness fraud`.
    checks: Option<Vec<Check>>,
    /// Seconds until it expires, 60 to 86,400; default 900.
    #[schema(minimum = 60, maximum = 86400)]
    expires_in: Option<i64>,
    /// Where the events of the session and its verification go, besides the account's endpoints.
    #[schema(format = "uri")]
    webhook_url: Option<String>,
    /// Given back as it came, here and in the verification: at most 50 keys and 16 KB, no personal data.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    thresholds: Option<Thresholds>,
    /// Field name → the value expected on the document, compared by `data_validation`.
    expected: Option<BTreeMap<String, String>>,
}

/// A session as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionObject {
    #[schema(value_type = String, example = "sess_01JDC3Z5V00000000000000000")]
    id: SessionId,
    /// Always `identity.session`.
    object: &'static str,
    status: SessionStatus,
    country: String,
    document_type: DocumentType,
    checks: Vec<Check>,
    /// The sides of the document that are there.
    documents: Vec<UploadedDocument>,
    selfie_uploaded: bool,
    /// What is still missing.
    missing: Vec<ImageRole>,
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// What it became.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "ver_01JDC3Z5V00000000000000000")]
    verification_id: Option<VerificationId>,
    /// RFC 3339 UTC
    #[schema(value_type = String, format = DateTime)]
    created_at: jiff::Timestamp,
    /// RFC 3339 UTC
    #[schema(value_type = String, format = DateTime)]
    expires_at: jiff::Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    completed_at: Option<jiff::Timestamp>,
    /// For a phone: good for the uploads of this session alone, until it expires. Shown once, here.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_token: Option<String>,
    /// `PUT` a picture there, as it is; the address carries the client token. Shown once, here.
    #[serde(skip_serializing_if = "Option::is_none")]
    upload_urls: Option<BTreeMap<ImageRole, String>>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UploadedDocument {
    #[schema(value_type = String, example = "doc_01JDC3Z5V00000000000000000")]
    id: DocumentId,
    side: ImageRole,
}

pub(super) fn object(session: Session) -> SessionObject {
    let missing = missing(&session);
    let completed = session.status == SessionStatus::Completed;
    let is_document = |image: &&ImageInfo| image.image != ImageRole::Selfie;
    let documents = session.images.iter().filter(is_document).map(|image| UploadedDocument {
        id: session.verification_id.document(image.image),
        side: image.image,
    });
    SessionObject {
        id: session.id,
        object: "identity.session",
        status: session.status,
        documents: documents.collect(),
        selfie_uploaded: session.images.iter().any(|image| image.image == ImageRole::Selfie),
        missing,
        country: session.declared.country,
        document_type: session.declared.document_type,
        checks: session.checks,
        metadata: session.metadata,
        verification_id: completed.then_some(session.verification_id),
        created_at: session.created_at,
        expires_at: session.expires_at,
        completed_at: session.completed_at,
        client_token: None,
        upload_urls: None,
    }
}

pub(super) fn missing(session: &Session) -> Vec<ImageRole> {
    let there = |role: &ImageRole| session.images.iter().any(|image| image.image == *role);
    let mut required = required_images(session.declared.document_type, &session.checks);
    required.retain(|role| !there(role));
    required
}

/// Who may look at a session and upload: a key of its account, or whoever holds its client token.
pub(super) enum Visitor {
    Key(Caller),
    Phone(Box<Session>),
}

impl FromRequestParts<Arc<Api>> for Visitor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Refusal> {
        let sent = bearer(&parts.headers).filter(|token| token.starts_with(TOKEN_PREFIX));
        let in_address = || parts.uri.query()?.split('&').find_map(|pair| pair.strip_prefix("token="));
        let Some(token) = sent.or_else(in_address) else {
            return Caller::from_request_parts(parts, api).await.map(Self::Key);
        };
        let session = api.store.session_of_token(token).await.map_err(|error| lost(&error))?;
        let unknown = || ApiError::new(ErrorCode::Unauthorized, "no session has this client token");
        session.map(|session| Self::Phone(Box::new(session))).ok_or_else(|| unknown().into())
    }
}

impl Visitor {
    /// The session with `id`, if this visitor may see it.
    pub(super) async fn session(
        &self,
        api: &Api,
        id: &str,
        permission: Permission,
    ) -> Result<Session, Refusal> {
        let id: SessionId = id.parse().map_err(|_| no_such("session"))?;
        match self {
            Self::Phone(session) if session.id == id => Ok((**session).clone()),
            Self::Phone(_) => Err(no_such("session").into()),
            Self::Key(caller) => {
                caller.require(permission)?;
                let session = api.store.session(caller.account_id, id).await.map_err(|error| lost(&error))?;
                session.ok_or_else(|| no_such("session").into())
            }
        }
    }
}

pub(super) fn lost(error: &StoreError) -> Refusal {
    Refusal::unavailable("a session cannot be read", error)
}

/// Open a session
///
/// Its client token and upload addresses are for a phone, so that it never holds an API key.
#[utoipa::path(post, path = "/v1/identity/sessions", tag = "identity", params(IdempotencyHeader),
    request_body = SessionRequest,
    responses(
        (status = 201, description = "Opened", body = SessionObject),
        (status = 400, description = "invalid_request, missing_parameter, invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:write`", body = ErrorBody),
        (status = 409, description = "idempotency_key_conflict, idempotency_in_progress", body = ErrorBody),
        (status = 422, description = "unsupported_country, unsupported_document", body = ErrorBody),
    ))]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Refusal> {
    caller.require(Permission::IdentityWrite)?;
    let (head, body) = request.into_parts();
    let claimed = Key::of(&head)?;
    let host = super::documents::public_address(&api, &head.headers);
    let body = body::collect(&head.headers, body).await?;
    let form = Form::from_json(&body)?;
    let known = [
        "country",
        "document_type",
        "checks",
        "expires_in",
        "webhook_url",
        "metadata",
        "thresholds",
        "expected",
    ];
    form.only(&known)?;
    let declared = submission::declared(&form)?;
    let (thresholds, expected) = (submission::thresholds(&form)?, submission::expected(&form)?);
    let checks = submission::checks(&form, &thresholds, &expected)?;
    let wanted = "a whole number of seconds from 60 to 86400";
    let life_s = form.within("expires_in", LIFE_S, wanted)?.unwrap_or(USUAL_LIFE_S);
    let request = SealedRequest {
        thresholds,
        expected,
        webhook_url: submission::webhook_url(&form)?,
        ..SealedRequest::default()
    };
    let metadata = submission::metadata(&form)?;

    let claim = claimed.claim(&api, &caller, "POST /v1/identity/sessions", &form);
    if let Some(answer) = replay(&api, &caller, claim.as_ref()).await? {
        return Ok(answer);
    }
    let failed = |error: &dyn std::error::Error| Refusal::unavailable("a session cannot be opened", error);
    let verification_id = VerificationId::generate();
    let data_key = api.store.new_data_key(caller.account_id, verification_id).await;
    let DataKey { key, wrapped, share } = data_key.map_err(|error| failed(&error))?;
    // Before the row: what is uploaded must open. And before the transaction, which others may wait for.
    let stored = api.blobs.put_share(caller.account_id, verification_id, &share).await;
    stored.map_err(|error| failed(&error))?;
    let mut making = match begin(&api, &caller, claim).await? {
        Begun::Now(making) => making,
        Begun::Before(answer) => {
            remove_images(&api, caller.account_id, verification_id).await;
            return Ok(answer);
        }
    };
    let now = api.clock.now();
    let session = Session {
        id: SessionId::generate(),
        account_id: caller.account_id,
        key_id: caller.key_id,
        verification_id,
        wrapped_key: Some(wrapped),
        status: SessionStatus::Pending,
        declared,
        checks,
        metadata,
        images: Vec::new(),
        sealed_request: request.seal(&key, verification_id).map_err(|error| failed(&error))?,
        created_at: now,
        expires_at: now + jiff::SignedDuration::from_secs(life_s),
        completed_at: None,
    };
    let token =
        random_token(TOKEN_PREFIX).map_err(|error| Refusal::internal("a token cannot be made", &error))?;
    making.create_session(&session, token.reveal()).await.map_err(|error| failed(&error))?;
    let id = session.id;
    let address = |role: ImageRole| {
        format!("{host}/v1/identity/sessions/{id}/documents/{role}?token={}", token.reveal())
    };
    let mut shown = object(session);
    shown.upload_urls = Some(ImageRole::ALL.iter().map(|role| (*role, address(*role))).collect());
    shown.client_token = Some(token.reveal().to_owned());
    made(making, StatusCode::CREATED, &shown).await
}

/// Retrieve a session
#[utoipa::path(get, path = "/v1/identity/sessions/{id}", tag = "identity",
    params(("id" = String, Path, description = "`sess_…`")),
    responses(
        (status = 200, description = "As it stands", body = SessionObject),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:read`", body = ErrorBody),
        (status = 404, description = "not_found", body = ErrorBody),
    ),
    security(("api_key" = []), ("client_token" = [])))]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Json<SessionObject>, Refusal> {
    Ok(Json(object(visitor.session(&api, &id, Permission::IdentityRead).await?)))
}

pub(super) fn closed(session: &Session, now: jiff::Timestamp) -> Result<(), ApiError> {
    if session.is_open(now) {
        return Ok(());
    }
    let how = if session.status == SessionStatus::Completed { "is completed" } else { "has expired" };
    Err(ApiError::new(ErrorCode::InvalidState, format!("the session {how}")))
}

#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "documents the body; its fields are read one by one to name the wrong one")]
pub(super) struct CompleteRequest {
    mode: Option<Mode>,
}

/// Complete a session
///
/// Makes a verification of what was uploaded and answers as `verify` does. Again: the same verification.
#[utoipa::path(post, path = "/v1/identity/sessions/{id}/complete", tag = "identity",
    params(("id" = String, Path, description = "`sess_…`")), request_body = Option<CompleteRequest>,
    responses(
        (status = 200, description = "sync: the verification with its verdict", body = Verification),
        (status = 201, description = "async: accepted", body = txid_shared::api::Accepted),
        (status = 202, description = "sync, and time was up: it goes on", body = Verification),
        (status = 400, description = "invalid_request, invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:write`", body = ErrorBody),
        (status = 404, description = "not_found", body = ErrorBody),
        (status = 409, description = "invalid_state: expired, or a picture is missing (`param` names it)",
            body = ErrorBody),
    ))]
pub(super) async fn complete(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    caller.require(Permission::IdentityWrite)?;
    let (head, body) = request.into_parts();
    let mode = parsed(head, body, |form| {
        form.only(&["mode"])?;
        submission::mode(form)
    })
    .await?;
    let id: SessionId = id.parse().map_err(|_| no_such("session"))?;
    let session = api.store.session(caller.account_id, id).await.map_err(|error| lost(&error))?;
    let session = session.ok_or_else(|| no_such("session"))?;
    let verification = session.verification_id;
    let waiting = (mode == Mode::Sync).then(|| api.waiters.wait_for(verification));
    if session.status == SessionStatus::Completed {
        return completed_before(&api, &caller, verification, waiting).await;
    }
    closed(&session, api.clock.now())?;
    if let Some(role) = missing(&session).first() {
        let message = format!("`{role}` was not uploaded yet");
        return Err(ApiError::new(ErrorCode::InvalidState, message).param(role.as_str()).into());
    }
    let entering = api.tasks.spawn({
        let (api, caller) = (api.clone(), caller.clone());
        async move { become_verification(&api, &caller, session, mode).await }
    });
    let entered =
        entering.await.map_err(|error| Refusal::internal("completing a session panicked", &error))??;
    match (entered, waiting) {
        (Some(accepted), None) => Ok(accepted.into_response()),
        (Some(_), Some(waiting)) => {
            wait(&api, verification, waiting).await;
            decided(&api, &caller, verification, None).await
        }
        // Completed by another call a moment ago.
        (None, waiting) => completed_before(&api, &caller, verification, waiting).await,
    }
}

/// By another call, which may still wait for the verdict: then this one does, too.
async fn completed_before(
    api: &Api,
    caller: &Caller,
    verification: VerificationId,
    waiting: Option<Waiting>,
) -> Result<Response, Refusal> {
    if let Some(waiting) = waiting {
        let status = api.store.status(verification).await.map_err(|error| unreadable(&error))?;
        if status.is_some_and(|status| !status.is_terminal()) {
            wait(api, verification, waiting).await;
        }
    }
    decided(api, caller, verification, None).await
}

async fn become_verification(
    api: &Api,
    caller: &Caller,
    session: Session,
    mode: Mode,
) -> Result<Option<Answer>, Refusal> {
    let key = api.store.session_key(&session).await.map_err(|error| lost(&error))?;
    let id = session.verification_id;
    let request =
        SealedRequest::open(&key, id, &session.sealed_request).map_err(|error| unreadable(&error))?;
    let entry = Entry {
        id,
        wrapped_key: session.wrapped_key.unwrap_or_default(),
        key,
        claim: None,
        session_id: Some(session.id),
    };
    let submission = Submission {
        purpose: Purpose::Verification,
        declared: Some(session.declared),
        stages: submission::stages(
            &session.checks,
            session.images.iter().any(|image| image.plays(ImageRole::Selfie)),
        ),
        checks: session.checks,
        mode,
        metadata: session.metadata,
        request,
        images: Vec::new(),
        retry_of: None,
    };
    enter(api, caller, entry, submission, session.images).await
}
