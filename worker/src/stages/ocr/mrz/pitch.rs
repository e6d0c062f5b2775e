//! Characters of a zone stand at an even pitch (ICAO 9303-3, 4.2: ten to the inch). Where most of a zone
//! was read beyond doubt, that tells where every other column must stand: a filler lost in a run of twenty, or
//! a letter that seems to be there twice, is found by its place.

use super::alphabet::{FILLER, SYMBOLS};
use super::heights::least_squares;
use super::lattice::Aligned;

/// A character whose likeliest reading has this probability has its column right, nearly always.
const SURE: f32 = 0.8;
/// Fewer sure characters in a zone tell no pitch.
const LEAST_SURE: usize = 12;
/// Columns apart from which on two characters of a line tell a pitch.
const LEAST_APART: usize = 4;
/// In pitches, round by round: what lies farther off its place counts little.
const TOLERANCES: [f32; 6] = [0.6, 0.4, 0.3, 0.2, 0.15, 0.1];

/// Where each column of each line stands, as a share of the line's length; `None` where too little is sure.
pub fn expected(aligned: &[Aligned]) -> Option<Vec<Vec<f32>>> {
    let sure = sure_places(aligned);
    if sure.len() < LEAST_SURE {
        return None;
    }
    let pitch = median(slopes(&sure))?;
    let offset = median(sure.iter().map(|seen| seen.place - pitch * seen.column).collect())?;
    // Seen at an angle the pitch changes along the line, and strips of lines are cut a little differently.
    let mut coefficients = [offset, 0.0, pitch, 0.0, 0.0];
    for tolerance in TOLERANCES {
        let weighted: Vec<([f32; 5], f32)> = sure
            .iter()
            .map(|seen| {
                let features = features(seen.line, seen.column);
                let off = (seen.place - predicted(&coefficients, &features)) / (tolerance * pitch);
                let weight = 1.0 / (1.0 + off * off);
                (features.map(|feature| feature * weight), seen.place * weight)
            })
            .collect();
        coefficients = least_squares(&weighted)?;
    }
    let places = |line: usize, width: usize| {
        (0..width).map(|column| predicted(&coefficients, &features(line, column as f32))).collect()
    };
    Some(aligned.iter().enumerate().map(|(line, aligned)| places(line, aligned.places.len())).collect())
}

struct Seen {
    line: usize,
    column: f32,
    place: f32,
}

fn sure_places(aligned: &[Aligned]) -> Vec<Seen> {
    let mut sure = Vec::new();
    for (line, aligned) in aligned.iter().enumerate() {
        for (column, (row, place)) in aligned.posterior.iter().zip(&aligned.places).enumerate() {
            let best = (0..SYMBOLS).max_by(|a, b| row[*a].total_cmp(&row[*b]));
            if best.is_some_and(|symbol| symbol != FILLER && row[symbol] >= SURE) {
                sure.push(Seen { line, column: column as f32, place: *place });
            }
        }
    }
    sure
}

/// Pitch by every two characters of a line (Theil–Sen).
fn slopes(sure: &[Seen]) -> Vec<f32> {
    let mut slopes = Vec::new();
    for (number, a) in sure.iter().enumerate() {
        for b in sure.iter().skip(number + 1).filter(|b| b.line == a.line) {
            if b.column - a.column >= LEAST_APART as f32 {
                slopes.push((b.place - a.place) / (b.column - a.column));
            }
        }
    }
    slopes
}

fn median(mut values: Vec<f32>) -> Option<f32> {
    values.sort_by(f32::total_cmp);
    values.get(values.len() / 2).copied()
}

fn features(line: usize, column: f32) -> [f32; 5] {
    // Of the order of one, or the equations are ill-conditioned.
    let share = column / 44.0;
    [1.0, line as f32, column, line as f32 * share, share * share]
}

fn predicted(coefficients: &[f32; 5], features: &[f32; 5]) -> f32 {
    coefficients.iter().zip(features).map(|(c, f)| c * f).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_that_stands_off_does_not_move_the_others() {
        let mut posterior = vec![[0.0; SYMBOLS]; 30];
        posterior.iter_mut().enumerate().for_each(|(n, row)| row[n % 10] = 1.0);
        let even: Vec<f32> = (0..30).map(|n| 0.02 + n as f32 * 0.032).collect();
        let mut places = even.clone();
        // The last six were read one column too far to the left.
        places[24..].iter_mut().for_each(|place| *place += 0.032);
        let aligned = [Aligned { posterior, places, log_likelihood: -0.1 }];
        let expected = expected(&aligned).unwrap();
        for (expected, even) in expected[0].iter().zip(&even) {
            assert!((expected - even).abs() < 0.012, "{expected} {even}");
        }
        let unsure = [Aligned { posterior: vec![[0.02; SYMBOLS]; 30], places: even, log_likelihood: -3.0 }];
        assert!(super::expected(&unsure).is_none());
    }
}
