//! A photocopy instead of the document: nothing but paper and toner, so every pixel has the
//! chromaticity of the light. Identity documents are printed in colour.

use super::{Finding, scored};
use txid_imaging::{RgbImage, resize_region};

/// The middle of the picture, where the document lies, at this size: averages out the sensor's
/// colour noise and the halved colour resolution of JPEG.
const SIDE_PX: u32 = 96;
const MARGIN: f64 = 0.22;
/// Levels of the brightest channel between which a colour can be told.
const LIT: std::ops::RangeInclusive<f32> = 40.0..=250.0;

/// Chromatic spread → score; see [`spread`]. Measured: MODELS.md.
const SCORES: [(f32, f32); 4] = [(0.005, 1.0), (0.008, 0.8), (0.012, 0.4), (0.016, 0.0)];

pub fn find(picture: &RgbImage) -> Finding {
    let Some(spread) = spread(picture) else {
        return Finding::nothing("too dark or too bright to tell colours");
    };
    let score = scored(spread, &SCORES);
    if score > 0.0 {
        let message = "the document shows next to no colour, like a photocopy";
        Finding { score, message: message.to_owned(), region: None }
    } else {
        Finding::nothing("the document has colours")
    }
}

/// The distance between the 10th and the 90th percentile of r − g and b − g (each over
/// r + g + b) in the middle of the picture, the larger of the two; 0 for a grey picture in light of
/// any one colour. `None` where hardly a pixel is lit.
pub fn spread(picture: &RgbImage) -> Option<f32> {
    let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
    let region =
        [width * MARGIN, height * MARGIN, width * (1.0 - 2.0 * MARGIN), height * (1.0 - 2.0 * MARGIN)];
    let middle = resize_region(picture, region, SIDE_PX, SIDE_PX).ok()?;
    let (mut red, mut blue) = (Vec::new(), Vec::new());
    for pixel in middle.pixels() {
        let [r, g, b] = pixel.0.map(f32::from);
        if LIT.contains(&r.max(g).max(b)) {
            let sum = r + g + b;
            red.push((r - g) / sum);
            blue.push((b - g) / sum);
        }
    }
    if red.len() < (SIDE_PX * SIDE_PX / 10) as usize {
        return None;
    }
    Some(width_of(&mut red).max(width_of(&mut blue)))
}

fn width_of(values: &mut [f32]) -> f32 {
    values.sort_by(f32::total_cmp);
    let at = |share: f32| values.get((values.len() as f32 * share) as usize).copied().unwrap_or(0.0);
    at(0.9) - at(0.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    fn picture(colour: impl Fn(u32, u32) -> [f32; 3]) -> RgbImage {
        RgbImage::from_fn(640, 400, |x, y| Rgb(colour(x, y).map(|value| value as u8)))
    }

    #[test]
    fn grey_in_warm_light_is_a_copy_and_colour_is_not() {
        let level = |x: u32, y: u32| 80.0 + ((x / 20 + y / 16) % 7) as f32 * 22.0;
        let copy = picture(|x, y| [1.0, 0.93, 0.8].map(|gain| level(x, y) * gain));
        let card = picture(|x, y| if x < 320 { [200.0, 150.0, 120.0] } else { [150.0, 170.0, level(x, y)] });
        assert!(find(&copy).score >= 0.8, "{:?}", spread(&copy));
        assert_eq!(find(&card).score, 0.0);
    }
}
