//! Comparing what was read with what the caller expects: tolerant of order, case, diacritics.

use crate::arabic;
use crate::partial::Agreement;

/// Names agree when the same words stand in any order; partially when one is contained in the other.
pub(super) fn compare_names(read: &str, expected: &str) -> Agreement {
    let (mut read, mut expected) = (words(read), words(expected));
    // Written together or apart: El-Amrani is Elamrani.
    if read.concat() == expected.concat() {
        return Agreement::Match;
    }
    read.sort_unstable();
    expected.sort_unstable();
    if read == expected {
        return Agreement::Match;
    }
    let (shorter, longer) =
        if read.len() <= expected.len() { (&read, &expected) } else { (&expected, &read) };
    if !shorter.is_empty() && shorter.iter().all(|word| longer.contains(word)) {
        Agreement::Partial
    } else {
        Agreement::Conflict
    }
}

/// Numbers and codes agree without their spaces and punctuation.
pub(super) fn compare_codes(read: &str, expected: &str) -> Agreement {
    if words(read).concat() == words(expected).concat() { Agreement::Match } else { Agreement::Conflict }
}

fn words(text: &str) -> Vec<String> {
    let letters = text.chars().filter(|c| !arabic::is_mark(*c));
    let folded: String = letters.flat_map(char::to_lowercase).map(fold).collect();
    folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Base letter of the Latin letters with diacritics that identity documents carry, and of the Arabic ones
/// that are typed with and without theirs.
fn fold(letter: char) -> char {
    match letter {
        'à'..='å' | 'ā' | 'ă' | 'ą' => 'a',
        'ç' | 'ć' | 'č' => 'c',
        'ď' | 'đ' => 'd',
        'è'..='ë' | 'ē' | 'ė' | 'ę' | 'ě' | 'ə' => 'e',
        'ğ' | 'ģ' => 'g',
        'ì'..='ï' | 'ī' | 'į' | 'ı' => 'i',
        'ł' | 'ļ' => 'l',
        'ñ' | 'ń' | 'ň' | 'ņ' => 'n',
        'ò'..='ö' | 'ø' | 'ō' | 'ő' => 'o',
        'ř' => 'r',
        'ś' | 'š' | 'ş' | 'ș' => 's',
        'ť' | 'ț' => 't',
        'ù'..='ü' | 'ū' | 'ů' | 'ű' => 'u',
        'ý' | 'ÿ' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        other => arabic::plain_letter(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_case_and_diacritics_do_not_matter() {
        assert_eq!(compare_names("EL AMRANI Mohammed", "Mohammed El Amrani"), Agreement::Match);
        assert_eq!(compare_names("Élodie Lefèvre", "ELODIE LEFEVRE"), Agreement::Match);
        assert_eq!(compare_names("El-Amrani", "Elamrani"), Agreement::Match);
    }

    #[test]
    fn arabic_names_agree_with_and_without_their_marks() {
        assert_eq!(compare_names("أحمد العلوي", "احمد العلوي"), Agreement::Match);
        assert_eq!(compare_names("مُحَمَّد", "محمد"), Agreement::Match);
        assert_eq!(compare_names("فاطمة", "فاطمه"), Agreement::Match);
        assert_eq!(compare_names("مؤمن رائد", "مومن رايد"), Agreement::Match);
        assert_eq!(compare_names("محمد", "محمود"), Agreement::Conflict);
    }

    #[test]
    fn a_middle_name_more_is_partial_and_another_name_conflicts() {
        assert_eq!(compare_names("Mohammed Ali El Amrani", "Mohammed El Amrani"), Agreement::Partial);
        assert_eq!(compare_names("Mohammed El Amrani", "Ahmed El Amrani"), Agreement::Conflict);
        assert_eq!(compare_names("", "Ahmed"), Agreement::Conflict);
    }

    #[test]
    fn numbers_ignore_spacing() {
        assert_eq!(compare_codes("AE 123-456", "ae123456"), Agreement::Match);
        assert_eq!(compare_codes("AE123457", "AE123456"), Agreement::Conflict);
    }
}
