//! What the recogniser saw, as the probability of each character at each position of a line of
//! known length.
//!
//! The recogniser gives probabilities per step of about eight pixels, with a blank between
//! repeated characters (CTC). Its best text has any length: one filler lost in a run of twenty
//! shifts all that follows. Here all ways to spell exactly `n` allowed characters are summed
//! (forward-backward), so a lost filler costs probability, not alignment.

use super::super::letters::plain_letter;
use super::alphabet::{Allowed, FILLER, SYMBOLS, Symbol, symbol};

/// Probability that a step keeps for every allowed character: below what the recogniser
/// distinguishes, above zero so that every line of the format can be spelled.
const FLOOR: f32 = 1e-8;
/// The same for the other of a pair that OCR-B hardly tells apart. O and 0 differ in little but
/// height; the recogniser's odds for a true O were seen down to e^-13.
const TWIN_FLOOR: f32 = 2e-6;
const TWINS: [(char, char); 6] = [('0', 'O'), ('1', 'I'), ('2', 'Z'), ('5', 'S'), ('6', 'G'), ('8', 'B')];
/// The same for pairs that only bad print or light makes alike: enough to prefer them where the
/// position leaves nothing else, too little for a check digit to choose them.
const RELATIVE_FLOOR: f32 = 2e-7;
const RELATIVES: [(char, char); 16] = [
    ('0', 'D'),
    ('0', 'Q'),
    ('O', 'Q'),
    ('O', 'D'),
    ('1', 'L'),
    ('1', '7'),
    ('1', 'T'),
    ('I', 'L'),
    ('4', 'A'),
    ('7', 'T'),
    ('U', 'V'),
    ('C', 'G'),
    ('<', 'K'),
    ('<', 'C'),
    ('<', 'X'),
    ('<', 'E'),
];

/// Where a line has a character too many, a filler read twice is likelier than any other: it may be
/// left out at this price.
const DOUBLED_FILLER: f32 = 0.02;

/// The recogniser's output for one line, in the MRZ alphabet: per step the probability of the
/// blank and of each symbol.
#[derive(Debug, Clone, Default)]
pub struct Emissions {
    pub blank: Vec<f32>,
    pub symbols: Vec<[f32; SYMBOLS]>,
}

/// How a class of the recogniser counts in the alphabet: small letters and signs that only a
/// misreading can bring into a machine-readable zone stand for what they look like.
fn folded(read: char) -> Vec<char> {
    match read {
        'o' | '°' | 'º' | 'Ø' | 'ø' => vec!['0', 'O'],
        'l' | '|' | '!' => vec!['1', 'I', 'L'],
        '«' | '‹' | '{' | '(' => vec!['<'],
        '$' | '§' => vec!['S'],
        '€' | '£' => vec!['E'],
        '©' => vec!['C'],
        'İ' | 'ı' => vec!['I'],
        'a'..='z' => vec![read.to_ascii_uppercase()],
        _ => plain_letter(read).into_iter().collect(),
    }
}

impl Emissions {
    /// `probabilities` is steps × classes as the recogniser gives them; `classes[i]` is the
    /// character of class i, `None` for the blank (class 0). Spaces count as blanks.
    pub fn from_recogniser(probabilities: &[f32], classes: &[Option<char>]) -> Self {
        let targets: Vec<Vec<Symbol>> = classes
            .iter()
            .map(|class| match class.map(|c| (symbol(c), c)) {
                Some((Some(s), _)) => vec![s],
                Some((None, c)) => folded(c).into_iter().filter_map(symbol).collect(),
                None => Vec::new(),
            })
            .collect();
        let mut emissions = Self::default();
        for step in probabilities.chunks_exact(classes.len().max(1)) {
            let mut blank = 0.0;
            let mut symbols = [0.0; SYMBOLS];
            for ((probability, targets), class) in step.iter().zip(&targets).zip(classes) {
                match class {
                    None | Some(' ') => blank += probability,
                    Some(_) => {
                        for target in targets {
                            if let Some(slot) = symbols.get_mut(*target) {
                                *slot += probability / targets.len() as f32;
                            }
                        }
                    }
                }
            }
            emissions.push(blank, symbols);
        }
        emissions
    }

    fn push(&mut self, blank: f32, read: [f32; SYMBOLS]) {
        let mut symbols = read.map(|p| p.max(FLOOR));
        let twins = TWINS.into_iter().map(|pair| (pair, TWIN_FLOOR));
        for ((a, b), floor) in twins.chain(RELATIVES.into_iter().map(|pair| (pair, RELATIVE_FLOOR))) {
            let (Some(a), Some(b)) = (symbol(a), symbol(b)) else { continue };
            symbols[a] = symbols[a].max(read[b] * floor);
            symbols[b] = symbols[b].max(read[a] * floor);
        }
        self.blank.push(blank.max(FLOOR).max(symbols[FILLER] * DOUBLED_FILLER));
        self.symbols.push(symbols);
    }

    /// A line that was read as `text` with probability 0.9 per character, the rest spread over
    /// `alternatives`: (position, character, probability). For tests without the model.
    #[cfg(test)]
    pub(super) fn of_text(text: &str, alternatives: &[(usize, char, f32)]) -> Self {
        let mut emissions = Self::default();
        for (position, character) in text.chars().enumerate() {
            let mut symbols = [0.0; SYMBOLS];
            let mut rest = 0.999;
            for (at, other, probability) in alternatives {
                if *at == position {
                    symbols[symbol(*other).unwrap()] = *probability;
                    rest -= probability;
                }
            }
            symbols[symbol(character).unwrap()] = rest;
            emissions.push(0.001, symbols);
            emissions.push(0.999, [0.0; SYMBOLS]);
        }
        emissions
    }
}

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

/// Probabilities of being, after one step, in each state of the lattice.
#[derive(Clone)]
struct States {
    /// `blank[n]`: n characters are spelled and the step was a blank.
    blank: Vec<f64>,
    /// `spelled[n][s]`: the step belongs to character n, which is s.
    spelled: Vec<[f64; SYMBOLS]>,
}

impl States {
    fn none(length: usize) -> Self {
        Self { blank: vec![0.0; length + 1], spelled: vec![[0.0; SYMBOLS]; length] }
    }

    /// What may precede the first step of character `n` being `s`: a blank, another character, or the same
    /// one at the price `same`.
    fn entering(&self, n: usize, s: Symbol, sums: &[f64], same: f64) -> f64 {
        let previous =
            if n == 0 { 0.0 } else { (sums[n - 1] - self.spelled[n - 1][s] * (1.0 - same)).max(0.0) };
        self.blank[n] + previous
    }

    fn sums(&self) -> Vec<f64> {
        self.spelled.iter().map(|row| row.iter().sum()).collect()
    }
}

/// How far from its place a character is read, in pitches (standard deviation): strips are cut to within a
/// step or two, and a character is entered somewhere in its width.
const PLACE_DEVIATION: f64 = 0.6;
/// No place is impossible: a stain, a bent page.
const LEAST_PLACE: f64 = 1e-9;
/// The recogniser needs a blank between two of the same character, and loses it in poor light. Where it is
/// known where each stands, the second may follow without, at this price.
const RUN_TOGETHER: f64 = 0.03;

/// How well a step's place suits each position.
struct Places<'a> {
    expected: Option<&'a [f32]>,
    steps: usize,
}

impl Places<'_> {
    const fn run_together(&self) -> f64 {
        if self.expected.is_some() { RUN_TOGETHER } else { 0.0 }
    }

    fn weight(&self, step: usize, n: usize) -> f64 {
        let (Some(expected), Some(length)) = (self.expected, self.expected.map(<[f32]>::len)) else {
            return 1.0;
        };
        let (Some(place), Some(first), Some(last)) = (expected.get(n), expected.first(), expected.last())
        else {
            return 1.0;
        };
        let pitch = f64::from(last - first) / length.saturating_sub(1).max(1) as f64;
        let seen = (step as f64 + 0.5) / self.steps as f64;
        let off = (seen - f64::from(*place)) / (PLACE_DEVIATION * pitch.max(1e-6));
        (-off * off / 2.0).exp().max(LEAST_PLACE)
    }
}

/// `expected` is where each position stands in the line (0..1), where that is known. `None` where the line
/// is too short for that many characters, or is nothing like this format.
pub fn align(emissions: &Emissions, allowed: &[Allowed], expected: Option<&[f32]>) -> Option<Aligned> {
    let (steps, length) = (emissions.symbols.len(), allowed.len());
    if length == 0 || steps < length || emissions.blank.len() != steps {
        return None;
    }
    let symbols: Vec<Vec<Symbol>> = allowed.iter().map(|set| set.iter().collect()).collect();
    let at = Places { expected, steps };
    let forward = forward(emissions, &symbols, &at);
    let last = forward.last()?;
    let total = last.blank[length] + last.spelled[length - 1].iter().sum::<f64>();
    // Without rescaling: a line that underflows a double is not of this format.
    if !total.is_finite() || total <= 1e-300 {
        return None;
    }
    let mut start = States::none(length);
    start.blank[0] = 1.0;
    let mut ahead = States::none(length);
    ahead.blank[length] = 1.0;
    ahead.spelled[length - 1] = [1.0; SYMBOLS];
    let mut posterior = vec![[0.0f32; SYMBOLS]; length];
    let mut places = vec![0.0f32; length];
    for step in (0..steps).rev() {
        let before = if step == 0 { &start } else { &forward[step - 1] };
        let sums = before.sums();
        let emitted = &emissions.symbols[step];
        for n in reachable(step, steps, length) {
            let weight = at.weight(step, n);
            for s in symbols[n].iter().copied() {
                // Each character is entered at exactly one step, so these add up to 1.
                let entered = before.entering(n, s, &sums, at.run_together())
                    * weight
                    * f64::from(emitted[s])
                    * ahead.spelled[n][s];
                let share = (entered / total) as f32;
                posterior[n][s] += share;
                places[n] += share * (step as f32 + 0.5) / steps as f32;
            }
        }
        ahead = backward(emissions, &symbols, &at, step, &ahead);
    }
    Some(Aligned { posterior, places, log_likelihood: (total.ln() / length as f64) as f32 })
}

/// Positions that a step can belong to: enough steps before it and after it for the others.
fn reachable(step: usize, steps: usize, length: usize) -> std::ops::Range<usize> {
    length.saturating_sub(steps - step)..length.min(step + 1)
}

fn forward(emissions: &Emissions, symbols: &[Vec<Symbol>], at: &Places<'_>) -> Vec<States> {
    let (steps, length) = (emissions.symbols.len(), symbols.len());
    let mut before = States::none(length);
    before.blank[0] = 1.0;
    let mut all = Vec::with_capacity(steps);
    for step in 0..steps {
        let (blank, emitted) = (f64::from(emissions.blank[step]), &emissions.symbols[step]);
        let sums = before.sums();
        let mut now = States::none(length);
        now.blank[0] = before.blank[0] * blank;
        for (n, sum) in sums.iter().enumerate().take(length) {
            now.blank[n + 1] = (before.blank[n + 1] + sum) * blank;
        }
        for n in reachable(step, steps, length) {
            let weight = at.weight(step, n);
            for s in symbols[n].iter().copied() {
                let entering = before.entering(n, s, &sums, at.run_together()) * weight;
                now.spelled[n][s] = (before.spelled[n][s] + entering) * f64::from(emitted[s]);
            }
        }
        all.push(now.clone());
        before = now;
    }
    all
}

/// Probability of all that comes from `step` on, by the state before it; `ahead` is the same for
/// the state after it.
fn backward(
    emissions: &Emissions,
    symbols: &[Vec<Symbol>],
    at: &Places<'_>,
    step: usize,
    ahead: &States,
) -> States {
    let (steps, length) = (emissions.symbols.len(), symbols.len());
    let (blank, emitted) = (f64::from(emissions.blank[step]), &emissions.symbols[step]);
    let mut now = States::none(length);
    // Probability of entering character n at this step and of all that follows.
    let mut entering = vec![0.0; length + 1];
    for n in reachable(step, steps, length) {
        let sum: f64 = symbols[n].iter().map(|s| f64::from(emitted[*s]) * ahead.spelled[n][*s]).sum();
        entering[n] = sum * at.weight(step, n);
    }
    for (n, enter) in entering.iter().enumerate() {
        now.blank[n] = ahead.blank[n] * blank + enter;
    }
    for n in 0..length {
        for s in symbols[n].iter().copied() {
            let staying = f64::from(emitted[s]) * ahead.spelled[n][s];
            // The same character again needs a blank between.
            let again = if n + 1 < length && symbols[n + 1].contains(&s) {
                let enter = f64::from(emitted[s]) * ahead.spelled[n + 1][s] * at.weight(step, n + 1);
                enter * (1.0 - at.run_together())
            } else {
                0.0
            };
            now.spelled[n][s] = staying + ahead.blank[n + 1] * blank + (entering[n + 1] - again).max(0.0);
        }
    }
    now
}

#[cfg(test)]
mod tests {
    use super::super::alphabet::character;
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
