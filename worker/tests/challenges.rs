//! Active liveness with its models, on real frames: stills of one recording (open and closed eyes), photographs of
//! one person at different yaw. Skips, and says so, where models or photographs were not fetched. Every figure is
//! printed; MODELS.md says what more images gave.

#![expect(clippy::unwrap_used, reason = "a test ends where its scene cannot be built")]

use image::{ImageFormat, Rgb, RgbImage, imageops};
use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;
use txid_imaging::SourceImage;
use txid_shared::api::{ActiveLiveness, LivenessCheck};
use txid_shared::partial::{FrameReading, LivenessOutcome, LivenessResult, Partial, StageResult};
use txid_shared::policy::{Policy, Question, Thresholds, decide};
use txid_shared::words::{Challenge, ChallengeStatus, Check, CheckStatus, ReasonCode, Stage as StageName};
use txid_worker::inference::manifest::{Manifest, default_cache_folder};
use txid_worker::inference::{Engine, ModelError, ModelFiles};
use txid_worker::stages::liveness::Liveness;
use txid_worker::stages::{Images, Outcome, Stage, StageInput};

/// Frames of one recording in the order they were taken; on the fourth the eyes are closed.
const BLINK: [&str; 5] = [
    "talking-face-01829",
    "talking-face-02045",
    "talking-face-02683",
    "talking-face-02888",
    "talking-face-04035",
];
/// The same person looking down, as if at a keyboard.
const LOOKING_DOWN: &str = "talking-face-03979";

struct Scene {
    engine: Engine,
}

fn scene() -> Option<Scene> {
    let cache = default_cache_folder();
    for name in BLINK.iter().chain(&[LOOKING_DOWN, "obama", "obama2", "biden"]) {
        let path = cache.join("photographs").join(format!("{name}.jpg"));
        if !path.exists() {
            eprintln!("skipped, no {}", path.display());
            return None;
        }
    }
    match ModelFiles::load(&Manifest::built_in().unwrap(), &cache, &[StageName::Liveness]) {
        Ok(files) => Some(Scene { engine: files.engine().unwrap() }),
        Err(error @ ModelError::Missing { .. }) => {
            eprintln!("skipped, no models: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(default_cache_folder().join("photographs").join(format!("{name}.jpg"))).unwrap()
}

fn picture(name: &str) -> RgbImage {
    image::load_from_memory(&file(name)).unwrap().to_rgb8()
}

fn png(picture: &RgbImage) -> Vec<u8> {
    let mut encoded = Vec::new();
    picture.write_to(&mut Cursor::new(&mut encoded), ImageFormat::Png).unwrap();
    encoded
}

fn source(encoded: Vec<u8>) -> Arc<SourceImage> {
    Arc::new(SourceImage::new(encoded))
}

/// As a mirror shows it.
fn mirrored(name: &str) -> Vec<u8> {
    png(&imageops::flip_horizontal(&picture(name)))
}

impl Scene {
    fn measured(&mut self, selfie: Option<Vec<u8>>, frames: Vec<Vec<u8>>) -> LivenessResult {
        let frames = frames.into_iter().map(source).collect();
        let images = Images { selfie: selfie.map(source), frames, ..Images::default() };
        let input = StageInput { images, ..StageInput::default() };
        match Liveness.run(&input, &mut self.engine) {
            Outcome::Completed(completed) => match completed.result {
                StageResult::Liveness(live) => live,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    /// What the default policy makes of it.
    fn check(&mut self, frames: Vec<Vec<u8>>, challenges: &[Challenge]) -> LivenessCheck {
        let live = self.measured(None, frames);
        let partial = Partial::of(StageResult::Liveness(live));
        let question = Question {
            checks: &[Check::Liveness],
            thresholds: &Thresholds::default(),
            expected: &BTreeMap::new(),
            challenges,
            declared: None,
            repeated: None,
            looked: None,
            today: jiff::civil::date(2026, 11, 25),
        };
        let partials = BTreeMap::from([(StageName::Liveness, partial)]);
        decide(&question, &partials, &Policy::default()).verdict.checks.liveness.unwrap()
    }

    fn active(&mut self, frames: Vec<Vec<u8>>, challenges: &[Challenge]) -> ActiveLiveness {
        let active = self.check(frames, challenges).active.unwrap();
        for frame in &active.frames {
            println!("{frame:?}");
        }
        for challenge in &active.challenges {
            println!("{challenge:?}");
        }
        active
    }
}

fn files(names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| file(name)).collect()
}

#[test]
fn a_blink_in_a_recording_is_seen_and_open_eyes_are_none() {
    let Some(mut scene) = scene() else { return };
    let active = scene.active(files(&BLINK), &[Challenge::Blink]);
    let blink = &active.challenges[0];
    assert_eq!((blink.status, &blink.frames), (ChallengeStatus::Passed, &vec![2, 3, 4]), "{blink:?}");
    assert!(blink.measured.is_some_and(|ratio| ratio < 0.70), "{blink:?}");
    assert_eq!(active.same_face.status, ChallengeStatus::Passed, "{:?}", active.same_face);
    assert_eq!(active.status, ChallengeStatus::Passed);

    let open: Vec<&str> = BLINK.into_iter().filter(|name| *name != "talking-face-02888").collect();
    let active = scene.active(files(&open), &[Challenge::Blink]);
    assert_eq!(active.challenges[0].status, ChallengeStatus::Failed);
    // Before the eyes open again nobody knows whether they do.
    let active = scene.active(files(&BLINK[..4]), &[Challenge::Blink]);
    assert_eq!(active.challenges[0].status, ChallengeStatus::Inconclusive);
}

#[test]
fn eyes_that_look_down_are_no_blink() {
    let Some(mut scene) = scene() else { return };
    let [first, second, third, _, last] = BLINK;
    let active = scene.active(files(&[first, second, third, LOOKING_DOWN, last]), &[Challenge::Blink]);
    assert_eq!(active.challenges[0].status, ChallengeStatus::Inconclusive);
}

#[test]
fn a_turn_is_measured_in_degrees_to_the_persons_own_left_and_right() {
    let Some(mut scene) = scene() else { return };
    let turns = [Challenge::TurnLeft, Challenge::TurnRight];
    // He faces the camera on the one and looks to his right, our left, on the other.
    let statuses = |active: &ActiveLiveness| -> Vec<ChallengeStatus> {
        active.challenges.iter().map(|challenge| challenge.status).collect()
    };
    let right = scene.active(files(&["obama", "obama2"]), &turns);
    assert_eq!(statuses(&right), [ChallengeStatus::Failed, ChallengeStatus::Passed]);
    assert!((15.0..20.0).contains(&right.challenges[1].measured.unwrap()), "{right:?}");
    assert_eq!(right.same_face.status, ChallengeStatus::Passed);

    let left = scene.active(vec![mirrored("obama"), mirrored("obama2")], &turns);
    assert_eq!(statuses(&left), [ChallengeStatus::Passed, ChallengeStatus::Failed]);
    assert!(left.challenges[1].message.contains("mirrored"), "{left:?}");

    // Heads move while people talk.
    let talking = scene.active(files(&["talking-face-01829", "talking-face-02683"]), &turns);
    assert_eq!(statuses(&talking), [ChallengeStatus::Inconclusive, ChallengeStatus::Failed]);
}

/// A flat picture turned about its vertical (`turn`) or horizontal axis, as a camera at 2.5 times its width sees it.
fn held(print: &RgbImage, degrees: f32, about_vertical: bool) -> Vec<u8> {
    let (width, height) = (print.width() as f32, print.height() as f32);
    let (sin, cos) = degrees.to_radians().sin_cos();
    let distance = 2.5 * width;
    let seen = RgbImage::from_fn(print.width(), print.height(), |x, y| {
        // From the pixel along its ray to the plane of the print.
        let (u, v) = (x as f32 - width / 2.0, y as f32 - height / 2.0);
        let (along, across) = if about_vertical { (u, v) } else { (v, u) };
        let scale = distance / (distance * cos - along * sin);
        let (along, across) = (along * scale, across * scale * cos);
        let (u, v) = if about_vertical { (along, across) } else { (across, along) };
        let (px, py) = (u + width / 2.0, v + height / 2.0);
        if px < 0.0 || py < 0.0 || px >= width || py >= height {
            return Rgb([225, 228, 220]);
        }
        imageops::interpolate_bilinear(print, px.min(width - 1.0), py.min(height - 1.0))
            .unwrap_or(Rgb([225, 228, 220]))
    });
    png(&seen)
}

#[test]
fn a_flat_print_meets_no_challenge_however_it_is_turned_and_tilted() {
    let Some(mut scene) = scene() else { return };
    for name in ["obama", "biden"] {
        let print = picture(name);
        let shown = |degrees: &[f32], about_vertical| -> Vec<Vec<u8>> {
            degrees.iter().map(|degrees| held(&print, *degrees, about_vertical)).collect()
        };
        let turns = [Challenge::TurnLeft, Challenge::TurnRight];
        let turned = scene.active(shown(&[-45.0, -30.0, 0.0, 30.0, 45.0], true), &turns);
        let statuses: Vec<ChallengeStatus> = turned.challenges.iter().map(|outcome| outcome.status).collect();
        assert!(!statuses.contains(&ChallengeStatus::Passed), "{name}: {turned:?}");
        for peak in [30.0, 40.0, 50.0, -30.0, -40.0, -50.0] {
            let tilted = scene.active(shown(&[0.0, 3.0, peak, 2.0, 1.0], false), &[Challenge::Blink]);
            assert_ne!(tilted.challenges[0].status, ChallengeStatus::Passed, "{name} {peak}: {tilted:?}");
        }
    }
}

#[test]
fn another_person_nobody_and_two_people_on_a_frame_are_told() {
    let Some(mut scene) = scene() else { return };
    let with = |place: usize, frame: Vec<u8>| {
        let mut frames = files(&BLINK);
        frames[place] = frame;
        frames
    };
    let check = scene.check(with(1, file("biden")), &[Challenge::Blink]);
    assert_eq!((check.outcome.status, check.signals.is_live), (CheckStatus::Failed, Some(false)));
    assert!(check.outcome.reasons.iter().any(|reason| reason.code == ReasonCode::FaceMismatch));

    let nobody = png(&RgbImage::from_pixel(720, 576, Rgb([90, 120, 160])));
    let (one, two) = (picture(BLINK[0]), picture("biden"));
    let mut both =
        RgbImage::from_pixel(one.width() + two.width(), one.height().max(two.height()), Rgb([200; 3]));
    imageops::replace(&mut both, &one, 0, 0);
    imageops::replace(&mut both, &two, i64::from(one.width()), 0);
    for (frame, code, faces) in
        [(nobody, ReasonCode::FaceNotDetected, 0), (png(&both), ReasonCode::MultipleFaces, 2)]
    {
        let check = scene.check(with(1, frame), &[Challenge::Blink]);
        assert_ne!(check.outcome.status, CheckStatus::Passed);
        assert_ne!(check.signals.is_live, Some(true));
        let told = check.outcome.reasons.iter().find(|reason| reason.code == code);
        assert!(told.is_some_and(|reason| reason.message.contains("[1]")), "{:?}", check.outcome.reasons);
        let active = check.active.unwrap();
        assert_eq!(active.frames[1].faces, faces);
        assert_ne!(active.status, ChallengeStatus::Passed);
    }
}

#[test]
fn the_image_beside_the_frames_is_judged_else_the_best_frame() {
    let Some(mut scene) = scene() else { return };
    let judged = |live: &LivenessResult| matches!(live.outcome, LivenessOutcome::Judged { .. });
    let turned_away = files(&["obama2", "obama"]);
    let best = scene.measured(None, turned_away.clone());
    assert_eq!((best.judged_frame, judged(&best)), (Some(1), true), "{best:?}");
    let beside = scene.measured(Some(file("obama3")), turned_away);
    assert_eq!((beside.judged_frame, beside.frames.len(), judged(&beside)), (None, 2, true), "{beside:?}");
    let similar = |reading: &FrameReading| reading.face.is_some_and(|face| face.similarity > 0.9);
    assert!(beside.frames.iter().all(similar), "{beside:?}");

    let nothing = || png(&RgbImage::from_pixel(640, 480, Rgb([128; 3])));
    let empty = scene.measured(None, vec![nothing(), nothing()]);
    assert_eq!((empty.outcome, empty.frames.len()), (LivenessOutcome::NoFace, 2));
}
