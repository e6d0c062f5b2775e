//! From what the recogniser saw in two or three lines to a machine-readable zone.

use super::super::glyphs::Glyph;
use super::alphabet::{Allowed, FILLER, Symbol, character, symbol};
use super::corrections::{Origin, corrections};
use super::doubts;
use super::emissions::Emissions;
use super::heights;
use super::lattice::{Aligned, align};
use super::layout::{self, Cell, Layout, Part, Role};
use super::names::likeliest_name;
use super::pitch;
use super::solve;
use txid_shared::partial::{CheckDigit, MrzCorrection, MrzFormat};

/// A line below this mean log-likelihood per character is no line of the format: a tenth of the
/// recogniser's mass on average. Real lines on poor photographs stay above −0.7.
const LEAST_LIKELIHOOD: f32 = -1.6;
/// Another fitting reading with at least these odds against the chosen one is told as ambiguous,
/// and the zone does not count as valid: 1 in 20.
const AMBIGUOUS_ODDS: f32 = 0.05;
/// How many characters check digits may change in a zone before the reading is a guess.
const MOST_CHECKED_CORRECTIONS: usize = 4;
/// Raw lines this much longer than the format's are not tried, nor much shorter ones: fillers run together,
/// other characters do not.
const MOST_LONGER: usize = 6;
const MOST_SHORTER: usize = 14;

/// One line as the recogniser gave it.
#[derive(Debug, Clone)]
pub struct LineSignal {
    /// Best text without spaces.
    pub text: String,
    pub emissions: Emissions,
    /// The printed characters, as far as they could be measured.
    pub glyphs: Vec<Glyph>,
}

#[derive(Debug, Clone)]
pub struct Decoded {
    pub format: MrzFormat,
    pub number_overflow: usize,
    pub lines: Vec<String>,
    pub raw_lines: Vec<String>,
    pub check_digits: Vec<CheckDigit>,
    pub corrections: Vec<MrzCorrection>,
    pub ambiguities: Vec<MrzCorrection>,
    pub valid: bool,
    pub confidence: f32,
}

impl Decoded {
    /// The characters of a named part, fillers included; empty where the format has it not.
    pub fn part(&self, part: Part) -> String {
        let Some((line, from, to)) = layout::part(self.format, part) else { return String::new() };
        let text = self.lines.get(line).map_or("", String::as_str);
        text.chars().skip(from).take(to - from).collect()
    }
}

/// `None` where the lines are no machine-readable zone.
pub fn decode(lines: &[&LineSignal]) -> Option<Decoded> {
    let fits = |format: &MrzFormat| {
        let (count, width) = layout::dimensions(*format);
        count == lines.len()
            && lines.iter().all(|line| {
                let read = line.text.chars().count();
                (width.saturating_sub(MOST_SHORTER)..=width + MOST_LONGER).contains(&read)
            })
    };
    let mut readings: Vec<Reading> = layout::ALL
        .into_iter()
        .filter(fits)
        .filter_map(|format| Reading::of(layout::layout(format, 0)?, lines))
        .filter(|reading| reading.likelihood > LEAST_LIKELIHOOD)
        .collect();
    readings.sort_by(|a, b| b.likelihood.total_cmp(&a.likelihood));
    readings.into_iter().next().map(|reading| reading.decoded(lines))
}

/// The lines aligned to one layout.
struct Reading {
    layout: Layout,
    aligned: Vec<Aligned>,
    /// What the height of each character says for a digit against a letter; 0 is nothing.
    heights: Vec<Vec<f32>>,
    /// Mean log-likelihood per character of all lines.
    likelihood: f32,
}

impl Reading {
    fn of(layout: Layout, lines: &[&LineSignal]) -> Option<Self> {
        let allowed: Vec<Vec<Allowed>> =
            layout.lines.iter().map(|cells| cells.iter().map(|cell| cell.allowed).collect()).collect();
        let align_all = |expected: Option<&[Vec<f32>]>| -> Option<Vec<Aligned>> {
            let each = allowed.iter().zip(lines).enumerate();
            each.map(|(number, (allowed, line))| {
                let places = expected.and_then(|lines| lines.get(number));
                align(&line.emissions, allowed, places.map(Vec::as_slice))
            })
            .collect()
        };
        let first = align_all(None)?;
        // What cannot stand at an even pitch is not of this format.
        let mut aligned = match pitch::expected(&first) {
            Some(expected) => align_all(Some(&expected))?,
            None => first,
        };
        let likelihood = aligned.iter().map(|a| a.log_likelihood).sum::<f32>() / aligned.len().max(1) as f32;
        let glyphs: Vec<&[Glyph]> = lines.iter().map(|line| line.glyphs.as_slice()).collect();
        let heights = heights::judge(&layout, &mut aligned, &glyphs);
        Some(Self { layout, aligned, heights, likelihood })
    }

    fn decoded(self, lines: &[&LineSignal]) -> Decoded {
        let first = self.solved();
        let (reading, solved) = match self.with_long_number(lines) {
            Some((longer, solved)) if !first.satisfied || longer.likelihood > self.likelihood => {
                (longer, solved)
            }
            _ => (self, first),
        };
        reading.described(solved, lines)
    }

    /// A document number of a TD1 that goes on in the optional data: a filler stands where its
    /// check digit would be.
    fn with_long_number(&self, lines: &[&LineSignal]) -> Option<(Self, Solved)> {
        let place = self.layout.lines.first()?.get(14)?;
        if self.layout.format != MrzFormat::Td1 || place.role == Role::Free {
            return None;
        }
        let read = lines.first()?.text.chars().nth(14)?;
        if read.is_ascii_digit() {
            return None;
        }
        (1..=13)
            .filter_map(|overflow| {
                let reading = Self::of(layout::layout(MrzFormat::Td1, overflow)?, lines)?;
                let solved = reading.solved();
                solved.satisfied.then_some((reading, solved))
            })
            .max_by(|a, b| a.0.likelihood.total_cmp(&b.0.likelihood))
    }

    fn solved(&self) -> Solved {
        let posteriors: Vec<_> = self.aligned.iter().map(|a| a.posterior.clone()).collect();
        let mut plain = solve::unconstrained(&posteriors);
        for ((line, cells), posterior) in plain.iter_mut().zip(&self.layout.lines).zip(&posteriors) {
            rewrite_name(line, cells, posterior);
        }
        let Some(mut solution) = solve::constrained(&self.layout, &posteriors, AMBIGUOUS_ODDS) else {
            return Solved { lines: plain.clone(), plain, satisfied: false, alternatives: Vec::new() };
        };
        for ((line, cells), posterior) in solution.lines.iter_mut().zip(&self.layout.lines).zip(&posteriors) {
            // Where names count in a check digit, what satisfies it stays.
            if !cells.iter().any(|cell| cell.role == Role::Name && cell.in_composite) {
                rewrite_name(line, cells, posterior);
            }
        }
        let changed = solution.lines.iter().flatten().zip(plain.iter().flatten()).filter(|(a, b)| a != b);
        if changed.count() > MOST_CHECKED_CORRECTIONS {
            return Solved { lines: plain.clone(), plain, satisfied: false, alternatives: Vec::new() };
        }
        Solved { lines: solution.lines, plain, satisfied: true, alternatives: solution.alternatives }
    }

    fn described(self, solved: Solved, lines: &[&LineSignal]) -> Decoded {
        let check_digits: Vec<CheckDigit> = solve::check_digits(&self.layout, &solved.lines)
            .into_iter()
            .map(|(checked, printed, computed)| CheckDigit {
                field: checked.map_or("composite", |c| c.as_str()).to_owned(),
                printed: character(printed),
                computed: character(computed),
                valid: printed == computed,
            })
            .collect();
        let probability = |line: usize, column: usize, symbol: Symbol| {
            self.aligned.get(line).and_then(|a| a.posterior.get(column)?.get(symbol).copied()).unwrap_or(0.0)
        };
        let mut all_corrections = Vec::new();
        for (line, signal) in lines.iter().enumerate() {
            let (Some(cells), Some(decoded), Some(plain)) =
                (self.layout.lines.get(line), solved.lines.get(line), solved.plain.get(line))
            else {
                continue;
            };
            let origin = Origin { line, cells, plain, probability: &probability };
            all_corrections.extend(corrections(&signal.text, decoded, &origin));
        }
        let ambiguities: Vec<MrzCorrection> = solved
            .alternatives
            .iter()
            .filter_map(|(line, column, other, odds)| {
                let chosen = *solved.lines.get(*line)?.get(*column)?;
                Some(MrzCorrection {
                    line: *line,
                    column: *column,
                    read: Some(character(chosen)),
                    corrected: Some(character(*other)),
                    reason: "check_digit".to_owned(),
                    probability: odds / (1.0 + odds),
                })
            })
            .collect();
        let unclear = doubts::unclear(&self.layout, &self.aligned, &solved.lines, AMBIGUOUS_ODDS);
        let twins = doubts::twins(&self.layout, &self.heights, &solved.lines);
        let ambiguities = [ambiguities, unclear, twins].concat();
        let valid = check_digits.iter().all(|digit| digit.valid) && ambiguities.is_empty();
        let confidence = self.confidence(&solved);
        Decoded {
            format: self.layout.format,
            number_overflow: self.layout.number_overflow,
            lines: solved.lines.iter().map(|line| line.iter().map(|s| character(*s)).collect()).collect(),
            raw_lines: lines.iter().map(|line| line.text.clone()).collect(),
            check_digits,
            corrections: all_corrections,
            ambiguities,
            valid,
            confidence,
        }
    }

    /// Mean probability of the chosen characters. Fillers are left out: there are so many, and
    /// so easy, that they would hide a badly read name.
    fn confidence(&self, solved: &Solved) -> f32 {
        let (mut sum, mut count) = (0.0, 0.0f32);
        for (aligned, line) in self.aligned.iter().zip(&solved.lines) {
            for (row, s) in aligned.posterior.iter().zip(line).filter(|(_, s)| **s != FILLER) {
                sum += row.get(*s).copied().unwrap_or(0.0);
                count += 1.0;
            }
        }
        // The format's likelihood keeps a confident posterior over a text that hardly fits down.
        (sum / count.max(1.0)).min(1.0) * self.likelihood.min(0.0).exp().sqrt()
    }
}

struct Solved {
    lines: Vec<Vec<Symbol>>,
    /// By position grammar alone.
    plain: Vec<Vec<Symbol>>,
    satisfied: bool,
    alternatives: Vec<(usize, usize, Symbol, f32)>,
}

fn rewrite_name(line: &mut [Symbol], cells: &[Cell], posterior: &super::lattice::Posterior) {
    let Some(start) = cells.iter().position(|cell| cell.role == Role::Name) else { return };
    let end = cells.iter().rposition(|cell| cell.role == Role::Name).map_or(start, |last| last + 1);
    let (Some(rows), Some(places)) = (posterior.get(start..end), line.get_mut(start..end)) else { return };
    for (place, s) in places.iter_mut().zip(likeliest_name(rows)) {
        *place = s;
    }
}

/// Whether a text could be a line of a machine-readable zone: long, of its alphabet, with fillers
/// or many digits. Only a first sieve; [`decode`] judges.
pub fn looks_like_mrz(text: &str) -> bool {
    let characters = text.chars().filter(|c| !c.is_whitespace()).count();
    let of_alphabet = text.chars().filter(|c| symbol(*c).is_some() || *c == '«').count();
    let fillers = text.chars().filter(|c| matches!(c, '<' | '«')).count();
    (24..=50).contains(&characters) && of_alphabet * 10 >= characters * 8 && fillers >= 2
}
