//! The plots, as SVG. Colours are classes of `style.css`, so that they follow light and dark.

use crate::scoreboard::calibration::{BinFigures, Reliability};
use std::fmt::Write as _;

/// For text and attributes.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}

pub fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", 100.0 * share))
}

/// One line of a stacked bar chart: parts of a whole.
pub struct Bar {
    pub label: String,
    /// Count, class, and what it means.
    pub parts: Vec<(usize, &'static str, &'static str)>,
    /// Beside the bar.
    pub value: String,
}

const LABEL: f64 = 190.0;
const LENGTH: f64 = 330.0;
const ROW: f64 = 21.0;
const WIDTH: f64 = 660.0;

pub fn bars(rows: &[Bar]) -> String {
    let height = rows.len() as f64 * ROW + 4.0;
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">");
    for (number, row) in rows.iter().enumerate() {
        let y = number as f64 * ROW + 2.0;
        let _ = write!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            LABEL - 8.0,
            y + 14.0,
            escaped(&row.label)
        );
        let whole: usize = row.parts.iter().map(|(count, ..)| count).sum();
        let mut x = LABEL;
        for (count, class, meaning) in row.parts.iter().filter(|(count, ..)| *count > 0) {
            let length = LENGTH * *count as f64 / whole as f64;
            let _ = write!(
                svg,
                "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y}\" width=\"{length:.1}\" height=\"{}\"><title>{}: {count} {meaning} of {whole}</title></rect>",
                ROW - 5.0,
                escaped(&row.label),
            );
            x += length;
        }
        let _ = write!(
            svg,
            "<text x=\"{}\" y=\"{}\">{}</text>",
            LABEL + LENGTH + 8.0,
            y + 14.0,
            escaped(&row.value)
        );
    }
    svg + "</svg>"
}

/// Milliseconds: a bar to the median, a tick at the ninth decile, a line at the limit.
pub fn times(rows: &[(String, f32, f32)], limit_ms: f32) -> String {
    let most = rows.iter().map(|(_, _, p90)| *p90).fold(limit_ms, f32::max) * 1.05;
    let place = |ms: f32| LABEL + LENGTH * f64::from(ms / most);
    let height = rows.len() as f64 * ROW + 18.0;
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">");
    for (number, (label, median, p90)) in rows.iter().enumerate() {
        let y = number as f64 * ROW + 2.0;
        let (end, tick) = (place(*median), place(*p90));
        let _ = write!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\
             <rect class=\"right\" x=\"{LABEL}\" y=\"{y}\" width=\"{:.1}\" height=\"{}\"/>\
             <line class=\"tick\" x1=\"{tick:.1}\" x2=\"{tick:.1}\" y1=\"{y}\" y2=\"{}\"/>\
             <text x=\"{}\" y=\"{}\">{median:.0}, p90 {p90:.0} ms</text>",
            LABEL - 8.0,
            y + 14.0,
            escaped(label),
            end - LABEL,
            ROW - 5.0,
            y + ROW - 5.0,
            LABEL + LENGTH + 8.0,
            y + 14.0,
        );
    }
    let (x, low) = (place(limit_ms), rows.len() as f64 * ROW + 2.0);
    let _ = write!(
        svg,
        "<line class=\"ideal\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"0\" y2=\"{low}\"/><text class=\"soft\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{limit_ms:.0} ms</text></svg>",
        low + 11.0
    );
    svg
}

/// Rows × columns of rates; the more is missing, the stronger the colour. `None`: nothing counted.
pub fn heatmap(rows: &[String], columns: &[String], rate: impl Fn(&str, &str) -> Option<f64>) -> String {
    const CELL: [f64; 2] = [58.0, 21.0];
    const HEAD: f64 = 118.0;
    let label = 210.0;
    let (width, height) = (label + columns.len() as f64 * CELL[0] + 70.0, HEAD + rows.len() as f64 * CELL[1]);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" style=\"min-width:{}px;max-width:{width}px\">",
        width * 0.8
    );
    for (number, column) in columns.iter().enumerate() {
        let x = label + (number as f64 + 0.5) * CELL[0];
        let _ = write!(
            svg,
            "<text transform=\"translate({x},{}) rotate(-52)\">{}</text>",
            HEAD - 7.0,
            escaped(column)
        );
    }
    for (down, row) in rows.iter().enumerate() {
        let y = HEAD + down as f64 * CELL[1];
        let _ = write!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            label - 8.0,
            y + 14.5,
            escaped(row)
        );
        for (across, column) in columns.iter().enumerate() {
            let Some(rate) = rate(row, column) else { continue };
            let x = label + across as f64 * CELL[0];
            let _ = write!(
                svg,
                "<rect class=\"wrong\" fill-opacity=\"{:.2}\" x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" rx=\"2\"/>\
                 <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{:.0}</text>",
                0.04 + 0.76 * (1.0 - rate),
                CELL[0] - 2.0,
                CELL[1] - 2.0,
                x + CELL[0] / 2.0 - 1.0,
                y + 14.5,
                100.0 * rate,
            );
        }
    }
    svg + "</svg>"
}

/// Claimed confidence to the right, share of right readings upwards; below, how many readings.
pub fn reliability(name: &str, of: &Reliability) -> String {
    const SIDE: f64 = 190.0;
    const LEFT: f64 = 36.0;
    const TOP: f64 = 20.0;
    const COUNTS: f64 = 34.0;
    let bins = of.bins();
    let most = bins.iter().map(|bin| bin.count).max().unwrap_or(0).max(1) as f64;
    let at = |x: f64, y: f64| (LEFT + SIDE * x, TOP + SIDE * (1.0 - y));
    let floor = TOP + SIDE + COUNTS + 8.0;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {} {}\" role=\"img\"><text x=\"{LEFT}\" y=\"13\">{}: {} readings, gap {}</text>\
         <rect class=\"axis\" x=\"{LEFT}\" y=\"{TOP}\" width=\"{SIDE}\" height=\"{SIDE}\"/>\
         <line class=\"ideal\" x1=\"{LEFT}\" y1=\"{}\" x2=\"{}\" y2=\"{TOP}\"/>",
        LEFT + SIDE + 14.0,
        floor + 16.0,
        escaped(name),
        of.count(),
        of.error().map_or_else(|| "–".to_owned(), |gap| format!("{gap:.3}")),
        TOP + SIDE,
        LEFT + SIDE,
    );
    let told = |bin: &BinFigures| Some((bin.mean_confidence?, bin.right?));
    let points: Vec<_> = bins.iter().filter_map(|bin| Some((bin, told(bin)?))).collect();
    let line: Vec<String> =
        points.iter().map(|(_, (x, y))| at(*x, *y)).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let _ = write!(svg, "<polyline class=\"curve\" points=\"{}\"/>", line.join(" "));
    for (bin, (confidence, right)) in &points {
        let (x, y) = at(*confidence, *right);
        let size = 3.0 + 4.0 * (bin.count as f64 / most).sqrt();
        let tall = (COUNTS * bin.count as f64 / most).max(1.0);
        let _ = write!(
            svg,
            "<circle class=\"right\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{size:.1}\"><title>claimed {confidence:.3}, right {right:.3}, {} readings</title></circle>\
             <rect class=\"absent\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{tall:.1}\"/>",
            bin.count,
            LEFT + SIDE * bin.from + 1.0,
            floor - tall,
            SIDE * (bin.to - bin.from) - 2.0,
        );
    }
    for tick in [0.0, 0.5, 1.0] {
        let (x, y) = at(tick, tick);
        let _ = write!(
            svg,
            "<text class=\"soft\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{tick}</text>\
             <text class=\"soft\" x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{tick}</text>",
            LEFT - 5.0,
            y + 4.0,
            floor + 13.0,
        );
    }
    svg + "</svg>"
}
