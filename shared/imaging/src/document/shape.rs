//! The shape of the rectangle that a quadrilateral is a picture of.

use txid_shared::partial::Polygon;

/// ISO/IEC 7810: 85.60 mm × 53.98 mm, and 125 mm × 88 mm (ICAO 9303-3, the page of a passport).
pub const ID1_ASPECT: f32 = 85.60 / 53.98;
pub const ID3_ASPECT: f32 = 125.0 / 88.0;
/// A known shape is taken up to this difference, as a share.
const TOLERANCE: f32 = 0.055;
/// Focal lengths over the longer side of the picture: the main cameras of phones, 24..28 mm on 36 mm film and
/// the same at a zoom of up to 2.
const FOCAL_LENGTHS: [f64; 4] = [0.7, 0.85, 1.1, 1.5];

/// What kind of document has this outline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DocumentShape {
    /// A card, 85.60 mm × 53.98 mm.
    Id1,
    /// A page of a passport, 125 mm × 88 mm; an open passport (two pages) and ID-2 have the same ratio of sides.
    Id3,
    Other,
}

impl DocumentShape {
    pub(super) fn of(aspect: f32) -> Self {
        let near = |known: f32| (aspect / known).ln().abs() < TOLERANCE;
        match aspect {
            aspect if near(ID1_ASPECT) && aspect > (ID1_ASPECT * ID3_ASPECT).sqrt() => Self::Id1,
            _ if near(ID3_ASPECT) => Self::Id3,
            _ => Self::Other,
        }
    }

    /// Longer over shorter side; `None` for `Other`.
    pub const fn aspect(self) -> Option<f32> {
        match self {
            Self::Id1 => Some(ID1_ASPECT),
            Self::Id3 => Some(ID3_ASPECT),
            Self::Other => None,
        }
    }
}

/// How a quadrilateral comes about from a rectangle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rectangle {
    /// Longer over shorter side.
    pub aspect: f32,
    /// Cosine of the angle that its sides would have to have, 0..1; 0 for a rectangle.
    pub skew: f32,
    /// Difference of the aspect from the nearest known one, in logarithms, 0 for a known document.
    pub strangeness: f32,
}

/// With the focal length, of those that phones have, that explains the quadrilateral best. The optical axis
/// is taken to be in the middle of the picture.
pub(super) fn rectangle(corners: &Polygon, width: f32, height: f32) -> Option<Rectangle> {
    let views = FOCAL_LENGTHS.iter().filter_map(|focal| view(corners, width, height, *focal));
    let cost = |view: &Rectangle| view.skew + view.strangeness;
    views.min_by(|a, b| cost(a).total_cmp(&cost(b)))
}

fn view(corners: &Polygon, width: f32, height: f32, focal: f64) -> Option<Rectangle> {
    let focal = focal * f64::from(width.max(height));
    let rays =
        corners.map(|[x, y]| [f64::from(x - width / 2.0) / focal, f64::from(y - height / 2.0) / focal, 1.0]);
    let [m1, m2, m3, m4] = rays;
    // Zhang and He 2007: of a rectangle's corners, two sides as directions in space. m1 m2 m4 m3 there.
    let ratio =
        |numerator: f64, denominator: f64| (denominator.abs() > 1e-12).then(|| numerator / denominator);
    let k2 = ratio(dot(cross(m1, m3), m4), dot(cross(m2, m3), m4))?;
    let k3 = ratio(dot(cross(m1, m3), m2), dot(cross(m4, m3), m2))?;
    let across = [0, 1, 2].map(|axis| k2 * m2[axis] - m1[axis]);
    let down = [0, 1, 2].map(|axis| k3 * m4[axis] - m1[axis]);
    let (wide, high) = (dot(across, across).sqrt(), dot(down, down).sqrt());
    let aspect = ratio(wide, high).filter(|aspect| aspect.is_finite() && *aspect > 0.0)?;
    let aspect = aspect.max(1.0 / aspect) as f32;
    let off = |known: f32| (aspect / known).ln().abs();
    Some(Rectangle {
        aspect,
        skew: (dot(across, down) / (wide * high)).abs() as f32,
        strangeness: off(ID1_ASPECT).min(off(ID3_ASPECT)),
    })
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}
