//! The `data_validation` check: does the document agree with itself, and with what the caller expects?

use super::names::{compare_codes, compare_names};
use super::reading::date;
use super::verdict::{Findings, reason};
use crate::api::{CheckOutcome, DataValidationCheck, ExpectedComparison, Reason};
use crate::partial::{Agreement, OcrResult};
use crate::words::{Check, CheckStatus, ReasonCode, Severity};
use jiff::civil::Date;
use std::collections::BTreeMap;

pub(super) fn check(
    ocr: &OcrResult,
    expected: &BTreeMap<String, String>,
    today: Date,
    findings: &mut Findings,
) -> DataValidationCheck {
    let mut reasons = Vec::new();
    let mut failed = false;

    for (earlier, later) in
        [("date_of_birth", "issue_date"), ("date_of_birth", "expiry_date"), ("issue_date", "expiry_date")]
    {
        if let (Some(first), Some(second)) = (date(ocr, earlier), date(ocr, later))
            && first >= second
        {
            failed = true;
            reasons.push(inconsistent(Severity::Critical, &format!("`{earlier}` is not before `{later}`")));
        }
    }
    for past in ["date_of_birth", "issue_date"] {
        if date(ocr, past).is_some_and(|read| read > today) {
            failed = true;
            reasons.push(inconsistent(Severity::Critical, &format!("`{past}` lies in the future")));
        }
    }
    for (with_barcode, parts) in
        [(false, "MRZ and visual zone"), (true, "barcode and the rest of the document")]
    {
        let conflicts: Vec<&str> = ocr
            .comparisons
            .iter()
            .filter(|c| c.outcome == Agreement::Conflict && c.with_barcode() == with_barcode)
            .map(|comparison| comparison.field.as_str())
            .collect();
        if !conflicts.is_empty() {
            failed = true;
            let message = format!("{parts} disagree on {}", conflicts.join(", "));
            reasons.push(inconsistent(Severity::Critical, &message));
        }
    }

    // A printed number that fails its own check digit, or contradicts the date of birth or the gender
    // beside it, is forged or misread: a person decides. Its form alone says too little.
    let doubtful: Vec<String> = ocr
        .field_checks
        .iter()
        .filter(|check| {
            !check.holds
                && matches!(check.rule.as_str(), "check_digit" | "birth_in_number" | "gender_in_number")
        })
        .map(|check| match &check.against {
            Some(other) => format!("`{}` contradicts `{other}`", check.field),
            None => format!("the check digit of `{}` does not hold", check.field),
        })
        .collect();
    reasons.extend(doubtful.iter().map(|message| inconsistent(Severity::Warning, message)));

    let expected: Vec<ExpectedComparison> = expected
        .iter()
        .map(|(field, value)| ExpectedComparison {
            field: field.clone(),
            outcome: ocr.fields.get(field).map(|read| compare(field, &read.value, value)),
        })
        .collect();
    let unlike: Vec<&str> = expected
        .iter()
        .filter(|comparison| comparison.outcome == Some(Agreement::Conflict))
        .map(|comparison| comparison.field.as_str())
        .collect();
    if !unlike.is_empty() {
        failed = true;
        let message = format!("the document differs from `expected` in {}", unlike.join(", "));
        reasons.push(inconsistent(Severity::Critical, &message));
    }
    if failed {
        findings.data_inconsistency(reasons.len() as f32 / 3.0, "data_inconsistency");
    }

    let unread = expected.iter().any(|comparison| comparison.outcome.is_none());
    let incomplete = ocr.fields.is_empty() || unread;
    let status = match (failed, incomplete || !doubtful.is_empty()) {
        (true, _) => CheckStatus::Failed,
        (false, true) => CheckStatus::Inconclusive,
        (false, false) => CheckStatus::Passed,
    };
    if status == CheckStatus::Inconclusive && incomplete {
        reasons.push(reason(
            ReasonCode::DocumentUnreadable,
            Severity::Warning,
            Check::DataValidation,
            "not every field that has to be compared was read",
            "Part of your document could not be read. Please take a sharper picture of the whole document.",
        ));
    }
    DataValidationCheck {
        outcome: CheckOutcome {
            check: Check::DataValidation,
            status,
            confidence: super::reading::mean(ocr.fields.values().map(|field| field.confidence)),
            reasons,
        },
        comparisons: ocr.comparisons.clone(),
        expected,
    }
}

fn compare(field: &str, read: &str, expected: &str) -> Agreement {
    if field.contains("name") || field == "address" || field.starts_with("place") || field == "nationality" {
        compare_names(read, expected)
    } else {
        compare_codes(read, expected)
    }
}

fn inconsistent(severity: Severity, message: &str) -> Reason {
    let user_message = "The details on your document do not agree with each other or with what you told us.";
    let mut found =
        reason(ReasonCode::DataInconsistency, severity, Check::DataValidation, message, user_message);
    found.retryable = false;
    found
}
