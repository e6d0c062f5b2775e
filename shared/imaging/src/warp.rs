//! Taking a quadrilateral or a turned square out of a picture.

use super::{RgbImage, resize_region};
use txid_shared::partial::Polygon;

/// x' = (a·x + b·y + c) / (g·x + h·y + 1), y' = (d·x + e·y + f) / (g·x + h·y + 1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Perspective([f64; 8]);

impl Perspective {
    /// Maps the rectangle 0,0..width,height onto the quadrilateral (corners clockwise from the top
    /// left of the content). `None` where three corners lie on one line.
    pub fn rectangle_to_quadrilateral(width: f32, height: f32, corners: &Polygon) -> Option<Self> {
        let [p0, p1, p2, p3] = corners.map(|[x, y]| [f64::from(x), f64::from(y)]);
        // Heckbert 1989, unit square to quadrilateral.
        let (dx1, dy1) = (p1[0] - p2[0], p1[1] - p2[1]);
        let (dx2, dy2) = (p3[0] - p2[0], p3[1] - p2[1]);
        let (sx, sy) = (p0[0] - p1[0] + p2[0] - p3[0], p0[1] - p1[1] + p2[1] - p3[1]);
        let determinant = dx1 * dy2 - dx2 * dy1;
        if determinant.abs() < 1e-9 || width <= 0.0 || height <= 0.0 {
            return None;
        }
        let g = (sx * dy2 - dx2 * sy) / determinant;
        let h = (dx1 * sy - sx * dy1) / determinant;
        let (width, height) = (f64::from(width), f64::from(height));
        Some(Self([
            (p1[0] - p0[0] + g * p1[0]) / width,
            (p3[0] - p0[0] + h * p3[0]) / height,
            p0[0],
            (p1[1] - p0[1] + g * p1[1]) / width,
            (p3[1] - p0[1] + h * p3[1]) / height,
            p0[1],
            g / width,
            h / height,
        ]))
    }

    /// Where a point of the rectangle lies in the picture.
    pub fn apply(&self, x: f32, y: f32) -> [f32; 2] {
        let [a, b, c, d, e, f, g, h] = self.0;
        let (x, y) = (f64::from(x), f64::from(y));
        let depth = g * x + h * y + 1.0;
        [((a * x + b * y + c) / depth) as f32, ((d * x + e * y + f) / depth) as f32]
    }

    /// The way back. `None` where the map flattens everything onto a line, or the way back has no such form.
    pub fn inverse(&self) -> Option<Self> {
        let [a, b, c, d, e, f, g, h] = self.0;
        let determinant = a * (e - f * h) - b * (d - f * g) + c * (d * h - e * g);
        // The adjugate of the 3×3 matrix, divided by its last entry.
        let last = a * e - b * d;
        let rows = [
            e - f * h,
            c * h - b,
            b * f - c * e,
            f * g - d,
            a - c * g,
            c * d - a * f,
            d * h - e * g,
            b * g - a * h,
        ];
        (determinant.abs() > 1e-12 && last.abs() > 1e-12).then(|| Self(rows.map(|value| value / last)))
    }
}

/// A turn, a scale and a shift: x' = a·x − b·y + tx, y' = b·x + a·y + ty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Similarity {
    pub a: f32,
    pub b: f32,
    pub tx: f32,
    pub ty: f32,
}

impl Similarity {
    /// The least-squares map of `from` onto `to`, point by point. `None` where all points of `from`
    /// are the same or there are none.
    pub fn fit(from: &[[f32; 2]], to: &[[f32; 2]]) -> Option<Self> {
        let count = from.len().min(to.len()) as f32;
        if count < 2.0 {
            return None;
        }
        let mean = |points: &[[f32; 2]]| {
            let sum = points.iter().fold([0.0f32; 2], |sum, point| [sum[0] + point[0], sum[1] + point[1]]);
            [sum[0] / count, sum[1] / count]
        };
        let (from_mean, to_mean) = (mean(from), mean(to));
        let (mut dot, mut cross, mut norm) = (0.0, 0.0, 0.0);
        for (source, target) in from.iter().zip(to) {
            let [x, y] = [source[0] - from_mean[0], source[1] - from_mean[1]];
            let [u, v] = [target[0] - to_mean[0], target[1] - to_mean[1]];
            dot += x * u + y * v;
            cross += x * v - y * u;
            norm += x * x + y * y;
        }
        if norm < 1e-6 {
            return None;
        }
        let (a, b) = (dot / norm, cross / norm);
        Some(Self {
            a,
            b,
            tx: to_mean[0] - (a * from_mean[0] - b * from_mean[1]),
            ty: to_mean[1] - (b * from_mean[0] + a * from_mean[1]),
        })
    }

    /// Maps a square of `side` pixels onto the square of `extent` picture pixels around `centre`,
    /// turned clockwise by `angle` radians.
    pub fn square_around(side: f32, centre: [f32; 2], extent: f32, angle: f32) -> Self {
        let scale = extent / side;
        let (a, b) = (scale * angle.cos(), scale * angle.sin());
        let half = side / 2.0;
        Self { a, b, tx: centre[0] - (a * half - b * half), ty: centre[1] - (b * half + a * half) }
    }

    pub fn apply(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        [self.a * x - self.b * y + self.tx, self.b * x + self.a * y + self.ty]
    }

    /// Source pixels per target pixel.
    pub fn scale(&self) -> f32 {
        self.a.hypot(self.b)
    }

    pub fn inverse(&self) -> Option<Self> {
        let norm = self.a * self.a + self.b * self.b;
        if norm < 1e-12 {
            return None;
        }
        let (a, b) = (self.a / norm, -self.b / norm);
        Some(Self { a, b, tx: -(a * self.tx - b * self.ty), ty: -(b * self.tx + a * self.ty) })
    }
}

/// The quadrilateral as an upright rectangle of `width`×`height` pixels; outside the picture the
/// border repeats. `None` where the quadrilateral has no area.
pub fn warp_perspective(picture: &RgbImage, corners: &Polygon, width: u32, height: u32) -> Option<RgbImage> {
    let side = |a: [f32; 2], b: [f32; 2]| (b[0] - a[0]).hypot(b[1] - a[1]);
    let [top_left, top_right, low_right, low_left] = *corners;
    let across = side(top_left, top_right).max(side(low_left, low_right));
    let down = side(top_left, low_left).max(side(top_right, low_right));
    let density = (across / width.max(1) as f32).max(down / height.max(1) as f32);
    let map = Perspective::rectangle_to_quadrilateral(width as f32, height as f32, corners)?;
    Some(match Reduced::around(picture, corners, density) {
        Some(reduced) => sample(&reduced.picture, width, height, |x, y| reduced.place(map.apply(x, y))),
        None => sample(picture, width, height, |x, y| map.apply(x, y)),
    })
}

/// The square of `side` pixels that `map` places in the picture (target → picture); outside the
/// picture the border repeats.
pub fn warp_similarity(picture: &RgbImage, map: &Similarity, side: u32) -> RgbImage {
    let end = side as f32;
    let corners = [[0.0, 0.0], [end, 0.0], [end, end], [0.0, end]].map(|corner| map.apply(corner));
    match Reduced::around(picture, &corners, map.scale()) {
        Some(reduced) => sample(&reduced.picture, side, side, |x, y| reduced.place(map.apply([x, y]))),
        None => sample(picture, side, side, |x, y| map.apply([x, y])),
    }
}

/// Bilinear sampling sees two pixels in each direction: where the target is coarser than that,
/// shrink the part of the picture first, or small text and lashes alias.
struct Reduced {
    picture: RgbImage,
    origin: [f32; 2],
    ratio: [f32; 2],
}

/// Source pixels per target pixel up to which bilinear sampling alone is good.
const DENSITY: f32 = 1.5;

impl Reduced {
    fn around(picture: &RgbImage, corners: &Polygon, density: f32) -> Option<Self> {
        if density <= DENSITY {
            return None;
        }
        let extent = |axis: fn(&[f32; 2]) -> f32, length: u32| {
            let values = || corners.iter().map(axis);
            let low = values().fold(f32::INFINITY, f32::min).floor().max(0.0);
            let high = values().fold(f32::NEG_INFINITY, f32::max).ceil().min(length as f32);
            let target = ((high - low) * DENSITY / density).round().max(1.0);
            (low, high - low, target)
        };
        let (left, width, target_width) = extent(|[x, _]| *x, picture.width());
        let (top, height, target_height) = extent(|[_, y]| *y, picture.height());
        let region = [left, top, width, height].map(f64::from);
        let small = resize_region(picture, region, target_width as u32, target_height as u32).ok()?;
        let ratio = [target_width / width, target_height / height];
        Some(Self { picture: small, origin: [left, top], ratio })
    }

    fn place(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        [(x - self.origin[0]) * self.ratio[0], (y - self.origin[1]) * self.ratio[1]]
    }
}

/// `place` tells for the centre of each target pixel where it lies in the picture.
fn sample(picture: &RgbImage, width: u32, height: u32, place: impl Fn(f32, f32) -> [f32; 2]) -> RgbImage {
    let mut target = RgbImage::new(width, height);
    if picture.width() == 0 || picture.height() == 0 {
        return target;
    }
    let raw = picture.as_raw().as_slice();
    let stride = picture.width() as usize * 3;
    let (x, y) = (Axis::of(picture.width()), Axis::of(picture.height()));
    let (right, down) = (x.next * 3, y.next * stride);
    // Places of a row first: without memory accesses in between they are computed several at a time.
    let mut places = vec![[0.0; 2]; width as usize];
    for (row, line) in target.chunks_exact_mut(width.max(1) as usize * 3).enumerate() {
        for (column, at) in places.iter_mut().enumerate() {
            *at = place(column as f32 + 0.5, row as f32 + 0.5);
        }
        for ([at_x, at_y], pixel) in places.iter().zip(line.chunks_exact_mut(3)) {
            let ((x0, across), (y0, below)) = (x.cell(*at_x), y.cell(*at_y));
            let start = y0 * stride + x0 * 3;
            let (top, low) = (&raw[start..start + right + 3], &raw[start + down..start + down + right + 3]);
            let weights = [
                (WHOLE - across) * (WHOLE - below),
                across * (WHOLE - below),
                (WHOLE - across) * below,
                across * below,
            ];
            for (channel, value) in pixel.iter_mut().enumerate() {
                let around = [top[channel], top[channel + right], low[channel], low[channel + right]];
                let sum: u32 =
                    around.iter().zip(weights).map(|(level, weight)| u32::from(*level) * weight).sum();
                *value = ((sum + WHOLE * WHOLE / 2) / (WHOLE * WHOLE)) as u8;
            }
        }
    }
    target
}

/// The way from one pixel to the next: its square times a level fits 32 bits.
const WHOLE: u32 = 1 << 11;

/// One direction of a picture.
struct Axis {
    /// Of the last centre of a pixel.
    end: f32,
    /// The last pixel that has another one behind it.
    last: usize,
    /// Pixels to that other one: none where there is only one.
    next: usize,
}

impl Axis {
    fn of(length: u32) -> Self {
        let last = length.saturating_sub(1);
        Self { end: last as f32, last: last.saturating_sub(1) as usize, next: last.min(1) as usize }
    }

    /// The pixel whose centre lies before a place, and how far beyond that the place is, of [`WHOLE`].
    fn cell(&self, place: f32) -> (usize, u32) {
        let place = (place - 0.5).clamp(0.0, self.end);
        let pixel = (place as usize).min(self.last);
        (pixel, ((place - pixel as f32) * WHOLE as f32 + 0.5) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    fn gradient(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, 77]))
    }

    #[test]
    fn warping_the_whole_picture_gives_it_back() {
        let picture = gradient(200, 120);
        let whole = [[0.0, 0.0], [200.0, 0.0], [200.0, 120.0], [0.0, 120.0]];
        assert_eq!(warp_perspective(&picture, &whole, 200, 120).unwrap(), picture);
    }

    #[test]
    fn rotated_corners_turn_the_content_upright() {
        let picture = gradient(200, 120);
        // The content's top left lies at the picture's top right: turned clockwise by 90°.
        let turned = [[200.0, 0.0], [200.0, 120.0], [0.0, 120.0], [0.0, 0.0]];
        let upright = warp_perspective(&picture, &turned, 120, 200).unwrap();
        assert_eq!(upright.get_pixel(0, 0).0[..2], [199, 0]);
        assert_eq!(upright.get_pixel(119, 199).0[..2], [0, 119]);
    }

    #[test]
    fn beyond_the_picture_its_border_goes_on() {
        let picture = gradient(20, 10);
        let beyond = [[-5.0, -5.0], [25.0, -5.0], [25.0, 15.0], [-5.0, 15.0]];
        let warped = warp_perspective(&picture, &beyond, 30, 20).unwrap();
        assert_eq!(
            (warped.get_pixel(0, 0).0[..2].to_vec(), warped.get_pixel(29, 19).0[..2].to_vec()),
            (vec![0, 0], vec![19, 9])
        );
        assert_eq!(warped.get_pixel(15, 10).0[..2], [10, 5]);
        let pixel = RgbImage::from_pixel(1, 1, Rgb([9; 3]));
        let square = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
        assert!(warp_perspective(&pixel, &square, 4, 4).unwrap().pixels().all(|seen| *seen == Rgb([9; 3])));
    }

    #[test]
    fn a_fine_pattern_is_averaged_and_not_aliased() {
        let stripes = RgbImage::from_fn(512, 512, |x, _| Rgb([if x.is_multiple_of(2) { 255 } else { 0 }; 3]));
        let whole = [[0.0, 0.0], [512.0, 0.0], [512.0, 512.0], [0.0, 512.0]];
        let small = warp_perspective(&stripes, &whole, 64, 64).unwrap();
        let inner = (4..60).flat_map(|y| (4..60).map(move |x| (x, y)));
        for (x, y) in inner {
            let value = small.get_pixel(x, y).0[0];
            assert!((118..=138).contains(&value), "{value} at {x},{y}");
        }
    }

    #[test]
    fn a_degenerate_quadrilateral_is_refused() {
        let line = [[0.0, 0.0], [10.0, 10.0], [20.0, 20.0], [30.0, 30.0]];
        assert!(warp_perspective(&gradient(40, 40), &line, 8, 8).is_none());
    }

    #[test]
    fn the_way_back_of_a_perspective_ends_where_it_began() {
        let corners = [[31.0, 18.0], [190.0, 44.0], [170.0, 120.0], [12.0, 99.0]];
        let map = Perspective::rectangle_to_quadrilateral(300.0, 200.0, &corners).unwrap();
        let back = map.inverse().unwrap();
        for point in [[0.0, 0.0], [300.0, 0.0], [120.0, 77.0], [300.0, 200.0]] {
            let [x, y] = map.apply(point[0], point[1]);
            let [u, v] = back.apply(x, y);
            assert!((u - point[0]).abs() < 0.01 && (v - point[1]).abs() < 0.01, "{u},{v} for {point:?}");
        }
    }

    #[test]
    fn a_similarity_is_recovered_from_its_points() {
        let truth = Similarity { a: 1.5, b: -0.7, tx: 12.0, ty: -3.0 };
        let from = [[1.0, 2.0], [30.0, 5.0], [11.0, 40.0]];
        let to = from.map(|point| truth.apply(point));
        let found = Similarity::fit(&from, &to).unwrap();
        let back = found.inverse().unwrap();
        for (source, target) in from.iter().zip(to) {
            let [x, y] = back.apply(target);
            assert!((x - source[0]).abs() < 1e-3 && (y - source[1]).abs() < 1e-3);
        }
    }
}
