//! Labels and their values: below, beside or behind.

use super::VisualField;
use super::folding::is_arabic;
use super::labels::{Dictionary, Found, Kind};
use super::titles::Phrases;
use super::values::Grammar;
use crate::stages::ocr::dates::Dated;
use crate::stages::ocr::lines::TextLine;

/// Below this a line is noise (or a script that the recogniser lacks, such as Arabic).
pub const LEAST_CONFIDENCE: f32 = 0.6;
/// In line heights: how far below its label a value begins, at most.
const FARTHEST_BELOW: f32 = 1.9;
/// How tall print is, in the height of most lines.
const TALLEST: f32 = 3.0;
/// How far beside a place of birth its date stands.
const FARTHEST_HALF: f32 = 20.0;
/// How far before what was seen of its label.
const FARTHEST_BEFORE: f32 = 6.0;
/// How far beside its label.
const FARTHEST_BESIDE: f32 = 14.0;
/// A number that has not the template's form is taken only where no other stands near.
const OTHER_FORM_PENALTY: f32 = 3.0;

/// One side while its fields are collected.
pub struct Page<'a> {
    pub lines: &'a [TextLine],
    /// By line: the labels in it.
    pub found: Vec<Vec<Found>>,
    /// Lines that are somebody's value already.
    pub used: Vec<usize>,
    /// By line: whether it is part of a title.
    pub titles: Vec<bool>,
    /// By line: whether its letters are so tall that it lies across the document, as a watermark does.
    marks: Vec<bool>,
    pub fields: Vec<VisualField>,
}

impl<'a> Page<'a> {
    pub fn new(lines: &'a [TextLine], side: usize, dictionary: &Dictionary, phrases: &Phrases) -> Self {
        let found =
            lines
                .iter()
                .map(|line| {
                    if line.confidence >= LEAST_CONFIDENCE { dictionary.find(&line.text) } else { Vec::new() }
                })
                .collect();
        let titles = (0..lines.len()).map(|line| phrases.is_title(side, line)).collect();
        let mut heights: Vec<f32> = lines.iter().map(TextLine::height).collect();
        heights.sort_by(f32::total_cmp);
        let usual = heights.get(heights.len() / 2).copied().unwrap_or_default();
        let marks = lines.iter().map(|line| line.height() > TALLEST * usual).collect();
        Self { lines, found, used: Vec::new(), titles, marks, fields: Vec::new() }
    }

    pub fn has(&self, kind: Kind) -> bool {
        self.fields.iter().any(|field| field.kind == kind)
    }

    /// Whether nothing is known about the line yet: no label, no title, nobody's value.
    pub fn is_free(&self, line: usize) -> bool {
        self.found.get(line).is_some_and(Vec::is_empty)
            && !self.titles.get(line).copied().unwrap_or(false)
            && !self.is_mark(line)
            && !self.used.contains(&line)
    }

    fn is_mark(&self, line: usize) -> bool {
        self.marks.get(line).copied().unwrap_or(false)
    }

    pub fn add(&mut self, field: VisualField) {
        match self.fields.iter_mut().find(|known| known.kind == field.kind) {
            Some(known) if known.fits == Some(false) && field.fits == Some(true) => *known = field,
            Some(_) => {}
            None => self.fields.push(field),
        }
    }

    /// Fields whose value follows its label on the same line.
    pub fn inline(&mut self, grammar: &Grammar<'_>) {
        let (mut taken, mut used) = (Vec::new(), Vec::new());
        for (at, labels) in self.found.iter().enumerate() {
            let Some(line) = self.lines.get(at) else { continue };
            for Found { kind, inline_value, likeness, .. } in labels {
                let Some(printed) = inline_value else { continue };
                let kind = kind_of(*kind, printed);
                // `RESIDENCE PERMIT` is no residence.
                let titled = self.titles.get(at) == Some(&true);
                if kind == Kind::Address && titled && !printed.contains(|c: char| c.is_ascii_digit()) {
                    continue;
                }
                let Some(value) = grammar.value(kind, printed) else { continue };
                let mut raw = printed.clone();
                let mut text = value.text.clone();
                if kind == Kind::Address {
                    for more in self.continued(at) {
                        let Some(next) = self.lines.get(more) else { continue };
                        used.push(more);
                        raw = format!("{raw}, {}", next.text);
                    }
                    text = grammar.value(kind, &raw).map_or(text, |value| value.text);
                }
                let field = VisualField::of(kind, &value, raw, line.confidence * likeness, at);
                taken.push(VisualField { value: text, ..field });
            }
        }
        self.used.extend(used);
        taken.into_iter().for_each(|field| self.add(field));
    }

    /// Fields whose value stands on a line of its own: nearest pairs first, a line is the value of
    /// one label only.
    pub fn apart(&mut self, grammar: &Grammar<'_>) {
        let mut pairs = self.pairs(grammar);
        pairs.sort_by(|a, b| a.distance.total_cmp(&b.distance));
        let mut served: Vec<(usize, bool)> = Vec::new();
        for pair in &pairs {
            let known = pair.kind != Kind::Ignored && self.has(pair.kind);
            let Some(line) = self.lines.get(pair.value) else { continue };
            // A bilingual label has a value in each script.
            let side = (pair.label, is_arabic(&line.text));
            if known || self.used.contains(&pair.value) || served.contains(&side) {
                continue;
            }
            let half = pair.half.filter(|half| !self.used.contains(half));
            // A place without its date.
            let is_half = half.is_none() && grammar.value(pair.kind, &line.text).is_none();
            if pair.kind == Kind::BirthDateAndPlace && is_half {
                continue;
            }
            self.used.push(pair.value);
            served.push(side);
            let mut raw = line.text.clone();
            let more = match pair.kind {
                Kind::Address => self.continued(pair.value),
                Kind::BirthDateAndPlace => half.into_iter().collect(),
                Kind::LastThenFirst => self.continued(pair.value).into_iter().take(1).collect(),
                kind if grammar.template.is_some_and(|template| template.two_lines.contains(&kind)) => {
                    self.continued(pair.value).into_iter().take(1).collect()
                }
                _ => Vec::new(),
            };
            for next in more {
                if let Some(line) = self.lines.get(next).filter(|_| !self.used.contains(&next)) {
                    self.used.push(next);
                    let joint =
                        if matches!(pair.kind, Kind::Address | Kind::LastThenFirst) { "," } else { "" };
                    raw = format!("{raw}{joint} {}", line.text);
                }
            }
            if let Some(value) = grammar.value(pair.kind, &raw) {
                let confidence = line.confidence * pair.likeness;
                self.fields.push(VisualField::of(pair.kind, &value, raw, confidence, pair.value));
            }
        }
    }

    fn pairs(&self, grammar: &Grammar<'_>) -> Vec<Pair> {
        let mut pairs: Vec<Pair> = Vec::new();
        for (at, labels) in self.found.iter().enumerate() {
            let Some(Found { kind, inline_value: None, likeness, right_to_left }) = labels.first() else {
                continue;
            };
            for (of, candidate) in self.lines.iter().enumerate() {
                let labelled = self.found.get(of).is_some_and(|labels| !labels.is_empty());
                if labelled
                    || candidate.confidence < LEAST_CONFIDENCE
                    || self.used.contains(&of)
                    || self.is_mark(of)
                {
                    continue;
                }
                let kind = kind_of(*kind, &candidate.text);
                let is_text = kind.is_latin_name() || kind == Kind::Authority;
                if self.titles.get(of) == Some(&true) && is_text {
                    continue;
                }
                let Some(distance) =
                    self.lines.get(at).and_then(|line| distance(line, candidate, *right_to_left, kind))
                else {
                    continue;
                };
                let value = grammar.value(kind, &candidate.text);
                let other_form = value.as_ref().is_some_and(|value| value.fits == Some(false));
                let half = match kind {
                    Kind::BirthDateAndPlace => self.other_half(at, candidate, grammar),
                    _ => None,
                };
                if kind == Kind::Ignored || value.is_some() || half.is_some() {
                    let distance = distance + if other_form { OTHER_FORM_PENALTY } else { 0.0 };
                    pairs.push(Pair { distance, kind, likeness: *likeness, label: at, value: of, half });
                }
            }
        }
        pairs
    }

    /// The nearest free line below another, left edges aligned.
    pub fn nearest_below(
        &self,
        above: &TextLine,
        wanted: impl Fn(&TextLine) -> bool,
    ) -> Option<(usize, &'a TextLine)> {
        let below = self.lines.iter().enumerate().filter(|(at, line)| {
            let height = above.height().max(line.height());
            self.is_free(*at)
                && (line.left - above.left).abs() < 2.0 * height
                && line.middle() > above.bottom
                && line.top - above.bottom < FARTHEST_BELOW * height
                && wanted(line)
        });
        below.min_by(|a, b| a.1.middle().total_cmp(&b.1.middle()))
    }

    /// Of a date and a place of birth in two lines, either first: the other one, beside or below. What has a
    /// label of its own at its left is another field.
    fn other_half(&self, label: usize, first: &TextLine, grammar: &Grammar<'_>) -> Option<usize> {
        let date = |line: &TextLine| Dated::of(&line.text, grammar.today);
        let is_place = |line: &TextLine| grammar.value(Kind::PlaceOfBirth, &line.text).is_some();
        let seeks_date = match date(first) {
            Dated::Alone => false,
            Dated::No if is_place(first) => true,
            _ => return None,
        };
        let fits = |line: &TextLine| {
            if seeks_date { date(line) == Dated::Alone } else { date(line) == Dated::No && is_place(line) }
        };
        let level = |one: &TextLine, other: &TextLine| one.is_level_with(other, 0.8);
        let labelled = |line: &TextLine| {
            self.found.iter().zip(self.lines).enumerate().any(|(at, (labels, other))| {
                at != label && !labels.is_empty() && other.right < line.right && level(other, line)
            })
        };
        let taken = |line: &TextLine| line.confidence >= LEAST_CONFIDENCE && fits(line) && !labelled(line);
        // Of what stands beside a place only a date is sure to belong to it.
        let beside = self.lines.iter().enumerate().filter(|(at, line)| {
            let gap = line.left - first.right;
            let near = gap > 0.0 && gap < FARTHEST_HALF * first.height().max(line.height());
            seeks_date && near && level(first, line) && self.is_free(*at) && taken(line)
        });
        let beside = beside.min_by(|a, b| a.1.left.total_cmp(&b.1.left));
        beside.or_else(|| self.nearest_below(first, taken)).map(|(at, _)| at)
    }

    /// The lines directly below a value that belong to it, left edges aligned.
    pub fn continued(&self, first: usize) -> Vec<usize> {
        let mut more = Vec::new();
        let mut last = first;
        while let (Some(above), true) = (self.lines.get(last), more.len() < 3) {
            let height = above.height();
            let next = self.lines.iter().enumerate().find(|(i, line)| {
                self.is_free(*i)
                    && line.confidence >= LEAST_CONFIDENCE
                    && !is_arabic(&line.text)
                    && ((line.left - above.left).abs() < height
                        || last == first && begins_within(above, line))
                    && line.middle() > above.bottom
                    && line.top - above.bottom < 0.7 * height
                    && line.text.chars().filter(|c| c.is_alphabetic()).count() >= 2
            });
            let Some((next, _)) = next else { break };
            more.push(next);
            last = next;
        }
        more
    }
}

/// The second line of `Adresse 12 RUE …` may begin below the value instead of the label.
fn begins_within(above: &TextLine, below: &TextLine) -> bool {
    below.left > above.left && below.left < (above.left + above.right) / 2.0
}

/// A value in Arabic script is another field than one in Latin script behind the same label.
fn kind_of(kind: Kind, value: &str) -> Kind {
    if is_arabic(value) { kind.in_arabic().unwrap_or(kind) } else { kind }
}

struct Pair {
    distance: f32,
    kind: Kind,
    likeness: f32,
    label: usize,
    value: usize,
    /// Of a date and a place of birth in two lines, the line that `value` is not.
    half: Option<usize>,
}

/// How far a value is from its label in line heights; `None` where it cannot belong to it.
fn distance(label: &TextLine, value: &TextLine, right_to_left: bool, kind: Kind) -> Option<f32> {
    // Any text can be what belongs to nobody: there only the usual places count.
    let strict = right_to_left || kind == Kind::Ignored;
    let height = label.height().max(value.height() * 0.6);
    let below = (value.top - label.bottom) / height;
    // Behind an Arabic label a value stands to the left, and below it right edges meet.
    let (indent, gap, overlaps) = if right_to_left {
        ((label.right - value.right) / height, (label.left - value.right) / height, value.right > label.left)
    } else {
        ((value.left - label.left) / height, (value.left - label.right) / height, value.left < label.right)
    };
    // Boxes are grown by the detector's margin and overlap their neighbours a little.
    let beneath = (-0.75..FARTHEST_BELOW).contains(&below) && value.middle() > label.bottom;
    if beneath && indent > -1.5 && overlaps {
        return Some(below.max(0.0) + indent.abs() * 0.15);
    }
    // Of a small label its end alone may have been seen.
    let common = value.right.min(label.right) - value.left.max(label.left);
    if beneath && !strict && (-FARTHEST_BEFORE..0.0).contains(&indent) && common > height {
        return Some(1.0 + below.max(0.0) + indent.abs() * 0.25);
    }
    if !(-0.8..FARTHEST_BESIDE).contains(&gap) {
        return None;
    }
    // Arabic reaches above and below its line, a larger value further than its label: there the two overlap.
    let overlap = label.bottom.min(value.bottom) - label.top.max(value.top);
    let same_row = (value.middle() - label.middle()).abs() < 0.6 * height
        || right_to_left && overlap > 0.5 * label.height().min(value.height());
    // Cards in Arabic alone are set so densely that the row below is as near.
    let (beside, farther) = if right_to_left { (0.3, 0.1) } else { (0.6, 0.25) };
    // In a column beside small labels values are set a little lower than they are.
    let lower = !strict && value.middle() > label.middle() && value.top < label.bottom - 0.1 * height;
    let nearest = if same_row { Some(beside) } else { lower.then_some(2.0 * beside) };
    nearest.map(|nearest| nearest + gap.max(0.0) * farther)
}
