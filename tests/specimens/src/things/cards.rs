//! Cards of plastic or board that no state issued.

use super::{Drawing, any_of, bars, sheet, squares, text, words};
use crate::geometry::Box2;
use crate::random::Random;
use crate::svg;

const CARD: [f64; 2] = [85.6, 53.98];
const GROUNDS: [&str; 9] =
    ["#1d3557", "#7b2d43", "#23694f", "#2b2b30", "#d9d4c7", "#e9c46a", "#457b9d", "#f1efe9", "#6d4c8f"];

fn card(body: String, portrait: Option<Box2>) -> Drawing {
    Drawing { body, width_mm: CARD[0], height_mm: CARD[1], corner_mm: 3.18, portrait }
}

/// A ground and ink that is seen on it.
fn ground(random: &mut Random) -> (String, &'static str) {
    let colour = any_of(&GROUNDS, random);
    let light = matches!(colour, "#d9d4c7" | "#e9c46a" | "#f1efe9");
    let (angle, circle) = (random.between(0.0, 1.0), random.between(10.0, 80.0));
    let body = format!(
        r##"<defs><linearGradient id="card" x1="0" y1="0" x2="1" y2="{angle:.2}"><stop offset="0" stop-color="{colour}"/><stop offset="1" stop-color="{colour}" stop-opacity="0.78"/></linearGradient></defs><rect width="{w}" height="{h}" fill="#8a8a8a"/><rect width="{w}" height="{h}" fill="url(#card)"/><circle cx="{circle:.0}" cy="60" r="42" fill="#ffffff" fill-opacity="0.08"/><circle cx="{:.0}" cy="4" r="30" fill="#000000" fill-opacity="0.06"/>"##,
        circle * 0.7,
        w = CARD[0],
        h = CARD[1]
    );
    (body, if light { "#1c1c1e" } else { "#f6f4ee" })
}

pub(super) fn blank(random: &mut Random) -> Drawing {
    let colour = if random.chance(0.4) {
        "#f7f7f5".to_owned()
    } else {
        svg::colour(std::array::from_fn(|_| random.integer(25, 240) as u8))
    };
    let mut body = sheet(CARD[0], CARD[1], &colour);
    if random.chance(0.3) {
        // A magnetic stripe or a chip, nothing printed.
        body.push_str(if random.chance(0.5) {
            r##"<rect y="6" width="85.6" height="12.7" fill="#2a211c"/>"##
        } else {
            r##"<rect x="10" y="19" width="12.5" height="10.5" rx="1.6" fill="#d8b45a"/>"##
        });
    }
    card(body, None)
}

pub(super) fn business(random: &mut Random) -> Drawing {
    let language = words::language(random);
    let (name, firm) = (words::name(language, random), words::firm(language, random));
    let accent = any_of(&["#c1121f", "#0b6e4f", "#1d4e89", "#444444", "#b5838d"], random);
    let x = random.between(6.0, 16.0);
    let mut body = sheet(85.0, 55.0, any_of(&["#ffffff", "#fbf8f1", "#f1f1f1", "#eef3f6"], random));
    body.push_str(&format!(r#"<rect width="{:.1}" height="55" fill="{accent}"/>"#, random.between(1.5, 5.0)));
    let mail = format!("{}@example.com", name.split(' ').next().unwrap_or("info").to_lowercase());
    let lines = [
        (14.0, 4.2, format!(r#"font-weight="bold" fill="{accent}""#), firm.to_owned()),
        (27.0, 4.0, r##"fill="#222222""##.to_owned(), name.to_owned()),
        (32.0, 2.5, r##"fill="#555555""##.to_owned(), words::title(language, 16, random)),
        (
            41.0,
            2.4,
            r##"fill="#333333""##.to_owned(),
            format!(
                "+{} {} {}",
                words::digits(3, random),
                words::digits(3, random),
                words::digits(6, random)
            ),
        ),
        (45.0, 2.4, r##"fill="#333333""##.to_owned(), mail),
        (
            49.0,
            2.4,
            r##"fill="#333333""##.to_owned(),
            format!("{}, {}", words::title(language, 12, random), words::digits(5, random)),
        ),
    ];
    for (y, size, style, content) in lines {
        body.push_str(&text(x, y, size, &style, &content));
    }
    Drawing { body, width_mm: 85.0, height_mm: 55.0, corner_mm: 0.4, portrait: None }
}

pub(super) fn bank(random: &mut Random) -> Drawing {
    let (mut body, ink) = ground(random);
    let bank =
        any_of(&["Banque Fictive", "Sample Bank", "Banco Ejemplo", "Musterbank", "Benki ya Mfano"], random);
    let name = words::name(words::language(random), random).to_uppercase();
    let number: Vec<String> = (0..4).map(|_| words::digits(4, random)).collect();
    body.push_str(r##"<rect x="10" y="19" width="12.5" height="10" rx="1.6" fill="#d8b45a"/><path d="M10 24h12.5M14 19v10M18.5 19v10" stroke="#8c6d22" stroke-width="0.4"/>"##);
    let plain = format!(r#"fill="{ink}""#);
    let mono = format!(r#"fill="{ink}" font-family="DejaVu Sans Mono""#);
    body.push_str(&text(8.0, 11.0, 5.0, &format!(r#"font-weight="bold" fill="{ink}""#), bank));
    body.push_str(&text(8.0, 37.5, 5.6, &mono, &number.join(" ")));
    body.push_str(&text(
        34.0,
        42.5,
        1.8,
        &plain,
        any_of(&["VALID THRU", "EXPIRE FIN", "VALIDO HASTA", "GÜLTIG BIS"], random),
    ));
    let thru = format!("{:02}/{}", random.integer(1, 12), random.integer(26, 31));
    body.push_str(&text(48.0, 43.0, 3.4, &mono, &thru));
    body.push_str(&text(8.0, 49.5, 3.3, &mono, &name));
    let (left, right) = (
        any_of(&["#e07a5f", "#81b29a", "#f2cc8f"], random),
        any_of(&["#3d405b", "#9a8c98", "#eeeeee"], random),
    );
    body.push_str(&format!(
        r#"<rect x="66" y="42" width="6.5" height="8" fill="{left}"/><rect x="71" y="42" width="6.5" height="8" fill="{right}" fill-opacity="0.8"/>"#
    ));
    card(body, None)
}

pub(super) fn loyalty(random: &mut Random) -> Drawing {
    let language = words::language(random);
    let (mut body, ink) = ground(random);
    let firm = words::firm(language, random);
    let word = [
        "Bonus Card",
        "Carte fidélité",
        "Tarjeta de socio",
        "Cartão cliente",
        "Kadi ya mteja",
        "Kundenkarte",
    ]
    .get(language)
    .copied()
    .unwrap_or("Card");
    body.push_str(&text(7.0, 12.0, 5.4, &format!(r#"font-weight="bold" fill="{ink}""#), firm));
    body.push_str(&text(7.0, 19.0, 3.6, &format!(r#"fill="{ink}""#), word));
    body.push_str(r##"<rect x="7" y="30" width="71" height="18" rx="1" fill="#ffffff"/>"##);
    body.push_str(&bars(12.0, 32.0, 60.0, 10.0, random));
    body.push_str(&text(
        22.0,
        46.4,
        3.2,
        r##"fill="#101010" font-family="DejaVu Sans Mono""##,
        &words::digits(13, random),
    ));
    card(body, None)
}

/// Much that an identity card has: a portrait, a name, dates, a number. No state issues it.
pub(super) fn student(random: &mut Random) -> Drawing {
    let language = words::language(random);
    let word = [
        "STUDENT CARD",
        "CARTE D'ÉTUDIANT",
        "CARNÉ DE ESTUDIANTE",
        "CARTÃO DE ESTUDANTE",
        "KADI YA MWANAFUNZI",
        "STUDIERENDENAUSWEIS",
    ]
    .get(language)
    .copied()
    .unwrap_or("STUDENT CARD");
    let school = [
        "University of Norhaven",
        "Université de Valbrume",
        "Universidad de Montalba",
        "Universidade de Rio Claro do Sul",
        "Chuo cha Maziwa Mapya",
        "Hochschule Lindental",
    ]
    .get(language)
    .copied()
    .unwrap_or("University");
    let accent = any_of(&["#22577a", "#9b2226", "#386641", "#5a189a"], random);
    let mut body = sheet(CARD[0], CARD[1], any_of(&["#fdfdfb", "#eef4f7", "#f8f3ea"], random));
    body.push_str(&format!(r#"<rect width="85.6" height="11" fill="{accent}"/>"#));
    body.push_str(&text(5.0, 7.2, 3.7, r##"font-weight="bold" fill="#ffffff""##, school));
    let x = 33.0;
    body.push_str(&text(x, 17.0, 3.0, &format!(r#"font-weight="bold" fill="{accent}""#), word));
    let labels = [
        ["Name", "Faculty", "Number", "Valid until"],
        ["Nom", "Faculté", "Numéro", "Valable jusqu'au"],
        ["Nombre", "Facultad", "Número", "Válido hasta"],
        ["Nome", "Faculdade", "Número", "Válido até"],
        ["Jina", "Kitivo", "Namba", "Mwisho"],
        ["Name", "Fakultät", "Nummer", "Gültig bis"],
    ]
    .get(language)
    .copied()
    .unwrap_or(["Name", "Faculty", "Number", "Valid until"]);
    let values = [
        words::name(language, random).to_owned(),
        words::title(language, 10, random),
        words::digits(8, random),
        words::date(random),
    ];
    for (row, (label, value)) in labels.into_iter().zip(&values).enumerate() {
        let y = 22.0 + 7.2 * row as f64;
        body.push_str(&text(x, y, 1.9, r##"fill="#6b6f76""##, label));
        body.push_str(&text(x, y + 3.6, 3.0, r##"fill="#15171a""##, value));
    }
    body.push_str(&squares(70.0, 38.0, 12.0, random));
    card(body, Some(Box2 { left: 5.0, top: 14.0, right: 29.0, bottom: 45.0 }))
}

pub(super) fn library(random: &mut Random) -> Drawing {
    let language = words::language(random);
    let word = [
        "City Library",
        "Bibliothèque municipale",
        "Biblioteca municipal",
        "Biblioteca municipal",
        "Maktaba ya mji",
        "Stadtbücherei",
    ]
    .get(language)
    .copied()
    .unwrap_or("Library");
    let (mut body, ink) = ground(random);
    body.push_str(&text(6.0, 11.0, 5.0, &format!(r#"font-weight="bold" fill="{ink}""#), word));
    body.push_str(&text(6.0, 20.0, 3.4, &format!(r#"fill="{ink}""#), words::name(language, random)));
    body.push_str(&text(6.0, 26.0, 2.8, &format!(r#"fill="{ink}""#), &words::date(random)));
    body.push_str(r##"<rect x="0" y="32" width="85.6" height="15" fill="#ffffff"/>"##);
    body.push_str(&bars(8.0, 34.0, 52.0, 8.0, random));
    body.push_str(&text(
        8.0,
        45.6,
        2.8,
        r##"fill="#101010" font-family="DejaVu Sans Mono""##,
        &format!("A{}B", words::digits(9, random)),
    ));
    card(body, None)
}

pub(super) fn badge(random: &mut Random) -> Drawing {
    let language = words::language(random);
    let accent = any_of(&["#e63946", "#2a9d8f", "#264653", "#f4a261"], random);
    let mut body = sheet(90.0, 110.0, "#ffffff");
    body.push_str(&format!(
        r##"<rect width="90" height="30" fill="{accent}"/><rect x="38" y="4" width="14" height="3.4" rx="1.7" fill="#dddddd"/>"##
    ));
    let event = format!("{} {}", words::title(language, 9, random), random.integer(2024, 2027));
    body.push_str(&text(
        45.0,
        20.0,
        6.4,
        r##"text-anchor="middle" font-weight="bold" fill="#ffffff""##,
        &event,
    ));
    body.push_str(&text(
        45.0,
        54.0,
        8.4,
        r##"text-anchor="middle" font-weight="bold" fill="#1a1a1a""##,
        words::name(language, random),
    ));
    body.push_str(&text(
        45.0,
        66.0,
        5.0,
        r##"text-anchor="middle" fill="#444444""##,
        words::firm(language, random),
    ));
    body.push_str(&squares(33.0, 76.0, 24.0, random));
    Drawing { body, width_mm: 90.0, height_mm: 110.0, corner_mm: 2.0, portrait: None }
}
