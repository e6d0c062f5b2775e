//! Document designs are data: an SVG template per side and a TOML file. `{{name}}` in a template
//! is replaced by the holder's value; a `<text id="field.NAME">` (several lines: `field.NAME.0`,
//! `field.NAME.1` …) or `<text id="mrz.N">` is located for the truth.

use crate::Error;
use crate::geometry::Box2;
use crate::mrz::{self, MrzContent, MrzFormat};
use crate::pattern::Pattern;
use crate::person::{Person, Sex};
use crate::truth::Role;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A design as its TOML file states it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Design {
    pub name: String,
    /// ISO 3166-1 alpha-3, also the issuer in the MRZ.
    pub issuer: String,
    /// ISO 3166-1 alpha-2 and document type, as the API takes them.
    pub country: String,
    pub document_type: String,
    pub size_mm: [f64; 2],
    pub corner_radius_mm: f64,
    /// Width of the templates' coordinates.
    pub template_width: f64,
    /// Of `dd`, `mm`, `yyyy`.
    pub date_pattern: String,
    pub mrz: MrzDesign,
    /// API field ← value of the holder that it is.
    pub fields: BTreeMap<String, String>,
    pub sides: Vec<Side>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MrzDesign {
    pub format: MrzFormat,
    pub document_code: String,
    /// Values of the holder.
    pub document_number: String,
    #[serde(default)]
    pub optional_data: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Side {
    pub role: Role,
    /// File name of the template.
    pub template: String,
    /// Colours from the left to the right edge.
    pub ground: Vec<String>,
    #[serde(default)]
    pub patterns: Vec<Pattern>,
    #[serde(default)]
    pub portraits: Vec<PortraitPlace>,
}

/// Where the holder's portrait is printed, in template coordinates.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortraitPlace {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
    /// 0..1
    pub opacity: f64,
    /// 0 (grey) .. 1 (as photographed)
    pub saturation: f64,
}

impl PortraitPlace {
    pub fn area(&self) -> Box2 {
        Box2 { left: self.x, top: self.y, right: self.x + self.width, bottom: self.y + self.height }
    }
}

macro_rules! designs {
    ($($file:literal [$($template:literal),+]),+ $(,)?) => {
        const DESIGNS: &[&str] = &[$(include_str!(concat!("../designs/", $file))),+];
        const TEMPLATES: &[(&str, &str)] = &[$($(($template, include_str!(concat!("../designs/", $template)))),+),+];
    };
}

designs! {
    "mar_national_id_2020.toml" ["mar_national_id_2020_front.svg", "mar_national_id_2020_back.svg"],
    "mar_passport.toml" ["mar_passport.svg"],
}

impl Design {
    pub fn all() -> Result<Vec<Self>, Error> {
        DESIGNS
            .iter()
            .map(|text| {
                toml::from_str(text).map_err(|source| Error::Data { what: "a design".to_owned(), source })
            })
            .collect()
    }

    pub fn named(name: &str) -> Result<Self, Error> {
        Self::all()?
            .into_iter()
            .find(|design| design.name == name)
            .ok_or_else(|| Error::Unknown { kind: "design", given: name.to_owned() })
    }

    pub fn template_height(&self) -> f64 {
        self.template_width * self.size_mm[1] / self.size_mm[0]
    }

    pub fn side(&self, role: Role) -> Option<&Side> {
        self.sides.iter().find(|side| side.role == role)
    }

    pub fn mrz_lines(&self, person: &Person) -> Result<Vec<String>, Error> {
        let values = normalised(person);
        let value = |name: &str| {
            values
                .get(name)
                .map(String::as_str)
                .ok_or_else(|| Error::Unknown { kind: "value", given: name.to_owned() })
        };
        Ok(mrz::write(
            self.mrz.format,
            &MrzContent {
                document_code: &self.mrz.document_code,
                issuer: &self.issuer,
                surname: &person.surname.latin,
                given_names: &person.given_names.latin,
                document_number: value(&self.mrz.document_number)?,
                nationality: &person.country,
                date_of_birth: person.date_of_birth,
                sex: person.sex,
                expiry_date: person.expiry_date,
                optional_data: self.mrz.optional_data.as_deref().map(value).transpose()?.unwrap_or(""),
            },
        ))
    }

    /// The fields of the API that this document carries, normalised.
    pub fn field_values(&self, person: &Person) -> Result<BTreeMap<String, String>, Error> {
        let values = normalised(person);
        self.fields
            .iter()
            .map(|(field, source)| match values.get(source.as_str()) {
                Some(value) => Ok((field.clone(), value.clone())),
                None => Err(Error::Unknown { kind: "value", given: source.clone() }),
            })
            .collect()
    }

    /// The template of one side with the holder's values in place, ready for the renderer.
    pub fn filled(&self, side: &Side, person: &Person) -> Result<String, Error> {
        let (_, template) = TEMPLATES
            .iter()
            .find(|(name, _)| *name == side.template)
            .ok_or_else(|| Error::Unknown { kind: "template", given: side.template.clone() })?;
        let mut values = self.printed(person);
        for (number, line) in self.mrz_lines(person)?.into_iter().enumerate() {
            values.insert(format!("mrz_{number}"), line);
        }
        let mut rest = *template;
        let mut filled = String::with_capacity(template.len() + 1024);
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after
                .split_once("}}")
                .ok_or_else(|| Error::Unknown { kind: "placeholder", given: side.template.clone() })?;
            let value = values
                .get(name)
                .ok_or_else(|| Error::Unknown { kind: "placeholder", given: name.to_owned() })?;
            filled.push_str(before);
            filled.push_str(&value.replace('&', "&amp;").replace('<', "&lt;"));
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// Values as printed: dates in the design's order, everything else as it is.
    fn printed(&self, person: &Person) -> BTreeMap<String, String> {
        let mut values: BTreeMap<String, String> =
            normalised(person).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        for (name, date) in [
            ("date_of_birth", person.date_of_birth),
            ("issue_date", person.issue_date),
            ("expiry_date", person.expiry_date),
        ] {
            values.insert(name.to_owned(), date.printed(&self.date_pattern));
        }
        values.insert("nationality".to_owned(), person.nationality_printed.clone());
        // French and Arabic grammar follows the holder's sex.
        let female = person.sex == Sex::Female;
        for (name, male_word, female_word) in [
            ("born", "Né le", "Née le"),
            ("born_arabic", "مزداد بتاريخ", "مزدادة بتاريخ"),
            ("child", "Fils de", "Fille de"),
            ("child_arabic", "ابن", "ابنة"),
        ] {
            values.insert(name.to_owned(), if female { female_word } else { male_word }.to_owned());
        }
        values
    }
}

/// Everything that can be said of a person, by name; dates `YYYY-MM-DD`.
fn normalised(person: &Person) -> BTreeMap<&'static str, String> {
    let [street, town] = &person.address;
    BTreeMap::from([
        ("first_name", person.given_names.latin.clone()),
        ("first_name_arabic", person.given_names.arabic.clone()),
        ("last_name", person.surname.latin.clone()),
        ("last_name_arabic", person.surname.arabic.clone()),
        ("full_name", format!("{} {}", person.given_names.latin, person.surname.latin)),
        ("gender", person.sex.printed().to_owned()),
        ("date_of_birth", person.date_of_birth.to_string()),
        ("issue_date", person.issue_date.to_string()),
        ("expiry_date", person.expiry_date.to_string()),
        ("place_of_birth", person.place_of_birth.latin.clone()),
        ("place_of_birth_arabic", person.place_of_birth.arabic.clone()),
        ("address", format!("{} {}", street.latin, town.latin)),
        ("address_line_0", street.latin.clone()),
        ("address_line_1", town.latin.clone()),
        ("address_arabic", format!("{} {}", street.arabic, town.arabic)),
        ("father", person.father.latin.clone()),
        ("father_arabic", person.father.arabic.clone()),
        ("mother", person.mother.latin.clone()),
        ("mother_arabic", person.mother.arabic.clone()),
        ("nationality", person.nationality_name.clone()),
        ("national_id_number", person.national_id_number.clone()),
        ("passport_number", person.passport_number.clone()),
        ("access_number", person.access_number.clone()),
        ("civil_status_number", person.civil_status_number.clone()),
        ("authority", person.authority.clone()),
        ("country_code", person.country.clone()),
    ])
}
