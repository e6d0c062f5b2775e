//! Finding barcodes in a picture and reading them.

use super::decode::{self, Read};
use super::locate::{Region, regions};
use super::sample::Sample;
use txid_imaging::RgbImage;
use txid_shared::partial::{BarcodeFormat, Polygon};

/// A clutter of texture must not cost more than so many tries and so many pixels looked at.
const MOST_TRIES: usize = 4;
const MOST_PIXELS: u32 = 1_600_000;
/// One look: a code of 350×80 modules at six pixels each, and the room around it.
const MOST_LOOK: f32 = 1_500_000.0;
/// A module is at least about a pixel of the scale at which its region was found, an eighth of a
/// block; the decoders get it with three, and the picture enlarged no more than twice.
const STEPS_PER_GRAIN: f32 = 24.0;
const FINEST_STEP: f32 = 0.5;

/// Where a linear code is looked at, as shares of its height from the middle, and how many rows each.
const BANDS: [f32; 4] = [-0.1, 0.1, -0.28, 0.28];
const BAND_ROWS: f32 = 6.0;
/// Cosine of 1°: a decoder does not mind so much.
const SAME_DIRECTION: f32 = 0.99985;

/// A barcode that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Symbol {
    pub format: BarcodeFormat,
    pub text: String,
    pub polygon: Polygon,
}

pub fn find(picture: &RgbImage) -> Vec<Symbol> {
    let (mut tries, mut pixels) = (0, 0);
    let mut read: Vec<(Region, Symbol)> = Vec::new();
    for region in regions(picture) {
        if tries >= MOST_TRIES || pixels >= MOST_PIXELS {
            break;
        }
        if read.iter().any(|(other, _)| other.holds(region.centre) || region.holds(other.centre)) {
            continue;
        }
        tries += 1;
        let step = (region.grain / STEPS_PER_GRAIN).max(FINEST_STEP);
        let mut found = None;
        for region in guesses(&region) {
            let margin = 1.5 * region.grain + if region.bars { 0.05 } else { 0.1 } * region.length;
            let area = (region.length + 2.0 * margin) * (region.height + 2.0 * margin);
            let step = step.max((area / MOST_LOOK).sqrt());
            let sample = Sample::of(picture, &region, [margin; 2], step);
            pixels = sample.width.saturating_mul(sample.height).saturating_add(pixels);
            let read = if region.bars {
                decode::pdf417(&sample).or_else(|| decode::linear(bands(picture, &region, margin)))
            } else {
                decode::matrix(&sample)
            };
            if let Some(read) = read {
                found = Some((region, sample, read));
                break;
            }
        }
        if let Some((region, sample, found)) = found {
            let polygon = place(&region, &sample, &found);
            read.push((region, Symbol { format: found.format, text: found.text, polygon }));
        }
    }
    read.into_iter().map(|(_, symbol)| symbol).collect()
}

/// Thin strips across the bars, twice as fine: a linear code is read from one line.
fn bands<'a>(picture: &'a RgbImage, region: &'a Region, margin: f32) -> impl Iterator<Item = Sample> + 'a {
    let step = (region.grain / STEPS_PER_GRAIN / 2.0).max(FINEST_STEP);
    let height = (region.height / 8.0).min(BAND_ROWS * step);
    BANDS.into_iter().map(move |at| {
        let centre = region.at(0.0, at * region.height);
        Sample::of(picture, &Region { centre, height, ..*region }, [margin, 0.0], step)
    })
}

/// The ways to look at a region, likeliest first.
fn guesses(region: &Region) -> Vec<Region> {
    let mut guesses = Vec::new();
    if region.bars {
        guesses.push(Region { matrix: false, ..*region });
        let cosine = region.along[0] * region.across[0] + region.along[1] * region.across[1];
        if cosine < SAME_DIRECTION {
            guesses.push(Region { matrix: false, along: region.across, ..*region });
        }
    }
    if region.matrix {
        guesses.push(Region { bars: false, ..*region });
    }
    guesses
}

/// A matrix tells its own corners; of bars only the region is known, and whether they stand on
/// their head.
fn place(region: &Region, sample: &Sample, read: &Read) -> Polygon {
    let matrix = matches!(read.format, BarcodeFormat::QrCode | BarcodeFormat::DataMatrix);
    if let (true, [a, b, c, d]) = (matrix, read.points.as_slice()) {
        // QR: top left, top right, low left, low right; Data Matrix: clockwise.
        let (c, d) = if read.format == BarcodeFormat::QrCode { (d, c) } else { (c, d) };
        return [a, b, c, d].map(|[x, y]| sample.to_picture(*x, *y));
    }
    let [a, b, c, d] = region.corners();
    if read.upside_down { [c, d, a, b] } else { [a, b, c, d] }
}
