//! The printed zone: what kind of document it is, and its fields.
//!
//! In: the lines of each side, and, where the card's edges were found, its frame. First the titles
//! are looked for ([`titles`]); they choose a template, if the document says what it is
//! ([`templates`]). Then labels are paired with their values ([`pairs`]), with the template's own
//! labels and number forms where there is one, and at last the template's values without labels are
//! collected ([`unlabelled`]). Out: at most one value per field, and whether all this is a document.

mod checks;
mod folding;
mod form_text;
mod frame;
mod labels;
mod numbers;
mod pairs;
mod parts;
mod pattern;
mod remaining_date;
mod templates;
mod titles;
mod unlabelled;
mod values;

#[cfg(test)]
mod tests;

pub use form_text::is_form_text;
pub use frame::Frame;
pub use labels::Kind;
pub use templates::{Template, Told};

use super::lines::TextLine;
use frame::Places;
use jiff::civil::Date;
use labels::Dictionary;
use numbers::Said;
use pairs::Page;
use std::collections::BTreeMap;
use titles::Phrases;
use values::{Grammar, Value};

/// One field as printed.
#[derive(Debug, Clone, PartialEq)]
pub struct VisualField {
    pub kind: Kind,
    pub value: String,
    pub raw: String,
    /// 0..1
    pub confidence: f32,
    /// The line that holds the value; the first of them for an address.
    pub line: usize,
    /// Whether a number has the form that the template wants; `None` where it wants none.
    pub fits: Option<bool>,
    /// What a number says of itself.
    said: Option<Said>,
}

impl VisualField {
    fn of(kind: Kind, value: &Value, raw: String, confidence: f32, line: usize) -> Self {
        let confidence = confidence * value.soundness;
        Self {
            kind,
            value: value.text.clone(),
            raw,
            confidence,
            line,
            fits: value.fits,
            said: value.said.clone(),
        }
    }

    /// The same value as another field.
    pub fn named(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    #[cfg(test)]
    pub fn for_test(kind: Kind, value: &str) -> Self {
        let (value, raw) = (value.to_owned(), value.to_owned());
        Self { kind, value, raw, confidence: 0.9, line: 0, fits: None, said: None }
    }
}

/// What was read on one side.
pub struct SideText<'a> {
    /// In the frame of the upright text.
    pub lines: &'a [TextLine],
    /// From these to the card, where its edges were found.
    pub frame: Option<Frame>,
}

/// The printed zone of all sides.
#[derive(Debug, Default)]
pub struct Printed {
    /// With the index of its side.
    pub fields: BTreeMap<Kind, (usize, VisualField)>,
    pub template: Option<&'static Template>,
    /// Whether the print alone is enough to call this a document of identity.
    pub is_document: bool,
}

/// Fewer labelled fields than this do not make a document: a letterhead has an address, too.
const LEAST_FIELDS: usize = 3;
/// So many labelled fields, the holder's name, birth and a number among them, make a document whose
/// title could not be read.
const ENOUGH_FIELDS: usize = 5;

/// Reads all sides of one document. `today` decides the century of two-digit years.
pub fn read(sides: &[SideText<'_>], told: &Told<'_>, today: Date) -> Printed {
    let lines: Vec<&[TextLine]> = sides.iter().map(|side| side.lines).collect();
    let phrases = Phrases::of(&lines);
    let template = templates::choose(&phrases, told);
    let grammar = Grammar { template, today };
    let dictionary = template.map_or(Dictionary::general(), |template| &template.dictionary);
    let by_order = template.and_then(|template| template.unlabelled_dates.as_ref());
    let mut fields: BTreeMap<Kind, (usize, VisualField)> = BTreeMap::new();
    let mut dates = Vec::new();
    for (index, side) in sides.iter().enumerate() {
        let mut page = Page::new(side.lines, index, dictionary, &phrases);
        page.inline(&grammar);
        page.apart(&grammar);
        if let Some(template) = template {
            unlabelled::numbers(&mut page, template, &grammar);
            if let Some(rule) = &template.unlabelled_names {
                unlabelled::names(&mut page, rule, &grammar);
            }
            unlabelled::below(&mut page, template, &grammar);
            let aspect = template.shape.aspect();
            if let Some(places) = Places::of(side.lines, side.frame.as_ref(), &template.anchors, aspect) {
                unlabelled::placed(&mut page, template, &places, &grammar);
            }
        }
        unlabelled::beside(&mut page, &grammar);
        if by_order.is_some() {
            dates.extend(unlabelled::free_dates(&page, index, today));
        }
        for field in parts::of(page.fields, &grammar) {
            let kept = fields.get(&field.kind).map(|(_, before)| before.fits);
            if kept.is_none() || kept == Some(Some(false)) && field.fits == Some(true) {
                fields.insert(field.kind, (index, field));
            }
        }
    }
    if let Some(rule) = by_order.filter(|rule| !rule.order.iter().any(|kind| fields.contains_key(kind))) {
        for (side, field) in unlabelled::dates(dates, rule, today) {
            fields.entry(field.kind).or_insert((side, field));
        }
    }
    let is_document = is_document(&fields, template, &phrases);
    Printed { fields, template, is_document }
}

/// The state (ICAO 9303) that issued the document, as its titles say.
pub fn issuer_in_titles(sides: &[&[TextLine]]) -> Option<&'static str> {
    Some(templates::choose(&Phrases::of(sides), &Told::default())?.country())
}

fn is_document(
    fields: &BTreeMap<Kind, (usize, VisualField)>,
    template: Option<&Template>,
    phrases: &Phrases,
) -> bool {
    let has = |kinds: &[Kind]| kinds.iter().any(|kind| fields.contains_key(kind));
    let proven = |kind: &Kind| {
        let said = fields.get(kind).and_then(|(_, field)| field.said.as_ref());
        said.is_some_and(|said| said.holds == Some(true))
    };
    let of_form = |kind: &Kind| fields.get(kind).is_some_and(|(_, field)| field.fits != Some(false));
    let numbers = [Kind::DocumentNumber, Kind::PersonalNumber];
    let number = numbers.iter().any(of_form);
    let named = has(&[Kind::LastName, Kind::FirstName, Kind::FullName])
        || has(&[Kind::LastNameArabic, Kind::FirstNameArabic, Kind::FullNameArabic]);
    let count = fields.len();
    match template {
        // It says what it is: its number and two facts more, or the holder's facts without the number.
        Some(template) if template.is_titled(phrases) => {
            let enough = count >= LEAST_FIELDS && (number || named && has(&[Kind::DateOfBirth]));
            // Of cards in Arabic alone little else than two numbers is read.
            enough || count + 1 >= LEAST_FIELDS && numbers.iter().any(proven)
        }
        Some(_) => number && count >= LEAST_FIELDS,
        None if phrases.speak_for_something_else() => false,
        None if phrases.speak_for_a_document() => {
            count >= LEAST_FIELDS && (named || has(&[Kind::DateOfBirth])) && (number || count > LEAST_FIELDS)
        }
        None => number && named && has(&[Kind::DateOfBirth]) && count >= ENOUGH_FIELDS,
    }
}

pub use checks::check;
pub use remaining_date::take as take_remaining_date;
