//! Civil dates, and the ways in which documents print them.

use serde::Serialize;
use std::fmt;

/// A civil date of the proleptic Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    pub year: u16,
    pub month: u8,
    pub day: u8,
}

/// What stands for the month in a pattern, and the names from January on.
const MONTHS: [(&str, [&str; 12]); 6] = [
    ("EEE", ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]),
    ("FFF", ["JAN", "FÉV", "MARS", "AVR", "MAI", "JUIN", "JUIL", "AOÛT", "SEPT", "OCT", "NOV", "DÉC"]),
    ("III", ["GEN", "FEB", "MAR", "APR", "MAG", "GIU", "LUG", "AGO", "SET", "OTT", "NOV", "DIC"]),
    // English written out, and English as most people abbreviate it.
    (
        "LLL",
        [
            "JANUARY",
            "FEBRUARY",
            "MARCH",
            "APRIL",
            "MAY",
            "JUNE",
            "JULY",
            "AUGUST",
            "SEPTEMBER",
            "OCTOBER",
            "NOVEMBER",
            "DECEMBER",
        ],
    ),
    (
        "TTT",
        [
            "جانفي",
            "فيفري",
            "مارس",
            "أفريل",
            "ماي",
            "جوان",
            "جويلية",
            "أوت",
            "سبتمبر",
            "أكتوبر",
            "نوفمبر",
            "ديسمبر",
        ],
    ),
    ("Eee", ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]),
];

impl Date {
    /// In the order and with the marks of `pattern`, made of `dd`, `mm`, `yyyy` or `yy`, and the names
    /// of months: `EEE` English, `Eee` the same in small letters, `LLL` written out, `FFF` French,
    /// `III` Italian, `TTT` Arabic as in Tunisia.
    pub fn printed(self, pattern: &str) -> String {
        let mut printed = pattern
            .replace("yyyy", &format!("{:04}", self.year))
            .replace("yy", &format!("{:02}", self.year % 100))
            .replace("mm", &format!("{:02}", self.month))
            .replace("dd", &format!("{:02}", self.day));
        for (mark, names) in MONTHS {
            if let Some(name) = names.get(usize::from(self.month).wrapping_sub(1)) {
                printed = printed.replace(mark, name);
            }
        }
        printed
    }

    pub const fn plus_years(self, years: u16) -> Self {
        Self { year: self.year + years, ..self }
    }

    /// The same day in the Islamic calendar by its tabular rule (years 2, 5, 7, 10, 13, 16, 18, 21, 24, 26, 29
    /// of each 30 are leap years); the calendar of a state may differ by a day.
    pub fn hijri(self) -> Self {
        let (year, month, day) = (i64::from(self.year), i64::from(self.month), i64::from(self.day));
        // Julian day number, by Fliegel and Van Flandern.
        let a = (14 - month) / 12;
        let (y, m) = (year + 4800 - a, month + 12 * a - 3);
        let julian = day + (153 * m + 2) / 5 + 365 * y + y / 4 - y / 100 + y / 400 - 32_045;
        // Cycles of thirty years have 10 631 days; 1 Muharram 1 is day 1 948 440.
        let days = julian - 1_948_440;
        let (cycle, mut rest) = (days.div_euclid(10_631), days.rem_euclid(10_631));
        let mut hijri_year = 1;
        loop {
            let length = 354 + i64::from((14 + 11 * hijri_year) % 30 < 11);
            if rest < length {
                break;
            }
            rest -= length;
            hijri_year += 1;
        }
        // Months have 30 and 29 days in turn.
        let mut hijri_month = 1;
        while hijri_month < 12 && rest >= 29 + hijri_month % 2 {
            rest -= 29 + hijri_month % 2;
            hijri_month += 1;
        }
        Self { year: (cycle * 30 + hijri_year) as u16, month: hijri_month as u8, day: rest as u8 + 1 }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.printed("yyyy-mm-dd"))
    }
}

impl Serialize for Date {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn date(year: u16, month: u8, day: u8) -> Date {
        Date { year, month, day }
    }

    #[test]
    fn months_have_names_where_the_pattern_has_letters() {
        let born = date(1990, 8, 5);
        assert_eq!(born.printed("dd EEE/FFF yyyy"), "05 AUG/AOÛT 1990");
        assert_eq!(born.printed("dd EEE /FFF yy"), "05 AUG /AOÛT 90");
        assert_eq!(born.printed("dd.mm.yyyy"), "05.08.1990");
        assert_eq!(born.printed("dd III/EEE yyyy"), "05 AGO/AUG 1990");
    }

    /// Days that any conversion table has.
    #[test]
    fn hijri_dates_are_the_tabular_ones() {
        assert_eq!(date(622, 7, 19).hijri(), date(1, 1, 1));
        assert_eq!(date(2000, 4, 6).hijri(), date(1421, 1, 1));
        assert_eq!(date(2024, 7, 8).hijri(), date(1446, 1, 1));
    }
}
