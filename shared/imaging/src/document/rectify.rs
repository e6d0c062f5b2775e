//! A document laid flat, and the way back to where it was seen.

use super::Outline;
use super::candidates::distance;
use super::shape::seen_aspect;
use crate::{Perspective, RgbImage, warp_perspective};
use txid_shared::partial::Polygon;

/// A document as if seen from straight above, its longer side across. Which of its sides is up is not known:
/// the content may stand on its head, and upright content of an open passport lies on its side.
#[derive(Debug, Clone)]
pub struct Rectified {
    pub picture: RgbImage,
    /// In pixels of the original, in the order of the rectified picture's corners from the top left.
    pub corners: Polygon,
    back: Perspective,
    there: Perspective,
}

impl Rectified {
    /// Where a point of the rectified picture lies in the original, both in pixels.
    pub fn to_original(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        self.back.apply(x, y)
    }

    pub fn from_original(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        self.there.apply(x, y)
    }

    pub fn polygon_to_original(&self, polygon: &Polygon) -> Polygon {
        polygon.map(|point| self.to_original(point))
    }
}

/// `outline` is in pixels of `picture`; `longer_px` is the rectified picture's longer side. The ratio of its
/// sides is the document's where its shape is known, the measured one elsewhere. `None` without an outline.
pub fn rectified(picture: &RgbImage, outline: &Outline, longer_px: u32) -> Option<Rectified> {
    let mut corners = outline.corners?;
    let length = |n: usize| distance(corners[n], corners[(n + 1) % 4]);
    if length(0) + length(2) < length(1) + length(3) {
        corners.rotate_left(1);
    }
    let aspect = outline.shape.aspect().or(outline.aspect).unwrap_or_else(|| seen_aspect(&corners));
    let height = (longer_px as f32 / aspect.clamp(1.0, 4.0)).round().max(1.0);
    let width = longer_px.max(1) as f32;
    let back = Perspective::rectangle_to_quadrilateral(width, height, &corners)?;
    let there = back.inverse()?;
    let picture = warp_perspective(picture, &corners, longer_px.max(1), height as u32)?;
    Some(Rectified { picture, corners, back, there })
}

impl Outline {
    /// The same in a picture whose sides are `ratio` times as long.
    #[must_use]
    pub fn scaled(&self, ratio: f32) -> Self {
        let scaled = |corners: Polygon| corners.map(|corner| corner.map(|value| value * ratio));
        Self {
            corners: self.corners.map(scaled),
            others: self.others.iter().copied().map(scaled).collect(),
            visible_border: self.visible_border.iter().copied().map(scaled).collect(),
            ..self.clone()
        }
    }
}
