//! When a reading counts as right. `tests/SCOREBOARD.md` tells people the same.

use serde::Serialize;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// How a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Dates, gender, nationality, codes: the normalised value and nothing else.
    Exact,
    /// Letters and digits exactly; the product leaves out the dashes and blanks that group them.
    Number,
    /// Places, authorities: without regard to case and to the kind of white space.
    Text,
    /// Names: as text; a comma that a document puts between first names is a blank.
    Name,
    /// As a name, in any order: the product gives first names first, whatever is printed first.
    FullName,
    /// As text; what parts the lines of an address (a comma, a dash, a new line) is a blank.
    Address,
}

impl Rule {
    pub fn of(field: &str) -> Self {
        let exact = field.starts_with("date_")
            || field.ends_with("_date")
            || field.ends_with("_code")
            || matches!(field, "gender" | "nationality" | "issuing_country");
        match field {
            _ if exact => Self::Exact,
            _ if field.ends_with("_number") => Self::Number,
            _ if field.starts_with("address") => Self::Address,
            _ if field.starts_with("full_name") => Self::FullName,
            _ if field.contains("_name") => Self::Name,
            _ => Self::Text,
        }
    }

    /// What of a text is compared.
    pub fn folded(self, text: &str) -> String {
        match self {
            Self::Exact => text.trim().to_owned(),
            Self::Number => text.chars().filter(|c| !c.is_whitespace() && !"-–".contains(*c)).collect(),
            Self::Text => words(text, char::is_whitespace),
            Self::Name => words(text, |c| c.is_whitespace() || c == ','),
            Self::FullName => {
                let name = Self::Name.folded(text);
                let mut words: Vec<&str> = name.split(' ').collect();
                words.sort_unstable();
                words.join(" ")
            }
            Self::Address => words(text, |c| c.is_whitespace() || ",;·/|-–—".contains(c)),
        }
    }
}

/// Lower case, composed letters, words parted by one blank. Marks stay; apostrophes are all alike,
/// and a Turkish or Azerbaijani capital İ or small ı is an i, since case folding cannot tell.
fn words(text: &str, parts: impl Fn(char) -> bool) -> String {
    let folded: String = text
        .nfc()
        .filter(|c| !is_invisible(*c))
        .flat_map(|c| match c {
            'İ' | 'ı' | 'I' => 'i'.to_lowercase(),
            '’' | '‘' | 'ʼ' | '`' | '´' => '\''.to_lowercase(),
            other => other.to_lowercase(),
        })
        .collect();
    folded.split(parts).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Characters that only steer how text is laid out.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Folded text without accents, Arabic vowel signs, hamza seats and the stretching tatweel.
pub fn without_marks(folded: &str) -> String {
    folded
        .nfd()
        .filter(|c| !is_combining_mark(*c) && *c != 'ـ')
        .flat_map(|c| {
            // Letters that Unicode does not take apart.
            let plain: &[char] = match c {
                'ß' => &['s', 's'],
                'æ' => &['a', 'e'],
                'œ' => &['o', 'e'],
                'þ' => &['t', 'h'],
                'ø' => &['o'],
                'đ' | 'ð' => &['d'],
                'ł' => &['l'],
                'ħ' => &['h'],
                'ŧ' => &['t'],
                'ə' => &['e'],
                _ => return vec![c],
            };
            plain.to_vec()
        })
        .collect()
}

/// Which letters a value is written in; digits and signs alone count as Latin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Script {
    Latin,
    Arabic,
    Other,
}

impl Script {
    pub const ALL: [Self; 3] = [Self::Latin, Self::Arabic, Self::Other];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Latin => "latin",
            Self::Arabic => "arabic",
            Self::Other => "other",
        }
    }

    pub fn of(text: &str) -> Self {
        let arabic = |c: char| matches!(c, '\u{600}'..='\u{6ff}' | '\u{750}'..='\u{77f}' | '\u{8a0}'..='\u{8ff}' | '\u{fb50}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}');
        // Up to Latin Extended-B and its neighbour IPA (ə is a letter of Azerbaijani), and Latin
        // Extended Additional.
        let latin = |c: char| matches!(c, '\0'..='\u{2af}' | '\u{1e00}'..='\u{1eff}');
        if text.chars().any(arabic) {
            Self::Arabic
        } else if text.chars().all(|c| latin(c) || !c.is_alphabetic()) {
            Self::Latin
        } else {
            Self::Other
        }
    }
}

/// How a reading relates to the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Match {
    Exact,
    /// The same but for accents or vowel signs. Not right.
    ButForMarks,
    Wrong,
    Absent,
}

/// The outcome, the number of wrong characters, and the number of characters of the truth; of both
/// texts as they are compared.
pub fn compared(field: &str, expected: &str, read: Option<&str>) -> (Match, usize, usize) {
    let rule = Rule::of(field);
    let expected = rule.folded(expected);
    let length = expected.chars().count();
    let Some(read) = read.map(|read| rule.folded(read)) else { return (Match::Absent, length, length) };
    if read == expected {
        return (Match::Exact, 0, length);
    }
    let close = rule != Rule::Exact && without_marks(&read) == without_marks(&expected);
    let outcome = if close { Match::ButForMarks } else { Match::Wrong };
    (outcome, edits(&expected, &read), length)
}

/// Levenshtein's distance in characters.
pub fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (to, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = *cell;
            left = replaced.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

/// Over the lines of a zone.
pub fn edits_of_lines(expected: &[String], read: &[String]) -> usize {
    let line = |lines: &[String], number: usize| lines.get(number).cloned().unwrap_or_default();
    (0..expected.len().max(read.len())).map(|n| edits(&line(expected, n), &line(read, n))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_compared_without_case_and_with_its_marks() {
        let outcome = |read| compared("last_name", "El Ouafī", Some(read)).0;
        assert_eq!(outcome("EL  OUAFĪ"), Match::Exact);
        assert_eq!(outcome("El Ouaf\u{12b}"), Match::Exact);
        assert_eq!(outcome("El Ouafi\u{304}"), Match::Exact, "composed and decomposed are one letter");
        assert_eq!(outcome("EL OUAFI"), Match::ButForMarks);
        assert_eq!(outcome("ELOUAFĪ"), Match::Wrong);
        assert_eq!(compared("last_name", "Amrani", None), (Match::Absent, 6, 6));
        assert_eq!(compared("last_name", "Amrani", Some("Amrini")), (Match::Wrong, 1, 6));
        assert_eq!(compared("last_name", "OĞLU İSA", Some("oğlu isa")).0, Match::Exact);
        assert_eq!(compared("last_name", "Łęcki", Some("Lecki")).0, Match::ButForMarks);
    }

    #[test]
    fn numbers_and_dates_are_compared_as_they_are() {
        assert_eq!(compared("document_number", "BK123", Some("bk123")).0, Match::Wrong);
        assert_eq!(compared("personal_number", "784-1990-1", Some("78419901")).0, Match::Exact);
        assert_eq!(compared("date_of_birth", "1990-01-31", Some("1990-01-31")).0, Match::Exact);
        assert_eq!(compared("expiry_date", "2030-01-31", Some("31.01.2030")).0, Match::Wrong);
        assert_eq!(compared("nationality", "Moroccan", Some("MAR")).0, Match::Wrong);
    }

    #[test]
    fn what_parts_the_lines_of_an_address_is_a_blank() {
        assert_eq!(compared("address", "12 Rue A Rabat", Some("12 RUE A,\nRABAT")).0, Match::Exact);
        assert_eq!(compared("place_of_birth", "Rabat Salé", Some("Rabat, Salé")).0, Match::Wrong);
    }

    #[test]
    fn commas_and_the_order_of_a_full_name_are_the_documents_own() {
        assert_eq!(compared("first_name", "Sophie, Jeanne", Some("Sophie Jeanne")).0, Match::Exact);
        assert_eq!(compared("first_name", "Sophie Jeanne", Some("Jeanne Sophie")).0, Match::Wrong);
        assert_eq!(compared("full_name", "OKAFOR, FUNMILAYO", Some("Funmilayo Okafor")).0, Match::Exact);
        assert_eq!(compared("full_name", "OKAFOR, FUNMILAYO", Some("Funmilayo")).0, Match::Wrong);
    }

    #[test]
    fn arabic_is_its_own_script_and_its_vowel_signs_are_marks() {
        assert_eq!(Script::of("محمد"), Script::Arabic);
        assert_eq!(Script::of("12.03.1990"), Script::Latin);
        assert_eq!(Script::of("BƏKIR OĞLU"), Script::Latin);
        assert_eq!(Script::of("Иван"), Script::Other);
        assert_eq!(compared("first_name_arabic", "أحمد", Some("احمد")).0, Match::ButForMarks);
        assert_eq!(compared("first_name_arabic", "مُحَمَّد", Some("محمد")).0, Match::ButForMarks);
        assert_eq!(compared("first_name_arabic", "محمد", Some("محمود")).0, Match::Wrong);
    }

    #[test]
    fn distance_counts_changed_missing_and_added_characters() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("abc", ""), 3);
        assert_eq!(edits_of_lines(&["AB".to_owned(), "CD".to_owned()], &["AB".to_owned()]), 2);
    }
}
