use super::*;
use crate::partial::LivenessOutcome;
use crate::policy::{Policy, Question, Thresholds, decide};
use crate::words::{Check, CheckStatus, ReasonCode, Severity, Stage};
use std::collections::BTreeMap;

/// A face that looks into the camera.
const OPEN: FrameFace = FrameFace {
    eye_aspect_ratio: 0.30,
    yaw_degrees: 2.0,
    pitch_degrees: -4.0,
    nose_length: 0.59,
    eye_distance_px: 110.0,
    similarity: 0.99,
    quality_score: 0.9,
};
const CLOSED: FrameFace = FrameFace { eye_aspect_ratio: 0.19, ..OPEN };
const NARROW: FrameFace = FrameFace { eye_aspect_ratio: 0.235, ..OPEN };

fn live(frames: &[FrameReading]) -> LivenessResult {
    LivenessResult {
        outcome: LivenessOutcome::Judged { spoof_probability: 0.02, spoof_type: None },
        quality_score: 0.9,
        face: None,
        issues: Vec::new(),
        frames: frames.to_vec(),
        judged_frame: Some(0),
    }
}

fn alone(faces: &[FrameFace]) -> Vec<FrameReading> {
    faces.iter().map(|face| FrameReading { faces: 1, face: Some(*face) }).collect()
}

fn judged(frames: &[FrameReading], challenges: &[Challenge]) -> ActiveLiveness {
    judge(&live(frames), challenges, &Policy::default().rules.liveness.active)
}

fn blink(faces: &[FrameFace]) -> (ChallengeStatus, Vec<usize>) {
    let [outcome] = judged(&alone(faces), &[Challenge::Blink]).challenges.try_into().unwrap();
    (outcome.status, outcome.frames)
}

fn turned(yaws: &[f32], challenge: Challenge) -> (ChallengeStatus, Option<f32>) {
    let faces: Vec<FrameFace> = yaws.iter().map(|yaw| FrameFace { yaw_degrees: *yaw, ..OPEN }).collect();
    let [outcome] = judged(&alone(&faces), &[challenge]).challenges.try_into().unwrap();
    (outcome.status, outcome.measured)
}

#[test]
fn a_blink_is_open_closed_and_open_again() {
    assert_eq!(blink(&[OPEN, OPEN, CLOSED, OPEN]), (ChallengeStatus::Passed, vec![1, 2, 3]));
    assert_eq!(blink(&[OPEN, NARROW, CLOSED, NARROW, OPEN]).0, ChallengeStatus::Passed);
    assert_eq!(blink(&[OPEN, OPEN, OPEN, OPEN]).0, ChallengeStatus::Failed);
    for unclear in [
        &[OPEN, OPEN, CLOSED][..],
        &[CLOSED, OPEN, OPEN],
        &[CLOSED, CLOSED, CLOSED],
        &[OPEN, NARROW, OPEN],
        &[OPEN, CLOSED],
    ] {
        assert_eq!(blink(unclear), (ChallengeStatus::Inconclusive, vec![]), "{unclear:?}");
    }
}

#[test]
fn a_tilted_head_or_print_is_no_blink() {
    let chin_up = FrameFace { pitch_degrees: 12.0, ..CLOSED };
    let print_tilted = FrameFace { nose_length: 0.46, ..CLOSED };
    for tilted in [chin_up, print_tilted] {
        assert_eq!(blink(&[OPEN, OPEN, tilted, OPEN]).0, ChallengeStatus::Inconclusive);
    }
}

#[test]
fn frames_that_cannot_be_measured_do_not_count() {
    let far = FrameFace { eye_distance_px: 20.0, ..CLOSED };
    let in_profile = FrameFace { yaw_degrees: 40.0, ..CLOSED };
    let somebody_else = FrameFace { similarity: 0.1, ..CLOSED };
    for face in [far, in_profile, somebody_else] {
        assert_eq!(blink(&[OPEN, OPEN, face, OPEN]).0, ChallengeStatus::Failed, "{face:?}");
        assert_eq!(blink(&[OPEN, face, OPEN]).0, ChallengeStatus::Inconclusive, "{face:?}");
    }
    let sleepy = FrameFace { eye_aspect_ratio: 0.17, ..OPEN };
    assert_eq!(blink(&[sleepy, CLOSED, sleepy, sleepy]).0, ChallengeStatus::Inconclusive);
}

#[test]
fn left_is_the_persons_own_and_a_turn_counts_from_the_frame_that_faces_the_camera() {
    let (status, measured) = turned(&[1.0, 9.0, 24.0], Challenge::TurnLeft);
    assert_eq!((status, measured), (ChallengeStatus::Passed, Some(23.0)));
    assert_eq!(turned(&[24.0, 1.0], Challenge::TurnLeft).0, ChallengeStatus::Passed, "whichever comes first");
    assert_eq!(turned(&[1.0, 24.0], Challenge::TurnRight), (ChallengeStatus::Failed, Some(-23.0)));
    assert_eq!(turned(&[1.0, -24.0], Challenge::TurnRight).0, ChallengeStatus::Passed);
    assert_eq!(turned(&[1.0, 13.0], Challenge::TurnLeft).0, ChallengeStatus::Inconclusive);
    assert_eq!(turned(&[1.0, 4.0], Challenge::TurnLeft).0, ChallengeStatus::Failed);
    // Nobody faced the camera, so nobody knows from where.
    assert_eq!(turned(&[14.0, 40.0], Challenge::TurnLeft), (ChallengeStatus::Inconclusive, None));
}

#[test]
fn without_frames_nothing_is_passed() {
    for challenge in Challenge::ALL {
        let active = judged(&[], &[*challenge]);
        assert_eq!(active.status, ChallengeStatus::Inconclusive);
        assert_eq!(active.challenges[0].status, ChallengeStatus::Inconclusive);
    }
}

fn decided(live: LivenessResult) -> (CheckStatus, Option<bool>, Vec<(ReasonCode, Severity)>) {
    let partial = crate::partial::Partial::of(crate::partial::StageResult::Liveness(live));
    let question = Question {
        checks: &[Check::Liveness],
        thresholds: &Thresholds::default(),
        expected: &BTreeMap::new(),
        challenges: &[Challenge::Blink],
        declared: None,
        repeated: None,
        looked: None,
        today: jiff::civil::date(2026, 11, 25),
    };
    let verdict =
        decide(&question, &BTreeMap::from([(Stage::Liveness, partial)]), &Policy::default()).verdict;
    let check = verdict.checks.liveness.unwrap();
    let reasons = check.outcome.reasons.iter().map(|reason| (reason.code, reason.severity)).collect();
    (check.outcome.status, check.signals.is_live, reasons)
}

#[test]
fn is_live_needs_the_picture_and_the_challenges() {
    let blinks = alone(&[OPEN, CLOSED, OPEN, OPEN]);
    assert_eq!(decided(live(&blinks)), (CheckStatus::Passed, Some(true), vec![]));

    let stares = live(&alone(&[OPEN, OPEN, OPEN]));
    let unmet = vec![(ReasonCode::LivenessFailed, Severity::Critical)];
    assert_eq!(decided(stares), (CheckStatus::Failed, Some(false), unmet));

    let attack = LivenessOutcome::Judged { spoof_probability: 0.97, spoof_type: None };
    let (status, is_live, _) = decided(LivenessResult { outcome: attack, ..live(&blinks) });
    assert_eq!((status, is_live), (CheckStatus::Failed, Some(false)), "a print that blinks is a print");

    let unclear = LivenessOutcome::Inconclusive { why: "the face is too small".to_owned() };
    let (status, is_live, _) = decided(LivenessResult { outcome: unclear, ..live(&blinks) });
    assert_eq!((status, is_live), (CheckStatus::Inconclusive, None), "a challenge does not prove life");
}

#[test]
fn every_frame_has_to_show_one_and_the_same_face() {
    let with = |reading: FrameReading| {
        let mut frames = alone(&[OPEN, CLOSED, OPEN, OPEN]);
        frames.push(reading);
        decided(live(&frames))
    };
    let warning = |code| vec![(code, Severity::Warning)];
    let nobody = with(FrameReading { faces: 0, face: None });
    assert_eq!(nobody, (CheckStatus::Inconclusive, None, warning(ReasonCode::FaceNotDetected)));
    let two = with(FrameReading { faces: 2, face: Some(OPEN) });
    assert_eq!(two, (CheckStatus::Inconclusive, None, warning(ReasonCode::MultipleFaces)));
    let similar = FrameFace { similarity: 0.7, ..OPEN };
    let unsure = with(FrameReading { faces: 1, face: Some(similar) });
    assert_eq!(unsure, (CheckStatus::Inconclusive, None, warning(ReasonCode::FaceMismatch)));
    let other = FrameFace { similarity: 0.2, ..OPEN };
    let swapped = with(FrameReading { faces: 1, face: Some(other) });
    let critical = vec![(ReasonCode::FaceMismatch, Severity::Critical)];
    assert_eq!(swapped, (CheckStatus::Failed, Some(false), critical));
}
