//! Every difference between the raw reading and the decoded line, each with its reason.

use super::alphabet::{Symbol, character, symbol};
use super::layout::{Cell, Role};
use txid_shared::partial::MrzCorrection;

/// What is needed to say why a character differs.
pub struct Origin<'a> {
    pub line: usize,
    pub cells: &'a [Cell],
    /// The line by position grammar alone, before check digits.
    pub plain: &'a [Symbol],
    /// Of (line, column, symbol).
    pub probability: &'a dyn Fn(usize, usize, Symbol) -> f32,
}

/// The edits of least number that turn `raw` into `decoded`, in order of columns. Applying them
/// to `raw` gives `decoded`, by construction: nothing differs silently.
pub fn corrections(raw: &str, decoded: &[Symbol], origin: &Origin<'_>) -> Vec<MrzCorrection> {
    let read: Vec<char> = raw.chars().collect();
    let wanted: Vec<char> = decoded.iter().map(|s| character(*s)).collect();
    edits(&read, &wanted)
        .into_iter()
        .map(|edit| {
            let corrected = edit.corrected.and_then(symbol);
            MrzCorrection {
                line: origin.line,
                column: edit.column,
                read: edit.read,
                corrected: edit.corrected,
                reason: reason(&edit, origin).to_owned(),
                probability: corrected.map_or(0.0, |s| (origin.probability)(origin.line, edit.column, s)),
            }
        })
        .collect()
}

fn reason(edit: &Edit, origin: &Origin<'_>) -> &'static str {
    let (Some(read), Some(corrected)) = (edit.read, edit.corrected) else { return "line_length" };
    let plain = origin.plain.get(edit.column).map(|s| character(*s));
    let cell = origin.cells.get(edit.column);
    if plain != Some(corrected) {
        "check_digit"
    } else if corrected == '<' && cell.is_some_and(|cell| cell.role == Role::Name) && symbol(read).is_some() {
        "filler"
    } else if symbol(read).is_some_and(|read| cell.is_some_and(|cell| cell.allowed.contains(read))) {
        "glyph_height"
    } else {
        "position_grammar"
    }
}

#[derive(Debug, PartialEq)]
struct Edit {
    column: usize,
    read: Option<char>,
    corrected: Option<char>,
}

/// Levenshtein with a trace. `column` is that of the wanted line; a superfluous character is
/// taken out before that column.
fn edits(read: &[char], wanted: &[char]) -> Vec<Edit> {
    let width = wanted.len() + 1;
    let mut cost = vec![0usize; (read.len() + 1) * width];
    for i in 0..=read.len() {
        for j in 0..=wanted.len() {
            cost[i * width + j] = match (i, j) {
                (0, _) => j,
                (_, 0) => i,
                _ => {
                    let same = usize::from(read[i - 1] != wanted[j - 1]);
                    let (up, left) = (cost[(i - 1) * width + j], cost[i * width + j - 1]);
                    (cost[(i - 1) * width + j - 1] + same).min(up + 1).min(left + 1)
                }
            };
        }
    }
    let (mut i, mut j) = (read.len(), wanted.len());
    let mut found = Vec::new();
    while i > 0 || j > 0 {
        let here = cost[i * width + j];
        let same = i > 0 && j > 0 && read[i - 1] == wanted[j - 1];
        if i > 0 && j > 0 && here == cost[(i - 1) * width + j - 1] + usize::from(!same) {
            (i, j) = (i - 1, j - 1);
            if !same {
                found.push(Edit { column: j, read: Some(read[i]), corrected: Some(wanted[j]) });
            }
        } else if j > 0 && here == cost[i * width + j - 1] + 1 {
            j -= 1;
            found.push(Edit { column: j, read: None, corrected: Some(wanted[j]) });
        } else {
            i -= 1;
            found.push(Edit { column: j, read: Some(read[i]), corrected: None });
        }
    }
    found.reverse();
    found
}

/// The raw line that `corrections` started from, given the decoded one: the proof that they are
/// complete. Used by tests and by the measuring tool.
pub fn undo(decoded: &str, corrections: &[&MrzCorrection]) -> String {
    let mut raw = String::new();
    for (column, character) in decoded.chars().map(Some).chain([None]).enumerate() {
        let mut kept = character;
        for correction in corrections.iter().filter(|c| c.column == column) {
            match (correction.read, correction.corrected) {
                (Some(read), None) => raw.push(read),
                (read, Some(_)) => {
                    kept = None;
                    raw.extend(read);
                }
                (None, None) => {}
            }
        }
        raw.extend(kept);
    }
    raw
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undoing_the_corrections_gives_the_raw_line() {
        for (raw, wanted) in [
            ("P<UT0ERIKSS0N<<ANNA<MARIA<<<<", "P<UTOERIKSSON<<ANNA<MARIA<<<<"),
            ("AB<<<12", "AB<<<<<12"),
            ("xAB<<<12y", "AB<<<12"),
            ("", "A1"),
            ("A1", "A1"),
        ] {
            let decoded: Vec<Symbol> = wanted.chars().filter_map(symbol).collect();
            let plain = decoded.clone();
            let origin = Origin { line: 0, cells: &[], plain: &plain, probability: &|_, _, _| 0.5 };
            let found = corrections(raw, &decoded, &origin);
            assert_eq!(undo(wanted, &found.iter().collect::<Vec<_>>()), raw);
            assert_eq!(found.is_empty(), raw == wanted);
        }
    }
}
