//! Things that are not identity documents, drawn as documents are: SVG in millimetres. They lie
//! around documents, and alone they are pictures in which nothing may be found.

mod cards;
mod leaves;
mod prints;
mod words;

use crate::geometry::Box2;
use crate::random::Random;
use serde::Serialize;

macro_rules! kinds {
    ($($(#[$meta:meta])* $variant:ident => $name:literal),+ $(,)?) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Kind { $($(#[$meta])* $variant),+ }

        impl Kind {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

kinds! {
    /// A table with objects on it.
    Desk => "desk",
    /// A room, no table.
    Room => "room",
    /// Plastic of one colour.
    BlankCard => "blank_card",
    BusinessCard => "business_card",
    /// Sixteen digits, name, valid thru; of a bank that does not exist.
    BankCard => "bank_card",
    LoyaltyCard => "loyalty_card",
    /// Of a university that does not exist, with a portrait.
    StudentCard => "student_card",
    LibraryCard => "library_card",
    EventBadge => "event_badge",
    BusTicket => "bus_ticket",
    Receipt => "receipt",
    Letter => "letter",
    BookPage => "book_page",
    Menu => "menu",
    ParcelLabel => "parcel_label",
    Screen => "screen",
    Poster => "poster",
}

/// SVG elements for a sheet of this size, its top left corner at the origin.
#[derive(Debug, Clone)]
pub(crate) struct Drawing {
    pub body: String,
    pub width_mm: f64,
    pub height_mm: f64,
    pub corner_mm: f64,
    /// Where a portrait is pasted in.
    pub portrait: Option<Box2>,
}

/// `Desk` and `Room` are not sheets; for them a letter is drawn.
pub(crate) fn drawing(kind: Kind, random: &mut Random) -> Drawing {
    match kind {
        Kind::BlankCard => cards::blank(random),
        Kind::BusinessCard => cards::business(random),
        Kind::BankCard => cards::bank(random),
        Kind::LoyaltyCard => cards::loyalty(random),
        Kind::StudentCard => cards::student(random),
        Kind::LibraryCard => cards::library(random),
        Kind::EventBadge => cards::badge(random),
        Kind::BusTicket => leaves::bus_ticket(random),
        Kind::Receipt => leaves::receipt(random),
        Kind::Desk | Kind::Room | Kind::Letter => leaves::letter(random),
        Kind::BookPage => leaves::book_page(random),
        Kind::Menu => prints::menu(random),
        Kind::ParcelLabel => leaves::parcel_label(random),
        Kind::Screen => prints::screen(random),
        Kind::Poster => prints::poster(random),
    }
}

/// One line of text; `size` is that of the letters' body, mm.
pub(crate) fn text(x: f64, y: f64, size: f64, style: &str, content: &str) -> String {
    let content = crate::svg::escaped(content);
    format!(r#"<text x="{x:.2}" y="{y:.2}" font-size="{size:.2}" {style}>{content}</text>"#)
}

pub(crate) fn sheet(width_mm: f64, height_mm: f64, fill: &str) -> String {
    format!(r#"<rect width="{width_mm}" height="{height_mm}" fill="{fill}"/>"#)
}

/// Squares as a QR code has them, three finders included; it codes nothing.
pub(crate) fn squares(x: f64, y: f64, side: f64, random: &mut Random) -> String {
    const CELLS: i64 = 25;
    let cell = side / CELLS as f64;
    let mut path = String::new();
    for row in 0..CELLS {
        for column in 0..CELLS {
            let finder = |r: i64, c: i64| {
                let (r, c) = (row - r, column - c);
                (-1..=7).contains(&r) && (-1..=7).contains(&c)
            };
            if finder(0, 0) || finder(0, CELLS - 7) || finder(CELLS - 7, 0) || random.chance(0.52) {
                continue;
            }
            let (left, top) = (x + column as f64 * cell, y + row as f64 * cell);
            path.push_str(&format!("M{left:.2} {top:.2}h{cell:.2}v{cell:.2}h-{cell:.2}z"));
        }
    }
    let mut body = format!(r##"<path d="{path}" fill="#101010"/>"##);
    for (row, column) in [(0, 0), (0, CELLS - 7), (CELLS - 7, 0)] {
        let (left, top) = (x + column as f64 * cell, y + row as f64 * cell);
        body.push_str(&format!(
            r##"<rect x="{:.2}" y="{:.2}" width="{:.2}" height="{:.2}" fill="none" stroke="#101010" stroke-width="{cell:.2}"/><rect x="{:.2}" y="{:.2}" width="{:.2}" height="{:.2}" fill="#101010"/>"##,
            left + cell / 2.0,
            top + cell / 2.0,
            cell * 6.0,
            cell * 6.0,
            left + cell * 2.0,
            top + cell * 2.0,
            cell * 3.0,
            cell * 3.0
        ));
    }
    body
}

/// Bars as a bar code has them; they code nothing.
pub(crate) fn bars(x: f64, y: f64, width: f64, height: f64, random: &mut Random) -> String {
    let mut body = String::new();
    let mut at = 0.0;
    while at < width {
        let bar = 0.33 * random.integer(1, 4) as f64;
        body.push_str(&format!(
            r##"<rect x="{:.2}" y="{y:.2}" width="{:.2}" height="{height:.2}" fill="#101010"/>"##,
            x + at,
            bar.min(width - at)
        ));
        at += bar + 0.33 * random.integer(1, 4) as f64;
    }
    body
}

pub(crate) fn any_of<'a>(from: &[&'a str], random: &mut Random) -> &'a str {
    random.pick(from).copied().unwrap_or_default()
}
