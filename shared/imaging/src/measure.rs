//! What can be said about a picture without knowing what it shows.

use super::{GrayImage, RgbImage, resize_grey};

/// ITU-R BT.601 luminance, 0..255.
pub fn luminance(picture: &RgbImage) -> GrayImage {
    let raw = picture
        .as_raw()
        .chunks_exact(3)
        .map(|pixel| match *pixel {
            [red, green, blue] => {
                ((u32::from(red) * 77 + u32::from(green) * 150 + u32::from(blue) * 29) >> 8) as u8
            }
            _ => 0,
        })
        .collect();
    GrayImage::from_raw(picture.width(), picture.height(), raw).unwrap_or_default()
}

/// Variance of the Laplacian over the contrast of the picture, after bringing the longer side down
/// to `side_px` (so that pictures of unlike size compare; smaller ones stay as they are).
/// 0 is flat or fully blurred; text in focus at 640 px gives more than 0.5, out of focus below 0.05.
pub fn sharpness(picture: &GrayImage, side_px: u32) -> f32 {
    let longer = picture.width().max(picture.height());
    let resized = (longer > side_px).then(|| {
        let side = |length: u32| (u64::from(length) * u64::from(side_px) / u64::from(longer)).max(1) as u32;
        resize_grey(picture, side(picture.width()), side(picture.height()))
    });
    match &resized {
        Some(Ok(small)) => laplacian_over_contrast(small),
        _ => laplacian_over_contrast(picture),
    }
}

fn laplacian_over_contrast(picture: &GrayImage) -> f32 {
    let width = picture.width() as usize;
    if width < 3 || picture.height() < 3 {
        return 0.0;
    }
    let rows: Vec<&[u8]> = picture.as_raw().chunks_exact(width).collect();
    let (mut sum, mut squares, mut level_sum, mut level_squares, mut count) = (0i64, 0i64, 0i64, 0i64, 0i64);
    for three in rows.windows(3) {
        let [above, here, below] = *three else { continue };
        for ((up, down), middle) in above[1..].iter().zip(&below[1..]).zip(here.windows(3)) {
            let [left, centre, right] = *middle else { continue };
            let (up, down, centre) = (i64::from(*up), i64::from(*down), i64::from(centre));
            let laplacian = up + down + i64::from(left) + i64::from(right) - 4 * centre;
            sum += laplacian;
            squares += laplacian * laplacian;
            level_sum += centre;
            level_squares += centre * centre;
            count += 1;
        }
    }
    let variance = |sum: i64, squares: i64| {
        let mean = sum as f64 / count as f64;
        squares as f64 / count as f64 - mean * mean
    };
    // 4 (two grey levels) keeps sensor noise on an empty wall from counting as sharp.
    (variance(sum, squares) / (variance(level_sum, level_squares) + 4.0)) as f32
}

/// How a picture is lit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exposure {
    /// Mean luminance, 0..1.
    pub mean: f32,
    /// Share of pixels below 16 of 255, 0..1.
    pub dark: f32,
    /// Share of pixels above 250 of 255, 0..1: glare where it comes in patches.
    pub bright: f32,
    /// Standard deviation of luminance, 0..0.5.
    pub contrast: f32,
}

pub fn exposure(picture: &GrayImage) -> Exposure {
    let mut histogram = [0u64; 256];
    for &level in picture.as_raw() {
        histogram[usize::from(level)] += 1;
    }
    let count = picture.as_raw().len().max(1) as f64;
    let levels = || histogram.iter().enumerate().map(|(level, &times)| (level as f64 / 255.0, times as f64));
    let mean = levels().map(|(level, times)| level * times).sum::<f64>() / count;
    let variance = levels().map(|(level, times)| (level - mean).powi(2) * times).sum::<f64>() / count;
    let share = |range: std::ops::Range<usize>| {
        histogram.get(range).map_or(0.0, |part| part.iter().sum::<u64>() as f64 / count) as f32
    };
    Exposure {
        mean: mean as f32,
        dark: share(0..16),
        bright: share(251..256),
        contrast: variance.sqrt() as f32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Luma;

    /// Waves of `period` pixels: no edge that resampling would soften.
    fn waves(side: u32, period: f32) -> GrayImage {
        let level = |x: u32| 128.0 + 100.0 * (x as f32 * std::f32::consts::TAU / period).sin();
        GrayImage::from_fn(side, side, |x, _| Luma([level(x) as u8]))
    }

    #[test]
    fn blurring_lowers_sharpness_and_size_does_not() {
        let sharp =
            GrayImage::from_fn(400, 400, |x, y| Luma([if (x / 25 + y / 25) % 2 == 0 { 40 } else { 210 }]));
        let blurred = resize_grey(&resize_grey(&sharp, 50, 50).unwrap(), 400, 400).unwrap();
        let (before, after) = (sharpness(&sharp, 400), sharpness(&blurred, 400));
        assert!(before > 3.0 * after, "{before} against {after}");
        let (once, twice) = (sharpness(&waves(400, 8.0), 400), sharpness(&waves(800, 16.0), 400));
        assert!((once - twice).abs() / once < 0.35, "{once} against {twice}");
    }

    #[test]
    fn exposure_tells_dark_from_bright() {
        let dark = exposure(&GrayImage::from_pixel(50, 50, Luma([8])));
        let bright = exposure(&GrayImage::from_pixel(50, 50, Luma([255])));
        assert!(dark.dark > 0.99 && dark.mean < 0.05 && bright.bright > 0.99 && bright.contrast < 1e-3);
    }
}
