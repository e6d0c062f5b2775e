//! A side as a list of what stands where, from which its SVG is written. Coordinates are those of
//! the design's template: x to the right, y down to the baseline. Text in Arabic script runs from
//! its place to the left, all else to the right, unless `align` says otherwise.

use crate::Error;
use crate::design::PortraitPlace;
use crate::mrz::MrzFormat;
use crate::pattern::Pattern;
use crate::random::Random;
use crate::typeset::{
    Line, arabic, arabic_digits, broken, direction, estimated, mrz, room, substituted, unknown,
};
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
                Place::Below => first[1] += size.mul_add(1.12, 6.0) * if arabic(label) { 1.2 } else { 1.0 },
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
