//! What a submission really shows. Written beside the images as JSON; everything measured on
//! generated images is measured against this.

use crate::geometry::Polygon;
use crate::mrz::MrzFormat;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    DocumentFront,
    DocumentBack,
    Selfie,
}

impl Role {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DocumentFront => "document_front",
            Self::DocumentBack => "document_back",
            Self::Selfie => "selfie",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Truth {
    pub seed: u64,
    /// The design's name; `country` (ISO 3166-1 alpha-2) and `document_type` as the API takes them.
    pub design: String,
    pub country: String,
    pub document_type: String,
    pub capture: String,
    pub attack: String,
    pub images: Vec<ImageTruth>,
    /// By field name of the API.
    pub fields: BTreeMap<String, FieldTruth>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mrz: Option<MrzTruth>,
    /// The document's portrait first, then repetitions of it on the document, then the selfie.
    pub faces: Vec<FaceTruth>,
    /// Empty on a genuine submission.
    pub forgeries: Vec<Forgery>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImageTruth {
    pub image: Role,
    pub width_px: u32,
    pub height_px: u32,
    /// Clockwise quarter turns that the picture was turned by after capture, in degrees.
    pub rotation_degrees: u16,
    /// Corners of the document, absent on selfies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<Polygon>,
    /// A corner of the document lies outside the picture; `document` then says where outside.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cut_off: bool,
    /// What of the capture conditions was drawn, by their names; `random` draws several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<String>,
    /// What the file was saved with last; absent where a photograph's own file was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jpeg_quality: Option<u8>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldTruth {
    /// What the genuine document says: dates `YYYY-MM-DD`, gender `M`/`F`, names as printed
    /// (compare without regard to case).
    pub value: String,
    /// Where the field stands to be seen; empty where it follows from others (`full_name`).
    pub prints: Vec<Print>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Print {
    pub image: Role,
    /// What the picture shows now, an edit included. Several lines are joined by a space.
    pub text: String,
    /// The printed ink.
    pub polygon: Polygon,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MrzTruth {
    pub format: MrzFormat,
    pub lines: Vec<String>,
    pub image: Role,
    pub polygon: Polygon,
    pub line_polygons: Vec<Polygon>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FaceTruth {
    pub image: Role,
    /// Whose face.
    pub face: String,
    /// Which photograph it was taken from.
    pub photograph: String,
    /// Crown to chin, ears included.
    pub head: Polygon,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Forgery {
    /// The attack's name.
    pub kind: String,
    pub image: Role,
    /// What was changed; the whole picture where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub polygon: Option<Polygon>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub genuine_text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forged_text: Option<String>,
}

/// Whether a corner of `document` lies outside a picture of this size.
pub fn is_cut_off(document: &Polygon, width_px: u32, height_px: u32) -> bool {
    let (width, height) = (width_px as f32, height_px as f32);
    document.iter().any(|[x, y]| *x < 0.0 || *y < 0.0 || *x > width || *y > height)
}
