//! The marker segments of a JPEG, read without decoding pixels.

use super::ImageError;
use std::ops::Range;

/// A quantisation table in zigzag order, 1..65535.
pub type QuantizationTable = [u16; 64];

/// What the markers of a JPEG say. Borrows the file.
pub struct JpegStructure<'a> {
    bytes: &'a [u8],
    /// Stored size, before any EXIF orientation.
    pub width: u32,
    pub height: u32,
    /// By table number; the luminance table is number 0 in every file seen in practice.
    pub quantization: [Option<QuantizationTable>; 4],
    /// Application segments: marker 0xE0..=0xEF or 0xFE (comment), and where the payload lies.
    pub segments: Vec<(u8, Range<usize>)>,
}

impl<'a> JpegStructure<'a> {
    /// Fails where the markers contradict the file's length: a JPEG that was cut off anywhere is
    /// `Truncated`, also where a lenient decoder would fill the rest with grey.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let truncated = || ImageError::Truncated { format: "JPEG" };
        let malformed = |why: &str| ImageError::Undecodable { format: "JPEG", why: why.to_owned() };
        let mut structure =
            Self { bytes, width: 0, height: 0, quantization: [None; 4], segments: Vec::new() };
        let mut position = 2;
        loop {
            position += bytes.get(position..).and_then(next_marker).ok_or_else(truncated)?;
            let marker = *bytes.get(position + 1).ok_or_else(truncated)?;
            position += 2;
            match marker {
                0xD9 => break,
                // Stand alone: restart markers, TEM, a repeated start.
                0x01 | 0xD0..=0xD8 => continue,
                _ => {}
            }
            let length = match bytes.get(position..position + 2) {
                Some(&[high, low]) => usize::from(u16::from_be_bytes([high, low])),
                _ => return Err(truncated()),
            };
            let end = position + length;
            let payload = bytes.get(position + 2..end).ok_or_else(truncated)?;
            match marker {
                0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                    let [_, high_y, low_y, high_x, low_x, ..] = *payload else {
                        return Err(malformed("short frame header"));
                    };
                    structure.height = u32::from(u16::from_be_bytes([high_y, low_y]));
                    structure.width = u32::from(u16::from_be_bytes([high_x, low_x]));
                }
                0xDB => structure.read_quantization(payload),
                0xE0..=0xEF | 0xFE => structure.segments.push((marker, position + 2..end)),
                _ => {}
            }
            position = end;
        }
        if structure.width == 0 || structure.height == 0 {
            return Err(malformed("no frame header"));
        }
        Ok(structure)
    }

    /// The EXIF block (a TIFF structure), where there is one.
    pub fn exif(&self) -> Option<&'a [u8]> {
        self.payloads(0xE1).find_map(|payload| payload.strip_prefix(b"Exif\0\0"))
    }

    /// The payloads of one application marker, in file order.
    pub fn payloads(&self, marker: u8) -> impl Iterator<Item = &'a [u8]> {
        self.segments
            .iter()
            .filter(move |(found, _)| *found == marker)
            .filter_map(|(_, range)| self.bytes.get(range.clone()))
    }

    /// The quality whose scaled table K.1 of ITU T.81 has the same mean as the luminance table,
    /// 1..100: what encoders with tables of their own call by other numbers, brought to one scale.
    pub fn luminance_quality(&self) -> Option<u8> {
        /// Mean of table K.1.
        const REFERENCE_MEAN: f32 = 57.625;
        let table = self.quantization.first()?.as_ref()?;
        let mean = table.iter().map(|&step| f32::from(step)).sum::<f32>() / table.len() as f32;
        let percent = 100.0 * mean / REFERENCE_MEAN;
        let quality = if percent <= 100.0 { (200.0 - percent) / 2.0 } else { 5000.0 / percent };
        Some(quality.round().clamp(1.0, 100.0) as u8)
    }

    fn read_quantization(&mut self, mut payload: &[u8]) {
        while let Some((&precision_and_number, rest)) = payload.split_first() {
            let wide = precision_and_number >> 4 != 0;
            let entry_bytes = if wide { 2 } else { 1 };
            let Some((entries, rest)) = rest.split_at_checked(64 * entry_bytes) else { return };
            let mut table = [0u16; 64];
            for (value, entry) in table.iter_mut().zip(entries.chunks_exact(entry_bytes)) {
                *value = entry.iter().fold(0, |sum, &byte| sum << 8 | u16::from(byte));
            }
            if let Some(slot) = self.quantization.get_mut(usize::from(precision_and_number & 0x0F)) {
                *slot = Some(table);
            }
            payload = rest;
        }
    }
}

/// Distance to the next marker; inside a scan, `FF 00` is a stuffed byte and no marker.
fn next_marker(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + bytes.get(from..)?.iter().position(|&byte| byte == 0xFF)?;
        match bytes.get(at + 1) {
            Some(0x00 | 0xFF) => from = at + 1,
            Some(_) => return Some(at),
            None => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RgbImage;
    use image::codecs::jpeg::JpegEncoder;

    fn encoded(quality: u8) -> Vec<u8> {
        let picture =
            RgbImage::from_fn(60, 40, |x, y| image::Rgb([(x * 4) as u8, (y * 5) as u8, (x * y) as u8]));
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(&picture).unwrap();
        bytes
    }

    #[test]
    fn size_and_quantisation_are_read_from_the_markers() {
        let bytes = encoded(50);
        let structure = JpegStructure::parse(&bytes).unwrap();
        assert_eq!((structure.width, structure.height), (60, 40));
        // ITU T.81 table K.1 begins with 16, 11, 12 in zigzag order; quality 50 leaves it as it is.
        assert_eq!(structure.quantization[0].unwrap()[..3], [16, 11, 12]);
    }

    #[test]
    fn the_quality_is_read_back_from_the_table() {
        for quality in [30, 50, 75, 90] {
            let bytes = encoded(quality);
            let read = JpegStructure::parse(&bytes).unwrap().luminance_quality().unwrap();
            assert!(read.abs_diff(quality) <= 1, "{read} for {quality}");
        }
    }

    #[test]
    fn a_jpeg_cut_anywhere_is_truncated_and_never_panics() {
        let bytes = encoded(90);
        for length in 3..bytes.len() {
            assert!(JpegStructure::parse(&bytes[..length]).is_err(), "cut at {length}");
        }
    }

    #[test]
    fn bytes_after_the_end_marker_do_no_harm() {
        let mut bytes = encoded(90);
        bytes.extend_from_slice(b"a phone's own trailer");
        assert!(JpegStructure::parse(&bytes).is_ok());
    }
}
