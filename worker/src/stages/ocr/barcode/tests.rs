//! Pictures of codes that other programs wrote (`testdata/README.md`), photographed by a small
//! renderer; and payloads that went wrong.

use super::*;
use image::imageops;
use jiff::civil::date;
use txid_imaging::{RgbImage, warp_perspective};
use txid_shared::partial::BarcodeFormat;

const TODAY: Date = date(2025, 11, 22);
const AAMVA: &str = aamva::SAMPLE;
const TD1: &str =
    "I<UTOD231458907<<<<<<<<<<<<<<<\n7408122F1204159UTO<<<<<<<<<<<6\nERIKSSON<<ANNA<MARIA<<<<<<<<<<";

/// File, pixels per module, format, text.
const CODES: [(&[u8], u32, BarcodeFormat, &str); 5] = [
    (include_bytes!("testdata/pdf417_aamva.png"), 4, BarcodeFormat::Pdf417, AAMVA),
    (include_bytes!("testdata/qr_mrz.png"), 7, BarcodeFormat::QrCode, TD1),
    (include_bytes!("testdata/data_matrix.png"), 12, BarcodeFormat::DataMatrix, "BE1234567X 19900515"),
    (include_bytes!("testdata/code_128.png"), 6, BarcodeFormat::Code128, "BE1234567"),
    (include_bytes!("testdata/code_39.png"), 4, BarcodeFormat::Code39, "8001015009087"),
];

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }
}

/// A light card with rows of print, on a darker table; the code below the print.
fn card(code: Option<(&[u8], u32)>) -> RgbImage {
    let mut picture = RgbImage::from_pixel(2000, 1400, image::Rgb([96, 90, 84]));
    let paper = RgbImage::from_pixel(1600, 1000, image::Rgb([216, 214, 208]));
    imageops::replace(&mut picture, &paper, 200, 200);
    let mut random = Random(7);
    for line in 0..6 {
        for letter in 0..40 {
            let (left, top) = (260 + letter * 22, 250 + line * 56);
            for _ in 0..3 {
                let (x, y) = (left + random.below(10) as u32, top + random.below(6) as u32);
                let (width, height) = if random.below(3) == 0 { (12, 4) } else { (4, 24) };
                let stroke = RgbImage::from_pixel(width, height, image::Rgb([40, 40, 50]));
                imageops::replace(&mut picture, &stroke, i64::from(x), i64::from(y));
            }
        }
    }
    if let Some((png, scale)) = code {
        let code = image::load_from_memory(png).unwrap().to_rgb8();
        let (width, height) = (code.width() * scale, code.height() * scale);
        let code = imageops::resize(&code, width, height, imageops::FilterType::Nearest);
        imageops::replace(&mut picture, &code, i64::from(1000 - width / 2), i64::from(1140 - height));
    }
    picture
}

/// Seen askew, out of focus and with noise.
fn worn(picture: &RgbImage) -> RgbImage {
    let corners = [[60.0, 20.0], [1960.0, 90.0], [1900.0, 1380.0], [20.0, 1300.0]];
    let mut seen = warp_perspective(picture, &corners, 2000, 1400).unwrap();
    seen = imageops::fast_blur(&seen, 1.0);
    let mut random = Random(11);
    for pixel in seen.pixels_mut() {
        let noise = random.below(17) as i16 - 8;
        pixel.0 = pixel.0.map(|value| (i16::from(value) + noise).clamp(0, 255) as u8);
    }
    seen
}

fn texts(picture: &RgbImage) -> Vec<(BarcodeFormat, String)> {
    find(picture).into_iter().map(|symbol| (symbol.format, symbol.text)).collect()
}

#[test]
fn every_format_is_read_in_four_turns() {
    for (png, scale, format, text) in CODES {
        let mut picture = card(Some((png, scale)));
        for turn in 0..4 {
            assert_eq!(texts(&picture), [(format, text.to_owned())], "turned {turn} times");
            picture = imageops::rotate90(&picture);
        }
    }
}

#[test]
fn every_format_is_read_askew_blurred_and_noisy() {
    for (png, scale, format, text) in CODES {
        assert_eq!(texts(&worn(&card(Some((png, scale))))), [(format, text.to_owned())]);
    }
}

#[test]
fn the_place_is_where_the_code_is_and_its_corners_turn_with_it() {
    let (png, scale, ..) = CODES[1];
    let side = (image::load_from_memory(png).unwrap().width() * scale) as f32;
    let picture = card(Some((png, scale)));
    let corners = find(&picture)[0].polygon;
    // Without the quiet zone of four modules.
    let quiet = (4 * scale) as f32;
    let expected = [1000.0 - side / 2.0 + quiet, 1140.0 - side + quiet];
    assert!(
        (corners[0][0] - expected[0]).abs() < 6.0 && (corners[0][1] - expected[1]).abs() < 6.0,
        "{corners:?}"
    );
    let turned = find(&imageops::rotate180(&picture))[0].polygon;
    assert!((turned[0][0] - (2000.0 - expected[0])).abs() < 6.0, "{turned:?}");
}

#[test]
fn pictures_without_a_barcode_give_none() {
    assert_eq!(texts(&card(None)), []);
    assert_eq!(texts(&worn(&card(None))), []);
    let mut random = Random(3);
    let noise = RgbImage::from_fn(900, 700, |_, _| image::Rgb([random.below(256) as u8; 3]));
    assert_eq!(texts(&noise), []);
    let stripes = RgbImage::from_fn(900, 700, |x, _| image::Rgb([if x / 4 % 2 == 0 { 20 } else { 230 }; 3]));
    assert_eq!(texts(&stripes), []);
    for (width, height) in [(1, 1), (3, 700), (700, 2), (9, 9)] {
        assert_eq!(texts(&RgbImage::new(width, height)), []);
    }
}

#[test]
fn a_damaged_code_is_read_right_or_not_at_all() {
    let mut random = Random(5);
    for (png, scale, _, text) in CODES {
        for _ in 0..4 {
            let mut picture = card(Some((png, scale)));
            for _ in 0..6 {
                let spot = RgbImage::from_pixel(60, 40, image::Rgb([random.below(256) as u8; 3]));
                let (x, y) = (300 + random.below(1400) as i64, 800 + random.below(320) as i64);
                imageops::replace(&mut picture, &spot, x, y);
            }
            for (_, read) in texts(&picture) {
                assert_eq!(read, text);
            }
        }
    }
}

#[test]
fn a_card_with_an_aamva_barcode_alone_makes_a_document() {
    let (png, scale, ..) = CODES[0];
    let read = read(&card(Some((png, scale))), ImageRole::DocumentBack, TODAY);
    assert!(read[0].makes_a_document());
    assert_eq!(read[0].described.content, BarcodeContent::Aamva);
    let mut result = txid_shared::partial::OcrResult::default();
    add_barcodes(&mut result, read, TODAY);
    assert_eq!(result.fields["document_number"].value, "T64235789");
    assert_eq!(result.fields["date_of_birth"].value, "1986-06-06");
    // What was read of it is in the fields, and nowhere else.
    assert!(!serde_json::to_string(&result.barcodes).unwrap().contains("SAMPLE"));
}

#[test]
fn no_mutation_of_a_payload_ends_in_a_panic_or_an_impossible_field() {
    let south_african = "MOKOENA|THABO|M|RSA|8001015009087|01 JAN 1980|RSA|CITIZEN|27 JUN 2014|20374|1054|12";
    let labelled =
        "Surname: ADEYEMI\nFirst Name: Ngozi\nNIN: 12345678901\nDate of Birth: 12 May 1991\nSex: F";
    let json = r#"{"surname":"ADEYEMI","first_name":"Ngozi","nin":"12345678901","dob":"1991-05-12"}"#;
    let odd = ['\u{0}', '\n', '\r', '|', ':', '0', '9', 'D', '<', 'é', '\u{1f600}', '\u{202e}', '"', '{'];
    let mut random = Random(1);
    for (seed, rounds) in [(AAMVA, 4000), (south_african, 2000), (labelled, 2000), (json, 2000), (TD1, 60)] {
        for _ in 0..rounds {
            let mut text: Vec<char> = seed.chars().collect();
            for _ in 0..=random.below(6) {
                let at = random.below(text.len());
                match random.below(5) {
                    0 => text.truncate(at),
                    1 => text.insert(at, odd[random.below(odd.len())]),
                    2 if !text.is_empty() => text[at] = odd[random.below(odd.len())],
                    3 if !text.is_empty() => drop(text.remove(at)),
                    _ => text.rotate_left(at),
                }
            }
            let text: String = text.into_iter().collect();
            for fact in Said::of(&text, TODAY).facts() {
                assert!(!fact.value.trim().is_empty(), "{}", fact.name);
                if fact.name.contains("date") {
                    fact.value.parse::<Date>().unwrap();
                }
                if fact.name == "gender" {
                    assert!(["M", "F", "X"].contains(&fact.value.as_str()));
                }
            }
        }
    }
}
