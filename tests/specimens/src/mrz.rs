//! Writes machine-readable zones (ICAO 9303 parts 3 to 7, and France's identity cards before 2021).
//! Independent of the reader on purpose.

use crate::person::{Date, Sex};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MrzFormat {
    /// Three lines of 30: cards.
    #[serde(rename = "TD1")]
    Td1,
    /// Two lines of 36: larger cards.
    #[serde(rename = "TD2")]
    Td2,
    /// Two lines of 44: passports.
    #[serde(rename = "TD3")]
    Td3,
    /// Two lines of 44: visas that fill a page.
    #[serde(rename = "MRV-A")]
    MrvA,
    /// Two lines of 36: smaller visas.
    #[serde(rename = "MRV-B")]
    MrvB,
    /// Two lines of 36 in an order of their own: French identity cards from 1988 to 2021.
    #[serde(rename = "FRA-ID")]
    FrenchId,
}

impl MrzFormat {
    /// Lines, and characters of each.
    pub const fn size(self) -> (usize, usize) {
        match self {
            Self::Td1 => (3, 30),
            Self::Td2 | Self::MrvB | Self::FrenchId => (2, 36),
            Self::Td3 | Self::MrvA => (2, 44),
        }
    }

    pub const fn has_expiry(self) -> bool {
        !matches!(self, Self::FrenchId)
    }
}

/// What an MRZ says. Texts may hold anything printed; they are reduced to the MRZ alphabet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MrzContent<'a> {
    /// One or two characters: `I`, `P`, `ID`, `IR` …
    pub document_code: &'a str,
    /// Three letters (or `D`).
    pub issuer: &'a str,
    pub surname: &'a str,
    pub given_names: &'a str,
    pub document_number: &'a str,
    pub nationality: &'a str,
    pub date_of_birth: Date,
    pub sex: Sex,
    pub expiry_date: Date,
    pub optional_data: &'a str,
    /// Of a TD1's second line.
    pub optional_data_2: &'a str,
}

/// ICAO 9303-3, 4.9: weights 7, 3, 1; digits as they are, A = 10 … Z = 35, filler 0.
pub fn check_digit(text: &str) -> char {
    let sum: u32 = text
        .chars()
        .zip([7, 3, 1].into_iter().cycle())
        .map(|(c, weight)| if c == '<' { 0 } else { c.to_digit(36).unwrap_or(0) * weight })
        .sum();
    char::from_digit(sum % 10, 10).unwrap_or('0')
}

/// The lines, 30, 36 or 44 characters each.
pub fn write(format: MrzFormat, content: &MrzContent<'_>) -> Vec<String> {
    let code = pad(&reduce(content.document_code), 2);
    let issuer = pad(&reduce(content.issuer), 3);
    let nationality = pad(&reduce(content.nationality), 3);
    let birth = checked(&two_digit_year(content.date_of_birth));
    let expiry = checked(&two_digit_year(content.expiry_date));
    let sex = content.sex.mrz();
    let optional = reduce(content.optional_data);
    let number = reduce(content.document_number);
    match format {
        MrzFormat::Td1 => {
            let upper = pad(&number_and_optional(&number, &optional), 25);
            let optional_2 = pad(&reduce(content.optional_data_2), 11);
            let composite = check_digit(&format!("{upper}{birth}{expiry}{optional_2}"));
            vec![
                format!("{code}{issuer}{upper}"),
                format!("{birth}{sex}{expiry}{nationality}{optional_2}{composite}"),
                names(content, 30),
            ]
        }
        MrzFormat::Td2 => {
            // The same rule as TD1: a number longer than nine runs on into the optional data.
            let first = number_and_optional(&number, &optional);
            let (number, optional) =
                (pad(first.get(..10).unwrap_or(&first), 10), first.get(10..).unwrap_or(""));
            let optional = pad(optional, 7);
            let composite = check_digit(&format!("{number}{birth}{expiry}{optional}"));
            vec![
                format!("{code}{issuer}{}", names(content, 31)),
                format!("{number}{nationality}{birth}{sex}{expiry}{optional}{composite}"),
            ]
        }
        MrzFormat::Td3 => {
            let number = checked(&pad(&number, 9));
            let optional = pad(&optional, 14);
            // 9303-4: the check digit of empty optional data may be `<` or `0`; most issuers print `0`.
            let optional = checked(&optional);
            let composite = check_digit(&format!("{number}{birth}{expiry}{optional}"));
            vec![
                format!("{code}{issuer}{}", names(content, 39)),
                format!("{number}{nationality}{birth}{sex}{expiry}{optional}{composite}"),
            ]
        }
        // 9303-7: no check digit over the optional data, and none over all.
        MrzFormat::MrvA | MrzFormat::MrvB => {
            let width = format.size().1;
            let number = checked(&pad(&number, 9));
            vec![
                format!("{code}{issuer}{}", names(content, width - 5)),
                format!("{number}{nationality}{birth}{sex}{expiry}{}", pad(&optional, width - 28)),
            ]
        }
        MrzFormat::FrenchId => {
            // Surname, then department and office; given names stand in the second line, a pair of
            // fillers between each two, and there is no expiry.
            let given: Vec<String> = content.given_names.split(',').map(reduce).collect();
            let given = pad(&given.join("<<"), 14);
            let first = format!("{code}{issuer}{}{}", pad(&reduce(content.surname), 25), pad(&optional, 6));
            let second = format!("{}{given}{birth}{sex}", checked(&pad(&number, 12)));
            let composite = check_digit(&format!("{first}{second}"));
            vec![first, format!("{second}{composite}")]
        }
    }
}

/// Number, its check digit, optional data; 9303-5, 4.2.2: a number of more than nine characters
/// has `<` at the check digit's place, and its rest and check digit stand in the optional data.
fn number_and_optional(number: &str, optional: &str) -> String {
    if number.len() <= 9 {
        let number = pad(number, 9);
        format!("{}{optional}", checked(&number))
    } else {
        let (head, rest) = number.split_at(9);
        format!("{head}<{rest}{}<{optional}", check_digit(number))
    }
}

fn checked(text: &str) -> String {
    format!("{text}{}", check_digit(text))
}

fn two_digit_year(date: Date) -> String {
    format!("{:02}{:02}{:02}", date.year % 100, date.month, date.day)
}

fn names(content: &MrzContent<'_>, width: usize) -> String {
    let both = match reduce(content.given_names) {
        given if given.is_empty() => reduce(content.surname),
        given => format!("{}<<{given}", reduce(content.surname)),
    };
    pad(&both, width)
}

fn pad(text: &str, width: usize) -> String {
    let mut padded: String = text.chars().take(width).collect();
    while padded.len() < width {
        padded.push('<');
    }
    padded
}

/// To the MRZ alphabet, 9303-3 section 6: letters with marks to their base or their listed pair,
/// apostrophes vanish, spaces and hyphens become one filler, everything else vanishes.
pub fn reduce(text: &str) -> String {
    let mut reduced = String::new();
    for c in text.chars().flat_map(char::to_uppercase) {
        match c {
            'A'..='Z' | '0'..='9' => reduced.push(c),
            ' ' | '-' | '<' if !reduced.ends_with('<') => reduced.push('<'),
            'À' | 'Á' | 'Â' | 'Ã' => reduced.push('A'),
            'Ä' | 'Æ' => reduced.push_str("AE"),
            'Å' => reduced.push_str("AA"),
            'Ç' => reduced.push('C'),
            'È' | 'É' | 'Ê' | 'Ë' => reduced.push('E'),
            'Ì' | 'Í' | 'Î' | 'Ï' => reduced.push('I'),
            'Ñ' => reduced.push('N'),
            'Ò' | 'Ó' | 'Ô' | 'Õ' => reduced.push('O'),
            'Ö' | 'Ø' | 'Œ' => reduced.push_str("OE"),
            'Ù' | 'Ú' | 'Û' => reduced.push('U'),
            'Ü' => reduced.push_str("UE"),
            'Ý' | 'Ÿ' => reduced.push('Y'),
            _ => {}
        }
    }
    reduced.trim_matches('<').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn utopia<'a>() -> MrzContent<'a> {
        MrzContent {
            document_code: "P",
            issuer: "UTO",
            surname: "Eriksson",
            given_names: "Anna Maria",
            document_number: "L898902C3",
            nationality: "UTO",
            date_of_birth: Date { year: 1974, month: 8, day: 12 },
            sex: Sex::Female,
            expiry_date: Date { year: 2012, month: 4, day: 15 },
            optional_data: "ZE184226B",
            optional_data_2: "",
        }
    }

    /// 9303-4, appendix B.
    #[test]
    fn writes_the_td3_specimen_of_icao_9303() {
        assert_eq!(
            write(MrzFormat::Td3, &utopia()),
            ["P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"]
        );
    }

    /// 9303-5, appendix B.
    #[test]
    fn writes_the_td1_specimen_of_icao_9303() {
        let content =
            MrzContent { document_code: "I", document_number: "D23145890", optional_data: "", ..utopia() };
        assert_eq!(
            write(MrzFormat::Td1, &content),
            [
                "I<UTOD231458907<<<<<<<<<<<<<<<",
                "7408122F1204159UTO<<<<<<<<<<<6",
                "ERIKSSON<<ANNA<MARIA<<<<<<<<<<"
            ]
        );
    }

    /// 9303-6, appendix B.
    #[test]
    fn writes_the_td2_specimen_of_icao_9303() {
        let content =
            MrzContent { document_code: "I", document_number: "D23145890", optional_data: "", ..utopia() };
        assert_eq!(
            write(MrzFormat::Td2, &content),
            ["I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F1204159<<<<<<<6"]
        );
    }

    /// 9303-5, appendix B: a document number of more than nine characters.
    #[test]
    fn a_long_document_number_runs_on_into_the_optional_data() {
        let content = MrzContent {
            document_code: "I",
            surname: "Stevenson",
            given_names: "Peter John",
            document_number: "D23145890734",
            optional_data: "",
            date_of_birth: Date { year: 1934, month: 7, day: 12 },
            sex: Sex::Male,
            expiry_date: Date { year: 1995, month: 7, day: 12 },
            ..utopia()
        };
        assert_eq!(
            write(MrzFormat::Td1, &content),
            [
                "I<UTOD23145890<7349<<<<<<<<<<<",
                "3407127M9507122UTO<<<<<<<<<<<2",
                "STEVENSON<<PETER<JOHN<<<<<<<<<"
            ]
        );
    }

    /// 9303-7, appendix A and B.
    #[test]
    fn writes_the_visas_of_icao_9303() {
        let content = MrzContent {
            document_code: "V",
            document_number: "L8988901C",
            expiry_date: Date { year: 1996, month: 12, day: 10 },
            date_of_birth: Date { year: 1940, month: 9, day: 7 },
            nationality: "XXX",
            optional_data: "6ZE184226B",
            ..utopia()
        };
        assert_eq!(
            write(MrzFormat::MrvA, &content),
            ["V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L8988901C4XXX4009078F96121096ZE184226B<<<<<<"]
        );
        let content = MrzContent { optional_data: "6ZE18422", ..content };
        assert_eq!(
            write(MrzFormat::MrvB, &content),
            ["V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "L8988901C4XXX4009078F96121096ZE18422"]
        );
    }

    /// The specimen that the Ministry of the Interior printed for years.
    #[test]
    fn writes_the_specimen_of_the_old_french_card() {
        let content = MrzContent {
            document_code: "ID",
            issuer: "FRA",
            surname: "Berthier",
            given_names: "Corinne",
            document_number: "880692310285",
            date_of_birth: Date { year: 1965, month: 12, day: 6 },
            optional_data: "",
            ..utopia()
        };
        assert_eq!(
            write(MrzFormat::FrenchId, &content),
            ["IDFRABERTHIER<<<<<<<<<<<<<<<<<<<<<<<", "8806923102858CORINNE<<<<<<<6512068F6"]
        );
        let two = write(MrzFormat::FrenchId, &MrzContent { given_names: "Anne-Marie, Lou", ..content });
        assert!(two[1].starts_with("8806923102858ANNE<MARIE<<LO651206"), "{two:?}");
    }

    #[test]
    fn names_are_reduced_to_the_mrz_alphabet() {
        assert_eq!(reduce("M'hamed Aït-Ben Müller"), "MHAMED<AIT<BEN<MUELLER");
    }
}
