//! The 37 characters of a machine-readable zone as small numbers, so that sets of them fit a word.

/// `0..=9` digits, `10..=35` letters A to Z, `36` the filler `<`.
pub type Symbol = usize;

pub const SYMBOLS: usize = 37;
pub const FILLER: Symbol = 36;
const CHARACTERS: &[u8; SYMBOLS] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ<";

pub fn symbol(character: char) -> Option<Symbol> {
    match character {
        '0'..='9' => Some(character as usize - '0' as usize),
        'A'..='Z' => Some(character as usize - 'A' as usize + 10),
        '<' => Some(FILLER),
        _ => None,
    }
}

/// `?` for a number outside the alphabet, which no caller makes.
pub fn character(symbol: Symbol) -> char {
    CHARACTERS.get(symbol).map_or('?', |byte| char::from(*byte))
}

/// What a character counts in a check digit (ICAO 9303-3, 4.9): A is 10 … Z is 35, the filler 0.
pub const fn value(symbol: Symbol) -> usize {
    if symbol == FILLER { 0 } else { symbol }
}

/// A set of symbols: which characters the format allows at a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed(u64);

impl Allowed {
    pub const DIGITS: Self = Self((1 << 10) - 1);
    pub const LETTERS: Self = Self(((1 << 26) - 1) << 10);
    pub const FILLER: Self = Self(1 << FILLER);
    pub const DIGITS_OR_FILLER: Self = Self::DIGITS.or(Self::FILLER);
    pub const LETTERS_OR_FILLER: Self = Self::LETTERS.or(Self::FILLER);
    pub const ANY: Self = Self::DIGITS.or(Self::LETTERS_OR_FILLER);

    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The characters of `text`; others than those of the alphabet are left out.
    pub fn of(text: &str) -> Self {
        Self(text.chars().filter_map(symbol).fold(0, |set, symbol| set | 1 << symbol))
    }

    pub const fn contains(self, symbol: Symbol) -> bool {
        symbol < SYMBOLS && self.0 & (1 << symbol) != 0
    }

    pub fn iter(self) -> impl Iterator<Item = Symbol> {
        (0..SYMBOLS).filter(move |symbol| self.contains(*symbol))
    }
}

/// Weighted sum of `symbols` modulo 10, weights 7, 3, 1 from the start.
pub fn check_digit(symbols: impl IntoIterator<Item = Symbol>) -> Symbol {
    symbols.into_iter().zip([7, 3, 1].into_iter().cycle()).map(|(s, weight)| value(s) * weight).sum::<usize>()
        % 10
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digit_of(text: &str) -> Symbol {
        check_digit(text.chars().filter_map(symbol))
    }

    #[test]
    fn check_digits_of_the_icao_examples() {
        assert_eq!(digit_of("520727"), 3);
        assert_eq!(digit_of("AB2134<<<"), 5);
        assert_eq!(digit_of("L898902C3"), 6);
        assert_eq!(digit_of("ZE184226B<<<<<"), 1);
    }

    #[test]
    fn every_character_has_one_number() {
        for s in 0..SYMBOLS {
            assert_eq!(symbol(character(s)), Some(s));
        }
        assert_eq!(symbol('a'), None);
        assert!(Allowed::ANY.contains(FILLER) && !Allowed::LETTERS.contains(FILLER));
        assert_eq!(Allowed::of("MF<").iter().map(character).collect::<String>(), "FM<");
    }
}
