//! Document designs are data: a TOML file in which each side has a layout (`layout.rs`), or an SVG
//! template of its own. `{{name}}` in a template is replaced by the holder's value; a
//! `<text id="field.NAME">` (several lines: `field.NAME.0`, `field.NAME.1` …) or `<text id="mrz.N">`
//! is located for the truth.

use crate::Error;
use crate::geometry::Box2;
use crate::layout::{Filling, Layout};
use crate::mrz::{self, MrzContent, MrzFormat};
use crate::pattern::Pattern;
use crate::person::Person;
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
    /// An ID-1 card (ISO/IEC 7810) where absent.
    #[serde(default = "id1_mm")]
    pub size_mm: [f64; 2],
    #[serde(default = "id1_radius_mm")]
    pub corner_radius_mm: f64,
    /// Width of the templates' coordinates.
    #[serde(default = "template_width")]
    pub template_width: f64,
    /// See [`crate::person::Date::printed`].
    pub date_pattern: String,
    #[serde(default = "ten")]
    pub validity_years: u16,
    /// Where holders come from, ISO 3166-1 alpha-3; the issuer's own people where empty.
    #[serde(default)]
    pub holders: Vec<String>,
    /// What this document prints of its holder beyond what every holder has, or otherwise: patterns
    /// of [`crate::number`].
    #[serde(default)]
    pub values: BTreeMap<String, String>,
    #[serde(default)]
    pub mrz: Option<MrzDesign>,
    /// API field ← value of the holder that it is. What a layout prints need not be repeated.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
    pub sides: Vec<Side>,
}

const fn id1_mm() -> [f64; 2] {
    [85.6, 53.98]
}
const fn id1_radius_mm() -> f64 {
    3.18
}
const fn template_width() -> f64 {
    1600.0
}
const fn ten() -> u16 {
    10
}
const fn full() -> f64 {
    1.0
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MrzDesign {
    pub format: MrzFormat,
    pub document_code: String,
    /// Where it is not the design's issuer.
    #[serde(default)]
    pub issuer: Option<String>,
    /// Values of the holder.
    pub document_number: String,
    #[serde(default)]
    pub optional_data: Option<String>,
    #[serde(default)]
    pub optional_data_2: Option<String>,
    #[serde(default)]
    pub given_names: Option<String>,
    #[serde(default)]
    pub surname: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Side {
    pub role: Role,
    /// File name of the template, where the side has no layout.
    #[serde(default)]
    pub template: String,
    #[serde(default)]
    pub layout: Option<Layout>,
    /// Colours from the left to the right edge; a layout brings its own.
    #[serde(default)]
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
    #[serde(default = "full")]
    pub opacity: f64,
    /// 0 (grey) .. 1 (as photographed)
    #[serde(default = "full")]
    pub saturation: f64,
}

impl PortraitPlace {
    pub fn area(&self) -> Box2 {
        Box2 { left: self.x, top: self.y, right: self.x + self.width, bottom: self.y + self.height }
    }
}

macro_rules! designs {
    ($($name:literal)+) => {
        const DESIGNS: &[&str] = &[$(include_str!(concat!("../designs/", $name, ".toml"))),+];
    };
}

macro_rules! templates {
    ($($file:literal)+) => {
        const TEMPLATES: &[(&str, &str)] = &[$(($file, include_str!(concat!("../designs/", $file)))),+];
    };
}

designs! {
    "mar_national_id_2020"
    "mar_passport"
    "mar_national_id_2008"
    "mar_driving_license"
    "mar_residence_permit"
    "dza_national_id"
    "dza_passport"
    "egy_national_id"
    "egy_passport"
    "sau_national_id"
    "sau_residence_permit"
    "sau_passport"
    "are_national_id"
    "are_passport"
    "nga_national_id"
    "nga_passport"
    "nga_driving_license"
    "nga_voter_id"
    "ken_national_id"
    "ken_passport"
    "zaf_national_id"
    "zaf_passport"
    "fra_national_id"
    "fra_national_id_1995"
    "fra_passport"
    "fra_residence_permit"
    "tun_national_id"
    "tun_passport"
    "jor_national_id"
    "jor_passport"
    "lbn_national_id"
    "lbn_passport"
    "kwt_national_id"
    "kwt_passport"
    "qat_national_id"
    "qat_passport"
    "bhr_national_id"
    "bhr_passport"
    "omn_national_id"
    "omn_passport"
    "gha_national_id"
    "gha_passport"
    "civ_national_id"
    "civ_passport"
    "sen_national_id"
    "sen_passport"
    "cmr_national_id"
    "cmr_passport"
    "tza_national_id"
    "tza_passport"
    "uga_national_id"
    "uga_passport"
    "rwa_national_id"
    "rwa_passport"
    "gbr_passport"
    "gbr_residence_permit"
    "esp_national_id"
    "esp_passport"
    "ita_national_id"
    "ita_passport"
    "uto_visa_a"
    "uto_visa_b"
    "uto_td2"
}

templates! {
    "mar_national_id_2020_front.svg"
    "mar_national_id_2020_back.svg"
    "mar_passport.svg"
}

impl Design {
    pub fn all() -> Result<Vec<Self>, Error> {
        DESIGNS
            .iter()
            .map(|text| {
                toml::from_str(text)
                    .map(Self::complete)
                    .map_err(|source| Error::Data { what: "a design".to_owned(), source })
            })
            .collect()
    }

    fn complete(mut self) -> Self {
        let (width, height) = (self.template_width, self.template_height());
        for side in &mut self.sides {
            if let Some(layout) = &side.layout {
                side.ground.clone_from(&layout.look.ground);
                let name = format!("{}/{}", self.name, side.role.as_str());
                side.patterns = layout.look.patterns(&name, width, height);
            }
        }
        self
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

    /// Empty where the document has none.
    pub fn mrz_lines(&self, person: &Person) -> Result<Vec<String>, Error> {
        let Some(zone) = &self.mrz else { return Ok(Vec::new()) };
        let value = |name: &str| self.normalised(name, person);
        let of = |name: &Option<String>| name.as_deref().map(value).transpose();
        // Marks that divide a number are not in the zone.
        let number = |text: String| text.replace([' ', '-', '/', '.'], "");
        Ok(mrz::write(
            zone.format,
            &MrzContent {
                document_code: &zone.document_code,
                issuer: zone.issuer.as_deref().unwrap_or(&self.issuer),
                surname: &of(&zone.surname)?.unwrap_or_else(|| person.surname.latin.clone()),
                given_names: &of(&zone.given_names)?.unwrap_or_else(|| person.given_names.latin.clone()),
                document_number: &number(value(&zone.document_number)?),
                nationality: &person.country,
                date_of_birth: person.date_of_birth,
                sex: person.sex,
                expiry_date: person.expiry_date,
                optional_data: &number(of(&zone.optional_data)?.unwrap_or_default()),
                optional_data_2: &number(of(&zone.optional_data_2)?.unwrap_or_default()),
            },
        ))
    }

    /// The template of one side with the holder's values in place, ready for the renderer.
    pub fn filled(&self, side: &Side, person: &Person) -> Result<String, Error> {
        if let Some(layout) = &side.layout {
            let lines = self.mrz_lines(person)?;
            return layout.svg(&Filling {
                width: self.template_width,
                height: self.template_height(),
                width_mm: self.size_mm[0],
                values: &self.printed(person)?,
                mrz: self.mrz.as_ref().map(|zone| (zone.format, lines.as_slice())),
                portraits: &side.portraits,
            });
        }
        let (_, template) = TEMPLATES
            .iter()
            .find(|(name, _)| *name == side.template)
            .ok_or_else(|| Error::Unknown { kind: "template", given: side.template.clone() })?;
        let mut values = self.printed(person)?;
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
}
