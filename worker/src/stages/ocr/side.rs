//! Everything read from one picture of a document.

use super::OcrError;
use super::detection::detect;
use super::geometry::{Point, TextBox};
use super::lines::TextLine;
use super::orientation::{rotation_degrees, telling_lines, text_axis};
use super::recognition::{Charset, Keep, Recognised, Width, recognise};
use super::zone::{Piece, ZONE_ASPECT, ZONE_WIDTH, Zone, read_zone, speaks_for_zone};
use crate::inference::Engine;
use txid_imaging::RgbImage;
use txid_shared::partial::QualityIssue;

/// Thinner lines, in pixels of the original, are not legible.
const LEAST_THICKNESS_PX: f32 = 9.0;
/// Print is read as well at this share of its width (measured in MODELS.md).
const PRINT_WIDTH: Width = Width::Narrowed(0.8);
/// Lines that tell the direction, and the mean confidence at which the first try is believed.
/// Text read upside down stays far below (measured in MODELS.md).
const TELLING_LINES: usize = 4;
const SURE: f32 = 0.88;
/// A single line decides with so much confidence and so many characters that only stand one way.
const CERTAIN: f32 = 0.95;
const UPRIGHT_CHARACTERS: usize = 4;
/// A document has 15 to 50 lines; a page of print has more and would cost seconds. Counted in
/// line heights of text: 250 characters make about 130.
const MOST_TEXT: f32 = 420.0;
/// A line read with less confidence than this does not count as text.
const LEAST_CONFIDENCE: f32 = 0.5;

pub struct Side {
    pub lines: Vec<TextLine>,
    pub zone: Option<Zone>,
    pub rotation_degrees: u16,
}

impl Side {
    /// Mean over the lines, each by its length; 0 without any.
    pub fn confidence(&self) -> f32 {
        let (sum, weight) = self.lines.iter().fold((0.0, 0.0), |(sum, weight), line| {
            let length = line.text.chars().count() as f32;
            (sum + line.confidence * length, weight + length)
        });
        if weight > 0.0 { sum / weight } else { 0.0 }
    }

    pub fn no_text(&self) -> Option<QualityIssue> {
        let none = self.lines.is_empty() && self.zone.is_none();
        none.then(|| QualityIssue::new("no_text", "No text was found", 1.0))
    }
}

struct Reader<'a> {
    picture: &'a RgbImage,
    charset: &'a Charset,
    engine: &'a mut Engine,
}

impl Reader<'_> {
    fn read(&mut self, place: &TextBox, width: Width, keep: Keep) -> Result<Option<Recognised>, OcrError> {
        Ok(recognise(self.picture, place, width, keep, self.charset, self.engine)?)
    }
}

pub fn read_side(picture: &RgbImage, charset: &Charset, engine: &mut Engine) -> Result<Side, OcrError> {
    let mut boxes = detect(picture, engine)?;
    boxes.retain(|found| found.thickness >= LEAST_THICKNESS_PX);
    let mut reader = Reader { picture, charset, engine };
    let axis = text_axis(&boxes).unwrap_or([1.0, 0.0]);
    let trial = reading_direction(&boxes, axis, &mut reader)?;
    let along = trial.along;
    let boxes: Vec<TextBox> = boxes
        .into_iter()
        .map(|found| found.read_along(along))
        .filter(|found| found.length > 0.6 * found.thickness)
        .collect();

    let (mut pieces, mut ordinary) = (Vec::new(), Vec::new());
    for place in boxes {
        if place.length < ZONE_ASPECT * place.thickness {
            ordinary.push(place);
            continue;
        }
        match reader.read(&place, ZONE_WIDTH, Keep::Probabilities)? {
            Some(reading) if speaks_for_zone(&reading.text) => pieces.push(Piece { place, reading }),
            _ => ordinary.push(place),
        }
    }
    let mut lines = Vec::new();
    for place in within_budget(ordinary) {
        let known = trial.reading(&place).cloned();
        let reading = match known {
            Some(reading) => reading,
            None => match reader.read(&place, PRINT_WIDTH, Keep::Text)? {
                Some(reading) => reading,
                None => continue,
            },
        };
        if speaks_for_zone(&reading.text) {
            pieces.push(Piece { place, reading });
        } else if reading.confidence >= LEAST_CONFIDENCE && !reading.text.is_empty() {
            lines.push(TextLine::new(reading.text, reading.confidence, place, along));
        }
    }
    let zone = read_zone(&pieces, along, picture, charset, reader.engine)?;
    if zone.is_none() {
        lines.extend(
            pieces.into_iter().map(|p| TextLine::new(p.reading.text, p.reading.confidence, p.place, along)),
        );
    }
    lines.sort_by(|a, b| a.middle().total_cmp(&b.middle()));
    Ok(Side { lines, zone, rotation_degrees: rotation_degrees(along) })
}

/// Some lines as read in one direction.
struct Trial {
    along: Point,
    lines: Vec<(TextBox, Recognised)>,
}

impl Trial {
    fn of(lines: &[TextBox], along: Point, reader: &mut Reader<'_>) -> Result<Self, OcrError> {
        let mut read = Vec::new();
        for line in lines {
            let place = line.read_along(along);
            if let Some(reading) = reader.read(&place, PRINT_WIDTH, Keep::Text)? {
                let decided = decides(&reading);
                read.push((place, reading));
                if decided {
                    break;
                }
            }
        }
        Ok(Self { along, lines: read })
    }

    fn confidence(&self) -> f32 {
        let (sum, weight) = self.lines.iter().fold((0.0, 0.0), |(sum, weight), (_, reading)| {
            // Garbage is often one confident character: longer texts count for more.
            let length = reading.text.chars().count().max(1) as f32;
            (sum + reading.confidence * length, weight + length)
        });
        if weight > 0.0 { sum / weight } else { 0.0 }
    }

    fn decided(&self) -> bool {
        self.lines.last().is_some_and(|(_, reading)| decides(reading))
    }

    fn reading(&self, place: &TextBox) -> Option<&Recognised> {
        self.lines.iter().find(|(read, _)| read == place).map(|(_, reading)| reading)
    }
}

/// Whether one reading leaves no doubt: read with certainty, and with characters that would not pass
/// for others upside down, as those of `SONOX` or `1961` do.
fn decides(reading: &Recognised) -> bool {
    const TURNABLE: &str = "0168925HINOSXZMWLosxzunpdbqlI|.,:;-_/'\\\"()<> ";
    let upright = reading.text.chars().filter(|c| !TURNABLE.contains(*c)).count();
    reading.confidence >= CERTAIN && upright >= UPRIGHT_CHARACTERS
}

/// Along the axis or against it: whichever the recogniser reads with more confidence.
fn reading_direction(boxes: &[TextBox], axis: Point, reader: &mut Reader<'_>) -> Result<Trial, OcrError> {
    let telling = telling_lines(boxes, TELLING_LINES);
    let forward = Trial::of(&telling, axis, reader)?;
    if telling.is_empty() || forward.confidence() >= SURE || forward.decided() {
        return Ok(forward);
    }
    let backward = Trial::of(&telling, [-axis[0], -axis[1]], reader)?;
    Ok(if backward.decided() || backward.confidence() > forward.confidence() { backward } else { forward })
}

/// The lines worth reading, best detected first, as far as the budget goes.
fn within_budget(mut boxes: Vec<TextBox>) -> Vec<TextBox> {
    boxes.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut spent = 0.0;
    boxes.retain(|found| {
        spent += found.length / found.thickness;
        spent <= MOST_TEXT
    });
    boxes
}
