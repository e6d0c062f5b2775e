//! What a machine-readable zone says about its holder.

use super::decode::Decoded;
use super::layout::Part;
use crate::stages::ocr::{countries, dates, letters};
use jiff::civil::Date;

/// Absent where the zone has fillers or an impossible value. Names as spelled there (capitals,
/// transliterated), one space between words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MrzFields {
    pub document_code: Option<String>,
    /// ICAO three-letter codes without fillers (`D` for Germany).
    pub issuer: Option<String>,
    pub nationality: Option<String>,
    pub last_name: Option<String>,
    pub first_name: Option<String>,
    pub document_number: Option<String>,
    /// The number of the piece of plastic, where the zone gives it besides the one that the document is
    /// known by.
    pub card_number: Option<String>,
    pub date_of_birth: Option<Date>,
    pub expiry_date: Option<Date>,
    /// `M`, `F` or `X`.
    pub gender: Option<char>,
    pub optional_data: Option<String>,
    /// The first optional data of a TD1.
    pub more_optional_data: Option<String>,
}

pub fn fields(mrz: &Decoded, today: Date) -> MrzFields {
    let text = |part: Part| filled(&mrz.part(part));
    let (last_name, first_name) = match text(Part::GivenNames) {
        Some(given) => (text(Part::Name), Some(given)),
        None => names(&mrz.part(Part::Name)),
    };
    let mut document_number = text(Part::DocumentNumber).map(|number| number.replace(' ', ""));
    let mut more_optional_data = text(Part::MoreOptionalData);
    if mrz.number_overflow > 0 {
        let more = mrz.part(Part::MoreOptionalData);
        let (rest, optional) = more.split_at_checked(mrz.number_overflow).unwrap_or((&more, ""));
        document_number = document_number.map(|start| start + rest);
        // The check digit and the filler after it.
        more_optional_data = filled(optional.get(2..).unwrap_or(""));
    }
    let issuer = text(Part::Issuer);
    let mut card_number = None;
    if issuer.as_deref() == Some("MAR")
        && let Some(identity) = more_optional_data.take_if(|data| is_moroccan_identity_number(data))
    {
        card_number = document_number.replace(identity);
    }
    MrzFields {
        document_code: text(Part::DocumentCode),
        issuer,
        nationality: text(Part::Nationality),
        last_name,
        first_name,
        document_number,
        card_number,
        date_of_birth: dates::birth_date(&mrz.part(Part::DateOfBirth), today),
        expiry_date: dates::expiry_date(&mrz.part(Part::ExpiryDate), today),
        gender: match mrz.part(Part::Sex).as_str() {
            "M" => Some('M'),
            "F" => Some('F'),
            "X" | "<" => Some('X'),
            _ => None,
        },
        optional_data: text(Part::OptionalData),
        more_optional_data,
    }
}

/// One or two letters and up to six digits. Moroccan cards that have it in the optional data have the number
/// of the card in the document number's place; the card is known (and printed) by this one.
fn is_moroccan_identity_number(text: &str) -> bool {
    let letters = text.bytes().take_while(u8::is_ascii_uppercase).count();
    let digits = text.get(letters..).unwrap_or("");
    (1..=2).contains(&letters)
        && (3..=6).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Without leading and trailing fillers, inner ones as spaces; `None` where nothing is left.
fn filled(part: &str) -> Option<String> {
    let text = part.replace('<', " ");
    let words: Vec<&str> = text.split_whitespace().collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// Last and first names: two fillers part them. With none, all is the last name.
fn names(part: &str) -> (Option<String>, Option<String>) {
    match part.split_once("<<") {
        Some((last, first)) => (filled(last), filled(first)),
        None => (filled(part), None),
    }
}

impl MrzFields {
    /// What is there under the contract's names, each with the part of the zone that says it: dates `YYYY-MM-DD`,
    /// names as people write them, the nationality's adjective.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, Part, String)> {
        let cased = |name: &Option<String>| name.as_deref().map(letters::title_case);
        let date = |date: Option<Date>| date.map(|date| date.to_string());
        let adjective = self
            .nationality
            .as_ref()
            .map(|code| countries::adjective_of_code(code).unwrap_or(code).to_owned());
        [
            ("last_name", Part::Name, cased(&self.last_name)),
            ("first_name", Part::Name, cased(&self.first_name)),
            ("document_number", Part::DocumentNumber, self.document_number.clone()),
            ("date_of_birth", Part::DateOfBirth, date(self.date_of_birth)),
            ("expiry_date", Part::ExpiryDate, date(self.expiry_date)),
            ("gender", Part::Sex, self.gender.map(String::from)),
            ("issuing_country", Part::Issuer, self.issuer.clone()),
            ("document_code", Part::DocumentCode, self.document_code.clone()),
            ("nationality", Part::Nationality, adjective),
        ]
        .into_iter()
        .filter_map(|(name, part, value)| Some((name, part, value?)))
    }

    /// First names before last names, as the seed page writes them.
    pub fn full_name(&self) -> Option<String> {
        let names: Vec<String> = [&self.first_name, &self.last_name]
            .into_iter()
            .flatten()
            .map(|name| letters::title_case(name))
            .collect();
        (!names.is_empty()).then(|| names.join(" "))
    }
}
