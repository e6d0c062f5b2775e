//! From rows to the object that `GET` and the webhooks show: one assembly, so that they cannot differ.

use crate::api::{Verdict, Verification};
use crate::sealed::{open_review, open_verdict};
use crate::store::{Case, Declared, Row, Store, StoreError};
use crate::words::Purpose;

/// The case alone: without verdict, while pending and after an erasure. What is no verification cannot be
/// shown as one.
pub fn present(case: &Case) -> Result<Verification, StoreError> {
    let declared = case.declared.clone().filter(|_| case.purpose == Purpose::Verification);
    let Declared { country, document_type } =
        declared.ok_or_else(|| StoreError::Unknown(format!("{} is no verification", case.id)))?;
    Ok(Verification {
        id: case.id,
        object: Verification::OBJECT.to_owned(),
        status: case.status,
        country,
        document_type,
        created_at: case.created_at,
        completed_at: None,
        expires_at: case.expires_at,
        retry_of: None,
        review: None,
        metadata: case.metadata.clone(),
        images: case.images.clone(),
        verdict: None,
    })
}

/// The whole row, with what is sealed in it opened.
pub async fn present_row(store: &Store, row: &Row) -> Result<Verification, StoreError> {
    let mut shown = present(&row.case)?;
    shown.completed_at = row.completed_at;
    shown.retry_of = row.retry_of;
    let (Some(_), Some(sealed)) = (&row.case.wrapped_key, &row.sealed_verdict) else { return Ok(shown) };
    let key = store.data_key(&row.case).await?;
    shown.verdict = Some(open_verdict(&key, row.case.id, sealed)?);
    let review = row.sealed_review.as_ref().map(|sealed| open_review(&key, row.case.id, sealed));
    shown.review = review.transpose()?;
    Ok(shown)
}

/// What was decided; `None` while pending and after an erasure.
pub async fn verdict_of(store: &Store, row: &Row) -> Result<Option<Verdict>, StoreError> {
    let (Some(_), Some(sealed)) = (&row.case.wrapped_key, &row.sealed_verdict) else { return Ok(None) };
    let key = store.data_key(&row.case).await?;
    Ok(Some(open_verdict(&key, row.case.id, sealed)?))
}
