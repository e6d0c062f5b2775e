//! The `face_match` and `liveness` checks. A missing face is never a match, an unclear picture never live.

use super::reading::mean;
use super::verdict::{Findings, reason};
use super::{FaceMatchRules, LivenessRules, Thresholds, active};
use crate::api::{ActiveLiveness, CheckOutcome, FaceMatchCheck, LivenessCheck, LivenessSignals, Reason};
use crate::partial::{FaceMatchOutcome, FaceMatchResult, LivenessOutcome, LivenessResult, QualityIssue};
use crate::words::{Challenge, ChallengeStatus, Check, CheckStatus, ImageRole, ReasonCode, Severity};

pub(super) fn face_match(
    face: &FaceMatchResult,
    rules: &FaceMatchRules,
    thresholds: &Thresholds,
    findings: &mut Findings,
) -> FaceMatchCheck {
    let threshold = thresholds.face_match.unwrap_or(rules.similarity);
    let (status, similarity, confidence, reasons) = match &face.outcome {
        FaceMatchOutcome::Compared { similarity, confidence, .. }
            if *confidence < rules.minimum_confidence =>
        {
            let mut poor = reason(
                ReasonCode::ImageQualityTooLow,
                Severity::Warning,
                Check::FaceMatch,
                "the faces are too small or too blurred to be compared",
                "Your face could not be compared. Please take a sharper selfie and document picture.",
            );
            poor.score = Some(*confidence);
            poor.threshold = Some(rules.minimum_confidence);
            (CheckStatus::Inconclusive, Some(*similarity), Some(*confidence), vec![poor])
        }
        FaceMatchOutcome::Compared { similarity, confidence, .. } if *similarity < threshold => {
            let mut mismatch = reason(
                ReasonCode::FaceMismatch,
                Severity::Critical,
                Check::FaceMatch,
                "the selfie does not show the person on the document",
                "Your selfie does not match the photo on your document. Please take a new selfie.",
            );
            mismatch.score = Some(*similarity);
            mismatch.threshold = Some(threshold);
            findings.face_mismatch(1.0 - similarity / threshold.max(f32::EPSILON));
            (CheckStatus::Failed, Some(*similarity), Some(*confidence), vec![mismatch])
        }
        FaceMatchOutcome::Compared { similarity, cosine, confidence }
            if *cosine >= rules.same_photograph_cosine =>
        {
            let mut same = reason(
                ReasonCode::FraudDetected,
                Severity::Critical,
                Check::FaceMatch,
                "the selfie and the portrait on the document are the same photograph",
                "Please take a new selfie with your phone's camera.",
            );
            same.score = Some(*cosine);
            same.threshold = Some(rules.same_photograph_cosine);
            findings.document_fraud("same_photograph", 1.0, false);
            (CheckStatus::Inconclusive, Some(*similarity), Some(*confidence), vec![same])
        }
        FaceMatchOutcome::Compared { similarity, confidence, .. } => {
            (CheckStatus::Passed, Some(*similarity), Some(*confidence), Vec::new())
        }
        FaceMatchOutcome::NoFace { image } => {
            (CheckStatus::Failed, None, None, vec![no_face(Check::FaceMatch, *image)])
        }
        FaceMatchOutcome::SeveralFaces { image, count } => {
            (CheckStatus::Failed, None, None, vec![several_faces(Check::FaceMatch, *image, *count)])
        }
    };
    FaceMatchCheck {
        outcome: CheckOutcome { check: Check::FaceMatch, status, confidence, reasons },
        similarity,
        threshold,
    }
}

pub(super) fn liveness(
    live: &LivenessResult,
    rules: &LivenessRules,
    thresholds: &Thresholds,
    challenges: &[Challenge],
    findings: &mut Findings,
) -> LivenessCheck {
    let passive = passive(live, rules, thresholds, findings);
    if challenges.is_empty() {
        return passive;
    }
    let active = active::judge(live, challenges, &rules.active);
    with_active(passive, active, findings)
}

/// Both have to pass; what only one says for sure is not outweighed by the other's doubt.
fn with_active(passive: LivenessCheck, active: ActiveLiveness, findings: &mut Findings) -> LivenessCheck {
    let LivenessCheck { mut outcome, mut signals, .. } = passive;
    let is_live = signals.is_live;
    match active.status {
        ChallengeStatus::Passed => {}
        ChallengeStatus::Failed => {
            outcome.status = CheckStatus::Failed;
            signals.is_live = Some(false);
            findings.liveness_failed(1.0);
        }
        ChallengeStatus::Inconclusive => {
            if outcome.status == CheckStatus::Passed {
                outcome.status = CheckStatus::Inconclusive;
            }
            signals.is_live = is_live.filter(|live| !live);
        }
    }
    if is_live == Some(true) && active.status != ChallengeStatus::Passed {
        // It was sure of the opposite.
        outcome.confidence = None;
    }
    outcome.reasons.extend(reasons_of(&active));
    LivenessCheck { outcome, signals, active: Some(active) }
}

fn reasons_of(active: &ActiveLiveness) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let listed = |wanted: fn(usize) -> bool| -> Vec<usize> {
        active.frames.iter().filter(|frame| wanted(frame.faces)).map(|frame| frame.frame).collect()
    };
    let mut unusable = |code, frames: Vec<usize>, what: &str, user_message: &str| {
        if !frames.is_empty() {
            let message = format!("{what} on frames {frames:?}");
            reasons.push(reason(code, Severity::Warning, Check::Liveness, &message, user_message));
        }
    };
    unusable(
        ReasonCode::FaceNotDetected,
        listed(|faces| faces == 0),
        "no face was found",
        "Please keep your whole face in the picture.",
    );
    unusable(
        ReasonCode::MultipleFaces,
        listed(|faces| faces > 1),
        "several faces of comparable size were found",
        "More than one face is in the picture. Please be alone in it.",
    );
    if active.same_face.status != ChallengeStatus::Passed {
        let failed = active.same_face.status == ChallengeStatus::Failed;
        let (severity, message) = if failed {
            (Severity::Critical, "the frames show different faces")
        } else {
            (Severity::Warning, "it is unclear whether all frames show the same face")
        };
        let user_message = "Please stay in the picture alone until you are told that it is done.";
        let mut other = reason(ReasonCode::FaceMismatch, severity, Check::Liveness, message, user_message);
        other.score = active.same_face.similarity;
        other.threshold = Some(active.same_face.threshold);
        reasons.push(other);
    }
    for challenge in active.challenges.iter().filter(|outcome| outcome.status != ChallengeStatus::Passed) {
        let (code, severity) = match challenge.status {
            ChallengeStatus::Failed => (ReasonCode::LivenessFailed, Severity::Critical),
            _ => (ReasonCode::ImageQualityTooLow, Severity::Warning),
        };
        let message = format!("challenge `{}`: {}", challenge.challenge, challenge.message);
        let user_message = match challenge.challenge {
            Challenge::Blink => "Please look straight into the camera, hold still and blink once.",
            Challenge::TurnLeft => "Please look into the camera, then turn your head clearly to your left.",
            Challenge::TurnRight => "Please look into the camera, then turn your head clearly to your right.",
        };
        let mut unmet = reason(code, severity, Check::Liveness, &message, user_message);
        unmet.score = challenge.measured;
        unmet.threshold = Some(challenge.threshold);
        reasons.push(unmet);
    }
    reasons
}

fn passive(
    live: &LivenessResult,
    rules: &LivenessRules,
    thresholds: &Thresholds,
    findings: &mut Findings,
) -> LivenessCheck {
    let failed_from = thresholds.liveness.unwrap_or(rules.failed_from);
    let mut signals = LivenessSignals {
        is_live: None,
        spoof_type: None,
        quality_score: live.quality_score,
        spoof_probability: None,
    };
    let (status, confidence, reasons) = match &live.outcome {
        LivenessOutcome::Judged { spoof_probability, spoof_type } => {
            signals.spoof_probability = Some(*spoof_probability);
            signals.spoof_type.clone_from(spoof_type);
            if *spoof_probability >= failed_from {
                signals.is_live = Some(false);
                let mut spoof = reason(
                    ReasonCode::LivenessFailed,
                    Severity::Critical,
                    Check::Liveness,
                    "the selfie looks like a presentation attack",
                    "We could not confirm that you are present. Please take a new selfie, not a picture of a picture.",
                );
                spoof.score = Some(*spoof_probability);
                spoof.threshold = Some(failed_from);
                findings.liveness_failed(*spoof_probability);
                (CheckStatus::Failed, Some(*spoof_probability), vec![spoof])
            } else if *spoof_probability >= rules.inconclusive_from.min(failed_from) {
                (CheckStatus::Inconclusive, None, vec![unclear("the model cannot tell", &live.issues)])
            } else {
                signals.is_live = Some(true);
                (CheckStatus::Passed, Some(1.0 - spoof_probability), Vec::new())
            }
        }
        LivenessOutcome::Inconclusive { why } => {
            (CheckStatus::Inconclusive, None, vec![unclear(why, &live.issues)])
        }
        LivenessOutcome::NoFace => {
            (CheckStatus::Failed, None, vec![no_face(Check::Liveness, ImageRole::Selfie)])
        }
        LivenessOutcome::SeveralFaces { count } => {
            (CheckStatus::Failed, None, vec![several_faces(Check::Liveness, ImageRole::Selfie, *count)])
        }
    };
    let outcome = CheckOutcome { check: Check::Liveness, status, confidence, reasons };
    LivenessCheck { outcome, signals, active: None }
}

fn unclear(why: &str, issues: &[QualityIssue]) -> Reason {
    let mut unclear = reason(
        ReasonCode::ImageQualityTooLow,
        Severity::Warning,
        Check::Liveness,
        &format!("liveness cannot be judged on this picture: {why}"),
        "Please take the selfie with your phone's camera, close up and in good light.",
    );
    unclear.score = mean(issues.iter().map(|issue| issue.severity));
    unclear
}

fn no_face(check: Check, image: ImageRole) -> Reason {
    reason(
        ReasonCode::FaceNotDetected,
        Severity::Critical,
        check,
        &format!("no face was found on `{image}`"),
        "No face could be found. Please show your face, and the whole photo page of your document.",
    )
}

fn several_faces(check: Check, image: ImageRole, count: usize) -> Reason {
    reason(
        ReasonCode::MultipleFaces,
        Severity::Critical,
        check,
        &format!("{count} faces of comparable size were found on `{image}`"),
        "More than one face is in the picture. Please take a selfie alone.",
    )
}
