//! One reading held against the truth.

use super::case::{Case, Expected, ExpectedZone};
use super::compare::{Match, Rule, Script, compared, edits_of_lines};
use super::reading::Reading;
use txid_imaging::overlap;
use txid_shared::partial::{Field, FieldSource, Mrz, OcrResult, Polygon};
use txid_shared::words::ImageRole;
use txid_worker::stages::ocr::mrz;

/// From this intersection over union on, a document counts as found.
pub const FOUND_IOU: f64 = 0.9;

#[derive(Debug, Clone)]
pub struct Judgement {
    pub fields: Vec<FieldJudged>,
    /// Read, though the document has no such field.
    pub extra: Vec<Read>,
    pub zone: Option<ZoneJudged>,
    /// A zone was read where there is none.
    pub zone_invented: bool,
    pub documents: Vec<DocumentJudged>,
    pub readable: bool,
}

#[derive(Debug, Clone)]
pub struct FieldJudged {
    pub name: String,
    pub expected: String,
    pub script: Script,
    pub derived: bool,
    pub outcome: Match,
    /// Wrong characters, and characters of the truth.
    pub edits: usize,
    pub characters: usize,
    /// Where it stands, by the truth.
    pub places: Vec<(ImageRole, Polygon)>,
    pub read: Option<Read>,
}

/// A field as it was read.
#[derive(Debug, Clone)]
pub struct Read {
    pub name: String,
    pub value: String,
    pub raw: String,
    /// Absent where only the value that lost to the zone's is known.
    pub confidence: Option<f32>,
    pub source: FieldSource,
    pub place: (ImageRole, Polygon),
}

#[derive(Debug, Clone)]
pub struct ZoneJudged {
    pub expected: ExpectedZone,
    pub read: Option<Mrz>,
    pub exact: bool,
    /// As the recogniser read it, before any correction.
    pub raw_exact: bool,
    pub characters: usize,
    pub edits: usize,
    pub raw_edits: usize,
    /// Lines whose corrections, taken back, do not give the raw line: something was changed silently.
    pub untold: usize,
}

impl ZoneJudged {
    pub fn wrong_but_valid(&self) -> bool {
        !self.exact && self.read.as_ref().is_some_and(|mrz| mrz.valid)
    }
}

#[derive(Debug, Clone, Copy)]
pub struct DocumentJudged {
    pub role: ImageRole,
    pub expected: Polygon,
    /// The outline that was reported, and how well it covers the document.
    pub read: Option<(Polygon, f64)>,
}

pub fn judge(case: &Case, reading: &Reading) -> Judgement {
    let result = &reading.result;
    let fields = case
        .truth
        .fields
        .iter()
        .map(|(name, expected)| judge_field(name, expected, read_field(name, result, case.truth.of_print)))
        .collect();
    let all_told = case.truth.complete || case.truth.nothing;
    let extra = if all_told { extra(case, result) } else { Vec::new() };
    let none_there = case.truth.zone.is_none() && all_told;
    Judgement {
        fields,
        extra,
        zone: case.truth.zone.as_ref().map(|zone| judge_zone(zone, result.mrz.as_ref())),
        zone_invented: none_there && result.mrz.is_some(),
        documents: judge_documents(case, reading),
        readable: result.readable,
    }
}

/// What the zone says beside the fields of the visual zone is no invention: `issuing_country` and
/// `document_code` are in every zone. On a picture without a document everything is.
fn extra(case: &Case, result: &OcrResult) -> Vec<Read> {
    result
        .fields
        .iter()
        .filter(|(name, field)| {
            let known = case.truth.fields.contains_key(*name);
            case.truth.nothing || !known && field.source != FieldSource::Mrz
        })
        .map(|(name, field)| read_as(name, field))
        .collect()
}

fn read_as(name: &str, field: &Field) -> Read {
    Read {
        name: name.to_owned(),
        value: field.value.clone(),
        raw: field.raw.clone(),
        confidence: Some(field.confidence),
        source: field.source,
        place: (field.image, field.polygon),
    }
}

fn read_field(name: &str, result: &OcrResult, of_print: bool) -> Option<Read> {
    let mut read = read_as(name, result.fields.get(name)?);
    let printed = result
        .comparisons
        .iter()
        .filter(|comparison| comparison.field == name)
        .find_map(|comparison| comparison.visual.as_ref());
    if let (true, FieldSource::Mrz, Some(printed)) = (of_print, read.source, printed) {
        read = Read {
            value: printed.clone(),
            raw: printed.clone(),
            confidence: None,
            source: FieldSource::Visual,
            ..read
        };
    }
    Some(read)
}

fn judge_field(name: &str, expected: &Expected, read: Option<Read>) -> FieldJudged {
    let (outcome, edits, characters) =
        compared(name, &expected.value, read.as_ref().map(|read| read.value.as_str()));
    FieldJudged {
        name: name.to_owned(),
        expected: expected.value.clone(),
        // Numbers and dates are Latin whatever digits the document prints: the API's are.
        script: if Rule::of(name) == Rule::Exact { Script::Latin } else { Script::of(&expected.value) },
        derived: expected.derived,
        outcome,
        edits,
        characters,
        places: expected.places.clone(),
        read,
    }
}

fn judge_zone(expected: &ExpectedZone, read: Option<&Mrz>) -> ZoneJudged {
    let lines = &expected.lines;
    let characters = lines.iter().map(|line| line.chars().count()).sum();
    let untold = |mrz: &Mrz| {
        let told_all = |(number, line): (usize, &String)| {
            let told: Vec<_> = mrz.corrections.iter().filter(|c| c.line == number).collect();
            mrz.raw_lines.get(number).is_some_and(|raw| mrz::undo(line, &told) == *raw)
        };
        mrz.lines.iter().enumerate().filter(|line| !told_all(*line)).count()
    };
    ZoneJudged {
        expected: expected.clone(),
        exact: read.is_some_and(|mrz| mrz.lines == *lines),
        raw_exact: read.is_some_and(|mrz| mrz.raw_lines == *lines),
        characters,
        edits: read.map_or(characters, |mrz| edits_of_lines(lines, &mrz.lines)),
        raw_edits: read.map_or(characters, |mrz| edits_of_lines(lines, &mrz.raw_lines)),
        untold: read.map_or(0, untold),
        read: read.cloned(),
    }
}

fn judge_documents(case: &Case, reading: &Reading) -> Vec<DocumentJudged> {
    let mut judged = Vec::new();
    for picture in &case.pictures {
        let Some(expected) = picture.document else { continue };
        let found = reading.result.sides.iter().find(|side| side.image == picture.role);
        let size = reading.pictures.iter().find(|(role, _)| *role == picture.role);
        let header = size.and_then(|(_, source)| source.header().ok());
        let read = found.and_then(|side| side.document).zip(header).map(|(polygon, header)| {
            let covered = overlap(&expected, &polygon, header.width as f32, header.height as f32);
            (polygon, f64::from(covered))
        });
        judged.push(DocumentJudged { role: picture.role, expected, read });
    }
    judged
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use txid_shared::partial::{Agreement, FieldComparison};

    fn result(source: FieldSource) -> OcrResult {
        let field = Field {
            value: "Dil".to_owned(),
            raw: "DIL".to_owned(),
            confidence: 0.9,
            source,
            image: ImageRole::DocumentFront,
            polygon: Polygon::default(),
        };
        OcrResult {
            readable: true,
            fields: BTreeMap::from([("first_name".to_owned(), field)]),
            comparisons: vec![FieldComparison::new(
                "first_name",
                [(FieldSource::Mrz, "Dil".to_owned()), (FieldSource::Visual, "Adil".to_owned())],
                Agreement::Conflict,
            )],
            ..OcrResult::default()
        }
    }

    #[test]
    fn where_the_truth_is_about_print_the_reading_of_the_print_counts() {
        let value = |of_print, source| read_field("first_name", &result(source), of_print).unwrap().value;
        assert_eq!(value(true, FieldSource::Mrz), "Adil");
        assert_eq!(value(false, FieldSource::Mrz), "Dil");
        assert_eq!(value(true, FieldSource::Visual), "Dil");
    }

    #[test]
    fn a_wrong_zone_that_says_it_is_valid_is_told_apart() {
        let expected = ExpectedZone { lines: vec!["AB<".to_owned(), "CD<".to_owned()], place: None };
        let mrz = |lines: [&str; 2], valid| Mrz {
            format: txid_shared::partial::MrzFormat::Td3,
            lines: lines.map(str::to_owned).to_vec(),
            raw_lines: lines.map(str::to_owned).to_vec(),
            check_digits: Vec::new(),
            corrections: Vec::new(),
            ambiguities: Vec::new(),
            valid,
            confidence: 0.9,
            image: ImageRole::DocumentFront,
            polygon: Polygon::default(),
        };
        assert!(!judge_zone(&expected, Some(&mrz(["AB<", "CD<"], true))).wrong_but_valid());
        let wrong = judge_zone(&expected, Some(&mrz(["AB<", "CO<"], true)));
        assert!(wrong.wrong_but_valid());
        assert_eq!((wrong.edits, wrong.characters, wrong.untold), (1, 6, 0));
        assert!(!judge_zone(&expected, Some(&mrz(["AB<", "CO<"], false))).wrong_but_valid());
        let none = judge_zone(&expected, None);
        assert_eq!((none.exact, none.edits, none.wrong_but_valid()), (false, 6, false));
        let changed =
            Mrz { raw_lines: vec!["AB<".to_owned(), "C0<".to_owned()], ..mrz(["AB<", "CD<"], true) };
        assert_eq!(judge_zone(&expected, Some(&changed)).untold, 1, "a correction that nobody told");
    }
}
