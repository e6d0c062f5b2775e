//! Barcodes on documents.

use super::Polygon;
use crate::words::ImageRole;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One barcode. Its text is never kept: what it says about the holder is among the fields, and
/// anything else is nobody's business.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Barcode {
    pub format: BarcodeFormat,
    pub image: ImageRole,
    #[schema(value_type = Vec<Vec<f32>>)]
    pub polygon: Polygon,
    pub content: BarcodeContent,
    /// Length of its text in UTF-8.
    pub bytes: usize,
}

/// The symbology.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BarcodeFormat {
    #[serde(rename = "pdf417")]
    Pdf417,
    QrCode,
    DataMatrix,
    #[serde(rename = "code_128")]
    Code128,
    #[serde(rename = "code_39")]
    Code39,
}

/// What the barcode turned out to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BarcodeContent {
    /// Driving licence or identification card by the AAMVA standard (North America).
    Aamva,
    /// Only the number of the document or of its holder.
    DocumentNumber,
    /// A machine-readable zone with right check digits.
    Mrz,
    /// Fields in clear, in a structure that is public.
    Plain,
    /// Anything else: a web address, a serial number, enciphered or signed data. No field is
    /// taken from it.
    Opaque,
}
