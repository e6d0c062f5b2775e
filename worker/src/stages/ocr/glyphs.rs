//! How tall each printed character of a line stands.
//!
//! In OCR-B digits are taller than letters by about a tenth: that is nearly all that tells an O
//! from a 0, and the recogniser does not see it. Heights are measured here; what they mean is
//! judged in `mrz::heights`, against the characters of the same zone that cannot be anything else.

use super::frame::Frame;
use super::geometry::TextBox;
use txid_imaging::luminance;

/// A character's ink.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Glyph {
    /// Its middle, as a share of the line's length, 0..1.
    pub middle: f32,
    /// From the upper edge of the ink to the lower one, in pixels of the frame.
    pub height: f32,
}

/// Lines thinner than this have no measurable heights.
const LEAST_THICKNESS_PX: f32 = 20.0;
/// Where ink begins: this share of the way from paper to the line's darkest.
const EDGE: f32 = 0.5;
/// Columns to both sides among which the paper's brightness is looked for, in line thicknesses.
const PAPER_REACH: f32 = 0.8;
/// Ink this wide (in line thicknesses) is more than one character: OCR-B's widest is 0.5.
const MOST_WIDTH: f32 = 0.62;
/// Ink lower than this share of the line's thickness is a speck or a filler's tip.
const LEAST_HEIGHT: f32 = 0.3;

/// The characters of a line that stand free of each other, from left to right.
pub fn glyphs(frame: &Frame<'_>, line: &TextBox) -> Vec<Glyph> {
    if line.thickness < LEAST_THICKNESS_PX {
        return Vec::new();
    }
    let (columns, rows) = (line.length.round() as u32, line.thickness.round() as u32);
    let Some(crop) = frame.strip(line, columns, rows) else { return Vec::new() };
    let Some(ink) = Ink::of(&luminance(&crop)) else { return Vec::new() };
    ink.runs()
        .filter(|(from, to)| ((to - from) as f32) < MOST_WIDTH * line.thickness)
        .filter_map(|(from, to)| {
            let height = ink.height(from, to)?;
            let middle = (from + to) as f32 / 2.0 / ink.columns as f32;
            (height > LEAST_HEIGHT * line.thickness).then_some(Glyph { middle, height })
        })
        .collect()
}

/// How far beyond its ends a line is searched for more of its print, in line thicknesses.
const REACH: f32 = 6.0;
/// Farther than a gap and the detector's margin.
const SHORT_REACH: f32 = 1.0;
/// Print that goes on leaves no wider gap between two characters, in line thicknesses.
const WIDEST_GAP: f32 = 0.3;
/// Ink of print that goes on is no wider than this, in line thicknesses: small letters run together.
const MOST_JOINED: f32 = 2.5;
/// Rows in which print that goes on is looked for: more would show no more of it.
const COARSE_ROWS: f32 = 32.0;

/// A line lengthened by the print that goes on at its ends: where something pale lies across (a background
/// text, a stamp), the detector sees the rest of a word alone. What reaches over the line's height is a frame
/// or a picture, and ends it.
pub fn whole_line(frame: &Frame<'_>, line: &TextBox) -> TextBox {
    // Most lines end where they were found to end, and a short look tells.
    let ends_there = lengthened(frame, line, SHORT_REACH) == *line;
    if ends_there { *line } else { lengthened(frame, line, REACH) }
}

fn lengthened(frame: &Frame<'_>, line: &TextBox, reach: f32) -> TextBox {
    let unchanged = *line;
    if line.thickness < LEAST_THICKNESS_PX {
        return unchanged;
    }
    let reach = reach * line.thickness;
    let longer = TextBox { length: line.length + 2.0 * reach, ..*line };
    let scale = (line.thickness / COARSE_ROWS).max(1.0);
    let (columns, rows) = ((longer.length / scale).round() as u32, (line.thickness / scale).round() as u32);
    let Some(crop) = frame.strip(&longer, columns, rows) else { return unchanged };
    let Some(ink) = Ink::of(&luminance(&crop)) else { return unchanged };
    // The detector's margin at the ends is paper.
    let margin = 0.3 * line.thickness;
    let ends = (reach + margin, reach + line.length - margin);
    let (mut left, mut right) = ends;
    let runs: Vec<(f32, f32)> = ink
        .runs()
        .filter(|(from, to)| {
            ink.height(*from, *to).is_some_and(|height| height > LEAST_HEIGHT * ink.rows as f32)
        })
        .map(|(from, to)| (from as f32 * scale, to as f32 * scale))
        .collect();
    let gap = WIDEST_GAP * line.thickness;
    let widest = MOST_JOINED * line.thickness;
    for (from, to) in runs.iter().rev() {
        if *from < left && *to > left - gap - margin && to - from < widest {
            left = *from;
        }
    }
    for (from, to) in &runs {
        if *to > right && *from < right + gap + margin && to - from < widest {
            right = *to;
        }
    }
    if (left, right) == ends {
        return unchanged;
    }
    let before = (reach - (left - margin)).max(0.0);
    let after = (right + margin - (reach + line.length)).max(0.0);
    let shift = (after - before) / 2.0;
    TextBox {
        centre: [line.centre[0] + line.along[0] * shift, line.centre[1] + line.along[1] * shift],
        length: line.length + before + after,
        ..*line
    }
}

/// Darkness of each pixel, 0 for the paper beside it and 1 for the line's ink.
struct Ink {
    columns: usize,
    rows: usize,
    darkness: Vec<f32>,
}

impl Ink {
    fn of(line: &image::GrayImage) -> Option<Self> {
        let (columns, rows) = (line.width() as usize, line.height() as usize);
        // The middle: neighbouring lines may reach into the margins.
        let middle = rows / 5..rows - rows / 5;
        let brightest: Vec<u8> = (0..columns)
            .map(|x| {
                let mut column: Vec<u8> =
                    middle.clone().map(|y| line.get_pixel(x as u32, y as u32).0[0]).collect();
                ranked(&mut column, 4, 5)
            })
            .collect::<Option<_>>()?;
        let reach = (rows as f32 * PAPER_REACH) as usize;
        let mut near = Vec::with_capacity(2 * reach);
        let paper: Vec<f32> = (0..columns)
            .map(|x| {
                near.clear();
                near.extend_from_slice(brightest.get(x.saturating_sub(reach)..(x + reach).min(columns))?);
                ranked(&mut near, 3, 4).map(f32::from)
            })
            .collect::<Option<_>>()?;
        let mut darkness: Vec<f32> = line
            .as_raw()
            .iter()
            .enumerate()
            .map(|(i, value)| paper[i % columns] - f32::from(*value))
            .collect();
        let mut some: Vec<f32> = darkness.iter().copied().step_by(7).collect();
        let at = some.len() * 49 / 50;
        let black = (at < some.len()).then(|| *some.select_nth_unstable_by(at, f32::total_cmp).1)?;
        if black < 20.0 {
            return None;
        }
        darkness.iter_mut().for_each(|value| *value /= black);
        Some(Self { columns, rows, darkness })
    }

    fn at(&self, x: usize, y: usize) -> f32 {
        self.darkness.get(y * self.columns + x).copied().unwrap_or(0.0)
    }

    /// Neighbouring columns with ink, as (first, behind the last).
    fn runs(&self) -> impl Iterator<Item = (usize, usize)> {
        let middle = self.rows / 5..self.rows - self.rows / 5;
        let inked = |x: usize| middle.clone().any(|y| self.at(x, y) > EDGE);
        let mut found = Vec::new();
        let mut from = None;
        for x in 0..=self.columns {
            match (from, x < self.columns && inked(x)) {
                (None, true) => from = Some(x),
                (Some(first), false) => {
                    found.push((first, x));
                    from = None;
                }
                _ => {}
            }
        }
        found.into_iter()
    }

    /// `None` where the ink reaches the crop's border.
    fn height(&self, from: usize, to: usize) -> Option<f32> {
        let profile: Vec<f32> =
            (0..self.rows).map(|y| (from..to).map(|x| self.at(x, y)).fold(0.0, f32::max)).collect();
        let middle = (self.rows / 3..self.rows * 2 / 3).find(|y| profile[*y] > EDGE)?;
        // Between the last row with ink and the first without, the edge lies where the straight
        // line between both crosses.
        let crossing = |inside: f32, outside: f32| (inside - EDGE) / (inside - outside).max(1e-3);
        let top = (1..=middle).rev().find(|y| profile[y - 1] <= EDGE)?;
        let bottom = (middle..self.rows - 1).find(|y| profile[y + 1] <= EDGE)?;
        let upper = top as f32 - crossing(profile[top], profile[top - 1]);
        let lower = bottom as f32 + crossing(profile[bottom], profile[bottom + 1]);
        Some(lower - upper)
    }
}

/// The value below which a share `of / all` of the others lies.
fn ranked(values: &mut [u8], of: usize, all: usize) -> Option<u8> {
    let at = values.len() * of / all;
    (at < values.len()).then(|| *values.select_nth_unstable(at).1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage};

    #[test]
    fn bars_of_two_heights_are_told_apart_to_a_fraction_of_a_pixel() {
        // Bars 12 pixels wide every 40, 30 or 33.5 high, on paper with a shade.
        let picture = RgbImage::from_fn(860, 60, |x, y| {
            let (bar, half) = (x / 40, if (x / 40).is_multiple_of(2) { 15.0 } else { 16.75 });
            let cover = (half + 0.5 - (y as f32 + 0.5 - 30.0).abs()).clamp(0.0, 1.0);
            let inside = x % 40 < 12 && bar < 21;
            let paper = 210.0 - x as f32 / 20.0;
            Rgb([(paper - if inside { 150.0 * cover } else { 0.0 }) as u8; 3])
        });
        let line =
            TextBox { centre: [430.0, 30.0], along: [1.0, 0.0], length: 860.0, thickness: 60.0, score: 1.0 };
        let found = glyphs(&Frame::whole(&picture), &line);
        // The first stands at the border.
        assert!(found.len() >= 20, "{}", found.len());
        for glyph in found {
            let bar = (glyph.middle * 860.0 / 40.0) as usize;
            let expected = if bar.is_multiple_of(2) { 30.0 } else { 33.5 };
            assert!((glyph.height - expected).abs() < 0.6, "{glyph:?} {expected}");
        }
    }

    #[test]
    fn a_line_is_lengthened_by_the_print_that_goes_on_and_no_further() {
        // Bars 12 wide every 22 from 100 to 716, a wide gap, more bars, and at 760 an edge over the whole height.
        let picture = RgbImage::from_fn(1200, 60, |x, y| {
            let bar = (100..716).contains(&x) && (x - 100) % 22 < 12 && (15..45).contains(&y);
            let other = (900..1000).contains(&x) && (x - 900) % 22 < 12 && (15..45).contains(&y);
            Rgb([if bar || other {
                40
            } else if (760..764).contains(&x) {
                60
            } else {
                210
            }; 3])
        });
        let cut =
            TextBox { centre: [500.0, 30.0], along: [1.0, 0.0], length: 400.0, thickness: 60.0, score: 1.0 };
        let whole = whole_line(&Frame::whole(&picture), &cut);
        let (left, right) = whole.extent([1.0, 0.0]);
        assert!((left - 82.0).abs() < 6.0 && (right - 724.0).abs() < 6.0, "{left} {right}");
        let again = whole_line(&Frame::whole(&picture), &whole);
        assert!((again.length - whole.length).abs() < 6.0, "{} {}", again.length, whole.length);
    }

    #[test]
    fn an_empty_line_has_no_characters() {
        let picture = RgbImage::from_pixel(400, 60, Rgb([200; 3]));
        let line =
            TextBox { centre: [200.0, 30.0], along: [1.0, 0.0], length: 390.0, thickness: 50.0, score: 1.0 };
        assert!(glyphs(&Frame::whole(&picture), &line).is_empty());
    }
}
