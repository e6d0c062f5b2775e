//! Taking a region out of the picture, upright and at the size that the decoders want.

use super::locate::Region;
use txid_imaging::RgbImage;

/// Brightness of a region, its `along` pointing right.
pub struct Sample {
    pub width: u32,
    pub height: u32,
    pub pixels: Vec<u8>,
    /// Pixels of the picture per pixel.
    step: f32,
    origin: [f32; 2],
    along: [f32; 2],
    down: [f32; 2],
}

impl Sample {
    /// `margin` is added on each side (along, down), in pixels of the picture: decoders want quiet
    /// around a code.
    /// `step` is how many pixels of the picture become one.
    pub fn of(picture: &RgbImage, region: &Region, margin: [f32; 2], step: f32) -> Self {
        let (length, height) = (region.length + 2.0 * margin[0], region.height + 2.0 * margin[1]);
        let (width, rows) = ((length / step).max(1.0) as u32, (height / step).max(1.0) as u32);
        let (along, down) = (region.along, region.down);
        let origin = region.at((step - length) / 2.0, (step - height) / 2.0);
        let mut sample = Self { width, height: rows, pixels: Vec::new(), step, origin, along, down };
        // Shrinking takes the mean of so many points each way, or thin bars would be missed.
        let points = step.ceil().clamp(1.0, 6.0);
        let shifts: Vec<f32> =
            (0..points as usize).map(|i| ((i as f32 + 0.5) / points - 0.5) * step).collect();
        let shifts: Vec<[f32; 2]> = shifts
            .iter()
            .flat_map(|y| {
                shifts.iter().map(move |x| [along[0] * x + down[0] * y, along[1] * x + down[1] * y])
            })
            .collect();
        let mut pixels = Vec::with_capacity(width as usize * rows as usize);
        for y in 0..rows {
            for x in 0..width {
                let [x, y] = sample.to_picture(x as f32, y as f32);
                pixels.push(if shifts.len() == 1 {
                    between(picture, x, y)
                } else {
                    let sum: u32 =
                        shifts.iter().map(|shift| nearest(picture, x + shift[0], y + shift[1])).sum();
                    (sum / shifts.len() as u32) as u8
                });
            }
        }
        sample.pixels = pixels;
        sample
    }

    /// Where a pixel of the sample lies in the picture.
    pub fn to_picture(&self, x: f32, y: f32) -> [f32; 2] {
        let (x, y) = (x * self.step, y * self.step);
        [
            self.origin[0] + self.along[0] * x + self.down[0] * y,
            self.origin[1] + self.along[1] * x + self.down[1] * y,
        ]
    }
}

/// 0..255; beyond the edge the nearest pixels go on.
fn nearest(picture: &RgbImage, x: f32, y: f32) -> u32 {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    // A cast of a negative number gives 0.
    let (x, y) = (
        ((x + 0.5) as usize).min(width.saturating_sub(1)),
        ((y + 0.5) as usize).min(height.saturating_sub(1)),
    );
    let start = (y * width + x) * 3;
    match picture.as_raw().get(start..start + 3) {
        Some([red, green, blue]) => (u32::from(*red) + 2 * u32::from(*green) + u32::from(*blue)) / 4,
        _ => 255,
    }
}

/// As [`nearest`], between four pixels.
fn between(picture: &RgbImage, x: f32, y: f32) -> u8 {
    let (left, top) = (x.floor(), y.floor());
    let (fx, fy) = (x - left, y - top);
    let at = |x: f32, y: f32| nearest(picture, x, y) as f32;
    let upper = at(left, top) * (1.0 - fx) + at(left + 1.0, top) * fx;
    let lower = at(left, top + 1.0) * (1.0 - fx) + at(left + 1.0, top + 1.0) * fx;
    (upper * (1.0 - fy) + lower * fy) as u8
}
