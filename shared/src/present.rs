//! From rows to the object that `GET` and the webhooks show: one assembly, so that they cannot differ.

use crate::api::{Verdict, Verification};
use crate::store::Case;
use crate::words::Status;
use jiff::Timestamp;

/// `verdict` is `None` while pending, and after an erasure.
pub fn present(
    case: &Case,
    verdict: Option<Verdict>,
    status: Status,
    completed_at: Option<Timestamp>,
) -> Verification {
    Verification {
        id: case.id,
        object: Verification::OBJECT.to_owned(),
        status,
        country: case.country.clone(),
        document_type: case.document_type,
        created_at: case.created_at,
        completed_at,
        metadata: case.metadata.clone(),
        images: case.images.clone(),
        verdict,
    }
}
