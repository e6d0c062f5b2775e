//! Latin letters with marks: what they are without them, and how ICAO 9303 (part 3, section 6)
//! spells them in a machine-readable zone.

use txid_shared::arabic;

/// The capital letter A to Z or digit under a letter with marks; `None` for anything else.
pub fn plain_letter(letter: char) -> Option<char> {
    let upper = letter.to_uppercase().next().unwrap_or(letter);
    Some(match upper {
        'A'..='Z' | '0'..='9' => upper,
        'À'..='Å' | 'Ā' | 'Ă' | 'Ą' | 'Ǎ' => 'A',
        'Ç' | 'Ć' | 'Ĉ' | 'Ċ' | 'Č' => 'C',
        'Ď' | 'Đ' | 'Ð' => 'D',
        'È'..='Ë' | 'Ē' | 'Ĕ' | 'Ė' | 'Ę' | 'Ě' | 'Ə' | 'Ɛ' => 'E',
        'Ĝ' | 'Ğ' | 'Ġ' | 'Ģ' | 'Ǧ' => 'G',
        'Ĥ' | 'Ħ' => 'H',
        'Ì'..='Ï' | 'Ĩ' | 'Ī' | 'Ĭ' | 'Į' | 'İ' | 'Ǐ' => 'I',
        'Ĵ' => 'J',
        'Ķ' => 'K',
        'Ĺ' | 'Ļ' | 'Ľ' | 'Ł' => 'L',
        'Ñ' | 'Ń' | 'Ņ' | 'Ň' => 'N',
        'Ò'..='Ö' | 'Ø' | 'Ō' | 'Ŏ' | 'Ő' | 'Ơ' => 'O',
        'Ŕ' | 'Ŗ' | 'Ř' => 'R',
        'Ś' | 'Ŝ' | 'Ş' | 'Š' | 'Ș' => 'S',
        'Ţ' | 'Ť' | 'Ŧ' | 'Ț' => 'T',
        'Ù'..='Ü' | 'Ũ' | 'Ū' | 'Ŭ' | 'Ů' | 'Ű' | 'Ų' | 'Ư' => 'U',
        'Ŵ' => 'W',
        'Ý' | 'Ŷ' | 'Ÿ' => 'Y',
        'Ź' | 'Ż' | 'Ž' => 'Z',
        _ => return None,
    })
}

/// The text in capitals A to Z and digits, words separated by one space, marks dropped.
/// `ß`, `Æ`, `Œ` and `Þ` become two letters.
pub fn plain(text: &str) -> String {
    spelled(text, |_| None)
}

/// As [`plain`], with the two-letter spellings that ICAO recommends for Ä, Ö, Ü, Å, Ø and Ñ.
pub fn icao_spelling(text: &str) -> String {
    spelled(text, |upper| match upper {
        'Ä' => Some("AE"),
        'Ö' | 'Ø' => Some("OE"),
        'Ü' => Some("UE"),
        'Å' => Some("AA"),
        'Ñ' => Some("NXX"),
        _ => None,
    })
}

fn spelled(text: &str, special: impl Fn(char) -> Option<&'static str>) -> String {
    let mut words = String::new();
    for letter in text.chars() {
        let upper = letter.to_uppercase().next().unwrap_or(letter);
        match (special(upper), upper) {
            (Some(letters), _) => words.push_str(letters),
            (None, 'ß' | 'ẞ') => words.push_str("SS"),
            (None, 'Æ') => words.push_str("AE"),
            (None, 'Œ') => words.push_str("OE"),
            (None, 'Þ') => words.push_str("TH"),
            // An apostrophe joins: ICAO leaves it out (D'ARTAGNAN is DARTAGNAN).
            (None, '\'' | '’' | '‘' | '`') => {}
            (None, _) => match plain_letter(upper) {
                Some(plain) => words.push(plain),
                None if !words.is_empty() && !words.ends_with(' ') => words.push(' '),
                None => {}
            },
        }
    }
    words.truncate(words.trim_end().len());
    words
}

/// Arabic letters with their forms made one ([`arabic::plain_letter`]), short vowels and the stretching line dropped,
/// one space between words; everything else dropped.
pub fn arabic_folded(text: &str) -> String {
    let mut words = String::new();
    for letter in text.chars() {
        if arabic::is_letter(letter) {
            words.push(arabic::plain_letter(letter));
        } else if !arabic::is_mark(letter) && !words.is_empty() && !words.ends_with(' ') {
            words.push(' ');
        }
    }
    words.truncate(words.trim_end().len());
    words
}

/// Arabic-Indic digits (both sets) as 0 to 9; everything else as it is.
pub fn western_digits(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{660}'..='\u{669}' => char::from_digit(c as u32 - 0x660, 10).unwrap_or(c),
            '\u{6f0}'..='\u{6f9}' => char::from_digit(c as u32 - 0x6f0, 10).unwrap_or(c),
            _ => c,
        })
        .collect()
}

/// `EL AMRANI` → `El Amrani`, `JEAN-LUC` → `Jean-Luc`, `D'ARC` → `D'Arc`. A name that has small
/// letters already keeps its spelling after the first letter of each word only where that is all
/// small; recognisers read `İ` and `Ğ` small within capitals.
pub fn title_case(name: &str) -> String {
    let mut cased = String::with_capacity(name.len());
    let mut begins = true;
    for letter in name.trim().chars() {
        if letter.is_alphabetic() {
            if begins {
                cased.extend(letter.to_uppercase());
            } else {
                cased.extend(small(letter));
            }
            begins = false;
        } else {
            // A digit does not begin a word: `2ND` stays one.
            begins = !letter.is_ascii_digit();
            cased.push(letter);
        }
    }
    cased.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `DAXiLi işLəR` → `DAXİLİ İŞLƏR`: recognisers read marked and dotted capitals as small letters. Words
/// that have other small letters stay as they are.
pub fn in_capitals(text: &str) -> String {
    const READ_SMALL: &str = "iəşğöüçñ";
    let capital =
        |letter: char| if letter == 'i' { 'İ' } else { letter.to_uppercase().next().unwrap_or(letter) };
    let word = |word: &str| {
        let capitals = word.chars().filter(|c| c.is_uppercase()).count();
        let small = |c: char| !c.is_lowercase() || READ_SMALL.contains(c);
        if capitals >= 2 && word.chars().all(small) {
            word.chars().map(capital).collect()
        } else {
            word.to_owned()
        }
    };
    text.split(' ').map(word).collect::<Vec<String>>().join(" ")
}

/// `İ` has a two-character small form in Unicode (i with a dot above it): a plain i is meant.
fn small(letter: char) -> impl Iterator<Item = char> {
    let letter = if letter == 'İ' { 'i' } else { letter };
    letter.to_lowercase()
}

/// Number of edits (insert, delete, replace) between two texts.
pub fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_people_write_them() {
        assert_eq!(title_case("MOHAMMED"), "Mohammed");
        assert_eq!(title_case("EL  AMRANI"), "El Amrani");
        assert_eq!(title_case("JEAN-LUC D'ARC"), "Jean-Luc D'Arc");
        assert_eq!(title_case("ADIL BƏKIR OğLU"), "Adil Bəkir Oğlu");
        assert_eq!(title_case("İSMAYIL"), "İsmayil");
    }

    #[test]
    fn capitals_that_were_read_small_are_capitals() {
        assert_eq!(in_capitals("DAXiLi işLəR NAZiRLiYi"), "DAXİLİ İŞLƏR NAZİRLİYİ");
        assert_eq!(in_capitals("Bulçar, ALB"), "Bulçar, ALB");
        assert_eq!(in_capitals("12 rue Ibn Battouta"), "12 rue Ibn Battouta");
    }

    #[test]
    fn marks_are_dropped_or_spelled_by_icao() {
        assert_eq!(plain("Ağamusa Oğlu"), "AGAMUSA OGLU");
        assert_eq!(plain("D'Arc  (née)"), "DARC NEE");
        assert_eq!(icao_spelling("Müller Åse"), "MUELLER AASE");
        assert_eq!(plain("Müller"), "MULLER");
    }

    #[test]
    fn arabic_forms_and_digits_are_made_one() {
        assert_eq!(arabic_folded("تَاريخ الإنتهاء :"), "تاريخ الانتهاء");
        assert_eq!(arabic_folded("ABC 12"), "");
        assert_eq!(western_digits("٢٩٠٠٥١٥ ۱۲"), "2900515 12");
    }

    #[test]
    fn edits_are_counted() {
        assert_eq!(edit_distance("KITTEN", "SITTING"), 3);
        assert_eq!(edit_distance("", "ab"), 2);
        assert_eq!(edit_distance("same", "same"), 0);
    }
}
