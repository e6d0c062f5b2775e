//! How a number is written, position by position.
//!
//! `#` is a digit, `@` a letter A to Z, `*` either, `[XYZ]` one of these, `{5}` and `{5,6}` repeat
//! what stands before; anything else stands for itself. Spaces, dashes and dots between groups are
//! printed freely and mean nothing here, nor do they stand in a value; a slash counts where the
//! pattern has one.

/// What a recogniser takes for each other, the letter first.
const LOOK_ALIKES: [(char, char); 7] =
    [('O', '0'), ('Q', '0'), ('D', '0'), ('I', '1'), ('L', '1'), ('S', '5'), ('B', '8')];

#[derive(Debug, Clone, PartialEq)]
enum Class {
    Digit,
    Letter,
    Either,
    OneOf(Vec<char>),
}

#[derive(Debug, Clone, PartialEq)]
struct Item {
    class: Class,
    least: usize,
    most: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    items: Vec<Item>,
    has_slash: bool,
}

/// A reading that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fitted {
    pub value: String,
    /// How many characters were read as a look-alike of what the pattern wants there.
    pub replaced: usize,
}

/// Why a pattern cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no pattern")]
pub struct BadPattern(String);

impl std::str::FromStr for Pattern {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Self, BadPattern> {
        let bad = || BadPattern(text.to_owned());
        let mut items: Vec<Item> = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            rest = rest.get(first.len_utf8()..).unwrap_or("");
            let class = match first {
                '#' => Class::Digit,
                '@' => Class::Letter,
                '*' => Class::Either,
                '[' => {
                    let (inside, after) = rest.split_once(']').ok_or_else(bad)?;
                    rest = after;
                    Class::OneOf(inside.chars().collect())
                }
                '{' => {
                    let (inside, after) = rest.split_once('}').ok_or_else(bad)?;
                    rest = after;
                    let (least, most) = inside.split_once(',').unwrap_or((inside, inside));
                    let item = items.last_mut().ok_or_else(bad)?;
                    item.least = least.parse().map_err(|_| bad())?;
                    item.most = most.parse().map_err(|_| bad())?;
                    if item.least > item.most {
                        return Err(bad());
                    }
                    continue;
                }
                literal if literal != '/' && is_separator(literal) => continue,
                literal => Class::OneOf(vec![literal]),
            };
            items.push(Item { class, least: 1, most: 1 });
        }
        if items.is_empty() { Err(bad()) } else { Ok(Self { items, has_slash: text.contains('/') }) }
    }
}

pub const fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '-' | '–' | '.' | '/' | '·' | '\u{a0}')
}

impl Pattern {
    /// The reading with as few replaced look-alikes as can be. `None` where it does not fit, or
    /// where two readings are equally near: then nothing tells which is meant.
    pub fn fit(&self, printed: &str) -> Option<Fitted> {
        let read: Vec<char> =
            printed.chars().filter(|c| !is_separator(*c) || self.has_slash && *c == '/').collect();
        let read: Vec<char> = read.into_iter().flat_map(char::to_uppercase).collect();
        if read.is_empty() || read.len() > 40 {
            return None;
        }
        let mut found: Vec<Fitted> = Vec::new();
        walk(&self.items, &read, &mut Fitted { value: String::new(), replaced: 0 }, &mut found);
        let least = found.iter().map(|fitted| fitted.replaced).min()?;
        let mut nearest = found.into_iter().filter(|fitted| fitted.replaced == least);
        let first = nearest.next()?;
        // More than a third of it guessed is another number.
        let sound = first.replaced * 3 <= read.len() && nearest.all(|other| other.value == first.value);
        sound.then_some(first)
    }
}

/// All ways to spend `read` on `items`.
fn walk(items: &[Item], read: &[char], so_far: &mut Fitted, found: &mut Vec<Fitted>) {
    let Some((item, later)) = items.split_first() else {
        if read.is_empty() {
            found.push(so_far.clone());
        }
        return;
    };
    let before = so_far.clone();
    for count in 0..=item.most.min(read.len()) {
        if count >= item.least {
            let kept = so_far.clone();
            walk(later, read.get(count..).unwrap_or(&[]), so_far, found);
            *so_far = kept;
        }
        let Some(fitted) = read.get(count).and_then(|c| item.class.take(*c)) else { break };
        so_far.value.push(fitted);
        so_far.replaced += usize::from(read.get(count) != Some(&fitted));
    }
    *so_far = before;
}

impl Class {
    fn holds(&self, c: char) -> bool {
        match self {
            Self::Digit => c.is_ascii_digit(),
            Self::Letter => c.is_ascii_uppercase(),
            Self::Either => c.is_ascii_digit() || c.is_ascii_uppercase(),
            Self::OneOf(those) => those.contains(&c),
        }
    }

    /// The character itself, or its look-alike that belongs here.
    fn take(&self, c: char) -> Option<char> {
        if self.holds(c) {
            return Some(c);
        }
        LOOK_ALIKES.into_iter().find_map(|(letter, digit)| match c {
            _ if c == letter && self.holds(digit) => Some(digit),
            _ if c == digit && self.holds(letter) && !matches!(letter, 'Q' | 'D' | 'L') => Some(letter),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(pattern: &str, text: &str) -> Option<(String, usize)> {
        pattern.parse::<Pattern>().unwrap().fit(text).map(|fitted| (fitted.value, fitted.replaced))
    }

    fn exact(text: &str) -> Option<(String, usize)> {
        Some((text.to_owned(), 0))
    }

    #[test]
    fn numbers_fit_whatever_parts_their_groups() {
        assert_eq!(fit("784-####-#######-#", "784-1990-1234567-1"), exact("784199012345671"));
        assert_eq!(fit("784-####-#######-#", "784 1990 1234567 1"), exact("784199012345671"));
        assert_eq!(fit("GHA-#{9}-#", "GHA-123456789-0"), exact("GHA1234567890"));
        assert_eq!(fit("@{1,2}#{5,6}", "EJ312622"), exact("EJ312622"));
        assert_eq!(fit("@{1,2}#{5,6}", "K12345"), exact("K12345"));
        assert_eq!(fit("##/#{6}", "16/123456"), exact("16/123456"));
        assert_eq!(fit("[12]#{9}", "1058529940"), exact("1058529940"));
    }

    #[test]
    fn look_alikes_give_way_only_where_the_pattern_fixes_the_class() {
        assert_eq!(fit("#{13}", "9O05I5580O085"), Some(("9005155800085".into(), 3)));
        assert_eq!(fit("@{2}#{7}", "ZU12E4567"), None);
        assert_eq!(fit("@#{8}", "A1234S678"), Some(("A12345678".into(), 1)));
        assert_eq!(fit("@#{8}", "812345678"), Some(("B12345678".into(), 1)));
        // Letter or digit, both may stand there: as read.
        assert_eq!(fit("*{9}", "X4RTBPFWO"), exact("X4RTBPFWO"));
        // One letter and six digits, as it stands; two letters and five would want a replacement.
        assert_eq!(fit("@{1,2}#{5,6}", "A012345"), exact("A012345"));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for text in ["", "12345678", "AB1234567", "ABC12345", "AB12", "OOOOOOOO"] {
            assert_eq!(fit("@{1,2}#{5,6}", text), None, "{text}");
        }
        assert!("".parse::<Pattern>().is_err() && "{2}".parse::<Pattern>().is_err());
        assert!("#{3".parse::<Pattern>().is_err() && "#{3,1}".parse::<Pattern>().is_err());
    }
}
