//! Labelled fields of the printed zone: a label, and the value below it, beside it or behind it.

mod labels;
mod values;

pub use labels::Kind;

use super::lines::TextLine;
use jiff::civil::Date;
use labels::Found;

/// One field as printed.
#[derive(Debug, Clone, PartialEq)]
pub struct VisualField {
    pub kind: Kind,
    pub value: String,
    pub raw: String,
    /// 0..1
    pub confidence: f32,
    /// The line that holds the value; the first of them for an address.
    pub line: usize,
}

/// Below this a line is noise (or a script that the recogniser lacks, such as Arabic).
const LEAST_CONFIDENCE: f32 = 0.6;
/// In line heights: how far below its label a value begins, at most.
const FARTHEST_BELOW: f32 = 1.9;
/// How far beside its label.
const FARTHEST_BESIDE: f32 = 14.0;

/// Fields of one side, at most one per kind. `lines` are in the frame of the upright text.
pub fn fields(lines: &[TextLine], today: Date) -> Vec<VisualField> {
    let found: Vec<Option<Found>> = lines
        .iter()
        .map(|line| if line.confidence >= LEAST_CONFIDENCE { labels::find(&line.text) } else { None })
        .collect();
    let mut taken: Vec<VisualField> = Vec::new();
    for (i, label) in found.iter().enumerate() {
        let (Some(Found { kind, inline_value: Some(printed), likeness }), Some(line)) = (label, lines.get(i))
        else {
            continue;
        };
        if let Some(value) = values::normalised(*kind, printed, today) {
            let confidence = line.confidence * likeness;
            taken.push(VisualField { kind: *kind, value, raw: printed.clone(), confidence, line: i });
        }
    }
    // Nearest pairs first; a line is the value of one label only.
    let mut pairs: Vec<Pair> = Vec::new();
    for (at, label) in found.iter().enumerate() {
        let Some(Found { kind, inline_value: None, likeness }) = label else { continue };
        for (of, candidate) in lines.iter().enumerate() {
            if found.get(of).is_some_and(Option::is_some) || candidate.confidence < LEAST_CONFIDENCE {
                continue;
            }
            let Some(distance) = lines.get(at).and_then(|line| distance(line, candidate)) else { continue };
            if *kind == Kind::Ignored || values::normalised(*kind, &candidate.text, today).is_some() {
                pairs.push(Pair { distance, kind: *kind, likeness: *likeness, label: at, value: of });
            }
        }
    }
    pairs.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    let mut used: Vec<usize> = Vec::new();
    let mut served: Vec<usize> = Vec::new();
    for pair in &pairs {
        let known = pair.kind != Kind::Ignored && taken.iter().any(|field| field.kind == pair.kind);
        if known || used.contains(&pair.value) || served.contains(&pair.label) {
            continue;
        }
        let Some(line) = lines.get(pair.value) else { continue };
        used.push(pair.value);
        served.push(pair.label);
        let mut raw = line.text.clone();
        if pair.kind == Kind::Address {
            for more in continued(lines, &found, pair.value) {
                if let Some(line) = lines.get(more).filter(|_| !used.contains(&more)) {
                    used.push(more);
                    raw = format!("{raw}, {}", line.text);
                }
            }
        }
        if let Some(value) = values::normalised(pair.kind, &raw, today) {
            let confidence = line.confidence * pair.likeness;
            taken.push(VisualField { kind: pair.kind, value, raw, confidence, line: pair.value });
        }
    }
    taken
}

struct Pair {
    distance: f32,
    kind: Kind,
    likeness: f32,
    label: usize,
    value: usize,
}

/// How far a value is from its label in line heights; `None` where it cannot belong to it.
fn distance(label: &TextLine, value: &TextLine) -> Option<f32> {
    let height = label.height().max(value.height() * 0.6);
    let below = (value.top - label.bottom) / height;
    let indent = (value.left - label.left) / height;
    // Boxes are grown by the detector's margin and overlap their neighbours a little.
    if (-0.75..FARTHEST_BELOW).contains(&below) && value.middle() > label.bottom {
        let starts_under = indent > -1.5 && value.left < label.right;
        if starts_under {
            return Some(below.max(0.0) + indent.abs() * 0.15);
        }
    }
    let same_row = (value.middle() - label.middle()).abs() < 0.6 * height;
    let gap = (value.left - label.right) / height;
    (same_row && (-0.8..FARTHEST_BESIDE).contains(&gap)).then_some(0.6 + gap.max(0.0) * 0.25)
}

/// The lines directly below a value that belong to it, left edges aligned.
fn continued(lines: &[TextLine], found: &[Option<Found>], first: usize) -> Vec<usize> {
    let mut more = Vec::new();
    let mut last = first;
    loop {
        let Some(above) = lines.get(last) else { return more };
        let height = above.height();
        let next = lines.iter().enumerate().find(|(i, line)| {
            found.get(*i).is_some_and(Option::is_none)
                && line.confidence >= LEAST_CONFIDENCE
                && (line.left - above.left).abs() < height
                && line.middle() > above.bottom
                && line.top - above.bottom < 0.7 * height
                && line.text.chars().filter(|c| c.is_alphabetic()).count() >= 2
        });
        match next {
            Some((i, _)) if more.len() < 3 => {
                more.push(i);
                last = i;
            }
            _ => return more,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    const TODAY: Date = date(2025, 11, 22);

    fn line(text: &str, left: f32, top: f32) -> TextLine {
        TextLine::for_test(text, [left, top, left + 14.0 * text.chars().count() as f32, top + 30.0])
    }

    fn value_of(fields: &[VisualField], kind: Kind) -> Option<&str> {
        fields.iter().find(|field| field.kind == kind).map(|field| field.value.as_str())
    }

    #[test]
    fn values_stand_below_their_labels_in_columns() {
        let lines = [
            line("Doğulduğu tarix/Date of birth", 641.0, 667.0),
            line("Fardi identifikasiya nömrəsi/Personal No", 1036.0, 665.0),
            line("Cinsi/Sex", 1630.0, 664.0),
            line("14.08.1994", 645.0, 716.0),
            line("5188L2V", 1043.0, 715.0),
            line("K/M", 1630.0, 705.0),
            line("Doğulduğu yer/Place of birth", 641.0, 763.0),
            line("AZƏRBAYCAN/AZE", 647.0, 809.0),
        ];
        let found = fields(&lines, TODAY);
        assert_eq!(value_of(&found, Kind::DateOfBirth), Some("1994-08-14"));
        assert_eq!(value_of(&found, Kind::PersonalNumber), Some("5188L2V"));
        assert_eq!(value_of(&found, Kind::Gender), Some("M"));
        assert_eq!(value_of(&found, Kind::PlaceOfBirth), Some("AZƏRBAYCAN/AZE"));
    }

    #[test]
    fn values_stand_beside_their_labels_and_addresses_go_on() {
        let lines = [
            line("N°", 62.0, 66.0),
            line("AB123456", 112.0, 60.0),
            line("Adresse", 62.0, 320.0),
            line("12 RUE IBN BATTOUTA", 200.0, 318.0),
            line("MAARIF CASABLANCA", 200.0, 360.0),
            line("Sexe", 62.0, 490.0),
            line("F", 150.0, 488.0),
        ];
        let found = fields(&lines, TODAY);
        assert_eq!(value_of(&found, Kind::DocumentNumber), Some("AB123456"));
        assert_eq!(value_of(&found, Kind::Address), Some("12 RUE IBN BATTOUTA, MAARIF CASABLANCA"));
        assert_eq!(value_of(&found, Kind::Gender), Some("F"));
    }

    #[test]
    fn a_value_that_cannot_be_the_field_is_left_alone() {
        let lines = [line("Date of birth", 100.0, 100.0), line("CASABLANCA", 100.0, 140.0)];
        assert!(fields(&lines, TODAY).is_empty());
        assert!(
            fields(&[line("CAFE DE LA GARE", 10.0, 10.0), line("MENU 12,50", 10.0, 60.0)], TODAY).is_empty()
        );
    }

    #[test]
    fn unsure_lines_are_not_fields() {
        let mut lines = [line("Surname", 100.0, 100.0), line("ERIKSSON", 100.0, 140.0)];
        lines[1].confidence = 0.4;
        assert!(fields(&lines, TODAY).is_empty());
    }
}
