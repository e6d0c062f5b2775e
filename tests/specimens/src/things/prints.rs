//! Larger prints, and a display: menu, poster, a page on a screen.

use super::{Drawing, any_of, sheet, text, words};
use crate::random::Random;
use crate::svg;

pub(super) fn menu(random: &mut Random) -> Drawing {
    let language = words::language(random);
    let (w, h) = (140.0, 200.0);
    let dark = random.chance(0.35);
    let (ground, ink, accent) =
        if dark { ("#26292b", "#f2ead8", "#d9a441") } else { ("#fbf6ea", "#2b2621", "#8c2f39") };
    let mut body = sheet(w, h, ground);
    body.push_str(&format!(
        r#"<rect x="5" y="5" width="130" height="190" fill="none" stroke="{accent}" stroke-width="0.8"/>"#
    ));
    let head = format!(r#"text-anchor="middle" font-weight="bold" fill="{accent}""#);
    body.push_str(&text(70.0, 24.0, 9.0, &head, words::firm(language, random)));
    let mut y = 40.0;
    while y < 176.0 {
        body.push_str(&text(70.0, y, 5.0, &head, &words::title(language, 8, random)));
        y += 8.0;
        for _ in 0..random.integer(3, 5) {
            let price = format!("{},{:02}", random.integer(2, 29), random.integer(0, 9) * 10);
            body.push_str(&text(
                14.0,
                y,
                3.6,
                &format!(r#"fill="{ink}""#),
                &words::title(language, 18, random),
            ));
            body.push_str(&text(126.0, y, 3.6, &format!(r#"fill="{ink}" text-anchor="end""#), &price));
            y += 6.4;
        }
        y += 5.0;
    }
    Drawing { body, width_mm: w, height_mm: h, corner_mm: 0.5, portrait: None }
}

pub(super) fn poster(random: &mut Random) -> Drawing {
    let language = words::language(random);
    let (w, h) = (297.0, 420.0);
    let mut any = || svg::colour(std::array::from_fn(|_| random.integer(20, 240) as u8));
    let (ground, one, two, three) = (any(), any(), any(), any());
    let mut body = sheet(w, h, &ground);
    for fill in [one, two, three] {
        let (x, y, r) = (random.between(0.0, w), random.between(60.0, 330.0), random.between(30.0, 110.0));
        body.push_str(&if random.chance(0.5) {
            format!(r#"<circle cx="{x:.0}" cy="{y:.0}" r="{r:.0}" fill="{fill}" fill-opacity="0.85"/>"#)
        } else {
            let turn = random.between(0.0, 90.0);
            format!(
                r#"<rect x="{:.0}" y="{:.0}" width="{r:.0}" height="{:.0}" fill="{fill}" fill-opacity="0.85" transform="rotate({turn:.0} {x:.0} {y:.0})"/>"#,
                x - r / 2.0,
                y - r / 2.0,
                r * 1.4
            )
        });
    }
    let style =
        r##"text-anchor="middle" font-weight="bold" fill="#ffffff" stroke="#000000" stroke-width="0.4""##;
    body.push_str(&text(w / 2.0, 60.0, 30.0, style, &words::title(language, 7, random).to_uppercase()));
    body.push_str(&text(w / 2.0, 372.0, 18.0, style, &words::date(random)));
    body.push_str(&text(w / 2.0, 398.0, 12.0, style, words::firm(language, random)));
    Drawing { body, width_mm: w, height_mm: h, corner_mm: 0.0, portrait: None }
}

/// A web page on a display with its dark frame.
pub(super) fn screen(random: &mut Random) -> Drawing {
    let language = words::language(random);
    let (w, h) = (310.0, 194.0);
    let accent = any_of(&["#1a73e8", "#c0392b", "#16a085", "#8e44ad"], random);
    let mut body = sheet(w, h, "#111214");
    body.push_str(&format!(
        r##"<rect x="8" y="8" width="294" height="172" fill="#ffffff"/><rect x="8" y="8" width="294" height="9" fill="#dfe1e5"/><rect x="40" y="9.6" width="180" height="5.8" rx="2.9" fill="#ffffff"/><rect x="8" y="17" width="294" height="14" fill="{accent}"/>"##
    ));
    body.push_str(&text(46.0, 13.8, 3.4, r##"fill="#333333""##, "https://www.example.org/"));
    body.push_str(&text(
        18.0,
        26.5,
        7.0,
        r##"font-weight="bold" fill="#ffffff""##,
        words::firm(language, random),
    ));
    let mut y = 44.0;
    while y < 168.0 {
        body.push_str(&text(
            18.0,
            y,
            6.0,
            r##"font-weight="bold" fill="#202124""##,
            &words::title(language, 26, random),
        ));
        y += 8.0;
        for _ in 0..random.integer(2, 5) {
            if y < 176.0 {
                body.push_str(&text(18.0, y, 4.0, r##"fill="#3c4043""##, &words::line(language, 62, random)));
            }
            y += 6.0;
        }
        y += 6.0;
    }
    let picture = svg::colour(std::array::from_fn(|_| random.integer(80, 220) as u8));
    body.push_str(&format!(
        r##"<rect x="206" y="38" width="88" height="56" fill="{picture}"/><circle cx="236" cy="66" r="14" fill="#ffffff" fill-opacity="0.6"/><path d="M206 94 L240 64 L262 82 L276 70 L294 94 Z" fill="#000000" fill-opacity="0.25"/>"##
    ));
    for row in 0..random.integer(3, 8) {
        body.push_str(&text(
            206.0,
            104.0 + 8.0 * row as f64,
            4.0,
            &format!(r#"fill="{accent}""#),
            &words::title(language, 22, random),
        ));
    }
    Drawing { body, width_mm: w, height_mm: h, corner_mm: 3.0, portrait: None }
}
