//! The sensor and what the phone makes of its raw picture: light through the lens, a mosaic of
//! colours with noise, demosaicing, white balance, tone, denoising, sharpening.

use super::optics::{self, GAMMA};
use super::phone::{Phone, Sensor};
use super::scene::Scene;
use crate::random::Random;
use crate::raster::Frame;

/// What red and blue pixels get of white light, green being 1: a typical silicon sensor in daylight.
const SENSITIVITY: [f64; 3] = [0.52, 1.0, 0.66];

/// From light as coded in a `Shot` (a power of 1 / 2.2; beyond 255 is brighter than paper) to the
/// developed picture.
pub(super) fn exposed(mut frame: Frame, scene: &Scene, phone: &Phone, random: &mut Random) -> Frame {
    linearise(&mut frame);
    if phone.defocus_px > 0.5 {
        frame = optics::defocused(&frame, phone.defocus_px);
    }
    frame = optics::moved(&frame, phone.motion_px).blurred(scene.blur_px);
    let raw = mosaic(&frame, &phone.sensor, random);
    let (width, height) = (frame.width, frame.height);
    drop(frame);
    let mut developed = Developed::new(&raw, width, height, &phone.sensor);
    drop(raw);
    developed.denoise(&phone.sensor);
    developed.sharpen(&phone.sensor);
    developed.picture()
}

fn linearise(frame: &mut Frame) {
    const STEPS: usize = 8192;
    const TOP: f32 = 640.0;
    let table: Vec<f32> =
        (0..=STEPS).map(|i| (f64::from(TOP) / 255.0 * i as f64 / STEPS as f64).powf(GAMMA) as f32).collect();
    for value in &mut frame.values {
        let step = (value.clamp(0.0, TOP) * (STEPS as f32 / TOP) + 0.5) as usize;
        *value = table.get(step).copied().unwrap_or(1.0);
    }
}

/// RGGB: which colour a pixel sees.
const fn bayer(x: usize, y: usize) -> usize {
    match (x % 2, y % 2) {
        (0, 0) => 0,
        (1, 1) => 2,
        _ => 1,
    }
}

/// One value per pixel, behind its colour filter, white-balanced; 1 is full.
fn mosaic(frame: &Frame, sensor: &Sensor, random: &mut Random) -> Vec<f32> {
    let (width, height) = (frame.width, frame.height);
    let normal: Vec<f32> = (0..8192).map(|_| random.gaussian() as f32).collect();
    let (cx, cy) = (width as f64 / 2.0, height as f64 / 2.0);
    let corner2 = cx * cx + cy * cy;
    let zoom = [1.0 - sensor.aberration, 1.0, 1.0 + sensor.aberration];
    let gain: [f64; 3] =
        [sensor.cast[0] / SENSITIVITY[0], 1.0 / SENSITIVITY[1], sensor.cast[1] / SENSITIVITY[2]];
    let mut raw = Vec::with_capacity(width * height);
    let mut bits = 0_u64;
    for y in 0..height {
        let dy = y as f64 + 0.5 - cy;
        for x in 0..width {
            let dx = x as f64 + 0.5 - cx;
            let colour = bayer(x, y);
            let light = if colour == 1 {
                frame.values.get((y * width + x) * 3 + 1).copied().unwrap_or_default()
            } else {
                // Longer waves are bent less: red and blue come from a little further in or out.
                let at = [cx + dx * zoom[colour] - 0.5, cy + dy * zoom[colour] - 0.5];
                frame.bilinear(at)[colour]
            };
            let r2 = (dx * dx + dy * dy) / corner2;
            let light = light * (1.0 - sensor.vignetting * r2) as f32 * SENSITIVITY[colour] as f32;
            if x % 4 == 0 {
                bits = random.next_u64();
            }
            let number = normal.get((bits & 8191) as usize).copied().unwrap_or_default();
            bits >>= 13;
            let variance = light / sensor.full_well as f32 + (sensor.read_noise * sensor.read_noise) as f32;
            let read = (light + variance.sqrt() * number).min(1.0);
            raw.push((read * gain[colour] as f32).min(1.0));
        }
    }
    raw
}

/// Brightness at full size, colour at half size, as JPEG and every phone keep them.
struct Developed {
    width: usize,
    height: usize,
    brightness: Vec<f32>,
    /// Blue and red less brightness (and a third plane unused), coded.
    colour: Frame,
}

impl Developed {
    /// Missing colours by gradient-corrected linear interpolation (Malvar, He, Cutler 2004), then
    /// the tone curve.
    fn new(raw: &[f32], width: usize, height: usize, sensor: &Sensor) -> Self {
        let curve = tone_curve(sensor.contrast);
        let coded = |linear: f32| {
            // Square root spreads the dark end over enough steps.
            let step = (linear.clamp(0.0, 1.0).sqrt() * CURVE_STEPS as f32 + 0.5) as usize;
            curve.get(step).copied().unwrap_or(255.0)
        };
        let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
        let mut brightness = Vec::with_capacity(width * height);
        let mut colour = Frame::new(half_width, half_height);
        let mirror = |v: isize, size: usize| -> usize {
            let last = size as isize - 1;
            // By an even way, so that the pixel is of the same colour.
            let v = if v < 0 {
                -v
            } else if v > last {
                2 * last - v
            } else {
                v
            };
            v.clamp(0, last) as usize
        };
        for y in 0..height {
            let rows: [&[f32]; 5] = std::array::from_fn(|i| {
                let row = mirror(y as isize + i as isize - 2, height) * width;
                raw.get(row..row + width).unwrap_or_default()
            });
            for x in 0..width {
                let at = |dx: isize, dy: usize| {
                    let inside = x >= 2 && x + 2 < width;
                    let column =
                        if inside { (x as isize + dx) as usize } else { mirror(x as isize + dx, width) };
                    rows[dy].get(column).copied().unwrap_or_default()
                };
                let here = at(0, 2);
                let across = at(-1, 2) + at(1, 2);
                let along = at(0, 1) + at(0, 3);
                let far_across = at(-2, 2) + at(2, 2);
                let far_along = at(0, 0) + at(0, 4);
                let diagonal = at(-1, 1) + at(1, 1) + at(-1, 3) + at(1, 3);
                let rgb = match (x % 2, y % 2) {
                    (0, 0) | (1, 1) => {
                        let green = (4.0 * here + 2.0 * (across + along) - far_across - far_along) / 8.0;
                        let other = (6.0 * here + 2.0 * diagonal - 1.5 * (far_across + far_along)) / 8.0;
                        if x % 2 == 0 { [here, green, other] } else { [other, green, here] }
                    }
                    (column, _) => {
                        let beside =
                            (5.0 * here + 4.0 * across - diagonal - far_across + 0.5 * far_along) / 8.0;
                        let above =
                            (5.0 * here + 4.0 * along - diagonal - far_along + 0.5 * far_across) / 8.0;
                        if column == 1 { [beside, here, above] } else { [above, here, beside] }
                    }
                };
                let [r, g, b] = rgb.map(coded);
                let bright = 0.299 * r + 0.587 * g + 0.114 * b;
                brightness.push(bright);
                let place = ((y / 2) * half_width + x / 2) * 3;
                if let Some([blue, red, count]) = colour.values.get_mut(place..place + 3) {
                    *blue += b - bright;
                    *red += r - bright;
                    *count += 1.0;
                }
            }
        }
        for pixel in colour.pixels_mut() {
            if let [blue, red, count] = pixel {
                let gain = sensor.saturation as f32 / count.max(1.0);
                (*blue, *red, *count) = (*blue * gain, *red * gain, 0.0);
            }
        }
        Self { width, height, brightness, colour }
    }

    /// Colour is smoothed always; brightness where neighbours differ by no more than noise does.
    fn denoise(&mut self, sensor: &Sensor) {
        self.colour = self.colour.blurred(0.4 + 2.6 * sensor.denoise);
        // Noise at mid-grey in coded values, of which demosaicing leaves about two thirds.
        let noise = 255.0 * 0.66 * (0.25 / sensor.full_well + sensor.read_noise * sensor.read_noise).sqrt();
        let reach: isize = match sensor.denoise {
            strength if strength < 0.3 => return,
            strength if strength < 0.6 => 1,
            strength if strength < 0.85 => 2,
            _ => 3,
        };
        let limit = (noise * (1.5 + 1.5 * sensor.denoise)) as f32;
        let before = self.brightness.clone();
        let (width, height) = (self.width as isize, self.height as isize);
        for (number, value) in self.brightness.iter_mut().enumerate() {
            let (x, y) = ((number % self.width) as isize, (number / self.width) as isize);
            let here = *value;
            let (mut sum, mut count) = (0.0_f32, 0.0_f32);
            for ny in (y - reach).max(0)..=(y + reach).min(height - 1) {
                let (low, high) = ((x - reach).max(0), (x + reach).min(width - 1));
                let run = (ny * width + low) as usize..=(ny * width + high) as usize;
                for neighbour in before.get(run).unwrap_or_default() {
                    let near = f32::from(u8::from((neighbour - here).abs() <= limit));
                    sum += near * neighbour;
                    count += near;
                }
            }
            *value = sum / count.max(1.0);
        }
    }

    /// Unsharp mask on brightness; overshoot is cut at 36 values, halos stay.
    fn sharpen(&mut self, sensor: &Sensor) {
        let [amount, radius] = sensor.sharpen;
        let soft = blurred(&self.brightness, self.width, radius);
        for (value, soft) in self.brightness.iter_mut().zip(&soft) {
            let edge = *value - soft;
            // Not the noise: what differs by less than two values.
            let edge = edge.signum() * (edge.abs() - 2.0).max(0.0);
            *value += (edge * amount as f32).clamp(-36.0, 36.0);
        }
    }

    fn picture(&self) -> Frame {
        Frame::from_fn(self.width, self.height, |x, y| {
            let bright = self.brightness.get(y * self.width + x).copied().unwrap_or_default();
            let at = [(x as f64 - 0.5) / 2.0, (y as f64 - 0.5) / 2.0];
            let [blue, red, _] = self.colour.bilinear(at);
            let green = -(0.299 * red + 0.114 * blue) / 0.587;
            [bright + red, bright + green, bright + blue]
        })
    }
}

const CURVE_STEPS: usize = 4096;

/// Coded brightness by the square root of linear light: gamma with a slight S, as phones do.
fn tone_curve(contrast: f64) -> Vec<f32> {
    (0..=CURVE_STEPS)
        .map(|step| {
            let linear = (step as f64 / CURVE_STEPS as f64).powi(2);
            let coded = linear.powf(1.0 / GAMMA);
            let s = coded * coded * (3.0 - 2.0 * coded);
            (255.0 * (coded + contrast * (s - coded))) as f32
        })
        .collect()
}

/// Gaussian on a single plane.
fn blurred(plane: &[f32], width: usize, sigma: f64) -> Vec<f32> {
    let reach = (sigma * 2.5).ceil() as isize;
    let kernel: Vec<f32> =
        (-reach..=reach).map(|i| (-(i * i) as f64 / (2.0 * sigma * sigma)).exp() as f32).collect();
    let total: f32 = kernel.iter().sum();
    let height = (plane.len() / width.max(1)) as isize;
    let mut rows = vec![0.0_f32; plane.len()];
    for (y, out) in rows.chunks_exact_mut(width.max(1)).enumerate() {
        for (offset, weight) in (-reach..).zip(&kernel) {
            let from = (y as isize + offset).clamp(0, height - 1) as usize * width;
            let line = plane.get(from..from + width).unwrap_or_default();
            out.iter_mut().zip(line).for_each(|(o, v)| *o += v * weight / total);
        }
    }
    let mut padded: Vec<f32> = Vec::new();
    for line in rows.chunks_exact_mut(width.max(1)) {
        padded.clear();
        let (first, last) =
            (line.first().copied().unwrap_or_default(), line.last().copied().unwrap_or_default());
        padded.extend(std::iter::repeat_n(first, reach as usize));
        padded.extend_from_slice(line);
        padded.extend(std::iter::repeat_n(last, reach as usize));
        line.fill(0.0);
        for (shift, weight) in kernel.iter().enumerate() {
            let run = padded.get(shift..).unwrap_or_default();
            line.iter_mut().zip(run).for_each(|(o, v)| *o += v * weight / total);
        }
    }
    rows
}
