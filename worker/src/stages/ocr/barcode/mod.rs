//! Barcodes: finding them, reading them, and taking over what they say where their structure is
//! public. Anything malformed gives no fields.

mod aamva;
mod decode;
mod find;
mod locate;
mod merge;
mod mrz_text;
mod plain;
mod sample;

#[cfg(test)]
mod tests;

pub use find::find;
pub use merge::add_barcodes;

use super::mrz;
use jiff::civil::Date;
use txid_shared::partial::{Barcode, BarcodeContent};
use txid_shared::words::ImageRole;

/// A field as a barcode states it, under the contract's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    pub name: &'static str,
    /// Normalised: dates `YYYY-MM-DD`, gender `M`, `F` or `X`.
    pub value: String,
    pub raw: String,
}

impl Fact {
    fn new(name: &'static str, value: impl Into<String>, raw: impl Into<String>) -> Self {
        Self { name, value: value.into(), raw: raw.into() }
    }
}

/// What the text of a barcode is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Aamva(Vec<Fact>),
    Mrz(Vec<Fact>),
    Plain(Vec<Fact>),
    /// One word that may be the number of the document or of the holder, or of something else.
    Number(String),
    Nothing,
}

impl Said {
    pub fn of(text: &str, today: Date) -> Self {
        if let Some(facts) = aamva::facts(text, today) {
            return Self::Aamva(facts);
        }
        if let Some(facts) = mrz_text::facts(text, today) {
            return Self::Mrz(facts);
        }
        if let Some(facts) = plain::facts(text, today) {
            return Self::Plain(facts);
        }
        plain::number(text).map_or(Self::Nothing, Self::Number)
    }

    pub fn facts(&self) -> &[Fact] {
        match self {
            Self::Aamva(facts) | Self::Mrz(facts) | Self::Plain(facts) => facts,
            Self::Number(_) | Self::Nothing => &[],
        }
    }
}

/// One barcode of one side.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadBarcode {
    /// `content` is [`BarcodeContent::Opaque`] for a number until it is known what of.
    pub described: Barcode,
    pub said: Said,
}

impl ReadBarcode {
    /// Whether it makes a document by itself: names and a number or a date, in a known structure.
    pub fn makes_a_document(&self) -> bool {
        let states = |name: &str| self.said.facts().iter().any(|fact| fact.name == name);
        (states("last_name") || states("full_name")) && (states("document_number") || states("date_of_birth"))
    }

    fn new(symbol: find::Symbol, image: ImageRole, today: Date) -> Self {
        let said = Said::of(&symbol.text, today);
        let content = match said {
            Said::Aamva(_) => BarcodeContent::Aamva,
            Said::Mrz(_) => BarcodeContent::Mrz,
            Said::Plain(_) => BarcodeContent::Plain,
            Said::Number(_) | Said::Nothing => BarcodeContent::Opaque,
        };
        let (format, polygon, bytes) = (symbol.format, symbol.polygon, symbol.text.len());
        Self { described: Barcode { format, image, polygon, content, bytes }, said }
    }
}

/// All barcodes of one picture.
pub fn read(picture: &txid_imaging::RgbImage, image: ImageRole, today: Date) -> Vec<ReadBarcode> {
    find(picture).into_iter().map(|symbol| ReadBarcode::new(symbol, image, today)).collect()
}
