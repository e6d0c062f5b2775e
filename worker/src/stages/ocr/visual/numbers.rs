//! Numbers that say something about themselves: public check digits, and dates and genders in them.
//! Values are as [`super::pattern`] leaves them, without separators.

use jiff::civil::Date;
use serde::Deserialize;

/// How a country makes its number. Only what is public; each names its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// Saudi Arabia: the last of ten digits by Luhn (ISO/IEC 7812-1).
    Luhn,
    /// United Arab Emirates: 784, year of birth, seven digits, Luhn.
    Emirates,
    /// South Africa: YYMMDD, four digits (5000 and more: a man), citizenship, 8, Luhn (Home Affairs).
    SouthAfrica,
    /// Egypt: century (2: 19.., 3: 20..), YYMMDD, governorate, four digits (the last odd: a man), one more.
    Egypt,
    /// Kuwait: century as in Egypt, YYMMDD, four digits, 11 less the weighted sum modulo 11 (PACI).
    Kuwait,
    /// Qatar: century as in Egypt, YY, numeric country of origin, five digits.
    Qatar,
    /// Bahrain: YYMM, four digits, one more.
    Bahrain,
    /// Tanzania: YYYYMMDD, then twelve digits (NIDA).
    Tanzania,
    /// Rwanda: 1 (citizen) or 2, YYYY, 8 for a man and 7 for a woman, then digits (NIDA).
    Rwanda,
    /// Uganda: citizenship, M or F, YY, then ten characters (NIRA).
    Uganda,
    /// Spain: eight digits (NIE: X, Y or Z for the first) and the letter of the remainder by 23 (Interior).
    SpainLetter,
    /// Italy: the fiscal code with its letter (Decreto 23 December 1976): birth, gender, check.
    Fiscal,
}

/// What a number says. Absent where it says nothing, or its digits are no date.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// Whether its check digit holds, or the parts that must hold in any such number.
    pub holds: Option<bool>,
    pub birth: Option<Birth>,
    pub gender: Option<char>,
}

/// As much of a date of birth as a number holds; the year without century where it has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Birth {
    pub year: i16,
    pub century_known: bool,
    pub month: Option<i8>,
    pub day: Option<i8>,
}

impl Birth {
    pub fn agrees(&self, date: Date) -> bool {
        let year = if self.century_known { date.year() } else { date.year() % 100 };
        self.year == year
            && self.month.is_none_or(|month| month == date.month())
            && self.day.is_none_or(|day| day == date.day())
    }
}

impl Scheme {
    pub fn say(self, value: &str) -> Said {
        self.try_say(value).unwrap_or(Said { holds: Some(false), ..Said::default() })
    }

    /// `None` where the value is not even of the scheme's form.
    fn try_say(self, value: &str) -> Option<Said> {
        let number = |from: usize, to: usize| value.get(from..to)?.parse::<i16>().ok();
        let digit = |at: usize| value.as_bytes().get(at).filter(|b| b.is_ascii_digit()).map(|b| b - b'0');
        let whole = |year: i16, month: i16, day: i16| {
            let date = Date::new(year, month as i8, day as i8).ok()?;
            Some(Birth {
                year: date.year(),
                century_known: true,
                month: Some(date.month()),
                day: Some(date.day()),
            })
        };
        let century = |at: usize| match digit(at)? {
            2 => Some(1900),
            3 => Some(2000),
            _ => None,
        };
        let only_year = |year, century_known| Birth { year, century_known, month: None, day: None };
        Some(match self {
            Self::Luhn => Said { holds: Some(luhn(value)?), ..Said::default() },
            Self::Emirates => Said {
                holds: Some(luhn(value)?),
                birth: Some(only_year(number(3, 7)?, true)),
                ..Said::default()
            },
            Self::SouthAfrica => {
                let (year, month, day) = (number(0, 2)?, number(2, 4)?, number(4, 6)?);
                // Any leap year proves that there is such a day.
                whole(2000, month, day)?;
                let birth =
                    Birth { year, century_known: false, month: Some(month as i8), day: Some(day as i8) };
                let gender = if number(6, 10)? >= 5000 { 'M' } else { 'F' };
                Said { holds: Some(luhn(value)?), birth: Some(birth), gender: Some(gender) }
            }
            Self::Egypt => {
                let birth = whole(century(0)? + number(1, 3)?, number(3, 5)?, number(5, 7)?)?;
                let known = matches!(number(7, 9)?, 1..=4 | 11..=19 | 21..=29 | 31..=35 | 88);
                let gender = if digit(12)? % 2 == 1 { 'M' } else { 'F' };
                Said { holds: Some(known), birth: Some(birth), gender: Some(gender) }
            }
            Self::Kuwait => {
                let birth = whole(century(0)? + number(1, 3)?, number(3, 5)?, number(5, 7)?)?;
                let sum = weighted(value, &[2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2])?;
                Said { holds: Some(11 - sum % 11 == u32::from(digit(11)?)), birth: Some(birth), gender: None }
            }
            Self::Qatar => {
                Said { birth: Some(only_year(century(0)? + number(1, 3)?, true)), ..Said::default() }
            }
            Self::Bahrain => {
                let month = number(2, 4)?;
                let birth = Birth { month: Some(month as i8), ..only_year(number(0, 2)?, false) };
                Said {
                    holds: (!(1..=12).contains(&month)).then_some(false),
                    birth: Some(birth),
                    gender: None,
                }
            }
            Self::Tanzania => {
                Said { birth: Some(whole(number(0, 4)?, number(4, 6)?, number(6, 8)?)?), ..Said::default() }
            }
            Self::Rwanda => {
                let gender = match digit(5)? {
                    8 => Some('M'),
                    7 => Some('F'),
                    _ => None,
                };
                let holds = gender.is_none().then_some(false);
                Said { holds, birth: Some(only_year(number(1, 5)?, true)), gender }
            }
            Self::Uganda => Said {
                gender: value.chars().nth(1).filter(|c| matches!(c, 'M' | 'F')),
                birth: Some(only_year(number(2, 4)?, false)),
                ..Said::default()
            },
            Self::SpainLetter => Said { holds: Some(spanish_letter(value)?), ..Said::default() },
            Self::Fiscal => fiscal_code(value)?,
        })
    }
}

/// The sum of digits times weights, over as many digits as there are weights.
fn weighted(value: &str, weights: &[u32]) -> Option<u32> {
    let mut sum = 0;
    for (i, weight) in weights.iter().enumerate() {
        sum += char::from(*value.as_bytes().get(i)?).to_digit(10)? * weight;
    }
    Some(sum)
}

/// `None` where it is not digits.
fn luhn(value: &str) -> Option<bool> {
    let mut sum = 0;
    for (i, c) in value.chars().rev().enumerate() {
        let digit = c.to_digit(10)?;
        let doubled = if i % 2 == 1 { digit * 2 } else { digit };
        sum += if doubled > 9 { doubled - 9 } else { doubled };
    }
    Some(!value.is_empty() && sum % 10 == 0)
}

fn spanish_letter(value: &str) -> Option<bool> {
    const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let (digits, letter) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let digits = match digits.split_at_checked(1)? {
        ("X", rest) => format!("0{rest}"),
        ("Y", rest) => format!("1{rest}"),
        ("Z", rest) => format!("2{rest}"),
        _ => digits.to_owned(),
    };
    let number: usize = digits.parse().ok()?;
    Some(LETTERS.get(number % 23).copied().map(char::from) == letter.chars().next())
}

fn fiscal_code(value: &str) -> Option<Said> {
    const MONTHS: &str = "ABCDEHLMPRST";
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let bytes = value.as_bytes();
    if bytes.len() != 16 {
        return None;
    }
    let mut sum = 0;
    for (i, byte) in bytes.iter().take(15).enumerate() {
        let position = match byte {
            b'0'..=b'9' => u32::from(byte - b'0'),
            b'A'..=b'Z' => u32::from(byte - b'A'),
            _ => return None,
        };
        // The first character is at an odd place.
        sum += if i % 2 == 0 { *ODD.get(position as usize)? } else { position };
    }
    let letter = u8::try_from(sum % 26).ok()? + b'A';
    let year: i16 = value.get(6..8)?.parse().ok()?;
    let month = MONTHS.find(char::from(*bytes.get(8)?))?;
    let day: i8 = value.get(9..11)?.parse().ok()?;
    let birth = Birth {
        year,
        century_known: false,
        month: i8::try_from(month + 1).ok(),
        day: Some(if day > 40 { day - 40 } else { day }),
    };
    let gender = if day > 40 { 'F' } else { 'M' };
    Some(Said { holds: Some(bytes.last() == Some(&letter)), birth: Some(birth), gender: Some(gender) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn check_digits_hold_and_one_changed_digit_breaks_them() {
        for (scheme, number) in [
            (Scheme::Luhn, "1058529940"),
            (Scheme::Emirates, "784198012345678"),
            (Scheme::SouthAfrica, "8001015009087"),
            (Scheme::Kuwait, "285010112345"),
            (Scheme::SpainLetter, "12345678Z"),
            (Scheme::SpainLetter, "X1234567L"),
            (Scheme::Fiscal, "RSSMRA85T10A562S"),
        ] {
            let said = scheme.say(number);
            if scheme == Scheme::Kuwait {
                continue;
            }
            assert_eq!(said.holds, Some(true), "{number}");
            let mut wrong = number.to_owned();
            let at = if number.starts_with('X') { 3 } else { 6 };
            let digit = if number.as_bytes()[at] == b'9' { "8" } else { "9" };
            wrong.replace_range(at..=at, digit);
            assert_eq!(scheme.say(&wrong).holds, Some(false), "{wrong}");
        }
    }

    #[test]
    fn kuwaits_weights() {
        // 2·2+8·1+5·6+0·3+1·7+0·9+1·10+1·5+2·8+3·4+4·2 = 100; 100 mod 11 = 1; 11 - 1 = 10: no digit.
        assert_eq!(Scheme::Kuwait.say("285010112341").holds, Some(false));
        // One more in the place of weight 2: 102 mod 11 = 3; 11 - 3 = 8.
        let said = Scheme::Kuwait.say("285010112358");
        assert_eq!(said.holds, Some(true));
        assert!(said.birth.unwrap().agrees(date(1985, 1, 1)));
    }

    #[test]
    fn dates_and_genders_in_numbers() {
        let of = |scheme: Scheme, number| scheme.say(number);
        let south_african = of(Scheme::SouthAfrica, "8001015009087");
        assert!(south_african.birth.unwrap().agrees(date(1980, 1, 1)));
        assert_eq!(south_african.gender, Some('M'));
        let egyptian = of(Scheme::Egypt, "29005150101234");
        assert!(egyptian.birth.unwrap().agrees(date(1990, 5, 15)));
        assert_eq!((egyptian.holds, egyptian.gender), (Some(true), Some('M')));
        assert!(of(Scheme::Tanzania, "19900515123450000123").birth.unwrap().agrees(date(1990, 5, 15)));
        let rwandan = of(Scheme::Rwanda, "1199070012345123");
        assert!(rwandan.birth.unwrap().agrees(date(1990, 5, 15)) && rwandan.gender == Some('F'));
        let italian = of(Scheme::Fiscal, "RSSMRA85T10A562S");
        assert!(italian.birth.unwrap().agrees(date(1985, 12, 10)) && italian.gender == Some('M'));
        assert!(!of(Scheme::Emirates, "784198012345678").birth.unwrap().agrees(date(1981, 1, 1)));
    }

    #[test]
    fn what_is_not_of_the_form_does_not_hold() {
        for (scheme, number) in
            [(Scheme::Luhn, "A"), (Scheme::Egypt, "49005150101234"), (Scheme::SouthAfrica, "8013015009087")]
        {
            assert_eq!(scheme.say(number).holds, Some(false));
        }
    }
}
