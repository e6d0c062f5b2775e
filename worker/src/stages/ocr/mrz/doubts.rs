//! Characters of a zone that its check digits do not vouch for. They are told as ambiguous, and a zone that
//! has one does not count as valid: better a person looks once too often.

use super::alphabet::{Allowed, FILLER, Symbol, character, symbol};
use super::lattice::Aligned;
use super::layout::{Layout, Role};
use txid_shared::partial::MrzCorrection;

/// A height that says less than this (natural logarithm of the odds) leaves 0 and O open.
const TELLING_HEIGHT: f32 = 1.5;

/// Characters that no check digit counts, where another reading has at least these odds.
pub fn unclear(
    layout: &Layout,
    aligned: &[Aligned],
    lines: &[Vec<Symbol>],
    least_odds: f32,
) -> Vec<MrzCorrection> {
    let mut doubts = Vec::new();
    for (line, ((cells, symbols), aligned)) in layout.lines.iter().zip(lines).zip(aligned).enumerate() {
        // Past the last character of a line there are fillers, whatever spots may look like.
        let end = symbols.iter().rposition(|s| *s != FILLER).map_or(0, |last| last + 1);
        let each = cells.iter().zip(symbols).zip(&aligned.posterior).enumerate();
        for (column, ((cell, chosen), row)) in each.take(end) {
            if cell.in_composite || !matches!(cell.role, Role::Free | Role::Name) {
                continue;
            }
            let others = cell.allowed.iter().filter(|s| s != chosen);
            let Some(other) = others.max_by(|a, b| row[*a].total_cmp(&row[*b])) else { continue };
            let odds = row[other] / row[*chosen].max(f32::MIN_POSITIVE);
            if odds >= least_odds {
                doubts.push(doubt(line, column, *chosen, other, odds / (1.0 + odds)));
            }
        }
    }
    doubts
}

/// A check digit tells a 0 from an O, or a 1 from an I, where one of them is in doubt; of two it holds for
/// some wrong pairs as well. Where digits and letters are mixed, and the print is too small or too even for
/// its heights to tell, these stay open. Numbers that are letters first and digits then need no telling.
pub fn twins(layout: &Layout, heights: &[Vec<f32>], lines: &[Vec<Symbol>]) -> Vec<MrzCorrection> {
    let mut doubts = Vec::new();
    for (line, ((cells, symbols), heights)) in layout.lines.iter().zip(lines).zip(heights).enumerate() {
        let mut column = 0;
        for group in cells.chunk_by(|a, b| a.role == b.role) {
            let range = column..column + group.len();
            column = range.end;
            let counted = group.iter().all(|cell| cell.allowed == Allowed::ANY && cell.in_composite);
            let Some(characters) = symbols.get(range.clone()).filter(|s| counted && is_mixed(s)) else {
                continue;
            };
            let open: Vec<MrzCorrection> = range
                .zip(characters)
                .filter_map(|(column, chosen)| {
                    let (other, by_height) = twin(*chosen)?;
                    let height = heights.get(column).copied().unwrap_or(0.0).abs();
                    let told = height >= TELLING_HEIGHT || !by_height && height > 0.0;
                    (!told).then(|| doubt(line, column, *chosen, other, 0.5))
                })
                .collect();
            if open.len() > 1 {
                doubts.extend(open);
            }
        }
    }
    doubts
}

/// What a character may be instead, and whether its height alone tells: the recogniser knows a 1 from an I
/// where they are large enough to be measured.
fn twin(chosen: Symbol) -> Option<(Symbol, bool)> {
    Some(match character(chosen) {
        '0' => (symbol('O')?, true),
        'O' => (symbol('0')?, true),
        '1' => (symbol('I')?, false),
        'I' => (symbol('1')?, false),
        _ => return None,
    })
}

/// Whether a letter stands behind a digit, neither of them one that may be the other.
fn is_mixed(symbols: &[Symbol]) -> bool {
    let sure = |s: &&Symbol| **s != FILLER && twin(**s).is_none();
    let first_digit = symbols.iter().position(|s| sure(&s) && *s < 10);
    let last_letter = symbols.iter().rposition(|s| sure(&s) && *s >= 10);
    first_digit.zip(last_letter).is_some_and(|(digit, letter)| digit < letter)
}

fn doubt(line: usize, column: usize, chosen: Symbol, other: Symbol, probability: f32) -> MrzCorrection {
    MrzCorrection {
        line,
        column,
        read: Some(character(chosen)),
        corrected: Some(character(other)),
        reason: "unclear".to_owned(),
        probability,
    }
}
