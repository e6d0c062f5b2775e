//! Nationalities: ICAO codes, adjectives, and what documents call them.

use super::letters::{edit_distance, plain};
use std::sync::LazyLock;

struct Country {
    code: &'static str,
    adjective: &'static str,
    /// Without case and marks; the adjective is among them.
    names: Vec<String>,
    /// The names as they are spelled.
    spelled: Vec<&'static str>,
}

static COUNTRIES: LazyLock<Vec<Country>> = LazyLock::new(|| {
    include_str!("countries.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut columns = line.split('|');
            let (code, adjective) = (columns.next()?, columns.next()?);
            let spelled: Vec<&str> = columns.next().unwrap_or("").split(';').chain([adjective]).collect();
            let names = spelled.iter().map(|name| plain(name)).collect();
            Some(Country { code, adjective, names, spelled })
        })
        .collect()
});

/// `Moroccan` for `MAR`; `None` for a code that is not in the table.
pub fn adjective_of_code(code: &str) -> Option<&'static str> {
    COUNTRIES.iter().find(|country| country.code == code).map(|country| country.adjective)
}

/// Shorter names may be another country's with one letter changed (`NIGER`).
const LEAST_LETTERS: usize = 7;

/// The code of a nationality or country as printed: `MAROCAINE`, `AZƏRBAYCAN/AZERBAIJAN`, `MAR`. A
/// long name may be misread in one letter, if it is nobody else's then.
pub fn code_of_printed(printed: &str) -> Option<&'static str> {
    let parts: Vec<String> = printed.split(['/', '|', '(', ')']).map(plain).collect();
    let exact = |part: &String| {
        COUNTRIES.iter().find(|country| country.code == part || country.names.contains(part)).map(|c| c.code)
    };
    parts.iter().find_map(exact).or_else(|| parts.iter().find_map(|part| nearly(part)))
}

fn nearly(part: &str) -> Option<&'static str> {
    if part.len() < LEAST_LETTERS {
        return None;
    }
    let alike = |name: &String| name.len().abs_diff(part.len()) <= 1 && edit_distance(name, part) <= 1;
    let mut codes = COUNTRIES.iter().filter(|country| country.names.iter().any(alike)).map(|c| c.code);
    let first = codes.next()?;
    codes.next().is_none().then_some(first)
}

/// `AZORBAYCAN/AZE`: where a state's code confirms its name, a misread or unmarked letter of the name is
/// written as the state spells it, in capitals.
pub fn place_with_code(printed: &str) -> Option<String> {
    let (name, code) = printed.split_once('/')?;
    let country = COUNTRIES.iter().find(|country| country.code == code.trim())?;
    let read = plain(name);
    let alike = |known: &&str| {
        let known = plain(known);
        read.len() >= LEAST_LETTERS && known.len() == read.len() && edit_distance(&known, &read) <= 1
    };
    let spelled = country.spelled.iter().find(|known| alike(known))?;
    Some(format!("{}/{}", spelled.to_uppercase(), code.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_printed_names_lead_to_the_adjective() {
        assert_eq!(adjective_of_code("MAR"), Some("Moroccan"));
        assert_eq!(code_of_printed("MAROCAINE"), Some("MAR"));
        assert_eq!(code_of_printed("AZƏRBAYCAN/AZERBAIJAN"), Some("AZE"));
        assert_eq!(code_of_printed("Shqiptare/Albanian"), Some("ALB"));
        assert_eq!(code_of_printed("D"), Some("D"));
        assert_eq!(code_of_printed("MAROCAlNE"), Some("MAR"));
        assert_eq!(code_of_printed("Algerlan"), Some("DZA"));
        // One letter from the Nigerian and the Nigerien.
        assert_eq!(code_of_printed("NIGERI N"), None);
        assert_eq!(place_with_code("AZORBAYCAN/AZE").as_deref(), Some("AZƏRBAYCAN/AZE"));
        assert_eq!(place_with_code("AZORBAYCAN/TUR"), None);
        assert_eq!(place_with_code("GASABO/KIGALI"), None);
        assert_eq!(code_of_printed("nowhere"), None);
        assert_eq!(code_of_printed(""), None);
    }
}
