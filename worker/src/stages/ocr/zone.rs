//! Finding the lines of a machine-readable zone among all text of a side, and reading them.

use super::OcrError;
use super::frame::Frame;
use super::geometry::{Point, TextBox, dot};
use super::glyphs::{Glyph, glyphs};
use super::lines::TextLine;
use super::mrz::{Decoded, Emissions, LineSignal, decode, looks_like_mrz};
use super::recognition::{Keep, QUICK_WIDTH, Recognised, Recogniser, Recognisers, Width, recognise};
use crate::inference::Engine;

/// A whole line of a zone is at least this much longer than thick: 30 characters of 2.54 mm over
/// 3 mm and the detector's margin. Titles may be as long; their text tells.
pub const ZONE_ASPECT: f32 = 13.0;
/// OCR-B is set wide: the thorough recogniser reads it as well at this share of its width (measured in MODELS.md).
const ZONE_WIDTH: Width = Width::Narrowed(0.7);

/// A zone and where its lines are.
#[derive(Debug, Clone)]
pub struct Zone {
    pub decoded: Decoded,
    /// One per line, top to bottom.
    pub places: Vec<TextBox>,
}

/// A piece of text that may belong to a zone.
#[derive(Debug, Clone)]
pub struct Piece {
    pub place: TextBox,
    pub reading: Recognised,
}

impl Piece {
    /// Of a line that was read as print.
    pub fn of(line: TextLine) -> Self {
        let reading = Recognised { text: line.text, confidence: line.confidence, ..Recognised::default() };
        Self { place: line.place, reading }
    }
}

/// Whether a text could be a zone's: long, and nearly all of its alphabet.
pub fn could_be_zone(text: &str) -> bool {
    let characters = text.chars().filter(|c| !c.is_whitespace()).count();
    let of_alphabet =
        text.chars().filter(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '<').count();
    (22..=50).contains(&characters) && of_alphabet * 10 >= characters * 8
}

/// Whether a text speaks for a zone: fillers do, in print they do not occur.
pub fn speaks_for_zone(text: &str) -> bool {
    looks_like_mrz(text) || text.matches('<').count() >= 3
}

/// Reads the zone that the pieces belong to: each line by the quick recogniser, what it leaves open by the thorough
/// one, and what that leaves open once more in full width. `None` where they make none.
pub fn read_zone(
    pieces: &[Piece],
    along: Point,
    frame: &Frame<'_>,
    recognisers: &Recognisers,
    engine: &mut Engine,
) -> Result<Option<Zone>, OcrError> {
    let rows = rows(pieces, along);
    if rows.len() < 2 {
        return Ok(None);
    }
    let heights: Vec<Vec<Glyph>> = rows.iter().map(|row| glyphs(frame, &row.place)).collect();
    let Recognisers { quick, thorough, .. } = recognisers;
    let looks = [(quick, QUICK_WIDTH), (thorough, ZONE_WIDTH), (thorough, Width::InRatio)];
    let known = rows.iter().map(|row| row.reading.as_ref().filter(|known| !known.probabilities.is_empty()));
    let mut signals: Vec<Option<LineSignal>> =
        known.zip(&heights).map(|(known, glyphs)| known.map(|known| signal(known, glyphs, quick))).collect();
    let mut open: Vec<usize> = (0..rows.len()).filter(|row| signals[*row].is_none()).collect();
    let mut best: Option<Zone> = None;
    for (recogniser, width) in looks {
        for &row in &open {
            let place = &rows[row].place;
            let reading = recognise(frame, place, width, Keep::Probabilities, recogniser, engine)?;
            signals[row] = reading.map(|reading| signal(&reading, &heights[row], recogniser));
        }
        let read = rows.iter().zip(&signals).filter_map(|(row, signal)| Some((row.place, signal.as_ref()?)));
        let zone = best_zone(&read.collect::<Vec<_>>());
        open = (0..rows.len()).filter(|row| is_open(&rows[*row].place, zone.as_ref())).collect();
        if let Some(zone) = zone
            && best.as_ref().is_none_or(|best| rank(&zone) > rank(best))
        {
            best = Some(zone);
        }
        if open.is_empty() {
            break;
        }
    }
    Ok(best)
}

/// Whether a row is worth another look: it holds a character that is ambiguous, or that only a check digit decided.
/// Where there is no zone yet, or a check digit is wrong, nobody knows which row it is.
fn is_open(row: &TextBox, zone: Option<&Zone>) -> bool {
    let Some(Zone { decoded, places }) = zone else { return true };
    if !decoded.check_digits.iter().all(|digit| digit.valid) {
        return true;
    }
    let decided = decoded.corrections.iter().filter(|correction| correction.reason == "check_digit");
    let mut open = decoded.ambiguities.iter().chain(decided);
    let line = places.iter().position(|place| place == row);
    line.is_some_and(|line| open.any(|open| open.line == line))
}

fn rank(zone: &Zone) -> (bool, usize, f32) {
    let decoded = &zone.decoded;
    let right = decoded.check_digits.iter().filter(|digit| digit.valid).count();
    (decoded.valid, right, decoded.confidence)
}

fn signal(reading: &Recognised, glyphs: &[Glyph], recogniser: &Recogniser) -> LineSignal {
    LineSignal {
        text: reading.text.chars().filter(|c| !c.is_whitespace()).collect(),
        emissions: Emissions::from_recogniser(&reading.probabilities, recogniser.classes()),
        glyphs: glyphs.to_vec(),
    }
}

/// The best zone that two or three neighbouring rows make.
fn best_zone(rows: &[(TextBox, &LineSignal)]) -> Option<Zone> {
    let of = |count: usize| {
        rows.windows(count).filter_map(|window| {
            let signals: Vec<&LineSignal> = window.iter().map(|(_, signal)| *signal).collect();
            let places = window.iter().map(|(place, _)| *place).collect();
            Some(Zone { decoded: decode(&signals)?, places })
        })
    };
    let mut found: Vec<Zone> = of(3).collect();
    // Three lines that satisfy all check digits leave nothing to try with two.
    if !found.iter().any(|zone| zone.decoded.valid) {
        found.extend(of(2));
    }
    found.into_iter().max_by(|a, b| rank(a).partial_cmp(&rank(b)).unwrap_or(std::cmp::Ordering::Equal))
}

/// One line of the zone, put together from the pieces in which it was found.
struct Row {
    place: TextBox,
    /// Where the row is one piece that was already read whole.
    reading: Option<Recognised>,
}

/// Groups pieces into rows, top to bottom, all of one zone's length.
fn rows(pieces: &[Piece], along: Point) -> Vec<Row> {
    let down = [-along[1], along[0]];
    let mut sorted: Vec<&Piece> = pieces.iter().collect();
    sorted.sort_by(|a, b| dot(a.place.centre, down).total_cmp(&dot(b.place.centre, down)));
    let mut groups: Vec<Vec<&Piece>> = Vec::new();
    for piece in sorted {
        match groups.iter_mut().find(|group| group.first().is_some_and(|other| same_row(other, piece))) {
            Some(group) => group.push(piece),
            None => groups.push(vec![piece]),
        }
    }
    // The zone's lines have the same ends; a run of fillers may have escaped the detector.
    let ends = |group: &[&Piece]| {
        group
            .iter()
            .map(|piece| piece.place.extent(along))
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(left, right), (l, r)| (left.min(l), right.max(r)))
    };
    let widest = groups
        .iter()
        .map(|group| ends(group))
        .fold((f32::INFINITY, f32::NEG_INFINITY), |all, one| (all.0.min(one.0), all.1.max(one.1)));
    groups
        .iter()
        .filter_map(|group| {
            let longest = group.iter().max_by(|a, b| a.place.length.total_cmp(&b.place.length))?;
            let (left, right) = ends(group);
            // Half a character of a TD3.
            let slack = (widest.1 - widest.0) * 0.012;
            let whole = group.len() == 1 && left - widest.0 < slack && widest.1 - right < slack;
            if whole {
                return Some(Row { place: longest.place, reading: Some(longest.reading.clone()) });
            }
            Some(Row { place: stretched(longest.place, along, widest), reading: None })
        })
        .collect()
}

/// Whether two pieces lie on one line: the second's centre is on the first's axis.
fn same_row(a: &Piece, b: &Piece) -> bool {
    let longer = if a.place.length >= b.place.length { &a.place } else { &b.place };
    let between = [b.place.centre[0] - a.place.centre[0], b.place.centre[1] - a.place.centre[1]];
    dot(between, longer.down()).abs() < 0.5 * a.place.thickness.max(b.place.thickness)
}

/// The box lengthened along its own direction until it covers `left..right` along the page.
fn stretched(place: TextBox, along: Point, (left, right): (f32, f32)) -> TextBox {
    let cosine = dot(place.along, along).max(0.5);
    let (from, to) = place.extent(along);
    let (before, after) = ((from - left).max(0.0) / cosine, (to - right).min(0.0).abs() / cosine);
    let shift = (after - before) / 2.0;
    TextBox {
        centre: [place.centre[0] + place.along[0] * shift, place.centre[1] + place.along[1] * shift],
        length: place.length + before + after,
        ..place
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use txid_shared::partial::{CheckDigit, MrzCorrection, MrzFormat};

    fn piece(left: f32, right: f32, middle: f32) -> Piece {
        let place = TextBox {
            centre: [(left + right) / 2.0, middle],
            along: [1.0, 0.0],
            length: right - left,
            thickness: 50.0,
            score: 0.9,
        };
        let reading =
            Recognised { text: "<<<".to_owned(), probabilities: vec![1.0], ..Recognised::default() };
        Piece { place, reading }
    }

    #[test]
    fn a_split_line_and_a_shortened_one_get_the_zones_length() {
        let pieces = [piece(900.0, 1500.0, 102.0), piece(100.0, 880.0, 100.0), piece(100.0, 1500.0, 200.0)];
        let rows = rows(&pieces, [1.0, 0.0]);
        assert_eq!(rows.len(), 2);
        let (left, right) = rows[0].place.extent([1.0, 0.0]);
        assert!((left - 100.0).abs() < 0.5 && (right - 1500.0).abs() < 0.5);
        assert!(rows[0].reading.is_none(), "a line put together is read anew");
        assert!(rows[1].reading.is_some());
    }

    #[test]
    fn only_what_holds_a_doubt_is_read_again() {
        let [upper, lower, beside] = [100.0, 200.0, 300.0].map(|middle| piece(100.0, 1500.0, middle).place);
        let correction = |line: usize, reason: &str| MrzCorrection {
            line,
            column: 3,
            read: Some('8'),
            corrected: Some('B'),
            reason: reason.to_owned(),
            probability: 0.4,
        };
        let zone = |corrections: &[MrzCorrection], ambiguities: &[MrzCorrection], right: bool| Zone {
            decoded: Decoded {
                format: MrzFormat::Td3,
                number_overflow: 0,
                lines: Vec::new(),
                raw_lines: Vec::new(),
                check_digits: vec![CheckDigit {
                    field: "composite".to_owned(),
                    printed: '4',
                    computed: if right { '4' } else { '5' },
                    valid: right,
                }],
                corrections: corrections.to_vec(),
                ambiguities: ambiguities.to_vec(),
                valid: right && ambiguities.is_empty(),
                confidence: 0.9,
            },
            places: vec![upper, lower],
        };
        let open = |zone: &Zone| [upper, lower, beside].map(|row| is_open(&row, Some(zone)));
        assert_eq!(open(&zone(&[correction(0, "position_grammar")], &[], true)), [false; 3]);
        assert_eq!(open(&zone(&[correction(1, "check_digit")], &[], true)), [false, true, false]);
        assert_eq!(open(&zone(&[], &[correction(0, "unclear")], true)), [true, false, false]);
        assert_eq!(open(&zone(&[], &[], false)), [true; 3], "nobody knows where");
        assert!(is_open(&upper, None));
    }
}
