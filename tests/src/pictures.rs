//! Valid pictures that show nothing, for tests that are not about reading.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{Rgb, RgbImage};
use std::sync::OnceLock;

/// 1280×720 JPEG, a few KB.
pub fn blank_document() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| jpeg(1280, 720))
}

/// 640×640 JPEG.
pub fn blank_selfie() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| jpeg(640, 640))
}

pub fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let picture = RgbImage::from_fn(width, height, |x, y| Rgb([(x / 8) as u8, (y / 8) as u8, 128]));
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 80).encode_image(&picture).expect("encoding into memory");
    bytes
}

/// PNG of one colour, a block of a file system: a million rows keep two such files each.
pub fn plain(width: u32, height: u32) -> Vec<u8> {
    let picture = RgbImage::from_pixel(width, height, Rgb([128; 3]));
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::Up);
    picture.write_with_encoder(encoder).expect("encoding into memory");
    bytes
}
