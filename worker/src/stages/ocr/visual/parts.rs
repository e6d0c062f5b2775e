//! Values that hold several fields: a date with a place, a last name with first ones.

use super::VisualField;
use super::labels::Kind;
use super::values::{Grammar, spaced};
use crate::stages::ocr::dates::{DateKind, is_part_of_date, printed_date};

/// The same fields with each value where it belongs.
pub fn of(fields: Vec<VisualField>, grammar: &Grammar<'_>) -> Vec<VisualField> {
    let mut parted: Vec<VisualField> = Vec::new();
    for field in fields {
        match field.kind {
            Kind::BirthDateAndPlace => parted.extend(date_and_place(&field, grammar)),
            Kind::LastThenFirst => parted.extend(last_and_first(&field, ',', grammar)),
            Kind::FullName
                if grammar.template.is_some_and(|t| t.names_by_comma) && field.raw.contains(',') =>
            {
                parted.extend(last_and_first(&field, ',', grammar));
            }
            // The place of birth behind the date of birth, under one label for the date.
            Kind::DateOfBirth => {
                let place =
                    date_and_place(&field, grammar).into_iter().find(|f| f.kind == Kind::PlaceOfBirth);
                parted.push(field);
                parted.extend(
                    place.filter(|place| place.raw.chars().filter(|c| c.is_alphabetic()).count() >= 3),
                );
            }
            // `MAËLYS-GAËLLE, MARIE`
            Kind::FirstName => {
                parted.push(VisualField { value: spaced(&field.value.replace(',', " ")), ..field })
            }
            _ => parted.push(field),
        }
    }
    let middle = parted.iter().position(|field| field.kind == Kind::MiddleName).map(|at| parted.remove(at));
    if let (Some(middle), Some(first)) =
        (middle, parted.iter_mut().find(|field| field.kind == Kind::FirstName))
    {
        first.value = format!("{} {}", first.value, middle.value);
        first.raw = format!("{} {}", first.raw, middle.raw);
        first.confidence = first.confidence.min(middle.confidence);
    }
    let mut unique: Vec<VisualField> = Vec::new();
    for field in parted {
        if unique.iter().all(|known| known.kind != field.kind) {
            unique.push(field);
        }
    }
    name_beside_family_name(&mut unique);
    unique
}

/// `الاسم`, the name, is the whole of it where it stands alone, and the first names where the family name has
/// a label of its own.
fn name_beside_family_name(fields: &mut [VisualField]) {
    let has = |kind: Kind| fields.iter().any(|field| field.kind == kind);
    if has(Kind::LastNameArabic)
        && !has(Kind::FirstNameArabic)
        && let Some(name) = fields.iter_mut().find(|field| field.kind == Kind::FullNameArabic)
    {
        name.kind = Kind::FirstNameArabic;
    }
}

fn with(field: &VisualField, kind: Kind, raw: &str, grammar: &Grammar<'_>) -> Option<VisualField> {
    let value = grammar.value(kind, raw)?;
    Some(VisualField::of(kind, &value, raw.to_owned(), field.confidence, field.line))
}

fn date_and_place(field: &VisualField, grammar: &Grammar<'_>) -> Vec<VisualField> {
    let mut found = Vec::new();
    if printed_date(&field.raw, DateKind::Birth, grammar.today).is_none() {
        return found;
    }
    found.extend(with(field, Kind::DateOfBirth, &field.raw, grammar));
    let words: Vec<&str> = field.raw.split_whitespace().collect();
    let place: Vec<&str> =
        words.into_iter().filter(|word| !is_part_of_date(word) && !is_joining(word)).collect();
    let place = spaced(&place.join(" "));
    let place = place.trim_matches(|c: char| matches!(c, ',' | '-' | '/' | ' ' | '.'));
    found.extend(with(field, Kind::PlaceOfBirth, place, grammar));
    found
}

/// `le 15/05/1990 à RABAT`
fn is_joining(word: &str) -> bool {
    matches!(word.to_lowercase().as_str(), "à" | "a" | "le" | "in" | "at" | "il" | "/" | "-" | "," | "en")
}

fn last_and_first(field: &VisualField, comma: char, grammar: &Grammar<'_>) -> Vec<VisualField> {
    let Some((last, first)) = field.raw.split_once(comma) else {
        return with(field, Kind::FullName, &field.raw, grammar).into_iter().collect();
    };
    let first = first.replace(comma, " ");
    [(Kind::LastName, last), (Kind::FirstName, first.as_str())]
        .into_iter()
        .filter_map(|(kind, raw)| with(field, kind, raw.trim(), grammar))
        .collect()
}
