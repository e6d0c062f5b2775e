//! Fine line patterns in the manner of security printing, as SVG paths.

use serde::Deserialize;
use std::f64::consts::TAU;
use std::fmt::Write as _;

/// One layer of lines, in template coordinates.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Pattern {
    /// Lines from the left to the right edge that swing together and drift in phase.
    Waves {
        colour: String,
        opacity: f64,
        stroke: f64,
        lines: u32,
        amplitude: f64,
        wavelength: f64,
        /// Added to the phase from one line to the next, in turns.
        drift: f64,
    },
    /// Closed curves around a centre.
    Rosette {
        colour: String,
        opacity: f64,
        stroke: f64,
        centre: [f64; 2],
        radius: f64,
        petals: u32,
        rings: u32,
    },
    /// A word repeated in rows of tiny letters.
    Microprint { colour: String, opacity: f64, text: String, size: f64, rows: u32 },
    /// The word that marks everything made here as not a document.
    Mark { colour: String, opacity: f64, text: String, size: f64, rotation: f64 },
}

impl Pattern {
    /// SVG elements for a ground of `width` × `height`.
    pub fn svg(&self, width: f64, height: f64) -> String {
        let mut svg = String::new();
        // Writing to a String cannot fail.
        let _ = match self {
            Self::Waves { colour, opacity, stroke, lines, amplitude, wavelength, drift } => {
                let mut path = String::new();
                for line in 0..*lines {
                    let middle = (f64::from(line) + 0.5) / f64::from(*lines) * height;
                    let phase = f64::from(line) * drift;
                    curve(
                        &mut path,
                        (0..=80).map(|step| {
                            let x = f64::from(step) / 80.0 * width;
                            let swell = 0.6 + 0.4 * (TAU * (x / width + phase * 0.3)).cos();
                            [x, middle + amplitude * swell * (TAU * (x / wavelength + phase)).sin()]
                        }),
                    );
                }
                write!(
                    svg,
                    r#"<path d="{path}" fill="none" stroke="{colour}" stroke-opacity="{opacity}" stroke-width="{stroke}"/>"#
                )
            }
            Self::Rosette { colour, opacity, stroke, centre: [cx, cy], radius, petals, rings } => {
                let mut path = String::new();
                for ring in 1..=*rings {
                    let share = f64::from(ring) / f64::from(*rings);
                    curve(
                        &mut path,
                        (0..=240).map(|step| {
                            let angle = TAU * f64::from(step) / 240.0;
                            let swing = 1.0 + 0.22 * (f64::from(*petals) * angle + share * TAU).cos();
                            let r = radius * share * swing;
                            [cx + r * angle.cos(), cy + r * angle.sin()]
                        }),
                    );
                }
                write!(
                    svg,
                    r#"<path d="{path}" fill="none" stroke="{colour}" stroke-opacity="{opacity}" stroke-width="{stroke}"/>"#
                )
            }
            Self::Microprint { colour, opacity, text, size, rows } => {
                let row = format!("{text} ").repeat((width / (size * 0.62 * text.len() as f64)) as usize + 2);
                (0..*rows).try_for_each(|number| {
                    let y = (f64::from(number) + 0.5) / f64::from(*rows) * height;
                    let x = -f64::from(number % 3) * size * 2.0;
                    write!(svg, r#"<text x="{x}" y="{y}" font-family="DejaVu Sans" font-size="{size}" fill="{colour}" fill-opacity="{opacity}">{row}</text>"#)
                })
            }
            Self::Mark { colour, opacity, text, size, rotation } => {
                let (x, y) = (width / 2.0, height / 2.0 + size * 0.36);
                write!(
                    svg,
                    r#"<text x="{x}" y="{y}" transform="rotate({rotation} {x} {y})" text-anchor="middle" font-family="DejaVu Sans" font-weight="bold" font-size="{size}" letter-spacing="{}" fill="{colour}" fill-opacity="{opacity}">{text}</text>"#,
                    size * 0.12
                )
            }
        };
        svg
    }
}

fn curve(path: &mut String, points: impl Iterator<Item = [f64; 2]>) {
    for (number, [x, y]) in points.enumerate() {
        let command = if number == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{command}{x:.1} {y:.1}");
    }
}
