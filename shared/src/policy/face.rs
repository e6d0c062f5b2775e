//! The `face_match` and `liveness` checks. A missing face is never a match, an unclear picture never live.

use super::reading::mean;
use super::verdict::{Findings, reason};
use super::{FaceMatchRules, LivenessRules, Thresholds};
use crate::api::{CheckOutcome, FaceMatchCheck, LivenessCheck, LivenessSignals, Reason};
use crate::partial::{FaceMatchOutcome, FaceMatchResult, LivenessOutcome, LivenessResult, QualityIssue};
use crate::words::{Check, CheckStatus, ImageRole, ReasonCode, Severity};

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
    LivenessCheck { outcome: CheckOutcome { check: Check::Liveness, status, confidence, reasons }, signals }
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
