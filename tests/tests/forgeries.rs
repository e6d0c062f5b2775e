//! The fraud signals on generated forgeries: each is found, where it is, and a genuine document is
//! not. What the numbers are on more images: MODELS.md and `measure_specimens`.
#![expect(clippy::unwrap_used, reason = "in the functions that tests share, too, a failure is a failed test")]

use std::sync::Arc;
use txid_imaging::SourceImage;
use txid_shared::partial::{FraudKind, FraudSignal, StageResult};
use txid_specimens::{Assets, Attack, Capture, Design, Generator, Role, Submission};
use txid_worker::inference::Engine;
use txid_worker::stages::fraud::Fraud;
use txid_worker::stages::{Images, Outcome, Stage, StageInput};

fn made(attack: Attack, seed: u64) -> Submission {
    let generator = Generator::new(Assets::load(&Assets::default_cache()).unwrap());
    let design = Design::named("mar_national_id_2020").unwrap();
    let person = generator.person(&design.issuer, seed).unwrap();
    generator.submission(&person, &design, Capture::PHOTO, attack, seed).unwrap()
}

fn signals(submission: &Submission) -> Vec<FraudSignal> {
    let source = |bytes: &Vec<u8>| Arc::new(SourceImage::new(bytes.clone()));
    let images = Images {
        document_front: Some(source(&submission.front)),
        document_back: submission.back.as_ref().map(source),
        ..Images::default()
    };
    let input = StageInput { images, ..StageInput::default() };
    match Fraud.run(&input, &mut Engine::empty()) {
        Outcome::Completed(completed) => match completed.result {
            StageResult::Fraud(fraud) => fraud.signals,
            other => panic!("{other:?}"),
        },
        Outcome::Retry { class, message } | Outcome::Refused { class, message } => {
            panic!("{class}: {message}")
        }
    }
}

/// The highest score of a kind over the sides.
fn highest(signals: &[FraudSignal], kind: FraudKind) -> f32 {
    signals.iter().filter(|signal| signal.kind == kind).map(|signal| signal.score).fold(0.0, f32::max)
}

const KINDS: [FraudKind; 3] = [FraudKind::LocalEdit, FraudKind::ScreenMoire, FraudKind::GreyCopy];

/// The one kind stands out, the others keep below the policy's suspicion.
fn assert_only(signals: &[FraudSignal], expected: Option<FraudKind>) {
    for kind in KINDS {
        let score = highest(signals, kind);
        if Some(kind) == expected {
            assert!(score >= 0.8, "{kind:?} {score}");
        } else {
            assert!(score < 0.5, "{kind:?} {score}");
        }
    }
}

#[test]
fn a_genuine_card_raises_no_suspicion() {
    for seed in [41, 42] {
        assert_only(&signals(&made(Attack::None, seed)), None);
    }
}

#[test]
fn a_retyped_date_is_found_where_it_is() {
    let submission = made(Attack::EditedDate, 43);
    let signals = signals(&submission);
    assert_only(&signals, Some(FraudKind::LocalEdit));
    let found = signals
        .iter()
        .filter(|signal| signal.kind == FraudKind::LocalEdit && signal.image.as_str() == "document_front")
        .find_map(|signal| signal.evidence.as_ref())
        .unwrap();
    assert!(found.crop_jpeg.as_ref().is_some_and(|crop| crop.starts_with(&[0xff, 0xd8])));
    let forgery = submission.truth.forgeries.iter().find(|f| f.image == Role::DocumentFront).unwrap();
    let middle = |polygon: &[[f32; 2]; 4]| {
        [0, 1].map(|axis| polygon.iter().map(|corner| corner[axis]).sum::<f32>() / 4.0)
    };
    let truth = middle(&forgery.polygon.unwrap());
    let (low, high) = (found.polygon[0], found.polygon[2]);
    assert!(
        (low[0]..=high[0]).contains(&truth[0]) && (low[1]..=high[1]).contains(&truth[1]),
        "{truth:?} outside {:?}",
        found.polygon
    );
}

#[test]
fn a_display_photographed_is_found() {
    for seed in [44, 45] {
        assert_only(&signals(&made(Attack::ScreenRecapture, seed)), Some(FraudKind::ScreenMoire));
    }
}

#[test]
fn a_photocopy_is_found() {
    assert_only(&signals(&made(Attack::GreyCopy, 46)), Some(FraudKind::GreyCopy));
}
