//! The dictionary of labels, and finding them in a line of text.

use super::folding::{
    Letters, folded, is_arabic, is_field_number, likeness, tolerated, without_number, words,
};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// Words of the longest labels, and one more.
const MOST_WORDS: usize = 12;
/// Words before a label that may be scraps, their longest, and how sure the label itself must be.
const MOST_SCRAPS: usize = 2;
const LONGEST_SCRAP: usize = 4;
const LEAST_LIKENESS_BEHIND: f32 = 0.95;

/// What a label announces. The names are the contract's field names; `ignored` announces nothing
/// that we report, and some announce two fields at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    LastName,
    FirstName,
    /// Goes behind the first name.
    MiddleName,
    FullName,
    /// The last name on one line, first names on the next.
    LastThenFirst,
    LastNameArabic,
    FirstNameArabic,
    FullNameArabic,
    DateOfBirth,
    PlaceOfBirth,
    /// `15/05/1990 à RABAT`, `ROMA (RM) 15.05.1990`.
    BirthDateAndPlace,
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
            Self::MiddleName => "middle_name",
            Self::FullName => "full_name",
            Self::LastThenFirst => "last_then_first",
            Self::LastNameArabic => "last_name_arabic",
            Self::FirstNameArabic => "first_name_arabic",
            Self::FullNameArabic => "full_name_arabic",
            Self::DateOfBirth => "date_of_birth",
            Self::PlaceOfBirth => "place_of_birth",
            Self::BirthDateAndPlace => "birth_date_and_place",
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

    pub const fn is_latin_name(self) -> bool {
        matches!(
            self,
            Self::LastName | Self::FirstName | Self::MiddleName | Self::FullName | Self::LastThenFirst
        )
    }

    pub const fn is_date(self) -> bool {
        matches!(self, Self::DateOfBirth | Self::IssueDate | Self::ExpiryDate)
    }

    /// The field that a value in Arabic script belongs to, behind a label of this kind.
    pub const fn in_arabic(self) -> Option<Self> {
        match self {
            Self::LastName | Self::LastNameArabic => Some(Self::LastNameArabic),
            Self::FirstName | Self::FirstNameArabic => Some(Self::FirstNameArabic),
            Self::FullName | Self::FullNameArabic => Some(Self::FullNameArabic),
            Self::Ignored => Some(Self::Ignored),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    labels: Vec<String>,
}

#[derive(Debug, Clone)]
struct Phrase {
    kind: Kind,
    /// Folded, one space between words.
    text: String,
    words: usize,
    letters: Letters,
    /// Of the document's own template, which knows better.
    own: bool,
}

impl Phrase {
    // Parted as lines are parted: `jusqu'au` is one word there, too.
    fn of(kind: Kind, label: &str, own: bool) -> Self {
        let words: Vec<String> = words(label).into_iter().map(|(_, word)| word).collect();
        let text = words.join(" ");
        Self { kind, words: words.len(), letters: Letters::of(&text), text, own }
    }
}

/// Labels of all documents, or these and the ones of one document.
#[derive(Debug)]
pub struct Dictionary {
    phrases: Vec<Phrase>,
}

static GENERAL: LazyLock<Dictionary> = LazyLock::new(|| {
    // The file is part of the program and a test parses it: an error here cannot happen later.
    let sections: BTreeMap<Kind, Section> = toml::from_str(include_str!("labels.toml")).unwrap_or_default();
    let labels = sections.into_iter().flat_map(|(kind, section)| {
        section.labels.into_iter().map(move |label| Phrase::of(kind, &label, false))
    });
    Dictionary { phrases: labels.filter(|phrase| !phrase.text.is_empty()).collect() }
});

/// A label found in a line.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub kind: Kind,
    /// What follows it on its own line, as read.
    pub inline_value: Option<String>,
    /// 0..1: share of letters that are as in the dictionary.
    pub likeness: f32,
    /// Whether the label is in Arabic script: then its value stands to its left.
    pub right_to_left: bool,
}

impl Dictionary {
    pub fn general() -> &'static Self {
        &GENERAL
    }

    /// The labels themselves, folded.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.phrases.iter().map(|phrase| phrase.text.as_str())
    }

    /// The general labels and a document's own, which go before general ones of the same text.
    pub fn with(own: &BTreeMap<Kind, Vec<String>>) -> Self {
        let own =
            own.iter().flat_map(|(kind, labels)| labels.iter().map(|text| Phrase::of(*kind, text, true)));
        let mut phrases: Vec<Phrase> = own.filter(|phrase| !phrase.text.is_empty()).collect();
        let texts: BTreeSet<String> = phrases.iter().map(|phrase| phrase.text.clone()).collect();
        let general = GENERAL.phrases.iter().filter(|phrase| !texts.contains(&phrase.text));
        phrases.extend(general.cloned());
        Self { phrases }
    }

    /// The labels that a line is, begins with, or has between values
    /// (`Sexe : F   Né(e) le : 06.12.1965`), in their order.
    pub fn find(&self, line: &str) -> Vec<Found> {
        let Some(mut first) = self.first(line) else { return Vec::new() };
        let mut all = Vec::new();
        while let Some((value, next)) = first.inline_value.as_deref().and_then(|value| self.later(value)) {
            first.inline_value = Some(value);
            all.push(first);
            first = next;
        }
        all.push(first);
        all
    }

    fn first(&self, line: &str) -> Option<Found> {
        born_at(line)
            .or_else(|| self.whole(line))
            .or_else(|| self.at_the_beginning(line))
            .or_else(|| self.behind_scraps(line))
    }

    /// A label behind print of another script that was read as a letter or two: `all Place of birth`.
    fn behind_scraps(&self, line: &str) -> Option<Found> {
        let words = words(line);
        (1..=MOST_SCRAPS).find_map(|scraps| {
            let (before, label) = words.split_at_checked(scraps)?;
            let short = before.iter().all(|(_, word)| word.chars().count() <= LONGEST_SCRAP);
            let (scraps, rest) = line.split_at_checked(label.first()?.0)?;
            // `Old passport No`, `WIFE first name` are other labels.
            let short = short && !scraps.contains(char::is_uppercase);
            let found = (short && label.len() > 1).then(|| self.whole(rest)).flatten()?;
            (found.likeness > LEAST_LIKENESS_BEHIND).then_some(found)
        })
    }

    /// A second label within what follows the first: the value before it, and it. Only labels that
    /// do not occur in names and addresses, and only with a value of their own.
    fn later(&self, value: &str) -> Option<(String, Found)> {
        words(value).into_iter().skip(1).find_map(|(start, _)| {
            let (before, rest) = value.split_at_checked(start)?;
            let found = self.at_the_beginning(rest)?;
            let clear = matches!(
                found.kind,
                Kind::DateOfBirth | Kind::Gender | Kind::Nationality | Kind::IssueDate | Kind::ExpiryDate
            ) && found.likeness > 0.85;
            let before =
                before.trim_matches(|c: char| c.is_whitespace() || matches!(c, ':' | '/' | '-' | '|'));
            (clear && !before.is_empty()).then(|| (before.to_owned(), found))
        })
    }

    /// The line, or one of its parts in several languages, is a label.
    fn whole(&self, line: &str) -> Option<Found> {
        let line = line.trim().trim_end_matches([':', '.', ' ']);
        let parts: Vec<String> =
            [line].into_iter().chain(line.split(['/', '|', '·', '•'])).map(without_number).collect();
        let (phrase, likeness) = parts.iter().filter_map(|part| self.best_match(part)).max_by(|a, b| {
            let rank = |found: &(&Phrase, f32)| (found.1, found.0.own, found.0.text.len());
            rank(a).partial_cmp(&rank(b)).unwrap_or(std::cmp::Ordering::Equal)
        })?;
        // `Sexe / M`: a part that is a label does not make the line one if the rest is a value. Parts
        // in other languages are letters; they may be unknown, but a value with digits is none.
        let others_are_words = parts.iter().skip(1).all(|part| {
            part.len() >= 3 && part.chars().filter(char::is_ascii_digit).count() <= 1
                || part.is_empty()
                || self.best_match(part).is_some()
        });
        // `Nom/Surname ERIKSSON`: a value stands behind the last part.
        let last =
            line.split(['/', '|', '·', '•']).skip(1).last().and_then(|part| self.at_the_beginning(part));
        if last
            .is_some_and(|found| found.inline_value.is_some_and(|value| can_stand_behind(found.kind, &value)))
        {
            return None;
        }
        let one_part = parts.len() <= 2;
        // `Nom : BERTHIER`: what follows a colon is a value unless it is a label, too.
        let no_value =
            line.split_once(':').is_none_or(|(_, after)| self.best_match(&folded(after)).is_some());
        ((one_part || others_are_words) && no_value).then(|| Found {
            kind: phrase.kind,
            inline_value: None,
            likeness,
            right_to_left: is_arabic(&phrase.text),
        })
    }

    /// `Né le 15.05.1990`, `N° CIN: AB123456`: the longest label that the line's first words are.
    /// The same label in a second language goes with the first (`Nom/Surname ERIKSSON`).
    fn at_the_beginning(&self, line: &str) -> Option<Found> {
        let words: Vec<(usize, String)> = words(line);
        let skipped =
            usize::from(words.len() > 1 && words.first().is_some_and(|(_, word)| is_field_number(word)));
        let words = words.get(skipped..)?;
        // By count of words: the line's beginning.
        let mut starts: Vec<(String, Letters)> = Vec::new();
        for (_, word) in words.iter().take(MOST_WORDS) {
            let text = starts.last().map_or_else(|| word.clone(), |(before, _)| format!("{before} {word}"));
            starts.push((text.clone(), Letters::of(&text)));
        }
        let mut best: Option<(&Phrase, f32)> = None;
        for phrase in self.phrases.iter().filter(|phrase| phrase.words < words.len()) {
            let Some((start, letters)) = phrase.words.checked_sub(1).and_then(|at| starts.get(at)) else {
                continue;
            };
            if letters.edits_to(phrase.letters) > tolerated(phrase.text.len()) {
                continue;
            }
            // A number behind a label is its value, not a misread word of a longer label.
            let last_word = |text: &str| text.rsplit(' ').next().unwrap_or("").to_owned();
            let number = Some(last_word(start)).filter(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
            if number.is_some_and(|number| last_word(&phrase.text) != number) {
                continue;
            }
            let Some(likeness) = likeness(start, &phrase.text) else { continue };
            let better = best.is_none_or(|(before, least)| {
                (phrase.words, likeness, phrase.own) > (before.words, least, before.own)
            });
            if better {
                best = Some((phrase, likeness));
            }
        }
        let (phrase, likeness) = best?;
        let (start, _) = words.get(phrase.words)?;
        let (label, value) = line.split_at_checked(*start)?;
        let parted = label.trim_end().ends_with(['/', '|', '•', '·']);
        let value = value.trim_matches(|c: char| {
            c.is_whitespace() || matches!(c, ':' | '.' | '-' | '/' | '|' | '•' | '·')
        });
        // `Date of birth (4)`: the number of the field.
        if value.is_empty() || is_field_number(&folded(value)) && value.contains(['(', ')']) {
            return None;
        }
        let second = self.at_the_beginning(value);
        if let Some(second) = second.filter(|second| parted || second.kind == phrase.kind) {
            return Some(Found { kind: phrase.kind, ..second });
        }
        // One short word at the beginning of a line is too little: `No`, `Ad`, `Type` begin values too.
        let short = phrase.text.len() < 4 && phrase.words == 1;
        let is_text = phrase.kind.is_latin_name() || phrase.kind == Kind::PlaceOfBirth;
        let stands_before = phrase.own && is_text && !value.chars().any(char::is_lowercase)
            || can_stand_behind(phrase.kind, value);
        if short && !line.contains([':', '°', 'º']) && !stands_before {
            return None;
        }
        // The same label in another language is no value.
        self.whole(value).is_none().then(|| Found {
            kind: phrase.kind,
            inline_value: Some(value.to_owned()),
            likeness,
            right_to_left: is_arabic(&phrase.text),
        })
    }

    fn best_match(&self, text: &str) -> Option<(&Phrase, f32)> {
        let letters = Letters::of(text);
        self.phrases
            .iter()
            .filter(|phrase| letters.edits_to(phrase.letters) <= tolerated(phrase.text.len()))
            .filter_map(|phrase| Some((phrase, likeness(text, &phrase.text)?)))
            .max_by(|a, b| (a.1, a.0.own).partial_cmp(&(b.1, b.0.own)).unwrap_or(std::cmp::Ordering::Equal))
    }
}

/// `SEX M`, `DOB 15/05/1990`, `NIN 12345678901`: the text leaves no doubt that it is a value and the
/// words before it are a label.
fn can_stand_behind(kind: Kind, value: &str) -> bool {
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let count = |test: fn(char) -> bool| value.chars().filter(|c| test(*c)).count();
    let (letters, small) = (count(char::is_alphabetic), count(char::is_lowercase));
    match kind {
        Kind::Gender => letters <= 8 && letters > 0 && digits == 0,
        Kind::DateOfBirth | Kind::IssueDate | Kind::ExpiryDate => digits >= 4,
        Kind::DocumentNumber | Kind::PersonalNumber => digits >= 6,
        Kind::LastName | Kind::FirstName | Kind::MiddleName | Kind::FullName => {
            digits == 0 && letters >= 3 && small == 0 && !value.contains(['(', ')'])
        }
        Kind::Address => letters >= 6 && digits > 0,
        Kind::DocumentCode => letters <= 2,
        _ => false,
    }
}

/// The French `à` before a place of birth: with its accent, since a plain A is a category or an
/// initial.
fn born_at(line: &str) -> Option<Found> {
    let rest = line.trim().strip_prefix(['à', 'À'])?;
    if !rest.is_empty() && !rest.starts_with([' ', ':']) {
        return None;
    }
    let value = rest.trim_start_matches([' ', ':']).trim();
    let inline_value = (!value.is_empty()).then(|| value.to_owned());
    Some(Found { kind: Kind::PlaceOfBirth, inline_value, likeness: 1.0, right_to_left: false })
}

#[cfg(test)]
#[path = "labels_tests.rs"]
mod tests;
