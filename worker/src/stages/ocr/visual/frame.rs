//! Where a line stands on its card: in 0..1 of the card's width and height, from its top left corner.

use super::titles::folded_title;
use crate::stages::ocr::geometry::Point;
use crate::stages::ocr::lines::TextLine;
use serde::Deserialize;
use txid_imaging::Perspective;
use txid_shared::partial::Polygon;

/// From the lines' coordinates to the card's unit square.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame(Perspective);

/// A piece of print whose place on the card is known: with two or more of them (or one that is
/// long enough) others' places follow where nobody saw the card's edges.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    pub text: String,
    /// Left, top, right, bottom in 0..1 of the card.
    pub at: [f32; 4],
}

impl Frame {
    /// `corners` of the card in the lines' coordinates, clockwise from the top left of its content.
    /// `None` where they make no quadrilateral.
    pub fn of_corners(corners: &Polygon) -> Option<Self> {
        Perspective::rectangle_to_quadrilateral(1.0, 1.0, corners)?.inverse().map(Self)
    }

    /// `None` for points on the horizon.
    pub fn place(&self, [x, y]: Point) -> Option<Point> {
        let place = self.0.apply(x, y);
        place.iter().all(|value| value.is_finite()).then_some(place)
    }
}

/// Places of lines on the card.
pub enum Places {
    Seen(Frame),
    /// Offset and scale from the frame of the upright text: `unit = (text - offset) / size`.
    Inferred {
        offset: Point,
        size: Point,
    },
}

impl Places {
    /// From the card's corners where they were found, else from print whose place is known.
    pub fn of(lines: &[TextLine], frame: Option<&Frame>, anchors: &[Anchor], aspect: f32) -> Option<Self> {
        if let Some(frame) = frame {
            return Some(Self::Seen(*frame));
        }
        // Ends of the lines in print, and where they belong, in widths of the card.
        let mut pairs: Vec<([f32; 2], [f32; 2])> = Vec::new();
        for anchor in anchors {
            let wanted = folded_title(&anchor.text);
            let Some(line) = lines.iter().find(|line| folded_title(&line.text) == wanted) else { continue };
            let [left, top, right, bottom] = anchor.at;
            let middle = (top + bottom) / 2.0 / aspect;
            pairs.push(([line.left, line.middle()], [left, middle]));
            pairs.push(([line.right, line.middle()], [right, middle]));
        }
        // A single line gives the scale by its length, which print varies: two, or nothing.
        if pairs.len() < 4 {
            return None;
        }
        let count = pairs.len() as f32;
        let mean = |of: fn(&([f32; 2], [f32; 2])) -> f32| pairs.iter().map(of).sum::<f32>() / count;
        let (x, y, u, v) = (mean(|p| p.0[0]), mean(|p| p.0[1]), mean(|p| p.1[0]), mean(|p| p.1[1]));
        let (mut both, mut own) = (0.0, 0.0);
        for (read, known) in &pairs {
            both += (read[0] - x) * (known[0] - u) + (read[1] - y) * (known[1] - v);
            own += (known[0] - u).powi(2) + (known[1] - v).powi(2);
        }
        let width = both / own;
        // A card is some lines of text wide; else the anchors were other print.
        let height = lines.first().map_or(1.0, TextLine::height);
        (width.is_finite() && width > 5.0 * height)
            .then(|| Self::Inferred { offset: [x - u * width, y - v * width], size: [width, width / aspect] })
    }

    /// The middle of a line.
    pub fn middle(&self, line: &TextLine) -> Option<Point> {
        match self {
            Self::Seen(frame) => frame.place(line.place.centre),
            Self::Inferred { offset, size } => Some([
                ((line.left + line.right) / 2.0 - offset[0]) / size[0],
                (line.middle() - offset[1]) / size[1],
            ]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: Option<Point>, b: Point) -> bool {
        a.is_some_and(|a| (a[0] - b[0]).abs() < 1e-3 && (a[1] - b[1]).abs() < 1e-3)
    }

    #[test]
    fn a_photographed_card_is_brought_to_the_unit_square() {
        let corners = [[100.0, 120.0], [900.0, 80.0], [960.0, 640.0], [60.0, 600.0]];
        let frame = Frame::of_corners(&corners).unwrap();
        for (corner, unit) in corners.into_iter().zip([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]) {
            assert!(near(frame.place(corner), unit), "{corner:?} {:?}", frame.place(corner));
        }
        let flat = Frame::of_corners(&[[10.0, 20.0], [210.0, 20.0], [210.0, 120.0], [10.0, 120.0]]).unwrap();
        assert!(near(flat.place([60.0, 70.0]), [0.25, 0.5]));
        // Upside down: the content's top left is the picture's bottom right.
        let turned =
            Frame::of_corners(&[[210.0, 120.0], [10.0, 120.0], [10.0, 20.0], [210.0, 20.0]]).unwrap();
        assert!(near(turned.place([60.0, 70.0]), [0.75, 0.5]));
        assert!(Frame::of_corners(&[[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]).is_none());
    }

    #[test]
    fn two_known_lines_tell_the_places_of_others() {
        let anchors = [
            Anchor { text: "TITLE OF A CARD".into(), at: [0.3, 0.05, 0.7, 0.15] },
            Anchor { text: "Foot".into(), at: [0.1, 0.85, 0.2, 0.95] },
        ];
        // A card 800 wide and 500 high at (100, 50).
        let lines = [
            TextLine::for_test("TITLE OF A CARD", [340.0, 85.0, 660.0, 115.0]),
            TextLine::for_test("FOOT", [180.0, 485.0, 260.0, 515.0]),
            TextLine::for_test("VALUE", [480.0, 285.0, 520.0, 315.0]),
        ];
        let places = Places::of(&lines, None, &anchors, 1.6).unwrap();
        assert!(near(places.middle(&lines[2]), [0.5, 0.5]), "{:?}", places.middle(&lines[2]));
        assert!(Places::of(&lines[..1], None, &anchors, 1.6).is_none());
    }
}
