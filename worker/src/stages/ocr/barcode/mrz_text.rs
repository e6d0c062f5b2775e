//! A machine-readable zone as the content of a barcode: it counts where every check digit is right
//! and nothing had to be corrected.

use super::Fact;
use super::mrz::fields::fields;
use super::mrz::{Emissions, LineSignal, decode};
use jiff::civil::Date;

const ALPHABET: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ<";
/// A zone has 60 to 90 characters.
const MOST_BYTES: usize = 120;
/// Per character; the rest is blank.
const CERTAINTY: f32 = 0.999;

pub fn facts(text: &str, today: Date) -> Option<Vec<Fact>> {
    if text.len() > MOST_BYTES {
        return None;
    }
    let lines = lines(text)?;
    let signals: Vec<LineSignal> = lines.iter().map(|line| signal(line)).collect();
    let zone =
        decode(&signals.iter().collect::<Vec<_>>()).filter(|zone| zone.valid && zone.lines == lines)?;
    let read = fields(&zone, today);
    Some(read.named().map(|(name, _, value)| Fact::new(name, value.clone(), value)).collect())
}

/// Two or three lines of one length. Some issuers leave the line breaks out.
fn lines(text: &str) -> Option<Vec<String>> {
    if !text.chars().all(|c| ALPHABET.contains(c) || c.is_whitespace()) {
        return None;
    }
    let lines: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    let width = |line: &String| line.len();
    if let [whole] = lines.as_slice() {
        let width = match whole.len() {
            90 => 30,
            72 => 36,
            88 => 44,
            _ => return None,
        };
        let bytes = whole.as_bytes().chunks_exact(width);
        return bytes.map(|line| String::from_utf8(line.to_vec()).ok()).collect();
    }
    let same = lines.windows(2).all(|pair| pair.first().map(width) == pair.last().map(width));
    ((2..=3).contains(&lines.len()) && same).then_some(lines)
}

/// The line as a recogniser would give it that has no doubt.
fn signal(line: &str) -> LineSignal {
    let classes: Vec<Option<char>> = std::iter::once(None).chain(ALPHABET.chars().map(Some)).collect();
    let step = |character: Option<char>| {
        classes
            .iter()
            .map(move |class| if *class == character { CERTAINTY } else { 0.0 })
            .collect::<Vec<f32>>()
    };
    // A blank between two characters keeps equal ones apart.
    let probabilities: Vec<f32> = line.chars().flat_map(|c| [step(Some(c)), step(None)]).flatten().collect();
    let emissions = Emissions::from_recogniser(&probabilities, &classes);
    LineSignal { text: line.to_owned(), emissions, glyphs: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    /// The specimen of ICAO 9303-5.
    const TD1: [&str; 3] = [
        "I<UTOD231458907<<<<<<<<<<<<<<<",
        "7408122F1204159UTO<<<<<<<<<<<6",
        "ERIKSSON<<ANNA<MARIA<<<<<<<<<<",
    ];

    #[test]
    fn a_right_zone_is_read_with_and_without_line_breaks_and_a_wrong_one_is_not() {
        let today = date(2025, 11, 22);
        for text in [TD1.join("\n"), TD1.concat(), TD1.join("\r\n")] {
            let facts = facts(&text, today).unwrap();
            let value = |name| facts.iter().find(|fact| fact.name == name).map(|fact| fact.value.as_str());
            assert_eq!(value("last_name"), Some("Eriksson"));
            assert_eq!(value("document_number"), Some("D23145890"));
            assert_eq!(value("date_of_birth"), Some("1974-08-12"));
        }
        assert_eq!(facts(&TD1.join("\n").replace("740812", "740912"), today), None);
        assert_eq!(facts("HELLO WORLD", today), None);
    }
}
