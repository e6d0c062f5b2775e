//! What barcodes say, put beside what was read elsewhere: absent fields are taken over, the others
//! compared.

use super::super::{compare, countries};
use super::plain::is_south_african_number;
use super::{Fact, ReadBarcode, Said};
use jiff::civil::Date;
use txid_shared::partial::{
    Agreement, Barcode, BarcodeContent, Field, FieldComparison, FieldSource, OcrResult,
};

/// A barcode either corrects its own errors (PDF417, QR, Data Matrix) or was read the same twice.
const CONFIDENCE: f32 = 0.99;
/// Either may stand in a barcode, and documents differ in what they call which.
const NUMBERS: [&str; 2] = ["document_number", "personal_number"];
/// A number of the same length with so few other characters is the same one, told differently; with
/// more it is another number, as of the blank card or of the batch.
const MOST_OTHER_CHARACTERS: usize = 2;
const LEAST_NUMBER: usize = 6;

/// Adds the fields that only barcodes have and the comparisons of the others.
pub fn add_barcodes(result: &mut OcrResult, read: Vec<ReadBarcode>, today: Date) {
    for mut barcode in read {
        match &barcode.said {
            Said::Number(number) => {
                if add_number(result, number, &barcode.described, today) {
                    barcode.described.content = BarcodeContent::DocumentNumber;
                }
            }
            said => said.facts().iter().for_each(|fact| add(result, fact, &barcode.described)),
        }
        result.barcodes.push(barcode.described);
    }
}

fn add(result: &mut OcrResult, fact: &Fact, barcode: &Barcode) {
    if NUMBERS.contains(&fact.name) && compared_number(result, &fact.value, false) {
        return;
    }
    let Some(known) = result.fields.get(fact.name) else {
        result.fields.insert(fact.name.to_owned(), taken(fact, barcode));
        return;
    };
    if known.source == FieldSource::Barcode {
        return;
    }
    if let Some(outcome) = agreement(fact, &known.value) {
        let values = [(FieldSource::Barcode, fact.value.clone()), (known.source, known.value.clone())];
        result.comparisons.push(FieldComparison::new(fact.name, values, outcome));
    }
}

fn taken(fact: &Fact, barcode: &Barcode) -> Field {
    Field {
        value: fact.value.clone(),
        raw: fact.raw.clone(),
        confidence: CONFIDENCE,
        source: FieldSource::Barcode,
        image: barcode.image,
        polygon: barcode.polygon,
    }
}

/// `None` where the two cannot be held against each other.
fn agreement(fact: &Fact, known: &str) -> Option<Agreement> {
    let code = match fact.name {
        // Written in too many ways.
        "address" | "place_of_birth" => return None,
        "nationality" => Some(countries::code_of_printed(&fact.value)?),
        _ => None,
    };
    Some(compare::by_field(fact.name)(code.unwrap_or(&fact.value), known))
}

/// A bare number says nothing about itself: it counts where the document has it, or nearly, or
/// where its own check digit tells what it is. True where it counts.
fn add_number(result: &mut OcrResult, number: &str, barcode: &Barcode, today: Date) -> bool {
    if compared_number(result, number, true) {
        return true;
    }
    let known = is_south_african_number(number, today);
    if known && result.readable && !result.fields.contains_key("document_number") {
        let fact = Fact::new("document_number", number, number);
        result.fields.insert(fact.name.to_owned(), taken(&fact, barcode));
    }
    known
}

/// Compares a number with the document's where it is one of them; `nearly`, or close to one.
fn compared_number(result: &mut OcrResult, number: &str, nearly: bool) -> bool {
    let elsewhere = |name: &&'static str| {
        let field = result.fields.get(*name).filter(|field| field.source != FieldSource::Barcode)?;
        Some((*name, field.source, field.value.clone()))
    };
    let known: Vec<_> = NUMBERS.iter().filter_map(elsewhere).collect();
    let same = known.iter().find(|(_, _, value)| compare::numbers(number, value) != Agreement::Conflict);
    let near = || known.iter().find(|(_, _, value)| nearly && is_near(number, value));
    let Some((name, source, value)) = same.or_else(near) else { return false };
    let values = [(FieldSource::Barcode, number.to_owned()), (*source, value.clone())];
    let outcome = compare::numbers(number, value);
    result.comparisons.push(FieldComparison::new(name, values, outcome));
    true
}

fn is_near(a: &str, b: &str) -> bool {
    let bare = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<Vec<char>>();
    let (a, b) = (bare(a), bare(b));
    let other = a.iter().zip(&b).filter(|(a, b)| a != b).count();
    a.len() == b.len() && a.len() >= LEAST_NUMBER && other <= MOST_OTHER_CHARACTERS
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use txid_shared::partial::BarcodeFormat;
    use txid_shared::words::ImageRole;

    const TODAY: Date = date(2025, 11, 22);

    fn printed(fields: &[(&str, &str)]) -> OcrResult {
        let field = |value: &str| Field {
            value: value.to_owned(),
            raw: value.to_owned(),
            confidence: 0.9,
            source: FieldSource::Visual,
            image: ImageRole::DocumentFront,
            polygon: Default::default(),
        };
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), field(value))).collect();
        OcrResult { readable: true, fields, ..OcrResult::default() }
    }

    fn with(mut result: OcrResult, said: Said) -> OcrResult {
        let described = Barcode {
            format: BarcodeFormat::Code128,
            image: ImageRole::DocumentBack,
            polygon: Default::default(),
            content: BarcodeContent::Opaque,
            bytes: 9,
        };
        add_barcodes(&mut result, vec![ReadBarcode { described, said }], TODAY);
        result
    }

    fn outcomes(result: &OcrResult) -> Vec<(&str, Agreement)> {
        result.comparisons.iter().map(|c| (c.field.as_str(), c.outcome)).collect()
    }

    #[test]
    fn absent_fields_are_taken_over_and_the_others_compared() {
        let facts = vec![
            Fact::new("last_name", "Müller", "MÜLLER"),
            Fact::new("date_of_birth", "1990-05-15", "05151990"),
            Fact::new("expiry_date", "2030-01-01", "01012030"),
        ];
        let result =
            with(printed(&[("last_name", "Muller"), ("date_of_birth", "1990-05-16")]), Said::Aamva(facts));
        assert_eq!(
            outcomes(&result),
            [("last_name", Agreement::Match), ("date_of_birth", Agreement::Conflict)]
        );
        let conflict = result.comparisons.last().unwrap();
        assert_eq!(conflict.barcode.as_deref(), Some("1990-05-15"));
        assert_eq!(conflict.visual.as_deref(), Some("1990-05-16"));
        assert_eq!(conflict.mrz, None);
        assert_eq!(result.fields["date_of_birth"].value, "1990-05-16");
        let taken = &result.fields["expiry_date"];
        assert_eq!((taken.value.as_str(), taken.source), ("2030-01-01", FieldSource::Barcode));
    }

    #[test]
    fn a_bare_number_counts_only_where_the_document_has_it_or_nearly() {
        let content = |result: &OcrResult| result.barcodes[0].content;
        let number = |number: &str| Said::Number(number.to_owned());
        let document = || printed(&[("document_number", "BE 1234567")]);
        let same = with(document(), number("BE1234567"));
        assert_eq!(
            (content(&same), outcomes(&same)),
            (BarcodeContent::DocumentNumber, vec![("document_number", Agreement::Match)])
        );
        let altered = with(document(), number("BE1234597"));
        assert_eq!(outcomes(&altered), [("document_number", Agreement::Conflict)]);
        let serial = with(document(), number("004711815"));
        assert_eq!((content(&serial), outcomes(&serial)), (BarcodeContent::Opaque, vec![]));
        let parcel = with(OcrResult::default(), number("8001015009087"));
        assert!(parcel.fields.is_empty(), "no document, no field");
        let book = with(printed(&[("last_name", "Mokoena")]), number("8001015009087"));
        assert_eq!(book.fields["document_number"].value, "8001015009087");
    }

    #[test]
    fn a_personal_number_called_document_number_is_no_conflict() {
        let facts = vec![Fact::new("document_number", "8001015009087", "8001015009087")];
        let document = printed(&[("document_number", "105417560"), ("personal_number", "8001015009087")]);
        let result = with(document, Said::Plain(facts));
        assert_eq!(outcomes(&result), [("personal_number", Agreement::Match)]);
    }
}
