//! The worst misses, one card each.

use super::plot::escaped;
use crate::scoreboard::misses::{Miss, Outline, Row, Shown};
use std::fmt::Write as _;

/// More would only repeat what the first say.
const ROWS: usize = 16;

pub fn cards(misses: &[&Miss]) -> String {
    let mut html = String::from(
        "<h2>Worst misses</h2><p>What misleads comes before what is absent: a wrong zone that calls itself valid, \
         a field read where there is no document, a confident wrong value. At most two of each kind of document and \
         condition.</p><div class=\"legend\"><span><i class=\"truth\"></i>where it stands (dashed: the document)</span>\
         <span><i class=\"wrong\"></i>where it looked (dotted: the outline it found)</span></div>",
    );
    if misses.is_empty() {
        html += "<p>None.</p>";
    }
    misses.iter().for_each(|miss| html += &card(miss));
    html
}

fn card(miss: &Miss) -> String {
    let pictures: String = miss.pictures.iter().map(picture).collect();
    let rows: String = miss.rows.iter().take(ROWS).map(row).collect();
    let more = miss.rows.len().saturating_sub(ROWS);
    let more = if more > 0 { format!("<p class=\"soft\">and {more} more</p>") } else { String::new() };
    format!(
        "<div class=\"miss\"><h3>{} <span class=\"soft\">{}</span></h3><div class=\"pictures\">{pictures}</div>\
         <table><tr><th>field</th><th>expected</th><th>read</th><th>confidence</th></tr>{rows}</table>{more}</div>",
        escaped(&miss.name),
        escaped(&miss.set),
    )
}

fn picture(shown: &Shown) -> String {
    let mut outlines = String::new();
    for (kind, polygon) in &shown.outlines {
        let class = match kind {
            Outline::Expected => "expected",
            Outline::Read => "read",
            Outline::ExpectedDocument => "expected-document",
            Outline::ReadDocument => "read-document",
        };
        let corners: Vec<String> = polygon.iter().map(|[x, y]| format!("{x:.0},{y:.0}")).collect();
        let _ = write!(outlines, "<polygon class=\"{class}\" points=\"{}\"/>", corners.join(" "));
    }
    format!(
        "<div class=\"picture\"><img alt=\"{}\" src=\"data:image/jpeg;base64,{}\">\
         <svg viewBox=\"0 0 {} {}\" preserveAspectRatio=\"none\">{outlines}</svg></div>",
        shown.role.as_str(),
        shown.jpeg,
        shown.width,
        shown.height,
    )
}

fn row(row: &Row) -> String {
    let strip = |jpeg: &Option<String>| {
        jpeg.as_ref()
            .map_or_else(String::new, |jpeg| format!("<img alt=\"\" src=\"data:image/jpeg;base64,{jpeg}\">"))
    };
    let confidence = row.confidence.map_or_else(String::new, |confidence| format!("{confidence:.2}"));
    format!(
        "<tr><td>{}<br><span class=\"tag {}\">{}</span></td><td class=\"text\" dir=\"auto\">{}{}</td>\
         <td class=\"text\" dir=\"auto\">{}{}</td><td>{confidence} {}</td></tr>",
        escaped(&row.what),
        row.outcome,
        row.outcome.replace('_', " "),
        escaped(&row.expected),
        strip(&row.expected_strip),
        escaped(row.read.as_deref().unwrap_or("nothing")),
        strip(&row.read_strip),
        row.source,
    )
}
