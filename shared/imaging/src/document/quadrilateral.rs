//! Four corners, and what is asked of them.

use super::area::signed_area;
use txid_shared::partial::Polygon;

/// A quadrilateral of which some sides may be borders of the picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quadrilateral {
    pub corners: Polygon,
    /// Side `n` joins corners `n` and `n + 1`; whether it is a border of the picture.
    pub is_frame: [bool; 4],
}

impl Quadrilateral {
    /// With no border of the picture.
    pub const fn of(corners: Polygon) -> Self {
        Self { corners, is_frame: [false; 4] }
    }

    /// The same sides, with other corners.
    pub fn moved(&self, corner: impl Fn([f32; 2]) -> [f32; 2]) -> Self {
        Self { corners: self.corners.map(corner), ..*self }
    }

    /// Its borders of the picture.
    pub fn frames(&self) -> usize {
        self.is_frame.iter().filter(|is_frame| **is_frame).count()
    }

    /// From corner `n` to the next.
    pub fn side(&self, n: usize) -> ([f32; 2], [f32; 2]) {
        (self.corners[n % 4], self.corners[(n + 1) % 4])
    }

    pub fn length(&self, n: usize) -> f32 {
        let (from, to) = self.side(n);
        distance(from, to)
    }

    pub fn shortest_side(&self) -> f32 {
        (0..4).map(|n| self.length(n)).fold(f32::INFINITY, f32::min)
    }

    /// A point at a share, 0..1, of side `n`'s way, so far outside it.
    pub fn beside(&self, n: usize, share: f32, aside: f32) -> [f32; 2] {
        let (from, to) = self.side(n);
        let length = distance(from, to).max(1e-3);
        // Clockwise with y down: the outside is to the left of the way.
        let out = [(to[1] - from[1]) / length, (from[0] - to[0]) / length];
        [0, 1].map(|axis| from[axis] + (to[axis] - from[axis]) * share + out[axis] * aside)
    }

    /// A point by its shares, 0..1, of the way along the first side and away from it.
    pub fn at(&self, [u, v]: [f32; 2]) -> [f32; 2] {
        let [a, b, c, d] = self.corners;
        [0, 1].map(|axis| {
            (a[axis] * (1.0 - u) + b[axis] * u) * (1.0 - v) + (d[axis] * (1.0 - u) + c[axis] * u) * v
        })
    }
}

pub(super) fn distance(a: [f32; 2], b: [f32; 2]) -> f32 {
    (b[0] - a[0]).hypot(b[1] - a[1])
}

/// Of corners that run clockwise.
pub(super) fn is_convex(corners: &Polygon) -> bool {
    (0..4).all(|n| {
        let (a, b, c) = (corners[n], corners[(n + 1) % 4], corners[(n + 2) % 4]);
        (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0]) > 0.0
    })
}

/// Points in any order, clockwise around their middle.
pub(super) fn around(mut corners: Polygon) -> Polygon {
    let middle = [0, 1].map(|axis| corners.iter().map(|corner| corner[axis]).sum::<f32>() / 4.0);
    let direction = |[x, y]: &[f32; 2]| (y - middle[1]).atan2(x - middle[0]);
    corners.sort_by(|a, b| direction(a).total_cmp(&direction(b)));
    corners
}

/// Corners that follow one another, clockwise from the one nearest to the top left.
pub(super) fn clockwise(mut corners: Polygon) -> Polygon {
    if signed_area(&corners) < 0.0 {
        corners.reverse();
    }
    let sums = corners.map(|[x, y]| x + y);
    let first = (0..4).min_by(|a, b| sums[*a].total_cmp(&sums[*b])).unwrap_or(0);
    corners.rotate_left(first);
    corners
}

/// Between the four values around a point, whose places are whole numbers; none may be negative.
pub(super) fn bilinear<const N: usize>(
    [x, y]: [f32; 2],
    value: impl Fn(usize, usize) -> Option<[f32; N]>,
) -> Option<[f32; N]> {
    let (left, top, u, v) = (x as usize, y as usize, x.fract(), y.fract());
    let mix =
        |a: [f32; N], b: [f32; N], share: f32| std::array::from_fn(|n| a[n] * (1.0 - share) + b[n] * share);
    let row = |y: usize| Some(mix(value(left, y)?, value(left + 1, y)?, u));
    Some(mix(row(top)?, row(top + 1)?, v))
}
