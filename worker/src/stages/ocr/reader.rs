//! Reading lines of one frame: who is asked first, and who only in doubt.

use super::OcrError;
use super::arabic;
use super::frame::Frame;
use super::geometry::{TextBox, dot};
use super::recognition::{Keep, QUICK_WIDTH, Recognised, Recognisers, Width, recognise};
use super::visual::is_form_text;
use crate::inference::Engine;

/// Print is read as well at this share of its width (measured in MODELS.md).
const PRINT_WIDTH: Width = Width::Narrowed(0.8);
/// A line read with a confidence between these is read again at its full width: narrow letters and marks run
/// together. Below them it is print of another script, or none.
const READ_AGAIN: std::ops::Range<f32> = 0.8..0.94;

/// What is known of a picture before it is read.
#[derive(Clone, Copy)]
pub struct Known {
    /// It holds nothing that a closer look would show.
    pub blurred: bool,
    /// Print in Arabic is to be expected: it tells how the picture stands, too.
    pub arabic: bool,
}

/// What a line was read as.
#[derive(Debug, Clone, Default)]
pub struct LineReading {
    /// By the recognisers of print; `None` where nobody asked them.
    pub print: Option<Recognised>,
    /// As Arabic; `None` where that is not to be expected or nobody asked.
    pub arabic: Option<Recognised>,
    /// Nobody else need be asked.
    pub settled: bool,
}

impl LineReading {
    /// The one with more confidence.
    pub fn surer(&self) -> Option<&Recognised> {
        let arabic = self.arabic.as_ref().filter(|_| self.is_surer_in_arabic());
        arabic.or(self.print.as_ref())
    }

    pub fn is_surer_in_arabic(&self) -> bool {
        let confidence = |reading: &Option<Recognised>| reading.as_ref().map(|reading| reading.confidence);
        confidence(&self.arabic) > confidence(&self.print)
    }
}

/// Whether what was read quickly is beyond doubt. A figure or two may be Arabic-Indic ones. Labels and titles are
/// nobody's name: what was read in every letter as they are printed on each of these documents is one.
fn settles(quick: &Recognised) -> bool {
    let characters = quick.text.chars().filter(|c| c.is_alphanumeric()).count();
    quick.is_sure() && characters > 2 || is_form_text(&quick.text)
}

/// Reads lines of a frame.
pub struct Reader<'a> {
    pub frame: Frame<'a>,
    pub known: Known,
    pub recognisers: &'a Recognisers,
    pub engine: &'a mut Engine,
}

impl Reader<'_> {
    fn read(&mut self, place: &TextBox, width: Width) -> Result<Option<Recognised>, OcrError> {
        Ok(recognise(&self.frame, place, width, Keep::Text, &self.recognisers.thorough, self.engine)?)
    }

    pub fn read_quickly(&mut self, place: &TextBox, keep: Keep) -> Result<Option<Recognised>, OcrError> {
        Ok(recognise(&self.frame, place, QUICK_WIDTH, keep, &self.recognisers.quick, self.engine)?)
    }

    /// As print in Arabic, where it is to be expected.
    fn read_arabic(&mut self, place: &TextBox) -> Result<Option<Recognised>, OcrError> {
        if !self.known.arabic {
            return Ok(None);
        }
        Ok(arabic::recognise(&self.frame, place, &self.recognisers.arabic, self.engine)?)
    }

    /// One line, `quick` being what the quick recogniser made of it where it was asked already.
    pub fn read_line(&mut self, place: &TextBox, quick: Option<Recognised>) -> Result<LineReading, OcrError> {
        // Whoever is likelier to be sure goes first.
        let arabic_first = quick.is_none() && self.known.arabic && self.is_to_the_right(place);
        let arabic = if arabic_first { self.read_arabic(place)? } else { None };
        if arabic.as_ref().is_some_and(arabic::is_sure) {
            return Ok(LineReading { print: None, arabic, settled: true });
        }
        let quick = match quick {
            None => self.read_quickly(place, Keep::Text)?,
            asked => asked,
        };
        if quick.as_ref().is_some_and(settles) {
            return Ok(LineReading { print: quick, arabic, settled: true });
        }
        let arabic = if arabic_first { arabic } else { self.read_arabic(place)? };
        if arabic.as_ref().is_some_and(arabic::is_sure) {
            return Ok(LineReading { print: None, arabic, settled: true });
        }
        let print = match quick {
            Some(quick) if quick.is_sure() => Some(quick),
            quick => self.read_thoroughly(place, quick)?,
        };
        Ok(LineReading { print, arabic, settled: false })
    }

    /// Where documents in two scripts have the one that is written from there.
    fn is_to_the_right(&self, place: &TextBox) -> bool {
        let [left, top, width, height] = self.frame.extent();
        let from_middle = [place.centre[0] - left - width / 2.0, place.centre[1] - top - height / 2.0];
        dot(from_middle, place.along) > 0.0
    }

    /// Once more where that is not sure either, unless both read the same.
    fn read_thoroughly(
        &mut self,
        place: &TextBox,
        quick: Option<Recognised>,
    ) -> Result<Option<Recognised>, OcrError> {
        let Some(narrowed) = self.read(place, PRINT_WIDTH)? else { return Ok(None) };
        let agreed = quick.is_some_and(|quick| quick.text == narrowed.text);
        if agreed || !READ_AGAIN.contains(&narrowed.confidence) {
            return Ok(Some(narrowed));
        }
        let full = self.read(place, Width::InRatio)?;
        Ok([narrowed].into_iter().chain(full).max_by(|a, b| a.confidence.total_cmp(&b.confidence)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_sure_settles_a_line_and_so_does_a_label_in_every_letter() {
        let quick = |text: &str, least| Recognised { text: text.to_owned(), least, ..Recognised::default() };
        assert!(settles(&quick("EL AMRANI", 0.92)) && !settles(&quick("EL AMRANI", 0.88)));
        assert!(settles(&quick("Valable jusqu'au", 0.5)) && !settles(&quick("Vatable jusqu'au", 0.5)));
        assert!(!settles(&quick("9", 0.99)), "it may be an Arabic letter");
    }

    #[test]
    fn the_surer_of_two_readings_is_told() {
        let read = |confidence| Some(Recognised { confidence, ..Recognised::default() });
        let of = |print, arabic| LineReading { print, arabic, settled: false };
        assert!(
            of(read(0.6), read(0.9)).is_surer_in_arabic() && !of(read(0.9), read(0.6)).is_surer_in_arabic()
        );
        assert!(of(None, read(0.1)).is_surer_in_arabic() && !of(read(0.1), None).is_surer_in_arabic());
        assert_eq!(of(read(0.6), read(0.9)).surer().map(|surer| surer.confidence), Some(0.9));
        assert!(of(None, None).surer().is_none());
    }
}
