//! Truth as the SIDTD and MIDV-2020 sets write it: per printed text its value and quadrilateral.

use super::case::{Case, Expected, ExpectedZone, Groups, Truth};
use super::folder::{Entry, name, picture, picture_file};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use txid_shared::partial::Polygon;
use txid_shared::words::{DocumentType, ImageRole};

/// Their names of printed fields, and ours.
const FIELDS: [(&str, &str); 13] = [
    ("type", "document_code"),
    ("code", "issuing_country"),
    ("number", "document_number"),
    ("surname", "last_name"),
    ("name", "first_name"),
    ("nationality", "nationality"),
    ("birth_date", "date_of_birth"),
    ("id_number", "personal_number"),
    ("gender", "gender"),
    ("birth_place", "place_of_birth"),
    ("issue_date", "issue_date"),
    ("expiry_date", "expiry_date"),
    ("authority", "authority"),
];

/// Their names of countries, ISO 3166-1 alpha-2, and the adjective that a nationality is normalised
/// to (contract: `Moroccan`).
const COUNTRIES: [(&str, &str, &str); 10] = [
    ("alb", "AL", "Albanian"),
    ("aze", "AZ", "Azerbaijani"),
    ("esp", "ES", "Spanish"),
    ("est", "EE", "Estonian"),
    ("fin", "FI", "Finnish"),
    ("grc", "GR", "Greek"),
    ("lva", "LV", "Latvian"),
    ("rus", "RU", "Russian"),
    ("srb", "RS", "Serbian"),
    ("svk", "SK", "Slovak"),
];

pub type Printed = BTreeMap<String, (String, Polygon)>;

/// `None` where the file is no such truth.
pub fn fields(value: &Value) -> Option<Printed> {
    let object = value.as_object().filter(|object| !object.is_empty())?;
    object
        .iter()
        .map(|(name, field)| {
            let text = field.get("value")?.as_str()?.to_owned();
            let quad: Polygon = serde_json::from_value(field.get("quad")?.clone()).ok()?;
            Some((name.clone(), (text, quad)))
        })
        .collect()
}

/// `aze_0_passport.json` goes with `aze00.jpg`, or with the picture of its own name.
pub fn case(entry: &Entry, printed: Printed) -> anyhow::Result<Option<Case>> {
    let stem = entry.truth.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut parts = stem.splitn(3, '_');
    let (issuer, number, kind) = (parts.next(), parts.next(), parts.next());
    let folder = entry.truth.parent().unwrap_or_else(|| Path::new(""));
    let short = match (issuer, number.and_then(|n| n.parse::<u32>().ok())) {
        (Some(issuer), Some(number)) => picture_file(&folder.join(format!("{issuer}{number:02}")), ""),
        _ => None,
    };
    let Some(path) = short.or_else(|| picture_file(&folder.join(&stem), "")) else { return Ok(None) };
    let country = COUNTRIES.iter().find(|(theirs, ..)| Some(*theirs) == issuer);
    let document_type = match kind {
        Some("id") => Some(DocumentType::NationalId),
        Some("passport") => Some(DocumentType::Passport),
        _ => None,
    };
    let groups = [
        ("country", country.map(|(_, code, _)| (*code).to_owned())),
        ("document_type", document_type.map(|kind| kind.as_str().to_owned())),
    ];
    Ok(Some(Case {
        name: name(entry),
        set: entry.set.clone(),
        groups: groups.into_iter().filter_map(|(key, label)| Some((key, label?))).collect::<Groups>(),
        pictures: vec![picture(ImageRole::DocumentFront, &path)?],
        country: country.map(|(_, code, _)| (*code).to_owned()),
        document_type,
        truth: truth(&printed, country.map(|(.., adjective)| *adjective)),
    }))
}

fn truth(printed: &Printed, adjective: Option<&str>) -> Truth {
    let mut fields = BTreeMap::new();
    for (theirs, ours) in FIELDS {
        let both = format!("{theirs}/{theirs}_eng");
        let Some((text, quad)) = printed.get(theirs).or_else(|| printed.get(&both)) else { continue };
        if text.is_empty() {
            continue;
        }
        let value = normalised(ours, text, adjective);
        let places = vec![(ImageRole::DocumentFront, *quad)];
        fields.insert(ours.to_owned(), Expected { value, places, derived: false });
    }
    let lines: Vec<_> = (0..3).map_while(|n| printed.get(&format!("mrz_line{n}"))).collect();
    let zone = lines.first().zip(lines.last()).map(|((_, first), (_, last))| ExpectedZone {
        lines: lines.iter().map(|(text, _)| text.clone()).collect(),
        place: Some((ImageRole::DocumentFront, [first[0], first[1], last[2], last[3]])),
    });
    Truth { fields, zone, of_print: true, ..Truth::default() }
}

/// As the contract spells values; they tell what is printed.
fn normalised(field: &str, printed: &str, adjective: Option<&str>) -> String {
    let last = printed.rsplit('/').next().unwrap_or(printed);
    match field {
        "gender" => last.to_owned(),
        "nationality" => adjective.unwrap_or(last).to_owned(),
        "date_of_birth" | "issue_date" | "expiry_date" => {
            let parts: Vec<&str> = printed.split(|c: char| !c.is_ascii_digit()).collect();
            match parts.as_slice() {
                [day, month, year] if year.len() == 4 => format!("{year}-{month}-{day}"),
                _ => printed.to_owned(),
            }
        }
        _ => printed.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn printed_texts_become_the_apis_values() {
        let quad = json!([[0, 0], [9, 0], [9, 3], [0, 3]]);
        let field = |text: &str| json!({ "value": text, "quad": quad });
        let file = json!({
            "surname": field("ABRAMOV"), "gender": field("K/M"), "birth_date": field("24.10.1972"),
            "nationality/nationality_eng": field("AZƏRBAYCAN/AZERBAIJAN"), "photo": field(""),
            "mrz_line0": field("P<AZE"), "mrz_line1": field("C85"),
        });
        let truth = truth(&fields(&file).unwrap(), Some("Azerbaijani"));
        let value = |name: &str| truth.fields.get(name).map(|field| field.value.as_str());
        assert_eq!(value("last_name"), Some("ABRAMOV"));
        assert_eq!(value("gender"), Some("M"));
        assert_eq!(value("date_of_birth"), Some("1972-10-24"));
        assert_eq!(value("nationality"), Some("Azerbaijani"));
        assert_eq!(truth.fields.len(), 4);
        assert_eq!(truth.zone.unwrap().lines, ["P<AZE", "C85"]);
        assert!(fields(&json!({ "fields": { "last_name": "Amrani" } })).is_none());
    }
}
