//! Other objects on the table, seen from above, in millimetres from the document's centre.

use crate::random::Random;
use crate::svg;
use crate::things::{self, Kind};
use std::f64::consts::TAU;
use std::fmt::Write as _;

/// `count` objects around a document of `size_mm` in a picture of that aspect (height / width). They
/// may reach under the document, never above it.
pub(super) fn scattered(count: usize, [w, h]: [f64; 2], aspect: f64, random: &mut Random) -> String {
    let mut body = String::new();
    let start = random.between(0.0, TAU);
    for number in 0..count {
        let angle = start + TAU * (number as f64 + random.between(-0.3, 0.3)) / count as f64;
        let (sin, cos) = angle.sin_cos();
        let (drawing, reach) = object(random);
        // From the document's edge in this direction outward.
        let edge = (w / 2.0 / cos.abs().max(1e-3)).min(h / 2.0 / sin.abs().max(1e-3));
        let away = edge + reach * random.between(0.35, 0.95) + random.between(0.0, 22.0);
        let (x, y) = (away * cos, away * sin * aspect.clamp(0.8, 1.2));
        let turn = random.between(0.0, 360.0);
        let _ = write!(body, r#"<g transform="translate({x:.1} {y:.1}) rotate({turn:.0})">{drawing}</g>"#);
    }
    body
}

/// Elements around the origin, and how far they reach from it.
fn object(random: &mut Random) -> (String, f64) {
    match random.integer(0, 15) {
        0 | 1 => pen(random),
        2 => cup(random),
        3 | 4 => cable(random),
        5 => keyboard(random),
        6 => phone(random),
        7 => coins(random),
        8 => keys(random),
        9 => note(random),
        10 => glasses(random),
        number => {
            let kinds = [Kind::Letter, Kind::Receipt, Kind::BookPage, Kind::BusinessCard, Kind::Menu];
            let kind = kinds.get(number as usize - 11).copied().unwrap_or(Kind::Letter);
            let paper = things::drawing(kind, random);
            let (w, h) = (paper.width_mm, paper.height_mm);
            let body =
                format!(r#"<g transform="translate({:.1} {:.1})">{}</g>"#, -w / 2.0, -h / 2.0, paper.body);
            (body, (w + h) / 4.0)
        }
    }
}

fn any_colour(random: &mut Random) -> [u8; 3] {
    std::array::from_fn(|_| random.integer(20, 230) as u8)
}

fn darker(colour: [u8; 3], by: f64) -> String {
    svg::colour(colour.map(|v| (f64::from(v) * by).clamp(0.0, 255.0) as u8))
}

fn pen(random: &mut Random) -> (String, f64) {
    let colour = any_colour(random);
    let (base, dark, light) = (svg::colour(colour), darker(colour, 0.6), darker(colour, 1.35));
    let body = format!(
        r##"<rect x="-70" y="-4.5" width="122" height="9" rx="3.5" fill="{base}"/><rect x="-70" y="-3.4" width="122" height="2.2" fill="{light}"/><rect x="-70" y="2.4" width="122" height="2.1" fill="{dark}"/><path d="M52 -4.5 L68 -1.2 L68 1.2 L52 4.5 Z" fill="#c9c9cc"/><rect x="-62" y="-1.6" width="38" height="3.2" rx="1.4" fill="#d8d8da"/>"##
    );
    (body, 40.0)
}

fn cup(random: &mut Random) -> (String, f64) {
    let china = any_colour(random);
    let (base, dark, light) = (svg::colour(china), darker(china, 0.7), darker(china, 1.3));
    let drink = ["#3b2314", "#7a4a22", "#8a5a34", "#b06a20"];
    let drink = random.pick(&drink).copied().unwrap_or("#3b2314");
    let body = format!(
        r##"<circle r="64" fill="{light}"/><circle r="60" fill="{base}"/><circle r="46" fill="{dark}" fill-opacity="0.5"/><rect x="34" y="-7" width="32" height="14" rx="6" fill="{base}" stroke="{dark}" stroke-width="1.5"/><circle r="41" fill="{base}"/><circle r="37" fill="{dark}"/><circle r="35" fill="{drink}"/><path d="M-24 -18 A30 30 0 0 1 6 -30" fill="none" stroke="#ffffff" stroke-opacity="0.4" stroke-width="4"/>"##
    );
    (body, 64.0)
}

fn cable(random: &mut Random) -> (String, f64) {
    let colour = if random.chance(0.5) { [236, 236, 234] } else { any_colour(random).map(|v| v / 4) };
    let mut path = String::from("M-170 0");
    for step in 0..3 {
        let x = f64::from(step) * 110.0 - 170.0;
        let (a, b, end) =
            (random.between(-70.0, 70.0), random.between(-70.0, 70.0), random.between(-40.0, 40.0));
        let _ = write!(path, " C{:.0} {a:.0} {:.0} {b:.0} {:.0} {end:.0}", x + 36.0, x + 74.0, x + 110.0);
    }
    let body = format!(
        r##"<path d="{path}" fill="none" stroke="{}" stroke-width="4"/><path d="{path}" fill="none" stroke="#ffffff" stroke-opacity="0.35" stroke-width="1.2"/>"##,
        svg::colour(colour)
    );
    (body, 34.0)
}

fn keyboard(random: &mut Random) -> (String, f64) {
    let dark = random.chance(0.6);
    let (case, key, ink) =
        if dark { ("#2c2d31", "#44464c", "#e6e6e6") } else { ("#d3d5d8", "#f4f4f4", "#30343a") };
    let mut body = format!(r#"<rect x="-150" y="-55" width="300" height="112" rx="6" fill="{case}"/>"#);
    for (row, letters) in
        ["1234567890-=", "QWERTYUIOP[]", "ASDFGHJKL;'#", "ZXCVBNM,./"].into_iter().enumerate()
    {
        for (column, letter) in letters.chars().enumerate() {
            let (x, y) = (column as f64 * 19.05 - 136.0 + row as f64 * 5.0, row as f64 * 19.05 - 46.0);
            let _ = write!(
                body,
                r#"<rect x="{x:.1}" y="{y:.1}" width="17" height="17" rx="2.4" fill="{key}"/><text x="{:.1}" y="{:.1}" font-size="6" fill="{ink}">{letter}</text>"#,
                x + 3.0,
                y + 8.0
            );
        }
    }
    let _ = write!(body, r#"<rect x="-60" y="31" width="112" height="17" rx="2.4" fill="{key}"/>"#);
    (body, 70.0)
}

fn phone(random: &mut Random) -> (String, f64) {
    let glass = random.integer(12, 60) as u8;
    let body = format!(
        r##"<rect x="-36" y="-75" width="72" height="150" rx="10" fill="#17181b"/><rect x="-33.5" y="-72" width="67" height="144" rx="8" fill="{}"/><path d="M-33 -60 L20 -72 L-33 20 Z" fill="#ffffff" fill-opacity="0.07"/><circle cy="-67" r="2" fill="#000000"/>"##,
        svg::colour([glass, glass, glass.saturating_add(6)])
    );
    (body, 60.0)
}

fn coins(random: &mut Random) -> (String, f64) {
    let mut body = String::new();
    for _ in 0..random.integer(2, 6) {
        let (x, y, r) = (random.between(-24.0, 24.0), random.between(-24.0, 24.0), random.between(8.5, 13.0));
        let metal = if random.chance(0.5) { [196, 162, 90] } else { [184, 186, 190] };
        let _ = write!(
            body,
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="{r:.1}" fill="{}"/><circle cx="{x:.1}" cy="{y:.1}" r="{:.1}" fill="{}"/><text x="{:.1}" y="{:.1}" font-size="{r:.1}" font-weight="bold" fill="{}">{}</text>"#,
            darker(metal, 0.75),
            r - 1.1,
            svg::colour(metal),
            x - r * 0.35,
            y + r * 0.36,
            darker(metal, 0.6),
            random.pick(&[1, 2, 5, 10, 20, 50]).copied().unwrap_or(1)
        );
    }
    (body, 30.0)
}

fn keys(random: &mut Random) -> (String, f64) {
    let mut body = String::from(r##"<circle r="15" fill="none" stroke="#a9abb0" stroke-width="2.4"/>"##);
    for _ in 0..random.integer(2, 4) {
        let turn = random.between(0.0, 360.0);
        let metal = if random.chance(0.4) { [190, 160, 96] } else { [168, 170, 176] };
        let (base, dark) = (svg::colour(metal), darker(metal, 0.7));
        let _ = write!(
            body,
            r#"<g transform="rotate({turn:.0})"><circle cx="25" r="11.5" fill="{base}" stroke="{dark}"/><circle cx="19" r="3" fill="{dark}"/><path d="M35 -4 L72 -4 L76 0 L72 4 L66 2 L62 4 L57 2 L52 4 L35 4 Z" fill="{base}" stroke="{dark}" stroke-width="0.6"/></g>"#
        );
    }
    (body, 50.0)
}

fn note(random: &mut Random) -> (String, f64) {
    let colours = ["#f7e26b", "#f7b6c8", "#b5e3a4", "#a8d4f0"];
    let mut body = format!(
        r#"<rect x="-38" y="-38" width="76" height="76" fill="{}"/>"#,
        random.pick(&colours).copied().unwrap_or("#f7e26b")
    );
    for line in 0..random.integer(2, 5) {
        let y = -22.0 + 13.0 * line as f64;
        let mut path = format!("M-30 {y:.1}");
        for step in 1..=random.integer(7, 14) {
            let _ = write!(
                path,
                " q{:.1} {:.1} 4.2 {:.1}",
                random.between(0.5, 2.5),
                random.between(-6.0, 4.0),
                if step % 2 == 0 { random.between(-0.8, 0.8) } else { 0.0 }
            );
        }
        let _ = write!(body, r##"<path d="{path}" fill="none" stroke="#20324e" stroke-width="0.8"/>"##);
    }
    (body, 42.0)
}

fn glasses(random: &mut Random) -> (String, f64) {
    let frame = darker(any_colour(random), 0.5);
    let body = format!(
        r##"<g fill="#ffffff" fill-opacity="0.12" stroke="{frame}" stroke-width="3.4"><rect x="-62" y="-20" width="52" height="40" rx="17"/><rect x="10" y="-20" width="52" height="40" rx="17"/><path d="M-10 -4 Q0 -12 10 -4 M-62 -8 L-66 -96 M62 -8 L66 -96" fill="none"/></g>"##
    );
    (body, 60.0)
}
