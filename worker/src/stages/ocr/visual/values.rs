//! What a printed value must look like to be taken for a field, and its normal form.

use super::folding::is_arabic;
use super::labels::Kind;
use super::numbers::Said;
use super::pattern::is_separator;
use super::templates::{DateOrder, Template};
use crate::stages::ocr::dates::{DateKind, is_date, is_day_month_swapped, printed_date};
use crate::stages::ocr::{countries, letters};
use jiff::civil::Date;

/// Longer ones are sentences.
const LONGEST_NAME: usize = 60;

/// A value in its normal form.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    pub text: String,
    /// 0..1, how well it has the form that its field must have: 1 where nothing speaks against it.
    pub soundness: f32,
    /// Whether it has the form that the document's template wants; `None` where that wants none.
    pub fits: Option<bool>,
    /// What the number says of itself.
    pub said: Option<Said>,
}

impl Value {
    const fn plain(text: String) -> Self {
        Self { text, soundness: 1.0, fits: None, said: None }
    }
}

/// A number of another form than the template's is a misread one, or another number.
const OTHER_FORM: f32 = 0.5;
/// Of each character that was read as its look-alike.
const REPLACED: f32 = 0.95;
/// A check digit that does not hold.
const CHECK_FAILS: f32 = 0.5;

/// What is known of the document's values.
#[derive(Clone, Copy)]
pub struct Grammar<'a> {
    pub template: Option<&'a Template>,
    pub today: Date,
}

impl Grammar<'_> {
    /// The normal form, or `None` where the text cannot be one of this kind.
    pub fn value(&self, kind: Kind, printed: &str) -> Option<Value> {
        let printed = letters::western_digits(printed);
        if is_specimen_mark(&printed) {
            return None;
        }
        if is_arabic(&printed) && !matches!(kind.in_arabic(), Some(arabic) if arabic == kind) {
            return None;
        }
        if matches!(kind, Kind::DocumentNumber | Kind::PersonalNumber)
            && let Some(rule) = self.template.and_then(|template| template.numbers.get(&kind))
        {
            return match self.in_pattern(kind, &printed) {
                Some(value) => Some(value),
                // A number that only the general form knows: it may be misread, or of an older print.
                None => normalised(kind, &printed, self.today).map(|text| Value {
                    text,
                    soundness: OTHER_FORM,
                    fits: Some(false),
                    said: rule.scheme.map(|_| Said::default()),
                }),
            };
        }
        let swapped = kind.is_date()
            && self.template.is_some_and(|template| template.dates == DateOrder::Dmy)
            && is_day_month_swapped(&printed);
        if swapped {
            return None;
        }
        normalised(kind, &printed, self.today).map(Value::plain)
    }

    /// The value in the form that the template wants of this number.
    pub fn in_pattern(&self, kind: Kind, printed: &str) -> Option<Value> {
        let rule = self.template?.numbers.get(&kind)?;
        let printed = letters::western_digits(without_prefix(printed));
        let fitted: Vec<_> = rule.pattern.iter().filter_map(|pattern| pattern.fit(&printed)).collect();
        let fitted = fitted.into_iter().min_by_key(|fitted| fitted.replaced)?;
        let said = rule.scheme.map(|scheme| scheme.say(&fitted.value));
        let fails = said.as_ref().is_some_and(|said| said.holds == Some(false));
        let soundness = REPLACED.powi(fitted.replaced as i32) * if fails { CHECK_FAILS } else { 1.0 };
        Some(Value { text: fitted.value, soundness, fits: Some(true), said })
    }
}

/// `N° AB123456`, `No. 123`: what is left of a label that was read with the number.
fn without_prefix(text: &str) -> &str {
    let text = text.trim().trim_matches([':', '*', '#', '<', '>']).trim();
    ["N°", "Nº", "N.", "No.", "No:", "n°", "NO.", "№"]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))
        .unwrap_or(text)
        .trim()
}

/// The normal form, or `None` where the text cannot be one of this kind.
pub fn normalised(kind: Kind, printed: &str, today: Date) -> Option<String> {
    let text = printed.trim();
    let count = |test: fn(char) -> bool| text.chars().filter(|c| test(*c)).count();
    let (alphabetic, digits) = (count(char::is_alphabetic), count(|c| c.is_ascii_digit()));
    match kind {
        Kind::LastName | Kind::FirstName | Kind::MiddleName | Kind::FullName | Kind::LastThenFirst => {
            is_name(text).then(|| {
                letters::title_case(
                    text.trim_matches(|c: char| !c.is_alphabetic() && !matches!(c, '.' | ')')),
                )
            })
        }
        Kind::LastNameArabic | Kind::FirstNameArabic | Kind::FullNameArabic => arabic_name(text),
        Kind::DateOfBirth => printed_date(text, DateKind::Birth, today)
            .filter(|date| *date <= today && today.year() - date.year() <= 120)
            .map(|date| date.to_string()),
        Kind::IssueDate => printed_date(text, DateKind::Issue, today).map(|date| date.to_string()),
        Kind::ExpiryDate => printed_date(text, DateKind::Expiry, today).map(|date| date.to_string()),
        Kind::BirthDateAndPlace => printed_date(text, DateKind::Birth, today).map(|_| spaced(text)),
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
            let is_text = alphabetic >= 2 && !is_date(text, today) && digits <= alphabetic;
            let text = letters::in_capitals(&spaced(&text.replace('(', " (")));
            is_text.then(|| countries::place_with_code(&text).unwrap_or(text))
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

/// `SPECIMEN` across a document, or the part of it that was seen: no value.
fn is_specimen_mark(text: &str) -> bool {
    const MARK: &str = "SPECIMEN";
    let text = letters::plain(text);
    // Its end alone may be a name: IMEN, ÇİMEN.
    text.len() >= 3 && MARK.starts_with(text.as_str()) || text.len() >= 6 && MARK.contains(text.as_str())
}

/// Whether a text may be a person's name: words of letters, written as names are, and few of them.
pub fn is_name(text: &str) -> bool {
    let alphabetic = text.chars().filter(|c| c.is_alphabetic()).count();
    let only_letters = text.chars().all(|c| c.is_alphabetic() || " -'’‘`.,()".contains(c));
    let words = || text.split([' ', '-', ',']).filter(|word| word.chars().any(char::is_alphabetic));
    // Print in a script that the recogniser lacks comes out as letters in any case and in pieces.
    let whole = words().all(|word| !is_broken(word));
    let count = words().count();
    only_letters
        && alphabetic >= 2
        && text.chars().count() <= LONGEST_NAME
        && whole
        && count <= 10
        && alphabetic >= 2 * count
}

/// A small letter before a capital, which no name has but those in `Mc` and the like. Marked letters do
/// not count: recognisers read `İ` and `Ğ` small within capitals.
fn is_broken(word: &str) -> bool {
    let letters: Vec<char> = word.chars().filter(char::is_ascii_alphabetic).collect();
    let turns = letters
        .windows(2)
        .filter(|pair| matches!(pair, [a, b] if a.is_ascii_lowercase() && b.is_ascii_uppercase()))
        .count();
    let begins_small = letters.first().is_some_and(char::is_ascii_lowercase);
    turns > 1 || turns == 1 && begins_small
}

/// Without the marks of its label or of the ground at its ends.
fn arabic_name(text: &str) -> Option<String> {
    let other = text.chars().any(|c| c.is_ascii_alphabetic() || c.is_numeric());
    let name = text.trim_matches(|c: char| !c.is_alphabetic());
    let letters = letters::arabic_folded(name).chars().count();
    (letters >= 2 && !other).then(|| name.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// `M`, `F` or `X`. Where two languages are parted by a slash (`K/M`), the last one counts: it is
/// the international one (ICAO 9303-3 wants English, French or Spanish second), and a K alone is
/// a man in Azerbaijani and a woman in Turkish. `M / F` is a form that nobody filled in.
fn gender(text: &str) -> Option<char> {
    let mut parts = text.split(['/', '-', '|', '(', ')']).map(str::trim).filter(|part| !part.is_empty());
    let first = parts.next()?;
    let last = parts.next_back().unwrap_or(first);
    let (first, last) = (gender_of(first), gender_of(last));
    match (first, last) {
        (Some('M'), Some('F')) | (Some('F'), Some('M')) => None,
        (first, last) => last.or(first),
    }
}

fn gender_of(part: &str) -> Option<char> {
    let plain = letters::plain(part);
    let mut words = plain.split(' ');
    let word = words.next()?;
    // `M` and something more is no gender, but `MALE 1,75 M` and `M 175` are.
    let rest_is_small = words.all(|word| word.len() <= 3);
    let found = match word {
        "M" | "MALE" | "MASCULIN" | "MASCULINO" | "HOMME" | "H" | "ERKEK" | "KISI" | "MAN" | "MASHKULL"
        | "MASC" | "GABO" | "MUME" | "MWANAUME" | "ME" | "MASCHIO" | "VARON" => 'M',
        "F" | "FEMALE" | "FEMININ" | "FEMENINO" | "FEMININO" | "FEMME" | "KADIN" | "QADIN" | "WOMAN"
        | "FEMER" | "FEM" | "GORE" | "KE" | "MWANAMKE" | "FEMMINA" | "MUJER" => 'F',
        "X" => 'X',
        _ => return None,
    };
    rest_is_small.then_some(found)
}

/// Letters and digits with at least three digits, spaces and dashes dropped; no date.
fn number(text: &str, today: Date) -> Option<String> {
    let text = without_prefix(text);
    let value: String = text.chars().filter(|c| !is_separator(*c) || *c == '/').collect();
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let plain = value.chars().all(|c| c.is_ascii_alphanumeric() || c == '/');
    let printed_as_date = text.contains(['.', '-', '/']) && is_date(text, today);
    (plain && digits >= 3 && (4..=24).contains(&value.len()) && !printed_as_date)
        .then(|| value.to_uppercase())
}

/// One space between words, none before a comma.
pub fn spaced(text: &str) -> String {
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
            (Kind::FirstName, "IMEN", "Imen"),
            (Kind::LastNameArabic, "لحلو  العلوي :", "لحلو العلوي"),
            (Kind::Gender, "K/M", "M"),
            (Kind::Gender, "M-M", "M"),
            (Kind::Gender, "K/F", "F"),
            (Kind::Gender, "Gabo / M", "M"),
            (Kind::Gender, "MALE", "M"),
            (Kind::Nationality, "MAROCAINE", "Moroccan"),
            (Kind::Nationality, "AZƏRBAYCAN/AZERBAIJAN", "Azerbaijani"),
            (Kind::DocumentNumber, "EJ 312622", "EJ312622"),
            (Kind::PersonalNumber, "5188L2V", "5188L2V"),
            (Kind::Address, "123 Rue Mohammed V , Casablanca", "123 Rue Mohammed V, Casablanca"),
            (Kind::PlaceOfBirth, "Bulçar, ALB", "Bulçar, ALB"),
            (Kind::PlaceOfBirth, "VERONA(VR)", "VERONA (VR)"),
            (Kind::IssuingCountry, "AZE", "AZE"),
        ] {
            assert_eq!(value(kind, text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn the_mark_of_specimens_is_no_value_and_names_are_no_mark() {
        assert!(["SPECIMEN", "SPEC", "PECIMEN"].into_iter().all(is_specimen_mark));
        assert!(!["IMEN", "ÇİMEN", "MEN"].into_iter().any(is_specimen_mark));
    }

    #[test]
    fn what_cannot_be_the_field_is_refused() {
        for (kind, text) in [
            (Kind::LastName, "14.08.1994"),
            (Kind::LastName, "C19389564"),
            (Kind::FirstNameArabic, "زنقة ١٢"),
            (Kind::LastName, "jLsÖ aaB"),
            (Kind::LastName, "a b c d"),
            (Kind::FirstName, "+212 600"),
            (Kind::Gender, "M / F"),
            (Kind::Gender, "MARRAKECH"),
            (Kind::DateOfBirth, "14.08.2031"),
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
