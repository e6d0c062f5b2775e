//! Reading verifications back.

use super::Api;
use super::auth::Caller;
use super::envelope::Refusal;
use super::query::{List, Parameters};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use std::sync::Arc;
use txid_shared::api::{ApiError, ErrorBody, ErrorCode, Verification};
use txid_shared::blobs::BlobError;
use txid_shared::ids::{AccountId, DocumentId, VerificationId};
use txid_shared::present::present_row;
use txid_shared::store::{Filter, Row, StoreError};
use txid_shared::words::{DocumentType, Permission, Status};

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

/// List verifications
#[utoipa::path(get, path = "/v1/identity/verifications", tag = "identity",
    params(
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 100, description = "Default 20"),
        ("starting_after" = Option<String>, Query, description = "`ver_…`: older than this one"),
        ("ending_before" = Option<String>, Query, description = "`ver_…`: newer than this one"),
        ("status" = Option<Status>, Query, description = "Also `rejected` for failed and `review` for manual_review"),
        ("document_type" = Option<DocumentType>, Query),
        ("country" = Option<String>, Query, description = "ISO 3166-1 alpha-2"),
        ("created_after" = Option<String>, Query, description = "RFC 3339"),
        ("created_before" = Option<String>, Query, description = "RFC 3339"),
        ("metadata" = Option<std::collections::HashMap<String, String>>, Query, style = DeepObject, explode,
            description = "`metadata[key]=value`, several for all of them"),
    ),
    responses(
        (status = 200, description = "Newest first", body = List<Verification>),
        (status = 400, description = "invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:read`", body = ErrorBody),
    ))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    parameters: Parameters,
) -> Result<Json<List<Verification>>, Refusal> {
    caller.require(Permission::IdentityRead)?;
    parameters.only(&FILTERS, Some("metadata"))?;
    let time = "a time such as 2026-01-31T12:00:00Z";
    let filter = Filter {
        status: parameters.parsed("status", "a status")?,
        document_type: parameters.parsed("document_type", "a document type")?,
        country: parameters.text("country")?.map(str::to_ascii_uppercase),
        created_after: parameters.parsed("created_after", time)?,
        created_before: parameters.parsed("created_before", time)?,
        metadata: parameters.members("metadata"),
    };
    if holds_nul(&filter) {
        return Err(ApiError::new(ErrorCode::InvalidParameter, "a filter holds the character U+0000").into());
    }
    let (page, limit) = parameters.page()?;
    let found = api.store.verifications(caller.account_id, &filter, page, limit + 1).await;
    let found = found.map_err(|error| unreadable(&error))?;
    let rows = List::of_page(found, &page, limit, |row| row.case.id.to_string());
    let store = &api.store;
    let shown = rows.shown(|row: Row| async move {
        match present_row(store, &row).await {
            Ok(verification) => Ok(Some(verification)),
            Err(error) if error.is_destroyed() => Ok(None),
            Err(error) => Err(unreadable(&error)),
        }
    });
    Ok(Json(shown.await?))
}

const FILTERS: [&str; 5] = ["status", "document_type", "country", "created_after", "created_before"];

/// Postgres has no such text.
fn holds_nul(filter: &Filter) -> bool {
    let metadata = filter.metadata.iter().flat_map(|(key, value)| [key, value]);
    filter.country.iter().chain(metadata).any(|text| text.contains('\0'))
}

/// The row with its verdict opened. Another account's id does not exist.
pub(super) async fn load(api: &Api, account: AccountId, id: VerificationId) -> Result<Verification, Refusal> {
    let row = row(api, account, id).await?;
    present_row(&api.store, &row).await.map_err(|error| unreadable(&error))
}

pub(super) async fn row(api: &Api, account: AccountId, id: VerificationId) -> Result<Row, Refusal> {
    let row = api.store.verification(account, id).await.map_err(|error| unreadable(&error))?;
    row.ok_or_else(|| no_such("verification").into())
}

/// What is destroyed does not exist, also where a backup brought its row back.
pub(super) fn unreadable(error: &(dyn std::error::Error + 'static)) -> Refusal {
    match error.downcast_ref::<StoreError>() {
        Some(destroyed) if destroyed.is_destroyed() => no_such("verification: it was erased").into(),
        _ => Refusal::unavailable("a verification cannot be read", error),
    }
}

pub(super) fn no_such(what: &str) -> ApiError {
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
    let key = api.store.data_key(&case).await.map_err(|error| unreadable(&error))?;
    match api.blobs.get(&key, &format!("{account}/{id}/evidence/{evidence_id}")).await {
        Err(BlobError::NotFound) => Err(no_such("evidence").into()),
        crop => crop.map_err(|error| Refusal::unavailable("evidence cannot be read", &error)),
    }
}
