//! Fictitious people: names, dates, numbers and places combined at random from a country's lists.

pub use crate::date::Date;
use crate::random::Random;
use crate::{Error, asset::Assets};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
#[serde(from = "Written")]
pub struct Name {
    pub latin: String,
    /// Empty where the country writes no Arabic.
    pub arabic: String,
}

/// How a name stands in a list: `["OMAR", "عمر"]` or `"OMAR"`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Both(String, String),
    Latin(String),
}

impl From<Written> for Name {
    fn from(written: Written) -> Self {
        let (latin, arabic) = match written {
            Written::Both(latin, arabic) => (latin, arabic),
            Written::Latin(latin) => (latin, String::new()),
        };
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
    /// What the person was drawn from: numbers that a design makes up are drawn from it, too.
    pub seed: u64,
    /// Parts that some designs print by themselves: `town`, `street_arabic`, `father_0` …
    pub parts: BTreeMap<String, String>,
}

/// What a country's people are called and where they live.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Names {
    /// The English adjective.
    pub nationality_name: String,
    pub nationality_printed: String,
    /// What the country is called in Arabic.
    #[serde(default)]
    country_arabic: String,
    /// ISO 3166-1 alpha-3 of a country whose given names (and, where none are listed, surnames) are
    /// in use here, too.
    #[serde(default)]
    given_names_of: Option<String>,
    #[serde(default)]
    male: Vec<Name>,
    #[serde(default)]
    female: Vec<Name>,
    #[serde(default)]
    surnames: Vec<Name>,
    /// The father's surname, then the mother's.
    #[serde(default)]
    double_surnames: bool,
    places: Vec<Name>,
    streets: Vec<Name>,
    districts: Vec<Name>,
    /// The number of the house after the street.
    #[serde(default)]
    house_last: bool,
    /// Of the one number scheme that is not a design's own (Morocco's cards).
    #[serde(default)]
    number_prefixes: Vec<String>,
    #[serde(default)]
    passport_prefixes: Vec<String>,
    authorities: Vec<String>,
}

macro_rules! names {
    ($($country:literal)+) => {
        const NAMES: &[(&str, &str)] = &[$(($country, include_str!(concat!("../people/", $country, ".toml")))),+];
    };
}

names! {
    "MAR" "DZA" "EGY" "SAU" "ARE" "NGA" "KEN" "ZAF" "FRA" "TUN" "JOR" "LBN" "KWT" "QAT" "BHR" "OMN" "GHA" "CIV" "SEN"
    "CMR" "TZA" "UGA" "RWA" "GBR" "ESP" "ITA" "UTO"
}

impl Names {
    /// By ISO 3166-1 alpha-3.
    pub fn of(country: &str) -> Result<Self, Error> {
        let (_, text) = NAMES
            .iter()
            .find(|(code, _)| *code == country)
            .ok_or_else(|| Error::Unknown { kind: "country", given: country.to_owned() })?;
        let mut names: Self = toml::from_str(text)
            .map_err(|source| Error::Data { what: format!("people/{country}.toml"), source })?;
        if let Some(other) = names.given_names_of.take() {
            let other = Self::of(&other)?;
            names.male.extend(other.male);
            names.female.extend(other.female);
            if names.surnames.is_empty() {
                names.surnames = other.surnames;
            }
        }
        Ok(names)
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
        let prefix = random.pick(&self.number_prefixes).cloned().unwrap_or_default();
        // One letter and six digits, or two letters and six: both are in use.
        let national_id_number = format!("{prefix}{:06}", random.integer(1_000, 999_999));
        let passport_prefix = random.pick(&self.passport_prefixes).cloned().unwrap_or_default();
        let date_of_birth = date(&mut random, 1955, 2003);
        let issue_date = date(&mut random, 2021, 2025);
        let given_names = drawn(&mut random, given, "given names")?;
        let mut surname = drawn(&mut random, &self.surnames, "surnames")?;
        let place_of_birth = drawn(&mut random, &self.places, "places")?;
        let mut two = |names: &[Name]| {
            Ok::<_, Error>([drawn(&mut random, names, "names")?, drawn(&mut random, &self.male, "male")?])
        };
        let (father, mother) = (two(&self.male)?, two(&self.female)?);
        let mut parts = BTreeMap::from([("country_arabic".to_owned(), self.country_arabic.clone())]);
        let mut part = |name: &str, value: &Name| {
            parts.insert(name.to_owned(), value.latin.clone());
            parts.insert(format!("{name}_arabic"), value.arabic.clone());
        };
        part("surname_0", &surname);
        if self.double_surnames {
            let second = drawn(&mut Random::stream(seed, "second surname"), &self.surnames, "surnames")?;
            part("surname_1", &second);
            surname = surname.joined(" ", &second);
        }
        for (name, value) in [
            ("town", &town),
            ("street", &street),
            ("district", &district),
            ("father_0", &father[0]),
            ("father_1", &father[1]),
            ("mother_0", &mother[0]),
        ] {
            part(name, value);
        }
        let street = if self.house_last { street.joined(" ", &house) } else { house.joined(" ", &street) };
        Ok(Person {
            country: country.to_owned(),
            given_names,
            surname,
            sex,
            date_of_birth,
            place_of_birth,
            address: [street, district.joined(" ", &town)],
            father: father[0].joined(" ", &father[1]),
            mother: mother[0].joined(" ", &mother[1]),
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
            seed,
            parts,
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
