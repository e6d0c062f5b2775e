//! A hash that stays nearly the same while a picture is scaled, compressed again or made brighter.

use super::{ImageError, RgbImage, luminance, resize_grey};
use std::f32::consts::PI;
use txid_shared::likeness::PerceptualHash;

const SIDE: usize = 64;
/// Lowest frequencies each way that count: coarse enough to survive compression, fine enough to tell two cards of
/// one design apart.
const FREQUENCIES: usize = 16;

/// A bit for each of the lowest frequencies of the luminance (cosine transform of 64×64 pixels): whether it is above
/// their median.
pub fn perceptual_hash(picture: &RgbImage) -> Result<PerceptualHash, ImageError> {
    let small = resize_grey(&luminance(picture), SIDE as u32, SIDE as u32)?;
    let pixels: Vec<f32> = small.as_raw().iter().map(|value| f32::from(*value)).collect();
    // The constant part says how bright it is, and is left out: frequency 0 each way gives way to one more.
    let waves: Vec<[f32; SIDE]> = (0..=FREQUENCIES).map(wave).collect();
    let along: Vec<Vec<f32>> = pixels
        .chunks_exact(SIDE)
        .map(|row| waves.iter().map(|wave| row.iter().zip(wave).map(|(a, b)| a * b).sum()).collect())
        .collect();
    let mut strengths = Vec::with_capacity(FREQUENCIES * FREQUENCIES);
    for vertical in 1..=FREQUENCIES {
        for horizontal in 0..FREQUENCIES {
            let column = along.iter().filter_map(|row| row.get(horizontal));
            let wave = waves.get(vertical).into_iter().flatten();
            strengths.push(column.zip(wave).map(|(a, b)| a * b).sum::<f32>());
        }
    }
    let mut sorted = strengths.clone();
    sorted.sort_by(f32::total_cmp);
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    let mut words = [0u64; 4];
    for (word, bits) in words.iter_mut().zip(strengths.chunks(64)) {
        *word = bits.iter().fold(0, |word, strength| word << 1 | u64::from(*strength > median));
    }
    Ok(PerceptualHash(words))
}

fn wave(frequency: usize) -> [f32; SIDE] {
    let mut wave = [0.0; SIDE];
    for (at, value) in wave.iter_mut().enumerate() {
        *value = (PI / SIDE as f32 * (at as f32 + 0.5) * frequency as f32).cos();
    }
    wave
}
