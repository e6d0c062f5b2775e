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

/// As far as the stages of one verification saw it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Likeness {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub front: Option<Front>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selfie: Option<PerceptualHash>,
    /// Of the face on the selfie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub face: Option<FaceCode>,
}

/// The picture of a document. As a whole, scans of two cards of one design are nearly the same picture: only the
/// portraits tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Front {
    pub whole: PerceptualHash,
    pub portrait: PerceptualHash,
}

impl Front {
    /// Like [`PerceptualHash::within`], of the part that differs more.
    pub fn within(&self, other: &Self, most: u32) -> Option<u32> {
        let portrait = self.portrait.within(&other.portrait, most)?;
        Some(self.whole.within(&other.whole, most)?.max(portrait))
    }
}

impl Likeness {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// With what another stage saw.
    pub fn and(self, other: Self) -> Self {
        Self {
            front: self.front.or(other.front),
            selfie: self.selfie.or(other.selfie),
            face: self.face.or(other.face),
        }
    }

    /// Pictures that can be compared.
    pub fn images(&self) -> Vec<ImageRole> {
        let known =
            [(ImageRole::DocumentFront, self.front.is_some()), (ImageRole::Selfie, self.selfie.is_some())];
        known.into_iter().filter_map(|(role, known)| known.then_some(role)).collect()
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
