//! Which documents are taken, from the table that validation uses; and the pictures that were sent.

use super::Api;
use super::auth::Caller;
use super::envelope::Refusal;
use super::query::{List, Parameters};
use super::signed::Thing;
use super::verifications::{no_such, unreadable};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;
use txid_shared::api::{ErrorBody, ImageInfo};
use txid_shared::blobs::BlobError;
use txid_shared::documents::{SUPPORTED, SupportStatus};
use txid_shared::ids::{AccountId, DocumentId, VerificationId};
use txid_shared::store::Case;
use txid_shared::words::{DocumentType, ImageRole, Permission};
use utoipa::ToSchema;

/// How long an address of a picture is good for.
const DOWNLOAD: jiff::SignedDuration = jiff::SignedDuration::from_mins(30);

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CountryDocuments {
    /// ISO 3166-1 alpha-2
    #[schema(example = "MA")]
    country: &'static str,
    name: &'static str,
    documents: Vec<SupportedDocument>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SupportedDocument {
    document_type: DocumentType,
    back_required: bool,
    status: SupportStatus,
}

/// Supported documents by country
#[utoipa::path(get, path = "/v1/identity/supported-documents", tag = "identity",
    responses(
        (status = 200, description = "Every country and document that is taken", body = List<CountryDocuments>),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:read`", body = ErrorBody),
    ))]
pub(super) async fn list(caller: Caller) -> Result<Json<List<CountryDocuments>>, Refusal> {
    caller.require(Permission::IdentityRead)?;
    let data = SUPPORTED
        .iter()
        .map(|country| CountryDocuments {
            country: country.code,
            name: country.name,
            documents: country
                .documents
                .iter()
                .map(|document| SupportedDocument {
                    document_type: *document,
                    back_required: document.back_required(),
                    status: country.status(*document),
                })
                .collect(),
        })
        .collect();
    Ok(Json(List::whole(data)))
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Country {
    /// ISO 3166-1 alpha-2
    #[schema(example = "MA")]
    code: &'static str,
    /// As machine-readable zones name the issuer (ICAO 9303-3).
    #[schema(example = "MAR")]
    icao: &'static str,
    name: &'static str,
}

/// Countries whose documents are taken
#[utoipa::path(get, path = "/v1/identity/countries", tag = "identity",
    responses(
        (status = 200, description = "All of them", body = List<Country>),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:read`", body = ErrorBody),
    ))]
pub(super) async fn countries(caller: Caller) -> Result<Json<List<Country>>, Refusal> {
    caller.require(Permission::IdentityRead)?;
    let country = |country: &txid_shared::documents::SupportedCountry| {
        let txid_shared::documents::SupportedCountry { code, icao, name, .. } = *country;
        Country { code, icao, name }
    };
    Ok(Json(List::whole(SUPPORTED.iter().map(country).collect())))
}

/// A picture that was sent, without its content.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Document {
    #[schema(value_type = String, example = "doc_01JDC3Z5V00000000000000000")]
    id: DocumentId,
    /// Always `identity.document`.
    object: &'static str,
    #[schema(value_type = String, example = "ver_01JDC3Z5V00000000000000000")]
    verification_id: VerificationId,
    side: ImageRole,
    /// Of the bytes as they were sent, hex.
    sha256: String,
    size_bytes: u64,
    width_px: u32,
    height_px: u32,
    /// RFC 3339 UTC
    #[schema(value_type = String, format = DateTime)]
    created_at: jiff::Timestamp,
}

/// Retrieve what is known of a picture
#[utoipa::path(get, path = "/v1/identity/documents/{id}", tag = "identity",
    params(("id" = String, Path, description = "`doc_…`")),
    responses(
        (status = 200, description = "Found", body = Document),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:read`", body = ErrorBody),
        (status = 404, description = "not_found", body = ErrorBody),
    ))]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Document>, Refusal> {
    caller.require(Permission::IdentityRead)?;
    let (id, case, info) = find(&api, caller.account_id, &id).await?;
    let ImageInfo { image, sha256, size_bytes, width_px, height_px, .. } = info;
    Ok(Json(Document {
        id,
        object: "identity.document",
        verification_id: case.id,
        side: image,
        sha256,
        size_bytes,
        width_px,
        height_px,
        created_at: case.created_at,
    }))
}

async fn find(api: &Api, account: AccountId, id: &str) -> Result<(DocumentId, Case, ImageInfo), Refusal> {
    let id: DocumentId = id.parse().map_err(|_| no_such("document"))?;
    for (verification, role) in id.verifications() {
        let row = api.store.any_purpose(account, verification).await.map_err(|error| unreadable(&error))?;
        let found = row.and_then(|row| {
            let info = row.case.images.iter().find(|info| info.plays(role))?.clone();
            Some((id, row.case, info))
        });
        if let Some(found) = found {
            return Ok(found);
        }
    }
    Err(no_such("document").into())
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Download {
    /// `GET` it without an API key.
    #[schema(format = "uri")]
    url: String,
    /// RFC 3339 UTC
    #[schema(value_type = String, format = DateTime)]
    expires_at: jiff::Timestamp,
}

/// An address at which a picture can be fetched for 30 minutes
#[utoipa::path(get, path = "/v1/identity/documents/{id}/download", tag = "identity",
    params(("id" = String, Path, description = "`doc_…`")),
    responses(
        (status = 200, description = "Signed, and bound to picture and account", body = Download),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:read`", body = ErrorBody),
        (status = 404, description = "not_found", body = ErrorBody),
    ))]
pub(super) async fn download(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Download>, Refusal> {
    caller.require(Permission::IdentityRead)?;
    let (id, ..) = find(&api, caller.account_id, &id).await?;
    let account = caller.account_id;
    let expires_at = api.clock.now() + DOWNLOAD;
    let query = picture(id).query(&api, account, expires_at).await?;
    let host = public_address(&api, &headers);
    let url = format!("{host}/v1/identity/documents/{id}/content?{query}");
    Ok(Json(Download { url, expires_at }))
}

fn picture(id: DocumentId) -> Thing {
    Thing { place: format!("download/{id}"), instead: "ask for a new one", lost: unreadable }
}

/// How this installation is reached from outside.
pub(super) fn public_address(api: &Api, headers: &HeaderMap) -> String {
    let configured = api.settings.public_url.trim_end_matches('/');
    if !configured.is_empty() {
        return configured.to_owned();
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    format!("http://{host}")
}

/// Fetch a picture by its signed address
#[utoipa::path(get, path = "/v1/identity/documents/{id}/content", tag = "identity",
    params(
        ("id" = String, Path, description = "`doc_…`"),
        ("account" = String, Query, description = "As in the address"),
        ("token" = String, Query, description = "As in the address"),
    ),
    responses(
        (status = 200, description = "The picture as it was sent", body = Vec<u8>, content_type = "image/jpeg"),
        (status = 401, description = "unauthorized: the address is not one of ours", body = ErrorBody),
        (status = 403, description = "forbidden: its time is over", body = ErrorBody),
        (status = 404, description = "not_found", body = ErrorBody),
    ),
    security(()))]
pub(super) async fn content(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let document: DocumentId = id.parse().map_err(|_| no_such("document"))?;
    let account = picture(document).account(&api, &parameters).await?;
    let (_, case, info) = find(&api, account, &id).await?;
    let key = api.store.data_key(&case).await.map_err(|error| unreadable(&error))?;
    let bytes = match api.blobs.get(&key, &format!("{account}/{}/{}", case.id, info.image)).await {
        Err(BlobError::NotFound) => return Err(no_such("document").into()),
        bytes => bytes.map_err(|error| Refusal::unavailable("a picture cannot be read", &error))?,
    };
    let kind = if bytes.starts_with(b"\x89PNG") { "image/png" } else { "image/jpeg" };
    // A person's document: no cache on the way may keep it.
    Ok(([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-store")], bytes).into_response())
}
