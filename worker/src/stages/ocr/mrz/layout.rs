//! What stands where in each format of ICAO 9303 (parts 4 to 7), and on the French identity card before
//! 2021, which has a zone of its own: allowed characters and check digits.

use super::alphabet::Allowed;
use txid_shared::partial::MrzFormat;

/// One of the check digits of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    DocumentNumber,
    DateOfBirth,
    ExpiryDate,
    OptionalData,
}

impl Checked {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DocumentNumber => "document_number",
            Self::DateOfBirth => "date_of_birth",
            Self::ExpiryDate => "expiry_date",
            Self::OptionalData => "optional_data",
        }
    }
}

/// What a position does in the arithmetic of the check digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Counts in no check digit of its own.
    Free,
    /// Part of the names: letters, with the filler as separator.
    Name,
    /// Counts in the next check digit of this kind.
    Counted(Checked),
    /// The check digit. The optional data's may be a filler where the data is empty.
    Digit(Checked),
    /// The check digit over all positions marked `in_composite`.
    Composite,
}

#[derive(Debug, Clone, Copy)]
pub struct Cell {
    pub allowed: Allowed,
    pub role: Role,
    pub in_composite: bool,
}

/// The named parts of the lines, as (line, first column, column after the last).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    DocumentCode,
    Issuer,
    /// Last and first names; on the French card the last name alone.
    Name,
    /// Where they stand apart.
    GivenNames,
    DocumentNumber,
    Nationality,
    DateOfBirth,
    Sex,
    ExpiryDate,
    OptionalData,
    /// The first optional data of a TD1, beside the document number.
    MoreOptionalData,
}

#[derive(Debug, Clone)]
pub struct Layout {
    pub format: MrzFormat,
    pub lines: Vec<Vec<Cell>>,
    /// Characters of the document number that stand in the optional data of a TD1, check digit
    /// not counted; 0 where the number fits its nine positions.
    pub number_overflow: usize,
}

pub const ALL: [MrzFormat; 6] =
    [MrzFormat::Td3, MrzFormat::Td1, MrzFormat::Td2, MrzFormat::MrvA, MrzFormat::MrvB, MrzFormat::FrenchId];

/// Lines and characters per line.
pub const fn dimensions(format: MrzFormat) -> (usize, usize) {
    match format {
        MrzFormat::Td1 => (3, 30),
        MrzFormat::Td2 | MrzFormat::MrvB | MrzFormat::FrenchId => (2, 36),
        MrzFormat::Td3 | MrzFormat::MrvA => (2, 44),
    }
}

pub const fn part(format: MrzFormat, part: Part) -> Option<(usize, usize, usize)> {
    let (_, width) = dimensions(format);
    Some(match (format, part) {
        (_, Part::DocumentCode) => (0, 0, 2),
        (_, Part::Issuer) => (0, 2, 5),
        (MrzFormat::Td1, Part::DocumentNumber) => (0, 5, 14),
        (MrzFormat::Td1, Part::MoreOptionalData) => (0, 15, 30),
        (MrzFormat::Td1, Part::DateOfBirth) => (1, 0, 6),
        (MrzFormat::Td1, Part::Sex) => (1, 7, 8),
        (MrzFormat::Td1, Part::ExpiryDate) => (1, 8, 14),
        (MrzFormat::Td1, Part::Nationality) => (1, 15, 18),
        (MrzFormat::Td1, Part::OptionalData) => (1, 18, 29),
        (MrzFormat::Td1, Part::Name) => (2, 0, 30),
        (MrzFormat::FrenchId, Part::Name) => (0, 5, 30),
        (MrzFormat::FrenchId, Part::GivenNames) => (1, 13, 27),
        (MrzFormat::FrenchId, Part::DocumentNumber) => (1, 0, 12),
        (MrzFormat::FrenchId, Part::DateOfBirth) => (1, 27, 33),
        (MrzFormat::FrenchId, Part::Sex) => (1, 34, 35),
        // The department and the office that issued it.
        (MrzFormat::FrenchId, Part::OptionalData) => (0, 30, 36),
        (MrzFormat::FrenchId, Part::Nationality | Part::ExpiryDate) => return None,
        (_, Part::MoreOptionalData | Part::GivenNames) => return None,
        (_, Part::Name) => (0, 5, width),
        (_, Part::DocumentNumber) => (1, 0, 9),
        (_, Part::Nationality) => (1, 10, 13),
        (_, Part::DateOfBirth) => (1, 13, 19),
        (_, Part::Sex) => (1, 20, 21),
        (_, Part::ExpiryDate) => (1, 21, 27),
        (MrzFormat::Td3, Part::OptionalData) => (1, 28, 42),
        (MrzFormat::Td2, Part::OptionalData) => (1, 28, 35),
        (_, Part::OptionalData) => (1, 28, width),
    })
}

/// The cells of a format. `number_overflow` as in [`Layout`]; other formats than TD1 have none,
/// nor can more overflow than the optional data holds: then `None`.
pub fn layout(format: MrzFormat, number_overflow: usize) -> Option<Layout> {
    let mut line = Builder::default();
    if number_overflow > if format == MrzFormat::Td1 { 13 } else { 0 } {
        return None;
    }
    let lines = match format {
        MrzFormat::Td1 => {
            line.head(first_letters(format));
            line.composite = true;
            line.number(number_overflow);
            line.overflow(number_overflow, 15);
            let first = line.take();
            line.date(Checked::DateOfBirth);
            line.composite = false;
            line.sex();
            line.composite = true;
            line.date(Checked::ExpiryDate);
            line.composite = false;
            line.free(3, Allowed::LETTERS_OR_FILLER);
            line.composite = true;
            line.free(11, Allowed::ANY);
            line.digit(Role::Composite, Allowed::DIGITS);
            let second = line.take();
            line.composite = false;
            line.names(30);
            vec![first, second, line.take()]
        }
        MrzFormat::Td3 | MrzFormat::Td2 | MrzFormat::MrvA | MrzFormat::MrvB => {
            let (_, width) = dimensions(format);
            let visa = matches!(format, MrzFormat::MrvA | MrzFormat::MrvB);
            line.head(first_letters(format));
            line.names(width - 5);
            let first = line.take();
            line.composite = !visa;
            line.number(0);
            line.composite = false;
            line.free(3, Allowed::LETTERS_OR_FILLER);
            line.composite = !visa;
            line.date(Checked::DateOfBirth);
            line.composite = false;
            line.sex();
            line.composite = !visa;
            line.date(Checked::ExpiryDate);
            match format {
                MrzFormat::Td3 => {
                    line.counted(14, Checked::OptionalData, Allowed::ANY);
                    line.digit(Role::Digit(Checked::OptionalData), Allowed::DIGITS_OR_FILLER);
                    line.digit(Role::Composite, Allowed::DIGITS);
                }
                MrzFormat::Td2 => {
                    line.free(7, Allowed::ANY);
                    line.digit(Role::Composite, Allowed::DIGITS);
                }
                _ => line.free(width - 28, Allowed::ANY),
            }
            vec![first, line.take()]
        }
        MrzFormat::FrenchId => {
            line.composite = true;
            line.letters("IDFRA");
            line.names(25);
            line.free(6, Allowed::ANY);
            let first = line.take();
            // Year and month of issue, department (2A and 2B are Corsica's), running number.
            let department = Allowed::DIGITS.or(Allowed::of("AB"));
            line.counted(5, Checked::DocumentNumber, Allowed::DIGITS);
            line.counted(1, Checked::DocumentNumber, department);
            line.counted(6, Checked::DocumentNumber, Allowed::DIGITS);
            line.digit(Role::Digit(Checked::DocumentNumber), Allowed::DIGITS);
            line.names(14);
            line.date(Checked::DateOfBirth);
            line.sex();
            line.digit(Role::Composite, Allowed::DIGITS);
            vec![first, line.take()]
        }
    };
    Some(Layout { format, lines, number_overflow })
}

/// First letters of the document code: P passports, V visas; cards of the sizes TD1 and TD2 begin
/// with A, C or I, and residence permits of some states with R. No card begins with P: a passport whose
/// fillers run together would otherwise pass for a shorter zone.
const fn first_letters(format: MrzFormat) -> &'static str {
    match format {
        MrzFormat::Td3 => "P",
        MrzFormat::MrvA | MrzFormat::MrvB => "V",
        MrzFormat::Td1 | MrzFormat::Td2 => "ACIR",
        MrzFormat::FrenchId => "I",
    }
}

#[derive(Default)]
struct Builder {
    cells: Vec<Cell>,
    composite: bool,
}

impl Builder {
    fn take(&mut self) -> Vec<Cell> {
        std::mem::take(&mut self.cells)
    }

    fn push(&mut self, count: usize, allowed: Allowed, role: Role) {
        let in_composite = self.composite && role != Role::Composite;
        self.cells.extend(std::iter::repeat_n(Cell { allowed, role, in_composite }, count));
    }

    fn free(&mut self, count: usize, allowed: Allowed) {
        self.push(count, allowed, Role::Free);
    }

    fn counted(&mut self, count: usize, checked: Checked, allowed: Allowed) {
        self.push(count, allowed, Role::Counted(checked));
    }

    fn digit(&mut self, role: Role, allowed: Allowed) {
        self.push(1, allowed, role);
    }

    fn names(&mut self, count: usize) {
        self.push(count, Allowed::LETTERS_OR_FILLER, Role::Name);
    }

    /// Characters that are always the same.
    fn letters(&mut self, text: &str) {
        for letter in text.chars() {
            self.free(1, Allowed::of(letter.encode_utf8(&mut [0; 4])));
        }
    }

    /// Document code and issuing state.
    fn head(&mut self, first: &str) {
        self.free(1, Allowed::of(first));
        self.free(1, Allowed::LETTERS_OR_FILLER);
        self.free(3, Allowed::LETTERS_OR_FILLER);
    }

    /// Nine characters and the check digit, whose place a long number fills with a filler.
    fn number(&mut self, overflow: usize) {
        let checked = Checked::DocumentNumber;
        self.counted(9, checked, Allowed::ANY);
        if overflow == 0 {
            self.digit(Role::Digit(checked), Allowed::DIGITS);
        } else {
            self.free(1, Allowed::FILLER);
        }
    }

    /// Optional data, which begins with the rest of a long document number and its check digit.
    fn overflow(&mut self, overflow: usize, room: usize) {
        if overflow == 0 {
            return self.free(room, Allowed::ANY);
        }
        let not_filler = Allowed::DIGITS.or(Allowed::LETTERS);
        self.counted(overflow, Checked::DocumentNumber, not_filler);
        self.digit(Role::Digit(Checked::DocumentNumber), Allowed::DIGITS);
        self.free(1, Allowed::FILLER);
        self.free(room - overflow - 2, Allowed::ANY);
    }

    /// YYMMDD and its check digit. Unknown parts of a date of birth are fillers.
    fn date(&mut self, checked: Checked) {
        self.counted(2, checked, Allowed::DIGITS_OR_FILLER);
        self.counted(1, checked, Allowed::of("01<"));
        self.counted(1, checked, Allowed::DIGITS_OR_FILLER);
        self.counted(1, checked, Allowed::of("0123<"));
        self.counted(1, checked, Allowed::DIGITS_OR_FILLER);
        self.digit(Role::Digit(checked), Allowed::DIGITS);
    }

    fn sex(&mut self) {
        self.free(1, Allowed::of("MFX<"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_fills_its_lines() {
        for format in ALL {
            let (count, width) = dimensions(format);
            for overflow in [0, 1, 4] {
                let Some(layout) = layout(format, overflow) else {
                    assert!(overflow > 0);
                    continue;
                };
                assert_eq!(layout.lines.len(), count, "{format:?}");
                assert!(layout.lines.iter().all(|line| line.len() == width), "{format:?} {overflow}");
            }
        }
    }

    #[test]
    fn the_composite_covers_what_icao_lists() {
        let covered = |format, line: usize| -> Vec<usize> {
            let layout = layout(format, 0).unwrap();
            (0..layout.lines[line].len()).filter(|c| layout.lines[line][*c].in_composite).collect()
        };
        let td3: Vec<usize> = (0..10).chain(13..20).chain(21..43).collect();
        assert_eq!(covered(MrzFormat::Td3, 1), td3);
        let td2: Vec<usize> = (0..10).chain(13..20).chain(21..35).collect();
        assert_eq!(covered(MrzFormat::Td2, 1), td2);
        assert_eq!(covered(MrzFormat::Td1, 0), (5..30).collect::<Vec<_>>());
        assert!(covered(MrzFormat::Td1, 2).is_empty());
        let td1: Vec<usize> = (0..7).chain(8..15).chain(18..29).collect();
        assert_eq!(covered(MrzFormat::Td1, 1), td1);
        assert!(covered(MrzFormat::MrvA, 1).is_empty());
    }
}
