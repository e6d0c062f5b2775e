//! Reading documents: finds lines of text, reads them, decodes the machine-readable zone, reads
//! barcodes and collects labelled fields.
//!
//! In: one or two sides of a document in any of four orientations. Out: [`OcrResult`]. A picture
//! without a document gives `readable: false` and no fields. Fails (`Retry`) only when a model
//! cannot run, and refuses what cannot be decoded.

mod arabic;
mod assemble;
mod barcode;
mod compare;
mod countries;
mod dates;
mod detection;
mod frame;
mod geometry;
mod glyphs;
mod letters;
mod lines;
pub mod mrz;
mod orientation;
mod reader;
mod recognition;
mod side;
mod text_regions;
mod trial;
mod visual;
mod zone;

use super::{Outcome, Stage, StageClock, StageInput};
use crate::inference::{Engine, InferenceError};
use jiff::civil::Date;
use reader::Known;
use recognition::Recognisers;
use std::sync::OnceLock;
use txid_imaging::{DOCUMENT_MEASURED_PX, ImageError, document_issues, find_document};
use txid_shared::documents::{SUPPORTED, supported_country};
use txid_shared::partial::{OcrResult, StageResult};
use txid_shared::words::Stage as StageName;
use visual::Told;

/// ISO 15924.
const ARABIC: &str = "Arab";

/// Why a side could not be read.
#[derive(Debug, thiserror::Error)]
pub enum OcrError {
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Inference(#[from] InferenceError),
}

/// The `ocr` stage. `today` decides the century of two-digit years.
pub struct Ocr {
    today: fn() -> Date,
    recognisers: OnceLock<Recognisers>,
}

impl Default for Ocr {
    fn default() -> Self {
        Self::new(|| jiff::Zoned::now().date())
    }
}

impl Ocr {
    pub const fn new(today: fn() -> Date) -> Self {
        Self { today, recognisers: OnceLock::new() }
    }

    /// Reads all document sides. Decoding times are in the images.
    pub fn read(&self, input: &StageInput, engine: &mut Engine) -> Result<OcrResult, OcrError> {
        let recognisers = match self.recognisers.get() {
            Some(recognisers) => recognisers,
            // Every engine has the same files, so whoever comes second finds the same.
            None => {
                let recognisers = Recognisers::of(engine)?;
                self.recognisers.get_or_init(|| recognisers)
            }
        };
        let country = input.country.as_deref();
        let told_arabic = country.and_then(supported_country).is_some_and(|told| told.prints_arabic());
        let (mut sides, mut issues) = (Vec::new(), Vec::new());
        let mut barcodes = Vec::new();
        let today = (self.today)();
        for (image, source) in input.images.document_sides() {
            let picture = source.decoded()?;
            barcodes.extend(barcode::read(&picture, image, today));
            let small = source.scaled(DOCUMENT_MEASURED_PX)?;
            let ratio = picture.width() as f32 / small.width().max(1) as f32;
            let outline = find_document(&small)?.scaled(ratio);
            let found = document_issues(&small, picture.width(), picture.height());
            let blurred = found.iter().any(|issue| issue.code == "blurred");
            let known = Known { blurred, arabic: told_arabic };
            sides.push((image, side::read_side(&picture, &outline, known, recognisers, engine)?));
            issues.push(found);
        }
        // Which state issued it may be known only now: the zone is on the back of most cards.
        let reads_arabic = arabic::is_expected(&sides, country);
        if reads_arabic {
            for ((_, source), (_, side)) in input.images.document_sides().zip(&mut sides) {
                let picture = source.decoded()?;
                arabic::read_doubtful(&picture, side, &recognisers.arabic, engine)?;
            }
        }
        let told = Told { country, document: input.document_type, ..Told::default() };
        let mut result = assemble::assemble(&sides, barcodes, &told, today);
        result.sides =
            sides.iter().zip(issues).map(|((image, side), issues)| side.reading(*image, issues)).collect();
        if !reads_arabic {
            result.unread_scripts = unread_scripts(&result, country);
        }
        Ok(result)
    }
}

/// Of the issuer that was read, or else of the country that was told, where nobody looked for Arabic: the
/// issuer may have been found in a barcode alone.
fn unread_scripts(result: &OcrResult, told: Option<&str>) -> Vec<String> {
    let issuer = result.fields.get("issuing_country").map(|field| field.value.as_str());
    let by_issuer = SUPPORTED.iter().find(|country| Some(country.icao) == issuer);
    let country = by_issuer.or_else(|| supported_country(told?)).filter(|_| result.readable);
    country.filter(|country| country.prints_arabic()).map(|_| ARABIC.to_owned()).into_iter().collect()
}

impl Stage for Ocr {
    fn name(&self) -> StageName {
        StageName::Ocr
    }

    fn run(&self, input: &StageInput, engine: &mut Engine) -> Outcome {
        let mut clock = StageClock::start(engine);
        for (_, source) in input.images.document_sides() {
            if let Err(error) = clock.decoding(|| source.decoded()) {
                return Outcome::Refused { class: error.class(), message: error.to_string() };
            }
        }
        match self.read(input, engine) {
            Ok(result) => {
                let timing = clock.timing(engine);
                Outcome::completed(StageResult::Ocr(result), timing)
            }
            Err(OcrError::Image(error)) => {
                Outcome::Refused { class: error.class(), message: error.to_string() }
            }
            Err(OcrError::Inference(error)) => {
                Outcome::Retry { class: "inference_failed", message: error.to_string() }
            }
        }
    }
}
