//! Likeness: what of a submission later ones are compared with, for the `duplicate` check. Kept for those
//! verifications alone that ask for it.

mod gallery;
mod lookalikes;

pub use gallery::{DocumentKey, Gallery, Limits, Lookalike, Probe, SameImage};
pub use lookalikes::Lookalikes;

use crate::words::ImageRole;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

/// As far as the stages of one verification saw it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Likeness {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub images: BTreeMap<ImageRole, PerceptualHash>,
    /// Of the face on the selfie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub face: Option<FaceCode>,
}

impl Likeness {
    pub fn is_empty(&self) -> bool {
        self.images.is_empty() && self.face.is_none()
    }

    /// With what another stage saw.
    pub fn and(mut self, other: Self) -> Self {
        self.images.extend(other.images);
        self.face = self.face.or(other.face);
        self
    }
}

/// 256 bits that stay nearly the same when a picture is scaled, compressed again or made brighter; made in
/// `txid_imaging`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PerceptualHash(pub [u64; 4]);

impl PerceptualHash {
    pub const BITS: u32 = 256;

    /// Bits that differ, or `None` where they are more than `most`.
    pub fn within(&self, other: &Self, most: u32) -> Option<u32> {
        let mut differing = 0;
        for (a, b) in self.0.iter().zip(&other.0) {
            differing += (a ^ b).count_ones();
            if differing > most {
                return None;
            }
        }
        Some(differing)
    }
}

impl Serialize for PerceptualHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = self.0.iter().flat_map(|word| word.to_be_bytes()).collect();
        serializer.serialize_str(&STANDARD_NO_PAD.encode(bytes))
    }
}

impl<'de> Deserialize<'de> for PerceptualHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = decoded(deserializer)?;
        let mut words = [0; 4];
        let (chunks, rest) = bytes.as_chunks::<8>();
        if chunks.len() != words.len() || !rest.is_empty() {
            return Err(serde::de::Error::invalid_length(bytes.len(), &"32 bytes"));
        }
        for (word, chunk) in words.iter_mut().zip(chunks) {
            *word = u64::from_be_bytes(*chunk);
        }
        Ok(Self(words))
    }
}

/// The embedding of a face, a byte for each number. A cosine of two codes differs from that of the embeddings by less
/// than 0.01.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaceCode {
    /// sha256 of the model; only codes of one model compare.
    pub model: String,
    #[serde(serialize_with = "encoded", deserialize_with = "signed")]
    pub values: Vec<i8>,
}

impl FaceCode {
    pub fn new(model: &str, embedding: &[f32]) -> Self {
        let largest = embedding.iter().fold(f32::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
        let scale = f32::from(i8::MAX) / largest;
        // Within i8 by the scale; a NaN becomes 0.
        let values = embedding.iter().map(|value| (value * scale).round() as i8).collect();
        Self { model: model.to_owned(), values }
    }
}

fn encoded<S: Serializer>(values: &[i8], serializer: S) -> Result<S::Ok, S::Error> {
    let bytes: Vec<u8> = values.iter().map(|value| value.cast_unsigned()).collect();
    serializer.serialize_str(&STANDARD_NO_PAD.encode(bytes))
}

fn signed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<i8>, D::Error> {
    Ok(decoded(deserializer)?.into_iter().map(u8::cast_signed).collect())
}

fn decoded<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD_NO_PAD.decode(text).map_err(serde::de::Error::custom)
}
