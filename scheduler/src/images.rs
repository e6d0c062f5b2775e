//! What the header of a picture says, read before any pixel is: format, size, completeness.
//! Costs a walk over the file's segments, no decoding, so that a bomb is refused for free.

use txid_imaging::MAX_PIXELS;
use txid_shared::api::{ApiError, ErrorCode};
use txid_shared::policy::Thresholds;
use txid_shared::words::ImageRole;

pub(crate) use txid_shared::files::LARGEST_PICTURE_BYTES as LARGEST_BYTES;

/// Longer side of a document. Our floor: with fewer pixels nothing on a card can be read, so there is
/// no point in queueing it; between this and 1280×720 the verdict notes the low resolution.
const SHORTEST_LONG_SIDE_PX: u32 = 640;
/// Shorter side of a document: half the height of a card that is 640 px long. What is narrower is a strip, whatever its
/// length.
const DOCUMENT_SHORT_SIDE_PX: u32 = 200;
/// Deflate cannot do better: a match of 258 bytes in two bits.
const DEFLATE_RATIO: u64 = 1032;
/// What the seed page asks for, in either orientation.
const RECOMMENDED_PX: (u32, u32) = (1280, 720);
/// Shorter side of a selfie: what the face model takes as input, so a face in it is smaller.
const SELFIE_SHORT_SIDE_PX: u32 = 112;

/// Pixels as stored, before EXIF orientation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dimensions {
    pub(crate) width_px: u32,
    pub(crate) height_px: u32,
}

/// What becomes of documents below 1280×720.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LowResolution {
    /// Refused here.
    Reject,
    /// Taken; the verdict lists a quality issue.
    Note,
}

impl LowResolution {
    pub(crate) fn of(thresholds: &Thresholds) -> Self {
        if thresholds.reject_low_resolution == Some(true) { Self::Reject } else { Self::Note }
    }
}

/// Why a file is no picture for us; carries what to tell the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Flaw {
    /// Neither JPEG nor PNG, or a kind of them that no decoder of ours reads.
    Unsupported(&'static str),
    Damaged(&'static str),
    TooManyPixels(Dimensions),
}

/// Checks one upload as it came, in bytes of the file. The error names the field.
pub(crate) fn inspect(
    field: &str,
    role: ImageRole,
    bytes: &[u8],
    low: LowResolution,
) -> Result<Dimensions, ApiError> {
    if bytes.len() > LARGEST_BYTES {
        return Err(too_large(field));
    }
    let dimensions = read_header(bytes).map_err(|flaw| match flaw {
        Flaw::Unsupported(what) => {
            let message = format!("`{field}` is {what}; send JPEG or PNG");
            ApiError::new(ErrorCode::UnsupportedMedia, message).param(field)
        }
        Flaw::Damaged(what) => {
            ApiError::new(ErrorCode::InvalidDocument, format!("`{field}` is damaged: {what}")).param(field)
        }
        Flaw::TooManyPixels(Dimensions { width_px, height_px }) => {
            let message =
                format!("`{field}` has {width_px}×{height_px} pixels; at most 50 megapixels are taken");
            ApiError::new(ErrorCode::ImageTooLarge, message).param(field)
        }
    })?;
    large_enough(field, role, dimensions, low)?;
    Ok(dimensions)
}

/// For a file whose size alone refuses it.
pub(crate) fn too_large(field: &str) -> ApiError {
    let message = format!("`{field}` is larger than 10 MB");
    ApiError::new(ErrorCode::ImageTooLarge, message).param(field)
}

fn large_enough(
    field: &str,
    role: ImageRole,
    dimensions: Dimensions,
    low: LowResolution,
) -> Result<(), ApiError> {
    let Dimensions { width_px, height_px } = dimensions;
    let (long, short) = (width_px.max(height_px), width_px.min(height_px));
    let too_small = |wanted: &str| {
        let message = format!("`{field}` has {width_px}×{height_px} pixels; {wanted}");
        Err(ApiError::new(ErrorCode::ImageTooSmall, message).param(field))
    };
    match role {
        ImageRole::Selfie if short < SELFIE_SHORT_SIDE_PX => {
            too_small("a selfie needs at least 112 on its shorter side")
        }
        ImageRole::Selfie => Ok(()),
        _ if long < SHORTEST_LONG_SIDE_PX => too_small(
            "below 640 on the longer side nothing on a document can be read; send at least 1280×720",
        ),
        _ if short < DOCUMENT_SHORT_SIDE_PX => {
            too_small("a document needs at least 200 on its shorter side; send at least 1280×720")
        }
        _ if low == LowResolution::Reject && (long < RECOMMENDED_PX.0 || short < RECOMMENDED_PX.1) => {
            too_small("`thresholds.reject_low_resolution` asks for at least 1280×720")
        }
        _ => Ok(()),
    }
}

fn read_header(bytes: &[u8]) -> Result<Dimensions, Flaw> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        png(bytes)
    } else if bytes.starts_with(&[0xFF, 0xD8]) {
        jpeg(bytes)
    } else {
        Err(Flaw::Unsupported(guess(bytes)))
    }
}

/// Names what phones and scanners send instead, so that the caller knows what to convert.
fn guess(bytes: &[u8]) -> &'static str {
    match (bytes.get(..4), bytes.get(4..8), bytes.get(8..12)) {
        (Some(b"%PDF"), ..) => "a PDF",
        (Some(b"GIF8"), ..) => "a GIF",
        (Some(b"RIFF"), _, Some(b"WEBP")) => "WebP",
        (_, Some(b"ftyp"), Some(b"avif")) => "AVIF",
        (_, Some(b"ftyp"), _) => "HEIC or a video",
        (Some(b"II*\0" | b"MM\0*"), ..) => "a TIFF",
        _ => "neither JPEG nor PNG",
    }
}

fn bounded(width_px: u32, height_px: u32) -> Result<Dimensions, Flaw> {
    let dimensions = Dimensions { width_px, height_px };
    if width_px == 0 || height_px == 0 {
        return Err(Flaw::Damaged("it has no pixels"));
    }
    if u64::from(width_px) * u64::from(height_px) > MAX_PIXELS {
        return Err(Flaw::TooManyPixels(dimensions));
    }
    Ok(dimensions)
}

/// Walks the chunks: IHDR first, IEND at the end, and between them at least so many bytes of pixels as deflate needs.
fn png(bytes: &[u8]) -> Result<Dimensions, Flaw> {
    const CUT_OFF: Flaw = Flaw::Damaged("the file is cut off");
    let mut rest = bytes.get(8..).ok_or(CUT_OFF)?;
    let mut dimensions = None;
    let mut bits_of_pixels = 0;
    let mut deflated_bytes = 0u64;
    loop {
        let (length, after) = rest.split_first_chunk::<4>().ok_or(CUT_OFF)?;
        let (kind, after) = after.split_first_chunk::<4>().ok_or(CUT_OFF)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| CUT_OFF)?;
        if dimensions.is_none() {
            if kind != b"IHDR" || length != 13 {
                return Err(Flaw::Damaged("it does not begin with a PNG header"));
            }
            let (width, after_width) = after.split_first_chunk::<4>().ok_or(CUT_OFF)?;
            let (height, after_height) = after_width.split_first_chunk::<4>().ok_or(CUT_OFF)?;
            let found = bounded(u32::from_be_bytes(*width), u32::from_be_bytes(*height))?;
            let [depth, colour, ..] = after_height else { return Err(CUT_OFF) };
            let samples = match colour {
                0 | 3 => 1,
                4 => 2,
                2 => 3,
                6 => 4,
                _ => return Err(Flaw::Damaged("its header names no kind of PNG")),
            };
            let pixels = u64::from(found.width_px) * u64::from(found.height_px);
            bits_of_pixels = pixels * samples * u64::from(*depth);
            dimensions = Some(found);
        }
        // The chunk's data and its checksum.
        rest = length.checked_add(4).and_then(|skip| after.get(skip..)).ok_or(CUT_OFF)?;
        match kind {
            b"IDAT" => deflated_bytes += length as u64,
            b"IEND" => break,
            _ => {}
        }
    }
    if deflated_bytes == 0 {
        return Err(Flaw::Damaged("it holds no pixels"));
    }
    if bits_of_pixels / 8 > deflated_bytes * DEFLATE_RATIO {
        return Err(Flaw::Damaged("it holds fewer pixels than its header says"));
    }
    dimensions.ok_or(CUT_OFF)
}

/// Walks the segments to the first scan, then asks for an end-of-image marker behind it.
fn jpeg(bytes: &[u8]) -> Result<Dimensions, Flaw> {
    const CUT_OFF: Flaw = Flaw::Damaged("the file is cut off");
    let mut rest = bytes.get(2..).ok_or(CUT_OFF)?;
    let mut dimensions = None;
    loop {
        let (&lead, after) = rest.split_first().ok_or(CUT_OFF)?;
        if lead != 0xFF {
            return Err(Flaw::Damaged("a JPEG segment begins with the wrong byte"));
        }
        let (&marker, after) = after.split_first().ok_or(CUT_OFF)?;
        match marker {
            // Fill byte: the marker is still to come.
            0xFF => {
                rest = rest.get(1..).ok_or(CUT_OFF)?;
                continue;
            }
            // Markers without a segment.
            0x01 | 0xD0..=0xD8 => {
                rest = after;
                continue;
            }
            0xD9 => return Err(Flaw::Damaged("it ends before its pixels")),
            _ => {}
        }
        let (length, _) = after.split_first_chunk::<2>().ok_or(CUT_OFF)?;
        let segment = after.get(..usize::from(u16::from_be_bytes(*length))).ok_or(CUT_OFF)?;
        let behind = after.get(segment.len()..).filter(|_| segment.len() >= 2).ok_or(CUT_OFF)?;
        match marker {
            0xC0..=0xC2 => dimensions = Some(jpeg_frame(segment)?),
            // Lossless, hierarchical and arithmetic coding: no decoder in use reads them.
            0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                return Err(Flaw::Unsupported(
                    "a JPEG of a kind that is not in use (lossless or arithmetic)",
                ));
            }
            0xDA => {
                // Inside scans 0xFF is always followed by something else, so this is the real end.
                // Searched from behind: phones append other data after it.
                let complete = behind.windows(2).rev().any(|pair| pair == [0xFF, 0xD9]);
                let dimensions = dimensions.ok_or(Flaw::Damaged("its pixels come before its header"))?;
                return if complete { Ok(dimensions) } else { Err(CUT_OFF) };
            }
            _ => {}
        }
        rest = behind;
    }
}

/// `segment` starts with its own two length bytes.
fn jpeg_frame(segment: &[u8]) -> Result<Dimensions, Flaw> {
    let [_, _, precision, height_high, height_low, width_high, width_low, ..] = segment else {
        return Err(Flaw::Damaged("its header is too short"));
    };
    if *precision != 8 {
        return Err(Flaw::Unsupported("a JPEG with more than 8 bits per sample"));
    }
    let width = u16::from_be_bytes([*width_high, *width_low]);
    let height = u16::from_be_bytes([*height_high, *height_low]);
    bounded(u32::from(width), u32::from(height))
}

#[cfg(test)]
#[path = "images_tests.rs"]
mod tests;
