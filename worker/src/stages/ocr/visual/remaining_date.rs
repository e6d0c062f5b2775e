//! The date of issue of a document whose zone gives birth and expiry: labels are often too small to be read,
//! but of the dates printed on such a page one remains.

use super::labels::Kind;
use super::unlabelled::{LEAST_CONFIDENCE, WITHOUT_LABEL};
use super::{Printed, SideText, VisualField};
use crate::stages::ocr::dates::{DateKind, is_date, is_validity, printed_date};
use jiff::civil::Date;

/// Takes the one printed date that lies whole years before the expiry, after the birth and not after today.
pub fn take(
    sides: &[SideText<'_>],
    birth: Option<Date>,
    expiry: Option<Date>,
    today: Date,
    printed: &mut Printed,
) {
    let (Some(birth), Some(expiry)) = (birth, expiry) else { return };
    if printed.fields.contains_key(&Kind::IssueDate) {
        return;
    }
    let mut found: Vec<(usize, usize, f32, Date)> = Vec::new();
    for (side, text) in sides.iter().enumerate() {
        for (at, line) in text.lines.iter().enumerate() {
            let date = printed_date(&line.text, DateKind::Issue, today);
            let date = date.filter(|_| line.confidence >= LEAST_CONFIDENCE && is_date(&line.text, today));
            let Some(date) = date else { continue };
            let is_issue = date > birth && date <= today && is_validity(date, expiry);
            if is_issue {
                found.push((side, at, line.confidence, date));
            }
        }
    }
    let Some((side, at, confidence, date)) = found.first().copied() else { return };
    if found.iter().any(|other| other.3 != date) {
        return;
    }
    let Some(line) = sides.get(side).and_then(|text| text.lines.get(at)) else { return };
    let field = VisualField {
        kind: Kind::IssueDate,
        value: date.to_string(),
        raw: line.text.clone(),
        confidence: confidence * WITHOUT_LABEL,
        line: at,
        fits: None,
        said: None,
    };
    printed.fields.insert(Kind::IssueDate, (side, field));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stages::ocr::lines::TextLine;
    use jiff::civil::date;

    const TODAY: Date = date(2026, 11, 29);

    fn taken(dates: &[&str]) -> Option<String> {
        let lines: Vec<TextLine> = dates
            .iter()
            .enumerate()
            .map(|(n, text)| {
                TextLine::for_test(text, [100.0, 60.0 * n as f32, 400.0, 60.0 * n as f32 + 30.0])
            })
            .collect();
        let mut printed = Printed::default();
        let side = SideText { lines: &lines, frame: None };
        take(&[side], Some(date(1991, 4, 11)), Some(date(2035, 7, 12)), TODAY, &mut printed);
        printed.fields.get(&Kind::IssueDate).map(|(_, field)| field.value.clone())
    }

    #[test]
    fn the_date_that_remains_is_the_date_of_issue() {
        assert_eq!(taken(&["11 APR 1991", "12 JUL 2025", "12 JUL 2035"]).as_deref(), Some("2025-07-12"));
        assert_eq!(taken(&["11.04.1991", "13.07.2025", "12.07.2035"]).as_deref(), Some("2025-07-13"));
    }

    #[test]
    fn a_date_that_may_be_another_is_left_alone() {
        // Not whole years before the expiry; two that could be; one that is yet to come.
        assert_eq!(taken(&["11 APR 1991", "03 FEB 2024", "12 JUL 2035"]), None);
        assert_eq!(taken(&["12 JUL 2025", "12 JUL 2022"]), None);
        assert_eq!(taken(&["12 JUL 2034"]), None);
    }
}
