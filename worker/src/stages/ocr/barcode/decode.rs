//! The decoders, on one sample of a region.

use super::sample::Sample;
use rxing::common::{GlobalHistogramBinarizer, HybridBinarizer};
use rxing::datamatrix::DataMatrixReader;
use rxing::oned::{Code39Reader, Code128Reader};
use rxing::pdf417::PDF417Reader;
use rxing::qrcode::cpp_port::QrReader;
use rxing::{
    Binarizer, BinaryBitmap, DecodeHints, Luma8Source, RXingResult, RXingResultMetadataType,
    RXingResultMetadataValue, Reader,
};
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use txid_shared::partial::BarcodeFormat;

/// What a decoder read.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    pub format: BarcodeFormat,
    pub text: String,
    /// Corners in the sample, in the symbol's own order; fewer than four where not told.
    pub points: Vec<[f32; 2]>,
    /// The symbol stands on its head in the sample.
    pub upside_down: bool,
}

pub fn pdf417(sample: &Sample) -> Option<Read> {
    attempt(sample, true, BarcodeFormat::Pdf417, &mut PDF417Reader::new())
}

/// QR, then Data Matrix.
pub fn matrix(sample: &Sample) -> Option<Read> {
    attempt(sample, true, BarcodeFormat::QrCode, &mut QrReader)
        .or_else(|| attempt(sample, true, BarcodeFormat::DataMatrix, &mut DataMatrixReader))
}

/// Code 128 and Code 39, in thin bands of one code. They have a weak check digit or none: two bands
/// have to say the same.
pub fn linear(bands: impl Iterator<Item = Sample>) -> Option<Read> {
    let mut read: Vec<Read> = Vec::new();
    for band in bands {
        let found = attempt(&band, false, BarcodeFormat::Code128, &mut Code128Reader)
            .or_else(|| attempt(&band, false, BarcodeFormat::Code39, &mut Code39Reader::default()));
        let Some(found) = found else { continue };
        if read.iter().any(|other| other.text == found.text && other.format == found.format) {
            return Some(found);
        }
        read.push(found);
    }
    None
}

/// `local`: each neighbourhood has its own threshold, instead of one for all.
fn attempt(sample: &Sample, local: bool, format: BarcodeFormat, reader: &mut impl Reader) -> Option<Read> {
    let source = Luma8Source::new_with_slice(&sample.pixels, sample.width, sample.height).ok()?;
    // The crate indexes and unwraps on what it read. A panic there is a symbol that could not be
    // read, nothing more; the reader is not used again.
    let result = catch_unwind(AssertUnwindSafe(|| {
        if local {
            run(reader, HybridBinarizer::new(source))
        } else {
            run(reader, GlobalHistogramBinarizer::new(source))
        }
    }));
    let result = result.ok().flatten()?;
    let turned = result.getRXingResultMetadata().get(&RXingResultMetadataType::ORIENTATION);
    let upside_down = matches!(turned, Some(RXingResultMetadataValue::Orientation(180)));
    Some(Read {
        format,
        text: result.getText().to_owned(),
        points: result.getPoints().iter().map(|point| [point.x, point.y]).collect(),
        upside_down,
    })
}

fn run<B: Binarizer>(reader: &mut impl Reader, binarizer: B) -> Option<RXingResult> {
    // Micro QR has one finder pattern and would be found in many a texture.
    let formats = HashSet::from([rxing::BarcodeFormat::QR_CODE]);
    let hints =
        DecodeHints { TryHarder: Some(true), PossibleFormats: Some(formats), ..DecodeHints::default() };
    reader.decode_with_hints(&mut BinaryBitmap::new(binarizer), &hints).ok()
}
