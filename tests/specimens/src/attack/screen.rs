//! A display photographed: subpixels, moiré, glow, bluish cast.

use crate::capture::{Scene, Shot};
use crate::geometry::Homography;
use crate::random::Random;
use crate::raster::Frame;

/// What `shot` holds is shown on a display and photographed from there with the same camera.
///
/// The display's pixels are stripes of red, green and blue with dark gaps; the camera's pixels are
/// 1.5 to 2.4 times smaller, tilted, and see through a Bayer mosaic. The product of the two
/// gratings is what makes moiré; nothing is drawn on top.
pub(super) fn recaptured(shot: Shot, scene: &Scene, random: &mut Random) -> Shot {
    let (frame, to_camera) = display(&shot.frame, scene.exposure, random);
    Shot { frame, to_image: shot.to_image.then(to_camera) }
}

/// The picture of a display that shows `picture`, and where its points went.
pub(super) fn display(picture: &Frame, exposure: f64, random: &mut Random) -> (Frame, Homography) {
    let (width, height) = (picture.width, picture.height);
    let degrees = std::f64::consts::PI / 180.0;
    // Camera pixels per display pixel; non-integer on purpose.
    let ratio = random.between(1.55, 2.35);
    let shown = displayed(picture, ratio, random.between(1.02, 1.12));
    let screen = (shown.width as f64, shown.height as f64);
    let to_camera = Homography::translation(-screen.0 / 2.0, -screen.1 / 2.0)
        .then(Homography::rotation(random.between(-2.5, 2.5) * degrees))
        .then(Homography::tilted_camera(
            random.between(-7.0, 7.0) * degrees,
            random.between(-7.0, 7.0) * degrees,
            1.6 * screen.0,
        ))
        .then(Homography::scale(ratio))
        .then(Homography::translation(width as f64 / 2.0, height as f64 / 2.0));
    let from_camera = to_camera.inverse();
    // Width of what one camera pixel sees on the display, in display pixels. Its own size is
    // 1 / ratio; the lens makes it more. It sets how much of the grid is left (a window of 0.72
    // keeps 34 % of the stripes' contrast, one of 0.90 keeps 11 %).
    let reach = random.between(0.72, 0.90);
    let cast = [0.93, 0.99, 1.10];
    let seen = Frame::from_fn(width, height, |x, y| {
        let [u, v] = from_camera.apply([x as f64 + 0.5, y as f64 + 0.5]);
        let light = shown.bilinear([u - 0.5, v - 0.5]);
        let rows = Stripe { start: 0.08, end: 0.92 }.share(v, reach);
        // Each camera pixel sits behind one colour of the mosaic; the others are filled in below.
        let colour = bayer(x, y);
        let mut seen = [0.0; 3];
        let columns = STRIPES.get(colour).map_or(0.0, |stripe| stripe.share(u, reach));
        seen[colour] = light[colour] * (columns * rows * BRIGHTNESS) as f32 * cast[colour];
        seen
    });
    let mut seen = demosaiced(&seen);
    let glow = seen.blurred_coarsely(22.0);
    for (pixel, halo) in seen.pixels_mut().zip(glow.values.chunks_exact(3)) {
        for (value, halo) in pixel.iter_mut().zip(halo) {
            // Black of a display is not black, and light spreads in its glass.
            let linear = 0.012 + 0.90 * *value + 0.09 * halo;
            *value = 255.0 * linear.clamp(0.0, 1.0).powf(1.0 / 2.2) * exposure as f32;
        }
    }
    // What is on the display is `picture` shrunk about its centre.
    let on_screen = Homography::translation(-(width as f64) / 2.0, -(height as f64) / 2.0)
        .then(Homography::scale(screen.0 / width as f64))
        .then(Homography::translation(screen.0 / 2.0, screen.1 / 2.0));
    (seen, on_screen.then(to_camera))
}

/// Makes up for the dark between the subpixels, as a bright setting does.
const BRIGHTNESS: f64 = 3.35;

/// Red, green, blue, each a third of a display pixel less the gap.
const STRIPES: [Stripe; 3] = [
    Stripe { start: 0.03, end: 0.30 },
    Stripe { start: 0.363, end: 0.633 },
    Stripe { start: 0.697, end: 0.967 },
];

/// What shines of a display pixel along one axis, in its width.
#[derive(Clone, Copy)]
struct Stripe {
    start: f64,
    end: f64,
}

impl Stripe {
    /// Mean over a window of width `reach` around `at`, 0..1.
    fn share(self, at: f64, reach: f64) -> f64 {
        (self.shining_until(at + reach / 2.0) - self.shining_until(at - reach / 2.0)) / reach
    }

    fn shining_until(self, at: f64) -> f64 {
        let whole = at.floor();
        whole * (self.end - self.start) + (at - whole).clamp(self.start, self.end) - self.start
    }
}

/// The picture on the display in linear light, 0..1: `overscan` makes it a little larger than the
/// camera's field, so that no edge of the display is in the picture.
fn displayed(picture: &Frame, ratio: f64, overscan: f64) -> Frame {
    let factor = overscan / ratio;
    let (width, height) =
        ((picture.width as f64 * factor).round() as usize, (picture.height as f64 * factor).round() as usize);
    // Shrinking by less than two: one blur before sampling keeps the display's own aliasing low.
    let soft = picture.blurred(0.45 / factor);
    let linear: Vec<f32> = (0..=1023).map(|v| (v as f32 / 1023.0).powf(2.2)).collect();
    Frame::from_fn(width, height, |x, y| {
        soft.bilinear([(x as f64 + 0.5) / factor - 0.5, (y as f64 + 0.5) / factor - 0.5]).map(|value| {
            let step = (value.clamp(0.0, 255.0) * (1023.0 / 255.0)) as usize;
            linear.get(step).copied().unwrap_or(1.0)
        })
    })
}

/// RGGB: which colour a camera pixel sees.
const fn bayer(x: usize, y: usize) -> usize {
    match (x % 2, y % 2) {
        (0, 0) => 0,
        (1, 1) => 2,
        _ => 1,
    }
}

/// Missing colours from the nearest pixels that saw them.
fn demosaiced(mosaic: &Frame) -> Frame {
    Frame::from_fn(mosaic.width, mosaic.height, |x, y| {
        let mut sums = [0.0_f32; 3];
        let mut counts = [0.0_f32; 3];
        for dy in -1_isize..=1 {
            for dx in -1_isize..=1 {
                let (nx, ny) = (x as isize + dx, y as isize + dy);
                if nx < 0 || ny < 0 || nx >= mosaic.width as isize || ny >= mosaic.height as isize {
                    continue;
                }
                let colour = bayer(nx as usize, ny as usize);
                let weight = if dx == 0 && dy == 0 { 1.0e6 } else { 1.0 };
                sums[colour] += mosaic.at(nx, ny)[colour] * weight;
                counts[colour] += weight;
            }
        }
        std::array::from_fn(|c| sums[c] / counts[c].max(1.0))
    })
}
