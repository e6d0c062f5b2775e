//! From what each side says to one result.

use super::barcode::{ReadBarcode, add_barcodes};
use super::compare;
use super::frame::Place;
use super::mrz::fields::{MrzFields, fields as mrz_fields};
use super::mrz::{Decoded, Part, dimensions, part_place};
use super::side::Side;
use super::visual::{self, Kind, SideText, Told, VisualField};
use super::zone::Zone;
use jiff::civil::Date;
use std::collections::BTreeMap;
use txid_shared::partial::{
    Agreement, Field, FieldComparison, FieldSource, Mrz, MrzFormat, OcrResult, Polygon,
};
use txid_shared::words::ImageRole;

/// Puts the sides together. `told` is what the caller says of the document; `sides` of the result
/// (rotation, quality) is the caller's.
pub fn assemble(
    sides: &[(ImageRole, Side)],
    barcodes: Vec<ReadBarcode>,
    told: &Told<'_>,
    today: Date,
) -> OcrResult {
    let zone = sides
        .iter()
        .filter_map(|(role, side)| Some((*role, side.zone.as_ref()?, &side.place)))
        .max_by_key(|(_, zone, _)| (zone.decoded.valid, (zone.decoded.confidence * 1e4) as u32));
    let says = zone.map(|(_, zone, _)| mrz_fields(&zone.decoded, today));
    let issued =
        says.as_ref().and_then(|says| Some((says.issuer.as_deref()?, says.document_code.as_deref()?)));
    let told = Told { zone: issued, ..*told };
    let texts: Vec<SideText<'_>> = sides
        .iter()
        .map(|(_, side)| SideText {
            lines: &side.lines,
            frame: side.sheet.as_ref().and_then(visual::Frame::of_corners),
        })
        .collect();
    let mut read = visual::read(&texts, &told, today);
    let by_barcode = barcodes.iter().any(ReadBarcode::makes_a_document);
    if zone.is_none() && !read.is_document && !by_barcode {
        let barcodes = barcodes.into_iter().map(|barcode| barcode.described).collect();
        return OcrResult { barcodes, ..OcrResult::default() };
    }
    if let Some(template) = read.template {
        tracing::debug!(template = %template.name(), "read by a template");
    }
    if let Some(says) = &says {
        as_zone_says(&mut read.fields, says);
        visual::take_remaining_date(&texts, says.date_of_birth, says.expiry_date, today, &mut read);
    }
    let mut printed: BTreeMap<Kind, (ImageRole, VisualField, Polygon)> = BTreeMap::new();
    for (kind, (side, field)) in &read.fields {
        let Some((role, side)) = sides.get(*side) else { continue };
        let Some(line) = side.lines.get(field.line) else { continue };
        printed.insert(*kind, (*role, field.clone(), side.place.corners(&line.place)));
    }
    let mut result = OcrResult { readable: true, ..OcrResult::default() };
    for (kind, (image, field, polygon)) in &printed {
        let confidence = field.confidence;
        let (value, raw) = (field.value.clone(), field.raw.clone());
        let field =
            Field { value, raw, confidence, source: FieldSource::Visual, image: *image, polygon: *polygon };
        result.fields.insert(kind.as_str().to_owned(), field);
    }
    if let (Some((image, zone, place)), Some(says)) = (zone, &says) {
        add_zone(&mut result, image, (zone, place), says);
        result.mrz = Some(described(image, zone, place));
    }
    if read.template.is_some_and(visual::Template::is_card) {
        add_document_number(&mut result);
    }
    add_barcodes(&mut result, barcodes, today);
    add_full_name(&mut result);
    visual::check(&read, &mut result, today);
    result
}

/// What the zone tells about printed values whose field the print leaves open: which of two names
/// without labels is the last one, and whether a number is the document's or the person's.
fn as_zone_says(printed: &mut BTreeMap<Kind, (usize, VisualField)>, zone: &MrzFields) {
    let agrees = |name: &Option<String>, field: Option<&(usize, VisualField)>| {
        let (Some(name), Some((_, field))) = (name, field) else { return false };
        compare::names(name, &field.value) == Agreement::Match
    };
    let (first, last) = (printed.get(&Kind::FirstName), printed.get(&Kind::LastName));
    if agrees(&zone.last_name, first) && agrees(&zone.first_name, last) && !agrees(&zone.last_name, last) {
        let (first, last) = (printed.remove(&Kind::FirstName), printed.remove(&Kind::LastName));
        for (kind, swapped) in [(Kind::LastName, first), (Kind::FirstName, last)] {
            if let Some((side, field)) = swapped {
                printed.insert(kind, (side, field.named(kind)));
            }
        }
    }
    let is_personal = |number: &str| {
        let same = |data: &Option<String>| {
            data.as_ref().is_some_and(|data| compare::numbers(data, number) == Agreement::Match)
        };
        (same(&zone.optional_data) || same(&zone.more_optional_data))
            && zone.document_number.as_deref() != Some(number)
    };
    if printed.get(&Kind::DocumentNumber).is_some_and(|(_, field)| is_personal(&field.value))
        && let Some((side, field)) = printed.remove(&Kind::DocumentNumber)
    {
        let kind = Kind::PersonalNumber;
        printed.entry(kind).or_insert((side, field.named(kind)));
    }
}

/// Where a card has one number, the person's, it is what people call the document's.
fn add_document_number(result: &mut OcrResult) {
    if let Some(personal) = result.fields.get("personal_number").cloned() {
        result.fields.entry("document_number".to_owned()).or_insert(personal);
    }
}

/// Adds the zone's fields. Numbers, dates and codes of the zone go before print where the zone's
/// check digits hold; names in print have their marks and win where both say the same.
fn add_zone(result: &mut OcrResult, image: ImageRole, (zone, place): (&Zone, &Place), says: &MrzFields) {
    let decoded = &zone.decoded;
    let is_card = matches!(decoded.format, MrzFormat::Td1 | MrzFormat::Td2 | MrzFormat::FrenchId);
    for (name, part, value) in says.named() {
        let part = part_with(name, part, decoded.format);
        let printed = result.fields.get(name);
        let is_number = is_card && part == Part::DocumentNumber;
        // The document is known by the number that it shows.
        if printed.is_some_and(|printed| is_number && compare::is_another_number(&value, &printed.value)) {
            continue;
        }
        let checked = decoded.check_digits.iter().find(|digit| digit.field == name);
        let trusted = checked.map_or(decoded.valid, |digit| digit.valid);
        let mut keep_printed = printed.is_some() && !trusted;
        if let Some(printed) = printed {
            // Nationalities are compared by their code.
            let code = says.nationality.as_ref().filter(|_| part == Part::Nationality);
            let outcome = compare::by_field(name)(code.unwrap_or(&value), &printed.value);
            let is_name = matches!(part, Part::Name | Part::GivenNames);
            // A name in print that holds all of the zone's, and more, is the fuller one.
            let fuller = printed.value.chars().count() >= value.chars().count();
            keep_printed |=
                is_name && (outcome == Agreement::Match || outcome == Agreement::Partial && fuller);
            let values = [(FieldSource::Mrz, value.clone()), (FieldSource::Visual, printed.value.clone())];
            result.comparisons.push(FieldComparison::new(name, values, outcome));
        }
        let completed = (name == "first_name" && part == Part::Name && printed.is_none())
            .then(|| completed_first_names(result, says, decoded))
            .flatten();
        if let Some(completed) = completed {
            result.fields.insert(name.to_owned(), completed);
        } else if !keep_printed {
            let confidence = if trusted { decoded.confidence } else { decoded.confidence * 0.7 };
            let polygon = place_of(zone, part).map(|corner| place.point(corner));
            let raw = decoded.part(part);
            let source = FieldSource::Mrz;
            let found = Field { value, raw, confidence, source, image, polygon };
            result.fields.insert(name.to_owned(), found);
        }
    }
}

/// Of a name that fills the zone to its last place, and goes on in a full name in print.
fn completed_first_names(result: &OcrResult, says: &MrzFields, decoded: &Decoded) -> Option<Field> {
    if decoded.part(Part::Name).ends_with('<') {
        return None;
    }
    let (first, last) = (says.first_name.as_ref()?, says.last_name.as_ref()?);
    let full = result.fields.get("full_name")?;
    Some(Field { value: compare::completed_first_names(first, last, &full.value)?, ..full.clone() })
}

/// First names stand behind the last ones, in some formats in a part of their own.
fn part_with(name: &str, part: Part, format: MrzFormat) -> Part {
    let apart = name == "first_name" && part_place(format, Part::GivenNames).is_some();
    if apart { Part::GivenNames } else { part }
}

/// The part of its line that holds a field, in the frame's coordinates.
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

fn described(image: ImageRole, zone: &Zone, at: &Place) -> Mrz {
    let decoded = zone.decoded.clone();
    let first = zone.places.first().map(|place| at.corners(place)).unwrap_or_default();
    let last = zone.places.last().map(|place| at.corners(place)).unwrap_or_default();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn field(kind: Kind, value: &str) -> (Kind, (usize, VisualField)) {
        (kind, (0, VisualField::for_test(kind, value)))
    }

    #[test]
    fn the_zone_tells_which_unlabelled_name_is_the_last_one() {
        let zone = MrzFields {
            last_name: Some("EL AMRANI".into()),
            first_name: Some("YOUSSEF".into()),
            ..MrzFields::default()
        };
        let value = |printed: &BTreeMap<Kind, (usize, VisualField)>, kind| printed[&kind].1.value.clone();
        let mut swapped: BTreeMap<_, _> =
            [field(Kind::FirstName, "El Amrani"), field(Kind::LastName, "Youssef")].into();
        as_zone_says(&mut swapped, &zone);
        assert_eq!(value(&swapped, Kind::LastName), "El Amrani");
        assert_eq!(value(&swapped, Kind::FirstName), "Youssef");
        // Another person's names stay where they are, and conflict.
        let mut other: BTreeMap<_, _> =
            [field(Kind::FirstName, "Benali"), field(Kind::LastName, "Youssef")].into();
        as_zone_says(&mut other, &zone);
        assert_eq!(value(&other, Kind::FirstName), "Benali");
    }

    #[test]
    fn first_names_are_shown_where_they_stand() {
        assert_eq!(part_with("first_name", Part::Name, MrzFormat::FrenchId), Part::GivenNames);
        assert_eq!(part_with("last_name", Part::Name, MrzFormat::FrenchId), Part::Name);
        assert_eq!(part_with("first_name", Part::Name, MrzFormat::Td1), Part::Name);
    }

    #[test]
    fn the_zone_tells_a_persons_number_from_the_documents() {
        let zone = MrzFields {
            document_number: Some("123456789".into()),
            more_optional_data: Some("784198012345678".into()),
            ..MrzFields::default()
        };
        let mut printed: BTreeMap<_, _> = [field(Kind::DocumentNumber, "784198012345678")].into();
        as_zone_says(&mut printed, &zone);
        assert!(printed.contains_key(&Kind::PersonalNumber) && !printed.contains_key(&Kind::DocumentNumber));
        let mut own: BTreeMap<_, _> = [field(Kind::DocumentNumber, "123456789")].into();
        as_zone_says(&mut own, &zone);
        assert!(own.contains_key(&Kind::DocumentNumber));
    }
}
