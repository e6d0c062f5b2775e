//! Whether the fields hold by themselves and together. Nothing is corrected: what fails makes a
//! field less sure and is told.

use super::{Kind, Printed};
use jiff::civil::Date;
use txid_shared::partial::{Field, FieldCheck, FieldSource, OcrResult};

/// A fact that two places of a document state is surer than one that stands alone.
const AGREES: f32 = 0.5;
/// A contradiction leaves both in doubt; a printed number is misread more easily than a date.
const NUMBER_CONTRADICTED: f32 = 0.7;
const FIELD_CONTRADICTED: f32 = 0.85;
/// Older people hold no documents.
const OLDEST: i16 = 120;

/// Checks the fields of the result, which `printed` went into.
pub fn check(printed: &Printed, result: &mut OcrResult, today: Date) {
    let mut checks: Vec<FieldCheck> = Vec::new();
    for kind in [Kind::DocumentNumber, Kind::PersonalNumber] {
        let Some((_, read)) = printed.fields.get(&kind) else { continue };
        // The machine-readable zone may have replaced it; that has check digits of its own.
        let Some(name) = name_of(result, read.value.as_str()) else { continue };
        if let Some(fits) = read.fits {
            checks.push(FieldCheck::new(&name, "pattern", fits, None));
        }
        let Some(said) = &read.said else { continue };
        if let Some(holds) = said.holds {
            checks.push(FieldCheck::new(&name, "check_digit", holds, None));
            if holds {
                change(result, &name, |c| 1.0 - (1.0 - c) * AGREES);
            }
        }
        if let (Some(birth), Some(date)) = (said.birth, date(result, "date_of_birth")) {
            let holds = birth.agrees(date);
            checks.push(FieldCheck::new(&name, "birth_in_number", holds, Some("date_of_birth")));
            weigh(result, &name, "date_of_birth", holds);
        }
        if let (Some(gender), Some(field)) = (said.gender, result.fields.get("gender")) {
            let holds = field.value == gender.to_string();
            checks.push(FieldCheck::new(&name, "gender_in_number", holds, Some("gender")));
            weigh(result, &name, "gender", holds);
        }
    }
    for (earlier, later) in
        [("date_of_birth", "issue_date"), ("date_of_birth", "expiry_date"), ("issue_date", "expiry_date")]
    {
        if let (Some(first), Some(second)) = (date(result, earlier), date(result, later)) {
            let holds = first < second;
            checks.push(FieldCheck::new(later, "date_order", holds, Some(earlier)));
            if !holds {
                change(result, later, |c| c * FIELD_CONTRADICTED);
                change(result, earlier, |c| c * FIELD_CONTRADICTED);
            }
        }
    }
    if let Some(birth) = date(result, "date_of_birth") {
        let holds = birth <= today && today.year() - birth.year() <= OLDEST;
        checks.push(FieldCheck::new("date_of_birth", "age", holds, None));
    }
    result.field_checks = checks;
}

/// The number's field in the result: one may stand in for the other.
fn name_of(result: &OcrResult, value: &str) -> Option<String> {
    let is_it = |field: &Field| field.value == value && field.source == FieldSource::Visual;
    ["document_number", "personal_number"]
        .into_iter()
        .find(|name| result.fields.get(*name).is_some_and(is_it))
        .map(str::to_owned)
}

fn date(result: &OcrResult, field: &str) -> Option<Date> {
    result.fields.get(field)?.value.parse().ok()
}

fn weigh(result: &mut OcrResult, number: &str, field: &str, agrees: bool) {
    if agrees {
        change(result, field, |c| 1.0 - (1.0 - c) * AGREES);
        change(result, number, |c| 1.0 - (1.0 - c) * AGREES);
    } else {
        change(result, field, |c| c * FIELD_CONTRADICTED);
        change(result, number, |c| c * NUMBER_CONTRADICTED);
    }
}

fn change(result: &mut OcrResult, field: &str, change: impl Fn(f32) -> f32) {
    // A zone's confidence comes from its own check digits.
    if let Some(field) = result.fields.get_mut(field).filter(|field| field.source == FieldSource::Visual) {
        field.confidence = change(field.confidence).clamp(0.0, 1.0);
    }
}
