//! JPEG files: writing, and editing their segments without touching the compressed pixels.

use crate::Error;
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;

/// `quality` 1..=100 on the usual (IJG) scale.
pub fn encode(pixels: &RgbImage, quality: u8) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality)
        .encode_image(pixels)
        .map_err(|source| Error::Image { what: "JPEG".to_owned(), source })?;
    Ok(bytes)
}

pub fn decode(bytes: &[u8]) -> Result<RgbImage, Error> {
    image::load_from_memory_with_format(bytes, image::ImageFormat::Jpeg)
        .map(image::DynamicImage::into_rgb8)
        .map_err(|source| Error::Image { what: "JPEG".to_owned(), source })
}

const START_OF_SCAN: u8 = 0xda;
const APP0: u8 = 0xe0;
const APP1: u8 = 0xe1;
const APP14: u8 = 0xee;
const COMMENT: u8 = 0xfe;

/// Drops every application segment but JFIF (APP0) and Adobe (APP14, which tells the colour
/// transform), and comments.
pub fn without_metadata(bytes: &[u8]) -> Vec<u8> {
    let mut kept = bytes.get(..2).unwrap_or_default().to_vec();
    let mut at = 2;
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..at + 4) {
        if marker == START_OF_SCAN {
            break;
        }
        let end = at + 2 + usize::from(u16::from_be_bytes([high, low]));
        let is_metadata = marker == COMMENT || (APP1..=0xef).contains(&marker) && marker != APP14;
        if !is_metadata {
            kept.extend_from_slice(bytes.get(at..end).unwrap_or_default());
        }
        at = end;
    }
    kept.extend_from_slice(bytes.get(at..).unwrap_or_default());
    kept
}

/// Inserts segments (marker, payload) behind the JFIF segment. A payload that does not fit into a
/// segment (65,533 bytes) is left out.
pub fn with_segments(bytes: &[u8], segments: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut at = 2;
    if let Some(&[0xff, APP0, high, low]) = bytes.get(2..6) {
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
    }
    let (head, tail) = bytes.split_at(at.min(bytes.len()));
    let mut out = head.to_vec();
    for (marker, payload) in segments {
        let Ok(length) = u16::try_from(payload.len() + 2) else { continue };
        out.extend_from_slice(&[0xff, *marker]);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(payload);
    }
    out.extend_from_slice(tail);
    out
}

/// An EXIF APP1 payload with ASCII tags (tag number, text), little-endian TIFF.
pub fn exif(tags: &[(u16, &str)]) -> Vec<u8> {
    let mut sorted = tags.to_vec();
    sorted.sort_by_key(|(tag, _)| *tag);
    let mut directory = (sorted.len() as u16).to_le_bytes().to_vec();
    let mut values = Vec::new();
    let values_start = 8 + 2 + 12 * sorted.len() as u32 + 4;
    for (tag, text) in sorted {
        let mut value = text.as_bytes().to_vec();
        value.push(0);
        directory.extend_from_slice(&tag.to_le_bytes());
        directory.extend_from_slice(&2_u16.to_le_bytes());
        directory.extend_from_slice(&(value.len() as u32).to_le_bytes());
        if value.len() <= 4 {
            value.resize(4, 0);
            directory.extend_from_slice(&value);
        } else {
            directory.extend_from_slice(&(values_start + values.len() as u32).to_le_bytes());
            values.extend_from_slice(&value);
        }
    }
    directory.extend_from_slice(&0_u32.to_le_bytes());
    [b"Exif\0\0II*\0".as_slice(), &8_u32.to_le_bytes(), &directory, &values].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Vec<u8> {
        encode(&RgbImage::from_fn(64, 48, |x, y| image::Rgb([x as u8 * 3, y as u8 * 5, 90])), 90).unwrap()
    }

    #[test]
    fn metadata_goes_and_pixels_stay() {
        let plain = picture();
        let marked = with_segments(
            &plain,
            &[(APP1, exif(&[(0x0131, "An Editor 1.0")])), (0xed, b"Photoshop 3.0\0".to_vec())],
        );
        assert!(marked.windows(9).any(|w| w == b"An Editor"));
        assert_eq!(decode(&marked).unwrap(), decode(&plain).unwrap());
        assert_eq!(without_metadata(&marked), plain);
    }
}
