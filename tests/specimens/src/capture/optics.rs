//! Light on the document and through the lens: reflections, shadows, movement, defocus.

use crate::geometry::Point;
use crate::random::Random;
use crate::raster::Frame;
use std::f64::consts::TAU;

/// Brightness is coded with this power: `linear = (value / 255) ^ GAMMA`, near enough to sRGB.
pub(super) const GAMMA: f64 = 2.2;

/// A lamp, a window or a flash that the document's surface throws back: a bright, soft, elongated spot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Glare {
    /// Middle, in widths of the document from its top left corner.
    pub middle: Point,
    /// Half length and half width, in widths of the document.
    pub radii: [f64; 2],
    pub angle: f64,
    /// Light added in the middle; 1 is white paper in this light.
    pub strength: f64,
}

impl Glare {
    pub(super) fn drawn(random: &mut Random, aspect: f64) -> Self {
        let strip = random.chance(0.4);
        let across = if strip { random.between(0.02, 0.05) } else { random.between(0.04, 0.11) };
        let along = if strip { random.between(0.25, 0.7) } else { across * random.between(1.0, 2.2) };
        Self {
            middle: [random.between(0.08, 0.92), random.between(0.08, 0.92) * aspect],
            radii: [along, across],
            angle: random.between(0.0, TAU),
            strength: random.between(0.55, 2.2),
        }
    }

    /// Light added at a point in widths of the document.
    #[inline]
    pub(super) fn at(&self, [x, y]: Point) -> f64 {
        let (dx, dy) = (x - self.middle[0], y - self.middle[1]);
        let reach = self.radii[0].max(self.radii[1]) * 2.6;
        if dx.abs() > reach || dy.abs() > reach {
            return 0.0;
        }
        let (sin, cos) = self.angle.sin_cos();
        let (u, v) = ((dx * cos + dy * sin) / self.radii[0], (dy * cos - dx * sin) / self.radii[1]);
        // Flatter in the middle than a Gaussian, as a lamp of some size is.
        let r2 = u * u + v * v;
        self.strength * (-(r2 * (0.45 + 0.55 * r2.min(2.5)))).exp()
    }
}

/// The phone or an arm between lamp and document: dark beyond an edge that bends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shadow {
    /// Where the edge crosses the picture, in shares of its width and height.
    pub through: Point,
    /// Direction of the dark side.
    pub angle: f64,
    /// Of the edge, in shares of the picture's width.
    pub softness: f64,
    /// Light taken away, 0..1.
    pub depth: f64,
    /// How the edge bends, 1 over the picture's width; 0 is straight.
    pub bend: f64,
}

impl Shadow {
    pub(super) fn drawn(random: &mut Random) -> Self {
        Self {
            through: [random.between(0.3, 0.7), random.between(0.35, 0.65)],
            angle: random.between(0.0, TAU),
            softness: random.between(0.015, 0.09),
            depth: random.between(0.35, 0.68),
            bend: random.between(-1.1, 1.1),
        }
    }

    /// Share of the light that is left; `x`, `y` in widths of the picture from its middle.
    #[inline]
    pub(super) fn left(&self, x: f64, y: f64, aspect: f64) -> f64 {
        let (dx, dy) = (x + 0.5 - self.through[0], y + (0.5 - self.through[1]) * aspect);
        let (sin, cos) = self.angle.sin_cos();
        let (across, along) = (dx * cos + dy * sin, dy * cos - dx * sin);
        let beyond = (across + self.bend * along * along) / self.softness;
        let t = (beyond * 0.5 + 0.5).clamp(0.0, 1.0);
        1.0 - self.depth * t * t * (3.0 - 2.0 * t)
    }
}

/// Along a straight way of some pixels: the mean of the picture at each step.
pub(super) fn moved(frame: &Frame, [dx, dy]: [f64; 2]) -> Frame {
    let steps = dx.abs().max(dy.abs()).round() as usize;
    if steps == 0 {
        return frame.clone();
    }
    let shifts: Vec<(isize, isize)> = (0..=steps)
        .map(|step| {
            let t = step as f64 / steps as f64 - 0.5;
            ((dx * t).round() as isize, (dy * t).round() as isize)
        })
        .collect();
    let weight = 1.0 / shifts.len() as f32;
    let mut result = Frame::new(frame.width, frame.height);
    let (width, height) = (frame.width as isize, frame.height as isize);
    let row = frame.width * 3;
    for (y, out) in result.values.chunks_exact_mut(row.max(1)).enumerate() {
        for &(sx, sy) in &shifts {
            let from = (y as isize + sy).clamp(0, height - 1) as usize * row;
            let Some(line) = frame.values.get(from..from + row) else { continue };
            // The run that lies inside the line, then its repeated ends.
            let (low, high) = ((-sx).clamp(0, width) as usize, (width - sx).clamp(0, width) as usize);
            let source = ((low as isize + sx) * 3).max(0) as usize;
            let inside = out.get_mut(low * 3..high.max(low) * 3).unwrap_or_default();
            inside.iter_mut().zip(line.get(source..).unwrap_or_default()).for_each(|(o, v)| *o += v * weight);
            let mut repeat = |x: usize, edge: usize| {
                let value = line.get(edge * 3..edge * 3 + 3).unwrap_or_default();
                let pixel = out.get_mut(x * 3..x * 3 + 3).unwrap_or_default();
                pixel.iter_mut().zip(value).for_each(|(o, v)| *o += v * weight);
            };
            (0..low).for_each(|x| repeat(x, 0));
            (high..frame.width).for_each(|x| repeat(x, frame.width - 1));
        }
    }
    result
}

/// Every point becomes a disc, as it does out of focus. Radius in pixels, also fractional.
pub(super) fn defocused(frame: &Frame, radius: f64) -> Frame {
    let reach = radius.ceil() as isize;
    let (width, height) = (frame.width as isize, frame.height as isize);
    let row = frame.width * 3;
    // Sums along each row, so that a run of any length costs two look-ups.
    let mut sums = Vec::with_capacity((row + 3) * frame.height);
    for line in frame.values.chunks_exact(row.max(1)) {
        let mut sum = [0.0_f32; 3];
        sums.extend_from_slice(&sum);
        for pixel in line.chunks_exact(3) {
            sum.iter_mut().zip(pixel).for_each(|(s, v)| *s += v);
            sums.extend_from_slice(&sum);
        }
    }
    let runs: Vec<(isize, isize)> = (-reach..=reach)
        .filter_map(|dy| {
            let square = radius * radius - (dy * dy) as f64;
            (square >= 0.0).then(|| (dy, square.sqrt().round() as isize))
        })
        .collect();
    let mut result = Frame::new(frame.width, frame.height);
    let mut counts = vec![0.0_f32; frame.width];
    for (y, out) in result.values.chunks_exact_mut(row.max(1)).enumerate() {
        counts.fill(0.0);
        for &(dy, half) in &runs {
            let from = (y as isize + dy).clamp(0, height - 1) as usize * (row + 3);
            let Some(line) = sums.get(from..from + row + 3) else { continue };
            for (x, (pixel, count)) in out.chunks_exact_mut(3).zip(&mut counts).enumerate() {
                let low = (x as isize - half).max(0) as usize;
                let high = (x as isize + half + 1).min(width) as usize;
                let (Some(a), Some(b)) = (line.get(low * 3..low * 3 + 3), line.get(high * 3..high * 3 + 3))
                else {
                    continue;
                };
                *count += (high - low) as f32;
                pixel.iter_mut().zip(a.iter().zip(b)).for_each(|(o, (a, b))| *o += b - a);
            }
        }
        out.chunks_exact_mut(3).zip(&counts).for_each(|(pixel, count)| {
            pixel.iter_mut().for_each(|v| *v /= count.max(1.0));
        });
    }
    result
}
