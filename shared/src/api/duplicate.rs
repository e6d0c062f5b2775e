//! What the `duplicate` check says.

use super::CheckOutcome;
use crate::ids::VerificationId;
use crate::likeness::SameImage;
use crate::words::{DuplicateFinding, ImageRole};
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
    pub same_images: Vec<SameImage>,
}

impl DuplicateCheck {
    /// Nothing was compared.
    pub fn of_nothing(outcome: CheckOutcome) -> Self {
        Self { outcome, matches: Vec::new(), compared: Compared::default() }
    }
}
