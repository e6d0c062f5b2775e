//! Pictures: reading them within bounds, EXIF orientation, resampling, warping, measuring, crops.
//! Pixels are always RGB, 8 bits per channel, upright; coordinates are pixels of the upright original
//! unless a name says otherwise.

mod crop;
mod document;
mod jpeg;
mod measure;
mod perceptual;
mod places;
mod quality;
mod resample;
mod source;
mod warp;

pub use crop::{crop_jpeg, crop_jpeg_of_polygon};
pub use document::{DocumentShape, Outline, Weighable, find_document, overlap, weighable};
pub use jpeg::{JpegStructure, QuantizationTable};
pub use measure::{Exposure, exposure, luminance, sharpness};
pub use perceptual::perceptual_hash;
pub use quality::{MEASURED_SIDE_PX as DOCUMENT_MEASURED_PX, document_issues, selfie_issues};
pub use resample::{resize, resize_grey, resize_region};
pub use source::{Format, GridOrigin, Header, MAX_PIXELS, SourceImage};
pub use warp::{Perspective, Similarity, warp_perspective, warp_similarity};

/// The pixel type of every upright picture.
pub use image::{GrayImage, RgbImage};

/// Why a picture cannot be used. Texts name sizes and formats, never content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    #[error("neither a JPEG nor a PNG")]
    UnsupportedFormat,
    #[error("{width}x{height} is more than {MAX_PIXELS} pixels")]
    TooManyPixels { width: u32, height: u32 },
    #[error("the {format} ends before its end marker")]
    Truncated { format: &'static str },
    #[error("the {format} cannot be decoded: {why}")]
    Undecodable { format: &'static str, why: String },
    #[error("a region of {width}x{height} pixels cannot be resampled")]
    EmptyRegion { width: u32, height: u32 },
    #[error("the crop could not be encoded: {0}")]
    Encoding(String),
}

impl ImageError {
    /// The short machine word for `Outcome::Refused`.
    pub const fn class(&self) -> &'static str {
        match self {
            Self::UnsupportedFormat => "unsupported_media",
            Self::TooManyPixels { .. } => "image_too_large",
            Self::Truncated { .. } | Self::Undecodable { .. } => "decode_failed",
            Self::EmptyRegion { .. } => "image_too_small",
            Self::Encoding(_) => "encode_failed",
        }
    }
}
