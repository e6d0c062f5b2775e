//! The coordinates in which the text of one side is looked for and stands: the picture's own pixels, or
//! those of the document's rectangle where its outline was found. Photographed at an angle, lines of one
//! page run in different directions and their letters shrink to one end; in the document's rectangle they
//! are parallel and even.

use super::geometry::{Point, TextBox};
use txid_imaging::{ImageError, Perspective, RgbImage, resize, resize_region, warp_perspective};
use txid_shared::partial::Polygon;

/// Share of the document's sides that is looked at beyond them: outlines are found to within a few pixels,
/// and text may stand close to the edge.
const MARGIN: f32 = 0.03;

/// One side's picture and the coordinates in it.
pub struct Frame<'a> {
    pub picture: &'a RgbImage,
    pub place: Place,
}

/// From the frame's coordinates to pixels of the picture.
#[derive(Debug, Clone, Copy)]
pub enum Place {
    Picture,
    Document { map: Perspective, width: f32, height: f32 },
}

impl Place {
    pub fn point(&self, [x, y]: Point) -> Point {
        match self {
            Self::Picture => [x, y],
            Self::Document { map, .. } => map.apply(x, y),
        }
    }

    /// Corners of the document in the frame's coordinates, clockwise from its top left.
    pub const fn rectangle(&self) -> Option<Polygon> {
        match self {
            Self::Picture => None,
            Self::Document { width, height, .. } => {
                Some([[0.0, 0.0], [*width, 0.0], [*width, *height], [0.0, *height]])
            }
        }
    }

    /// Corners of a box in pixels of the picture, clockwise from the top left of the text.
    pub fn corners(&self, of: &TextBox) -> Polygon {
        of.corners().map(|corner| self.point(corner))
    }

    /// A direction at a point, as it is in the picture (not normalised).
    pub fn direction(&self, at: Point, along: Point, length: f32) -> Point {
        let ahead = self.point([at[0] + along[0] * length, at[1] + along[1] * length]);
        let here = self.point(at);
        [ahead[0] - here[0], ahead[1] - here[1]]
    }
}

impl<'a> Frame<'a> {
    pub const fn whole(picture: &'a RgbImage) -> Self {
        Self { picture, place: Place::Picture }
    }

    /// The rectangle of a document whose corners (clockwise) are given, as many pixels wide and high as its
    /// longest sides in the picture. `None` where the corners make no area.
    pub fn of_document(picture: &'a RgbImage, corners: &Polygon) -> Option<Self> {
        let side = |a: usize, b: usize| (corners[b][0] - corners[a][0]).hypot(corners[b][1] - corners[a][1]);
        let (width, height) = (side(0, 1).max(side(3, 2)), side(0, 3).max(side(1, 2)));
        let map = Perspective::rectangle_to_quadrilateral(width, height, corners)?;
        Some(Self { picture, place: Place::Document { map, width, height } })
    }

    /// What text is looked for in, and its left, top, width and height in the frame.
    pub fn extent(&self) -> [f32; 4] {
        match self.place {
            Place::Picture => [0.0, 0.0, self.picture.width() as f32, self.picture.height() as f32],
            Place::Document { width, height, .. } => {
                let margin = MARGIN * width.min(height);
                [-margin, -margin, width + 2.0 * margin, height + 2.0 * margin]
            }
        }
    }

    /// A rectangle of the frame (left, top, width, height), resampled.
    pub fn resampled(
        &self,
        [left, top, width, height]: [f32; 4],
        to: [u32; 2],
    ) -> Result<RgbImage, ImageError> {
        match &self.place {
            Place::Picture if [left, top, width, height] == self.extent() => {
                resize(self.picture, to[0], to[1])
            }
            Place::Picture => {
                resize_region(self.picture, [left, top, width, height].map(f64::from), to[0], to[1])
            }
            place => {
                let (right, bottom) = (left + width, top + height);
                let corners = [[left, top], [right, top], [right, bottom], [left, bottom]];
                warp_perspective(self.picture, &corners.map(|c| place.point(c)), to[0], to[1])
                    .ok_or(ImageError::EmptyRegion { width: width as u32, height: height as u32 })
            }
        }
    }

    /// A box's text as an upright strip of `columns` × `rows` pixels. `None` where it has no area.
    pub fn strip(&self, of: &TextBox, columns: u32, rows: u32) -> Option<RgbImage> {
        warp_perspective(self.picture, &self.place.corners(of), columns, rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn a_point_of_the_document_is_found_in_the_picture() {
        let picture = RgbImage::from_pixel(400, 300, Rgb([200; 3]));
        let corners = [[50.0, 40.0], [350.0, 60.0], [330.0, 250.0], [70.0, 230.0]];
        let frame = Frame::of_document(&picture, &corners).unwrap();
        let Place::Document { width, height, .. } = frame.place else { panic!("no document") };
        let rectangle = [[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]];
        for (corner, expected) in rectangle.map(|c| frame.place.point(c)).iter().zip(corners) {
            assert!((corner[0] - expected[0]).hypot(corner[1] - expected[1]) < 0.01, "{corner:?}");
        }
        assert!(Frame::of_document(&picture, &[[1.0, 1.0]; 4]).is_none());
        assert_eq!(frame.resampled(frame.extent(), [64, 32]).unwrap().dimensions(), (64, 32));
    }
}
