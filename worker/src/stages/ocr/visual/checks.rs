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
        // One that fails by itself neither confirms nor contradicts anything else.
        if said.holds == Some(false) {
            continue;
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

#[cfg(test)]
mod tests {
    use super::super::{SideText, Told, read};
    use super::*;
    use crate::stages::ocr::lines::TextLine;
    use jiff::civil::date;
    use txid_shared::words::ImageRole;

    const TODAY: Date = date(2025, 11, 22);

    /// A South African card of which these lines are read.
    fn checked(number: &str, birth: &str, gender: &str) -> OcrResult {
        let texts = [
            "REPUBLIC OF SOUTH AFRICA".to_owned(),
            "NATIONAL IDENTITY CARD".to_owned(),
            "Surname: MOKOENA".to_owned(),
            format!("Identity Number: {number}"),
            format!("Date of Birth: {birth}"),
            format!("Sex: {gender}"),
        ];
        let lines: Vec<TextLine> = texts
            .iter()
            .enumerate()
            .map(|(i, text)| {
                let top = i as f32 * 60.0;
                TextLine::for_test(text, [0.0, top, 15.0 * text.len() as f32, top + 30.0])
            })
            .collect();
        let printed = read(&[SideText { lines: &lines, frame: None }], &Told::default(), TODAY);
        assert!(printed.is_document);
        let mut result = OcrResult { readable: true, ..OcrResult::default() };
        for (kind, (_, field)) in &printed.fields {
            let (value, raw, confidence) = (field.value.clone(), field.raw.clone(), field.confidence);
            let (source, image) = (FieldSource::Visual, ImageRole::DocumentFront);
            let field = Field { value, raw, confidence, source, image, polygon: Default::default() };
            result.fields.insert(kind.as_str().to_owned(), field);
        }
        check(&printed, &mut result, TODAY);
        result
    }

    fn holds(result: &OcrResult, rule: &str) -> Option<bool> {
        result.field_checks.iter().find(|check| check.rule == rule).map(|check| check.holds)
    }

    #[test]
    fn a_number_that_agrees_with_the_card_is_surer_and_one_that_does_not_is_told() {
        let good = checked("8001015009087", "01 JAN 1980", "M");
        for rule in ["pattern", "check_digit", "birth_in_number", "gender_in_number", "age"] {
            assert_eq!(holds(&good, rule), Some(true), "{rule}");
        }
        // One digit changed, or misread: the value stays as read.
        let wrong = checked("8001015009187", "01 JAN 1980", "M");
        assert_eq!(holds(&wrong, "check_digit"), Some(false));
        assert_eq!(wrong.fields["document_number"].value, "8001015009187");
        assert!(wrong.fields["document_number"].confidence < 0.7 * good.fields["document_number"].confidence);
        let other_birth = checked("8001015009087", "01 JAN 1981", "M");
        assert_eq!(holds(&other_birth, "birth_in_number"), Some(false));
        assert!(other_birth.fields["date_of_birth"].confidence < good.fields["date_of_birth"].confidence);
        assert_eq!(holds(&checked("8001015009087", "01 JAN 1980", "F"), "gender_in_number"), Some(false));
    }

    #[test]
    fn a_look_alike_in_a_number_is_read_and_kept_in_the_raw_text() {
        let read = checked("80O1015009087", "01 JAN 1980", "M");
        let number = &read.fields["document_number"];
        assert_eq!((number.value.as_str(), number.raw.as_str()), ("8001015009087", "80O1015009087"));
        let exact = checked("8001015009087", "01 JAN 1980", "M");
        assert!(number.confidence < exact.fields["document_number"].confidence);
    }
}
