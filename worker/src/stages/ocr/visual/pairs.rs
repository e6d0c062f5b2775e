//! Labels and their values: below, beside or behind.

use super::VisualField;
use super::folding::is_arabic;
use super::labels::{Dictionary, Found, Kind};
use super::titles::Phrases;
use super::values::Grammar;
use crate::stages::ocr::dates::is_date;
use crate::stages::ocr::lines::TextLine;

/// Below this a line is noise (or a script that the recogniser lacks, such as Arabic).
pub const LEAST_CONFIDENCE: f32 = 0.6;
/// In line heights: how far below its label a value begins, at most.
const FARTHEST_BELOW: f32 = 1.9;
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
        Self { lines, found, used: Vec::new(), titles, fields: Vec::new() }
    }

    pub fn has(&self, kind: Kind) -> bool {
        self.fields.iter().any(|field| field.kind == kind)
    }

    /// Whether nothing is known about the line yet: no label, no title, nobody's value.
    pub fn is_free(&self, line: usize) -> bool {
        self.found.get(line).is_some_and(Vec::is_empty)
            && !self.titles.get(line).copied().unwrap_or(false)
            && !self.used.contains(&line)
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
                if kind.is_words() && self.titles.get(at) == Some(&true) {
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
            let half = match pair.kind {
                Kind::BirthDateAndPlace => self.other_half(line, grammar),
                _ => None,
            };
            let alone = half.is_none() && grammar.value(pair.kind, &line.text).is_none();
            if alone && pair.kind == Kind::BirthDateAndPlace {
                continue;
            }
            if known || self.used.contains(&pair.value) || served.contains(&side) {
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
                if labelled || candidate.confidence < LEAST_CONFIDENCE || self.used.contains(&of) {
                    continue;
                }
                let kind = kind_of(*kind, &candidate.text);
                if kind.is_words() && self.titles.get(of) == Some(&true) {
                    continue;
                }
                let Some(distance) =
                    self.lines.get(at).and_then(|line| distance(line, candidate, *right_to_left))
                else {
                    continue;
                };
                let value = grammar.value(kind, &candidate.text);
                let other_form = value.as_ref().is_some_and(|value| value.fits == Some(false));
                let half = kind == Kind::BirthDateAndPlace && self.other_half(candidate, grammar).is_some();
                if kind == Kind::Ignored || value.is_some() || half {
                    let distance = distance + if other_form { OTHER_FORM_PENALTY } else { 0.0 };
                    pairs.push(Pair { distance, kind, likeness: *likeness, label: at, value: of });
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

    /// Of a date and a place of birth in two lines, either first: the one below or beside.
    fn other_half(&self, first: &TextLine, grammar: &Grammar<'_>) -> Option<usize> {
        let is_place = |line: &TextLine| grammar.value(Kind::PlaceOfBirth, &line.text).is_some();
        let is_date = |line: &TextLine| is_date(&line.text, grammar.today);
        let wanted =
            |line: &TextLine| line.confidence >= LEAST_CONFIDENCE && (is_place(line) || is_date(line));
        let fits = |line: &TextLine| is_date(first) && is_place(line) || is_place(first) && is_date(line);
        let beside = |(at, line): &(usize, &TextLine)| {
            let level = (line.middle() - first.middle()).abs() < 0.8 * first.height().max(line.height());
            level && line.left > first.right && self.is_free(*at) && fits(line)
        };
        let below = self.nearest_below(first, wanted).filter(|(_, line)| fits(line));
        below.or_else(|| self.lines.iter().enumerate().find(beside)).map(|(at, _)| at)
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
}

/// How far a value is from its label in line heights; `None` where it cannot belong to it.
fn distance(label: &TextLine, value: &TextLine, right_to_left: bool) -> Option<f32> {
    let height = label.height().max(value.height() * 0.6);
    let below = (value.top - label.bottom) / height;
    // Behind an Arabic label a value stands to the left, and below it right edges meet.
    let (indent, gap, overlaps) = if right_to_left {
        ((label.right - value.right) / height, (label.left - value.right) / height, value.right > label.left)
    } else {
        ((value.left - label.left) / height, (value.left - label.right) / height, value.left < label.right)
    };
    // Boxes are grown by the detector's margin and overlap their neighbours a little.
    if (-0.75..FARTHEST_BELOW).contains(&below) && value.middle() > label.bottom && indent > -1.5 && overlaps
    {
        return Some(below.max(0.0) + indent.abs() * 0.15);
    }
    // Of a small label its end alone may have been seen.
    let common = value.right.min(label.right) - value.left.max(label.left);
    let beneath = (-0.75..FARTHEST_BELOW).contains(&below) && value.middle() > label.bottom;
    if beneath && !right_to_left && (-FARTHEST_BEFORE..0.0).contains(&indent) && common > height {
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
    // Large print in a column beside small labels is set a little lower than they are.
    let lower = !right_to_left && value.middle() > label.middle() && value.top < label.bottom + 0.1 * height;
    let nearest = if same_row { Some(beside) } else { lower.then_some(2.0 * beside) };
    nearest.map(|nearest| nearest + gap.max(0.0) * farther)
}
