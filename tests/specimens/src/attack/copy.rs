//! A black-and-white photocopy.

use crate::capture::{Scene, Support};
use crate::random::Random;
use crate::raster::Relief;
use crate::render::RenderedSide;

/// Toner on paper: steep contrast, grain, streaks along the paper's way, specks; the paper lies
/// flat and fills the picture.
pub(super) fn photocopied(side: &mut RenderedSide, scene: &mut Scene, random: &mut Random) {
    let (width, height) = side.pixels.dimensions();
    let streaks = Relief::new(width as usize, height as usize, [7.0, 900.0], random);
    let uneven = Relief::new(width as usize, height as usize, [260.0, 260.0], random);
    const PAPER: f64 = 243.0;
    for (x, y, pixel) in side.pixels.enumerate_pixels_mut() {
        let [r, g, b] = pixel.0.map(f64::from);
        let grey = (0.30 * r + 0.59 * g + 0.11 * b) / 255.0;
        // Copiers turn light tints into paper and darks into full toner.
        let toned = 1.0 / (1.0 + (-9.5 * (grey - 0.52)).exp());
        let (x, y) = (f64::from(x), f64::from(y));
        let wear = f64::from(streaks.at(x, y)) * 3.0 + f64::from(uneven.at(x, y)) * 4.0;
        let grain = random.gaussian() * (4.0 + 11.0 * (1.0 - toned));
        let speck = if random.chance(0.000_25) { -150.0 } else { 0.0 };
        let value = 22.0 + toned * (PAPER - 22.0) + wear + grain + speck;
        pixel.0 = [value.clamp(0.0, 255.0) as u8; 3];
    }
    scene.support = Support::Even { colour: [PAPER as f32; 3] };
    scene.fill = scene.fill.min(0.74);
    // Paper is lighter than any card; cameras expose for it.
    scene.exposure *= 0.88;
    scene.light_gradient *= 0.6;
}
