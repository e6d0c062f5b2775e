//! The recogniser's output for one line, in the alphabet of machine-readable zones.

use super::super::letters::plain_letter;
use super::alphabet::{FILLER, SYMBOLS, Symbol, symbol};

/// Probability that a step keeps for every allowed character: below what the recogniser
/// distinguishes, above zero so that every line of the format can be spelled.
pub const FLOOR: f32 = 1e-8;
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
