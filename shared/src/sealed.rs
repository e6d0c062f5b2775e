//! Partials, verdicts and events under a verification's data key. Each is bound to its place, so that one
//! stage's result cannot stand in for another's.

use crate::api::{Event, Review, Verdict};
use crate::blobs::crypto::{CryptoError, SealingKey};
use crate::ids::{EventId, VerificationId};
use crate::likeness::Likeness;
use crate::partial::Partial;
use crate::partials::Sealed;
use crate::store::OutgoingEvent;
use crate::words::Stage;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

pub fn seal_partial(
    key: &SealingKey,
    id: VerificationId,
    stage: Stage,
    partial: &Partial,
) -> Result<Vec<u8>, CryptoError> {
    seal(key, &partial_place(id, stage), partial)
}

/// Opens a full set as [`crate::partials::Partials::join`] hands it out.
pub fn open_partials(
    key: &SealingKey,
    id: VerificationId,
    set: &Sealed,
) -> Result<BTreeMap<Stage, Partial>, CryptoError> {
    set.iter().map(|(stage, sealed)| Ok((*stage, open_partial(key, id, *stage, sealed)?))).collect()
}

pub fn open_partial(
    key: &SealingKey,
    id: VerificationId,
    stage: Stage,
    sealed: &[u8],
) -> Result<Partial, CryptoError> {
    open(key, &partial_place(id, stage), sealed)
}

pub fn seal_verdict(key: &SealingKey, id: VerificationId, verdict: &Verdict) -> Result<Vec<u8>, CryptoError> {
    seal(key, &verdict_place(id), verdict)
}

pub fn open_verdict(key: &SealingKey, id: VerificationId, sealed: &[u8]) -> Result<Verdict, CryptoError> {
    open(key, &verdict_place(id), sealed)
}

pub fn seal_review(key: &SealingKey, id: VerificationId, review: &Review) -> Result<Vec<u8>, CryptoError> {
    seal(key, &review_place(id), review)
}

pub fn open_review(key: &SealingKey, id: VerificationId, sealed: &[u8]) -> Result<Review, CryptoError> {
    open(key, &review_place(id), sealed)
}

/// Under the account key: a search opens those of all its verifications.
pub fn seal_likeness(
    account_key: &SealingKey,
    id: VerificationId,
    likeness: &Likeness,
) -> Result<Vec<u8>, CryptoError> {
    seal(account_key, &likeness_place(id), likeness)
}

pub fn open_likeness(
    account_key: &SealingKey,
    id: VerificationId,
    sealed: &[u8],
) -> Result<Likeness, CryptoError> {
    open(account_key, &likeness_place(id), sealed)
}

/// The exact bytes that will be signed and sent. An event about no verification is sealed under the account
/// key.
pub fn seal_event(key: &SealingKey, event: &Event) -> Result<OutgoingEvent, CryptoError> {
    let sealed_body = seal(key, &event_place(event.id), event)?;
    Ok(OutgoingEvent { id: event.id, event_type: event.event_type, sealed_body })
}

pub fn open_event(key: &SealingKey, id: EventId, sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
    key.open(&event_place(id), sealed)
}

fn event_place(id: EventId) -> String {
    id.to_string()
}

fn likeness_place(id: VerificationId) -> String {
    format!("likeness/{id}")
}

fn review_place(id: VerificationId) -> String {
    format!("review/{id}")
}

fn partial_place(id: VerificationId, stage: Stage) -> String {
    format!("partial/{id}/{stage}")
}

fn verdict_place(id: VerificationId) -> String {
    format!("verdict/{id}")
}

fn seal<T: Serialize>(key: &SealingKey, place: &str, value: &T) -> Result<Vec<u8>, CryptoError> {
    // Our own types always serialise; the error keeps the signature honest.
    key.seal(place, &serde_json::to_vec(value).map_err(|_| CryptoError::Unreadable)?)
}

fn open<T: DeserializeOwned>(key: &SealingKey, place: &str, sealed: &[u8]) -> Result<T, CryptoError> {
    serde_json::from_slice(&key.open(place, sealed)?).map_err(|_| CryptoError::Unreadable)
}
