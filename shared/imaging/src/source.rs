//! An image as it was sent: its encoded bytes, what its header says, and its pixels once somebody asks.

use super::{ImageError, JpegStructure, RgbImage, resize};
use bytes::Bytes;
use image::codecs::{jpeg::JpegDecoder, png::PngDecoder};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, Limits};
use std::io::Cursor;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

/// Nothing larger is decoded (the contract's bound; 150 MB of RGB).
pub const MAX_PIXELS: u64 = 50_000_000;

/// What a decoder may allocate besides: 16 bits of RGBA for a PNG of a third of the bound.
const MAX_DECODER_BYTES: u64 = 5 * MAX_PIXELS;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Jpeg,
    Png,
}

impl Format {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
        }
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(&[0xFF, 0xD8, 0xFF]) {
            Some(Self::Jpeg)
        } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            Some(Self::Png)
        } else {
            None
        }
    }
}

/// What is known without decoding pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub format: Format,
    /// Pixels after EXIF orientation.
    pub width: u32,
    pub height: u32,
    /// How the stored pixels have to be turned to be upright.
    pub orientation: Orientation,
}

/// Where the 8×8 blocks of the stored JPEG begin in the upright image (0..8 in both directions):
/// turning an image whose side is no multiple of 8 shifts the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GridOrigin {
    pub x: u32,
    pub y: u32,
}

/// Decoding is lazy and happens once, whoever asks first; the others wait and share the pixels.
pub struct SourceImage {
    encoded: Bytes,
    header: OnceLock<Result<Header, ImageError>>,
    decoded: OnceLock<Result<Decoded, ImageError>>,
    scaled: Mutex<Vec<(u32, Arc<RgbImage>)>>,
}

#[derive(Clone)]
struct Decoded {
    pixels: Arc<RgbImage>,
    decode_ms: f32,
}

impl SourceImage {
    /// Takes the bytes as they were sent; nothing is read before it is asked for.
    pub fn new(encoded: impl Into<Bytes>) -> Self {
        Self {
            encoded: encoded.into(),
            header: OnceLock::new(),
            decoded: OnceLock::new(),
            scaled: Mutex::new(Vec::new()),
        }
    }

    /// The bytes as they were sent, for signals on metadata and compression.
    pub fn encoded(&self) -> &Bytes {
        &self.encoded
    }

    /// Format, upright size and orientation, from the header alone.
    pub fn header(&self) -> Result<Header, ImageError> {
        self.header.get_or_init(|| read_header(&self.encoded)).clone()
    }

    /// The upright pixels. Refuses what the header calls larger than [`MAX_PIXELS`] before it
    /// allocates anything.
    pub fn decoded(&self) -> Result<Arc<RgbImage>, ImageError> {
        self.decoded_once().map(|decoded| Arc::clone(&decoded.pixels))
    }

    /// What decoding took, 0 where it has not happened.
    pub fn decode_ms(&self) -> f32 {
        match self.decoded.get() {
            Some(Ok(decoded)) => decoded.decode_ms,
            _ => 0.0,
        }
    }

    /// Bytes of memory that it takes: as sent, and the pixels that were asked for.
    pub fn held_bytes(&self) -> u64 {
        let pixels = |picture: &RgbImage| picture.as_raw().len() as u64;
        let decoded = self.decoded.get().and_then(|decoded| decoded.as_ref().ok());
        let scaled = self.scaled.lock().unwrap_or_else(PoisonError::into_inner);
        self.encoded.len() as u64
            + decoded.map_or(0, |decoded| pixels(&decoded.pixels))
            + scaled.iter().map(|(_, picture)| pixels(picture)).sum::<u64>()
    }

    /// The upright picture with its longer side at most `max_side` pixels, shared by all who ask
    /// for the same size. Never enlarges: a smaller original is returned as it is.
    pub fn scaled(&self, max_side: u32) -> Result<Arc<RgbImage>, ImageError> {
        let original = self.decoded()?;
        let longer = original.width().max(original.height());
        if longer <= max_side {
            return Ok(original);
        }
        // Held while resampling, so that a second caller waits instead of doing it again.
        let mut scaled = self.scaled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = scaled.iter().find(|(side, _)| *side == max_side) {
            return Ok(Arc::clone(known));
        }
        let ratio = f64::from(max_side) / f64::from(longer);
        let side = |length: u32| ((f64::from(length) * ratio).round() as u32).max(1);
        let made = Arc::new(resize(&original, side(original.width()), side(original.height()))?);
        scaled.push((max_side, Arc::clone(&made)));
        Ok(made)
    }

    /// Where the stored JPEG's block grid lies in the upright image.
    pub fn grid_origin(&self) -> Result<GridOrigin, ImageError> {
        let header = self.header()?;
        let (right, bottom) = (header.width % 8, header.height % 8);
        let (flipped_x, flipped_y) = match header.orientation {
            Orientation::NoTransforms | Orientation::Rotate90FlipH => (false, false),
            Orientation::FlipHorizontal | Orientation::Rotate90 => (true, false),
            Orientation::FlipVertical | Orientation::Rotate270 => (false, true),
            Orientation::Rotate180 | Orientation::Rotate270FlipH => (true, true),
        };
        Ok(GridOrigin { x: if flipped_x { right } else { 0 }, y: if flipped_y { bottom } else { 0 } })
    }

    /// Quality (1..100, on the scale of the JPEG group's reference encoder) that the file's
    /// luminance table corresponds to. `None` for a PNG.
    pub fn jpeg_quality(&self) -> Option<u8> {
        // Compressed pixels of a PNG can look like a JPEG's tables.
        if !self.encoded.starts_with(&[0xff, 0xd8]) {
            return None;
        }
        JpegStructure::parse(&self.encoded).ok()?.luminance_quality()
    }

    fn decoded_once(&self) -> Result<&Decoded, ImageError> {
        self.decoded
            .get_or_init(|| {
                let header = self.header()?;
                let started = Instant::now();
                let pixels = decode(&self.encoded, header)?;
                Ok(Decoded { pixels: Arc::new(pixels), decode_ms: started.elapsed().as_secs_f32() * 1e3 })
            })
            .as_ref()
            .map_err(Clone::clone)
    }
}

fn undecodable(format: Format) -> impl Fn(image::ImageError) -> ImageError {
    move |error| ImageError::Undecodable { format: format.as_str(), why: error.to_string() }
}

fn read_header(encoded: &[u8]) -> Result<Header, ImageError> {
    let format = Format::of(encoded).ok_or(ImageError::UnsupportedFormat)?;
    let (width, height, orientation) = match format {
        Format::Jpeg => {
            let structure = JpegStructure::parse(encoded)?;
            // `image` copies the whole file to read a header: the structure already has it.
            let orientation =
                structure.exif().and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms);
            (structure.width, structure.height, orientation)
        }
        Format::Png => {
            let mut decoder =
                PngDecoder::with_limits(Cursor::new(encoded), limits()).map_err(undecodable(format))?;
            let (width, height) = decoder.dimensions();
            (width, height, decoder.orientation().unwrap_or(Orientation::NoTransforms))
        }
    };
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(ImageError::TooManyPixels { width, height });
    }
    let turned = matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    );
    let (width, height) = if turned { (height, width) } else { (width, height) };
    Ok(Header { format, width, height, orientation })
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_DECODER_BYTES);
    limits
}

fn decode(encoded: &[u8], header: Header) -> Result<RgbImage, ImageError> {
    let failed = undecodable(header.format);
    let mut pixels = match header.format {
        Format::Jpeg => {
            let decoder = JpegDecoder::new(Cursor::new(encoded)).map_err(&failed)?;
            DynamicImage::from_decoder(decoder).map_err(&failed)?
        }
        Format::Png => {
            let decoder = PngDecoder::with_limits(Cursor::new(encoded), limits()).map_err(&failed)?;
            DynamicImage::from_decoder(decoder).map_err(&failed)?
        }
    };
    pixels.apply_orientation(header.orientation);
    Ok(pixels.into_rgb8())
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::jpeg::JpegEncoder;

    #[test]
    fn what_an_image_holds_grows_with_what_was_asked_of_it() {
        let mut encoded = Vec::new();
        JpegEncoder::new(&mut encoded).encode_image(&RgbImage::new(64, 48)).unwrap();
        let bytes = encoded.len() as u64;
        let image = SourceImage::new(encoded);
        assert_eq!(image.held_bytes(), bytes);
        image.decoded().unwrap();
        assert_eq!(image.held_bytes(), bytes + 64 * 48 * 3);
        image.scaled(32).unwrap();
        assert_eq!(image.held_bytes(), bytes + 64 * 48 * 3 + 32 * 24 * 3);
        // The original itself, where it is no larger.
        image.scaled(64).unwrap();
        assert_eq!(image.held_bytes(), bytes + 64 * 48 * 3 + 32 * 24 * 3);
    }
}
