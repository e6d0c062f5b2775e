//! From rows to the object that `GET` and the webhooks show: one assembly, so that they cannot differ.

use crate::api::Verification;
use crate::sealed::{open_review, open_verdict};
use crate::store::{Case, Row, Store, StoreError};

/// The case alone: without verdict, while pending and after an erasure.
pub fn present(case: &Case) -> Verification {
    Verification {
        id: case.id,
        object: Verification::OBJECT.to_owned(),
        status: case.status,
        country: case.country.clone(),
        document_type: case.document_type,
        created_at: case.created_at,
        completed_at: None,
        retry_of: None,
        review: None,
        metadata: case.metadata.clone(),
        images: case.images.clone(),
        verdict: None,
    }
}

/// The whole row, with what is sealed in it opened.
pub async fn present_row(store: &Store, row: &Row) -> Result<Verification, StoreError> {
    let mut shown = present(&row.case);
    shown.completed_at = row.completed_at;
    shown.retry_of = row.retry_of;
    if row.case.wrapped_key.is_some() && row.sealed_verdict.is_some() {
        let key = store.data_key(&row.case).await?;
        let id = row.case.id;
        shown.verdict =
            row.sealed_verdict.as_ref().map(|sealed| open_verdict(&key, id, sealed)).transpose()?;
        shown.review = row.sealed_review.as_ref().map(|sealed| open_review(&key, id, sealed)).transpose()?;
    }
    Ok(shown)
}
