//! The `ocr` check: was enough read to rely on, and is the document still valid?

use super::OcrRules;
use super::verdict::{Findings, reason};
use crate::api::{CheckOutcome, ExtractedData, FieldOrigin, OcrCheck, Reason};
use crate::documents::supported_country;
use crate::partial::OcrResult;
use crate::words::{Check, CheckStatus, DocumentType, ImageRole, ReasonCode, Severity};
use jiff::civil::Date;

pub(super) fn check(
    ocr: &OcrResult,
    rules: &OcrRules,
    declared: Option<(&str, DocumentType)>,
    repeated: Option<ImageRole>,
    today: Date,
    findings: &mut Findings,
) -> OcrCheck {
    let missing_fields: Vec<String> = rules
        .required_fields
        .iter()
        .filter(|name| {
            ocr.fields.get(*name).is_none_or(|field| field.confidence < rules.minimum_field_confidence)
        })
        .cloned()
        .collect();
    let mut reasons = Vec::new();
    let mut status = CheckStatus::Passed;

    if !ocr.readable {
        status = CheckStatus::Failed;
        reasons.push(reason(
            ReasonCode::DocumentUnreadable,
            Severity::Critical,
            Check::Ocr,
            "no text that belongs to a document was read",
            "We could not read your document. Please take a sharp, well-lit picture of the whole document.",
        ));
    } else if !missing_fields.is_empty() {
        status = CheckStatus::Inconclusive;
        reasons.push(reason(
            ReasonCode::DocumentUnreadable,
            Severity::Warning,
            Check::Ocr,
            &format!("required fields were not read: {}", missing_fields.join(", ")),
            "Part of your document could not be read. Please take a sharper picture of the whole document.",
        ));
    }
    if status != CheckStatus::Passed {
        reasons.extend(quality_reasons(ocr));
    }
    if let Some(expiry) = date(ocr, "expiry_date").filter(|expiry| *expiry < today) {
        status = CheckStatus::Failed;
        let mut expired = reason(
            ReasonCode::DocumentExpired,
            Severity::Critical,
            Check::Ocr,
            &format!(
                "the document expired {} days ago",
                expiry.until(today).map_or(0, |span| span.get_days())
            ),
            "Your document has expired. Please use a valid one.",
        );
        expired.retryable = false;
        reasons.push(expired);
    }
    if ocr.mrz.as_ref().is_some_and(|mrz| !mrz.valid) {
        status = doubtful(status);
        let wrong: Vec<&str> = ocr
            .mrz
            .iter()
            .flat_map(|mrz| &mrz.check_digits)
            .filter(|digit| !digit.valid)
            .map(|digit| digit.field.as_str())
            .collect();
        reasons.push(reason(
            ReasonCode::DataInconsistency,
            Severity::Warning,
            Check::Ocr,
            &format!("check digits of the MRZ are wrong: {}", wrong.join(", ")),
            "The code lines of your document could not be read without doubt. Please take a sharper picture.",
        ));
        findings.data_inconsistency(0.0, "mrz_check_digit");
    }

    if let Some(image) = repeated {
        status = doubtful(status);
        reasons.push(reason(
            ReasonCode::DataInconsistency,
            Severity::Critical,
            Check::Ocr,
            &format!("`{image}` is the same file as another image"),
            "The same picture was sent twice. Please take a picture of each side, and a selfie.",
        ));
        findings.data_inconsistency(1.0, "repeated_image");
    }
    if let Some((country, document)) = declared.filter(|_| ocr.readable) {
        if let Some(empty) = empty_back(ocr, document) {
            status = doubtful(status);
            reasons.push(empty);
        }
        if let Some(other) = other_document(ocr, country, document) {
            status = doubtful(status);
            reasons.push(other);
            findings.data_inconsistency(1.0, "declared_document");
        }
    }

    let confidence = mean(ocr.fields.values().map(|field| field.confidence));
    OcrCheck { outcome: CheckOutcome { check: Check::Ocr, status, confidence, reasons }, missing_fields }
}

/// Doubt takes a pass away and leaves what is worse.
fn doubtful(status: CheckStatus) -> CheckStatus {
    if status == CheckStatus::Passed { CheckStatus::Inconclusive } else { status }
}

/// A back on which nothing is printed is none: a portrait, a table, a blank sheet.
fn empty_back(ocr: &OcrResult, document: DocumentType) -> Option<Reason> {
    let back = ocr.sides.iter().find(|side| side.image == ImageRole::DocumentBack)?;
    (document.back_required() && back.text_lines < LEAST_LINES_OF_A_BACK).then(|| {
        reason(
            ReasonCode::DocumentUnreadable,
            Severity::Critical,
            Check::Ocr,
            "`document_back` shows no text of a document",
            "We could not read the back of your document. Please take a sharp picture of the whole back.",
        )
    })
}

const LEAST_LINES_OF_A_BACK: usize = 2;

/// What was read against what the caller says that it is. Only the machine-readable zone tells a
/// document's kind and issuer, so a document without one raises nothing here, but for a passport,
/// which has one.
fn other_document(ocr: &OcrResult, country: &str, document: DocumentType) -> Option<Reason> {
    let read = |name: &str| ocr.fields.get(name).map(|field| field.value.as_str());
    let code = read("document_code").and_then(|code| code.chars().next());
    let issuer = supported_country(country).map(|known| known.icao);
    let message = match (document, code) {
        (DocumentType::Passport, None) => "the machine-readable zone of a passport was not read".to_owned(),
        (DocumentType::Passport, Some('P')) | (_, None) => String::new(),
        (DocumentType::NationalId | DocumentType::ResidencePermit, Some('A' | 'C' | 'I' | 'R')) => {
            String::new()
        }
        (_, Some(code)) => {
            format!("declared as {document}, but the machine-readable zone begins with {code}")
        }
    };
    let message = match (message.is_empty(), read("issuing_country"), issuer) {
        (true, Some(read), Some(issuer)) if read != issuer => {
            format!("declared as of {country}, but issued by {read}")
        }
        _ => message,
    };
    (!message.is_empty()).then(|| {
        reason(
            ReasonCode::DataInconsistency,
            Severity::Critical,
            Check::Ocr,
            &message,
            "This is not the document that was asked for. Please choose the right country and document.",
        )
    })
}

fn quality_reasons(ocr: &OcrResult) -> impl Iterator<Item = Reason> {
    ocr.sides
        .iter()
        .flat_map(|side| side.issues.iter().map(move |issue| (side.image, issue)))
        .filter(|(_, issue)| issue.severity >= 0.5)
        .map(|(image, issue)| {
            let mut quality = reason(
                ReasonCode::ImageQualityTooLow,
                Severity::Warning,
                Check::Ocr,
                &format!("{image}: {}: {}", issue.code, issue.message),
                "The picture is not good enough. Please hold still, avoid glare and fill the frame with the document.",
            );
            quality.score = Some(issue.severity);
            quality
        })
}

pub(super) fn date(ocr: &OcrResult, field: &str) -> Option<Date> {
    ocr.fields.get(field)?.value.parse().ok()
}

pub(super) fn mean(values: impl Iterator<Item = f32>) -> Option<f32> {
    let (sum, count) = values.fold((0.0, 0u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f32)
}

pub(super) fn extracted_data(ocr: &OcrResult) -> ExtractedData {
    ExtractedData {
        fields: ocr.fields.iter().map(|(name, field)| (name.clone(), field.value.clone())).collect(),
        mrz: ocr.mrz.clone(),
        barcodes: ocr.barcodes.clone(),
        field_checks: ocr.field_checks.clone(),
        sides: ocr.sides.clone(),
        unread_scripts: ocr.unread_scripts.clone(),
        field_confidences: ocr.fields.iter().map(|(name, field)| (name.clone(), field.confidence)).collect(),
        field_sources: ocr
            .fields
            .iter()
            .map(|(name, field)| {
                let origin = FieldOrigin {
                    source: field.source,
                    image: field.image,
                    raw: field.raw.clone(),
                    polygon: field.polygon,
                };
                (name.clone(), origin)
            })
            .collect(),
    }
}
