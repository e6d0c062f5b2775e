//! Text as labels and titles are compared: without case and marks, a few letters misread.

use crate::stages::ocr::letters::{arabic_folded, edit_distance, plain};
use txid_shared::arabic;

/// Words without marks, each with the byte at which it begins in the line.
pub fn words(line: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut inside = false;
    for (at, character) in line.char_indices() {
        // An apostrophe and a full stop within a word do not part it (`jusqu'au`, `D.O.B.`).
        let letters = folded(&character.to_string());
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
            (true, _) => {
                inside =
                    inside && (matches!(character, '\'' | '’' | '‘' | '`') || arabic::is_mark(character));
            }
        }
    }
    found
}

/// Capitals without marks; Arabic letters as [`arabic_folded`] gives them.
pub fn folded(text: &str) -> String {
    if is_arabic(text) { arabic_folded(text) } else { plain(text) }
}

pub fn is_arabic(text: &str) -> bool {
    text.chars().any(arabic::is_letter)
}

pub fn is_field_number(word: &str) -> bool {
    word.len() <= 2 && word.starts_with(|c: char| c.is_ascii_digit())
}

/// `(7) Fecha de expedición`, `4a. Date of issue`: fields are numbered on some documents.
pub fn without_number(part: &str) -> String {
    let text = folded(part);
    match text.split_once(' ') {
        Some((first, rest)) if is_field_number(first) && rest.len() >= 3 => rest.to_owned(),
        _ => match text.rsplit_once(' ') {
            Some((rest, last)) if is_field_number(last) && part.trim_end().ends_with(')') => rest.to_owned(),
            _ => text,
        },
    }
}

/// How many letters of so many may be misread.
pub const fn tolerated(letters: usize) -> usize {
    match letters {
        0..=4 => 0,
        5..=9 => 1,
        _ => letters / 5,
    }
}

/// Which letters a text has: two texts differ in at least half as many edits as in letters, which
/// spares most comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Letters(u64);

impl Letters {
    pub fn of(text: &str) -> Self {
        let bit = |c: char| match c {
            'A'..='Z' => 1 << (c as u32 - 'A' as u32),
            '0'..='9' => 1 << (26 + c as u32 - '0' as u32),
            ' ' => 0,
            _ => 1 << (36 + c as u32 % 28),
        };
        Self(text.chars().fold(0, |all, c| all | bit(c)))
    }

    /// At least so many edits are between the two texts.
    pub const fn edits_to(self, other: Self) -> usize {
        (self.0 ^ other.0).count_ones().div_ceil(2) as usize
    }
}

/// `None` where the two differ in more than a fifth of their letters (in any for four or fewer).
pub fn likeness(text: &str, phrase: &str) -> Option<f32> {
    let (length, wanted) = (text.chars().count(), phrase.chars().count());
    // Short Arabic words begin alike: القاسم is a name, الاسم the label before it.
    let tolerated = if wanted <= 6 && is_arabic(phrase) { 0 } else { tolerated(wanted) };
    if length.abs_diff(wanted) > tolerated {
        return None;
    }
    let distance = edit_distance(text, phrase);
    (distance <= tolerated).then(|| 1.0 - distance as f32 / length.max(wanted) as f32)
}
