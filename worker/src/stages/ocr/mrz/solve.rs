//! The most likely lines that satisfy the check digits.
//!
//! One pass over all positions with the running sums modulo 10 as state finds the exact optimum
//! (and, run backwards as well, the best reading with any one character replaced), instead of
//! trying substitutions one after the other.

use super::alphabet::{FILLER, SYMBOLS, Symbol, check_digit, value};
use super::lattice::Posterior;
use super::layout::{Cell, Checked, Layout, Role};

/// Sum of the open check digit (10) × sum of the composite (10) × "only fillers so far" (2).
const STATES: usize = 200;
const WEIGHTS: [usize; 3] = [7, 3, 1];
const IMPOSSIBLE: f32 = -1e30;
/// Below this probability a character was not seen at all; above it, it is at least a look-alike.
const SEEN: f32 = 5e-7;

#[derive(Debug, Clone)]
pub struct Solution {
    /// Lines × columns.
    pub lines: Vec<Vec<Symbol>>,
    /// Other characters at one position that also fit, with their odds against the chosen
    /// reading (0..1): line, column, symbol, odds.
    pub alternatives: Vec<(usize, usize, Symbol, f32)>,
}

/// How the two weight cycles and the roles run through the cells, in reading order.
struct Step<'a> {
    cell: &'a Cell,
    row: &'a [f32; SYMBOLS],
    own_weight: usize,
    composite_weight: usize,
    /// The open sum starts anew here.
    opens: bool,
}

/// Maximises the product of the posteriors under the check digits of the layout. Alternatives
/// are listed down to `least_odds`. `None` where no reading satisfies them.
pub fn constrained(layout: &Layout, posteriors: &[Posterior], least_odds: f32) -> Option<Solution> {
    let steps = steps(layout, posteriors)?;
    let count = steps.len();
    // ahead[i][state]: best score of the cells from i on.
    let mut ahead = vec![[IMPOSSIBLE; STATES]; count + 1];
    ahead[count] = [0.0; STATES];
    for i in (0..count).rev() {
        for state in 0..STATES {
            ahead[i][state] = candidates(&steps[i])
                .filter_map(|(s, score)| Some(score + ahead[i + 1][next(&steps[i], state, s)?]))
                .fold(IMPOSSIBLE, f32::max);
        }
    }
    let best = ahead[0][START];
    if best <= IMPOSSIBLE / 2.0 {
        return None;
    }
    let mut symbols = Vec::with_capacity(count);
    let mut state = START;
    for i in 0..count {
        let (s, _, after) = candidates(&steps[i])
            .filter_map(|(s, score)| {
                let after = next(&steps[i], state, s)?;
                Some((s, score + ahead[i + 1][after], after))
            })
            .max_by(|a, b| a.1.total_cmp(&b.1))?;
        symbols.push(s);
        state = after;
    }
    let alternatives = alternatives(&steps, &ahead, &symbols, best, least_odds);

    let mut lines = Vec::new();
    let mut listed = Vec::new();
    let mut at = 0;
    for (line, cells) in layout.lines.iter().enumerate() {
        lines.push(symbols[at..at + cells.len()].to_vec());
        listed.extend(
            alternatives
                .iter()
                .filter(|(i, _, _)| (at..at + cells.len()).contains(i))
                .map(|(i, s, odds)| (line, i - at, *s, *odds)),
        );
        at += cells.len();
    }
    Some(Solution { lines, alternatives: listed })
}

/// The likeliest reading by positions alone.
pub fn unconstrained(posteriors: &[Posterior]) -> Vec<Vec<Symbol>> {
    posteriors.iter().map(|line| line.iter().map(likeliest).collect()).collect()
}

fn likeliest(row: &[f32; SYMBOLS]) -> Symbol {
    (0..SYMBOLS).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap_or(FILLER)
}

/// The state before the first cell: both sums 0, only fillers so far.
const START: usize = 1;

fn steps<'a>(layout: &'a Layout, posteriors: &'a [Posterior]) -> Option<Vec<Step<'a>>> {
    let mut steps = Vec::new();
    let mut open: Option<Checked> = None;
    let (mut own, mut composite) = (0, 0);
    for (cells, rows) in layout.lines.iter().zip(posteriors) {
        if cells.len() != rows.len() {
            return None;
        }
        for (cell, row) in cells.iter().zip(rows) {
            let mut step = Step { cell, row, own_weight: 0, composite_weight: 0, opens: false };
            if let Role::Counted(checked) = cell.role {
                if open != Some(checked) {
                    (open, own, step.opens) = (Some(checked), 0, true);
                }
                step.own_weight = WEIGHTS[own % 3];
                own += 1;
            }
            if cell.in_composite {
                step.composite_weight = WEIGHTS[composite % 3];
                composite += 1;
            }
            steps.push(step);
        }
    }
    (layout.lines.len() == posteriors.len()).then_some(steps)
}

fn candidates<'a>(step: &'a Step<'a>) -> impl Iterator<Item = (Symbol, f32)> + 'a {
    // In positions that count nowhere only the likeliest is of use; the others keep all that the
    // recogniser distinguished.
    let counts = !matches!(step.cell.role, Role::Free | Role::Name) || step.cell.in_composite;
    let top = likeliest(step.row);
    step.cell
        .allowed
        .iter()
        .filter(move |s| *s == top || counts && step.row[*s] > SEEN)
        .map(|s| (s, step.row[s].max(f32::MIN_POSITIVE).ln()))
}

/// The state after `symbol`, or `None` where a check digit forbids it.
fn next(step: &Step<'_>, state: usize, symbol: Symbol) -> Option<usize> {
    let (mut own, mut composite, mut empty) = (state / 20, state / 2 % 10, state % 2);
    match step.cell.role {
        Role::Counted(_) => {
            if step.opens {
                (own, empty) = (0, 1);
            }
            own = (own + value(symbol) * step.own_weight) % 10;
            if symbol != FILLER {
                empty = 0;
            }
        }
        Role::Digit(checked) => {
            let unused = checked == Checked::OptionalData && symbol == FILLER && empty == 1;
            if symbol != own && !unused {
                return None;
            }
        }
        Role::Composite => {
            if symbol != composite {
                return None;
            }
        }
        Role::Free | Role::Name => {}
    }
    composite = (composite + value(symbol) * step.composite_weight) % 10;
    Some(own * 20 + composite * 2 + empty)
}

/// Cell, symbol and odds of each single character that leads to another fitting reading.
fn alternatives(
    steps: &[Step<'_>],
    ahead: &[[f32; STATES]],
    chosen: &[Symbol],
    best: f32,
    least_odds: f32,
) -> Vec<(usize, Symbol, f32)> {
    let mut found = Vec::new();
    let mut before = [IMPOSSIBLE; STATES];
    before[START] = 0.0;
    for (i, step) in steps.iter().enumerate() {
        let mut after = [IMPOSSIBLE; STATES];
        for (s, score) in candidates(step) {
            let mut total = IMPOSSIBLE;
            for (state, reached) in before.iter().enumerate().filter(|(_, reached)| **reached > IMPOSSIBLE) {
                if let Some(to) = next(step, state, s) {
                    after[to] = after[to].max(reached + score);
                    total = total.max(reached + score + ahead[i + 1][to]);
                }
            }
            let odds = (total - best).exp();
            if s != chosen[i] && odds >= least_odds {
                found.push((i, s, odds.min(1.0)));
            }
        }
        before = after;
    }
    found
}

/// One check digit as it stands: kind (`None` is the composite), printed, computed.
pub fn check_digits(layout: &Layout, lines: &[Vec<Symbol>]) -> Vec<(Option<Checked>, Symbol, Symbol)> {
    let cells =
        || layout.lines.iter().zip(lines).flat_map(|(cells, line)| cells.iter().zip(line.iter().copied()));
    let mut found = Vec::new();
    for (cell, printed) in cells() {
        match cell.role {
            Role::Digit(checked) => {
                let counted: Vec<Symbol> =
                    cells().filter(|(c, _)| c.role == Role::Counted(checked)).map(|(_, s)| s).collect();
                let unused = checked == Checked::OptionalData
                    && printed == FILLER
                    && counted.iter().all(|s| *s == FILLER);
                found.push((Some(checked), printed, if unused { FILLER } else { check_digit(counted) }));
            }
            Role::Composite => {
                found.push((
                    None,
                    printed,
                    check_digit(cells().filter(|(c, _)| c.in_composite).map(|(_, s)| s)),
                ));
            }
            _ => {}
        }
    }
    found
}
