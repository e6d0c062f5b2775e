//! The name field: letters, one filler between words, two between last and first names, and only
//! fillers after the end.

use super::alphabet::{FILLER, SYMBOLS, Symbol};

/// What it costs (natural logarithm) that a letter follows where the name had ended. Not
/// impossible: some states print fields of their own there.
const AFTER_END: f32 = -7.0;

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Word,
    /// One filler after a word.
    Separator,
    /// Two fillers, the first time.
    Between,
    /// Past the end: three fillers, or a second pair of them.
    End,
}

/// States of the search: place × whether the last names are over.
const STATES: usize = 8;

fn index(place: Place, over: bool) -> usize {
    place as usize * 2 + usize::from(over)
}

fn places() -> impl Iterator<Item = (Place, bool)> {
    [Place::Word, Place::Separator, Place::Between, Place::End]
        .into_iter()
        .flat_map(|place| [(place, false), (place, true)])
}

/// Where `filler` or a letter leads, and the cost of it.
fn step(place: Place, over: bool, filler: bool) -> (Place, bool, f32) {
    match (place, filler) {
        (Place::End, true) => (Place::End, over, 0.0),
        (Place::End, false) => (Place::Word, over, AFTER_END),
        (_, false) => (Place::Word, over, 0.0),
        (Place::Word, true) => (Place::Separator, over, 0.0),
        (Place::Separator, true) if over => (Place::End, true, 0.0),
        (Place::Separator, true) => (Place::Between, true, 0.0),
        (Place::Between, true) => (Place::End, over, 0.0),
    }
}

/// The likeliest characters of a name field, given the probability of each at each position.
pub fn likeliest_name(rows: &[[f32; SYMBOLS]]) -> Vec<Symbol> {
    let mut score = [f32::NEG_INFINITY; STATES];
    // A field that begins with a filler has no name.
    score[index(Place::Between, false)] = 0.0;
    let mut trail: Vec<[(usize, Symbol); STATES]> = Vec::with_capacity(rows.len());
    for row in rows {
        let letter = (0..FILLER).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap_or(FILLER);
        let mut after = [f32::NEG_INFINITY; STATES];
        let mut from = [(0, FILLER); STATES];
        for (place, over) in places() {
            let here = index(place, over);
            for symbol in [letter, FILLER] {
                let (to, to_over, cost) = step(place, over, symbol == FILLER);
                let total = score[here] + cost + row[symbol].max(1e-20).ln();
                let to = index(to, to_over);
                if total > after[to] {
                    after[to] = total;
                    from[to] = (here, symbol);
                }
            }
        }
        score = after;
        trail.push(from);
    }
    let mut state = (0..STATES).max_by(|a, b| score[*a].total_cmp(&score[*b])).unwrap_or(0);
    let mut name: Vec<Symbol> = trail
        .iter()
        .rev()
        .map(|from| {
            let (before, symbol) = from[state];
            state = before;
            symbol
        })
        .collect();
    name.reverse();
    name
}

#[cfg(test)]
mod tests {
    use super::super::alphabet::{character, symbol};
    use super::*;

    fn rows(text: &str) -> Vec<[f32; SYMBOLS]> {
        text.chars()
            .map(|c| {
                let mut row = [1e-6; SYMBOLS];
                row[symbol(c).unwrap()] = 0.99;
                row
            })
            .collect()
    }

    fn name(rows: &[[f32; SYMBOLS]]) -> String {
        likeliest_name(rows).into_iter().map(character).collect()
    }

    #[test]
    fn a_clear_name_stays_as_it_is() {
        for text in ["ERIKSSON<<ANNA<MARIA<<<<<", "EL<AMRANI<<MOHAMMED<<<<<<", "ARKFREITH<<<<<<<<<<<<<<<<"] {
            assert_eq!(name(&rows(text)), text);
        }
    }

    #[test]
    fn a_filler_read_as_a_letter_after_the_name_is_a_filler() {
        let mut rows = rows("ERIKSSON<<ANNA<<<<<K<<<<");
        rows[19] = [1e-6; SYMBOLS];
        rows[19][symbol('K').unwrap()] = 0.9;
        rows[19][FILLER] = 0.1;
        assert_eq!(name(&rows), "ERIKSSON<<ANNA<<<<<<<<<<");
        // In the middle of a word it stays a letter.
        assert!(name(&self::rows("ERIKSSON<<ANNA<<<<<<<<<<")).contains("ERIKSSON"));
    }
}
