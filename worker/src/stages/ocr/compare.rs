//! The same fact in the machine-readable zone and in print.

use super::countries;
use super::letters::{edit_distance, icao_spelling, plain};
use txid_shared::partial::Agreement;

/// How a field of this name is compared: what a machine-readable part says, then what is printed. Nationalities
/// as three-letter code and print.
pub fn by_field(name: &str) -> fn(&str, &str) -> Agreement {
    match name {
        "last_name" | "first_name" | "full_name" => names,
        "document_number" | "personal_number" => numbers,
        "nationality" => nationalities,
        _ => exactly,
    }
}

/// Names as the zone spells them against names as printed. Transliteration (`Ü` as `UE`, `U` or
/// `UXX`), missing later names and truncation are no contradiction.
pub fn names(mrz: &str, printed: &str) -> Agreement {
    let zone = plain(mrz);
    let spellings = [plain(printed), icao_spelling(printed), icao_spelling(printed).replace("NXX", "N")];
    let mut best = Agreement::Conflict;
    for spelling in &spellings {
        match compare_words(&zone, spelling) {
            Agreement::Match => return Agreement::Match,
            Agreement::Partial => best = Agreement::Partial,
            Agreement::Conflict => {}
        }
    }
    best
}

fn compare_words(zone: &str, printed: &str) -> Agreement {
    if zone.replace(' ', "") == printed.replace(' ', "") {
        return Agreement::Match;
    }
    let (zone, printed): (Vec<&str>, Vec<&str>) = (zone.split(' ').collect(), printed.split(' ').collect());
    let (fewer, more) = if zone.len() <= printed.len() { (&zone, &printed) } else { (&printed, &zone) };
    // Every word of the shorter one is, or begins, a word of the longer one; a letter may be misread.
    let known = |word: &&str| {
        word.len() >= 2
            && more.iter().any(|other| {
                other.starts_with(*word) && word.len() >= 3
                    || word == other
                    || word.len().min(other.len()) >= 3 && edit_distance(word, other) <= 1 + word.len() / 8
            })
    };
    if !fewer.is_empty() && fewer.iter().all(known) { Agreement::Partial } else { Agreement::Conflict }
}

/// First names that a zone has no room for, as a full name in print goes on: `BANDAR HAMAD ABDULLA` in
/// `Bandar Hamad Abdullah Alshamsi`, up to the last name. `None` where the print says something else.
pub fn completed_first_names(cut: &str, last: &str, printed: &str) -> Option<String> {
    let printed: Vec<&str> = printed.split_whitespace().collect();
    let folded: Vec<String> = printed.iter().map(|word| plain(word)).collect();
    let (cut, last) = (plain(cut), plain(last));
    let (cut, last): (Vec<&str>, Vec<&str>) = (cut.split(' ').collect(), last.split(' ').collect());
    let (part, whole) = cut.split_last()?;
    let goes_on = |words: &[String]| {
        words.len() == cut.len()
            && words.iter().zip(whole).all(|(word, whole)| word == whole)
            && words.last().is_some_and(|word| word.starts_with(part))
    };
    let from = folded.windows(cut.len()).position(goes_on)?;
    let at_last = folded.windows(last.len()).position(|words| words.iter().eq(last.iter()))?;
    let to = if at_last > from { at_last } else { printed.len() };
    (to >= from + cut.len()).then(|| printed[from..to].join(" "))
}

/// Document and personal numbers: equal, or one look-alike apart (`O` and `0`), or different.
pub fn numbers(mrz: &str, printed: &str) -> Agreement {
    let (mrz, printed) = (bare(mrz), bare(printed));
    if mrz == printed {
        return Agreement::Match;
    }
    if shape(&mrz) == shape(&printed) { Agreement::Partial } else { Agreement::Conflict }
}

/// Misread characters make a number look like another one; so many at most.
const MOST_MISREAD: usize = 2;

/// Whether a printed number is of another kind than the zone's: letters and digits stand otherwise, and it is not
/// nearly the same. Cards carry several numbers (the card's, the person's, a register's).
pub fn is_another_number(mrz: &str, printed: &str) -> bool {
    let form = |number: &str| number.chars().map(|c| c.is_ascii_digit()).collect::<Vec<_>>();
    let (mrz, printed) = (bare(mrz), bare(printed));
    form(&mrz) != form(&printed) && edit_distance(&mrz, &printed) > MOST_MISREAD
}

fn bare(number: &str) -> String {
    plain(number).replace(' ', "")
}

/// Look-alikes made one.
fn shape(number: &str) -> String {
    number
        .chars()
        .map(|c| match c {
            'O' | 'Q' | 'D' => '0',
            'I' | 'L' => '1',
            'Z' => '2',
            'S' => '5',
            'G' => '6',
            'B' => '8',
            other => other,
        })
        .collect()
}

/// Values that are the same or not: dates, genders.
pub fn exactly(mrz: &str, printed: &str) -> Agreement {
    if mrz == printed { Agreement::Match } else { Agreement::Conflict }
}

/// An ICAO code against a nationality as printed. Unknown words say nothing against it.
pub fn nationalities(code: &str, printed: &str) -> Agreement {
    let adjective = |code| countries::adjective_of_code(code);
    match countries::code_of_printed(printed) {
        Some(found) if found == code || adjective(found) == adjective(code) => Agreement::Match,
        Some(_) => Agreement::Conflict,
        None => Agreement::Partial,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_another_form_is_another_number_and_a_misread_one_is_not() {
        assert!(is_another_number("278422282", "16786479"));
        assert!(is_another_number("X12345678", "AB123456"));
        assert!(!is_another_number("AB123456", "AB654321"), "of one form they contradict each other");
        assert!(!is_another_number("AB120456", "AB12O45G"));
    }

    #[test]
    fn transliteration_is_no_contradiction() {
        for (mrz, printed) in [
            ("MUELLER", "Müller"),
            ("MULLER", "Müller"),
            ("EL AMRANI", "EL AMRANI"),
            ("MUNOZ", "Muñoz"),
            ("MUNXXOZ", "Muñoz"),
            ("AGAMUSA OGLU", "AĞAMUSA OĞLU"),
            ("DARTAGNAN", "d'Artagnan"),
            ("JEAN LUC", "Jean-Luc"),
            ("SOERENSEN", "Sørensen"),
        ] {
            assert_eq!(names(mrz, printed), Agreement::Match, "{mrz} {printed}");
        }
    }

    #[test]
    fn fewer_names_and_truncation_are_partial_and_others_conflict() {
        assert_eq!(names("ADNAN", "ADNAN AĞAMUSA OĞLU"), Agreement::Partial);
        assert_eq!(
            names("PAPANDROPOULOUS JONATHON ALEXAND", "PAPANDROPOULOUS JONATHON ALEXANDER"),
            Agreement::Partial
        );
        assert_eq!(names("BENALI", "BENALl"), Agreement::Partial);
        assert_eq!(names("ERIKSSON", "EL AMRANI"), Agreement::Conflict);
        assert_eq!(names("ANNA", "MARIA"), Agreement::Conflict);
        assert_eq!(names("", "MARIA"), Agreement::Conflict);
    }

    #[test]
    fn first_names_that_the_zone_cuts_are_completed_by_the_print() {
        let completed = |cut: &str, last: &str, printed: &str| {
            completed_first_names(cut, last, printed).unwrap_or_default()
        };
        let printed = "Bandar Hamad Abdullah Alshamsi";
        assert_eq!(completed("BANDAR HAMAD ABDULLA", "ALSHAMSI", printed), "Bandar Hamad Abdullah");
        assert_eq!(completed("BANDAR HAM", "ALSHAMSI", printed), "Bandar Hamad Abdullah");
        assert_eq!(completed("BANDAR HAM", "AL SHAMSI", "AL SHAMSI Bandar Hamad"), "Bandar Hamad");
        assert_eq!(completed("BANDAR HAMID", "ALSHAMSI", printed), "", "another name");
        assert_eq!(completed("BANDAR HAM", "ALFALASI", printed), "", "nobody knows where they end");
    }

    #[test]
    fn numbers_dates_and_nationalities() {
        assert_eq!(numbers("AE123456", "AE 123456"), Agreement::Match);
        assert_eq!(numbers("AEO23456", "AE023456"), Agreement::Partial);
        assert_eq!(numbers("AE123456", "AE123457"), Agreement::Conflict);
        assert_eq!(exactly("1990-05-15", "1990-05-16"), Agreement::Conflict);
        assert_eq!(nationalities("MAR", "MAROCAINE"), Agreement::Match);
        assert_eq!(nationalities("D", "DEUTSCH"), Agreement::Match);
        assert_eq!(nationalities("MAR", "Algerian"), Agreement::Conflict);
        assert_eq!(nationalities("MAR", "???"), Agreement::Partial);
    }
}
