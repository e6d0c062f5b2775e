//! Values that stand without a label that we read: by the number's form, by their place between
//! others, by their order in time, by their place on the card.

use super::VisualField;
use super::folding::is_arabic;
use super::frame::Places;
use super::labels::Kind;
use super::pairs::Page;
use super::templates::{Template, UnlabelledDates, UnlabelledNames};
use super::values::{Grammar, is_name};
use crate::stages::ocr::dates::{DateKind, is_date, is_validity, printed_date};
use crate::stages::ocr::letters::western_digits;
use crate::stages::ocr::lines::TextLine;
use jiff::civil::Date;

/// Nothing beside the value itself speaks for it: it must be read surely.
pub(super) const LEAST_CONFIDENCE: f32 = 0.75;
/// What is told by form or place alone is a little less sure than what a label announces.
pub(super) const WITHOUT_LABEL: f32 = 0.9;

/// Numbers that stand anywhere, where exactly one line has their form.
pub fn numbers(page: &mut Page<'_>, template: &Template, grammar: &Grammar<'_>) {
    for (kind, rule) in template.numbers.iter().filter(|(_, rule)| rule.anywhere) {
        let doubtful = page.fields.iter().position(|f| f.kind == *kind && f.fits == Some(false));
        if page.has(*kind) && doubtful.is_none() {
            continue;
        }
        let mut found: Vec<VisualField> = Vec::new();
        for (at, line) in page.lines.iter().enumerate() {
            let labelled = page.found.get(at).is_some_and(|labels| !labels.is_empty());
            let ours = doubtful.and_then(|i| page.fields.get(i)).is_some_and(|field| field.line == at);
            let taken = page.used.contains(&at) && !ours;
            if line.confidence < LEAST_CONFIDENCE || taken || labelled && !ours {
                continue;
            }
            let Some((raw, value)) = pieces(&line.text).find_map(|piece| {
                let value = grammar.in_pattern(*kind, piece)?;
                let western = western_digits(piece);
                let exact =
                    rule.pattern.iter().any(|p| p.fit(&western).is_some_and(|fitted| fitted.replaced == 0));
                // A look-alike is replaced only where the number itself says that it is right.
                let proven = value.said.as_ref().is_some_and(|said| said.holds == Some(true));
                (exact || proven).then_some((piece, value))
            }) else {
                continue;
            };
            // Eight digits may be a date as well.
            if is_date(raw, grammar.today) && raw.contains(['.', '/', '-', ' ']) {
                continue;
            }
            found.push(VisualField::of(*kind, &value, raw.to_owned(), line.confidence * WITHOUT_LABEL, at));
        }
        let one = found.first().filter(|first| found.iter().all(|other| other.value == first.value)).cloned();
        if let Some(field) = one {
            if let Some(doubtful) = doubtful {
                page.fields.remove(doubtful);
            }
            page.used.push(field.line);
            page.add(field);
        }
    }
}

/// A line, and its runs of words that have digits.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let ends: Vec<(usize, usize)> = text
        .split(' ')
        .scan(0, |at, word| {
            let start = *at;
            *at += word.len() + 1;
            Some((start, start + word.len()))
        })
        .filter(|(start, end)| start < end)
        .collect();
    let runs: Vec<&str> = (0..ends.len())
        .flat_map(|from| (from..ends.len()).rev().map(move |to| (from, to)))
        .filter_map(|(from, to)| text.get(ends.get(from)?.0..ends.get(to)?.1))
        .filter(|run| run.chars().any(char::is_numeric))
        .collect();
    std::iter::once(text).chain(runs)
}

/// Names between the title and the first labelled field.
pub fn names(page: &mut Page<'_>, rule: &UnlabelledNames, grammar: &Grammar<'_>) {
    if rule.order.iter().any(|kind| page.has(*kind)) {
        return;
    }
    let topmost = |kind: &Kind| {
        let labelled = page.found.iter().zip(page.lines).filter(|(labels, _)| {
            labels.first().is_some_and(|found| found.kind == *kind && !found.right_to_left)
        });
        labelled.map(|(_, line)| line).min_by(|a, b| a.top.total_cmp(&b.top))
    };
    let Some(before) = rule.before.iter().find_map(topmost) else { return };
    let above = |line: &TextLine| line.middle() < before.top;
    let titles = page.titles.iter().zip(page.lines).filter(|(title, line)| **title && above(line));
    // Without the title nothing says where the names begin.
    let Some(title_bottom) = titles.map(|(_, line)| line.middle()).max_by(f32::total_cmp) else { return };
    let mut candidates: Vec<(usize, &TextLine)> = page
        .lines
        .iter()
        .enumerate()
        .filter(|(at, line)| {
            page.is_free(*at)
                && line.confidence >= LEAST_CONFIDENCE
                && above(line)
                && line.middle() > title_bottom
                && !is_arabic(&line.text)
                && is_name(&line.text)
                && is_in_capitals(&line.text)
        })
        .collect();
    if rule.order == [Kind::FullName] && grammar.template.is_some_and(|t| t.names_by_comma) {
        let parted = candidates.iter().filter(|(_, line)| line.text.contains(',')).count();
        candidates.retain(|(_, line)| parted == 0 || line.text.contains(','));
    }
    if candidates.len() != rule.order.len() {
        let aligned =
            |line: &TextLine| (line.left - before.left).abs() < 2.0 * before.height().max(line.height());
        candidates.retain(|(_, line)| aligned(line));
    }
    if candidates.len() != rule.order.len() {
        return;
    }
    candidates.sort_by(|a, b| a.1.middle().total_cmp(&b.1.middle()));
    let fields: Vec<VisualField> = rule
        .order
        .iter()
        .zip(&candidates)
        .filter_map(|(kind, (at, line))| {
            let value = grammar.value(*kind, &line.text)?;
            Some(VisualField::of(*kind, &value, line.text.clone(), line.confidence * WITHOUT_LABEL, *at))
        })
        .collect();
    for field in fields {
        page.used.push(field.line);
        page.add(field);
    }
}

fn is_in_capitals(text: &str) -> bool {
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let capitals = text.chars().filter(|c| c.is_uppercase()).count();
    letters >= 2 && capitals * 5 >= letters * 4
}

/// Values directly below another field's, left edges aligned.
pub fn below(page: &mut Page<'_>, template: &Template, grammar: &Grammar<'_>) {
    for (kind, upper) in &template.below {
        let above =
            page.fields.iter().find(|field| field.kind == *upper).and_then(|f| page.lines.get(f.line));
        let (Some(above), false) = (above, page.has(*kind)) else { continue };
        let nearest = page
            .nearest_below(above, |line| line.confidence >= LEAST_CONFIDENCE && is_in_capitals(&line.text));
        let Some((at, line)) = nearest else { continue };
        let mut raw = line.text.clone();
        let more = if *kind == Kind::Address { page.continued(at) } else { Vec::new() };
        for next in more.iter().filter_map(|next| page.lines.get(*next)) {
            raw = format!("{raw}, {}", next.text);
        }
        let Some(value) = grammar.value(*kind, &raw) else { continue };
        let field = VisualField::of(*kind, &value, raw, line.confidence * WITHOUT_LABEL, at);
        page.used.push(at);
        page.used.extend(more);
        page.add(field);
    }
}

/// A date that no label announces.
pub struct FreeDate {
    date: Date,
    side: usize,
    line: usize,
    raw: String,
    confidence: f32,
}

/// Those of one side.
pub fn free_dates(page: &Page<'_>, side: usize, today: Date) -> Vec<FreeDate> {
    let lines = page.lines.iter().enumerate();
    let free = lines.filter(|(at, line)| {
        page.is_free(*at) && line.confidence >= LEAST_CONFIDENCE && is_date(&line.text, today)
    });
    free.filter_map(|(at, line)| {
        let date = printed_date(&line.text, DateKind::Birth, today)?;
        let (raw, confidence) = (line.text.clone(), line.confidence * WITHOUT_LABEL);
        Some(FreeDate { date, side, line: at, raw, confidence })
    })
    .collect()
}

/// Dates that no label announces, on all sides together, where there are exactly as many as the template
/// expects, or one more that can only be that of issue, and their distances are possible.
pub fn dates(mut found: Vec<FreeDate>, rule: &UnlabelledDates, today: Date) -> Vec<(usize, VisualField)> {
    found.sort_by_key(|free| free.date);
    found.dedup_by_key(|free| free.date);
    let mut order = rule.order.clone();
    if found.len() == order.len() + 1 && order == [Kind::DateOfBirth, Kind::ExpiryDate] {
        order.insert(1, Kind::IssueDate);
    }
    if found.len() != order.len() || !is_possible(rule, &order, &found, today) {
        return Vec::new();
    }
    let field = |(kind, free): (&Kind, FreeDate)| {
        let (value, raw, confidence) = (free.date.to_string(), free.raw, free.confidence);
        let field =
            VisualField { kind: *kind, value, raw, confidence, line: free.line, fits: None, said: None };
        (free.side, field)
    };
    order.iter().zip(found).map(field).collect()
}

fn is_possible(rule: &UnlabelledDates, order: &[Kind], found: &[FreeDate], today: Date) -> bool {
    let of =
        |kind: Kind| order.iter().position(|k| *k == kind).and_then(|at| found.get(at)).map(|free| free.date);
    let (birth, issue, expiry) = (of(Kind::DateOfBirth), of(Kind::IssueDate), of(Kind::ExpiryDate));
    let valid = match (issue, expiry) {
        (Some(issue), Some(expiry)) => {
            let expected = match rule.valid_years.as_slice() {
                [] => is_validity(issue, expiry),
                years => years.contains(&(expiry.year() - issue.year())),
            };
            issue <= today && expected
        }
        // Whole years apart they are the beginning and the end of a validity.
        (None, Some(expiry)) => birth.is_none_or(|birth| !is_validity(birth, expiry)),
        _ => true,
    };
    valid && birth.is_none_or(|birth| birth <= today)
}

/// Arabic names to the right of Latin ones: cards in two scripts print both on one row.
pub fn beside(page: &mut Page<'_>, grammar: &Grammar<'_>) {
    for (latin, kind) in [(Kind::FirstName, Kind::FirstNameArabic), (Kind::LastName, Kind::LastNameArabic)] {
        let name = page.fields.iter().find(|field| field.kind == latin);
        let (Some(name), false) = (name.and_then(|field| page.lines.get(field.line)), page.has(kind)) else {
            continue;
        };
        let mut lines = page.lines.iter().enumerate().filter(|(at, line)| {
            page.is_free(*at)
                && line.confidence >= LEAST_CONFIDENCE
                && is_arabic(&line.text)
                && line.left > name.right
                && line.is_level_with(name, 0.6)
        });
        let (Some((at, line)), None) = (lines.next(), lines.next()) else { continue };
        let Some(value) = grammar.value(kind, &line.text) else { continue };
        let field = VisualField::of(kind, &value, line.text.clone(), line.confidence * WITHOUT_LABEL, at);
        page.used.push(at);
        page.add(field);
    }
}

/// Values at their place on the card.
pub fn placed(page: &mut Page<'_>, template: &Template, places: &Places, grammar: &Grammar<'_>) {
    for (kind, [left, top, right, bottom]) in &template.places {
        if page.has(*kind) {
            continue;
        }
        let middle = [(left + right) / 2.0, (top + bottom) / 2.0];
        let best = page
            .lines
            .iter()
            .enumerate()
            .filter(|(at, line)| page.is_free(*at) && line.confidence >= LEAST_CONFIDENCE)
            .filter_map(|(at, line)| {
                let [x, y] = places.middle(line)?;
                let inside = (*left..=*right).contains(&x) && (*top..=*bottom).contains(&y);
                let value = grammar.value(*kind, &line.text).filter(|value| value.fits != Some(false))?;
                let away = (x - middle[0]).hypot(y - middle[1]);
                inside.then_some((at, line, value, away))
            })
            .min_by(|a, b| a.3.total_cmp(&b.3));
        let Some((at, line, value, _)) = best else { continue };
        let field = VisualField::of(*kind, &value, line.text.clone(), line.confidence * WITHOUT_LABEL, at);
        page.used.push(at);
        page.add(field);
    }
}
