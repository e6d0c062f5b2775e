//! A partial: what one stage found on the images of one verification. Stages report what they
//! measured; whether that is good enough is the policy's business (`crate::policy`), so that a
//! verdict can be replayed from its partials.

mod barcode;
mod comparison;
mod field_check;

pub use barcode::{Barcode, BarcodeContent, BarcodeFormat};
pub use comparison::{Agreement, FieldComparison};
pub use field_check::FieldCheck;

use crate::likeness::Likeness;
use crate::words::{ImageRole, Stage};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Corners in pixels of the upright original (EXIF orientation applied), clockwise from the
/// top left corner *of the content* (so a rotated card has rotated corners).
pub type Polygon = [[f32; 2]; 4];

/// The stage's result with what is needed to explain and replay it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Partial {
    pub result: StageResult,
    /// sha256 (hex) of each model used, by its name in the manifest.
    #[serde(default)]
    pub models: BTreeMap<String, String>,
    #[serde(default)]
    pub timing: Timing,
    /// For the `duplicate` check; empty where nobody asked for it.
    #[serde(default, skip_serializing_if = "Likeness::is_empty")]
    pub likeness: Likeness,
}

impl Partial {
    /// Of a stage that used no model and no time worth telling.
    pub fn of(result: StageResult) -> Self {
        let (models, timing, likeness) = Default::default();
        Self { result, models, timing, likeness }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageResult {
    Ocr(OcrResult),
    FaceMatch(FaceMatchResult),
    Liveness(LivenessResult),
    Fraud(FraudResult),
    /// The stage could not run after its attempts (not a judgement on the customer).
    Unable(Unable),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unable {
    pub stage: Stage,
    /// A short machine word such as `deadline_exceeded`, `decode_failed`, `crashed`.
    pub class: String,
    /// Free of personal data.
    pub message: String,
}

/// Milliseconds of one stage run. `queue` is the time between enqueueing and the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Timing {
    pub queue_ms: f32,
    /// Reading image bytes into pixels.
    pub decode_ms: f32,
    /// Inside ONNX Runtime.
    pub models_ms: f32,
    /// Everything: from the start of the stage to its result.
    pub total_ms: f32,
}

// ---------------------------------------------------------------- ocr

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OcrResult {
    /// False when nothing was read that belongs to a document: `document_unreadable`.
    pub readable: bool,
    /// By field name as the contract spells it: `full_name first_name last_name date_of_birth
    /// document_number nationality gender expiry_date issue_date address place_of_birth …`, and
    /// `first_name_arabic last_name_arabic full_name_arabic` where a name is printed in Arabic script.
    /// Values are normalised (dates `YYYY-MM-DD`, gender `M`/`F`/`X`; Arabic in the order in which it is typed).
    pub fields: BTreeMap<String, Field>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mrz: Option<Mrz>,
    /// The same fact read from two places of the document.
    #[serde(default)]
    pub comparisons: Vec<FieldComparison>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub field_checks: Vec<FieldCheck>,
    /// Every barcode that was read, also those that say nothing about the holder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub barcodes: Vec<Barcode>,
    #[serde(default)]
    pub sides: Vec<SideReading>,
    /// Scripts (ISO 15924) of the issuer's documents that nobody looked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread_scripts: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Field {
    /// Normalised.
    pub value: String,
    /// As read.
    pub raw: String,
    /// 0..1
    pub confidence: f32,
    pub source: FieldSource,
    pub image: ImageRole,
    /// Where it was read, in pixels of the upright original image.
    #[schema(value_type = Vec<Vec<f32>>)]
    pub polygon: Polygon,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldSource {
    Mrz,
    Visual,
    Barcode,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Mrz {
    pub format: MrzFormat,
    /// Corrected lines, 30, 36 or 44 characters each (ICAO 9303).
    pub lines: Vec<String>,
    /// The lines as the recogniser read them, before any correction; only spaces are left out.
    pub raw_lines: Vec<String>,
    pub check_digits: Vec<CheckDigit>,
    /// Each character that differs between `raw_lines` and `lines`. Never silent.
    pub corrections: Vec<MrzCorrection>,
    /// Characters where another reading is about as likely and also fits.
    #[serde(default)]
    pub ambiguities: Vec<MrzCorrection>,
    /// True when every check digit of the format is right and no other reading that fits them is
    /// about as likely (then it is in `ambiguities`).
    pub valid: bool,
    /// 0..1
    pub confidence: f32,
    pub image: ImageRole,
    #[schema(value_type = Vec<Vec<f32>>)]
    pub polygon: Polygon,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum MrzFormat {
    #[serde(rename = "TD1")]
    Td1,
    #[serde(rename = "TD2")]
    Td2,
    #[serde(rename = "TD3")]
    Td3,
    #[serde(rename = "MRV-A")]
    MrvA,
    #[serde(rename = "MRV-B")]
    MrvB,
    /// The French national identity card until 2021: two lines of 36 in an order of its own.
    #[serde(rename = "FR-ID")]
    FrenchId,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CheckDigit {
    /// `document_number`, `date_of_birth`, `expiry_date`, `optional_data`, `composite`.
    pub field: String,
    pub printed: char,
    pub computed: char,
    pub valid: bool,
}

/// `line` and `column` count from 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MrzCorrection {
    pub line: usize,
    pub column: usize,
    /// `null` where the recogniser read nothing at this position.
    pub read: Option<char>,
    /// `null` where a character too many was read: it stood before `column`.
    pub corrected: Option<char>,
    /// Why: `position_grammar`, `check_digit`, `line_length`, `filler`, `glyph_height`
    /// (in OCR-B letters are lower than digits); among ambiguities also `unclear`, of a character that no
    /// check digit counts.
    pub reason: String,
    /// Probability the recogniser gave to the corrected character, 0..1.
    pub probability: f32,
}

/// How one side of the document was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SideReading {
    pub image: ImageRole,
    /// Clockwise rotation that made the text upright: 0, 90, 180, 270.
    pub rotation_degrees: u16,
    /// Corners of the document in the picture, clockwise from the top left of its content; absent where no
    /// outline stands out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Vec<f32>>>)]
    pub document: Option<Polygon>,
    pub text_lines: usize,
    /// Mean recognition confidence of the lines, 0..1.
    pub confidence: f32,
    #[serde(default)]
    pub issues: Vec<QualityIssue>,
}

/// Something about the picture that makes reading or judging it harder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QualityIssue {
    /// `low_resolution`, `blurred`, `too_dark`, `too_bright`, `glare`, `cut_off`, `too_far`,
    /// `document_not_found`, `several_documents`, `no_text`.
    pub code: String,
    pub message: String,
    /// 0 (no problem) .. 1 (unusable)
    pub severity: f32,
    /// Where, in pixels of the upright picture; absent where it is all of it or nowhere in particular.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Vec<Vec<f32>>>)]
    pub places: Vec<Polygon>,
}

impl QualityIssue {
    pub fn new(code: &str, message: impl Into<String>, severity: f32) -> Self {
        Self { code: code.to_owned(), message: message.into(), severity, places: Vec::new() }
    }

    #[must_use]
    pub fn at(self, places: Vec<Polygon>) -> Self {
        Self { places, ..self }
    }
}

// ---------------------------------------------------------------- face_match

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FaceMatchResult {
    pub outcome: FaceMatchOutcome,
    /// The faces that were compared or found instead.
    #[serde(default)]
    pub faces: Vec<FaceFound>,
    #[serde(default)]
    pub issues: Vec<QualityIssue>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaceMatchOutcome {
    Compared {
        /// Calibrated 0..1; 0.80 is the operating point (see MODELS.md for the curve).
        similarity: f32,
        /// Of the two embeddings, −1..1, uncalibrated.
        cosine: f32,
        /// How far the inputs (size, sharpness, pose of both faces) carry the comparison, 0..1.
        confidence: f32,
    },
    NoFace {
        image: ImageRole,
    },
    SeveralFaces {
        image: ImageRole,
        count: usize,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FaceFound {
    pub image: ImageRole,
    /// Detector score 0..1
    pub score: f32,
    #[schema(value_type = Vec<Vec<f32>>)]
    pub polygon: Polygon,
    /// Distance between the eyes in pixels of the original.
    pub eye_distance_px: f32,
}

// ---------------------------------------------------------------- liveness

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LivenessResult {
    pub outcome: LivenessOutcome,
    /// Sharpness, size and exposure of the face, 0..1.
    pub quality_score: f32,
    #[serde(default)]
    pub face: Option<FaceFound>,
    #[serde(default)]
    pub issues: Vec<QualityIssue>,
    /// In the order they were taken; empty where one picture was judged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<FrameReading>,
    /// Which of `frames` the outcome is about; absent where it is a picture beside them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged_frame: Option<usize>,
}

/// What one frame shows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FrameReading {
    /// Faces that compete with the largest one; 0: none was found.
    pub faces: usize,
    /// The largest.
    pub face: Option<FrameFace>,
}

/// Measured on the landmarks of one face.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FrameFace {
    /// Height of an eye's opening over its width, mean of both eyes: about 0.3 open, 0.2 closed.
    pub eye_aspect_ratio: f32,
    /// Head turned to its own left (to the right in a picture that is not mirrored): positive.
    pub yaw_degrees: f32,
    /// Chin up: positive.
    pub pitch_degrees: f32,
    /// Length of the nose over the distance between the outer corners of the eyes, as the picture shows
    /// them. Falls where head or print is tilted, and not in a blink.
    pub nose_length: f32,
    /// Distance between the eyes in pixels of the original.
    pub eye_distance_px: f32,
    /// With the face that was judged, on the scale of `face_match`, 0..1.
    pub similarity: f32,
    /// Sharpness, size, exposure and pose, 0..1.
    pub quality_score: f32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LivenessOutcome {
    /// The input carries a judgement. ISO/IEC 30107-3: probability of a presentation attack.
    Judged {
        spoof_probability: f32,
        /// `print`, `screen` where a signal tells; absent when only the model speaks.
        spoof_type: Option<String>,
    },
    /// The face is too small, blurred or recompressed to say anything.
    Inconclusive {
        why: String,
    },
    NoFace,
    SeveralFaces {
        count: usize,
    },
}

// ---------------------------------------------------------------- fraud

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FraudResult {
    pub signals: Vec<FraudSignal>,
    #[serde(default)]
    pub issues: Vec<QualityIssue>,
}

/// One measured signal on one image. Every signal that was measured is listed, also with score 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FraudSignal {
    pub kind: FraudKind,
    /// 0 (nothing) .. 1 (certain); calibrated per signal in MODELS.md.
    pub score: f32,
    pub image: ImageRole,
    /// What was seen, for a human; no personal data.
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FraudKind {
    /// A region was recompressed or resampled unlike the rest → `tampering`.
    LocalEdit,
    /// Metadata of an image editor → `photoshop`.
    EditorMetadata,
    /// Pixel grid or moiré of a display → `screen_capture`.
    ScreenMoire,
    /// Grey or toner chromaticity, no colour where the document has some → `printed_copy`.
    GreyCopy,
    /// The MRZ contradicts the visual zone → `tampering`. Computed at the join, from the OCR partial.
    MrzVisualConflict,
    /// A barcode contradicts the MRZ or the visual zone → `tampering`. Computed at the join, too.
    BarcodeConflict,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Evidence {
    pub image: ImageRole,
    #[schema(value_type = Vec<Vec<f32>>)]
    pub polygon: Polygon,
    /// A JPEG crop made by the stage. The worker seals it into the object store under the
    /// verification's data key and replaces it with `crop_id`; it never travels in a partial.
    #[serde(skip)]
    #[schema(ignore)]
    pub crop_jpeg: Option<Vec<u8>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub crop_id: Option<crate::ids::DocumentId>,
}

impl FieldSource {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mrz => "mrz",
            Self::Visual => "visual",
            Self::Barcode => "barcode",
        }
    }
}

impl StageResult {
    pub const fn stage(&self) -> Stage {
        match self {
            Self::Ocr(_) => Stage::Ocr,
            Self::FaceMatch(_) => Stage::FaceMatch,
            Self::Liveness(_) => Stage::Liveness,
            Self::Fraud(_) => Stage::Fraud,
            Self::Unable(unable) => unable.stage,
        }
    }
}
