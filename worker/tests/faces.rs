//! `face_match` and `liveness` with their models, on photographs of two people. Skips, and says so,
//! where models or photographs were not fetched; any other trouble with them fails.

#![expect(clippy::unwrap_used, reason = "a test ends where its scene cannot be built")]

use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, Rgb, RgbImage, imageops};
use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;
use txid_imaging::{SourceImage, resize};
use txid_shared::likeness::Likeness;
use txid_shared::partial::{FaceMatchOutcome, FaceMatchResult, LivenessOutcome, LivenessResult, StageResult};
use txid_shared::policy::Policy;
use txid_shared::words::{ImageRole, Stage as StageName};
use txid_worker::inference::manifest::{Manifest, default_cache_folder};
use txid_worker::inference::{Engine, ModelError, ModelFiles};
use txid_worker::stages::face_match::{FaceMatch, OPERATING_COSINE};
use txid_worker::stages::liveness::Liveness;
use txid_worker::stages::{Images, Outcome, Stage, StageInput};

/// One person three times and another one.
const PHOTOGRAPHS: [&str; 4] = ["obama", "obama2", "obama3", OTHER_PERSON];
const OTHER_PERSON: &str = "biden";
/// What the default policy passes from on. Written out: a moved operating point must show here.
const THRESHOLD: f32 = 0.80;
const PAPER: Rgb<u8> = Rgb([225, 228, 220]);

struct Scene {
    engine: Engine,
    photographs: BTreeMap<&'static str, Vec<u8>>,
}

fn scene() -> Option<Scene> {
    let (cache, stages) = (default_cache_folder(), [StageName::FaceMatch, StageName::Liveness]);
    let engine = match ModelFiles::load(&Manifest::built_in().unwrap(), &cache, &stages) {
        Ok(files) => files.engine().unwrap(),
        Err(error @ ModelError::Missing { .. }) => {
            eprintln!("skipped, no models: {error}");
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    let mut photographs = BTreeMap::new();
    for name in PHOTOGRAPHS {
        let path = cache.join("photographs").join(format!("{name}.jpg"));
        if !path.exists() {
            eprintln!("skipped, no {}", path.display());
            return None;
        }
        photographs.insert(name, std::fs::read(path).unwrap());
    }
    Some(Scene { engine, photographs })
}

impl Scene {
    /// The file as it was fetched.
    fn file(&self, name: &str) -> Vec<u8> {
        self.photographs[name].clone()
    }

    fn picture(&self, name: &str) -> RgbImage {
        image::load_from_memory(&self.photographs[name]).unwrap().to_rgb8()
    }

    fn run(&mut self, stage: &dyn Stage, images: Images) -> Outcome {
        stage.run(&StageInput { images, ..StageInput::default() }, &mut self.engine)
    }

    fn completed(&mut self, stage: &dyn Stage, images: Images) -> StageResult {
        match self.run(stage, images) {
            Outcome::Completed(completed) => completed.result,
            other => panic!("{other:?}"),
        }
    }

    fn compare(&mut self, document: Vec<u8>, selfie: Vec<u8>) -> FaceMatchResult {
        match self.completed(&FaceMatch, pair(document, selfie)) {
            StageResult::FaceMatch(result) => result,
            other => panic!("{other:?}"),
        }
    }

    /// Fails where the faces were not compared: nothing but a comparison may look like a match.
    fn similarity(&mut self, document: Vec<u8>, selfie: Vec<u8>) -> f32 {
        let result = self.compare(document, selfie);
        match result.outcome {
            FaceMatchOutcome::Compared { similarity, .. } => similarity,
            _ => panic!("not compared: {result:?}"),
        }
    }

    fn liveness(&mut self, selfie: Vec<u8>) -> LivenessResult {
        match self.completed(&Liveness, alone(selfie)) {
            StageResult::Liveness(result) => result,
            other => panic!("{other:?}"),
        }
    }

    /// Why liveness has no answer; fails where it has one.
    fn inconclusive(&mut self, selfie: Vec<u8>) -> String {
        let result = self.liveness(selfie);
        match result.outcome {
            LivenessOutcome::Inconclusive { why } => why,
            _ => panic!("not inconclusive: {result:?}"),
        }
    }
}

fn source(encoded: Vec<u8>) -> Option<Arc<SourceImage>> {
    Some(Arc::new(SourceImage::new(encoded)))
}

fn pair(document: Vec<u8>, selfie: Vec<u8>) -> Images {
    Images { document_front: source(document), selfie: source(selfie), ..Images::default() }
}

fn alone(selfie: Vec<u8>) -> Images {
    Images { selfie: source(selfie), ..Images::default() }
}

fn png(picture: &RgbImage) -> Vec<u8> {
    let mut encoded = Vec::new();
    picture.write_to(&mut Cursor::new(&mut encoded), ImageFormat::Png).unwrap();
    encoded
}

fn scaled(picture: &RgbImage, factor: f32) -> RgbImage {
    let side = |length: u32| (length as f32 * factor).round() as u32;
    resize(picture, side(picture.width()), side(picture.height())).unwrap()
}

fn side_by_side(left: &RgbImage, right: &RgbImage) -> RgbImage {
    let (width, height) = (left.width() + right.width(), left.height().max(right.height()));
    let mut both = RgbImage::from_pixel(width, height, PAPER);
    imageops::replace(&mut both, left, 0, 0);
    imageops::replace(&mut both, right, i64::from(left.width()), 0);
    both
}

/// Nothing in them is a face.
fn pictures_of_nothing() -> [RgbImage; 3] {
    let stripes = |x: u32, y: u32| Rgb([(x / 7 % 2 * 200) as u8, (y / 5 % 2 * 180) as u8, 90]);
    [
        RgbImage::from_pixel(1280, 800, Rgb([240; 3])),
        RgbImage::from_pixel(1280, 800, Rgb([0; 3])),
        RgbImage::from_fn(1280, 800, stripes),
    ]
}

#[test]
fn photographs_of_one_person_match_and_those_of_two_do_not() {
    let Some(mut scene) = scene() else { return };
    for document in PHOTOGRAPHS {
        for selfie in PHOTOGRAPHS {
            if document == selfie {
                continue;
            }
            let result = scene.compare(scene.file(document), scene.file(selfie));
            let FaceMatchOutcome::Compared { similarity, cosine, confidence } = result.outcome else {
                panic!("{document} and {selfie} were not compared: {result:?}");
            };
            println!(
                "{document:<7} {selfie:<7} similarity {similarity:.3} cosine {cosine:+.3} {confidence:.2}"
            );
            let same = document != OTHER_PERSON && selfie != OTHER_PERSON;
            assert_eq!(similarity >= THRESHOLD, same, "{document} and {selfie}: {similarity}");
            assert_eq!(cosine >= OPERATING_COSINE, same, "{document} and {selfie}: {cosine}");
            assert!(confidence > 0.9, "{document} and {selfie}: sharp, large photographs, {confidence}");
        }
    }
}

/// What is remembered of a pair of pictures.
fn likeness(scene: &mut Scene, document: Vec<u8>, selfie: Vec<u8>) -> Likeness {
    let input = StageInput { images: pair(document, selfie), likeness: true, ..StageInput::default() };
    match FaceMatch.run(&input, &mut scene.engine) {
        Outcome::Completed(completed) => completed.likeness,
        other => panic!("{other:?}"),
    }
}

/// A card of one design, with this portrait on it.
fn card(portrait: &RgbImage) -> RgbImage {
    let mut card = RgbImage::from_fn(1600, 1010, |x, y| {
        if y % 90 < 14 && x > 620 && (x / 40 + y / 90) % 5 != 0 { Rgb([40, 40, 60]) } else { PAPER }
    });
    imageops::replace(&mut card, &resize(portrait, 420, 520).unwrap(), 90, 240);
    card
}

#[test]
fn a_picture_is_known_again_and_another_card_of_the_design_is_not() {
    let Some(mut scene) = scene() else { return };
    let limit = Policy::default().rules.duplicate.same_image_bits;
    let one = scene.picture("obama");
    let jpeg = |picture: &RgbImage, quality| {
        let mut bytes = Vec::new();
        picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, quality)).unwrap();
        bytes
    };
    let first = likeness(&mut scene, jpeg(&card(&one), 92), jpeg(&one, 92));
    let (front, selfie) = (first.front.unwrap(), first.selfie.unwrap());
    let copies = [
        (jpeg(&card(&one), 50), jpeg(&one, 40)),
        (jpeg(&scaled(&card(&one), 0.6), 70), jpeg(&scaled(&one, 0.5), 70)),
        (
            jpeg(&imageops::colorops::brighten(&card(&one), 20), 80),
            jpeg(&imageops::colorops::brighten(&one, 20), 80),
        ),
    ];
    for (document, person) in copies {
        let copy = likeness(&mut scene, document, person);
        let (of_front, of_selfie) = (
            front.within(&copy.front.unwrap(), 256).unwrap(),
            selfie.within(&copy.selfie.unwrap(), 256).unwrap(),
        );
        println!("a copy: front {of_front} bits, selfie {of_selfie}");
        assert!(of_front <= limit && of_selfie <= limit, "{of_front} {of_selfie}");
    }
    for photograph in ["obama2", "obama3", OTHER_PERSON] {
        let photograph = scene.picture(photograph);
        let another = likeness(&mut scene, jpeg(&card(&photograph), 92), jpeg(&photograph, 92));
        let whole = front.whole.within(&another.front.unwrap().whole, 256).unwrap();
        let (of_front, of_selfie) = (
            front.within(&another.front.unwrap(), 256).unwrap(),
            selfie.within(&another.selfie.unwrap(), 256).unwrap(),
        );
        println!("another: whole card {whole} bits, with its portrait {of_front}, selfie {of_selfie}");
        assert!(of_front > limit && of_selfie > limit, "{of_front} {of_selfie}");
    }
    assert!(first.face.is_some());
}

#[test]
fn a_picture_without_a_face_is_never_a_match_and_never_live() {
    let Some(mut scene) = scene() else { return };
    for nothing in pictures_of_nothing().map(|picture| png(&picture)) {
        let without_document = FaceMatchOutcome::NoFace { image: ImageRole::DocumentFront };
        let result = scene.compare(nothing.clone(), scene.file("obama"));
        assert_eq!(result.outcome, without_document);
        let roles: Vec<ImageRole> = result.faces.iter().map(|face| face.image).collect();
        assert_eq!(roles, [ImageRole::Selfie], "the face that is there is told");
        let result = scene.compare(scene.file("obama"), nothing.clone());
        assert_eq!(result.outcome, FaceMatchOutcome::NoFace { image: ImageRole::Selfie });
        // The same picture twice is as like as can be, and still nobody's.
        assert_eq!(scene.compare(nothing.clone(), nothing.clone()).outcome, without_document);

        let result = scene.liveness(nothing);
        assert_eq!((result.outcome, result.face), (LivenessOutcome::NoFace, None));
    }
}

#[test]
fn two_people_on_a_selfie_are_several_faces_whoever_stands_on_the_document() {
    let Some(mut scene) = scene() else { return };
    let other = scene.picture(OTHER_PERSON);
    for (document, companion) in [("obama3", "obama"), ("obama", "obama2"), ("obama2", "obama3")] {
        let together = png(&side_by_side(&scene.picture(companion), &other));
        for document in [document, OTHER_PERSON] {
            let result = scene.compare(scene.file(document), together.clone());
            let several = FaceMatchOutcome::SeveralFaces { image: ImageRole::Selfie, count: 2 };
            assert_eq!(result.outcome, several, "{document} against {companion} and {OTHER_PERSON}");
        }
        assert_eq!(scene.liveness(together).outcome, LivenessOutcome::SeveralFaces { count: 2 });
    }
}

#[test]
fn a_second_smaller_print_and_a_small_bystander_do_not_disturb() {
    let Some(mut scene) = scene() else { return };
    let portrait = scene.picture("obama");
    let with_second_print = png(&side_by_side(&portrait, &scaled(&portrait, 0.4)));
    let with_bystander = png(&side_by_side(&portrait, &scaled(&scene.picture(OTHER_PERSON), 0.25)));
    for name in ["obama2", "obama3"] {
        assert!(scene.similarity(with_second_print.clone(), scene.file(name)) >= THRESHOLD);
        assert!(scene.similarity(scene.file(name), with_bystander.clone()) >= THRESHOLD);
    }
    // The one in front counts, not the one who would match.
    assert!(scene.similarity(scene.file(OTHER_PERSON), with_bystander) < THRESHOLD);
}

#[test]
fn a_small_portrait_is_found_and_matched_whichever_way_the_document_lies() {
    let Some(mut scene) = scene() else { return };
    for (name, selfie) in [("obama", "obama2"), ("obama2", "obama3")] {
        for height_px in [400.0, 700.0] {
            let picture = scene.picture(name);
            let portrait = scaled(&picture, height_px / picture.height() as f32);
            let mut document = RgbImage::from_pixel(2400, 1600, PAPER);
            imageops::replace(&mut document, &portrait, 160, 500);
            let turned = [
                (90, imageops::rotate90(&document)),
                (180, imageops::rotate180(&document)),
                (270, imageops::rotate270(&document)),
                (0, document),
            ];
            for (degrees, document) in turned {
                let document = png(&document);
                let same = scene.similarity(document.clone(), scene.file(selfie));
                let other = scene.similarity(document, scene.file(OTHER_PERSON));
                println!("{name} {height_px} px, turned by {degrees}: {same:.3}, other person {other:.3}");
                assert!(same >= THRESHOLD, "{name} {height_px} px, turned by {degrees}: {same}");
                assert!(other < THRESHOLD, "{name} {height_px} px, turned by {degrees}: {other}");
            }
        }
    }
}

#[test]
fn a_truncated_or_missing_picture_is_refused_and_named() {
    let Some(mut scene) = scene() else { return };
    let whole = scene.file("obama2");
    let refused = |outcome: Outcome| match outcome {
        Outcome::Refused { class, message } => (class, message),
        other => panic!("not refused: {other:?}"),
    };
    for kept in [whole.len() / 2, whole.len() * 9 / 10] {
        let cut = whole[..kept].to_vec();
        let (class, message) = refused(scene.run(&FaceMatch, pair(cut.clone(), whole.clone())));
        assert!(class == "decode_failed" && message.starts_with("document_front:"), "{class}: {message}");
        let (class, message) = refused(scene.run(&FaceMatch, pair(whole.clone(), cut.clone())));
        assert!(class == "decode_failed" && message.starts_with("selfie:"), "{class}: {message}");
        let (class, message) = refused(scene.run(&Liveness, alone(cut)));
        assert!(class == "decode_failed" && message.starts_with("selfie:"), "{class}: {message}");
    }
    let (class, message) = refused(scene.run(&FaceMatch, alone(whole)));
    assert!(class == "missing_image" && message.contains("document_front"), "{class}: {message}");
    let (class, message) = refused(scene.run(&Liveness, Images::default()));
    assert!(class == "missing_image" && message.contains("selfie"), "{class}: {message}");
}

#[test]
fn good_photographs_are_judged_and_not_called_spoofs() {
    let Some(mut scene) = scene() else { return };
    for name in PHOTOGRAPHS {
        let result = scene.liveness(scene.file(name));
        let LivenessOutcome::Judged { spoof_probability, spoof_type } = &result.outcome else {
            panic!("{name}: {result:?}");
        };
        println!("{name:<7} spoof probability {spoof_probability:.3}, quality {:.2}", result.quality_score);
        assert!(*spoof_probability < 0.5 && spoof_type.is_none(), "{name}: {result:?}");
        assert!(result.quality_score > 0.9 && result.issues.is_empty(), "{name}: {result:?}");
        assert_eq!(result.face.unwrap().image, ImageRole::Selfie);
    }
}

#[test]
fn a_selfie_that_cannot_carry_a_judgement_is_inconclusive_and_says_why() {
    let Some(mut scene) = scene() else { return };
    for name in PHOTOGRAPHS {
        let picture = scene.picture(name);
        let tiny = png(&scaled(&picture, 0.3));
        assert_eq!(scene.inconclusive(tiny), "the face is too small", "{name}");

        let mut dark = picture.clone();
        dark.iter_mut().for_each(|value| *value = (f32::from(*value) * 0.12) as u8);
        assert_eq!(scene.inconclusive(png(&dark)), "the face is too dark or too bright", "{name}");

        let coarse = scaled(&picture, 1.0 / 16.0);
        let blurred = resize(&coarse, picture.width(), picture.height()).unwrap();
        assert_eq!(scene.inconclusive(png(&blurred)), "the face is not in focus", "{name}");

        let mut squeezed = Vec::new();
        JpegEncoder::new_with_quality(&mut squeezed, 40).encode_image(&picture).unwrap();
        assert_eq!(scene.inconclusive(squeezed), "the image was compressed too strongly", "{name}");
    }
}

#[test]
fn the_portrait_of_the_same_person_matches_at_every_size_that_is_compared_with_confidence() {
    let Some(mut scene) = scene() else { return };
    let picture = scene.picture("obama3");
    for height_px in (420..=800).step_by(20) {
        let portrait = scaled(&picture, height_px as f32 / picture.height() as f32);
        let mut document = RgbImage::from_pixel(2400, 1600, PAPER);
        imageops::replace(&mut document, &portrait, 160, 500);
        let result = scene.compare(png(&document), scene.file("obama"));
        let FaceMatchOutcome::Compared { similarity, confidence, .. } = result.outcome else {
            panic!("{height_px} px: {result:?}");
        };
        println!("{height_px} px: similarity {similarity:.3}, confidence {confidence:.2}");
        // Below 0.30 the default policy calls the check inconclusive.
        assert!(similarity >= THRESHOLD || confidence < 0.30, "{height_px} px: {result:?}");
    }
}

#[test]
fn a_genuine_selfie_out_of_focus_is_not_called_a_spoof() {
    let Some(mut scene) = scene() else { return };
    for name in PHOTOGRAPHS {
        let picture = scene.picture(name);
        for divisor in [4.0, 6.0, 8.0, 10.0] {
            let coarse = scaled(&picture, 1.0 / divisor);
            let blurred = resize(&coarse, picture.width(), picture.height()).unwrap();
            let result = scene.liveness(png(&blurred));
            // From 0.80 on the default policy fails the check.
            let spoof = matches!(result.outcome, LivenessOutcome::Judged { spoof_probability, .. } if spoof_probability >= 0.80);
            assert!(!spoof, "{name}, blurred by {divisor}: {result:?}");
        }
    }
}

#[test]
fn a_png_has_no_jpeg_quality_whatever_its_bytes() {
    // Compressed pixels hold every byte pattern sooner or later: here a table, a frame, the end.
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.extend([0xFF, 0xDB, 0x00, 0x43, 0x00]);
    bytes.extend([0xFE; 64]);
    bytes.extend([0xFF, 0xC0, 0x00, 0x0B, 8, 0, 16, 0, 16, 1, 1, 0x11, 0]);
    bytes.extend([0xFF, 0xD9]);
    assert_eq!(SourceImage::new(bytes).jpeg_quality(), None);
}
