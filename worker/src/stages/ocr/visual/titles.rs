//! What a document says it is: titles of documents, names of states, and words of things that look
//! like documents and are none.

use super::folding::{Letters, likeness, words};
use super::templates::{Template, phrases};
use crate::stages::ocr::lines::TextLine;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vocabulary {
    documents: Vec<String>,
    states: Vec<String>,
    others: Vec<String>,
}

/// What a phrase speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Document,
    State,
    /// A card of a bank, a school, a shop.
    Other,
    /// Means something in a template only.
    Template,
    /// A label of a template: tells generations apart, and is no title.
    Label,
}

struct Known {
    phrase: String,
    letters: Letters,
    meaning: Meaning,
}

// Part of the program, and a test parses it.
static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| {
    toml::from_str(include_str!("titles.toml")).unwrap_or(Vocabulary {
        documents: Vec::new(),
        states: Vec::new(),
        others: Vec::new(),
    })
});

/// Titles and names of states, and what other cards say of themselves.
pub fn vocabulary() -> impl Iterator<Item = &'static str> {
    let Vocabulary { documents, states, others } = &*VOCABULARY;
    documents.iter().chain(states).chain(others).map(String::as_str)
}

/// Phrases without spaces (recognisers lose them in spaced-out titles) by their length in bytes.
static KNOWN: LazyLock<BTreeMap<usize, Vec<Known>>> = LazyLock::new(|| {
    let mut known = BTreeMap::new();
    let mut add = |phrase: &str, meaning| {
        let joined = folded_title(phrase);
        if joined.chars().count() >= LEAST_LETTERS {
            known.insert(joined, meaning);
        }
    };
    Template::own_labels().for_each(|phrase| add(phrase, Meaning::Label));
    phrases().for_each(|phrase| add(phrase, Meaning::Template));
    VOCABULARY.documents.iter().for_each(|phrase| add(phrase, Meaning::Document));
    VOCABULARY.states.iter().for_each(|phrase| add(phrase, Meaning::State));
    VOCABULARY.others.iter().for_each(|phrase| add(phrase, Meaning::Other));
    let mut by_length: BTreeMap<usize, Vec<Known>> = BTreeMap::new();
    for (phrase, meaning) in known {
        let letters = Letters::of(&phrase);
        by_length.entry(phrase.len()).or_default().push(Known { phrase, letters, meaning });
    }
    by_length
});

/// Shorter ones occur by chance.
const LEAST_LETTERS: usize = 4;
/// Words of a title, at most; a word may be read in pieces.
const MOST_WORDS: usize = 7;
/// Lines read less surely than this say nothing about the kind of document.
const LEAST_CONFIDENCE: f32 = 0.6;

/// A phrase as it is compared: folded, without spaces.
pub fn folded_title(phrase: &str) -> String {
    words(phrase).into_iter().map(|(_, word)| word).collect()
}

/// The phrases found in a document's text.
#[derive(Debug, Default)]
pub struct Phrases {
    found: BTreeSet<&'static str>,
    /// By side and line: those that are part of a title.
    lines: BTreeSet<(usize, usize)>,
    document: bool,
    state: bool,
    other: bool,
}

impl Phrases {
    pub fn of(sides: &[&[TextLine]]) -> Self {
        let mut all = Self::default();
        for (side, lines) in sides.iter().enumerate() {
            // In reading order, so that a title on two lines is one run of words.
            let mut run: Vec<(usize, String)> = Vec::new();
            for (at, line) in lines.iter().enumerate() {
                if line.confidence >= LEAST_CONFIDENCE {
                    run.extend(words(&line.text).into_iter().map(|(_, word)| (at, word)));
                }
            }
            for start in 0..run.len() {
                all.look_at(side, run.get(start..).unwrap_or(&[]));
            }
        }
        all
    }

    /// Phrases that begin with the first of these words.
    fn look_at(&mut self, side: usize, run: &[(usize, String)]) {
        let mut joined = String::new();
        let first_line = run.first().map_or(0, |(line, _)| *line);
        for (line, word) in run.iter().take(MOST_WORDS) {
            if *line > first_line + 2 {
                break;
            }
            joined.push_str(word);
            if joined.chars().count() < LEAST_LETTERS {
                continue;
            }
            let length = joined.len();
            let near = KNOWN.range(length - length / 8..=length + length / 7 + 1);
            let letters = Letters::of(&joined);
            for Known { phrase, letters: theirs, meaning } in near.flat_map(|(_, phrases)| phrases) {
                // Most differ in their letters: the distance itself is dear.
                if letters.edits_to(*theirs) > phrase.len() / 8 || !alike(&joined, phrase) {
                    continue;
                }
                self.found.insert(phrase);
                match meaning {
                    Meaning::Document => self.document = true,
                    Meaning::State => self.state = true,
                    Meaning::Other => self.other = true,
                    Meaning::Template | Meaning::Label => {}
                }
                if matches!(meaning, Meaning::Document | Meaning::State | Meaning::Template) {
                    self.lines.extend((first_line..=*line).map(|at| (side, at)));
                }
            }
        }
    }

    pub fn has(&self, phrase: &str) -> bool {
        self.has_folded(&folded_title(phrase))
    }

    pub fn has_folded(&self, phrase: &str) -> bool {
        self.found.contains(phrase)
    }

    /// Whether the line is part of a title, and so no value.
    pub fn is_title(&self, side: usize, line: usize) -> bool {
        self.lines.contains(&(side, line))
    }

    /// The title of a document of identity or the name of a state, and nothing of other cards.
    pub const fn speak_for_a_document(&self) -> bool {
        (self.document || self.state) && !self.other
    }

    pub const fn speak_for_something_else(&self) -> bool {
        self.other
    }
}

/// Long enough phrases may be misread in one letter of eight.
fn alike(text: &str, phrase: &str) -> bool {
    let (a, b) = (text.len(), phrase.len());
    if a == b && text == phrase {
        return true;
    }
    let tolerated = b / 8;
    if tolerated == 0 || a.abs_diff(b) > tolerated {
        return false;
    }
    likeness(text, phrase).is_some_and(|likeness| likeness >= 1.0 - 1.0 / 8.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> Phrases {
        let lines: Vec<TextLine> = texts
            .iter()
            .enumerate()
            .map(|(i, text)| TextLine::for_test(text, [0.0, i as f32 * 40.0, 400.0, i as f32 * 40.0 + 30.0]))
            .collect();
        Phrases::of(&[&lines])
    }

    #[test]
    fn the_vocabulary_parses() {
        let vocabulary: Vocabulary = toml::from_str(include_str!("titles.toml")).unwrap();
        assert!(!vocabulary.documents.is_empty() && !vocabulary.others.is_empty());
    }

    #[test]
    fn titles_are_found_over_lines_without_spaces_and_misread() {
        for lines in [
            &["ROYAUME DU MAROC", "CARTE NATIONALE D'IDENTITÉ"][..],
            &["ROYAUMEDU MAROC", "CARTE NATIONALE", "D'IDENTITE"],
            &["R0YAUME DU MAROC", "CARTE NATIONAIE D'IDENTITE"],
        ] {
            let found = read(lines);
            assert!(found.has("Royaume du Maroc") && found.has("CARTE NATIONALE D'IDENTITE"), "{lines:?}");
            assert!(found.speak_for_a_document() && found.is_title(0, 0) && found.is_title(0, 1));
        }
    }

    #[test]
    fn other_cards_say_what_they_are() {
        assert!(read(&["UNIVERSITY OF NAIROBI", "STUDENT IDENTITY CARD"]).speak_for_something_else());
        assert!(read(&["VISA", "CREDIT CARD"]).speak_for_something_else());
        assert!(!read(&["EL AMRANI", "CASABLANCA"]).speak_for_a_document());
    }
}
