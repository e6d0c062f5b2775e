//! Lines in Arabic script.
//!
//! The recogniser of print knows Latin letters alone and reads Arabic ones, with doubt, as letters that look
//! alike. On documents of states that print Arabic its doubtful lines are read once more, by a network made
//! for them (`models/arabic/`). In: the sides as read. Out: the same sides with lines in Arabic among the
//! others, in logical order (as they are typed). Documents of other states cost nothing.

use super::frame::Frame;
use super::geometry::{Point, TextBox};
use super::lines::TextLine;
use super::mrz::Part;
use super::recognition::{Keep, Recognised, Recogniser};
use super::side::{Doubtful, Side};
use super::visual;
use crate::inference::{Engine, InferenceError};
use txid_imaging::{RgbImage, luminance};
use txid_shared::arabic;
use txid_shared::documents::{SUPPORTED, SupportedCountry, supported_country};
use txid_shared::words::ImageRole;

/// The height that the network was trained on.
const HEIGHT_PX: u32 = 40;
/// Widths are multiples of this.
const STEP_PX: u32 = 8;
const LEAST_WIDTH_PX: u32 = 24;
const MOST_WIDTH_PX: u32 = 1600;
/// What the network gives for a word of Latin letters, whichever it is.
const LATIN_WORD: char = '¤';
/// Below this it is no text, or text that nobody could read.
const LEAST_CONFIDENCE: f32 = 0.5;
/// From this on nobody else is asked.
const SURE: f32 = 0.9;
/// Added to the deviation of a crop's brightness, so that empty paper does not become noise.
const LEAST_DEVIATION: f32 = 4.0;

/// Whether a document is printed in Arabic as well. `told` is the country that the caller named (ISO 3166-1
/// alpha-2).
pub fn is_expected(sides: &[(ImageRole, Side)], told: Option<&str>) -> bool {
    let zones = sides.iter().filter_map(|(_, side)| side.zone.as_ref());
    let issuers: Vec<String> = zones.map(|zone| zone.decoded.part(Part::Issuer)).collect();
    let lines = || sides.iter().map(|(_, side)| side.lines.as_slice()).collect::<Vec<_>>();
    prints_arabic(&issuers, told, || visual::issuer_in_titles(&lines()))
}

/// By the issuer in a zone, else by the country told, else by the issuer in titles (ICAO 9303).
fn prints_arabic(
    zones: &[String],
    told: Option<&str>,
    titles: impl FnOnce() -> Option<&'static str>,
) -> bool {
    let of_icao = |icao: &str| SUPPORTED.iter().find(|country| country.icao == icao);
    let country = match (zones.iter().find_map(|issuer| of_icao(issuer)), told) {
        (Some(issuer), _) => Some(issuer),
        (None, Some(told)) => supported_country(told),
        (None, None) => titles().and_then(of_icao),
    };
    country.is_some_and(SupportedCountry::prints_arabic)
}

/// Reads the doubtful boxes of a side and puts what is Arabic among its lines. A Latin reading of the same
/// box stays only where a part of the box is in Latin letters.
pub fn read_doubtful(
    picture: &RgbImage,
    side: &mut Side,
    recogniser: &Recogniser,
    engine: &mut Engine,
) -> Result<(), InferenceError> {
    let frame = Frame { picture, place: side.place };
    for Doubtful { place, confidence: as_latin, in_arabic } in std::mem::take(&mut side.doubtful) {
        let reading = match in_arabic {
            Some(reading) => Some(reading),
            None => recognise(&frame, &place, recogniser, engine)?,
        };
        let Some(Recognised { text, confidence, .. }) = reading else { continue };
        let line = logical(&text);
        let arabic = without_latin(&line);
        if confidence < LEAST_CONFIDENCE.max(as_latin) || !arabic.chars().any(is_of_the_script) {
            continue;
        }
        if !line.contains(LATIN_WORD) {
            side.lines.retain(|line| line.place != place);
        }
        side.lines.push(TextLine::new(arabic, confidence, place, side.along));
    }
    side.lines.sort_by(|a, b| a.middle().total_cmp(&b.middle()));
    Ok(())
}

/// Whether a line is in Arabic beyond doubt and in nothing else.
pub fn is_sure(reading: &Recognised) -> bool {
    // A number of a document with its letters in front is no word in Arabic.
    let is_number =
        |word: &str| word.chars().any(|c| c.is_ascii_digit()) && word.chars().any(arabic::is_letter);
    let text = &reading.text;
    let beyond_doubt = reading.confidence >= SURE && !text.contains(LATIN_WORD);
    beyond_doubt && text.chars().any(arabic::is_letter) && !text.split(' ').any(is_number)
}

/// As it is typed.
pub fn line(reading: &Recognised, place: TextBox, along: Point) -> TextLine {
    TextLine::new(logical(&reading.text), reading.confidence, place, along)
}

/// In the order in which the picture has it, from left to right. `None` where the box has no area.
pub fn recognise(
    frame: &Frame<'_>,
    line: &TextBox,
    recogniser: &Recogniser,
    engine: &mut Engine,
) -> Result<Option<Recognised>, InferenceError> {
    let columns = line.length / line.thickness.max(1.0) * HEIGHT_PX as f32;
    let columns = ((columns / STEP_PX as f32).round() as u32 * STEP_PX).clamp(LEAST_WIDTH_PX, MOST_WIDTH_PX);
    let Some(crop) = frame.strip(line, columns, HEIGHT_PX) else { return Ok(None) };
    let input = evened(luminance(&crop).as_raw());
    let shape = [1, 1, HEIGHT_PX as usize, columns as usize];
    recogniser.run(shape, &input, Keep::Text, engine).map(Some)
}

/// Mean 0 and deviation 1 over the crop: exposure and contrast say nothing about the text.
fn evened(pixels: &[u8]) -> Vec<f32> {
    let count = pixels.len().max(1) as f32;
    let mean = pixels.iter().map(|v| f32::from(*v)).sum::<f32>() / count;
    let variance = pixels.iter().map(|v| (f32::from(*v) - mean).powi(2)).sum::<f32>() / count;
    let scale = 1.0 / (variance.sqrt() + LEAST_DEVIATION);
    pixels.iter().map(|v| (f32::from(*v) - mean) * scale).collect()
}

/// From the order on paper to the one that is typed: the line is turned round, numbers in it are not
/// (`logical` of `models/arabic/charset.py`).
fn logical(on_paper: &str) -> String {
    let turned: Vec<char> = on_paper.chars().rev().collect();
    let mut typed = Vec::with_capacity(turned.len());
    let mut rest = turned.as_slice();
    while let Some((first, others)) = rest.split_first() {
        let (number, behind) = rest.split_at(number_length(rest));
        if number.is_empty() {
            typed.push(*first);
            rest = others;
        } else {
            typed.extend(number.iter().rev());
            rest = behind;
        }
    }
    String::from_iter(typed)
}

/// How many characters at the beginning are a number: digits, and single marks between two of them. A dash
/// parts Arabic-Indic numbers.
fn number_length(text: &[char]) -> usize {
    let indic = text.first().is_some_and(|c| arabic::is_digit(*c));
    let of_its_kind = |c: &char| if indic { arabic::is_digit(*c) } else { c.is_ascii_digit() };
    let joins = |c: &char| matches!(c, '/' | '.' | ':' | '،') || *c == '-' && !indic;
    let is_digit = |at: usize| text.get(at).is_some_and(of_its_kind);
    let is_mark = |at: usize| text.get(at).is_some_and(joins);
    let mut length = 0;
    while is_digit(length) || length > 0 && is_mark(length) && is_digit(length + 1) {
        length += 1;
    }
    length
}

const fn is_of_the_script(c: char) -> bool {
    arabic::is_letter(c) || arabic::is_digit(c)
}

fn without_latin(line: &str) -> String {
    line.split(' ')
        .filter(|word| !word.is_empty() && !word.contains(LATIN_WORD))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arabic_is_looked_for_on_documents_that_have_it() {
        let zone = |issuer: &str| vec![issuer.to_owned()];
        let unasked = || -> Option<&'static str> { panic!("titles cost time") };
        assert!(prints_arabic(&[], Some("MA"), unasked));
        assert!(!prints_arabic(&[], Some("FR"), unasked));
        assert!(prints_arabic(&zone("MAR"), Some("FR"), unasked));
        assert!(!prints_arabic(&zone("FRA"), Some("MA"), unasked));
        assert!(prints_arabic(&zone("XXX"), None, || Some("EGY")));
        assert!(!prints_arabic(&[], None, || None));
    }

    #[test]
    fn a_line_is_turned_round_and_numbers_in_it_are_not() {
        for (on_paper, typed) in [
            ("دمحم", "محمد"),
            ("يبرعلا نيساي", "ياسين العربي"),
            ("١٩٩٠/٠٥/١٧ داليملا خيرات", "تاريخ الميلاد ١٩٩٠/٠٥/١٧"),
            ("12 ةقنز", "زنقة 12"),
            ("17.05.1990", "17.05.1990"),
            ("17-05-1990", "17-05-1990"),
            // As they are set: the first part to the right.
            ("١٧-٠٥-١٩٩٠", "١٩٩٠-٠٥-١٧"),
            (":مسالا", "الاسم:"),
            ("", ""),
        ] {
            assert_eq!(logical(on_paper), typed);
            assert_eq!(logical(typed), on_paper, "there and back");
        }
    }

    #[test]
    fn a_mark_that_joins_no_digits_is_no_part_of_a_number() {
        assert_eq!(logical("12/-3 - 4"), "4 - 3-/12");
    }

    #[test]
    fn a_letter_before_figures_is_a_number_and_no_word() {
        let read = |text: &str, confidence| Recognised {
            text: text.to_owned(),
            confidence,
            ..Recognised::default()
        };
        for text in ["ةيبرغملا ةكلمملا", "12 ةقنز", "١٩٩٠/٠٥/١٧ داليملا خيرات"]
        {
            assert!(is_sure(&read(text, 0.95)) && !is_sure(&read(text, 0.85)), "{text}");
        }
        for text in ["ر073268", "¤ ةقنز", "12.07.2035", ""] {
            assert!(!is_sure(&read(text, 0.99)), "{text}");
        }
    }

    #[test]
    fn latin_words_are_left_to_the_other_recogniser() {
        assert_eq!(without_latin("¤ جواز ¤¤ سفر"), "جواز سفر");
        assert_eq!(without_latin("¤ ¤"), "");
        assert!(!"12/05".chars().any(is_of_the_script) && "١٢".chars().any(is_of_the_script));
    }

    #[test]
    fn brightness_and_contrast_of_a_crop_do_not_matter() {
        let (pale, strong) = (evened(&[100, 104, 100, 104]), evened(&[0, 200, 0, 200]));
        assert!(pale.iter().zip(&strong).all(|(a, b)| a.signum() == b.signum()));
        assert!((strong[1] - 100.0 / 104.0).abs() < 1e-5);
        assert_eq!(evened(&[7; 6]), [0.0; 6]);
    }
}
