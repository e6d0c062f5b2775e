//! The `ocr` stage with its models. Skips, and says so, where the model cache or the development
//! pictures are absent.

#![expect(clippy::unwrap_used, reason = "a test ends where its scene cannot be built")]

use image::{Rgb, RgbImage};
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use txid_imaging::SourceImage;
use txid_shared::partial::OcrResult;
use txid_shared::words::Stage as StageName;
use txid_worker::inference::manifest::{Manifest, default_cache_folder};
use txid_worker::inference::{Engine, ModelFiles};
use txid_worker::stages::ocr::{Ocr, mrz};
use txid_worker::stages::{Images, StageInput};

fn engine() -> Option<Engine> {
    let manifest = Manifest::built_in().unwrap();
    match ModelFiles::load(&manifest, &default_cache_folder(), &[StageName::Ocr]) {
        Ok(files) => Some(files.engine().unwrap()),
        Err(error) => {
            eprintln!("skipped, no models: {error}");
            None
        }
    }
}

fn picture(path: PathBuf) -> Option<RgbImage> {
    if !path.exists() {
        eprintln!("skipped, no {}", path.display());
        return None;
    }
    Some(image::open(path).unwrap().to_rgb8())
}

fn development_picture(name: &str) -> Option<RgbImage> {
    let folder = std::env::var("TXID_DEVELOPMENT_DATA").unwrap_or_else(|_| "/work/shared/data".to_owned());
    picture(Path::new(&folder).join(name))
}

fn read(picture: &RgbImage, engine: &mut Engine) -> OcrResult {
    let mut encoded = Vec::new();
    picture.write_to(&mut Cursor::new(&mut encoded), image::ImageFormat::Png).unwrap();
    let images = Images { document_front: Some(Arc::new(SourceImage::new(encoded))), ..Images::default() };
    let input = StageInput { images, ..StageInput::default() };
    Ocr::new(|| jiff::civil::date(2025, 11, 22)).read(&input, engine).unwrap()
}

#[test]
fn a_picture_without_a_document_gives_no_fields() {
    let Some(mut engine) = engine() else { return };
    let stripes =
        RgbImage::from_fn(1280, 800, |x, y| Rgb([(x / 7 % 2 * 200) as u8, (y / 5 % 2 * 180) as u8, 90]));
    let mut pictures = vec![RgbImage::from_pixel(1280, 800, Rgb([240; 3])), stripes];
    pictures.extend(picture(default_cache_folder().join("photographs/obama.jpg")));
    for picture in pictures {
        let result = read(&picture, &mut engine);
        assert!(!result.readable && result.mrz.is_none() && result.fields.is_empty(), "{:?}", result.fields);
    }
}

#[test]
fn a_passport_is_read_in_all_four_orientations() {
    let (Some(mut engine), Some(upright)) = (engine(), development_picture("forged/aze01.jpg")) else {
        return;
    };
    let turned = [
        (0, upright.clone()),
        (270, image::imageops::rotate90(&upright)),
        (180, image::imageops::rotate180(&upright)),
        (90, image::imageops::rotate270(&upright)),
    ];
    for (rotation, picture) in turned {
        let result = read(&picture, &mut engine);
        assert_eq!(result.sides[0].rotation_degrees, rotation);
        let value = |name: &str| result.fields.get(name).map(|field| field.value.as_str());
        assert_eq!(value("document_number"), Some("C85157385"), "turned by {rotation}");
        assert_eq!(value("last_name"), Some("Abramov"));
        assert_eq!(value("date_of_birth"), Some("1972-10-24"));
        assert_eq!(value("issue_date"), Some("2016-08-04"));
        let number = &result.fields["document_number"].polygon;
        let (width, height) = (picture.width() as f32, picture.height() as f32);
        assert!(number.iter().all(|[x, y]| (0.0..=width).contains(x) && (0.0..=height).contains(y)));
    }
}

#[test]
fn a_zone_is_read_and_every_correction_is_told() {
    let (Some(mut engine), Some(passport)) = (engine(), development_picture("mrz/BEL/00.jpg")) else {
        return;
    };
    let zone = read(&passport, &mut engine).mrz.unwrap();
    assert_eq!(zone.lines[0], "P<BELBISONETTE<<ELENA<<<<<<<<<<<<<<<<<<<<<<<");
    assert_eq!(zone.lines[1], "RDDFJ0N3G9BEL9808221F2301284<<<<<<<<<<<<<<06");
    assert!(zone.valid);
    for (line, raw) in zone.raw_lines.iter().enumerate() {
        let told: Vec<_> = zone.corrections.iter().filter(|c| c.line == line).collect();
        assert_eq!(mrz::undo(&zone.lines[line], &told), *raw);
    }
}
