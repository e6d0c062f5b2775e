//! Everything read from one picture of a document.

use super::OcrError;
use super::detection::{DETECTION_SIDE_PX, detect};
use super::geometry::{Point, TextBox};
use super::lines::TextLine;
use super::orientation::{rotation_degrees, telling_lines, text_axis};
use super::recognition::{Charset, Keep, Recognised, Width, recognise};
use super::zone::{Piece, ZONE_ASPECT, ZONE_WIDTH, Zone, read_zone, speaks_for_zone};
use crate::imaging::RgbImage;
use crate::inference::Engine;

/// Thinner lines, in pixels of the original, are not legible.
const LEAST_THICKNESS_PX: f32 = 9.0;
/// Lines that tell the direction, and the mean confidence at which the first try is believed.
/// Text read upside down stays far below (measured in MODELS.md).
const TELLING_LINES: usize = 3;
const SURE: f32 = 0.88;
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
    let mut boxes = detect(picture, DETECTION_SIDE_PX, engine)?;
    boxes.retain(|found| found.thickness >= LEAST_THICKNESS_PX);
    let mut reader = Reader { picture, charset, engine };
    let axis = text_axis(&boxes).unwrap_or([1.0, 0.0]);
    let along = reading_direction(&boxes, axis, &mut reader)?;
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
        let Some(reading) = reader.read(&place, Width::InRatio, Keep::Text)? else { continue };
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

/// Along the axis or against it: whichever the recogniser reads with more confidence. Costs
/// nothing to speak of while the first direction is the right one.
fn reading_direction(boxes: &[TextBox], axis: Point, reader: &mut Reader<'_>) -> Result<Point, OcrError> {
    let telling = telling_lines(boxes, TELLING_LINES);
    let forward = mean_confidence(&telling, axis, reader)?;
    if telling.is_empty() || forward >= SURE {
        return Ok(axis);
    }
    let against = [-axis[0], -axis[1]];
    let backward = mean_confidence(&telling, against, reader)?;
    Ok(if backward > forward { against } else { axis })
}

fn mean_confidence(lines: &[TextBox], along: Point, reader: &mut Reader<'_>) -> Result<f32, OcrError> {
    let (mut sum, mut weight) = (0.0, 0.0);
    for line in lines {
        if let Some(reading) = reader.read(&line.read_along(along), Width::InRatio, Keep::Text)? {
            // Garbage is often one confident character: longer texts count for more.
            let length = reading.text.chars().count().max(1) as f32;
            sum += reading.confidence * length;
            weight += length;
        }
    }
    Ok(if weight > 0.0 { sum / weight } else { 0.0 })
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
