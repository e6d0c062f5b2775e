//! Reading verifications back.

use super::Api;
use super::auth::Caller;
use super::envelope::Refusal;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use std::sync::Arc;
use txid_shared::api::{ApiError, ErrorBody, ErrorCode, Verification};
use txid_shared::blobs::BlobError;
use txid_shared::ids::{AccountId, DocumentId, VerificationId};
use txid_shared::present::present;
use txid_shared::sealed::open_verdict;
use txid_shared::store::{Row, StoreError};
use txid_shared::words::Permission;

/// Retrieve a verification
#[utoipa::path(get, path = "/v1/identity/verifications/{id}", tag = "identity",
    params(("id" = String, Path, description = "`ver_…`")),
    responses(
        (status = 200, description = "The verification as it stands", body = Verification),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:read`", body = ErrorBody),
        (status = 404, description = "not_found", body = ErrorBody),
    ))]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Verification>, Refusal> {
    caller.require(Permission::IdentityRead)?;
    let id = id.parse().map_err(|_| no_such("verification"))?;
    Ok(Json(load(&api, caller.account_id, id).await?))
}

/// The row with its verdict opened. Another account's id does not exist.
pub(super) async fn load(api: &Api, account: AccountId, id: VerificationId) -> Result<Verification, Refusal> {
    let Row { case, sealed_verdict, completed_at } = row(api, account, id).await?;
    let verdict = match (&case.wrapped_key, &sealed_verdict) {
        (Some(_), Some(sealed)) => {
            let key = api.store.data_key(&case).await.map_err(|error| unreadable(&error))?;
            Some(open_verdict(&key, id, sealed).map_err(|error| unreadable(&error))?)
        }
        _ => None,
    };
    Ok(present(&case, verdict, case.status, completed_at))
}

async fn row(api: &Api, account: AccountId, id: VerificationId) -> Result<Row, Refusal> {
    let row = api.store.verification(account, id).await.map_err(|error| unreadable(&error))?;
    row.ok_or_else(|| no_such("verification").into())
}

fn unreadable(error: &dyn std::error::Error) -> Refusal {
    Refusal::unavailable("a verification cannot be read", error)
}

fn no_such(what: &str) -> ApiError {
    ApiError::new(ErrorCode::NotFound, format!("no such {what}"))
}

/// Retrieve the picture behind a reason
#[utoipa::path(get, path = "/v1/identity/verifications/{id}/evidence/{evidence_id}", tag = "identity",
    params(
        ("id" = String, Path, description = "`ver_…`"),
        ("evidence_id" = String, Path, description = "`doc_…`, the `crop_id` of an evidence"),
    ),
    responses(
        (status = 200, description = "The crop", body = Vec<u8>, content_type = "image/jpeg"),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:read`", body = ErrorBody),
        (status = 404, description = "not_found", body = ErrorBody),
    ))]
pub(super) async fn evidence(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((id, evidence_id)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    caller.require(Permission::IdentityRead)?;
    let id: VerificationId = id.parse().map_err(|_| no_such("verification"))?;
    let evidence_id: DocumentId = evidence_id.parse().map_err(|_| no_such("evidence"))?;
    let crop = crop(&api, caller.account_id, id, evidence_id).await?;
    // A person's document: no cache on the way may keep it.
    Ok(([(CONTENT_TYPE, "image/jpeg"), (CACHE_CONTROL, "no-store")], crop).into_response())
}

async fn crop(
    api: &Api,
    account: AccountId,
    id: VerificationId,
    evidence_id: DocumentId,
) -> Result<Bytes, Refusal> {
    let case = row(api, account, id).await?.case;
    let key = match api.store.data_key(&case).await {
        Err(StoreError::Erased) => return Err(no_such("evidence").into()),
        key => key.map_err(|error| unreadable(&error))?,
    };
    match api.blobs.get(&key, &format!("{account}/{id}/evidence/{evidence_id}")).await {
        Err(BlobError::NotFound) => Err(no_such("evidence").into()),
        crop => crop.map_err(|error| Refusal::unavailable("evidence cannot be read", &error)),
    }
}
