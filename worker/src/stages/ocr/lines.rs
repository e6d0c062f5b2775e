//! Lines of text as read, in the frame in which they are upright.

use super::geometry::{Point, TextBox};

/// A line with its extent along the page's reading direction (`left..right`) and across it
/// (`top..bottom`), in pixels of the frame.
#[derive(Debug, Clone, PartialEq)]
pub struct TextLine {
    pub text: String,
    pub confidence: f32,
    pub place: TextBox,
    pub left: f32,
    pub top: f32,
    pub right: f32,
    pub bottom: f32,
}

impl TextLine {
    /// `along` is the reading direction of the whole page.
    pub fn new(text: String, confidence: f32, place: TextBox, along: Point) -> Self {
        let (left, right) = place.extent(along);
        // Across, the slant of a long line would count as height: take its middle and thickness.
        let down = [-along[1], along[0]];
        let middle = super::geometry::dot(place.centre, down);
        let half = place.thickness / 2.0;
        Self { text, confidence, place, left, right, top: middle - half, bottom: middle + half }
    }

    pub fn height(&self) -> f32 {
        (self.bottom - self.top).max(1.0)
    }

    pub fn middle(&self) -> f32 {
        (self.top + self.bottom) / 2.0
    }

    /// Whether both stand on one row; `slack` is in heights of the larger one.
    pub fn is_level_with(&self, other: &Self, slack: f32) -> bool {
        (self.middle() - other.middle()).abs() < slack * self.height().max(other.height())
    }

    #[cfg(test)]
    pub fn for_test(text: &str, [left, top, right, bottom]: [f32; 4]) -> Self {
        let place = TextBox {
            centre: [(left + right) / 2.0, (top + bottom) / 2.0],
            along: [1.0, 0.0],
            length: right - left,
            thickness: bottom - top,
            score: 0.9,
        };
        Self::new(text.to_owned(), 0.97, place, [1.0, 0.0])
    }
}
