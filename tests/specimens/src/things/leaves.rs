//! Paper with print on it: letters, books, receipts, tickets, labels.

use super::{Drawing, any_of, bars, sheet, squares, text, words};
use crate::random::Random;

fn paper(body: String, width_mm: f64, height_mm: f64) -> Drawing {
    Drawing { body, width_mm, height_mm, corner_mm: 0.0, portrait: None }
}

const INK: &str = r##"fill="#1b1b1d""##;

pub(super) fn letter(random: &mut Random) -> Drawing {
    let language = words::language(random);
    let (w, h) = (148.0, 210.0);
    let mut body = sheet(w, h, any_of(&["#fdfdfc", "#fbf9f2", "#f3f5f7"], random));
    body.push_str(&text(
        14.0,
        20.0,
        4.6,
        r##"font-weight="bold" fill="#24405c""##,
        words::firm(language, random),
    ));
    for (row, line) in [
        words::name(language, random).to_owned(),
        words::title(language, 18, random),
        format!("{} {}", words::digits(5, random), words::title(language, 8, random)),
    ]
    .iter()
    .enumerate()
    {
        body.push_str(&text(14.0, 38.0 + 4.6 * row as f64, 3.4, INK, line));
    }
    body.push_str(&text(110.0, 58.0, 3.2, INK, &words::date(random)));
    body.push_str(&text(
        14.0,
        70.0,
        3.6,
        r##"font-weight="bold" fill="#1b1b1d""##,
        &words::title(language, 28, random),
    ));
    let mut y = 80.0;
    while y < 178.0 {
        for _ in 0..random.integer(2, 6) {
            body.push_str(&text(14.0, y, 3.2, INK, &words::line(language, 58, random)));
            y += 5.0;
        }
        y += 4.0;
    }
    body.push_str(&text(14.0, 196.0, 3.2, INK, words::name(language, random)));
    body.push_str(r##"<path d="M14 189 q6 -9 9 -2 t8 -4 t7 3 t12 -5" fill="none" stroke="#1d2f6f" stroke-width="0.6"/>"##);
    paper(body, w, h)
}

pub(super) fn book_page(random: &mut Random) -> Drawing {
    let language = words::language(random);
    let (w, h) = (128.0, 198.0);
    let mut body = sheet(w, h, any_of(&["#f6efdf", "#f3ead4", "#faf6ec"], random));
    body.push_str(&text(
        w / 2.0,
        13.0,
        2.8,
        r##"text-anchor="middle" fill="#5a5348""##,
        &words::title(language, 22, random),
    ));
    let mut y = 24.0;
    while y < 182.0 {
        let indent = if random.chance(0.16) { 4.0 } else { 0.0 };
        let style = format!(r##"fill="#211d18" textLength="{}" lengthAdjust="spacing""##, 102.0 - indent);
        body.push_str(&text(13.0 + indent, y, 3.3, &style, &words::line(language, 50, random)));
        y += 5.1;
    }
    let number = random.integer(7, 480).to_string();
    body.push_str(&text(w / 2.0, 191.0, 2.8, r##"text-anchor="middle" fill="#5a5348""##, &number));
    paper(body, w, h)
}

pub(super) fn receipt(random: &mut Random) -> Drawing {
    let language = words::language(random);
    let rows = random.integer(6, 18);
    let (w, h) = (78.0, 78.0 + 4.6 * rows as f64);
    let mono = r##"fill="#2c2c30" font-family="DejaVu Sans Mono""##;
    let middle = format!(r#"{mono} text-anchor="middle""#);
    let mut body = sheet(w, h, any_of(&["#f7f7f5", "#f1f0ec", "#fafafa"], random));
    body.push_str(&text(w / 2.0, 10.0, 4.4, &middle, &words::firm(language, random).to_uppercase()));
    body.push_str(&text(w / 2.0, 15.5, 2.8, &middle, &words::title(language, 20, random)));
    body.push_str(&text(w / 2.0, 20.0, 2.8, &middle, &format!("TEL {}", words::digits(9, random))));
    body.push_str(&text(
        5.0,
        28.0,
        2.8,
        mono,
        &format!("{} {:02}:{:02}", words::date(random), random.integer(7, 21), random.integer(0, 59)),
    ));
    let mut total = 0;
    let mut y = 36.0;
    for _ in 0..rows {
        let cents = random.integer(45, 4900);
        total += cents;
        body.push_str(&text(5.0, y, 2.9, mono, &words::line(language, 11, random).to_uppercase()));
        let price = format!("{}.{:02}", cents / 100, cents % 100);
        body.push_str(&text(w - 5.0, y, 2.9, &format!(r#"{mono} text-anchor="end""#), &price));
        y += 4.6;
    }
    let sum = any_of(&["TOTAL", "SUMME", "A PAYER", "JUMLA"], random);
    body.push_str(&text(5.0, y + 5.0, 4.2, &format!(r#"{mono} font-weight="bold""#), sum));
    let price = format!("{}.{:02}", total / 100, total % 100);
    body.push_str(&text(
        w - 5.0,
        y + 5.0,
        4.2,
        &format!(r#"{mono} font-weight="bold" text-anchor="end""#),
        &price,
    ));
    body.push_str(&bars(14.0, y + 14.0, 50.0, 10.0, random));
    body.push_str(&text(w / 2.0, y + 29.0, 2.8, &middle, &words::digits(13, random)));
    paper(body, w, h)
}

pub(super) fn bus_ticket(random: &mut Random) -> Drawing {
    let language = words::language(random);
    let (w, h) = (if random.chance(0.5) { 110.0 } else { 84.0 }, random.between(50.0, 58.0).round());
    let accent = any_of(&["#0077b6", "#d62828", "#2a7f3f", "#8f5f00"], random);
    let word = ["BUS TICKET", "TICKET DE BUS", "BILLETE DE BUS", "BILHETE", "TIKETI YA BASI", "FAHRSCHEIN"]
        .get(language)
        .copied()
        .unwrap_or("TICKET");
    let mut body = sheet(w, h, any_of(&["#fffdf5", "#eef7f2", "#fdf1e7"], random));
    body.push_str(&format!(r#"<rect width="{w}" height="10" fill="{accent}"/>"#));
    body.push_str(&text(5.0, 7.0, 4.6, r##"font-weight="bold" fill="#ffffff""##, word));
    let place = |random: &mut Random| words::title(language, 7, random);
    let rows = [
        format!("{} → {}", place(random), place(random)),
        format!("{}  {:02}:{:02}", words::date(random), random.integer(5, 23), random.integer(0, 59)),
        format!("No {}", words::digits(10, random)),
        format!("{}.{:02}", random.integer(1, 40), random.integer(0, 99)),
    ];
    for (row, line) in rows.iter().enumerate() {
        body.push_str(&text(5.0, 18.0 + 7.4 * row as f64, 3.4, INK, line));
    }
    body.push_str(&squares(w - 32.0, 15.0, 27.0, random));
    paper(body, w, h)
}

pub(super) fn parcel_label(random: &mut Random) -> Drawing {
    let language = words::language(random);
    let (w, h) = (100.0, 150.0);
    let mut body = sheet(w, h, "#fbfbfa");
    body.push_str(r##"<rect x="3" y="3" width="94" height="144" fill="none" stroke="#111111" stroke-width="0.6"/><path d="M3 40H97M3 84H97" stroke="#111111" stroke-width="0.6"/>"##);
    body.push_str(&text(
        7.0,
        16.0,
        8.0,
        r##"font-weight="bold" fill="#111111""##,
        any_of(&["EXPRESS", "PRIORITY", "COLIS", "PAKET"], random),
    ));
    for (block, y) in [(0, 24.0), (1, 50.0)] {
        let size = if block == 0 { 3.0 } else { 4.6 };
        let lines = [
            words::name(language, random).to_owned(),
            words::title(language, 16, random),
            format!("{} {}", words::digits(5, random), words::title(language, 9, random)),
        ];
        for (row, line) in lines.iter().enumerate() {
            body.push_str(&text(7.0, y + row as f64 * size * 1.5, size, INK, line));
        }
    }
    body.push_str(&bars(12.0, 92.0, 76.0, 32.0, random));
    let number =
        format!("{} {} {}", words::digits(4, random), words::digits(4, random), words::digits(4, random));
    body.push_str(&text(50.0, 134.0, 5.0, r##"text-anchor="middle" fill="#111111""##, &number));
    paper(body, w, h)
}
