//! A side as a list of what stands where, from which its SVG is written. Coordinates are those of
//! the design's template: x to the right, y down to the baseline. Text in Arabic script runs from
//! its place to the left, all else to the right, unless `align` says otherwise.

use crate::Error;
use crate::design::PortraitPlace;
use crate::mrz::MrzFormat;
use crate::pattern::Pattern;
use crate::random::Random;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    pub look: Look,
    #[serde(default)]
    pub titles: Vec<Title>,
    #[serde(default)]
    pub items: Vec<Item>,
    /// An item in row R of column C stands at `columns[C]`, `top + R * step`.
    #[serde(default)]
    pub columns: Vec<f64>,
    #[serde(default)]
    pub top: f64,
    #[serde(default)]
    pub step: f64,
    /// Where values stand that do not say so.
    #[serde(default)]
    pub place: Place,
    /// What a text may take; longer ones are set smaller.
    #[serde(default)]
    pub width: Option<f64>,
    #[serde(default = "label_size")]
    pub label_size: f64,
    #[serde(default = "value_size")]
    pub value_size: f64,
    #[serde(default = "yes")]
    pub bold: bool,
    /// Middle of the framed word that marks the side.
    pub specimen: [f64; 2],
    #[serde(default)]
    pub signature: Option<[f64; 2]>,
    /// Empty frames (fingerprints, chips): left, top, width, height.
    #[serde(default)]
    pub boxes: Vec<[f64; 4]>,
    /// The MRZ stands at the foot of this side.
    #[serde(default)]
    pub mrz: bool,
}

/// Colours; the line patterns are drawn at random from the design's name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// From the left to the right edge.
    pub ground: Vec<String>,
    /// Of two layers of waves and a rosette.
    pub lines: [String; 3],
    pub title: String,
    #[serde(default = "label_colour")]
    pub label: String,
    #[serde(default = "value_colour")]
    pub value: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Title {
    pub text: String,
    pub at: [f64; 2],
    #[serde(default = "title_size")]
    pub size: f64,
    #[serde(default = "yes")]
    pub bold: bool,
    #[serde(default)]
    pub align: Option<Align>,
    #[serde(default)]
    pub colour: Option<String>,
}

/// A label, a value, or both.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// `{{name}}` in it is replaced by the holder's value.
    #[serde(default)]
    pub label: Option<String>,
    /// The API's name of what is printed; absent where a value is printed that is no field.
    #[serde(default)]
    pub field: Option<String>,
    /// Names of the holder's values, one a line; the field's own name where empty.
    #[serde(default)]
    pub values: Vec<String>,
    #[serde(default)]
    pub at: Option<[f64; 2]>,
    #[serde(default)]
    pub col: usize,
    #[serde(default)]
    pub row: f64,
    #[serde(default)]
    pub place: Option<Place>,
    /// From the label's place to the value's, for `beside`: as wide as the label where absent.
    #[serde(default)]
    pub gap: Option<f64>,
    #[serde(default)]
    pub width: Option<f64>,
    /// A value too long for one line is broken into at most so many.
    #[serde(default = "one")]
    pub lines: usize,
    #[serde(default)]
    pub size: Option<f64>,
    #[serde(default)]
    pub label_size: Option<f64>,
    #[serde(default)]
    pub bold: Option<bool>,
    #[serde(default)]
    pub align: Option<Align>,
    #[serde(default)]
    pub digits: Digits,
    #[serde(default)]
    pub font: Option<String>,
    #[serde(default)]
    pub colour: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    #[default]
    Below,
    Beside,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Align {
    Left,
    Middle,
    Right,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Digits {
    #[default]
    Western,
    /// ٠ to ٩
    Arabic,
}

const fn label_size() -> f64 {
    22.0
}
const fn value_size() -> f64 {
    36.0
}
const fn title_size() -> f64 {
    36.0
}
const fn one() -> usize {
    1
}
const fn yes() -> bool {
    true
}
fn label_colour() -> String {
    "#49606b".to_owned()
}
fn value_colour() -> String {
    "#14181c".to_owned()
}

/// Free space at the edges.
const MARGIN: f64 = 45.0;
/// Noto Naskh's letters are smaller than DejaVu's at the same size.
const ARABIC_SCALE: f64 = 1.22;
/// 9303-3, 4.4: ten characters to the inch, and the size of OCR-B at which they are.
const MRZ_PITCH_MM: f64 = 2.54;
const MRZ_SIZE_MM: f64 = 3.5;

impl Item {
    /// What it prints, by name.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        let own = self.field.as_deref().filter(|_| self.values.is_empty());
        self.values.iter().map(String::as_str).chain(own)
    }
}

impl Look {
    /// The line patterns of a side of this size. Drawn from `name`, so that no two designs share one.
    pub fn patterns(&self, name: &str, width: f64, height: f64) -> Vec<Pattern> {
        let mut random = Random::stream(0, name);
        let [first, second, third] = &self.lines;
        let mut waves = |colour: &String, sign: f64| Pattern::Waves {
            colour: colour.clone(),
            opacity: random.between(0.32, 0.44),
            stroke: random.between(0.9, 1.3),
            lines: random.integer(52, 76) as u32,
            amplitude: random.between(20.0, 42.0),
            wavelength: random.between(380.0, 800.0),
            drift: sign * random.between(0.012, 0.032),
        };
        let mut patterns = vec![waves(first, 1.0), waves(second, -1.0)];
        patterns.push(Pattern::Rosette {
            colour: third.clone(),
            opacity: random.between(0.28, 0.38),
            stroke: random.between(1.0, 1.3),
            centre: [width * random.between(0.45, 0.85), height * random.between(0.35, 0.7)],
            radius: height * random.between(0.24, 0.36),
            petals: random.integer(9, 20) as u32,
            rings: random.integer(18, 30) as u32,
        });
        patterns.push(Pattern::Mark {
            colour: "#b0464f".to_owned(),
            opacity: 0.17,
            text: "SPECIMEN".to_owned(),
            size: width * 0.11,
            rotation: random.between(-30.0, -18.0),
        });
        patterns
    }
}

/// What a side is filled with.
#[derive(Debug)]
pub struct Filling<'a> {
    pub width: f64,
    pub height: f64,
    pub width_mm: f64,
    /// As printed, by name.
    pub values: &'a BTreeMap<String, String>,
    pub mrz: Option<(MrzFormat, &'a [String])>,
    pub portraits: &'a [PortraitPlace],
}

/// One text on its way into the SVG.
struct Line<'a> {
    id: &'a str,
    text: &'a str,
    at: [f64; 2],
    size: f64,
    bold: bool,
    align: Align,
    colour: &'a str,
    font: Option<&'a str>,
    width: f64,
}

impl Layout {
    pub fn svg(&self, filling: &Filling<'_>) -> Result<String, Error> {
        let (width, height) = (filling.width, filling.height);
        let mut svg = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">"#
        );
        let frame = |svg: &mut String, [x, y, w, h]: [f64; 4]| {
            let _ = write!(
                svg,
                r##"<rect x="{x}" y="{y}" width="{w}" height="{h}" fill="none" stroke="#7c8a92" stroke-width="2"/>"##
            );
        };
        for p in filling.portraits.iter().filter(|p| p.opacity > 0.9) {
            frame(&mut svg, [p.x, p.y, p.width, p.height]);
        }
        self.boxes.iter().for_each(|b| frame(&mut svg, *b));
        let [x, y] = self.specimen;
        let _ = write!(
            svg,
            r##"<rect x="{}" y="{}" width="250" height="42" rx="6" fill="none" stroke="#b3202e" stroke-width="3"/><text id="specimen" x="{x}" y="{}" font-family="DejaVu Sans" font-size="28" font-weight="bold" fill="#b3202e" text-anchor="middle" letter-spacing="4">SPECIMEN</text>"##,
            x - 125.0,
            y - 21.0,
            y + 10.0,
        );
        if let Some([x, y]) = self.signature {
            let _ = write!(
                svg,
                r##"<path transform="translate({x} {y})" d="M0 0c30-60 50-70 44-30s-20 50 10 20 50-60 46-20 30 0 60-30 40 30 90 0" fill="none" stroke="#23324a" stroke-width="4" stroke-linecap="round"/>"##
            );
        }
        for title in &self.titles {
            let text = substituted(&title.text, filling.values)?;
            let align = title.align.unwrap_or_else(|| direction(&text));
            Line {
                id: "title",
                text: &text,
                at: title.at,
                size: title.size,
                bold: title.bold,
                align,
                colour: title.colour.as_deref().unwrap_or(&self.look.title),
                font: None,
                width: room(title.at[0], align, width),
            }
            .write(&mut svg);
        }
        for item in &self.items {
            self.item(item, filling, &mut svg)?;
        }
        if let Some((format, lines)) = filling.mrz.filter(|_| self.mrz) {
            mrz(format, lines, filling, &mut svg);
        }
        svg.push_str("</svg>");
        Ok(svg)
    }

    fn item(&self, item: &Item, filling: &Filling<'_>, svg: &mut String) -> Result<(), Error> {
        let values = filling.values;
        let at = item.at.unwrap_or_else(|| {
            let x = self.columns.get(item.col).copied().unwrap_or_default();
            [x, item.row.mul_add(self.step, self.top)]
        });
        let label = item.label.as_deref().map(|label| substituted(label, values)).transpose()?;
        let mut texts = item
            .sources()
            .map(|name| values.get(name).cloned().ok_or_else(|| unknown(name)))
            .collect::<Result<Vec<_>, _>>()?;
        if item.digits == Digits::Arabic {
            texts.iter_mut().for_each(|text| *text = arabic_digits(text));
        }
        let align = item.align.unwrap_or_else(|| {
            direction(label.as_deref().or(texts.first().map(String::as_str)).unwrap_or(""))
        });
        let width = item.width.or(self.width).unwrap_or_else(|| room(at[0], align, filling.width));
        let label_size = item.label_size.unwrap_or(self.label_size);
        let size = item.size.unwrap_or(self.value_size);
        let bold = item.bold.unwrap_or(self.bold);
        if item.lines > 1 {
            texts = broken(&texts.join(" "), size, bold, width, item.lines);
        }
        let mut first = at;
        if let Some(label) = &label {
            let line = Line {
                id: "label",
                text: label,
                at,
                size: label_size,
                bold: false,
                align,
                colour: &self.look.label,
                font: None,
                width,
            };
            match item.place.unwrap_or(self.place) {
                Place::Below => first[1] += size.mul_add(1.12, 6.0) * if arabic(label) { 1.12 } else { 1.0 },
                Place::Beside => {
                    let gap = item
                        .gap
                        .unwrap_or_else(|| line.fitted() * estimated(label, false) + label_size * 0.6);
                    first[0] += if align == Align::Right { -gap } else { gap };
                }
            }
            line.write(svg);
        }
        let width = if item.place.unwrap_or(self.place) == Place::Beside && item.width.is_none() {
            room(first[0], align, filling.width).min(width)
        } else {
            width
        };
        for (number, text) in texts.iter().enumerate() {
            let id = match &item.field {
                Some(field) if texts.len() > 1 => format!("field.{field}.{number}"),
                Some(field) => format!("field.{field}"),
                None => "value".to_owned(),
            };
            let [x, y] = first;
            Line {
                id: &id,
                text,
                at: [x, (size * if arabic(text) { 1.6 } else { 1.3 }).mul_add(number as f64, y)],
                size,
                bold,
                align,
                colour: item.colour.as_deref().unwrap_or(&self.look.value),
                font: item.font.as_deref(),
                width,
            }
            .write(svg);
        }
        Ok(())
    }
}

impl Line<'_> {
    /// The size at which it takes no more than its width.
    fn fitted(&self) -> f64 {
        let size = if arabic(self.text) { self.size * ARABIC_SCALE } else { self.size };
        size.min(self.width / estimated(self.text, self.bold).max(0.1))
    }

    fn write(&self, svg: &mut String) {
        let family = self.font.unwrap_or(if arabic(self.text) { "Noto Naskh Arabic" } else { "DejaVu Sans" });
        let anchor = match self.align {
            Align::Left => "start",
            Align::Middle => "middle",
            Align::Right => "end",
        };
        // A line that begins with a digit would otherwise run from the left.
        let mark = if arabic(self.text) { "\u{200f}" } else { "" };
        let [x, y] = self.at;
        let _ = write!(
            svg,
            r#"<text id="{}" x="{x}" y="{y}" font-family="{family}" font-size="{:.2}" font-weight="{}" text-anchor="{anchor}" fill="{}">{mark}{}</text>"#,
            self.id,
            self.fitted(),
            if self.bold { "bold" } else { "normal" },
            self.colour,
            escaped(self.text),
        );
    }
}

fn mrz(format: MrzFormat, lines: &[String], filling: &Filling<'_>, svg: &mut String) {
    let per_mm = filling.width / filling.width_mm;
    let (count, columns) = format.size();
    // Cards have the lines closer together and nearer to the edge than pages (9303-5 and -4, figure 3).
    let (pitch, foot) = if count == 3 { (5.08, 4.1) } else { (6.35, 5.3) };
    let length = columns as f64 * MRZ_PITCH_MM * per_mm;
    let (x, size) = ((filling.width - length) / 2.0, MRZ_SIZE_MM * per_mm);
    let last = filling.height - foot * per_mm;
    let top = ((count - 1) as f64 * pitch).mul_add(-per_mm, last) - size * 1.3;
    let _ = write!(
        svg,
        r##"<rect x="0" y="{top}" width="{}" height="{}" fill="#ffffff" fill-opacity="0.5"/>"##,
        filling.width,
        filling.height - top,
    );
    for (number, line) in lines.iter().enumerate() {
        let y = ((count - 1 - number.min(count - 1)) as f64 * pitch).mul_add(-per_mm, last);
        let _ = write!(
            svg,
            r##"<text id="mrz.{number}" x="{x}" y="{y}" font-family="OCR B" font-size="{size}" fill="#0c0e10" textLength="{length}" xml:space="preserve">{}</text>"##,
            escaped(line),
        );
    }
}

fn unknown(name: &str) -> Error {
    Error::Unknown { kind: "value", given: name.to_owned() }
}

fn substituted(text: &str, values: &BTreeMap<String, String>) -> Result<String, Error> {
    let mut rest = text;
    let mut filled = String::new();
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").ok_or_else(|| unknown(text))?;
        filled.push_str(before);
        filled.push_str(values.get(name).ok_or_else(|| unknown(name))?);
        rest = after;
    }
    Ok(filled + rest)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn arabic(text: &str) -> bool {
    text.chars().any(|c| ('\u{600}'..='\u{6ff}').contains(&c))
}

fn direction(text: &str) -> Align {
    if arabic(text) { Align::Right } else { Align::Left }
}

pub(crate) fn arabic_digits(text: &str) -> String {
    text.chars().map(|c| c.to_digit(10).and_then(|d| char::from_u32(0x660 + d)).unwrap_or(c)).collect()
}

/// From `x` to the margin that the text runs towards.
fn room(x: f64, align: Align, width: f64) -> f64 {
    match align {
        Align::Left => width - MARGIN - x,
        Align::Middle => 2.0 * (x.min(width - x) - MARGIN),
        Align::Right => x - MARGIN,
    }
}

/// Width at size 1, from the advances of DejaVu Sans and, roughly, of Noto Naskh; a little too much
/// rather than too little.
fn estimated(text: &str, bold: bool) -> f64 {
    let width: f64 = text
        .chars()
        .map(|c| match c {
            ' ' | 'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | '\'' | '|' | '/' | '(' | ')' | 'f' | 't' => 0.38,
            '\u{600}'..='\u{6ff}' => 0.52,
            'M' | 'W' | 'm' | 'w' | 'Q' | 'O' | 'G' | 'D' | 'N' | 'H' | 'U' | 'Œ' => 0.83,
            'A'..='Z' | 'À'..='Ý' => 0.69,
            _ => 0.63,
        })
        .sum();
    if bold { width * 1.1 } else { width }
}

/// At most `lines` lines of words, each within `width` as far as words allow.
fn broken(text: &str, size: f64, bold: bool, width: f64, lines: usize) -> Vec<String> {
    let mut broken: Vec<String> = vec![String::new()];
    for word in text.split(' ') {
        let count = broken.len();
        if let Some(last) = broken.last_mut() {
            let longer = if last.is_empty() { word.to_owned() } else { format!("{last} {word}") };
            let scale = if arabic(&longer) { size * ARABIC_SCALE } else { size };
            if last.is_empty() || count == lines || estimated(&longer, bold) * scale <= width {
                *last = longer;
            } else {
                broken.push(word.to_owned());
            }
        }
    }
    broken
}
