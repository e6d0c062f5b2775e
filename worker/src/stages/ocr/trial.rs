//! Which way text is read along its axis: a few lines are tried.

use super::OcrError;
use super::geometry::{Point, TextBox};
use super::orientation::telling_lines;
use super::reader::{LineReading, Reader};
use super::recognition::Recognised;
use super::visual::is_form_text;

/// Lines that tell the direction, and the mean confidence at which the first try is believed.
/// Text read upside down stays far below (measured in MODELS.md).
const TELLING_LINES: usize = 4;
const SURE: f32 = 0.88;
/// A single line decides with so much confidence and so many characters that only stand one way.
const CERTAIN: f32 = 0.95;
const UPRIGHT_CHARACTERS: usize = 4;

/// Some lines as read in one direction.
pub struct Trial {
    pub along: Point,
    lines: Vec<(TextBox, LineReading)>,
}

impl Trial {
    /// That nothing was tried in.
    pub const fn untried(along: Point) -> Self {
        Self { along, lines: Vec::new() }
    }

    fn of(lines: &[TextBox], along: Point, reader: &mut Reader<'_>) -> Result<Self, OcrError> {
        let mut trial = Self::untried(along);
        for line in lines {
            let place = line.read_along(along);
            trial.lines.push((place, reader.read_line(&place, None)?));
            if trial.decided() {
                break;
            }
        }
        Ok(trial)
    }

    /// Text in Arabic read upside down may pass for text: there both directions are compared.
    fn is_sure(&self) -> bool {
        let in_arabic = self.lines.iter().any(|(_, reading)| reading.is_surer_in_arabic());
        self.decided() || !in_arabic && self.confidence() >= SURE
    }

    fn confidence(&self) -> f32 {
        let surest = self.lines.iter().filter_map(|(_, reading)| reading.surer());
        let (sum, weight) = surest.fold((0.0, 0.0), |(sum, weight), reading| {
            // Garbage is often one confident character: longer texts count for more.
            let length = reading.text.chars().count().max(1) as f32;
            (sum + reading.confidence * length, weight + length)
        });
        if weight > 0.0 { sum / weight } else { 0.0 }
    }

    pub fn decided(&self) -> bool {
        self.lines.last().and_then(|(_, reading)| reading.print.as_ref()).is_some_and(decides)
    }

    pub fn reading(&self, place: &TextBox) -> Option<&LineReading> {
        self.lines.iter().find(|(read, _)| read == place).map(|(_, reading)| reading)
    }
}

/// Whether one reading leaves no doubt: read with certainty or known by every letter, and with characters that
/// would not pass for others upside down, as those of `SONOX` or `1961` do.
fn decides(reading: &Recognised) -> bool {
    const TURNABLE: &str = "0168925HINOSXZMWLosxzunpdbqlI|.,:;-_/'\\\"()<> ";
    let upright = reading.text.chars().filter(|c| !TURNABLE.contains(*c)).count();
    upright >= UPRIGHT_CHARACTERS && (reading.confidence >= CERTAIN || is_form_text(&reading.text))
}

/// Along the axis or against it: whichever the recogniser reads with more confidence.
pub fn reading_direction(boxes: &[TextBox], axis: Point, reader: &mut Reader<'_>) -> Result<Trial, OcrError> {
    let telling = telling_lines(boxes, TELLING_LINES);
    let forward = Trial::of(&telling, axis, reader)?;
    if telling.is_empty() || forward.is_sure() {
        return Ok(forward);
    }
    let backward = Trial::of(&telling, [-axis[0], -axis[1]], reader)?;
    Ok(if backward.decided() || backward.confidence() > forward.confidence() { backward } else { forward })
}
