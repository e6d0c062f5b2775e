//! The part of a request that is personal or secret. It is kept sealed beside the verification.

use crate::blobs::crypto::{CryptoError, SealingKey};
use crate::ids::VerificationId;
use crate::policy::Thresholds;
use crate::words::Challenge;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the decision needs of the caller's request beyond what stands in the row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SealedRequest {
    pub thresholds: Thresholds,
    /// Field name → the value the caller expects on the document.
    pub expected: BTreeMap<String, String>,
    /// What the person on the frames was asked to do; empty where one picture is judged.
    pub challenges: Vec<Challenge>,
    /// Where this verification's events go, besides the account's endpoints.
    pub webhook_url: Option<String>,
    /// Nobody is told: the row of a batch, whose end is told as a whole.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub untold: bool,
}

impl SealedRequest {
    pub fn seal(&self, key: &SealingKey, id: VerificationId) -> Result<Vec<u8>, CryptoError> {
        let plain = serde_json::to_vec(self).map_err(|_| CryptoError::Unreadable)?;
        key.seal(&place(id), &plain)
    }

    pub fn open(key: &SealingKey, id: VerificationId, sealed: &[u8]) -> Result<Self, CryptoError> {
        serde_json::from_slice(&key.open(&place(id), sealed)?).map_err(|_| CryptoError::Unreadable)
    }
}

fn place(id: VerificationId) -> String {
    format!("request/{id}")
}
