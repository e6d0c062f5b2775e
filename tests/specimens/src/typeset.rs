//! Single lines of text and the MRZ as SVG elements, each no wider than its place.

use crate::Error;
use crate::layout::{Align, Filling};
use crate::mrz::MrzFormat;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Free space at the edges.
const MARGIN: f64 = 45.0;
/// Noto Naskh's letters are smaller than DejaVu's at the same size.
const ARABIC_SCALE: f64 = 1.22;
/// 9303-3, 4.4: ten characters to the inch, and the size of OCR-B at which they are.
const MRZ_PITCH_MM: f64 = 2.54;
const MRZ_SIZE_MM: f64 = 3.5;

/// One text on its way into the SVG.
pub(crate) struct Line<'a> {
    pub(crate) id: &'a str,
    pub(crate) text: &'a str,
    pub(crate) at: [f64; 2],
    pub(crate) size: f64,
    pub(crate) bold: bool,
    pub(crate) align: Align,
    pub(crate) colour: &'a str,
    pub(crate) font: Option<&'a str>,
    pub(crate) width: f64,
}

impl Line<'_> {
    /// The size at which it takes no more than its width.
    pub(crate) fn fitted(&self) -> f64 {
        let size = if arabic(self.text) { self.size * ARABIC_SCALE } else { self.size };
        size.min(self.width / estimated(self.text, self.bold).max(0.1))
    }

    pub(crate) fn write(&self, svg: &mut String) {
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

pub(crate) fn mrz(format: MrzFormat, lines: &[String], filling: &Filling<'_>, svg: &mut String) {
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

pub(crate) fn unknown(name: &str) -> Error {
    Error::Unknown { kind: "value", given: name.to_owned() }
}

pub(crate) fn substituted(text: &str, values: &BTreeMap<String, String>) -> Result<String, Error> {
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

pub(crate) fn arabic(text: &str) -> bool {
    text.chars().any(|c| ('\u{600}'..='\u{6ff}').contains(&c))
}

pub(crate) fn direction(text: &str) -> Align {
    if arabic(text) { Align::Right } else { Align::Left }
}

pub(crate) fn arabic_digits(text: &str) -> String {
    text.chars().map(|c| c.to_digit(10).and_then(|d| char::from_u32(0x660 + d)).unwrap_or(c)).collect()
}

/// From `x` to the margin that the text runs towards.
pub(crate) fn room(x: f64, align: Align, width: f64) -> f64 {
    match align {
        Align::Left => width - MARGIN - x,
        Align::Middle => 2.0 * (x.min(width - x) - MARGIN),
        Align::Right => x - MARGIN,
    }
}

/// Width at size 1, from the advances of DejaVu Sans and, roughly, of Noto Naskh; a little too much
/// rather than too little.
pub(crate) fn estimated(text: &str, bold: bool) -> f64 {
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
pub(crate) fn broken(text: &str, size: f64, bold: bool, width: f64, lines: usize) -> Vec<String> {
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
