//! Driving licences and identification cards by the AAMVA DL/ID Card Design Standard (2020,
//! annex D; earlier versions differ in some elements). USA, Canada, and whoever follows them.

use super::super::letters::title_case;
use super::Fact;
use jiff::civil::Date;
use std::collections::BTreeMap;

/// The header begins with a compliance indicator, three separators and the file type.
const FILE_TYPES: [&str; 2] = ["ANSI ", "AAMVA"];
/// Where the file type may begin: some issuers leave separators out.
const LATEST_START: usize = 8;
/// Of a subfile designator: type, offset, length.
const DESIGNATOR: usize = 10;
const SUBFILES: [&str; 2] = ["DL", "ID"];
/// What issuers write for an element that they do not have.
const ABSENT: [&str; 5] = ["NONE", "UNAVL", "UNAV", "UNK", "N/A"];

/// The standard's own example, annex D.
#[cfg(test)]
pub(super) const SAMPLE: &str = "@\n\x1e\rANSI 636000100102DL00410278ZV03190008DLDAQT64235789\nDCSSAMPLE\nDDEN\n\
    DACMICHAEL\nDDFN\nDADJOHN\nDDGN\nDCUJR\nDCAD\nDCBK\nDCDPH\nDBD06062019\nDBB06061986\nDBA12102024\nDBC1\n\
    DAU068 in\nDAYBRO\nDAG2300 WEST BROAD STREET\nDAIRICHMOND\nDAJVA\nDAK232690000  \n\
    DCF2424244747474786102204\nDCGUSA\nDCK123456789\nDDAF\nDDB06062018\nDDC06062020\nDDD1\rZVZVA01\r";

/// `None` where the text is no AAMVA file or has no element that we know.
pub fn facts(text: &str, today: Date) -> Option<Vec<Fact>> {
    let (header, version) = header(text)?;
    let elements = elements(subfile(text, header, version)?);
    let facts = known(&elements, version, today);
    (!facts.is_empty()).then_some(facts)
}

/// Where the file type ends, and the version of the standard.
fn header(text: &str) -> Option<(usize, u32)> {
    let start =
        FILE_TYPES.iter().find_map(|file_type| text.find(file_type).filter(|at| *at <= LATEST_START))?;
    let after = start + 5;
    let issuer = text.get(after..after + 6)?;
    let version = text.get(after + 6..after + 8)?;
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    (digits(issuer) && digits(version)).then(|| version.parse().ok().map(|version| (after, version)))?
}

/// The elements of the first licence or card. Offsets of designators are wrong on many a real
/// card: they are believed where the subfile's type stands there.
fn subfile(text: &str, after: usize, version: u32) -> Option<&str> {
    // Issuer and version, then (from version 2 on) the issuer's own version, and how many subfiles.
    let count_at = after + if version >= 2 { 10 } else { 8 };
    let count: usize = text.get(count_at..count_at + 2)?.parse().ok()?;
    let first = count_at + 2;
    for index in 0..count.min(8) {
        let at = first + index * DESIGNATOR;
        let Some(designator) = text.get(at..at + DESIGNATOR) else { break };
        let Some(kind) = SUBFILES.iter().find(|kind| designator.starts_with(**kind)) else { continue };
        let offset: Option<usize> = designator.get(2..6).and_then(|digits| digits.parse().ok());
        let told = offset.and_then(|offset| text.get(offset..)).filter(|rest| rest.starts_with(kind));
        let body = told.or_else(|| {
            let rest = text.get(at + DESIGNATOR..)?;
            rest.get(rest.find(kind)?..)
        })?;
        // A segment ends with a carriage return.
        return body.get(2..)?.split('\r').next();
    }
    None
}

/// By three-letter identifier; the first of each counts.
fn elements(body: &str) -> BTreeMap<&str, &str> {
    let mut found = BTreeMap::new();
    for line in body.split('\n') {
        let (Some(id), Some(value)) = (line.get(..3), line.get(3..)) else { continue };
        let value = value.trim();
        let known = id.starts_with('D') && id.bytes().all(|b| b.is_ascii_uppercase());
        if known && !value.is_empty() && !ABSENT.contains(&value.to_uppercase().as_str()) {
            found.entry(id).or_insert(value);
        }
    }
    found
}

fn known(elements: &BTreeMap<&str, &str>, version: u32, today: Date) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut add = |name: &'static str, value: Option<(String, String)>| {
        facts.extend(value.map(|(value, raw)| Fact::new(name, value, raw)));
    };
    let of = |id: &str| elements.get(id).copied();
    let country = of("DCG").map(str::to_uppercase).filter(|code| code == "USA" || code == "CAN");
    let name = |text: &str| (title_case(&text.replace(',', " ")), text.to_owned());
    add("document_number", of("DAQ").map(|number| (number.replace(' ', ""), number.to_owned())));
    // Version 1 has the whole name in one: last, first, middle.
    let whole: Vec<&str> = of("DAA").map(|name| name.splitn(2, [',', '$']).collect()).unwrap_or_default();
    add("last_name", of("DCS").or_else(|| of("DAB")).or_else(|| whole.first().copied()).map(name));
    let middle = of("DAD").map(|middle| format!(" {middle}")).unwrap_or_default();
    let given = of("DAC").map(|first| format!("{first}{middle}")).or_else(|| of("DCT").map(str::to_owned));
    let given = given.or_else(|| whole.get(1).map(|names| names.replace('$', " ")));
    add("first_name", given.as_deref().map(name));
    for (field, id) in [("date_of_birth", "DBB"), ("expiry_date", "DBA"), ("issue_date", "DBD")] {
        let read = of(id).and_then(|digits| Some((date(digits, country.as_deref(), version)?, digits)));
        // Nobody is born, and nothing is issued, in the future.
        let read = read.filter(|(date, _)| field == "expiry_date" || *date <= today);
        add(field, read.map(|(date, digits)| (date.to_string(), digits.to_owned())));
    }
    let gender = of("DBC").and_then(|code| match code {
        "1" | "M" => Some(("M".to_owned(), code.to_owned())),
        "2" | "F" => Some(("F".to_owned(), code.to_owned())),
        "9" | "X" => Some(("X".to_owned(), code.to_owned())),
        _ => None,
    });
    add("gender", gender);
    // Street, second line, city, state and postal code.
    let state = [of("DAJ"), of("DAK")].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let state = Some(state.as_str()).filter(|state| !state.is_empty());
    if of("DAG").is_some() {
        let parts: Vec<&str> = [of("DAG"), of("DAH"), of("DAI"), state].into_iter().flatten().collect();
        add("address", Some((parts.join(", "), parts.join(", "))));
    }
    add("issuing_country", country.map(|code| (code.clone(), code)));
    facts
}

/// The USA write month, day, year; Canada writes year, month, day, as all did in version 1. Where the
/// country is not told or does not keep to it, the one order that gives a date.
fn date(digits: &str, country: Option<&str>, version: u32) -> Option<Date> {
    if digits.len() != 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = |from: usize, to: usize| digits.get(from..to)?.parse::<i16>().ok();
    let of = |year: (usize, usize), month: (usize, usize), day: (usize, usize)| {
        let (year, month, day) = (number(year.0, year.1)?, number(month.0, month.1)?, number(day.0, day.1)?);
        let plausible = (1900..2200).contains(&year);
        plausible.then(|| Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok())?
    };
    let american = of((4, 8), (0, 2), (2, 4));
    let canadian = of((0, 4), (4, 6), (6, 8));
    match country {
        Some("CAN") => canadian.or(american),
        _ if version <= 1 => canadian.or(american),
        _ => american.or(canadian),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    const TODAY: Date = date(2025, 11, 22);
    fn value(text: &str, name: &str) -> Option<String> {
        facts(text, TODAY)?.into_iter().find(|fact| fact.name == name).map(|fact| fact.value)
    }

    #[test]
    fn the_standards_example_becomes_fields() {
        let all: Vec<_> =
            facts(SAMPLE, TODAY).unwrap().into_iter().map(|fact| (fact.name, fact.value)).collect();
        let expected = [
            ("document_number", "T64235789"),
            ("last_name", "Sample"),
            ("first_name", "Michael John"),
            ("date_of_birth", "1986-06-06"),
            ("expiry_date", "2024-12-10"),
            ("issue_date", "2019-06-06"),
            ("gender", "M"),
            ("address", "2300 WEST BROAD STREET, RICHMOND, VA 232690000"),
            ("issuing_country", "USA"),
        ];
        assert_eq!(all, expected.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn canada_writes_the_year_first_and_offsets_may_be_wrong() {
        let canadian = SAMPLE.replace("DCGUSA", "DCGCAN").replace("DBB06061986", "DBB19860706");
        assert_eq!(value(&canadian, "date_of_birth").as_deref(), Some("1986-07-06"));
        let wrong = SAMPLE.replace("DL0041", "DL0029");
        assert_eq!(value(&wrong, "document_number").as_deref(), Some("T64235789"));
    }

    #[test]
    fn impossible_and_absent_elements_are_left_out() {
        let bad = SAMPLE
            .replace("DBB06061986", "DBB13321986")
            .replace("DADJOHN", "DADNONE")
            .replace("DBC1", "DBC7");
        assert_eq!(value(&bad, "date_of_birth"), None);
        assert_eq!(value(&bad, "gender"), None);
        assert_eq!(value(&bad, "first_name").as_deref(), Some("Michael"));
        let future = SAMPLE.replace("DBB06061986", "DBB06062086");
        assert_eq!(value(&future, "date_of_birth"), None);
        assert_eq!(facts("@\n\x1e\rANSI 63600010", TODAY), None);
        assert_eq!(facts("https://example.com/ANSI 636000100102DL", TODAY), None);
    }
}
