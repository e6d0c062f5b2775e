//! The `duplicate` check: what others that are like this one come down to. To submit oneself twice is no fraud; to show
//! one document with two faces, or one face with two documents, needs a person's eyes.

use super::verdict::{Findings, reason};
use super::{DuplicateRules, OcrRules};
use crate::api::{CheckOutcome, Compared, DuplicateCheck, DuplicateMatch};
use crate::documents::supported_country;
use crate::likeness::{Limits, Lookalike};
use crate::partial::{Partial, StageResult};
use crate::words::{Check, CheckStatus, DuplicateFinding, ReasonCode, Severity, Stage};
use std::collections::BTreeMap;

/// What was looked for among the account's others, and what was found.
#[derive(Debug, Clone, Default)]
pub struct Looked {
    /// The likest first.
    pub lookalikes: Vec<Lookalike>,
    pub compared: Compared,
}

impl From<&DuplicateRules> for Limits {
    fn from(rules: &DuplicateRules) -> Self {
        Self {
            same_face_cosine: rules.same_face_cosine,
            same_image_bits: rules.same_image_bits,
            most: rules.most_matches,
        }
    }
}

/// Issuer and number of the document, where the number was read surely enough to tell documents apart by.
pub fn document_key(
    partials: &BTreeMap<Stage, Partial>,
    declared_country: Option<&str>,
    rules: &OcrRules,
) -> Option<String> {
    let Some(StageResult::Ocr(ocr)) = partials.get(&Stage::Ocr).map(|partial| &partial.result) else {
        return None;
    };
    let number = ocr.fields.get("document_number")?;
    if number.confidence < rules.minimum_field_confidence {
        return None;
    }
    let number: String = number.value.chars().filter(char::is_ascii_alphanumeric).collect();
    let declared = || declared_country.and_then(supported_country).map(|country| country.icao);
    let issuer = ocr.fields.get("issuing_country").map(|field| field.value.as_str()).or_else(declared)?;
    (!number.is_empty()).then(|| format!("{issuer}/{}", number.to_ascii_uppercase()))
}

pub(super) fn check(looked: &Looked, rules: &DuplicateRules, findings: &mut Findings) -> DuplicateCheck {
    let mut reasons = Vec::new();
    let mut status = CheckStatus::Passed;
    let matches: Vec<DuplicateMatch> = looked.lookalikes.iter().map(|other| named(other, rules)).collect();
    for found in &matches {
        let (severity, strength) = weight(found.finding);
        let message = format!("{}: {}", found.finding.as_str(), found.verification_id);
        let user_message = "This document or person is known to us already. Somebody will look at it.";
        let mut told =
            reason(ReasonCode::DuplicateDetected, severity, Check::Duplicate, &message, user_message);
        told.score = found.face_cosine;
        told.threshold = found.face_cosine.map(|_| rules.same_face_cosine);
        told.retryable = false;
        reasons.push(told);
        if let Some(strength) = strength {
            status = CheckStatus::Inconclusive;
            findings.duplicate(strength, found.finding.as_str());
        }
    }
    if status == CheckStatus::Passed && !looked.compared.document_number && !looked.compared.face {
        status = CheckStatus::Inconclusive;
        reasons.push(reason(
            ReasonCode::DocumentUnreadable,
            Severity::Warning,
            Check::Duplicate,
            "neither the document's number nor a face is known, so that only pictures were compared",
            "Part of your document could not be read. Please take a sharper picture of the whole document.",
        ));
    }
    DuplicateCheck {
        outcome: CheckOutcome { check: Check::Duplicate, status, confidence: None, reasons },
        matches,
        compared: looked.compared.clone(),
    }
}

fn named(other: &Lookalike, rules: &DuplicateRules) -> DuplicateMatch {
    let same_face_as = |limit| other.face_cosine.map(|cosine| cosine >= limit);
    let finding = match other.same_document {
        Some(true) => match same_face_as(rules.same_holder_cosine) {
            Some(true) => DuplicateFinding::Resubmission,
            Some(false) => DuplicateFinding::DocumentOfAnotherFace,
            None => DuplicateFinding::SameDocument,
        },
        known => match (known, same_face_as(rules.same_face_cosine)) {
            (Some(_), Some(true)) => DuplicateFinding::FaceWithAnotherDocument,
            (None, Some(true)) => DuplicateFinding::SameFace,
            _ => DuplicateFinding::SameImage,
        },
    };
    DuplicateMatch {
        verification_id: other.verification_id,
        finding,
        same_document_number: other.same_document,
        face_cosine: other.face_cosine,
        same_images: other.images.clone(),
    }
}

/// How grave it is, and how much it adds to the risk; `None`: nothing, and it takes no pass away.
const fn weight(finding: DuplicateFinding) -> (Severity, Option<f32>) {
    match finding {
        DuplicateFinding::Resubmission => (Severity::Info, None),
        DuplicateFinding::DocumentOfAnotherFace | DuplicateFinding::FaceWithAnotherDocument => {
            (Severity::Critical, Some(1.0))
        }
        DuplicateFinding::SameImage => (Severity::Critical, Some(0.5)),
        DuplicateFinding::SameDocument | DuplicateFinding::SameFace => (Severity::Warning, Some(0.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::VerificationId;
    use crate::likeness::SameImage;
    use crate::policy::Policy;
    use crate::words::ImageRole;

    fn other(same_document: Option<bool>, face_cosine: Option<f32>, images: usize) -> Lookalike {
        let image = SameImage { image: ImageRole::Selfie, differing_bits: 3 };
        Lookalike {
            verification_id: VerificationId::generate(),
            same_document,
            face_cosine,
            images: vec![image; images],
        }
    }

    fn checked(lookalikes: Vec<Lookalike>) -> (DuplicateCheck, u32) {
        let policy = Policy::default();
        let mut findings = Findings::new(&policy.rules);
        let compared = Compared { document_number: true, face: true, ..Compared::default() };
        let looked = Looked { lookalikes, compared };
        let check = check(&looked, &policy.rules.duplicate, &mut findings);
        (check, findings.risk().0)
    }

    #[test]
    fn what_a_match_comes_down_to() {
        let cases = [
            (other(Some(true), Some(0.5), 0), DuplicateFinding::Resubmission),
            (other(Some(true), Some(0.1), 1), DuplicateFinding::DocumentOfAnotherFace),
            (other(Some(true), None, 0), DuplicateFinding::SameDocument),
            (other(Some(false), Some(0.9), 0), DuplicateFinding::FaceWithAnotherDocument),
            (other(None, Some(0.9), 0), DuplicateFinding::SameFace),
            // Between the thresholds a face alone says nothing.
            (other(Some(false), Some(0.5), 1), DuplicateFinding::SameImage),
        ];
        for (lookalike, finding) in cases {
            let (check, risk) = checked(vec![lookalike]);
            assert_eq!(check.matches[0].finding, finding);
            let harmless = finding == DuplicateFinding::Resubmission;
            assert_eq!(check.outcome.status == CheckStatus::Passed, harmless, "{finding:?}");
            assert_eq!(risk == 0, harmless, "{finding:?}");
            assert_eq!(check.outcome.reasons[0].code, ReasonCode::DuplicateDetected);
        }
    }

    #[test]
    fn nothing_alike_passes_and_nothing_compared_does_not() {
        assert_eq!(checked(Vec::new()).0.outcome.status, CheckStatus::Passed);
        let policy = Policy::default();
        let mut findings = Findings::new(&policy.rules);
        let blind = check(&Looked::default(), &policy.rules.duplicate, &mut findings);
        assert_eq!(blind.outcome.status, CheckStatus::Inconclusive);
    }
}
