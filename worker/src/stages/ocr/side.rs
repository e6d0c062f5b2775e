//! Everything read from one picture of a document.

use super::OcrError;
use super::arabic;
use super::detection::{Look, detect, detect_blocks};
use super::frame::{Frame, Place};
use super::geometry::{Point, TextBox, dot};
use super::glyphs::whole_line;
use super::lines::TextLine;
use super::orientation::{rotation_degrees, text_axis};
use super::reader::{Known, LineReading, Reader};
use super::recognition::{Keep, Recognised, Recognisers};
use super::trial::{Trial, reading_direction};
use super::zone::{Piece, ZONE_ASPECT, Zone, could_be_zone, read_zone, speaks_for_zone};
use crate::inference::Engine;
use txid_imaging::{Outline, RgbImage};
use txid_shared::partial::{Polygon, QualityIssue, SideReading};
use txid_shared::words::ImageRole;

/// Thinner lines, in pixels of the original, are not legible.
const LEAST_THICKNESS_PX: f32 = 9.0;
/// All lines of a page that is read in the right direction have more, in the mean.
const LEAST_OF_A_PAGE: f32 = 0.85;
/// A document has 15 to 50 lines; a page of print has more and would cost seconds. Counted in
/// line heights of text: 250 characters make about 130.
const MOST_TEXT: f32 = 420.0;
/// Fillers of a zone that show, as `>`, that it was read upside down.
const FILLERS: usize = 4;
/// With fewer characters than a line of a zone and some labels, a document was hardly seen.
const ENOUGH_CHARACTERS: f32 = 80.0;
/// Share of a picture's text outside the document's outline from which on the outline is doubted.
const TEXT_BEYOND: f32 = 0.15;
/// An outline of this confidence that holds enough text is not doubted for what lies around it, unless it fills this
/// share of the picture: there it may be a part of a document that fills all of it.
const TRUSTED: f32 = 0.9;
const MUCH: f32 = 0.5;
/// A line read with less confidence than this does not count as text.
const LEAST_CONFIDENCE: f32 = 0.5;
/// A line read with less may be of a script that the recogniser lacks. Arabic-Indic figures look enough like
/// other characters to be read as those with 0.94.
const DOUBTFUL: f32 = 0.97;

pub struct Side {
    pub lines: Vec<TextLine>,
    /// What was read with doubt or not at all.
    pub doubtful: Vec<Doubtful>,
    pub zone: Option<Zone>,
    /// Where the frame, in whose coordinates lines and zone stand, lies in the picture.
    pub place: Place,
    /// The reading direction in the frame.
    pub along: Point,
    pub rotation_degrees: u16,
    /// Corners of the document in the picture, clockwise from the top left of its content.
    pub document: Option<Polygon>,
    /// The same corners in the frame's coordinates.
    pub sheet: Option<Polygon>,
}

/// A line that the recogniser of print is not sure of.
pub struct Doubtful {
    pub place: TextBox,
    pub confidence: f32,
    /// As print in Arabic, where that was asked for already.
    pub in_arabic: Option<Recognised>,
}

impl Side {
    /// Mean over the lines, each by its length; 0 without any.
    fn confidence(&self) -> f32 {
        let (sum, weight) = self.lines.iter().fold((0.0, 0.0), |(sum, weight), line| {
            let length = line.text.chars().count() as f32;
            (sum + line.confidence * length, weight + length)
        });
        if weight > 0.0 { sum / weight } else { 0.0 }
    }

    /// What is told about how the side was read.
    pub fn reading(&self, image: ImageRole, mut issues: Vec<QualityIssue>) -> SideReading {
        issues.extend(self.no_text());
        SideReading {
            image,
            document: self.document,
            rotation_degrees: self.rotation_degrees,
            text_lines: self.lines.len() + self.zone.as_ref().map_or(0, |zone| zone.places.len()),
            confidence: self.confidence(),
            issues,
        }
    }

    fn no_text(&self) -> Option<QualityIssue> {
        let none = self.lines.is_empty() && self.zone.is_none();
        none.then(|| QualityIssue::new("no_text", "No text was found", 1.0))
    }

    /// How much was read: a zone, then characters by their confidence.
    fn evidence(&self) -> (bool, bool, f32) {
        let valid = self.zone.as_ref().is_some_and(|zone| zone.decoded.valid);
        let characters = self.lines.iter().map(|line| line.confidence * line.text.chars().count() as f32);
        (valid, self.zone.is_some(), characters.sum())
    }
}

/// Reads what lies within the outline, and the whole picture where there is none or where it seems to leave
/// out a part of the document.
pub fn read_side(
    picture: &RgbImage,
    outline: &Outline,
    known: Known,
    recognisers: &Recognisers,
    engine: &mut Engine,
) -> Result<Side, OcrError> {
    let framed = outline.corners.and_then(|corners| Some((corners, Frame::of_document(picture, &corners)?)));
    let Some((corners, frame)) = framed else {
        return read_whole(picture, known, recognisers, engine);
    };
    let (mut side, along) = read(frame, Look::Usual, known, recognisers, engine)?;
    let first = first_corner(along);
    let from_top_left = |corners: Polygon| std::array::from_fn(|n| corners[(n + first) % 4]);
    side.document = Some(from_top_left(corners));
    // Of one that reaches beyond the picture nobody knows where its own sides are.
    side.sheet = side.place.rectangle().filter(|_| !outline.cut_off).map(from_top_left);
    let (_, has_zone, characters) = side.evidence();
    let stands_apart = outline.confidence >= TRUSTED && outline.fill < MUCH;
    let reads_well = stands_apart && characters >= ENOUGH_CHARACTERS;
    if has_zone || reads_well || !text_beyond(picture, &corners, engine)? {
        return Ok(side);
    }
    Ok(better(side, read_whole(picture, known, recognisers, engine)?))
}

fn better(first: Side, second: Side) -> Side {
    let more = second.evidence().partial_cmp(&first.evidence()) == Some(std::cmp::Ordering::Greater);
    if more { second } else { first }
}

/// A document that fills little of a picture has text too small for the usual look: where next to nothing
/// was read, a thorough one is worth its time.
fn read_whole(
    picture: &RgbImage,
    known: Known,
    recognisers: &Recognisers,
    engine: &mut Engine,
) -> Result<Side, OcrError> {
    let (side, _) = read(Frame::whole(picture), Look::Usual, known, recognisers, engine)?;
    let (_, has_zone, characters) = side.evidence();
    if known.blurred || has_zone || characters >= ENOUGH_CHARACTERS {
        return Ok(side);
    }
    let (thorough, _) = read(Frame::whole(picture), Look::Thorough, known, recognisers, engine)?;
    Ok(better(side, thorough))
}

/// Whether a good part of the picture's text stands outside the outline: then a part of the document was
/// taken for all of it.
fn text_beyond(picture: &RgbImage, outline: &Polygon, engine: &mut Engine) -> Result<bool, OcrError> {
    let boxes = detect_blocks(&Frame::whole(picture), engine)?;
    let (mut inside, mut outside) = (0.0, 0.0);
    for found in boxes {
        let [x, y] = found.centre;
        let within = (0..4).all(|n| {
            let ([ax, ay], [bx, by]) = (outline[n], outline[(n + 1) % 4]);
            (bx - ax) * (y - ay) - (by - ay) * (x - ax) >= 0.0
        });
        *(if within { &mut inside } else { &mut outside }) += found.length * found.thickness;
    }
    Ok(outside > TEXT_BEYOND * (inside + outside))
}

/// Which corner of a frame, clockwise from its top left, is the top left of what is read along `along`.
fn first_corner(along: Point) -> usize {
    [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]
        .into_iter()
        .enumerate()
        .max_by(|a, b| dot(a.1, along).total_cmp(&dot(b.1, along)))
        .map_or(0, |(corner, _)| corner)
}

/// All text of a frame, and the direction it is read in.
fn read(
    frame: Frame<'_>,
    look: Look,
    known: Known,
    recognisers: &Recognisers,
    engine: &mut Engine,
) -> Result<(Side, Point), OcrError> {
    let mut boxes = detect(&frame, look, engine)?;
    boxes.retain(|found| found.thickness >= LEAST_THICKNESS_PX);
    let mut reader = Reader { frame, known, recognisers, engine };
    let axis = text_axis(&boxes).unwrap_or([1.0, 0.0]);
    let trial = reading_direction(&boxes, axis, &mut reader)?;
    let mut along = trial.along;
    let mut side = reader.along(&boxes, &trial)?;
    // The recogniser reads a zone's fillers upside down as confidently as upright, and a script that it lacks
    // as badly: then a few lines do not tell, where nobody asked the recogniser of that script.
    let fillers = side.lines.iter().any(|line| line.text.matches('>').count() >= FILLERS);
    let told = trial.decided() || known.arabic || side.lines.is_empty();
    let doubted = !told && side.confidence() < LEAST_OF_A_PAGE;
    if side.zone.is_none() && (fillers || doubted) {
        let turned = [-along[0], -along[1]];
        let other = reader.along(&boxes, &Trial::untried(turned))?;
        if fillers || other.evidence() > side.evidence() {
            (side, along) = (other, turned);
        }
    }
    Ok((side, along))
}

impl Reader<'_> {
    /// Everything read in the direction of the trial, whose readings are not made again.
    fn along(&mut self, boxes: &[TextBox], trial: &Trial) -> Result<Side, OcrError> {
        let along = trial.along;
        let boxes = boxes
            .iter()
            .map(|found| found.read_along(along))
            .filter(|found| found.length > 0.6 * found.thickness);
        let (mut pieces, mut ordinary) = (Vec::new(), Vec::new());
        for place in boxes {
            if place.length < ZONE_ASPECT * place.thickness {
                ordinary.push((place, None));
                continue;
            }
            match self.read_quickly(&place, Keep::Probabilities)? {
                Some(reading) if speaks_for_zone(&reading.text) => pieces.push(Piece { place, reading }),
                reading => ordinary.push((place, reading)),
            }
        }
        let mut lines: Vec<TextLine> = Vec::new();
        let mut doubtful = Vec::new();
        for (found, quick) in within_budget(ordinary) {
            let place = whole_line(&self.frame, &found);
            let LineReading { print, arabic, settled } = match trial.reading(&place) {
                Some(known) => known.clone(),
                None => self.read_line(&place, quick.filter(|_| place == found))?,
            };
            let Some(reading) = print else {
                let sure = arabic.filter(|_| settled);
                lines.extend(sure.map(|reading| arabic::line(&reading, place, along)));
                continue;
            };
            if speaks_for_zone(&reading.text) {
                pieces.push(Piece { place, reading });
                continue;
            }
            // What is settled would be read in Arabic in vain, unless nobody knew of Arabic yet.
            if reading.confidence < DOUBTFUL && !(settled && self.known.arabic) {
                doubtful.push(Doubtful { place, confidence: reading.confidence, in_arabic: arabic });
            }
            if reading.confidence >= LEAST_CONFIDENCE && !reading.text.is_empty() {
                lines.push(TextLine::new(reading.text, reading.confidence, place, along));
            }
        }
        // A line full of optional data has no fillers: beside one that has some it is known by its ends.
        let (joining, others): (Vec<_>, Vec<_>) =
            lines.into_iter().partition(|line| pieces.iter().any(|piece| pairs(piece, line)));
        let mut lines = others;
        pieces.extend(joining.into_iter().map(Piece::of));
        let zone = read_zone(&pieces, along, &self.frame, self.recognisers, self.engine)?;
        if zone.is_none() {
            lines.extend(
                pieces
                    .into_iter()
                    .map(|p| TextLine::new(p.reading.text, p.reading.confidence, p.place, along)),
            );
        }
        lines.sort_by(|a, b| a.middle().total_cmp(&b.middle()));
        let [left, top, width, height] = self.frame.extent();
        let centre = [left + width / 2.0, top + height / 2.0];
        let seen = self.frame.place.direction(centre, along, width.min(height) / 4.0);
        let (place, rotation_degrees) = (self.frame.place, rotation_degrees(seen));
        Ok(Side { lines, doubtful, zone, place, along, rotation_degrees, document: None, sheet: None })
    }
}

/// Whether a line belongs to the zone that a piece speaks for: as long, below or above it, and of the same
/// alphabet.
fn pairs(piece: &Piece, line: &TextLine) -> bool {
    let (a, b) = (&piece.place, &line.place);
    let between = [b.centre[0] - a.centre[0], b.centre[1] - a.centre[1]];
    let (aside, apart) = (dot(between, a.along).abs(), dot(between, a.down()).abs());
    let alike = (a.length - b.length).abs() < 0.1 * a.length && aside < 0.08 * a.length;
    alike && apart < 4.0 * a.thickness && could_be_zone(&line.text)
}

/// The lines worth reading, best detected first, as far as the budget goes.
fn within_budget<T>(mut boxes: Vec<(TextBox, T)>) -> Vec<(TextBox, T)> {
    boxes.sort_by(|(a, _), (b, _)| b.score.total_cmp(&a.score));
    let mut spent = 0.0;
    boxes.retain(|(found, _)| {
        spent += found.length / found.thickness;
        spent <= MOST_TEXT
    });
    boxes
}
