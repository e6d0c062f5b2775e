//! Barcodes with fields in clear: South Africa's smart ID card, and texts that name their fields
//! themselves (slips and cards whose QR code holds `Surname: …` lines or JSON). A bare number is
//! told apart here, too.

use super::super::dates::{DateKind, birth_date, printed_date};
use super::super::letters::{plain, title_case};
use super::Fact;
use jiff::civil::Date;

/// Nothing longer is a text for people.
const MOST_BYTES: usize = 4000;
/// Of fields that a text has to name before it is believed to be about a person.
const LEAST_FIELDS: usize = 3;

pub fn facts(text: &str, today: Date) -> Option<Vec<Fact>> {
    if text.len() > MOST_BYTES || text.chars().any(|c| c.is_control() && !c.is_whitespace()) {
        return None;
    }
    south_african(text, today).or_else(|| labelled(text, today))
}

/// A word that may be a document's or person's number: capitals and digits, mostly digits.
pub fn number(text: &str) -> Option<String> {
    let text = text.trim();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let shaped = text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    (shaped && (5..=20).contains(&text.len()) && digits * 2 >= text.len()).then(|| text.to_owned())
}

/// An identity number of South Africa: `YYMMDD SSSS C A Z`, the last by Luhn's rule.
pub fn is_south_african_number(text: &str, today: Date) -> bool {
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(10)).collect();
    let Some(digits) = digits.filter(|digits| digits.len() == 13) else { return false };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, digit)| if i % 2 == 0 { *digit } else { digit * 2 / 10 + digit * 2 % 10 })
        .sum();
    sum.is_multiple_of(10) && text.get(..6).and_then(|start| birth_date(start, today)).is_some()
}

/// The PDF417 of the smart ID card: surname, names, sex, nationality, identity number, date of birth,
/// country of birth, status, date of issue, and numbers of the card, with `|` between them.
fn south_african(text: &str, today: Date) -> Option<Vec<Fact>> {
    let parts: Vec<&str> = text.split('|').map(str::trim).collect();
    let [last, first, sex, nationality, number, born, _, _, issued, ..] = parts.as_slice() else {
        return None;
    };
    if !is_south_african_number(number, today) {
        return None;
    }
    let name = |text: &str| (!text.is_empty()).then(|| title_case(text));
    let date = |text: &str, kind| printed_date(text, kind, today).map(|date| date.to_string());
    let fields = [
        ("last_name", name(last), last),
        ("first_name", name(first), first),
        ("gender", gender(sex), sex),
        ("nationality", (*nationality == "RSA").then(|| "South African".to_owned()), nationality),
        ("document_number", Some((*number).to_owned()), number),
        ("date_of_birth", date(born, DateKind::Birth), born),
        ("issue_date", date(issued, DateKind::Issue), issued),
    ];
    Some(fields.into_iter().filter_map(|(field, value, raw)| Some(Fact::new(field, value?, *raw))).collect())
}

/// Names of fields as such texts spell them, without marks and signs.
const LABELS: &[(&str, &[&str])] = &[
    ("last_name", &["SURNAME", "LAST NAME", "LASTNAME", "FAMILY NAME", "NOM"]),
    (
        "first_name",
        &[
            "FIRST NAME",
            "FIRSTNAME",
            "FIRST NAMES",
            "GIVEN NAME",
            "GIVEN NAMES",
            "OTHER NAMES",
            "PRENOM",
            "PRENOMS",
        ],
    ),
    ("full_name", &["NAME", "FULL NAME", "FULLNAME", "NOM COMPLET"]),
    (
        "date_of_birth",
        &["DATE OF BIRTH", "DOB", "BIRTH DATE", "BIRTHDATE", "DATEOFBIRTH", "DATE DE NAISSANCE", "NE LE"],
    ),
    ("gender", &["SEX", "GENDER", "SEXE"]),
    (
        "document_number",
        &[
            "DOCUMENT NUMBER",
            "DOCUMENT NO",
            "ID NUMBER",
            "ID NO",
            "CARD NUMBER",
            "LICENCE NUMBER",
            "LICENSE NUMBER",
            "NUMERO",
            "N",
        ],
    ),
    (
        "personal_number",
        &["NIN", "NATIONAL ID", "PERSONAL NUMBER", "PERSONAL NO", "NATIONAL IDENTIFICATION NUMBER", "NNI"],
    ),
    ("issue_date", &["ISSUE DATE", "ISSUED", "DATE OF ISSUE", "ISSUEDATE", "DELIVRE LE"]),
    ("expiry_date", &["EXPIRY DATE", "EXPIRES", "DATE OF EXPIRY", "EXPIRYDATE", "VALID UNTIL", "EXPIRE LE"]),
    ("nationality", &["NATIONALITY", "NATIONALITE"]),
];

/// Lines of label and value, or one flat JSON object.
fn labelled(text: &str, today: Date) -> Option<Vec<Fact>> {
    let pairs: Vec<(String, String)> = match serde_json::from_str::<serde_json::Value>(text) {
        Ok(serde_json::Value::Object(object)) => object
            .into_iter()
            .filter_map(|(label, value)| Some((label.replace('_', " "), value.as_str()?.to_owned())))
            .collect(),
        Ok(_) => return None,
        Err(_) => text
            .split(['\n', '\r', ';', '|'])
            .filter_map(|line| line.split_once([':', '=']))
            .map(|(label, value)| (label.to_owned(), value.trim().to_owned()))
            .collect(),
    };
    let mut facts: Vec<Fact> = Vec::new();
    for (label, raw) in &pairs {
        let label = plain(label);
        let Some((name, _)) = LABELS.iter().find(|(_, labels)| labels.contains(&label.as_str())) else {
            continue;
        };
        if facts.iter().any(|fact| fact.name == *name) {
            continue;
        }
        facts.extend(normalised(name, raw, today).map(|value| Fact::new(name, value, raw.as_str())));
    }
    let about_a_person = facts.iter().any(|fact| fact.name.ends_with("_name"));
    let told_apart = facts.iter().any(|fact| fact.name.ends_with("number") || fact.name == "date_of_birth");
    (facts.len() >= LEAST_FIELDS && about_a_person && told_apart).then_some(facts)
}

fn normalised(name: &str, raw: &str, today: Date) -> Option<String> {
    let date = |kind| printed_date(raw, kind, today).map(|date| date.to_string());
    match name {
        "date_of_birth" => date(DateKind::Birth).filter(|born| *born <= today.to_string()),
        "issue_date" => date(DateKind::Issue),
        "expiry_date" => date(DateKind::Expiry),
        "gender" => gender(raw),
        "document_number" | "personal_number" => {
            let number = raw.replace([' ', '-'], "").to_uppercase();
            let shaped = number.chars().all(|c| c.is_ascii_alphanumeric())
                && number.chars().any(|c| c.is_ascii_digit());
            (shaped && (5..=24).contains(&number.len())).then_some(number)
        }
        "nationality" => super::super::countries::code_of_printed(raw)
            .and_then(super::super::countries::adjective_of_code)
            .map(str::to_owned),
        _ => {
            let named = raw.chars().any(char::is_alphabetic)
                && raw.chars().all(|c| c.is_alphabetic() || " '-.,’".contains(c));
            (named && raw.chars().count() <= 80).then(|| title_case(raw))
        }
    }
}

fn gender(text: &str) -> Option<String> {
    let letter = match plain(text).as_str() {
        "M" | "MALE" | "MASCULIN" | "HOMME" => "M",
        "F" | "FEMALE" | "FEMININ" | "FEMME" => "F",
        "X" => "X",
        _ => return None,
    };
    Some(letter.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    const TODAY: Date = date(2025, 11, 22);

    fn values(text: &str) -> Vec<(&'static str, String)> {
        facts(text, TODAY).unwrap_or_default().into_iter().map(|fact| (fact.name, fact.value)).collect()
    }

    #[test]
    fn a_south_african_smart_id_becomes_fields_where_its_number_is_right() {
        let text =
            "MOKOENA|THABO JOHN|M|RSA|8001015009087|01 JAN 1980|RSA|CITIZEN|27 JUN 2014|20374|105417560|1234";
        let found = values(text);
        assert!(found.contains(&("last_name", "Mokoena".to_owned())));
        assert!(found.contains(&("document_number", "8001015009087".to_owned())));
        assert!(found.contains(&("date_of_birth", "1980-01-01".to_owned())));
        assert!(found.contains(&("issue_date", "2014-06-27".to_owned())));
        assert!(values(&text.replace("8001015009087", "8001015009088")).is_empty());
    }

    #[test]
    fn texts_that_name_their_fields_are_read_in_lines_and_in_json() {
        let lines =
            "Surname: ADEYEMI\nFirst Name: Ngozi\nNIN: 1234 567 8901\nDate of Birth: 12 May 1991\nSex: F";
        let json = r#"{"surname":"ADEYEMI","first_name":"Ngozi","nin":"12345678901","dob":"1991-05-12","gender":"female"}"#;
        for text in [lines, json] {
            let found = values(text);
            assert!(found.contains(&("last_name", "Adeyemi".to_owned())), "{found:?}");
            assert!(found.contains(&("personal_number", "12345678901".to_owned())), "{found:?}");
            assert!(found.contains(&("date_of_birth", "1991-05-12".to_owned())), "{found:?}");
            assert!(found.contains(&("gender", "F".to_owned())), "{found:?}");
        }
    }

    #[test]
    fn other_texts_say_nothing() {
        for text in [
            "https://verify.example.gov/c/9f3a2c7b51d84e60aa17?name=x",
            "WIFI:S:cafe;T:WPA;P:secret;;",
            "BEGIN:VCARD\nVERSION:3.0\nFN:Jane Roe\nTEL:+123456\nEND:VCARD",
            "Name: Cafe\nDate: 2024",
            "",
            "||||||||||||",
        ] {
            assert!(values(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn bare_numbers_are_capitals_and_mostly_digits() {
        assert_eq!(number("BE1234567 ").as_deref(), Some("BE1234567"));
        assert_eq!(number("HELLO"), None);
        assert_eq!(number("12"), None);
        assert_eq!(number("be1234567"), None);
        assert!(is_south_african_number("8001015009087", TODAY));
        assert!(!is_south_african_number("8013015009087", TODAY));
    }
}
