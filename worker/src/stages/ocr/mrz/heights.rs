//! Digits are taller than letters in OCR-B. How much so in this picture is learnt from the
//! positions where the format allows only digits or only letters; it then tells, where both may
//! stand, which of a pair such as 0 and O was printed. Where the print shows no such difference,
//! nothing is concluded from it.

use super::super::glyphs::Glyph;
use super::alphabet::{Allowed, FILLER, SYMBOLS, Symbol, symbol};
use super::lattice::Aligned;
use super::layout::Layout;

/// The recogniser cannot tell O from 0: over 46 of both in document numbers (MODELS.md) its odds
/// for the right one had no relation to what was printed. So each keeps only so much of what it saw
/// of the other that the height, or else a check digit, decides. Less than half, since most states
/// leave O out of their numbers.
const CONFUSED: f32 = 0.1;
/// Known characters needed of each kind.
const LEAST_DIGITS: usize = 5;
const LEAST_LETTERS: usize = 4;
/// The difference must be this many standard deviations of a single height.
const LEAST_CONTRAST: f32 = 1.5;
/// Measuring is no better than this share of the height.
const LEAST_DEVIATION: f32 = 0.008;
/// No height says more than this (natural logarithm of the odds), and one this far from both
/// kinds says nothing.
const MOST_EVIDENCE: f32 = 6.0;
const STRANGE: f32 = 5.0;

/// Puts what the heights say into the probabilities of the positions that allow both kinds.
/// `glyphs` has an entry per line. Gives back what each height says: the natural logarithm of the odds for a
/// digit against a letter, 0 where it says nothing.
pub fn judge(layout: &Layout, aligned: &mut [Aligned], glyphs: &[&[Glyph]]) -> Vec<Vec<f32>> {
    let sizes = Sizes::learnt(layout, aligned, glyphs);
    let mut said: Vec<Vec<f32>> = layout.lines.iter().map(|cells| vec![0.0; cells.len()]).collect();
    for (number, ((cells, line), glyphs)) in layout.lines.iter().zip(aligned).zip(glyphs).enumerate() {
        let places = line.places.clone();
        for (column, (cell, row)) in cells.iter().zip(&mut line.posterior).enumerate() {
            if cell.allowed != Allowed::ANY {
                continue;
            }
            share_zero(row);
            let evidence = sizes
                .as_ref()
                .zip(glyph_at(&places, column, glyphs))
                .map_or(0.0, |(sizes, glyph)| sizes.for_digit(number, glyph));
            weigh(row, evidence);
            if let Some(said) = said.get_mut(number).and_then(|line| line.get_mut(column)) {
                *said = evidence;
            }
        }
    }
    said
}

const fn is_digit(s: Symbol) -> bool {
    s < 10
}

fn share_zero(row: &mut [f32; SYMBOLS]) {
    let (Some(zero), Some(letter)) = (symbol('0'), symbol('O')) else { return };
    let (zero_before, letter_before) = (row[zero], row[letter]);
    row[zero] += (letter_before - zero_before) * CONFUSED;
    row[letter] += (zero_before - letter_before) * CONFUSED;
}

fn weigh(row: &mut [f32; SYMBOLS], for_digit: f32) {
    if for_digit == 0.0 {
        return;
    }
    let sum_before: f32 = row.iter().sum();
    for (s, probability) in row.iter_mut().enumerate().filter(|(s, _)| *s != FILLER) {
        *probability *= (if is_digit(s) { for_digit } else { -for_digit } / 2.0).exp();
    }
    let scale = sum_before / row.iter().sum::<f32>().max(f32::MIN_POSITIVE);
    row.iter_mut().for_each(|probability| *probability *= scale);
}

/// The character printed where `column` was read: the nearest, if it is near.
fn glyph_at<'a>(places: &[f32], column: usize, glyphs: &'a [Glyph]) -> Option<&'a Glyph> {
    let place = *places.get(column)?;
    let pitch = 1.0 / places.len() as f32;
    let distance = |glyph: &Glyph| (glyph.middle - place).abs();
    let nearest = glyphs.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
    (distance(nearest) < 0.6 * pitch).then_some(nearest)
}

/// Heights as a plane over the zone (perspective makes one end smaller), and how much lower
/// letters are.
#[derive(Debug)]
struct Sizes {
    /// Of a digit: at the left end of the first line, change along the line, change per line;
    /// then what a letter adds.
    coefficients: [f32; 4],
    deviation: f32,
}

impl Sizes {
    fn learnt(layout: &Layout, aligned: &[Aligned], glyphs: &[&[Glyph]]) -> Option<Self> {
        let mut known: Vec<([f32; 4], f32)> = Vec::new();
        for (number, ((cells, line), glyphs)) in layout.lines.iter().zip(aligned).zip(glyphs).enumerate() {
            for (column, (cell, row)) in cells.iter().zip(&line.posterior).enumerate() {
                let both = cell.allowed.iter().any(is_digit) && cell.allowed.iter().any(is_letter);
                let read = (0..SYMBOLS).max_by(|a, b| row[*a].total_cmp(&row[*b]));
                // The tail of a Q or a J hangs below the line.
                let tailed = read.is_some_and(|s| [symbol('Q'), symbol('J')].contains(&Some(s)));
                let (Some(read), false, false) = (read, both, tailed) else { continue };
                if read == FILLER {
                    continue;
                }
                if let Some(glyph) = glyph_at(&line.places, column, glyphs) {
                    known.push((features(number, glyph, is_letter(read)), glyph.height));
                }
            }
        }
        let enough = |known: &[([f32; 4], f32)]| {
            let letters = known.iter().filter(|(features, _)| features[3] > 0.0).count();
            letters >= LEAST_LETTERS && known.len() - letters >= LEAST_DIGITS
        };
        if !enough(&known) {
            return None;
        }
        let mut sizes = Self::fitted(&known)?;
        // Once more without what is far off: a stain, two characters in one.
        known.retain(|(features, height)| (height - sizes.predicted(features)).abs() < 3.0 * sizes.deviation);
        if !enough(&known) {
            return None;
        }
        sizes = Self::fitted(&known)?;
        (sizes.coefficients[3].abs() > LEAST_CONTRAST * sizes.deviation).then_some(sizes)
    }

    fn fitted(known: &[([f32; 4], f32)]) -> Option<Self> {
        let coefficients = least_squares(known)?;
        let mut sizes = Self { coefficients, deviation: 0.0 };
        let squares: f32 =
            known.iter().map(|(features, height)| (height - sizes.predicted(features)).powi(2)).sum();
        let spread = (squares / known.len().saturating_sub(4).max(1) as f32).sqrt();
        sizes.deviation = spread.max(LEAST_DEVIATION * coefficients[0].abs());
        Some(sizes)
    }

    fn predicted(&self, features: &[f32; 4]) -> f32 {
        self.coefficients.iter().zip(features).map(|(c, f)| c * f).sum()
    }

    /// Natural logarithm of the odds that the height gives for a digit against a letter.
    fn for_digit(&self, line: usize, glyph: &Glyph) -> f32 {
        let off = |letter| (glyph.height - self.predicted(&features(line, glyph, letter))) / self.deviation;
        let (digit, letter) = (off(false), off(true));
        if digit.abs().min(letter.abs()) > STRANGE {
            return 0.0;
        }
        ((letter * letter - digit * digit) / 2.0).clamp(-MOST_EVIDENCE, MOST_EVIDENCE)
    }
}

const fn is_letter(s: Symbol) -> bool {
    !is_digit(s) && s != FILLER
}

fn features(line: usize, glyph: &Glyph, letter: bool) -> [f32; 4] {
    [1.0, glyph.middle, line as f32, if letter { 1.0 } else { 0.0 }]
}

/// Normal equations, solved by elimination with pivots. A direction that the data says nothing
/// about is held at zero by a trifle of ridge.
pub(super) fn least_squares<const N: usize>(known: &[([f32; N], f32)]) -> Option<[f32; N]> {
    let mut system = [([0.0f64; N], 0.0f64); N];
    for (features, value) in known {
        for ((row, right), left) in system.iter_mut().zip(features) {
            let left = f64::from(*left);
            row.iter_mut().zip(features).for_each(|(cell, feature)| *cell += left * f64::from(*feature));
            *right += left * f64::from(*value);
        }
    }
    for (i, (row, _)) in system.iter_mut().enumerate() {
        row[i] += 1e-6;
    }
    for i in 0..N {
        let pivot = (i..N).max_by(|a, b| system[*a].0[i].abs().total_cmp(&system[*b].0[i].abs()))?;
        system.swap(i, pivot);
        let (row, right) = system[i];
        if row[i].abs() < 1e-9 {
            return None;
        }
        for (_, (cells, value)) in system.iter_mut().enumerate().filter(|(other, _)| *other != i) {
            let factor = cells[i] / row[i];
            cells.iter_mut().zip(row).for_each(|(cell, above)| *cell -= factor * above);
            *value -= factor * right;
        }
    }
    let solution = std::array::from_fn(|i| (system[i].1 / system[i].0[i]) as f32);
    solution.iter().all(|value| value.is_finite()).then_some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_with_a_step_is_found_again() {
        let known: Vec<([f32; 4], f32)> = (0..40)
            .map(|i| {
                let glyph = Glyph { middle: (i % 20) as f32 / 20.0, height: 0.0 };
                let features = features(i / 20, &glyph, i % 3 == 0);
                let noise = if i % 2 == 0 { 0.1 } else { -0.1 };
                (features, 30.0 - 2.0 * features[1] + 0.5 * features[2] - 3.0 * features[3] + noise)
            })
            .collect();
        let sizes = Sizes::fitted(&known).unwrap();
        for (found, expected) in sizes.coefficients.iter().zip([30.0, -2.0, 0.5, -3.0]) {
            assert!((found - expected).abs() < 0.15, "{sizes:?}");
        }
        let glyph = |height| Glyph { middle: 0.5, height };
        assert!(sizes.for_digit(0, &glyph(29.1)) > 5.0 && sizes.for_digit(0, &glyph(26.0)) < -5.0);
        assert_eq!(sizes.for_digit(0, &glyph(15.0)), 0.0, "no character of this print is that low");
    }
}
