//! Everything read from one picture of a document.

use super::OcrError;
use super::arabic;
use super::detection::{Look, detect, detect_blocks};
use super::frame::{Frame, Place};
use super::geometry::{Point, TextBox, dot};
use super::glyphs::whole_line;
use super::lines::TextLine;
use super::orientation::{rotation_degrees, telling_lines, text_axis};
use super::recognition::{Keep, QUICK_WIDTH, Recognised, Recogniser, Width, recognise};
use super::zone::{Piece, ZONE_ASPECT, Zone, could_be_zone, read_zone, speaks_for_zone};
use crate::inference::Engine;
use std::collections::BTreeMap;
use txid_imaging::{Outline, RgbImage};
use txid_shared::partial::{Polygon, QualityIssue, SideReading};
use txid_shared::words::ImageRole;

/// Thinner lines, in pixels of the original, are not legible.
const LEAST_THICKNESS_PX: f32 = 9.0;
/// Print is read as well at this share of its width (measured in MODELS.md).
const PRINT_WIDTH: Width = Width::Narrowed(0.8);
/// The quick recogniser is believed where each of its characters has this probability. One in a hundred of these
/// lines differs from what the thorough one reads, which is unsure of half of them (measured in MODELS.md).
const QUICK_SURE: f32 = 0.95;
/// A line read with a confidence between these is read again at its full width: narrow letters and marks run
/// together. Below them it is print of another script, or none.
const READ_AGAIN: std::ops::Range<f32> = 0.8..0.94;
/// Lines that tell the direction, and the mean confidence at which the first try is believed.
/// Text read upside down stays far below (measured in MODELS.md).
const TELLING_LINES: usize = 4;
const SURE: f32 = 0.88;
/// All lines of a page that is read in the right direction have more, in the mean.
const LEAST_OF_A_PAGE: f32 = 0.85;
/// A single line decides with so much confidence and so many characters that only stand one way.
const CERTAIN: f32 = 0.95;
const UPRIGHT_CHARACTERS: usize = 4;
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
/// out a part of the document. `blurred`: it holds nothing that a closer look would show.
pub fn read_side(
    picture: &RgbImage,
    outline: &Outline,
    blurred: bool,
    recognisers: Recognisers<'_>,
    engine: &mut Engine,
) -> Result<Side, OcrError> {
    let framed = outline.corners.and_then(|corners| Some((corners, Frame::of_document(picture, &corners)?)));
    let Some((corners, frame)) = framed else {
        return read_whole(picture, blurred, recognisers, engine);
    };
    let (mut side, along) = read(frame, Look::Usual, recognisers, engine)?;
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
    Ok(better(side, read_whole(picture, blurred, recognisers, engine)?))
}

fn better(first: Side, second: Side) -> Side {
    let more = second.evidence().partial_cmp(&first.evidence()) == Some(std::cmp::Ordering::Greater);
    if more { second } else { first }
}

/// A document that fills little of a picture has text too small for the usual look: where next to nothing
/// was read, a thorough one is worth its time.
fn read_whole(
    picture: &RgbImage,
    blurred: bool,
    recognisers: Recognisers<'_>,
    engine: &mut Engine,
) -> Result<Side, OcrError> {
    let (side, _) = read(Frame::whole(picture), Look::Usual, recognisers, engine)?;
    let (_, has_zone, characters) = side.evidence();
    if blurred || has_zone || characters >= ENOUGH_CHARACTERS {
        return Ok(side);
    }
    let (thorough, _) = read(Frame::whole(picture), Look::Thorough, recognisers, engine)?;
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

/// Who reads lines.
#[derive(Clone, Copy)]
pub struct Recognisers<'a> {
    /// Reads first, and is believed where it is sure.
    pub quick: &'a Recogniser,
    pub thorough: &'a Recogniser,
    /// Where print in Arabic is to be expected: it tells how a picture stands, too.
    pub arabic: Option<&'a Recogniser>,
}

struct Reader<'a> {
    frame: Frame<'a>,
    recognisers: Recognisers<'a>,
    engine: &'a mut Engine,
}

/// All text of a frame, and the direction it is read in.
fn read(
    frame: Frame<'_>,
    look: Look,
    recognisers: Recognisers<'_>,
    engine: &mut Engine,
) -> Result<(Side, Point), OcrError> {
    let mut boxes = detect(&frame, look, engine)?;
    boxes.retain(|found| found.thickness >= LEAST_THICKNESS_PX);
    let mut reader = Reader { frame, recognisers, engine };
    let axis = text_axis(&boxes).unwrap_or([1.0, 0.0]);
    let trial = reading_direction(&boxes, axis, &mut reader)?;
    let mut along = trial.along;
    let mut side = reader.along(&boxes, &trial)?;
    // The recogniser reads a zone's fillers upside down as confidently as upright, and a script that it lacks
    // as badly: then a few lines do not tell, where nobody asked the recogniser of that script.
    let fillers = side.lines.iter().any(|line| line.text.matches('>').count() >= FILLERS);
    let told = trial.decided() || recognisers.arabic.is_some() || side.lines.is_empty();
    let doubted = !told && side.confidence() < LEAST_OF_A_PAGE;
    if side.zone.is_none() && (fillers || doubted) {
        let turned = [-along[0], -along[1]];
        let other = reader.along(&boxes, &Trial { along: turned, ..Trial::default() })?;
        if fillers || other.evidence() > side.evidence() {
            (side, along) = (other, turned);
        }
    }
    Ok((side, along))
}

impl Reader<'_> {
    fn read(&mut self, place: &TextBox, width: Width) -> Result<Option<Recognised>, OcrError> {
        Ok(recognise(&self.frame, place, width, Keep::Text, self.recognisers.thorough, self.engine)?)
    }

    fn read_quickly(&mut self, place: &TextBox, keep: Keep) -> Result<Option<Recognised>, OcrError> {
        Ok(recognise(&self.frame, place, QUICK_WIDTH, keep, self.recognisers.quick, self.engine)?)
    }

    /// As print in Arabic, where it is to be expected.
    fn read_arabic(&mut self, place: &TextBox) -> Result<Option<Recognised>, OcrError> {
        let Some(recogniser) = self.recognisers.arabic else { return Ok(None) };
        Ok(arabic::recognise(&self.frame, place, recogniser, self.engine)?)
    }

    /// By the quick recogniser where it is sure, else by the thorough one, and once more where that is not sure either,
    /// unless both read the same.
    fn read_print(&mut self, place: &TextBox) -> Result<Option<Recognised>, OcrError> {
        let quick = self.read_quickly(place, Keep::Text)?;
        if quick.as_ref().is_some_and(|quick| quick.least >= QUICK_SURE) {
            return Ok(quick);
        }
        let Some(narrowed) = self.read(place, PRINT_WIDTH)? else { return Ok(None) };
        let agreed = quick.is_some_and(|quick| quick.text == narrowed.text);
        if agreed || !READ_AGAIN.contains(&narrowed.confidence) {
            return Ok(Some(narrowed));
        }
        let full = self.read(place, Width::InRatio)?;
        Ok([narrowed].into_iter().chain(full).max_by(|a, b| a.confidence.total_cmp(&b.confidence)))
    }

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
                ordinary.push(place);
                continue;
            }
            match self.read_quickly(&place, Keep::Probabilities)? {
                Some(reading) if speaks_for_zone(&reading.text) => pieces.push(Piece { place, reading }),
                _ => ordinary.push(place),
            }
        }
        let mut lines: Vec<TextLine> = Vec::new();
        let mut doubtful = Vec::new();
        for place in within_budget(ordinary) {
            let place = whole_line(&self.frame, &place);
            // A tenth of the time that the other recogniser takes to make nothing of it.
            let in_arabic = self.read_arabic(&place)?;
            if let Some((text, confidence)) = in_arabic.as_ref().and_then(arabic::sure) {
                lines.push(TextLine::new(text, confidence, place, along));
                continue;
            }
            let reading = match trial.reading(&place) {
                Some(known) => Some(known.clone()),
                None => self.read_print(&place)?,
            };
            let Some(reading) = reading else { continue };
            if speaks_for_zone(&reading.text) {
                pieces.push(Piece { place, reading });
                continue;
            }
            if reading.confidence < DOUBTFUL {
                doubtful.push(Doubtful { place, confidence: reading.confidence, in_arabic });
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

/// Some lines as read in one direction.
#[derive(Default)]
struct Trial {
    along: Point,
    lines: Vec<(TextBox, Recognised)>,
    /// Readings of the same lines in Arabic that are surer.
    in_arabic: BTreeMap<usize, Recognised>,
}

impl Trial {
    fn of(lines: &[TextBox], along: Point, reader: &mut Reader<'_>) -> Result<Self, OcrError> {
        let mut trial = Self { along, ..Self::default() };
        for line in lines {
            let place = line.read_along(along);
            let Some(reading) = reader.read_print(&place)? else { continue };
            if decides(&reading) {
                trial.lines.push((place, reading));
                break;
            }
            let arabic = reader.read_arabic(&place)?.filter(|arabic| arabic.confidence > reading.confidence);
            trial.in_arabic.extend(arabic.map(|arabic| (trial.lines.len(), arabic)));
            trial.lines.push((place, reading));
        }
        Ok(trial)
    }

    /// Text in Arabic read upside down may pass for text: there both directions are compared.
    fn is_sure(&self) -> bool {
        self.decided() || self.in_arabic.is_empty() && self.confidence() >= SURE
    }

    fn confidence(&self) -> f32 {
        let surest =
            self.lines.iter().enumerate().map(|(at, (_, latin))| self.in_arabic.get(&at).unwrap_or(latin));
        let (sum, weight) = surest.fold((0.0, 0.0), |(sum, weight), reading| {
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
    if telling.is_empty() || forward.is_sure() {
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
