//! The pixel grid of a display: photographed, it leaves sharp peaks in the spectrum, and it lies
//! over everything in the picture, the table included. Print and security patterns make such peaks
//! too, but only where they are printed. Hence: the strength of the strongest peak that three
//! quarters of all tiles have.

use super::{Finding, scored};
use crate::imaging::{GrayImage, RgbImage, luminance};
use rustfft::num_complex::Complex32;
use rustfft::{Fft, FftPlanner};
use std::sync::{Arc, OnceLock};

/// Side of a tile in pixels.
const TILE: usize = 128;
/// Tiles down and across the picture.
const TILES: (u32, u32) = (5, 7);
/// Share of tiles that may lie without a peak: glare, black margins.
const WITHOUT: f32 = 0.25;
/// Cycles per pixel: below are text and patterns, and everything has energy there.
const LOWEST_FREQUENCY: f32 = 0.18;
/// Power that rounding to 8 bits leaves in a flat tile; keeps peaks of nothing from counting.
const POWER_FLOOR: f32 = 50.0;

/// Logarithm (base 10) of peak over surroundings → score. Measured (MODELS.md): genuine documents
/// at most 2.1, photographed displays 3.4 and more except where the pixel pitches coincide.
const SCORES: [(f32, f32); 5] = [(2.3, 0.0), (2.9, 0.45), (3.1, 0.6), (3.3, 0.8), (3.7, 1.0)];

pub fn find(grey: &GrayImage) -> Finding {
    let strength = strength(grey, [0, 0, grey.width(), grey.height()], TILES);
    let score = scored(strength, &SCORES);
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
    scored(strength(&luminance(&crop), [0, 0, crop.width(), crop.height()], (4, 4)), &SCORES)
}

/// The logarithm of the peak that all but the weakest quarter of the tiles reach.
fn strength(grey: &GrayImage, [left, top, width, height]: [u32; 4], (down, across): (u32, u32)) -> f32 {
    let side = TILE as u32;
    if width < side || height < side {
        return 0.0;
    }
    let spectrum = Spectrum::shared();
    let step = |index: u32, count: u32, length: u32| (length - side) * index / (count - 1).max(1);
    let mut peaks: Vec<f32> = (0..down)
        .flat_map(|row| (0..across).map(move |column| (row, column)))
        .map(|(row, column)| {
            spectrum.peak(grey, left + step(column, across, width), top + step(row, down, height))
        })
        .collect();
    peaks.sort_by(f32::total_cmp);
    peaks.get((peaks.len() as f32 * WITHOUT) as usize).copied().unwrap_or(0.0)
}

/// What does not depend on the picture.
struct Spectrum {
    fft: Arc<dyn Fft<f32>>,
    window: Vec<f32>,
    /// Bins of equal distance from the origin, each compared with its own ring; half of the plane,
    /// since the other half is its mirror image.
    rings: Vec<Vec<Bin>>,
}

#[derive(Clone, Copy)]
struct Bin {
    index: usize,
    /// False for the harmonics of JPEG's blocks, which every picture has.
    counts: bool,
}

impl Spectrum {
    fn shared() -> &'static Self {
        static SHARED: OnceLock<Spectrum> = OnceLock::new();
        SHARED.get_or_init(Self::new)
    }

    fn new() -> Self {
        let turn = std::f32::consts::TAU / TILE as f32;
        let window = (0..TILE).map(|index| 0.5 - 0.5 * (index as f32 * turn).cos()).collect();
        let signed = |index: usize| if index < TILE / 2 { index as f32 } else { index as f32 - TILE as f32 };
        let on_block_harmonic = |index: usize| (index + 1) % (TILE / 8) <= 2;
        let mut rings = vec![Vec::new(); TILE];
        for y in 0..TILE {
            for x in 0..=TILE / 2 {
                let radius = signed(x).hypot(signed(y));
                let frequency = radius / TILE as f32;
                // Rings of two bins' width hold enough bins for a steady median.
                if let (true, Some(ring)) = (frequency > LOWEST_FREQUENCY, rings.get_mut(radius as usize / 2))
                {
                    let counts = !(on_block_harmonic(x) && on_block_harmonic(y));
                    ring.push(Bin { index: y * TILE + x, counts });
                }
            }
        }
        rings.retain(|ring| ring.len() >= 12);
        Self { fft: FftPlanner::new().plan_fft_forward(TILE), window, rings }
    }

    /// log10 of the strongest bin over the median of its ring, plus 1; 0 for a flat tile.
    fn peak(&self, grey: &GrayImage, left: u32, top: u32) -> f32 {
        let width = grey.width() as usize;
        let rows = || grey.as_raw().chunks_exact(width).skip(top as usize).take(TILE);
        let cells = |row: &'_ [u8]| {
            row.get(left as usize..left as usize + TILE).map(<[u8]>::to_vec).unwrap_or_default()
        };
        let tile: Vec<Vec<u8>> = rows().map(cells).collect();
        let sum: u32 = tile.iter().flatten().map(|&value| u32::from(value)).sum();
        let mean = sum as f32 / (TILE * TILE) as f32;
        let mut values: Vec<Complex32> = tile
            .iter()
            .zip(&self.window)
            .flat_map(|(row, down)| {
                let weighted = move |(&value, across): (&u8, &f32)| (f32::from(value) - mean) * across * down;
                row.iter().zip(&self.window).map(weighted).map(|value| Complex32::new(value, 0.0))
            })
            .collect();
        if values.len() != TILE * TILE {
            return 0.0;
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
        let mut strongest = 0.0f32;
        let mut powers: Vec<f32> = Vec::new();
        for ring in &self.rings {
            // Turned: x and y have changed places; the rings and the block harmonics are symmetric.
            let power = |bin: &Bin| turned.get(bin.index).map_or(0.0, Complex32::norm_sqr);
            let peak = ring.iter().filter(|bin| bin.counts).map(power).fold(0.0, f32::max);
            powers.clear();
            powers.extend(ring.iter().map(power));
            let middle = powers.len() / 2;
            let (_, median, _) = powers.select_nth_unstable_by(middle, f32::total_cmp);
            strongest = strongest.max(peak / (*median + POWER_FLOOR));
        }
        (strongest + 1.0).log10()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Luma;

    /// Soft shapes with a little noise, as a camera sees paper.
    fn paper(x: u32, y: u32) -> f32 {
        let noise =
            (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(2_246_822_519)).wrapping_mul(3_266_489_917) >> 24;
        150.0 + 40.0 * (x as f32 / 90.0).sin() * (y as f32 / 70.0).cos() + noise as f32 / 40.0
    }

    fn picture(value: impl Fn(u32, u32) -> f32) -> GrayImage {
        GrayImage::from_fn(900, 700, |x, y| Luma([value(x, y).clamp(0.0, 255.0) as u8]))
    }

    #[test]
    fn a_grid_over_the_whole_picture_is_seen_and_paper_is_not() {
        let grid = |x: u32, y: u32| {
            paper(x, y) + 12.0 * ((x as f32 + 0.03 * y as f32) * 0.39 * std::f32::consts::TAU).sin()
        };
        assert_eq!(find(&picture(paper)).score, 0.0);
        assert!(find(&picture(grid)).score >= 0.8);
    }

    #[test]
    fn a_fine_pattern_on_a_part_of_the_picture_is_no_screen() {
        let patch = |x: u32, y: u32| {
            let line = 12.0 * (x as f32 * 0.35 * std::f32::consts::TAU).sin();
            paper(x, y) + if (300..600).contains(&x) && (200..500).contains(&y) { line } else { 0.0 }
        };
        assert!(find(&picture(patch)).score < 0.3);
    }
}
