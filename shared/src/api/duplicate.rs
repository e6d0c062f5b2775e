//! What the `duplicate` check says.

use super::CheckOutcome;
use crate::ids::VerificationId;
use crate::words::ImageRole;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Other verifications of the account that asked for this check and show the same document, picture or face.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DuplicateCheck {
    #[serde(flatten)]
    pub outcome: CheckOutcome,
    /// The likest first.
    pub matches: Vec<DuplicateMatch>,
    pub compared: Compared,
}

/// What there was to compare.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Compared {
    /// Verifications that are remembered.
    pub verifications: u64,
    /// Whether a number was read surely enough.
    pub document_number: bool,
    /// Whether a selfie's face was compared with the document's, which is when it is remembered.
    pub face: bool,
    pub images: Vec<ImageRole>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DuplicateMatch {
    #[schema(value_type = String, example = "ver_01JDC3Z5V00000000000000000")]
    pub verification_id: VerificationId,
    pub finding: DuplicateFinding,
    /// `null`: one of the two numbers was not read.
    pub same_document_number: Option<bool>,
    /// Of the two selfies' faces, −1..1; `null`: one of them is not known.
    pub face_cosine: Option<f32>,
    /// Pictures that are the same one, perhaps scaled or compressed again.
    pub same_images: Vec<MatchingImage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MatchingImage {
    pub image: ImageRole,
    /// Of 256.
    pub differing_bits: u32,
}

/// What the match comes down to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DuplicateFinding {
    /// The same person with the same document once more.
    Resubmission,
    /// The same document, and another person's face.
    DocumentOfAnotherFace,
    /// The same face, and another document.
    FaceWithAnotherDocument,
    /// The same document; a face is not known.
    SameDocument,
    /// The same face; a document's number is not known.
    SameFace,
    /// The same picture, and neither the same document nor the same face.
    SameImage,
}

impl DuplicateFinding {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resubmission => "resubmission",
            Self::DocumentOfAnotherFace => "document_of_another_face",
            Self::FaceWithAnotherDocument => "face_with_another_document",
            Self::SameDocument => "same_document",
            Self::SameFace => "same_face",
            Self::SameImage => "same_image",
        }
    }
}

impl DuplicateCheck {
    /// Nothing was compared.
    pub fn of_nothing(outcome: CheckOutcome) -> Self {
        Self { outcome, matches: Vec::new(), compared: Compared::default() }
    }
}
