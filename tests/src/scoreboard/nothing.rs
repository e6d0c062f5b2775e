//! Pictures without a document. Nothing may be read from them.

use super::case::{Case, Groups, Picture, Truth};
use txid_shared::words::ImageRole;
use txid_specimens::nothing::Nothing;

/// The picture of this number: the kinds in turn.
pub fn case(pictures: &Nothing, number: u64, seed: u64) -> anyhow::Result<Case> {
    let seed = seed.wrapping_add(number);
    let (bytes, truth) = pictures.numbered(number, seed)?;
    let kind = truth.kind.name();
    Ok(Case {
        name: format!("{kind}, seed {seed}"),
        set: "nothing".to_owned(),
        groups: Groups::from([("kind", kind.to_owned())]),
        pictures: vec![Picture { role: ImageRole::DocumentFront, bytes, document: None }],
        country: None,
        document_type: None,
        truth: Truth { nothing: true, ..Truth::default() },
    })
}
