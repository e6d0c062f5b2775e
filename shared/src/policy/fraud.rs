//! The `fraud` check: measured signals against the policy's thresholds. The contradiction between
//! MRZ, visual zone and barcode joins here, because it needs the OCR partial.

use super::FraudRules;
use super::verdict::{Findings, reason};
use crate::api::{CheckOutcome, FraudCheck, FraudSignals};
use crate::partial::{
    Agreement, BarcodeContent, Evidence, FieldComparison, FraudKind, FraudResult, FraudSignal, OcrResult,
    Polygon,
};
use crate::words::{Check, CheckStatus, ImageRole, ReasonCode, RiskLevel, Severity};

pub(super) fn check(
    fraud: &FraudResult,
    ocr: Option<&OcrResult>,
    rules: &FraudRules,
    findings: &mut Findings,
) -> FraudCheck {
    let mut measurements = fraud.signals.clone();
    measurements.extend(ocr.and_then(mrz_visual_conflict));
    measurements.extend(ocr.and_then(barcode_conflict));

    let mut signals = FraudSignals::default();
    let mut status = CheckStatus::Passed;
    let mut reasons = Vec::new();
    let mut strongest: f32 = 0.0;
    // Strongest first, so that a score at the ceiling is explained by what weighs most.
    measurements.sort_by(|a, b| b.score.total_cmp(&a.score));
    for signal in &measurements {
        let rule = match signal.kind {
            FraudKind::LocalEdit => rules.local_edit,
            FraudKind::EditorMetadata => rules.editor_metadata,
            FraudKind::ScreenMoire => rules.screen_moire,
            FraudKind::GreyCopy => rules.grey_copy,
            // The same accusation, from another machine-readable part.
            FraudKind::MrzVisualConflict | FraudKind::BarcodeConflict => rules.mrz_visual_conflict,
        };
        strongest = strongest.max(signal.score);
        if signal.score < rule.suspected_from {
            continue;
        }
        let certain = signal.score >= rule.failed_from;
        match signal.kind {
            FraudKind::LocalEdit | FraudKind::MrzVisualConflict | FraudKind::BarcodeConflict => {
                signals.tampering = true;
            }
            FraudKind::EditorMetadata => signals.photoshop = true,
            FraudKind::ScreenMoire => signals.screen_capture = true,
            FraudKind::GreyCopy => signals.printed_copy = true,
        }
        let (severity, worse) = if certain {
            (Severity::Critical, CheckStatus::Failed)
        } else {
            (Severity::Warning, CheckStatus::Inconclusive)
        };
        if status != CheckStatus::Failed {
            status = worse;
        }
        let mut found = reason(
            ReasonCode::FraudDetected,
            severity,
            Check::Fraud,
            &format!("{}: {}", signal.kind.as_str(), signal.message),
            "Please photograph the original document itself: no copy, no screen, no edited picture.",
        );
        found.score = Some(signal.score);
        found.threshold = Some(if certain { rule.failed_from } else { rule.suspected_from });
        found.retryable = matches!(signal.kind, FraudKind::ScreenMoire | FraudKind::GreyCopy);
        found.evidence.clone_from(&signal.evidence);
        reasons.push(found);
        findings.document_fraud(signal.kind.as_str(), signal.score, certain);
    }
    let risk_score = findings.document_fraud_score();
    FraudCheck {
        outcome: CheckOutcome {
            check: Check::Fraud,
            status,
            confidence: match status {
                CheckStatus::Failed => Some(strongest),
                CheckStatus::Passed => Some(1.0 - strongest),
                _ => None,
            },
            reasons,
        },
        risk_score,
        risk_level: RiskLevel::of(risk_score),
        signals,
        measurements,
    }
}

/// A forger who edits what people read seldom recomputes the code lines. Only facts that both
/// sources state are compared, and only where the MRZ's own check digits are right.
fn mrz_visual_conflict(ocr: &OcrResult) -> Option<FraudSignal> {
    let mrz = ocr.mrz.as_ref()?;
    let compared: Vec<_> = ocr.comparisons.iter().filter(|c| !c.with_barcode()).collect();
    let (kind, place) = (FraudKind::MrzVisualConflict, (mrz.image, mrz.polygon));
    contradiction(kind, "MRZ and visual zone", &compared, mrz.valid, place, ocr)
}

/// The same for barcodes. Theirs corrects its own errors or checks itself twice: what was read is
/// what it holds. The other side may be an MRZ that was not read without doubt.
fn barcode_conflict(ocr: &OcrResult) -> Option<FraudSignal> {
    let compared: Vec<_> = ocr.comparisons.iter().filter(|c| c.with_barcode()).collect();
    let barcode = ocr.barcodes.iter().find(|barcode| barcode.content != BarcodeContent::Opaque)?;
    let doubtful_mrz = ocr.mrz.as_ref().is_some_and(|mrz| !mrz.valid);
    let sure = !compared.iter().any(|c| c.outcome == Agreement::Conflict && c.mrz.is_some() && doubtful_mrz);
    let (kind, place) = (FraudKind::BarcodeConflict, (barcode.image, barcode.polygon));
    contradiction(kind, "barcode and the rest of the document", &compared, sure, place, ocr)
}

/// `sure`: the machine-readable part was read without doubt. `place` is where it is.
fn contradiction(
    kind: FraudKind,
    parts: &str,
    compared: &[&FieldComparison],
    sure: bool,
    place: (ImageRole, Polygon),
    ocr: &OcrResult,
) -> Option<FraudSignal> {
    if compared.is_empty() {
        return None;
    }
    let conflicts: Vec<_> = compared.iter().filter(|c| c.outcome == Agreement::Conflict).collect();
    let decisive = conflicts
        .iter()
        .any(|c| matches!(c.field.as_str(), "date_of_birth" | "expiry_date" | "document_number" | "gender"));
    let score: f32 = match (conflicts.len(), decisive, sure) {
        (0, ..) => 0.0,
        // Names are transliterated freely and read less surely: one alone is a hint.
        (_, false, _) | (_, _, false) => 0.4,
        (1, true, true) => 0.85,
        (_, true, true) => 0.95,
    };
    let fields: Vec<&str> = conflicts.iter().map(|c| c.field.as_str()).collect();
    Some(FraudSignal {
        kind,
        score,
        image: place.0,
        message: if fields.is_empty() {
            format!("{parts} agree on {} fields", compared.len())
        } else {
            format!("{parts} disagree on {}", fields.join(", "))
        },
        evidence: conflicts.first().map(|conflict| {
            let field = ocr.fields.get(&conflict.field);
            let (image, polygon) = field.map_or(place, |f| (f.image, f.polygon));
            Evidence { image, polygon, crop_jpeg: None, crop_id: None }
        }),
    })
}

impl FraudKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LocalEdit => "local_edit",
            Self::EditorMetadata => "editor_metadata",
            Self::ScreenMoire => "screen_moire",
            Self::GreyCopy => "grey_copy",
            Self::MrzVisualConflict => "mrz_visual_conflict",
            Self::BarcodeConflict => "barcode_conflict",
        }
    }
}
