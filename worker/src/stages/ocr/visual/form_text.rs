//! Print that is the same on everybody's document: labels and titles.

use super::labels::Dictionary;
use super::templates::{Template, phrases};
use super::titles::{folded_title, vocabulary};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Shorter texts occur by chance.
const LEAST_LETTERS: usize = 3;

/// Folded, without spaces.
static TEXTS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let labels = Dictionary::general().texts().chain(Template::own_labels());
    labels.chain(phrases()).chain(vocabulary()).map(folded_title).filter(|text| long_enough(text)).collect()
});

/// Whether a line is a label or a title, or the same in several languages with marks between, in every letter and
/// digit. Case, accents, spaces and other marks do not count.
pub fn is_form_text(line: &str) -> bool {
    let known = |text: &str| TEXTS.contains(&folded_title(text));
    known(line) || {
        let mut parts =
            line.split(['/', '|', '·', '•']).map(folded_title).filter(|part| !part.is_empty()).peekable();
        parts.peek().is_some() && parts.all(|part| TEXTS.contains(&part))
    }
}

fn long_enough(text: &str) -> bool {
    text.chars().count() >= LEAST_LETTERS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_titles_are_known_in_every_letter() {
        for text in [
            "Valable jusqu’au",
            "ROYAUME DU MAROC",
            "CARTE NATIONALE DIDENTITÉ",
            "Nationalité/ Nationality",
            "CODE DU PAYS | Country code",
        ] {
            assert!(is_form_text(text), "{text}");
        }
        for text in ["Vatable jusqu'au", "Sexe F", "N°", "EL AMRANI", "Nom / ALAOUI", "12.07.2035", "/", ""]
        {
            assert!(!is_form_text(text), "{text}");
        }
    }
}
