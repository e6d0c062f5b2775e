//! Whole documents as a recogniser gives their lines, and the fields that must come out. The layouts
//! are written from knowledge of the real documents (which labels, in which order, roughly where),
//! not from the specimen generator's designs.
//!
//! A table: `== NAME | COUNTRY/TYPE/GENERATION` (or `| none`), then sides beginning with `--`, lines
//! `left top | text` in pixels of a card about 1000 wide with print 30 high, `field = value` expected.
//! `?0.5` after a line's place is the recogniser's confidence.

use super::*;
use jiff::civil::date;

const TODAY: Date = date(2025, 11, 22);

struct Table {
    name: String,
    template: String,
    sides: Vec<Vec<TextLine>>,
    expected: Vec<(String, String)>,
}

fn tables(text: &str) -> Vec<Table> {
    let mut all: Vec<Table> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")) {
        if let Some(head) = line.strip_prefix("==") {
            let (name, template) = head.split_once('|').expect(line);
            let (name, template) = (name.trim().to_owned(), template.trim().to_owned());
            all.push(Table { name, template, sides: vec![Vec::new()], expected: Vec::new() });
            continue;
        }
        let table = all.last_mut().unwrap();
        if line.starts_with("--") {
            table.sides.push(Vec::new());
        } else if let Some((place, text)) = line.split_once(" | ") {
            let mut numbers = place.split_whitespace();
            let mut next = || numbers.next().unwrap().parse::<f32>().expect(line);
            let (left, top) = (next(), next());
            let width = 15.0 * text.chars().count() as f32;
            let mut line = TextLine::for_test(text, [left, top, left + width, top + 30.0]);
            if let Some(confidence) = numbers.next() {
                line.confidence = confidence.trim_start_matches('?').parse().unwrap();
            }
            table.sides.last_mut().unwrap().push(line);
        } else {
            let (field, value) = line.split_once(" = ").expect(line);
            table.expected.push((field.trim().to_owned(), value.trim().to_owned()));
        }
    }
    all
}

fn printed(table: &Table) -> Printed {
    let sides: Vec<SideText<'_>> = table
        .sides
        .iter()
        .filter(|lines| !lines.is_empty())
        .map(|lines| SideText { lines, frame: None })
        .collect();
    read(&sides, &Told::default(), TODAY)
}

fn template_name(printed: &Printed) -> String {
    printed.template.map_or_else(|| "none".to_owned(), Template::name)
}

fn check_all(text: &str) {
    let tables = tables(text);
    assert!(!tables.is_empty());
    let mut wrong = Vec::new();
    for table in &tables {
        let printed = printed(table);
        if template_name(&printed) != table.template {
            wrong.push(format!("{}: template {}", table.name, template_name(&printed)));
        }
        if !printed.is_document {
            wrong.push(format!("{}: no document", table.name));
        }
        let read: Vec<(String, String)> = printed
            .fields
            .values()
            .map(|(_, field)| (field.kind.as_str().to_owned(), field.value.clone()))
            .collect();
        for (field, value) in &table.expected {
            match read.iter().find(|(name, _)| name == field) {
                Some((_, found)) if found == value => {}
                Some((_, found)) => {
                    wrong.push(format!("{}: {field} is `{found}`, not `{value}`", table.name))
                }
                None => wrong.push(format!("{}: {field} was not read", table.name)),
            }
        }
        for (field, value) in &read {
            if table.expected.iter().all(|(name, _)| name != field) {
                wrong.push(format!("{}: {field} `{value}` was invented", table.name));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn documents_of_morocco() {
    check_all(include_str!("morocco.txt"));
}

#[test]
fn documents_of_the_seeds_countries() {
    check_all(include_str!("seed.txt"));
}

#[test]
fn documents_of_the_other_countries() {
    check_all(include_str!("others.txt"));
}

#[test]
fn documents_in_arabic_script() {
    check_all(include_str!("arabic.txt"));
}

#[test]
fn what_is_no_document_gives_nothing() {
    let tables = tables(include_str!("nothing.txt"));
    assert!(tables.len() >= 10);
    for table in &tables {
        let printed = printed(table);
        assert!(!printed.is_document, "{}: {:?}", table.name, printed.fields);
        assert!(printed.template.is_none(), "{}: {}", table.name, template_name(&printed));
    }
}
