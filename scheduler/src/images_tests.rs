use super::*;
use std::io::Cursor;

fn encoded(width: u32, height: u32, format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image::RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 7]))
        .write_to(&mut bytes, format)
        .unwrap();
    bytes.into_inner()
}

fn jpeg_file(width: u32, height: u32) -> Vec<u8> {
    encoded(width, height, image::ImageFormat::Jpeg)
}

fn png_file(width: u32, height: u32) -> Vec<u8> {
    encoded(width, height, image::ImageFormat::Png)
}

fn code(role: ImageRole, bytes: &[u8]) -> Result<Dimensions, ErrorCode> {
    let result = inspect(role.as_str(), role, bytes, LowResolution::Note);
    if let Err(error) = &result {
        assert_eq!(error.param.as_deref(), Some(role.as_str()), "{error}");
    }
    result.map_err(|error| error.code)
}

#[test]
fn dimensions_are_read_from_either_format() {
    let expected = Dimensions { width_px: 1280, height_px: 720 };
    assert_eq!(code(ImageRole::DocumentFront, &jpeg_file(1280, 720)), Ok(expected));
    assert_eq!(code(ImageRole::DocumentFront, &png_file(1280, 720)), Ok(expected));
}

#[test]
fn a_picture_cut_off_at_any_byte_is_refused_and_never_panics() {
    // A selfie, so that a small file is large enough.
    for file in [jpeg_file(112, 112), png_file(112, 112)] {
        for length in 0..file.len() {
            let result = code(ImageRole::Selfie, &file[..length]);
            assert!(result.is_err(), "{length} of {} bytes were taken", file.len());
        }
    }
    let file = jpeg_file(640, 480);
    assert_eq!(code(ImageRole::DocumentBack, &file[..file.len() / 2]), Err(ErrorCode::InvalidDocument));
    let file = png_file(640, 480);
    assert_eq!(code(ImageRole::DocumentBack, &file[..file.len() / 2]), Err(ErrorCode::InvalidDocument));
}

#[test]
fn what_phones_append_after_the_end_does_no_harm() {
    let mut file = jpeg_file(640, 480);
    file.extend_from_slice(b"MotionPhoto and more");
    assert!(code(ImageRole::DocumentFront, &file).is_ok());
}

#[test]
fn a_thumbnails_end_marker_does_not_stand_for_the_pictures() {
    // An APP1 segment that holds a whole little JPEG, in a file that is cut off afterwards.
    let file = jpeg_file(640, 480);
    let thumbnail = jpeg_file(8, 8);
    let length = u16::try_from(thumbnail.len() + 2).unwrap().to_be_bytes();
    let mut with_thumbnail = file[..2].to_vec();
    with_thumbnail.extend_from_slice(&[0xFF, 0xE1, length[0], length[1]]);
    with_thumbnail.extend_from_slice(&thumbnail);
    with_thumbnail.extend_from_slice(&file[2..]);
    assert!(code(ImageRole::DocumentFront, &with_thumbnail).is_ok());
    with_thumbnail.truncate(with_thumbnail.len() - 2);
    assert_eq!(code(ImageRole::DocumentFront, &with_thumbnail), Err(ErrorCode::InvalidDocument));
}

#[test]
fn a_bomb_is_refused_by_its_header_alone() {
    let mut bomb = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    bomb.extend_from_slice(&50_000u32.to_be_bytes());
    bomb.extend_from_slice(&50_000u32.to_be_bytes());
    bomb.extend_from_slice(&[8, 2, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(code(ImageRole::DocumentFront, &bomb), Err(ErrorCode::ImageTooLarge));
}

#[test]
fn other_formats_are_named() {
    for (bytes, expected) in [
        (b"hello, I am a text".as_slice(), "neither"),
        (b"%PDF-1.7 and so on".as_slice(), "PDF"),
        (b"\0\0\0\x18ftypheic\0\0".as_slice(), "HEIC"),
    ] {
        let error =
            inspect("document_front", ImageRole::DocumentFront, bytes, LowResolution::Note).unwrap_err();
        assert_eq!(error.code, ErrorCode::UnsupportedMedia);
        assert!(error.message.contains(expected), "{error}");
    }
}

#[test]
fn small_documents_are_refused_in_either_orientation() {
    assert_eq!(code(ImageRole::DocumentFront, &jpeg_file(400, 300)), Err(ErrorCode::ImageTooSmall));
    assert_eq!(code(ImageRole::DocumentBack, &jpeg_file(300, 639)), Err(ErrorCode::ImageTooSmall));
    assert!(code(ImageRole::DocumentFront, &jpeg_file(300, 640)).is_ok());
}

#[test]
fn a_strip_is_no_document_however_long_it_is() {
    assert_eq!(code(ImageRole::DocumentFront, &png_file(20_000, 1)), Err(ErrorCode::ImageTooSmall));
    assert_eq!(code(ImageRole::DocumentBack, &jpeg_file(199, 2000)), Err(ErrorCode::ImageTooSmall));
    assert!(code(ImageRole::DocumentBack, &jpeg_file(200, 640)).is_ok());
}

#[test]
fn a_png_with_too_few_bytes_for_its_pixels_is_refused() {
    // Whole to its last chunk, and still no picture: what is in it makes a fraction of its pixels.
    let file = encoded_black(1280, 720);
    assert!(code(ImageRole::DocumentFront, &file).is_ok(), "the least that deflate makes of it is enough");
    let mut short = file[..33].to_vec();
    short.extend_from_slice(&17u32.to_be_bytes());
    short.extend_from_slice(b"IDAT");
    short.extend_from_slice(&[0; 17 + 4]);
    short.extend_from_slice(b"\0\0\0\0IEND\0\0\0\0");
    assert_eq!(short.len(), 74);
    assert_eq!(code(ImageRole::DocumentFront, &short), Err(ErrorCode::InvalidDocument));
}

fn encoded_black(width: u32, height: u32) -> Vec<u8> {
    use image::ImageEncoder as _;
    use image::codecs::png::{CompressionType, FilterType, PngEncoder};
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::NoFilter);
    let pixels = vec![0; (width * height * 3) as usize];
    encoder.write_image(&pixels, width, height, image::ExtendedColorType::Rgb8).unwrap();
    bytes
}

#[test]
fn low_resolution_is_refused_only_where_the_caller_asked() {
    let file = jpeg_file(1279, 720);
    assert!(inspect("document_front", ImageRole::DocumentFront, &file, LowResolution::Note).is_ok());
    let error =
        inspect("document_front", ImageRole::DocumentFront, &file, LowResolution::Reject).unwrap_err();
    assert_eq!(error.code, ErrorCode::ImageTooSmall);
    assert!(
        inspect("document_front", ImageRole::DocumentFront, &jpeg_file(720, 1280), LowResolution::Reject)
            .is_ok()
    );
}

#[test]
fn a_selfie_needs_112_pixels() {
    assert_eq!(code(ImageRole::Selfie, &jpeg_file(400, 111)), Err(ErrorCode::ImageTooSmall));
    assert!(code(ImageRole::Selfie, &jpeg_file(112, 112)).is_ok());
}

#[test]
fn eleven_megabytes_are_too_large_whatever_they_are() {
    assert_eq!(code(ImageRole::Selfie, &vec![0; 11 * 1024 * 1024]), Err(ErrorCode::ImageTooLarge));
}
