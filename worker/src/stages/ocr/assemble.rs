//! From what each side says to one result.

use super::barcode::{ReadBarcode, add_barcodes};
use super::mrz::fields::{MrzFields, fields as mrz_fields};
use super::mrz::{Part, dimensions, part_place};
use super::side::Side;
use super::visual::{self, Kind, VisualField};
use super::zone::Zone;
use super::{compare, countries, letters};
use jiff::civil::Date;
use std::collections::BTreeMap;
use txid_shared::partial::{Agreement, Field, FieldComparison, FieldSource, Mrz, OcrResult, Polygon};
use txid_shared::words::ImageRole;

/// Fewer labelled fields than this without a machine-readable zone do not make a document: a
/// letterhead has an address, too.
const LEAST_LABELLED_FIELDS: usize = 3;

/// Puts the sides together. `sides` of the result (rotation, quality) is the caller's.
pub fn assemble(sides: &[(ImageRole, Side)], barcodes: Vec<ReadBarcode>, today: Date) -> OcrResult {
    let zone = sides
        .iter()
        .filter_map(|(role, side)| Some((*role, side.zone.as_ref()?)))
        .max_by_key(|(_, zone)| (zone.decoded.valid, (zone.decoded.confidence * 1e4) as u32));
    let mut printed: BTreeMap<Kind, (ImageRole, VisualField, Polygon)> = BTreeMap::new();
    for (role, side) in sides {
        for field in visual::fields(&side.lines, today) {
            let Some(line) = side.lines.get(field.line) else { continue };
            printed.entry(field.kind).or_insert((*role, field, line.place.corners()));
        }
    }
    let by_barcode = barcodes.iter().any(ReadBarcode::makes_a_document);
    if zone.is_none() && printed.len() < LEAST_LABELLED_FIELDS && !by_barcode {
        let barcodes = barcodes.into_iter().map(|barcode| barcode.described).collect();
        return OcrResult { barcodes, ..OcrResult::default() };
    }
    let mut result = OcrResult { readable: true, ..OcrResult::default() };
    for (kind, (image, field, polygon)) in &printed {
        let confidence = field.confidence;
        let (value, raw) = (field.value.clone(), field.raw.clone());
        let field =
            Field { value, raw, confidence, source: FieldSource::Visual, image: *image, polygon: *polygon };
        result.fields.insert(kind.as_str().to_owned(), field);
    }
    if let Some((image, zone)) = zone {
        add_zone(&mut result, image, zone, today);
        result.mrz = Some(described(image, zone));
    }
    add_barcodes(&mut result, barcodes, today);
    add_full_name(&mut result);
    result
}

/// One field of the zone: name, part, normalised value, how it compares with print.
struct ZoneField {
    name: &'static str,
    part: Part,
    value: String,
    agreement: fn(&str, &str) -> Agreement,
    /// What the comparison takes on the zone's side.
    compared: String,
}

fn zone_fields(fields: &MrzFields) -> Vec<ZoneField> {
    let field = |name, part, value: &Option<String>, agreement: fn(&str, &str) -> Agreement| {
        let value = value.clone()?;
        Some(ZoneField { name, part, compared: value.clone(), value, agreement })
    };
    let cased = |name: &Option<String>| name.as_deref().map(letters::title_case);
    let date = |date: Option<Date>| date.map(|date| date.to_string());
    let nationality = fields.nationality.clone().map(|code| ZoneField {
        name: "nationality",
        part: Part::Nationality,
        value: countries::adjective_of_code(&code).map_or_else(|| code.clone(), str::to_owned),
        agreement: compare::nationalities,
        compared: code,
    });
    [
        field("last_name", Part::Name, &cased(&fields.last_name), compare::names),
        field("first_name", Part::Name, &cased(&fields.first_name), compare::names),
        field("document_number", Part::DocumentNumber, &fields.document_number, compare::numbers),
        field("date_of_birth", Part::DateOfBirth, &date(fields.date_of_birth), compare::exactly),
        field("expiry_date", Part::ExpiryDate, &date(fields.expiry_date), compare::exactly),
        field("gender", Part::Sex, &fields.gender.map(String::from), compare::exactly),
        field("issuing_country", Part::Issuer, &fields.issuer, compare::exactly),
        field("document_code", Part::DocumentCode, &fields.document_code, compare::exactly),
        nationality,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Adds the zone's fields. Numbers, dates and codes of the zone go before print where the zone's
/// check digits hold; names in print have their marks and win where both say the same.
fn add_zone(result: &mut OcrResult, image: ImageRole, zone: &Zone, today: Date) {
    let decoded = &zone.decoded;
    for field in zone_fields(&mrz_fields(decoded, today)) {
        let checked = decoded.check_digits.iter().find(|digit| digit.field == field.name);
        let trusted = checked.map_or(decoded.valid, |digit| digit.valid);
        let printed = result.fields.get(field.name);
        let mut keep_printed = printed.is_some() && !trusted;
        if let Some(printed) = printed {
            let outcome = (field.agreement)(&field.compared, &printed.value);
            let is_name = matches!(field.part, Part::Name);
            // A name in print that holds all of the zone's, and more, is the fuller one.
            let fuller = printed.value.chars().count() >= field.value.chars().count();
            keep_printed |=
                is_name && (outcome == Agreement::Match || outcome == Agreement::Partial && fuller);
            let values =
                [(FieldSource::Mrz, field.value.clone()), (FieldSource::Visual, printed.value.clone())];
            result.comparisons.push(FieldComparison::new(field.name, values, outcome));
        }
        if !keep_printed {
            let confidence = if trusted { decoded.confidence } else { decoded.confidence * 0.7 };
            let polygon = place_of(zone, field.part);
            let raw = decoded.part(field.part);
            let source = FieldSource::Mrz;
            let found = Field { value: field.value, raw, confidence, source, image, polygon };
            result.fields.insert(field.name.to_owned(), found);
        }
    }
}

/// The part of its line that holds a field.
fn place_of(zone: &Zone, part: Part) -> Polygon {
    let Some((line, from, to)) = part_place(zone.decoded.format, part) else { return Polygon::default() };
    let Some(place) = zone.places.get(line) else { return Polygon::default() };
    let (_, width) = dimensions(zone.decoded.format);
    let [top_left, top_right, low_right, low_left] = place.corners();
    let between = |a: [f32; 2], b: [f32; 2], column: usize| {
        let share = column as f32 / width as f32;
        [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share]
    };
    [
        between(top_left, top_right, from),
        between(top_left, top_right, to),
        between(low_left, low_right, to),
        between(low_left, low_right, from),
    ]
}

fn described(image: ImageRole, zone: &Zone) -> Mrz {
    let decoded = zone.decoded.clone();
    let first = zone.places.first().map(|place| place.corners()).unwrap_or_default();
    let last = zone.places.last().map(|place| place.corners()).unwrap_or_default();
    Mrz {
        format: decoded.format,
        lines: decoded.lines,
        raw_lines: decoded.raw_lines,
        check_digits: decoded.check_digits,
        corrections: decoded.corrections,
        ambiguities: decoded.ambiguities,
        valid: decoded.valid,
        confidence: decoded.confidence,
        image,
        polygon: [first[0], first[1], last[2], last[3]],
    }
}

/// First names, then last names, as the seed page writes it; where the document prints the full
/// name in one field, that one stays.
fn add_full_name(result: &mut OcrResult) {
    let (Some(first), Some(last)) = (result.fields.get("first_name"), result.fields.get("last_name")) else {
        // A single name (mononym) is a full one, too.
        if let Some(only) = result.fields.get("last_name").or(result.fields.get("first_name")).cloned() {
            result.fields.entry("full_name".to_owned()).or_insert(only);
        }
        return;
    };
    let full = Field {
        value: format!("{} {}", first.value, last.value),
        raw: format!("{} {}", first.raw, last.raw),
        confidence: first.confidence.min(last.confidence),
        ..first.clone()
    };
    result.fields.entry("full_name".to_owned()).or_insert(full);
}
