//! Names in Arabic script on generated cards, which are set in a font that the recogniser was not trained on.
//! How often they are read: MODELS.md and the scoreboard.
#![expect(clippy::unwrap_used, reason = "in the functions that tests share, too, a failure is a failed test")]

use std::sync::Arc;
use txid_imaging::SourceImage;
use txid_shared::partial::{FieldSource, OcrResult};
use txid_shared::words::Stage;
use txid_specimens::{Assets, Attack, Capture, Design, Generator, Submission};
use txid_worker::inference::manifest::{Manifest, default_cache_folder};
use txid_worker::inference::{Engine, ModelFiles};
use txid_worker::stages::ocr::Ocr;
use txid_worker::stages::{Images, StageInput};

fn engine() -> Engine {
    let manifest = Manifest::built_in().unwrap();
    ModelFiles::load(&manifest, &default_cache_folder(), &[Stage::Ocr]).unwrap().engine().unwrap()
}

fn made(design: &str, capture: Capture, seed: u64) -> Submission {
    let generator = Generator::new(Assets::load(&Assets::default_cache()).unwrap());
    let design = Design::named(design).unwrap();
    let person = generator.person(&design.issuer, seed).unwrap();
    generator.submission(&person, &design, capture, Attack::None, seed).unwrap()
}

fn read(submission: &Submission, country: Option<&str>, engine: &mut Engine) -> OcrResult {
    let source = |bytes: &Vec<u8>| Arc::new(SourceImage::new(bytes.clone()));
    let images = Images {
        document_front: Some(source(&submission.front)),
        document_back: submission.back.as_ref().map(source),
        ..Images::default()
    };
    let input = StageInput { images, country: country.map(str::to_owned), ..StageInput::default() };
    Ocr::default().read(&input, engine).unwrap()
}

#[test]
fn the_names_on_a_moroccan_card_are_read_in_both_scripts() {
    let mut engine = engine();
    for (capture, seed, country) in [
        (Capture::FLAT_SCAN, 61, Some("MA")),
        (Capture::PHOTO, 62, Some("MA")),
        // Nobody says what it is: the zone on its back does.
        (Capture::PHOTO, 63, None),
    ] {
        let card = made("mar_national_id_2020", capture, seed);
        let result = read(&card, country, &mut engine);
        for name in ["first_name", "last_name", "first_name_arabic", "last_name_arabic"] {
            let expected = &card.truth.fields[name].value;
            let field = result.fields.get(name).unwrap_or_else(|| panic!("seed {seed}: no {name}"));
            assert_eq!(field.value.to_lowercase(), expected.to_lowercase(), "seed {seed}: {name}");
        }
        let field = &result.fields["last_name_arabic"];
        assert_eq!(field.source, FieldSource::Visual);
        assert!((0.5..=1.0).contains(&field.confidence));
        assert!(result.unread_scripts.is_empty());
    }
}

#[test]
fn a_card_of_another_state_has_no_arabic_names() {
    let card = made("fra_national_id", Capture::FLAT_SCAN, 64);
    let result = read(&card, Some("FR"), &mut engine());
    assert!(result.readable && result.fields.keys().all(|name| !name.ends_with("_arabic")));
}
