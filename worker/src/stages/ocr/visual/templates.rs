//! What a country's documents look like: data files, one per country, a section per document type
//! and generation. A template helps to read a document that says by itself what it is; it never
//! makes one out of a picture of something else.

use super::frame::Anchor;
use super::labels::{Dictionary, Kind};
use super::numbers::Scheme;
use super::pattern::Pattern;
use super::titles::{Phrases, folded_title};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use txid_shared::documents::SUPPORTED;
use txid_shared::words::DocumentType;

/// One section of a data file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    #[serde(rename = "type")]
    document: DocumentType,
    generation: String,
    /// Groups of phrases: a document of this kind has one of each on its sides.
    title: Vec<Vec<String>>,
    /// Phrases that another document of the country has and this one has not.
    #[serde(default)]
    not: Vec<String>,
    /// Beginnings of the document code in its machine-readable zone.
    #[serde(default)]
    zone: Vec<String>,
    #[serde(default)]
    shape: Shape,
    /// How dates are printed: their parts in order.
    #[serde(default)]
    dates: DateOrder,
    /// A full name in one piece: `last, first`; `first last` is left whole.
    #[serde(default)]
    names_by_comma: bool,
    /// Values that may go on in a second line.
    #[serde(default)]
    two_lines: Vec<Kind>,
    #[serde(default)]
    labels: BTreeMap<Kind, Vec<String>>,
    #[serde(default)]
    numbers: BTreeMap<Kind, NumberRule>,
    unlabelled_names: Option<UnlabelledNames>,
    unlabelled_dates: Option<UnlabelledDates>,
    /// Values whose label is a letter or nothing, by the field directly above them.
    #[serde(default)]
    below: BTreeMap<Kind, Kind>,
    #[serde(default)]
    anchors: Vec<Anchor>,
    /// Where on the card (left, top, right, bottom in 0..1) values without a Latin label stand.
    #[serde(default)]
    places: BTreeMap<Kind, [f32; 4]>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// 85.60 × 53.98 mm (ISO/IEC 7810)
    #[default]
    Id1,
    /// 125 × 88 mm
    Id3,
    /// 105 × 74 mm
    Id2,
}

impl Shape {
    /// Width over height.
    pub const fn aspect(self) -> f32 {
        match self {
            Self::Id1 => 85.60 / 53.98,
            Self::Id2 => 105.0 / 74.0,
            Self::Id3 => 125.0 / 88.0,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DateOrder {
    #[default]
    Dmy,
    Ymd,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberRule {
    /// Ways in which the number is written; see [`super::pattern`].
    #[serde(deserialize_with = "patterns")]
    pub pattern: Vec<Pattern>,
    pub scheme: Option<Scheme>,
    /// The number may stand without a label: a line of this form is it, if there is only one.
    #[serde(default)]
    pub anywhere: bool,
}

/// Names without labels: so many lines between the title and a labelled field, from top to bottom.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnlabelledNames {
    pub order: Vec<Kind>,
    /// The first labelled field below the names; the first of these that is there.
    pub before: Vec<Kind>,
}

/// Dates without (Latin) labels, told by their order in time.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnlabelledDates {
    /// From the earliest to the latest.
    pub order: Vec<Kind>,
    /// How many years such a document is valid; empty where that is not known.
    #[serde(default)]
    pub valid_years: Vec<i16>,
}

fn patterns<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Pattern>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    texts.iter().map(|text| text.parse().map_err(serde::de::Error::custom)).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// ICAO 9303 code of the issuer.
    country: String,
    document: Vec<Section>,
}

/// A document as its section describes it.
#[derive(Debug)]
pub struct Template {
    /// ICAO 9303 code.
    country: String,
    document: DocumentType,
    generation: String,
    title: Vec<Vec<String>>,
    not: Vec<String>,
    zone: Vec<String>,
    pub shape: Shape,
    pub dates: DateOrder,
    pub names_by_comma: bool,
    pub two_lines: Vec<Kind>,
    pub dictionary: Dictionary,
    pub numbers: BTreeMap<Kind, NumberRule>,
    pub unlabelled_names: Option<UnlabelledNames>,
    pub unlabelled_dates: Option<UnlabelledDates>,
    pub below: BTreeMap<Kind, Kind>,
    pub anchors: Vec<Anchor>,
    pub places: BTreeMap<Kind, [f32; 4]>,
    own_labels: Vec<String>,
}

/// The data files, one per country of [`SUPPORTED`].
const FILES: [&str; 26] = [
    include_str!("templates/MAR.toml"),
    include_str!("templates/DZA.toml"),
    include_str!("templates/TUN.toml"),
    include_str!("templates/EGY.toml"),
    include_str!("templates/JOR.toml"),
    include_str!("templates/LBN.toml"),
    include_str!("templates/KWT.toml"),
    include_str!("templates/QAT.toml"),
    include_str!("templates/BHR.toml"),
    include_str!("templates/OMN.toml"),
    include_str!("templates/KEN.toml"),
    include_str!("templates/ZAF.toml"),
    include_str!("templates/GHA.toml"),
    include_str!("templates/CIV.toml"),
    include_str!("templates/SEN.toml"),
    include_str!("templates/CMR.toml"),
    include_str!("templates/TZA.toml"),
    include_str!("templates/UGA.toml"),
    include_str!("templates/RWA.toml"),
    include_str!("templates/SAU.toml"),
    include_str!("templates/ARE.toml"),
    include_str!("templates/NGA.toml"),
    include_str!("templates/FRA.toml"),
    include_str!("templates/GBR.toml"),
    include_str!("templates/ESP.toml"),
    include_str!("templates/ITA.toml"),
];

static TEMPLATES: LazyLock<Vec<Template>> = LazyLock::new(|| {
    // Part of the program, and a test parses each file: none is left out here.
    FILES.iter().filter_map(|text| parse(text).ok()).flatten().collect()
});

fn parse(text: &str) -> Result<Vec<Template>, toml::de::Error> {
    let file: File = toml::from_str(text)?;
    let template = |section: Section| {
        let labels = section.labels.values().flatten();
        Template {
            country: file.country.clone(),
            own_labels: labels.map(|label| folded_title(label)).filter(|label| !label.is_empty()).collect(),
            dictionary: Dictionary::with(&section.labels),
            document: section.document,
            generation: section.generation,
            title: section.title,
            not: section.not,
            zone: section.zone,
            shape: section.shape,
            dates: section.dates,
            names_by_comma: section.names_by_comma,
            two_lines: section.two_lines,
            numbers: section.numbers,
            unlabelled_names: section.unlabelled_names,
            unlabelled_dates: section.unlabelled_dates,
            below: section.below,
            anchors: section.anchors,
            places: section.places,
        }
    };
    Ok(file.document.into_iter().map(template).collect())
}

/// What is known of a document beside its printed text. All may be wrong: it is weighed with what
/// the document says.
#[derive(Debug, Clone, Copy, Default)]
pub struct Told<'a> {
    /// As the caller says: ISO 3166-1 alpha-2.
    pub country: Option<&'a str>,
    pub document: Option<DocumentType>,
    /// Issuer (ICAO 9303) and document code of the machine-readable zone.
    pub zone: Option<(&'a str, &'a str)>,
}

/// All phrases that a template is told by, for one search in the text.
pub fn phrases() -> impl Iterator<Item = &'static str> {
    TEMPLATES.iter().flat_map(|t| t.title.iter().flatten().chain(&t.not)).map(String::as_str)
}

/// The template of the document that the text (and zone) says it is.
pub fn choose(found: &Phrases, told: &Told<'_>) -> Option<&'static Template> {
    let scored = TEMPLATES.iter().filter_map(|template| Some((template, template.score(found, told)?)));
    // The first of equals: generations stand newest first in their file.
    scored
        .fold(None, |best: Option<(&Template, u32)>, next| match best {
            Some(before) if before.1 >= next.1 => Some(before),
            _ => Some(next),
        })
        .map(|(template, _)| template)
}

impl Template {
    /// `None` where the document does not say that it is of this kind.
    fn score(&self, found: &Phrases, told: &Told<'_>) -> Option<u32> {
        if self.not.iter().any(|phrase| found.has(phrase)) {
            return None;
        }
        let groups = self.title.iter().filter(|group| group.iter().any(|p| found.has(p))).count();
        let all = groups == self.title.len();
        let by_zone = match told.zone {
            Some((issuer, code)) => {
                let known = self.zone.iter().any(|start| code.starts_with(start.as_str()));
                // The zone is the better witness; one of another state or kind speaks against it.
                if issuer != self.country || !known {
                    return None;
                }
                true
            }
            None => false,
        };
        let icao = told.country.and_then(|code| SUPPORTED.iter().find(|c| c.code == code)).map(|c| c.icao);
        let as_told = icao == Some(self.country.as_str()) && told.document == Some(self.document);
        // What the caller says stands in for one part of a title that could not be read.
        let enough = all || by_zone || as_told && groups > 0 && groups + 1 >= self.title.len();
        // Generations of one document differ in their labels.
        let labels = self.own_labels.iter().filter(|label| found.has_folded(label)).count().min(20);
        enough.then(|| 100 * u32::from(all) + 50 * u32::from(as_told) + 10 * groups as u32 + labels as u32)
    }

    pub fn country(&self) -> &str {
        &self.country
    }

    /// `MAR/national_id/2020`
    pub fn name(&self) -> String {
        format!("{}/{}/{}", self.country, self.document.as_str(), self.generation)
    }

    /// A card of identity or residence: a passport's number is never the person's.
    pub const fn is_card(&self) -> bool {
        matches!(self.document, DocumentType::NationalId | DocumentType::ResidencePermit)
    }

    /// Whether every part of the title was read.
    pub fn is_titled(&self, found: &Phrases) -> bool {
        self.title.iter().all(|group| group.iter().any(|phrase| found.has(phrase)))
    }

    pub fn own_labels() -> impl Iterator<Item = &'static str> {
        TEMPLATES.iter().flat_map(|t| &t.own_labels).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether documents of a country (ISO 3166-1 alpha-2) and type are read by a template of their own.
    fn exists(country: &str, document: DocumentType) -> bool {
        let icao = SUPPORTED.iter().find(|c| c.code == country).map(|c| c.icao);
        TEMPLATES.iter().any(|t| Some(t.country.as_str()) == icao && t.document == document)
    }

    #[test]
    fn every_file_parses_and_every_supported_document_has_a_template() {
        for (text, country) in FILES.iter().zip(SUPPORTED) {
            let templates = parse(text).unwrap_or_else(|error| panic!("{}: {error}", country.icao));
            assert!(templates.iter().all(|template| template.country == country.icao), "{}", country.icao);
            for document in country.documents {
                assert!(exists(country.code, *document), "{} {document:?}", country.icao);
            }
        }
        assert!(!exists("MA", DocumentType::VoterId) && !exists("XX", DocumentType::Passport));
    }

    #[test]
    fn sections_are_sound() {
        for template in TEMPLATES.iter() {
            let name = format!("{} {:?} {}", template.country, template.document, template.generation);
            assert!(
                !template.title.is_empty() && template.title.iter().all(|group| !group.is_empty()),
                "{name}"
            );
            for [left, top, right, bottom] in
                template.places.values().chain(template.anchors.iter().map(|a| &a.at))
            {
                assert!(0.0 <= *left && left < right && *right <= 1.0, "{name}");
                assert!(0.0 <= *top && top < bottom && *bottom <= 1.0, "{name}");
            }
            for rule in template.numbers.values() {
                assert!(!rule.pattern.is_empty(), "{name}");
            }
        }
    }
}
