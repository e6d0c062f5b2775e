//! Planar geometry: points, quadrilaterals, homographies. Pixels, x to the right, y down.

pub type Point = [f64; 2];

/// Clockwise from the top left corner of the content.
pub type Polygon = [[f32; 2]; 4];

/// An axis-aligned rectangle.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Box2 {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Box2 {
    /// All of a picture.
    pub fn of_picture(picture: &image::RgbImage) -> Self {
        Self { left: 0.0, top: 0.0, right: f64::from(picture.width()), bottom: f64::from(picture.height()) }
    }

    pub const fn corners(self) -> [Point; 4] {
        [[self.left, self.top], [self.right, self.top], [self.right, self.bottom], [self.left, self.bottom]]
    }

    pub fn width(self) -> f64 {
        self.right - self.left
    }

    pub fn height(self) -> f64 {
        self.bottom - self.top
    }

    pub fn union(self, other: Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }

    pub fn grown(self, by: f64) -> Self {
        Self { left: self.left - by, top: self.top - by, right: self.right + by, bottom: self.bottom + by }
    }

    pub fn scaled(self, by: f64) -> Self {
        Self { left: self.left * by, top: self.top * by, right: self.right * by, bottom: self.bottom * by }
    }
}

/// A projective map of the plane, row-major.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Homography([f64; 9]);

impl Homography {
    pub const fn new(rows: [f64; 9]) -> Self {
        Self(rows)
    }

    pub const fn rows(self) -> [f64; 9] {
        self.0
    }

    pub const fn translation(x: f64, y: f64) -> Self {
        Self([1.0, 0.0, x, 0.0, 1.0, y, 0.0, 0.0, 1.0])
    }

    pub const fn scale(by: f64) -> Self {
        Self([by, 0.0, 0.0, 0.0, by, 0.0, 0.0, 0.0, 1.0])
    }

    /// Clockwise on the screen (y points down).
    pub fn rotation(radians: f64) -> Self {
        let (sin, cos) = radians.sin_cos();
        Self([cos, -sin, 0.0, sin, cos, 0.0, 0.0, 0.0, 1.0])
    }

    /// A camera of focal length `focal_px` that looks at the origin of a plane tilted about both
    /// axes, at a distance where one unit of the plane is one pixel in the middle of the picture.
    pub fn tilted_camera(tilt_x: f64, tilt_y: f64, focal_px: f64) -> Self {
        let (sin_x, cos_x) = tilt_x.sin_cos();
        let (sin_y, cos_y) = tilt_y.sin_cos();
        // Plane point (u, v, 0) turned about y, then about x; depth grows away from the camera.
        Self([cos_y, 0.0, 0.0, sin_x * sin_y, cos_x, 0.0, -cos_x * sin_y / focal_px, sin_x / focal_px, 1.0])
    }

    /// First `self`, then `next`.
    pub fn then(self, next: Self) -> Self {
        let (a, b) = (next.0, self.0);
        Self(std::array::from_fn(|i| {
            let (row, column) = (i / 3 * 3, i % 3);
            (0..3).map(|k| a[row + k] * b[k * 3 + column]).sum()
        }))
    }

    pub fn inverse(self) -> Self {
        let [a, b, c, d, e, f, g, h, i] = self.0;
        let adjugate = [
            e * i - f * h,
            c * h - b * i,
            b * f - c * e,
            f * g - d * i,
            a * i - c * g,
            c * d - a * f,
            d * h - e * g,
            b * g - a * h,
            a * e - b * d,
        ];
        let determinant = a * adjugate[0] + b * adjugate[3] + c * adjugate[6];
        Self(adjugate.map(|x| x / determinant))
    }

    #[inline]
    pub fn apply(&self, [x, y]: Point) -> Point {
        let m = &self.0;
        let w = m[6] * x + m[7] * y + m[8];
        [(m[0] * x + m[1] * y + m[2]) / w, (m[3] * x + m[4] * y + m[5]) / w]
    }

    pub fn polygon(&self, of: Box2) -> Polygon {
        of.corners().map(|corner| self.apply(corner).map(|v| v as f32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_takes_points_back() {
        let there = Homography::tilted_camera(0.2, -0.13, 3000.0)
            .then(Homography::rotation(0.4))
            .then(Homography::scale(1.3))
            .then(Homography::translation(40.0, -9.0));
        let back = there.inverse();
        for point in [[0.0, 0.0], [700.0, -300.0], [-512.0, 480.0]] {
            let [x, y] = back.apply(there.apply(point));
            assert!((x - point[0]).abs() < 1e-6 && (y - point[1]).abs() < 1e-6, "{point:?} -> {x} {y}");
        }
    }
}
