//! Fictitious people: names, dates, numbers and places combined at random from a country's lists.

use crate::random::Random;
use crate::{Error, asset::Assets};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A civil date of the proleptic Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    pub year: u16,
    pub month: u8,
    pub day: u8,
}

impl Date {
    /// In the order and with the marks of `pattern`, made of `dd`, `mm` and `yyyy`.
    pub fn printed(self, pattern: &str) -> String {
        pattern
            .replace("yyyy", &format!("{:04}", self.year))
            .replace("mm", &format!("{:02}", self.month))
            .replace("dd", &format!("{:02}", self.day))
    }

    pub const fn plus_years(self, years: u16) -> Self {
        Self { year: self.year + years, ..self }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.printed("yyyy-mm-dd"))
    }
}

impl Serialize for Date {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Sex {
    #[serde(rename = "M")]
    Male,
    #[serde(rename = "F")]
    Female,
}

impl Sex {
    pub const fn printed(self) -> &'static str {
        match self {
            Self::Male => "M",
            Self::Female => "F",
        }
    }

    /// As in an MRZ.
    pub const fn mrz(self) -> char {
        match self {
            Self::Male => 'M',
            Self::Female => 'F',
        }
    }
}

/// One text in the scripts that a document prints it in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(from = "(String, String)")]
pub struct Name {
    pub latin: String,
    pub arabic: String,
}

impl From<(String, String)> for Name {
    fn from((latin, arabic): (String, String)) -> Self {
        Self { latin, arabic }
    }
}

impl Name {
    fn joined(&self, separator: &str, other: &Self) -> Self {
        Self {
            latin: format!("{}{separator}{}", self.latin, other.latin),
            arabic: format!("{}{separator}{}", self.arabic, other.arabic),
        }
    }
}

/// Somebody who does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Person {
    /// ISO 3166-1 alpha-3.
    pub country: String,
    pub given_names: Name,
    pub surname: Name,
    pub sex: Sex,
    pub date_of_birth: Date,
    pub place_of_birth: Name,
    /// Number, street, district, town.
    pub address: [Name; 2],
    pub father: Name,
    pub mother: Name,
    pub national_id_number: String,
    pub passport_number: String,
    /// Six digits printed on the card's front, needed to open its chip.
    pub access_number: String,
    pub civil_status_number: String,
    pub issue_date: Date,
    pub expiry_date: Date,
    pub authority: String,
    pub nationality_name: String,
    pub nationality_printed: String,
    /// Whose face the portrait shows, as `photographs.toml` names them.
    pub face: String,
}

/// What a country's people are called and where they live.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Names {
    pub nationality_name: String,
    pub nationality_printed: String,
    male: Vec<Name>,
    female: Vec<Name>,
    surnames: Vec<Name>,
    places: Vec<Name>,
    streets: Vec<Name>,
    districts: Vec<Name>,
    number_prefixes: Vec<String>,
    passport_prefixes: Vec<String>,
    authorities: Vec<String>,
}

const NAMES: &[(&str, &str)] = &[("MAR", include_str!("../people/MAR.toml"))];

impl Names {
    /// By ISO 3166-1 alpha-3.
    pub fn of(country: &str) -> Result<Self, Error> {
        let (_, text) = NAMES
            .iter()
            .find(|(code, _)| *code == country)
            .ok_or_else(|| Error::Unknown { kind: "country", given: country.to_owned() })?;
        toml::from_str(text).map_err(|source| Error::Data { what: format!("people/{country}.toml"), source })
    }

    /// The same seed gives the same person. Adults; documents issued 2021 to 2025, valid ten years.
    pub fn person(&self, country: &str, assets: &Assets, seed: u64) -> Result<Person, Error> {
        let mut random = Random::stream(seed, "person");
        let sex = if random.chance(0.7) { Sex::Male } else { Sex::Female };
        let given = match sex {
            Sex::Male => &self.male,
            Sex::Female => &self.female,
        };
        let town = drawn(&mut random, &self.places, "places")?;
        let house = random.integer(1, 240).to_string();
        let house = Name { latin: house.clone(), arabic: house };
        let street = drawn(&mut random, &self.streets, "streets")?;
        let district = drawn(&mut random, &self.districts, "districts")?;
        let prefix = drawn(&mut random, &self.number_prefixes, "number_prefixes")?;
        // One letter and six digits, or two letters and six: both are in use.
        let national_id_number = format!("{prefix}{:06}", random.integer(1_000, 999_999));
        let passport_prefix = drawn(&mut random, &self.passport_prefixes, "passport_prefixes")?;
        let date_of_birth = date(&mut random, 1955, 2003);
        let issue_date = date(&mut random, 2021, 2025);
        Ok(Person {
            country: country.to_owned(),
            given_names: drawn(&mut random, given, "given names")?,
            surname: drawn(&mut random, &self.surnames, "surnames")?,
            sex,
            date_of_birth,
            place_of_birth: drawn(&mut random, &self.places, "places")?,
            address: [house.joined(" ", &street), district.joined(" ", &town)],
            father: drawn(&mut random, &self.male, "male")?
                .joined(" ", &drawn(&mut random, &self.male, "male")?),
            mother: drawn(&mut random, &self.female, "female")?
                .joined(" ", &drawn(&mut random, &self.male, "male")?),
            national_id_number,
            passport_number: format!("{passport_prefix}{:07}", random.integer(1_000, 9_999_999)),
            access_number: format!("{:06}", random.integer(0, 999_999)),
            civil_status_number: format!("{}/{}", random.integer(10, 2999), date_of_birth.year),
            issue_date,
            expiry_date: issue_date.plus_years(10),
            authority: drawn(&mut random, &self.authorities, "authorities")?,
            nationality_name: self.nationality_name.clone(),
            nationality_printed: self.nationality_printed.clone(),
            face: drawn(&mut random, &assets.faces_with_two_photographs(), "faces")?,
        })
    }
}

fn drawn<T: Clone>(random: &mut Random, from: &[T], what: &str) -> Result<T, Error> {
    random.pick(from).cloned().ok_or_else(|| Error::Empty { what: what.to_owned() })
}

/// Days 1 to 28, so that every date plus years exists.
fn date(random: &mut Random, first_year: i64, last_year: i64) -> Date {
    Date {
        year: random.integer(first_year, last_year) as u16,
        month: random.integer(1, 12) as u8,
        day: random.integer(1, 28) as u8,
    }
}
