//! Dates as documents print them: six digits in a machine-readable zone, and many forms beside it.

use super::letters::plain;
use jiff::civil::Date;

/// A date of birth of an MRZ. Two digits of the year: the latest century that lies not in the
/// future. `None` for unknown parts (fillers) and impossible dates.
pub fn birth_date(yymmdd: &str, today: Date) -> Option<Date> {
    let date = in_century(yymmdd, today.year() / 100)?;
    if date > today { in_century(yymmdd, today.year() / 100 - 1) } else { Some(date) }
}

/// A date of expiry of an MRZ: the century that brings it within 50 years of today. Documents run
/// ten to fifteen years and few are shown decades after, but cards for life end far ahead.
pub fn expiry_date(yymmdd: &str, today: Date) -> Option<Date> {
    let century = today.year() / 100;
    [century, century - 1, century + 1]
        .into_iter()
        .filter_map(|century| in_century(yymmdd, century))
        .min_by_key(|date| (date.year() - today.year()).abs())
}

fn in_century(yymmdd: &str, century: i16) -> Option<Date> {
    if yymmdd.len() != 6 || !yymmdd.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = |range: std::ops::Range<usize>| yymmdd.get(range)?.parse::<i16>().ok();
    let (year, month, day) = (number(0..2)?, number(2..4)?, number(4..6)?);
    Date::new(century * 100 + year, month as i8, day as i8).ok()
}

/// What a printed date is of; decides the century where only two digits are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateKind {
    Birth,
    Issue,
    Expiry,
}

/// Finds a date in a printed value: `14.08.1994`, `29-07-2019`, `20 10 72`, `1990-05-15`,
/// `17 JUL 1984`, `11 OCT/OCT 2013`, `15 mai 1990`, `15 Mayıs 1990`. Day before month, as all
/// countries that we support print; the other order only where the first cannot be a month's day.
pub fn printed_date(text: &str, kind: DateKind, today: Date) -> Option<Date> {
    let tokens = tokens(text);
    (0..tokens.len()).find_map(|start| date_at(tokens.get(start..)?, kind, today))
}

/// Whether the text is a date and nothing else to speak of.
pub fn is_date(text: &str, today: Date) -> bool {
    let letters = text.chars().filter(|c| c.is_alphanumeric()).count();
    letters <= 16 && printed_date(text, DateKind::Birth, today).is_some()
}

/// Documents are valid for whole years, of either calendar; a few states count from the day after.
const LONGEST_VALIDITY_YEARS: i16 = 15;
const DAYS_BESIDE: f64 = 2.5;
const GREGORIAN_YEAR_DAYS: f64 = 365.2425;
const HIJRI_YEAR_DAYS: f64 = 354.367;

/// Whether a document may be valid from one date to the other.
pub fn is_validity(from: Date, to: Date) -> bool {
    let Ok(apart) = from.until(to).map(|span| f64::from(span.get_days())) else { return false };
    (1..=LONGEST_VALIDITY_YEARS).any(|years| {
        let near = |days: f64| (apart - f64::from(years) * days).abs() <= DAYS_BESIDE;
        near(GREGORIAN_YEAR_DAYS) || near(HIJRI_YEAR_DAYS)
    })
}

/// What a text has of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dated {
    No,
    /// Nothing else.
    Alone,
    /// With words beside it.
    Among,
}

impl Dated {
    pub fn of(text: &str, today: Date) -> Self {
        if printed_date(text, DateKind::Birth, today).is_none() {
            return Self::No;
        }
        let is_word = |word: &str| word.chars().filter(|c| c.is_alphabetic()).count() >= 3;
        let among = text.split_whitespace().any(|word| is_word(word) && !is_part_of_date(word));
        if among { Self::Among } else { Self::Alone }
    }
}

/// Whether a word is part of a date: figures, or a month's name.
pub fn is_part_of_date(word: &str) -> bool {
    !tokens(word).is_empty()
}

/// Whether a date in figures can only be read with the month before the day (`05/15/1990`).
pub fn is_day_month_swapped(text: &str) -> bool {
    let tokens = tokens(text);
    matches!(
        *tokens,
        [
            Token::Number { value: 1..=12, digits: 1 | 2 },
            Token::Number { value: 13..=31, digits: 1 | 2 },
            Token::Number { digits: 2 | 4, .. },
        ]
    )
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Token {
    Number { value: i32, digits: usize },
    Month(i8),
}

fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let text = plain_keeping_separators(text);
    for word in text.split(|c: char| !c.is_ascii_alphanumeric()) {
        // `17JUL1984` is printed without spaces: cut where digits meet letters.
        let mut rest = word;
        while let Some(first) = rest.chars().next() {
            let digit = first.is_ascii_digit();
            let end = rest.find(|c: char| c.is_ascii_digit() != digit).unwrap_or(rest.len());
            let (piece, after) = rest.split_at(end);
            rest = after;
            if digit {
                push_number(&mut found, piece);
            } else if let Some(month) = month(piece) {
                // `JUL/JUIL`: the same month in a second language.
                if found.last() != Some(&Token::Month(month)) {
                    found.push(Token::Month(month));
                }
            }
        }
    }
    found
}

/// Recognisers lose dots: `15.082028` is read for `15.08.2028`.
#[expect(clippy::single_range_in_vec_init, reason = "the last case is one piece, whatever its length")]
fn push_number(found: &mut Vec<Token>, digits: &str) {
    let pieces: &[std::ops::Range<usize>] = match digits.len() {
        8 if digits.starts_with("19") || digits.starts_with("20") => &[0..4, 4..6, 6..8],
        8 => &[0..2, 2..4, 4..8],
        6 if matches!(found.last(), Some(Token::Number { digits: 1 | 2, .. })) => &[0..2, 2..6],
        6 => &[0..2, 2..4, 4..6],
        _ => &[0..9],
    };
    for piece in pieces {
        let piece = digits.get(piece.start..piece.end.min(digits.len())).unwrap_or("");
        if let Ok(value) = piece.parse() {
            found.push(Token::Number { value, digits: piece.len() });
        }
    }
}

/// Capitals without marks, everything else as it is.
fn plain_keeping_separators(text: &str) -> String {
    text.chars().map(|c| super::letters::plain_letter(c).unwrap_or(c)).collect()
}

fn date_at(tokens: &[Token], kind: DateKind, today: Date) -> Option<Date> {
    let (year, month, day) = match *tokens {
        [Token::Number { value: day, .. }, Token::Month(month), Token::Number { value, digits }, ..] => {
            (full_year(value, digits, kind, today)?, month, day)
        }
        [Token::Month(month), Token::Number { value: day, .. }, Token::Number { value, digits: 4 }, ..] => {
            (value as i16, month, day)
        }
        // `1508.2028`; four figures before two others are a year, of whatever calendar.
        [Token::Number { value: both, digits: 4 }, Token::Number { value: year, digits: 4 }, ..] => {
            (year as i16, i8::try_from(both % 100).ok()?, both / 100)
        }
        [
            Token::Number { value: year, digits: 4 },
            Token::Number { value: month, .. },
            Token::Number { value: day, .. },
            ..,
        ] => (year as i16, i8::try_from(month).ok()?, day),
        [
            Token::Number { value: first, digits: 1 | 2 },
            Token::Number { value: second, digits: 1 | 2 },
            Token::Number { value, digits: digits @ (2 | 4) },
            ..,
        ] => {
            let year = full_year(value, digits, kind, today)?;
            let (day, month) = if second > 12 && first <= 12 { (second, first) } else { (first, second) };
            (year, i8::try_from(month).ok()?, day)
        }
        _ => return None,
    };
    if !(1880..=2120).contains(&year) {
        return None;
    }
    Date::new(year, month, i8::try_from(day).ok()?).ok()
}

fn full_year(value: i32, digits: usize, kind: DateKind, today: Date) -> Option<i16> {
    let value = i16::try_from(value).ok()?;
    if digits == 4 {
        return Some(value);
    }
    if digits != 2 {
        return None;
    }
    let century = today.year() / 100 * 100;
    let past = if century + value > today.year() { century - 100 + value } else { century + value };
    Some(match kind {
        DateKind::Birth | DateKind::Issue => past,
        DateKind::Expiry if today.year() - past > 50 => past + 100,
        DateKind::Expiry => past,
    })
}

/// Month names without marks, three or more letters each, by the languages of the labels.
const MONTHS: [&[&str]; 12] = [
    &[
        "JANUARY", "JANVIER", "JANV", "ENERO", "ENE", "JANEIRO", "OCAK", "OCA", "YANVAR", "YAN", "JANAR",
        "GENNAIO", "GEN", "JANUAR",
    ],
    &[
        "FEBRUARY",
        "FEVRIER",
        "FEVR",
        "FEV",
        "FEBRERO",
        "FEVEREIRO",
        "SUBAT",
        "SUB",
        "SHKURT",
        "SHK",
        "FEBBRAIO",
        "FEBRUAR",
    ],
    &["MARCH", "MARS", "MARZO", "MARCO", "MART", "MARZ", "MAR", "MRT"],
    &["APRIL", "AVRIL", "AVR", "ABRIL", "ABR", "NISAN", "NIS", "APREL", "PRILL", "PRI", "APRILE"],
    &["MAY", "MAI", "MAYO", "MAIO", "MAYIS", "MAJ", "MAGGIO", "MAG", "MEI"],
    &["JUNE", "JUIN", "JUNIO", "JUNHO", "HAZIRAN", "HAZ", "IYUN", "QERSHOR", "QER", "GIUGNO", "GIU", "JUNI"],
    &[
        "JULY", "JUILLET", "JUIL", "JULIO", "JULHO", "TEMMUZ", "TEM", "IYUL", "KORRIK", "KOR", "LUGLIO",
        "LUG", "JULI",
    ],
    &["AUGUST", "AOUT", "AOU", "AGOSTO", "AGO", "AGUSTOS", "AGU", "AVQUST", "AVQ", "GUSHT", "GUS"],
    &[
        "SEPTEMBER",
        "SEPTEMBRE",
        "SEPT",
        "SEPTIEMBRE",
        "SETEMBRO",
        "SET",
        "EYLUL",
        "EYL",
        "SENTYABR",
        "SEN",
        "SHTATOR",
        "SHT",
        "SETTEMBRE",
    ],
    &[
        "OCTOBER", "OCTOBRE", "OCTUBRE", "OUTUBRO", "OUT", "EKIM", "EKI", "OKTYABR", "OKT", "TETOR", "TET",
        "OTTOBRE", "OTT", "OKTOBER",
    ],
    &["NOVEMBER", "NOVEMBRE", "NOVIEMBRE", "NOVEMBRO", "KASIM", "KAS", "NOYABR", "NOY", "NENTOR", "NEN"],
    &[
        "DECEMBER",
        "DECEMBRE",
        "DICIEMBRE",
        "DIC",
        "DEZEMBRO",
        "DEZ",
        "ARALIK",
        "ARA",
        "DEKABR",
        "DEK",
        "DHJETOR",
        "DHJ",
        "DICEMBRE",
        "DEZEMBER",
    ],
];

fn month(word: &str) -> Option<i8> {
    let word = plain(word);
    if word.len() < 3 {
        return None;
    }
    let matches = |name: &str| name == word || word.len() == 3 && name.get(..3) == Some(word.as_str());
    let exact = MONTHS.iter().position(|names| names.contains(&word.as_str()));
    exact.or_else(|| MONTHS.iter().position(|names| names.iter().any(|n| matches(n)))).map(|i| i as i8 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    const TODAY: Date = date(2025, 11, 22);

    #[test]
    fn a_birth_lies_in_the_past() {
        assert_eq!(birth_date("900515", TODAY), Some(date(1990, 5, 15)));
        assert_eq!(birth_date("251122", TODAY), Some(date(2025, 11, 22)));
        assert_eq!(birth_date("251123", TODAY), Some(date(1925, 11, 23)));
        assert_eq!(birth_date("000229", TODAY), Some(date(2000, 2, 29)));
        assert_eq!(birth_date("90<<<<", TODAY), None);
        assert_eq!(birth_date("901301", TODAY), None);
    }

    #[test]
    fn an_expiry_lies_near_today() {
        assert_eq!(expiry_date("280514", TODAY), Some(date(2028, 5, 14)));
        assert_eq!(expiry_date("991231", TODAY), Some(date(1999, 12, 31)));
        assert_eq!(expiry_date("650101", TODAY), Some(date(2065, 1, 1)));
    }

    #[test]
    fn printed_forms_of_many_countries() {
        for text in [
            "14.08.1994",
            "14-08-1994",
            "14 08 94",
            "14/08/1994",
            "1994-08-14",
            "14 AUG 1994",
            "14AUG1994",
            "14 AOUT/AUG 94",
            "14 août 1994",
            "14 Ağustos 1994",
            "14 AGO 1994",
            "14.081994",
            "1408.1994",
            "14081994",
            "né le 14.08.1994",
            "AUGUST 14, 1994",
            "14 Ağu / Aug 1994",
        ] {
            assert_eq!(printed_date(text, DateKind::Birth, TODAY), Some(date(1994, 8, 14)), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_gives_none() {
        // A year of the Hijri calendar.
        for text in [
            "1410/10/20",
            "20/10/1410",
            "",
            "AB123456",
            "99.99.1994",
            "5188L2V",
            "123 Rue Mohammed V",
            "31.02.1990",
            "N 12",
        ] {
            assert_eq!(printed_date(text, DateKind::Birth, TODAY), None, "{text}");
        }
        assert!(is_date("15.082028", TODAY) && !is_date("5188L2V", TODAY));
    }

    #[test]
    fn documents_are_valid_for_whole_years_of_either_calendar() {
        assert!(is_validity(date(2024, 11, 13), date(2034, 11, 12)));
        assert!(is_validity(date(2024, 11, 13), date(2034, 7, 27)), "ten years of 354 days");
        assert!(!is_validity(date(1991, 10, 10), date(2029, 11, 13)));
        assert!(!is_validity(date(2024, 11, 13), date(2029, 3, 1)));
    }

    #[test]
    fn a_place_beside_a_date_is_seen() {
        assert_eq!(Dated::of("15/05/1990", TODAY), Dated::Alone);
        assert_eq!(Dated::of("15 MAI 1990", TODAY), Dated::Alone);
        assert_eq!(Dated::of("15/05/1990 RABAT", TODAY), Dated::Among);
        assert_eq!(Dated::of("KENYAN", TODAY), Dated::No);
    }

    #[test]
    fn two_digits_of_an_expiry_may_lie_ahead() {
        assert_eq!(printed_date("13 05 27", DateKind::Expiry, TODAY), Some(date(2027, 5, 13)));
        assert_eq!(printed_date("13 05 17", DateKind::Expiry, TODAY), Some(date(2017, 5, 13)));
    }
}
