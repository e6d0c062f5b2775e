//! What a printed value must look like to be taken for a field, and its normal form.

use super::labels::Kind;
use crate::stages::ocr::dates::{DateKind, is_date, printed_date};
use crate::stages::ocr::{countries, letters};
use jiff::civil::Date;

/// The normalised value, or `None` where the text cannot be one of this kind.
pub fn normalised(kind: Kind, printed: &str, today: Date) -> Option<String> {
    let text = printed.trim();
    let count = |test: fn(char) -> bool| text.chars().filter(|c| test(*c)).count();
    let (alphabetic, digits) = (count(char::is_alphabetic), count(|c| c.is_ascii_digit()));
    match kind {
        Kind::LastName | Kind::FirstName | Kind::FullName => {
            let is_name = alphabetic >= 2 && digits == 0 && !text.contains('<') && !text.contains('/');
            is_name.then(|| letters::title_case(text.trim_matches(|c: char| !c.is_alphabetic() && c != '.')))
        }
        Kind::DateOfBirth => printed_date(text, DateKind::Birth, today).map(|date| date.to_string()),
        Kind::IssueDate => printed_date(text, DateKind::Issue, today).map(|date| date.to_string()),
        Kind::ExpiryDate => printed_date(text, DateKind::Expiry, today).map(|date| date.to_string()),
        Kind::Gender => gender(text).map(String::from),
        Kind::Nationality => {
            let code = countries::code_of_printed(text);
            match code.and_then(countries::adjective_of_code) {
                Some(adjective) => Some(adjective.to_owned()),
                None => (alphabetic >= 3 && digits == 0).then(|| letters::title_case(text)),
            }
        }
        Kind::DocumentNumber | Kind::PersonalNumber => number(text, today),
        Kind::PlaceOfBirth | Kind::Authority => {
            (alphabetic >= 2 && !is_date(text, today) && digits <= alphabetic).then(|| spaced(text))
        }
        Kind::Address => (alphabetic >= 3 && !is_date(text, today)).then(|| spaced(text)),
        Kind::DocumentCode => {
            let code = text.to_uppercase();
            let one_or_two = (1..=2).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_uppercase());
            (one_or_two && code.starts_with(['P', 'I', 'A', 'C', 'V', 'R'])).then_some(code)
        }
        Kind::IssuingCountry => {
            let is_code = text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase());
            is_code.then(|| text.to_owned())
        }
        Kind::Ignored => None,
    }
}

/// `M`, `F` or `X`. Where two languages are parted by a slash (`K/M`), the last one counts: it is
/// the international one (ICAO 9303-3 wants English, French or Spanish second), and a K alone is
/// a man in Azerbaijani and a woman in Turkish.
fn gender(text: &str) -> Option<char> {
    let last = text.split(['/', '-', '|']).map(str::trim).rfind(|part| !part.is_empty())?;
    let first_word = letters::plain(last);
    match first_word.split(' ').next()? {
        "M" | "MALE" | "MASCULIN" | "MASCULINO" | "HOMME" | "H" | "ERKEK" | "KISI" | "MAN" | "MASHKULL" => {
            Some('M')
        }
        "F" | "FEMALE" | "FEMININ" | "FEMENINO" | "FEMININO" | "FEMME" | "KADIN" | "QADIN" | "WOMAN"
        | "FEMER" => Some('F'),
        "X" => Some('X'),
        _ => None,
    }
}

/// Letters and digits with at least three digits, spaces and dashes dropped; no date.
fn number(text: &str, today: Date) -> Option<String> {
    let value: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '–')).collect();
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let plain = value.chars().all(|c| c.is_ascii_alphanumeric() || c == '/');
    let printed_as_date = text.contains(['.', '-', '/']) && is_date(text, today);
    (plain && digits >= 3 && (4..=20).contains(&value.len()) && !printed_as_date)
        .then(|| value.to_uppercase())
}

/// One space between words, none before a comma.
fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace(" ,", ",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn value(kind: Kind, text: &str) -> Option<String> {
        normalised(kind, text, date(2025, 11, 22))
    }

    #[test]
    fn values_are_brought_to_the_contracts_form() {
        for (kind, text, expected) in [
            (Kind::LastName, "EL AMRANI", "El Amrani"),
            (Kind::FirstName, "ADIL BƏKIR OğLU", "Adil Bəkir Oğlu"),
            (Kind::DateOfBirth, "14.08.1994", "1994-08-14"),
            (Kind::ExpiryDate, "15.082028", "2028-08-15"),
            (Kind::Gender, "K/M", "M"),
            (Kind::Gender, "M-M", "M"),
            (Kind::Gender, "K/F", "F"),
            (Kind::Nationality, "MAROCAINE", "Moroccan"),
            (Kind::Nationality, "AZƏRBAYCAN/AZERBAIJAN", "Azerbaijani"),
            (Kind::DocumentNumber, "EJ 312622", "EJ312622"),
            (Kind::PersonalNumber, "5188L2V", "5188L2V"),
            (Kind::Address, "123 Rue Mohammed V , Casablanca", "123 Rue Mohammed V, Casablanca"),
            (Kind::PlaceOfBirth, "Bulçar, ALB", "Bulçar, ALB"),
            (Kind::IssuingCountry, "AZE", "AZE"),
        ] {
            assert_eq!(value(kind, text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_the_field_is_refused() {
        for (kind, text) in [
            (Kind::LastName, "14.08.1994"),
            (Kind::LastName, "C19389564"),
            (Kind::DateOfBirth, "ABDULLAYEV"),
            (Kind::DocumentNumber, "14.08.1994"),
            (Kind::DocumentNumber, "MINISTRY"),
            (Kind::Gender, "AZE"),
            (Kind::PlaceOfBirth, "14.08.1994"),
            (Kind::IssuingCountry, "PC"),
        ] {
            assert_eq!(value(kind, text), None, "{text}");
        }
    }
}
