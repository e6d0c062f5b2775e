//! What the recogniser saw, as the probability of each character at each position of a line of
//! known length.
//!
//! The recogniser gives probabilities per step of about eight pixels, with a blank between
//! repeated characters (CTC). Its best text has any length: one filler lost in a run of twenty
//! shifts all that follows. Here all ways to spell exactly `n` allowed characters are summed
//! (forward-backward), so a lost filler costs probability, not alignment.

use super::alphabet::{Allowed, SYMBOLS};
use super::emissions::Emissions;

/// Probability of each symbol at each position of the line; rows add up to 1.
pub type Posterior = Vec<[f32; SYMBOLS]>;

#[derive(Debug, Clone)]
pub struct Aligned {
    pub posterior: Posterior,
    /// Where each character was read, as a share of the line's length, 0..1.
    pub places: Vec<f32>,
    /// Natural logarithm of the probability of all lines of this form together, divided by the
    /// number of positions, so that formats can be compared. 0 is certainty.
    pub log_likelihood: f32,
}

/// Per symbol, 0 where it is not allowed.
type Row = [f64; SYMBOLS];

/// Probabilities of being, after one step, in each state of the lattice.
#[derive(Clone)]
struct States {
    /// `blank[n]`: n characters are spelled and the step was a blank.
    blank: Vec<f64>,
    /// `spelled[n][s]`: the step belongs to character n, which is s.
    spelled: Vec<Row>,
}

impl States {
    fn none(length: usize) -> Self {
        Self { blank: vec![0.0; length + 1], spelled: vec![[0.0; SYMBOLS]; length] }
    }

    /// What may precede the first step of character `n`, by what that is: a blank, another character, or the
    /// same one at the price `same`.
    fn entering(&self, n: usize, same: f64) -> Row {
        let blank = self.blank[n];
        match n.checked_sub(1).map(|previous| &self.spelled[previous]) {
            None => [blank; SYMBOLS],
            Some(previous) => {
                let sum = sum(previous);
                previous.map(|of_the_same| blank + (sum - of_the_same * (1.0 - same)).max(0.0))
            }
        }
    }
}

/// In four parts, which the processor adds at the same time.
fn sum(row: &Row) -> f64 {
    let (fours, rest) = row.as_chunks::<4>();
    let parts = fours.iter().fold([0.0; 4], |parts, four| std::array::from_fn(|n| parts[n] + four[n]));
    parts.iter().chain(rest).sum()
}

/// Element by element.
fn each(of: impl Fn(usize) -> f64) -> Row {
    std::array::from_fn(of)
}

/// How far from its place a character is read, in pitches (standard deviation): strips are cut to within a
/// step or two, and a character is entered somewhere in its width.
const PLACE_DEVIATION: f64 = 0.6;
/// No place is impossible: a stain, a bent page.
const LEAST_PLACE: f64 = 1e-9;
/// The recogniser needs a blank between two of the same character, and loses it in poor light. Where it is
/// known where each stands, the second may follow without, at this price.
const RUN_TOGETHER: f64 = 0.03;

/// A line and the form it is held against.
struct Lattice {
    /// Per step.
    blank: Vec<f64>,
    emitted: Vec<Row>,
    /// Per position: 1 for what may stand there.
    allowed: Vec<Row>,
    /// Per step and position: how well the step's place suits it.
    weights: Vec<Vec<f64>>,
    run_together: f64,
}

impl Lattice {
    fn new(emissions: &Emissions, allowed: &[Allowed], expected: Option<&[f32]>) -> Self {
        let (steps, length) = (emissions.symbols.len(), allowed.len());
        let row = |set: &Allowed| {
            let mut row = [0.0; SYMBOLS];
            for s in set.iter() {
                row[s] = 1.0;
            }
            row
        };
        let weights =
            (0..steps).map(|step| (0..length).map(|n| weight((step, steps), n, expected)).collect());
        Self {
            blank: emissions.blank.iter().copied().map(f64::from).collect(),
            emitted: emissions.symbols.iter().map(|row| row.map(f64::from)).collect(),
            allowed: allowed.iter().map(row).collect(),
            weights: weights.collect(),
            run_together: if expected.is_some() { RUN_TOGETHER } else { 0.0 },
        }
    }

    const fn steps(&self) -> usize {
        self.emitted.len()
    }

    const fn length(&self) -> usize {
        self.allowed.len()
    }

    /// Positions that a step can belong to: enough steps before it and after it for the others.
    fn reachable(&self, step: usize) -> std::ops::Range<usize> {
        self.length().saturating_sub(self.steps() - step)..self.length().min(step + 1)
    }

    /// The states after each step.
    fn forward(&self) -> Vec<States> {
        let mut all: Vec<States> = Vec::with_capacity(self.steps());
        let start = self.start();
        for step in 0..self.steps() {
            let before = all.last().unwrap_or(&start);
            let (blank, emitted) = (self.blank[step], &self.emitted[step]);
            let mut now = States::none(self.length());
            now.blank[0] = before.blank[0] * blank;
            for (n, row) in before.spelled.iter().enumerate() {
                now.blank[n + 1] = (before.blank[n + 1] + sum(row)) * blank;
            }
            for n in self.reachable(step) {
                let (staying, entering) = (&before.spelled[n], before.entering(n, self.run_together));
                let (allowed, weight) = (&self.allowed[n], self.weights[step][n]);
                now.spelled[n] = each(|s| (staying[s] + entering[s] * weight) * emitted[s] * allowed[s]);
            }
            all.push(now);
        }
        all
    }

    fn start(&self) -> States {
        let mut start = States::none(self.length());
        start.blank[0] = 1.0;
        start
    }

    fn end(&self) -> States {
        let mut end = States::none(self.length());
        end.blank[self.length()] = 1.0;
        end.spelled[self.length() - 1] = [1.0; SYMBOLS];
        end
    }

    /// Probability of all that comes from `step` on, by the state before it; `ahead` is the same for
    /// the state after it.
    fn backward(&self, step: usize, ahead: &States) -> States {
        let (blank, emitted) = (self.blank[step], &self.emitted[step]);
        let mut now = States::none(self.length());
        // Of each character at this step and all that follows.
        let going_on: Vec<Row> = ahead
            .spelled
            .iter()
            .zip(&self.allowed)
            .map(|(row, allowed)| each(|s| emitted[s] * row[s] * allowed[s]))
            .collect();
        let mut entering = vec![0.0; self.length() + 1];
        for n in self.reachable(step) {
            entering[n] = sum(&going_on[n]) * self.weights[step][n];
        }
        for (n, enter) in entering.iter().enumerate() {
            now.blank[n] = ahead.blank[n] * blank + enter;
        }
        for n in 0..self.length() {
            let (staying, allowed) = (&going_on[n], &self.allowed[n]);
            let (spelled, enter) = (ahead.blank[n + 1] * blank, entering[n + 1]);
            now.spelled[n] = match going_on.get(n + 1) {
                // The same character again needs a blank between.
                Some(next) => {
                    let share = self.weights[step][n + 1] * (1.0 - self.run_together);
                    each(|s| (staying[s] + spelled + (enter - next[s] * share).max(0.0)) * allowed[s])
                }
                None => each(|s| (staying[s] + spelled + enter) * allowed[s]),
            };
        }
        now
    }
}

/// How well the place of a step of all steps suits position `n`; `expected` is where each position stands.
fn weight((step, steps): (usize, usize), n: usize, expected: Option<&[f32]>) -> f64 {
    let Some(expected) = expected else { return 1.0 };
    let (Some(first), Some(last), Some(place)) = (expected.first(), expected.last(), expected.get(n)) else {
        return 1.0;
    };
    let pitch = f64::from(last - first) / expected.len().saturating_sub(1).max(1) as f64;
    let seen = (step as f64 + 0.5) / steps as f64;
    let off = (seen - f64::from(*place)) / (PLACE_DEVIATION * pitch.max(1e-6));
    (-off * off / 2.0).exp().max(LEAST_PLACE)
}

/// `expected` is where each position stands in the line (0..1), where that is known. `None` where the line
/// is too short for that many characters, or is nothing like this format.
pub fn align(emissions: &Emissions, allowed: &[Allowed], expected: Option<&[f32]>) -> Option<Aligned> {
    let (steps, length) = (emissions.symbols.len(), allowed.len());
    if length == 0 || steps < length || emissions.blank.len() != steps {
        return None;
    }
    let lattice = Lattice::new(emissions, allowed, expected);
    let forward = lattice.forward();
    let last = forward.last()?;
    let total = last.blank[length] + sum(&last.spelled[length - 1]);
    // Without rescaling: a line that underflows a double is not of this format.
    if !total.is_finite() || total <= 1e-300 {
        return None;
    }
    let start = lattice.start();
    let mut ahead = lattice.end();
    let mut posterior = vec![[0.0f32; SYMBOLS]; length];
    let mut places = vec![0.0f32; length];
    for step in (0..steps).rev() {
        let before = step.checked_sub(1).map_or(&start, |previous| &forward[previous]);
        let emitted = &lattice.emitted[step];
        for n in lattice.reachable(step) {
            let (entering, onwards) = (before.entering(n, lattice.run_together), &ahead.spelled[n]);
            let (allowed, weight) = (&lattice.allowed[n], lattice.weights[step][n] / total);
            // Each character is entered at exactly one step, so these add up to 1.
            let share = each(|s| entering[s] * weight * emitted[s] * onwards[s] * allowed[s]);
            for (sum, share) in posterior[n].iter_mut().zip(&share) {
                *sum += *share as f32;
            }
            places[n] += sum(&share) as f32 * (step as f32 + 0.5) / steps as f32;
        }
        ahead = lattice.backward(step, &ahead);
    }
    Some(Aligned { posterior, places, log_likelihood: (total.ln() / length as f64) as f32 })
}

#[cfg(test)]
mod tests {
    use super::super::alphabet::{FILLER, character};
    use super::super::emissions::FLOOR;
    use super::*;

    fn best(posterior: &Posterior) -> String {
        posterior
            .iter()
            .map(|row| character((0..SYMBOLS).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap()))
            .collect()
    }

    #[test]
    fn a_line_of_the_right_length_is_spelled_as_read() {
        let emissions = Emissions::of_text("L898902C36UTO", &[]);
        let aligned = align(&emissions, &[Allowed::ANY; 13], None).unwrap();
        assert_eq!(best(&aligned.posterior), "L898902C36UTO");
        for row in &aligned.posterior {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-3);
        }
        assert!(aligned.log_likelihood > -0.1, "{}", aligned.log_likelihood);
    }

    #[test]
    fn a_lost_filler_is_found_again_without_shifting_the_rest() {
        let mut emissions = Emissions::of_text("AB<<<<<<12", &[]);
        // The fourth filler's step says blank, as when two fillers run together.
        emissions.symbols[10] = [FLOOR; SYMBOLS];
        emissions.symbols[10][FILLER] = 0.05;
        emissions.blank[10] = 0.95;
        let aligned = align(&emissions, &[Allowed::ANY; 10], None).unwrap();
        assert_eq!(best(&aligned.posterior), "AB<<<<<<12");
    }

    #[test]
    fn the_position_decides_between_look_alikes() {
        let emissions = Emissions::of_text("O0", &[]);
        let allowed = [Allowed::DIGITS, Allowed::LETTERS];
        assert_eq!(best(&align(&emissions, &allowed, None).unwrap().posterior), "0O");
    }

    #[test]
    fn too_short_a_line_is_refused() {
        assert!(align(&Emissions::of_text("ABC", &[]), &[Allowed::ANY; 10], None).is_none());
        assert!(align(&Emissions::default(), &[Allowed::ANY; 1], None).is_none());
    }
}
