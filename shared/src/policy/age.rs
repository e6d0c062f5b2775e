//! The `age_verification` check, from the date of birth that the OCR stage read.

use super::reading::date;
use super::verdict::reason;
use super::{AgeRules, Thresholds};
use crate::api::{AgeVerificationCheck, CheckOutcome};
use crate::partial::OcrResult;
use crate::words::{Check, CheckStatus, ReasonCode, Severity};
use jiff::civil::Date;

pub(super) fn check(
    ocr: &OcrResult,
    rules: &AgeRules,
    thresholds: &Thresholds,
    today: Date,
) -> AgeVerificationCheck {
    let minimum_age_years = thresholds.minimum_age.unwrap_or(rules.minimum_age_years);
    let age_years = date(ocr, "date_of_birth").map(|birth| age_on(birth, today));
    let (status, reasons) = match age_years {
        Some(age) if age >= minimum_age_years => (CheckStatus::Passed, Vec::new()),
        Some(_) => {
            let mut underage = reason(
                ReasonCode::Underage,
                Severity::Critical,
                Check::AgeVerification,
                "the holder is younger than the minimum age",
                "You are not old enough to use this service.",
            );
            underage.retryable = false;
            underage.threshold = Some(f32::from(minimum_age_years));
            (CheckStatus::Failed, vec![underage])
        }
        None => (
            CheckStatus::Inconclusive,
            vec![reason(
                ReasonCode::DocumentUnreadable,
                Severity::Warning,
                Check::AgeVerification,
                "the date of birth was not read",
                "Your date of birth could not be read. Please take a sharper picture of your document.",
            )],
        ),
    };
    AgeVerificationCheck {
        outcome: CheckOutcome {
            check: Check::AgeVerification,
            status,
            confidence: ocr.fields.get("date_of_birth").map(|field| field.confidence),
            reasons,
        },
        age_years,
        minimum_age_years,
    }
}

/// Completed years. Born on 29 February: the birthday in other years is 1 March.
fn age_on(birth: Date, today: Date) -> i16 {
    let had_birthday = (today.month(), today.day()) >= (birth.month(), birth.day());
    today.year() - birth.year() - i16::from(!had_birthday)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_year_counts_from_the_birthday_on() {
        assert_eq!(age_on(date(2008, 11, 22), date(2026, 11, 22)), 18);
        assert_eq!(age_on(date(2008, 11, 23), date(2026, 11, 22)), 17);
        assert_eq!(age_on(date(2008, 2, 29), date(2026, 2, 28)), 17);
        assert_eq!(age_on(date(2008, 2, 29), date(2026, 3, 1)), 18);
    }
}
