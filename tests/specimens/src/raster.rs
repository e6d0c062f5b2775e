//! Pixels in floating point, and the few filters that captures and attacks need.

use crate::geometry::Point;
use crate::random::Random;
use image::RgbImage;

/// RGB, interleaved, 0..255 (values beyond are cut on conversion).
#[derive(Debug, Clone)]
pub struct Frame {
    pub width: usize,
    pub height: usize,
    pub values: Vec<f32>,
}

impl Frame {
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, values: vec![0.0; width * height * 3] }
    }

    /// Each pixel from its position, row by row.
    pub fn from_fn(width: usize, height: usize, mut pixel: impl FnMut(usize, usize) -> [f32; 3]) -> Self {
        let mut values = Vec::with_capacity(width * height * 3);
        for y in 0..height {
            for x in 0..width {
                values.extend_from_slice(&pixel(x, y));
            }
        }
        Self { width, height, values }
    }

    pub fn from_rgb(pixels: &RgbImage) -> Self {
        Self {
            width: pixels.width() as usize,
            height: pixels.height() as usize,
            values: pixels.as_raw().iter().map(|v| f32::from(*v)).collect(),
        }
    }

    pub fn to_rgb(&self) -> RgbImage {
        let bytes = self.values.iter().map(|v| (v + 0.5).clamp(0.0, 255.0) as u8).collect();
        RgbImage::from_raw(self.width as u32, self.height as u32, bytes).unwrap_or_default()
    }

    /// The pixel nearest to a position that may lie outside.
    #[inline]
    pub fn at(&self, x: isize, y: isize) -> [f32; 3] {
        let x = x.clamp(0, self.width as isize - 1) as usize;
        let y = y.clamp(0, self.height as isize - 1) as usize;
        let at = (y * self.width + x) * 3;
        self.values.get(at..at + 3).and_then(|v| v.try_into().ok()).unwrap_or_default()
    }

    /// Between pixels, linearly.
    pub fn bilinear(&self, [x, y]: Point) -> [f32; 3] {
        let (left, top) = (x.floor(), y.floor());
        let (fx, fy) = ((x - left) as f32, (y - top) as f32);
        let (left, top) = (left as isize, top as isize);
        let (a, b) = (self.at(left, top), self.at(left + 1, top));
        let (c, d) = (self.at(left, top + 1), self.at(left + 1, top + 1));
        std::array::from_fn(|i| {
            let (above, below) = (a[i] + (b[i] - a[i]) * fx, c[i] + (d[i] - c[i]) * fx);
            above + (below - above) * fy
        })
    }

    pub fn pixels_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.values.chunks_exact_mut(3)
    }

    /// Clockwise.
    pub fn rotated(self, quarter_turns: u8) -> Self {
        let (w, h) = (self.width, self.height);
        match quarter_turns % 4 {
            1 => Self::from_fn(h, w, |x, y| self.at(y as isize, (h - 1 - x) as isize)),
            2 => Self::from_fn(w, h, |x, y| self.at((w - 1 - x) as isize, (h - 1 - y) as isize)),
            3 => Self::from_fn(h, w, |x, y| self.at((w - 1 - y) as isize, x as isize)),
            _ => self,
        }
    }

    /// Separable Gaussian; `sigma` in pixels. Below 0.2 nothing happens.
    pub fn blurred(&self, sigma: f64) -> Self {
        if sigma < 0.2 {
            return self.clone();
        }
        let reach = (sigma * 3.0).ceil() as isize;
        let mut kernel: Vec<f32> =
            (-reach..=reach).map(|i| (-(i * i) as f64 / (2.0 * sigma * sigma)).exp() as f32).collect();
        let sum: f32 = kernel.iter().sum();
        kernel.iter_mut().for_each(|k| *k /= sum);
        self.convolved(&kernel, Axis::Horizontal).convolved(&kernel, Axis::Vertical)
    }

    /// A large blur at the cost of a small one: on a quarter of the size.
    pub fn blurred_coarsely(&self, sigma: f64) -> Self {
        let small = Self::from_fn(self.width.div_ceil(4), self.height.div_ceil(4), |x, y| {
            let mut sum = [0.0; 3];
            for dy in 0..4 {
                for dx in 0..4 {
                    let pixel = self.at((x * 4 + dx) as isize, (y * 4 + dy) as isize);
                    sum.iter_mut().zip(pixel).for_each(|(s, p)| *s += p / 16.0);
                }
            }
            sum
        })
        .blurred(sigma / 4.0);
        Self::from_fn(self.width, self.height, |x, y| {
            small.bilinear([(x as f64 - 1.5) / 4.0, (y as f64 - 1.5) / 4.0])
        })
    }

    /// With a kernel of odd length along one axis; edges repeat.
    pub fn convolved(&self, kernel: &[f32], axis: Axis) -> Self {
        let reach = kernel.len() / 2;
        let mut result = Self::new(self.width, self.height);
        let row = self.width * 3;
        let mut padded = Vec::with_capacity(row + reach * 6);
        for (y, out) in result.values.chunks_exact_mut(row.max(1)).enumerate() {
            match axis {
                Axis::Vertical => {
                    for (k, weight) in kernel.iter().enumerate() {
                        let from = (y + k).saturating_sub(reach).min(self.height - 1) * row;
                        let Some(line) = self.values.get(from..from + row) else { continue };
                        out.iter_mut().zip(line).for_each(|(o, v)| *o += v * weight);
                    }
                }
                Axis::Horizontal => {
                    let Some(line) = self.values.get(y * row..(y + 1) * row) else { continue };
                    // The line with its ends repeated, so that each tap is one plain run.
                    padded.clear();
                    for _ in 0..reach {
                        padded.extend_from_slice(line.get(..3).unwrap_or_default());
                    }
                    padded.extend_from_slice(line);
                    for _ in 0..reach {
                        padded.extend_from_slice(line.get(row - 3..).unwrap_or_default());
                    }
                    for (k, weight) in kernel.iter().enumerate() {
                        let Some(run) = padded.get(k * 3..k * 3 + row) else { continue };
                        out.iter_mut().zip(run).for_each(|(o, v)| *o += v * weight);
                    }
                }
            }
        }
        result
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    Horizontal,
    Vertical,
}

/// Catmull-Rom between the pixels of an 8-bit image; edges repeat. RGB, 0..255.
pub fn sample(image: &RgbImage, [x, y]: Point) -> [f32; 3] {
    let (width, height) = (image.width() as isize, image.height() as isize);
    let (left, top) = (x.floor(), y.floor());
    let (wx, wy) = (catmull_rom((x - left) as f32), catmull_rom((y - top) as f32));
    let (left, top) = (left as isize, top as isize);
    let raw = image.as_raw();
    let mut sum = [0.0_f32; 3];
    let mut add = |pixel: &[u8], weight: f32| {
        if let [r, g, b] = pixel {
            sum[0] += f32::from(*r) * weight;
            sum[1] += f32::from(*g) * weight;
            sum[2] += f32::from(*b) * weight;
        }
    };
    let inside = left >= 1 && top >= 1 && left + 2 < width && top + 2 < height;
    for (row, weight_y) in (top - 1..).zip(wy) {
        let row = row.clamp(0, height - 1) * width;
        if inside {
            let at = (row + left - 1) as usize * 3;
            let pixels = raw.get(at..at + 12).unwrap_or_default().chunks_exact(3);
            pixels.zip(wx).for_each(|(pixel, weight_x)| add(pixel, weight_x * weight_y));
        } else {
            for (column, weight_x) in (left - 1..).zip(wx) {
                let at = (row + column.clamp(0, width - 1)) as usize * 3;
                add(raw.get(at..at + 3).unwrap_or_default(), weight_x * weight_y);
            }
        }
    }
    sum.map(|v| v.clamp(0.0, 255.0))
}

fn catmull_rom(t: f32) -> [f32; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [-0.5 * t3 + t2 - 0.5 * t, 1.5 * t3 - 2.5 * t2 + 1.0, -1.5 * t3 + 2.0 * t2 + 0.5 * t, 0.5 * t3 - 0.5 * t2]
}

/// Smooth random relief, −1..1: a grid of random heights every `cell_px` pixels, linearly between.
#[derive(Debug, Clone)]
pub struct Relief {
    columns: usize,
    cell_px: [f64; 2],
    heights: Vec<f32>,
}

impl Relief {
    pub fn new(width: usize, height: usize, cell_px: [f64; 2], random: &mut Random) -> Self {
        let columns = (width as f64 / cell_px[0]).ceil() as usize + 2;
        let rows = (height as f64 / cell_px[1]).ceil() as usize + 2;
        let heights = (0..columns * rows).map(|_| random.between(-1.0, 1.0) as f32).collect();
        Self { columns, cell_px, heights }
    }

    #[inline]
    pub fn at(&self, x: f64, y: f64) -> f32 {
        let (u, v) = (x / self.cell_px[0], y / self.cell_px[1]);
        let (column, row) = (u as usize, v as usize);
        let (fu, fv) = ((u - column as f64) as f32, (v - row as f64) as f32);
        let (fu, fv) = (fu * fu * (3.0 - 2.0 * fu), fv * fv * (3.0 - 2.0 * fv));
        let at = row * self.columns + column;
        let get = |i: usize| self.heights.get(i).copied().unwrap_or_default();
        let above = get(at) + (get(at + 1) - get(at)) * fu;
        let below = get(at + self.columns) + (get(at + self.columns + 1) - get(at + self.columns)) * fu;
        above + (below - above) * fv
    }
}
