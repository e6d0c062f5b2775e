//! The dictionary of labels, and finding them in a line of text.

use crate::stages::ocr::letters::{edit_distance, plain};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What a label announces. The names are the contract's field names; `ignored` announces nothing
/// that we report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    LastName,
    FirstName,
    FullName,
    DateOfBirth,
    PlaceOfBirth,
    DocumentNumber,
    PersonalNumber,
    Nationality,
    Gender,
    IssueDate,
    ExpiryDate,
    Address,
    Authority,
    DocumentCode,
    IssuingCountry,
    Ignored,
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LastName => "last_name",
            Self::FirstName => "first_name",
            Self::FullName => "full_name",
            Self::DateOfBirth => "date_of_birth",
            Self::PlaceOfBirth => "place_of_birth",
            Self::DocumentNumber => "document_number",
            Self::PersonalNumber => "personal_number",
            Self::Nationality => "nationality",
            Self::Gender => "gender",
            Self::IssueDate => "issue_date",
            Self::ExpiryDate => "expiry_date",
            Self::Address => "address",
            Self::Authority => "authority",
            Self::DocumentCode => "document_code",
            Self::IssuingCountry => "issuing_country",
            Self::Ignored => "ignored",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    labels: Vec<String>,
}

struct Phrase {
    kind: Kind,
    /// Capitals without marks, one space between words.
    text: String,
    words: usize,
}

static PHRASES: LazyLock<Vec<Phrase>> = LazyLock::new(|| {
    // The file is part of the program and a test parses it: an error here cannot happen later.
    let sections: BTreeMap<Kind, Section> = toml::from_str(include_str!("labels.toml")).unwrap_or_default();
    sections
        .into_iter()
        .flat_map(|(kind, section)| section.labels.into_iter().map(move |label| (kind, label)))
        // Parted as lines are parted: `jusqu'au` is one word there, too.
        .map(|(kind, label)| {
            (kind, words(&label).into_iter().map(|(_, word)| word).collect::<Vec<_>>().join(" "))
        })
        .map(|(kind, text)| Phrase { kind, words: text.split(' ').count(), text })
        .filter(|phrase| !phrase.text.is_empty())
        .collect()
});

/// A label found in a line.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub kind: Kind,
    /// What follows it on its own line, as read.
    pub inline_value: Option<String>,
    /// 0..1: share of letters that are as in the dictionary.
    pub likeness: f32,
}

/// The label that a line is or begins with.
pub fn find(line: &str) -> Option<Found> {
    born_at(line).or_else(|| whole(line)).or_else(|| at_the_beginning(line))
}

/// The French `à` before a place of birth: with its accent, since a plain A is a category or an
/// initial.
fn born_at(line: &str) -> Option<Found> {
    let rest = line.trim().strip_prefix(['à', 'À'])?;
    if !rest.is_empty() && !rest.starts_with(' ') {
        return None;
    }
    let value = rest.trim();
    let inline_value = (!value.is_empty()).then(|| value.to_owned());
    Some(Found { kind: Kind::PlaceOfBirth, inline_value, likeness: 1.0 })
}

/// The line, or one of its parts in several languages, is a label.
fn whole(line: &str) -> Option<Found> {
    let parts: Vec<String> =
        [line].into_iter().chain(line.split(['/', '|', '·', ':'])).map(without_number).collect();
    let (phrase, likeness) = parts.iter().filter_map(|part| best_match(part)).max_by(|a, b| {
        (a.1, a.0.text.len()).partial_cmp(&(b.1, b.0.text.len())).unwrap_or(std::cmp::Ordering::Equal)
    })?;
    // `Sexe / M`: a part that is a label does not make the line one if the rest is a value. Parts
    // in other languages are letters; they may be unknown, but a value with digits is none.
    let others_are_words = parts.iter().skip(1).all(|part| {
        part.len() >= 3 && part.chars().filter(char::is_ascii_digit).count() <= 1
            || part.is_empty()
            || best_match(part).is_some()
    });
    let one_part = parts.len() <= 2;
    (one_part || others_are_words).then_some(Found { kind: phrase.kind, inline_value: None, likeness })
}

/// `Né le 15.05.1990`, `N° CIN: AB123456`: the longest label that the line's first words are.
fn at_the_beginning(line: &str) -> Option<Found> {
    let words: Vec<(usize, String)> = words(line);
    let mut best: Option<(usize, &Phrase, f32)> = None;
    for phrase in PHRASES.iter().filter(|phrase| phrase.words < words.len()) {
        let start: Vec<&str> = words.iter().take(phrase.words).map(|(_, word)| word.as_str()).collect();
        // A number behind a label is its value, not a misread word of a longer label.
        let is_number = |word: &&str| word.bytes().all(|byte| byte.is_ascii_digit());
        if start.last().is_some_and(is_number) && !phrase.text.bytes().any(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let Some(likeness) = likeness(&start.join(" "), &phrase.text) else { continue };
        let better = best.is_none_or(|(count, _, before)| (phrase.words, likeness) > (count, before));
        if better {
            best = Some((phrase.words, phrase, likeness));
        }
    }
    let (count, phrase, likeness) = best?;
    // One short word at the beginning of a line is too little: `No`, `Ad`, `Type` begin values too.
    if phrase.text.len() < 4 && phrase.words == 1 && !line.contains(':') && !line.contains('°') {
        return None;
    }
    let (start, _) = words.get(count)?;
    let value =
        line.get(*start..)?.trim_matches(|c: char| c.is_whitespace() || matches!(c, ':' | '.' | '-' | '/'));
    // The same label in another language is no value.
    (!value.is_empty() && whole(value).is_none()).then(|| Found {
        kind: phrase.kind,
        inline_value: Some(value.to_owned()),
        likeness,
    })
}

/// Words without marks, each with the byte at which it begins in the line.
fn words(line: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut inside = false;
    for (at, character) in line.char_indices() {
        // An apostrophe and a full stop within a word do not part it (`jusqu'au`, `D.O.B.`).
        let letters = plain(&character.to_string());
        match (letters.is_empty(), inside) {
            (false, true) => {
                if let Some((_, word)) = found.last_mut() {
                    word.push_str(&letters);
                }
            }
            (false, false) => {
                found.push((at, letters));
                inside = true;
            }
            (true, _) => inside = inside && matches!(character, '\'' | '’' | '‘' | '`'),
        }
    }
    found
}

/// `(7) Fecha de expedición`, `4a. Date of issue`: fields are numbered on some documents.
fn without_number(part: &str) -> String {
    let text = plain(part);
    match text.split_once(' ') {
        Some((first, rest))
            if first.len() <= 2 && first.starts_with(|c: char| c.is_ascii_digit()) && rest.len() >= 3 =>
        {
            rest.to_owned()
        }
        _ => text,
    }
}

fn best_match(text: &str) -> Option<(&'static Phrase, f32)> {
    PHRASES
        .iter()
        .filter_map(|phrase| Some((phrase, likeness(text, &phrase.text)?)))
        .max_by(|a, b| a.1.total_cmp(&b.1))
}

/// `None` where the two differ in more than a fifth of their letters (in any for four or fewer).
fn likeness(text: &str, phrase: &str) -> Option<f32> {
    let longer = text.len().max(phrase.len());
    let tolerated = if phrase.len() <= 4 { 0 } else { (phrase.len() / 5).max(1) };
    if text.len().abs_diff(phrase.len()) > tolerated {
        return None;
    }
    let distance = edit_distance(text, phrase);
    (distance <= tolerated).then(|| 1.0 - distance as f32 / longer as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(line: &str) -> Option<Kind> {
        find(line).filter(|found| found.inline_value.is_none()).map(|found| found.kind)
    }

    fn inline(line: &str) -> Option<(Kind, String)> {
        find(line).and_then(|found| Some((found.kind, found.inline_value?)))
    }

    #[test]
    fn the_dictionary_parses_and_no_label_announces_two_things() {
        let sections: BTreeMap<Kind, Section> = toml::from_str(include_str!("labels.toml")).unwrap();
        assert_eq!(sections.len(), 16);
        let mut seen = BTreeMap::new();
        for phrase in PHRASES.iter() {
            let before = seen.insert(&phrase.text, phrase.kind);
            assert!(before.is_none_or(|kind| kind == phrase.kind), "{} twice", phrase.text);
        }
    }

    #[test]
    fn labels_of_real_documents_as_recognisers_read_them() {
        for (line, expected) in [
            ("Soyadı/Surname", Kind::LastName),
            ("Adi, atasinın adi/Given name, patronymic", Kind::FirstName),
            ("Pasportun nômrasi/Passport No", Kind::DocumentNumber),
            ("Fardi identifikasiya nömrəsi/Personal No", Kind::PersonalNumber),
            ("Doğulduğu tarix/Date of birth", Kind::DateOfBirth),
            ("Etibarliliq müddəti/Date of expiry", Kind::ExpiryDate),
            ("Pasport sahibinin imzası/Holder's signature", Kind::Ignored),
            ("Ölkənin kodu/Code of State", Kind::IssuingCountry),
            ("shtetesia/nationality", Kind::Nationality),
            ("(7) Fecha de expedición/Date of Issue", Kind::IssueDate),
            ("Geslacht /Sexe", Kind::Gender),
            ("Prénom", Kind::FirstName),
            ("Nom", Kind::LastName),
            ("N°", Kind::DocumentNumber),
            ("Née le", Kind::DateOfBirth),
            ("à", Kind::PlaceOfBirth),
        ] {
            assert_eq!(kind(line), Some(expected), "{line}");
        }
    }

    #[test]
    fn a_value_after_its_label_is_cut_off() {
        assert_eq!(inline("Né le 15.05.1990"), Some((Kind::DateOfBirth, "15.05.1990".into())));
        assert_eq!(inline("Valable jusqu'au 14.05.2028"), Some((Kind::ExpiryDate, "14.05.2028".into())));
        assert_eq!(inline("N° CIN: AB123456"), Some((Kind::DocumentNumber, "AB123456".into())));
        assert_eq!(inline("à CASABLANCA ANFA"), Some((Kind::PlaceOfBirth, "CASABLANCA ANFA".into())));
        assert_eq!(inline("Adresse 123 Rue Mohammed V"), Some((Kind::Address, "123 Rue Mohammed V".into())));
    }

    #[test]
    fn values_are_no_labels() {
        for line in [
            "ABDULLAYEV",
            "14.08.1994",
            "C19389564",
            "K/M",
            "AZƏRBAYCAN/AZERBAIJAN",
            "EL AMRANI",
            "M",
            "A",
            "",
        ] {
            assert_eq!(find(line), None, "{line}");
        }
    }
}
