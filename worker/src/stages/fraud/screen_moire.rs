//! The pixel grid of a display: photographed, it leaves sharp peaks in the spectrum, and it lies
//! over everything in the picture, the table included. Print and security patterns make such peaks
//! too, but only where they are printed. Hence: the strength of the strongest peak that three
//! quarters of all tiles have.
//!
//! Looked for twice. In brightness at full resolution, where the grid itself may be resolved; and in
//! both colour differences at half resolution: each colour of the camera's mosaic sees only every
//! second pixel, so a grid too fine for brightness folds into coloured fringes, coarse enough to
//! survive JPEG.

use super::{Finding, scored};
use rustfft::num_complex::Complex32;
use rustfft::{Fft, FftPlanner};
use std::sync::{Arc, OnceLock};
use txid_imaging::{GrayImage, RgbImage, luminance};

/// Side of a tile in samples.
const TILE: usize = 128;
/// Tiles down and across the picture. Even, since two tiles share a transform.
const TILES: (usize, usize) = (4, 6);
/// The same for a part of a picture.
const TILES_OF_REGION: (usize, usize) = (4, 4);
/// Share of tiles that may lie without a peak: glare, black margins.
const WITHOUT: f32 = 0.25;

/// Logarithm (base 10) of peak over surroundings → score, for brightness. Measured (MODELS.md):
/// genuine documents at most 2.1; photographed displays up to 4.8, but nothing where the pitches
/// of display and camera nearly coincide.
const BRIGHTNESS_SCORES: [(f32, f32); 5] = [(2.3, 0.0), (2.9, 0.45), (3.1, 0.6), (3.3, 0.8), (3.7, 1.0)];
/// For the weaker of the colour differences: genuine at most 2.21, photographed displays 3.0 to 4.6
/// on 48 of 49 sides, 2.4 on the other.
const COLOUR_SCORES: [(f32, f32); 5] = [(2.3, 0.0), (2.7, 0.5), (2.9, 0.75), (3.1, 0.85), (3.6, 1.0)];

pub fn find(picture: &RgbImage, grey: &GrayImage) -> Finding {
    let score = score(picture, grey, TILES);
    if score > 0.0 {
        let message =
            "a regular grid finer than print lies over the whole picture, like the pixels of a display";
        Finding { score, message: message.to_owned(), region: None }
    } else {
        Finding::nothing("no grid of a display in the spectrum")
    }
}

/// The score of a region `[left, top, width, height]` alone; 0 where it is too small to tell.
pub fn score_of_region(picture: &RgbImage, [left, top, width, height]: [u32; 4]) -> f32 {
    if width < 2 * TILE as u32 || height < 2 * TILE as u32 {
        return 0.0;
    }
    let crop = image::imageops::crop_imm(picture, left, top, width, height).to_image();
    score(&crop, &luminance(&crop), TILES_OF_REGION)
}

fn score(picture: &RgbImage, grey: &GrayImage, tiles: (usize, usize)) -> f32 {
    let brightness = scored(brightness(grey, tiles), &BRIGHTNESS_SCORES);
    brightness.max(scored(colour(picture, tiles), &COLOUR_SCORES))
}

/// The peak in brightness that all but the weakest quarter of the tiles reach.
fn brightness(grey: &GrayImage, tiles: (usize, usize)) -> f32 {
    let spectrum = &Spectra::shared().brightness;
    let width = grey.width() as usize;
    let level = |at: (usize, usize), x, y| {
        f32::from(grey.as_raw().get((at.1 + y) * width + at.0 + x).copied().unwrap_or(0))
    };
    let corners = corners(width, grey.height() as usize, TILE, tiles);
    let peaks = corners.chunks(2).flat_map(|pair| match *pair {
        [a, b] => spectrum.peaks(|x, y| Complex32::new(level(a, x, y), level(b, x, y))),
        _ => [0.0; 2],
    });
    common(peaks.collect())
}

/// The same for the weaker of both colour differences, at half resolution.
fn colour(picture: &RgbImage, tiles: (usize, usize)) -> f32 {
    let spectrum = &Spectra::shared().colour;
    let width = picture.width() as usize;
    let pixels = picture.as_raw();
    // Mean of four pixels, as blue and red less brightness (BT.601).
    let differences = |left: usize, top: usize, x: usize, y: usize| {
        let [mut red, mut green, mut blue] = [0u16; 3];
        for row in 0..2 {
            let at = 3 * ((top + 2 * y + row) * width + left + 2 * x);
            if let Some(&[r, g, b, r2, g2, b2]) = pixels.get(at..at + 6) {
                red += u16::from(r) + u16::from(r2);
                green += u16::from(g) + u16::from(g2);
                blue += u16::from(b) + u16::from(b2);
            }
        }
        let [red, green, blue] = [red, green, blue].map(|sum| f32::from(sum) / 4.0);
        let blue_difference = 0.5 * blue - 0.169 * red - 0.331 * green;
        Complex32::new(blue_difference, 0.5 * red - 0.419 * green - 0.081 * blue)
    };
    let corners = corners(width, picture.height() as usize, 2 * TILE, tiles);
    let (blue, red): (Vec<f32>, Vec<f32>) = corners
        .into_iter()
        .map(|(left, top)| spectrum.peaks(|x, y| differences(left, top, x, y)).into())
        .unzip();
    common(blue).min(common(red))
}

/// Top left corners of tiles of `side` pixels, spread evenly; none where the picture is too small.
fn corners(width: usize, height: usize, side: usize, (down, across): (usize, usize)) -> Vec<(usize, usize)> {
    if width < side || height < side {
        return Vec::new();
    }
    let step = |index: usize, count: usize, length: usize| (length - side) * index / (count - 1).max(1);
    (0..down)
        .flat_map(|row| (0..across).map(move |column| (row, column)))
        .map(|(row, column)| (step(column, across, width), step(row, down, height)))
        .collect()
}

/// What all but the weakest quarter reach.
fn common(mut peaks: Vec<f32>) -> f32 {
    peaks.sort_by(f32::total_cmp);
    peaks.get((peaks.len() as f32 * WITHOUT) as usize).copied().unwrap_or(0.0)
}

/// What does not depend on the picture.
struct Spectra {
    brightness: Spectrum,
    colour: Spectrum,
}

impl Spectra {
    fn shared() -> &'static Self {
        static SHARED: OnceLock<Spectra> = OnceLock::new();
        SHARED.get_or_init(|| Self {
            // Below are text and patterns, and everything has energy there. The harmonics of JPEG's
            // blocks are in every picture.
            brightness: Spectrum::new(0.18, 50.0, true),
            // Colour changes slowly over a document: all but its broadest areas can be looked at.
            colour: Spectrum::new(0.03, 5.0, false),
        })
    }
}

struct Spectrum {
    fft: Arc<dyn Fft<f32>>,
    window: Vec<f32>,
    /// Power that rounding to 8 bits leaves in a flat tile; keeps peaks of nothing from counting.
    floor: f32,
    /// Bins of equal distance from the origin, each compared with its own ring; half of the plane,
    /// since the other half is its mirror image.
    rings: Vec<Vec<Bin>>,
}

#[derive(Clone, Copy)]
struct Bin {
    index: usize,
    /// The bin of the opposite frequency.
    mirrored: usize,
    counts: bool,
}

impl Spectrum {
    /// `lowest` in cycles per sample.
    fn new(lowest: f32, floor: f32, without_blocks: bool) -> Self {
        let turn = std::f32::consts::TAU / TILE as f32;
        let window = (0..TILE).map(|index| 0.5 - 0.5 * (index as f32 * turn).cos()).collect();
        let signed = |index: usize| if index < TILE / 2 { index as f32 } else { index as f32 - TILE as f32 };
        let on_block_harmonic = |index: usize| without_blocks && (index + 1) % (TILE / 8) <= 2;
        let mut rings = vec![Vec::new(); TILE];
        for y in 0..TILE {
            for x in 0..=TILE / 2 {
                let radius = signed(x).hypot(signed(y));
                // Rings of two bins' width hold enough bins for a steady median.
                if let (true, Some(ring)) =
                    (radius > lowest * TILE as f32, rings.get_mut(radius as usize / 2))
                {
                    let counts = !(on_block_harmonic(x) && on_block_harmonic(y));
                    let mirrored = (TILE - y) % TILE * TILE + (TILE - x) % TILE;
                    ring.push(Bin { index: y * TILE + x, mirrored, counts });
                }
            }
        }
        rings.retain(|ring| ring.len() >= 12);
        Self { fft: FftPlanner::new().plan_fft_forward(TILE), window, floor, rings }
    }

    /// For each of two tiles: log10 of the strongest bin over the median of its ring, plus 1; 0 for
    /// a flat tile. One transform serves both, as real and imaginary part.
    fn peaks(&self, both: impl Fn(usize, usize) -> Complex32) -> [f32; 2] {
        let mut values: Vec<Complex32> = (0..TILE * TILE).map(|i| both(i % TILE, i / TILE)).collect();
        let mean = values.iter().sum::<Complex32>() / (TILE * TILE) as f32;
        for (row, down) in values.chunks_exact_mut(TILE).zip(&self.window) {
            row.iter_mut()
                .zip(&self.window)
                .for_each(|(value, across)| *value = (*value - mean) * across * down);
        }
        self.fft.process(&mut values);
        let mut turned = vec![Complex32::default(); TILE * TILE];
        for (y, row) in values.chunks_exact(TILE).enumerate() {
            for (x, value) in row.iter().enumerate() {
                if let Some(cell) = turned.get_mut(x * TILE + y) {
                    *cell = *value;
                }
            }
        }
        self.fft.process(&mut turned);
        // Turned: x and y have changed places; rings, mirroring and block harmonics are symmetric.
        let at = |index: usize| turned.get(index).copied().unwrap_or_default();
        let mut strongest = [0.0f32; 2];
        let mut powers: [Vec<f32>; 2] = [Vec::new(), Vec::new()];
        for ring in &self.rings {
            powers.iter_mut().for_each(Vec::clear);
            let mut peak = [0.0f32; 2];
            for bin in ring {
                let (here, opposite) = (at(bin.index), at(bin.mirrored).conj());
                let both = [here + opposite, here - opposite].map(|sum| sum.norm_sqr() / 4.0);
                for ((powers, peak), power) in powers.iter_mut().zip(&mut peak).zip(both) {
                    powers.push(power);
                    if bin.counts {
                        *peak = peak.max(power);
                    }
                }
            }
            for ((powers, peak), strongest) in powers.iter_mut().zip(peak).zip(&mut strongest) {
                let middle = powers.len() / 2;
                let (_, median, _) = powers.select_nth_unstable_by(middle, f32::total_cmp);
                *strongest = strongest.max(peak / (*median + self.floor));
            }
        }
        strongest.map(|value| (value + 1.0).log10())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    /// Soft shapes with a little noise, as a camera sees paper.
    fn paper(x: u32, y: u32) -> f32 {
        let noise =
            (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(2_246_822_519)).wrapping_mul(3_266_489_917) >> 24;
        150.0 + 40.0 * (x as f32 / 90.0).sin() * (y as f32 / 70.0).cos() + noise as f32 / 40.0
    }

    fn picture(value: impl Fn(u32, u32) -> f32) -> RgbImage {
        RgbImage::from_fn(900, 700, |x, y| Rgb([value(x, y).clamp(0.0, 255.0) as u8; 3]))
    }

    fn score(picture: &RgbImage) -> f32 {
        find(picture, &luminance(picture)).score
    }

    #[test]
    fn a_grid_over_the_whole_picture_is_seen_and_paper_is_not() {
        let grid = |x: u32, y: u32| {
            paper(x, y) + 12.0 * ((x as f32 + 0.03 * y as f32) * 0.39 * std::f32::consts::TAU).sin()
        };
        assert_eq!(score(&picture(paper)), 0.0);
        assert!(score(&picture(grid)) >= 0.8);
    }

    #[test]
    fn a_fine_pattern_on_a_part_of_the_picture_is_no_screen() {
        let patch = |x: u32, y: u32| {
            let line = 12.0 * (x as f32 * 0.35 * std::f32::consts::TAU).sin();
            paper(x, y) + if (300..600).contains(&x) && (200..500).contains(&y) { line } else { 0.0 }
        };
        assert!(score(&picture(patch)) < 0.3);
    }

    #[test]
    fn coloured_fringes_without_any_in_brightness_are_seen() {
        let coloured = RgbImage::from_fn(900, 700, |x, y| {
            let fringe = 5.0 * ((x as f32 + 0.2 * y as f32) * 0.031 * std::f32::consts::TAU).sin();
            let noise = |seed: u32| paper(x ^ seed, y) - paper(x, y);
            // Red and blue go up as green goes down: the brightness stays.
            let shade = [fringe, -fringe * 0.7, fringe];
            let value = paper(x, y);
            Rgb(std::array::from_fn(|c| {
                (value + shade[c] + noise(c as u32 * 64) * 0.3).clamp(0.0, 255.0) as u8
            }))
        });
        assert!(score(&coloured) >= 0.5, "{}", score(&coloured));
    }
}
