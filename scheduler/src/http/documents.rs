//! Which documents are taken: the table that validation uses.

use super::auth::Caller;
use super::envelope::Refusal;
use super::query::List;
use axum::Json;
use serde::Serialize;
use txid_shared::api::ErrorBody;
use txid_shared::documents::{SUPPORTED, SupportStatus};
use txid_shared::words::{DocumentType, Permission};
use utoipa::ToSchema;

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
