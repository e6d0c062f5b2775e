//! Where a document lies in a picture, by its outline: four straight sides that enclose something printed, set off from
//! what lies around it, and what a small network of our own marks (`models/outline/`). It runs before anything is queued,
//! without a runtime for models. A scan that the document fills has no outline, and none is found in it.

mod area;
mod candidates;
mod corners;
mod edges;
mod layers;
mod lines;
mod look;
mod marked;
mod network;
mod quadrilateral;
mod refine;
mod score;
mod shape;

use crate::{ImageError, RgbImage, resize};
use area::{clipped, common_area, signed_area};
use look::{Found, looked_at};
use quadrilateral::clockwise;
use txid_shared::partial::{Polygon, QualityIssue};

pub use area::overlap;
pub use shape::DocumentShape;

/// Longer side of the picture in which sides are placed.
const FINE_PX: u32 = 640;
/// A document that fills less of the picture is too far away.
const LEAST_FILL: f32 = 0.2;
/// A candidate is taken for a document from this probability on.
const LEAST_CONFIDENCE: f32 = 0.2;
const LEAST_SECOND: f32 = 0.2;
/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    /// In pixels of the picture, clockwise from the corner nearest to its top left; `None`: no outline stands out.
    /// A corner outside the picture is where its sides would meet; a side outside it is the picture's border.
    pub corners: Option<Polygon>,
    /// A side or a corner lies outside the picture.
    pub cut_off: bool,
    /// Share of the picture, 0..1.
    pub fill: f32,
    /// Probability that a document lies within the corners, 0..1; without corners, of the best that was refused.
    pub confidence: f32,
    /// Longer over shorter side of the document itself, perspective taken away; `None` where a side lies
    /// outside the picture.
    pub aspect: Option<f32>,
    pub shape: DocumentShape,
    /// Outlines of other documents in the picture.
    pub others: Vec<Polygon>,
    /// Strips along the picture's border where the document goes on beyond it.
    pub visible_border: Vec<Polygon>,
}

impl Outline {
    const NONE: Self = Self {
        corners: None,
        cut_off: false,
        fill: 0.0,
        confidence: 0.0,
        aspect: None,
        shape: DocumentShape::Other,
        others: Vec::new(),
        visible_border: Vec::new(),
    };

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

    pub fn issues(&self) -> Vec<QualityIssue> {
        let mut issues = Vec::new();
        if self.cut_off {
            let issue = QualityIssue::new("cut_off", "A part of the document lies outside the picture", 0.6);
            issues.push(issue.at(self.visible_border.clone()));
        } else if self.corners.is_none() {
            issues.push(QualityIssue::new("document_not_found", "No outline of a document stands out", 0.3));
        } else if self.fill < LEAST_FILL {
            let issue = QualityIssue::new("too_far", "The document is small in the picture", 0.4);
            issues.push(issue.at(self.corners.into_iter().collect()));
        }
        if !self.others.is_empty() {
            let issue =
                QualityIssue::new("several_documents", "More than one document is in the picture", 0.4);
            issues.push(issue.at(self.corners.into_iter().chain(self.others.iter().copied()).collect()));
        }
        issues
    }
}

pub fn find_document(picture: &RgbImage) -> Result<Outline, ImageError> {
    let found = looked_at(picture)?;
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let Some(best) = found.iter().max_by(|a, b| a.confidence.total_cmp(&b.confidence)) else {
        return Ok(Outline::NONE);
    };
    if best.confidence < LEAST_CONFIDENCE {
        return Ok(Outline { confidence: best.confidence, ..Outline::NONE });
    }
    let fine_ratio = (FINE_PX as f32 / width.max(height)).min(1.0);
    let fine = (fine_ratio < 1.0).then(|| shrunk(picture, fine_ratio)).transpose()?;
    let placed = |found: &Found| {
        let fine = fine.as_ref().unwrap_or(picture);
        let rough = found.outline.moved(|corner| corner.map(|value| value * fine_ratio - 0.5));
        let corners = refine::refined(&rough, fine, fine_ratio / found.ratio);
        clockwise(corners.map(|corner| corner.map(|value| (value + 0.5) / fine_ratio)))
    };
    let corners = placed(best);
    let inside = |[x, y]: &[f32; 2]| {
        let margin = 0.004 * width.max(height);
        (-margin..=width + margin).contains(x) && (-margin..=height + margin).contains(y)
    };
    let side_is_outside = best.outline.frames() > 0;
    let aspect = (!side_is_outside)
        .then(|| shape::rectangle(&corners, width, height))
        .flatten()
        .map(|rectangle| rectangle.aspect);
    let others = second(&found, best).map(placed);
    let cut_off = side_is_outside || !corners.iter().all(inside);
    Ok(Outline {
        corners: Some(corners),
        cut_off,
        visible_border: if cut_off { border_strips(&corners, width, height) } else { Vec::new() },
        fill: (signed_area(&clipped(&corners, width, height)) / 2.0 / (width * height)).clamp(0.0, 1.0),
        confidence: best.confidence,
        aspect,
        shape: aspect.map_or(DocumentShape::Other, DocumentShape::of),
        others: others.into_iter().collect(),
    })
}

/// What may be a document's outline, for whoever fits the weights of `score` (`examples/fit_document.rs`).
#[derive(Debug, Clone)]
pub struct Weighable {
    /// In pixels of the picture.
    pub corners: Polygon,
    /// In the order of the weights, then 1 where a side lies outside the picture.
    pub evidence: Vec<f32>,
}

/// All candidates of a picture, unweighed.
pub fn weighable(picture: &RgbImage) -> Result<Vec<Weighable>, ImageError> {
    let weighable = looked_at(picture)?.into_iter().map(|found| Weighable {
        corners: found.outline.corners,
        evidence: found
            .evidence
            .into_iter()
            .chain([f32::from(u8::from(found.outline.frames() > 0))])
            .collect(),
    });
    Ok(weighable.collect())
}

fn shrunk(picture: &RgbImage, ratio: f32) -> Result<RgbImage, ImageError> {
    let side = |length: u32| ((length as f32 * ratio).round() as u32).max(1);
    resize(picture, side(picture.width()), side(picture.height()))
}

/// Another document, beside the best.
fn second<'a>(found: &'a [Found], best: &Found) -> Option<&'a Found> {
    let beside = |other: &&Found| {
        let area = signed_area(&other.outline.corners) / 2.0;
        let common = common_area(&other.outline.corners, &best.outline.corners);
        common < 0.1 * area && area > 0.35 * signed_area(&best.outline.corners) / 2.0
    };
    found
        .iter()
        .filter(|other| other.confidence >= LEAST_SECOND && other.outline.frames() == 0)
        .filter(beside)
        .max_by(|a, b| a.confidence.total_cmp(&b.confidence))
}

/// Where the document meets the picture's border: a strip of a 50th of the longer side.
fn border_strips(corners: &Polygon, width: f32, height: f32) -> Vec<Polygon> {
    let deep = width.max(height) / 50.0;
    let visible = clipped(corners, width, height);
    let along = |axis: usize, at_border: &dyn Fn(&[f32; 2]) -> bool| {
        let values = || visible.iter().filter(|point| at_border(point)).map(move |point| point[axis]);
        let (from, to) = (values().fold(f32::INFINITY, f32::min), values().fold(f32::NEG_INFINITY, f32::max));
        (to - from > deep / 2.0).then_some((from, to))
    };
    let near = deep / 4.0;
    let box_of = |left: f32, top: f32, right: f32, bottom: f32| {
        [[left, top], [right, top], [right, bottom], [left, bottom]]
    };
    [
        along(1, &|point| point[0] <= near).map(|(from, to)| box_of(0.0, from, deep, to)),
        along(1, &|point| point[0] >= width - near).map(|(from, to)| box_of(width - deep, from, width, to)),
        along(0, &|point| point[1] <= near).map(|(from, to)| box_of(from, 0.0, to, deep)),
        along(0, &|point| point[1] >= height - near)
            .map(|(from, to)| box_of(from, height - deep, to, height)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    /// A card with some print, `corners` on a table; both with a little structure.
    fn table(corners: Polygon) -> RgbImage {
        let inside = |x: f32, y: f32, margin: f32| {
            (0..4).all(|n| {
                let ([ax, ay], [bx, by]) = (corners[n], corners[(n + 1) % 4]);
                (bx - ax) * (y - ay) - (by - ay) * (x - ax) >= margin * (bx - ax).hypot(by - ay)
            })
        };
        RgbImage::from_fn(960, 720, |x, y| {
            let grain = ((x * 7 + y * 13) % 11) as u8;
            if inside(x as f32, y as f32, 0.0) {
                let print = (y / 24) % 3 == 0 && (x / 9) % 2 == 0 && inside(x as f32, y as f32, 16.0);
                if print { Rgb([60, 60, 70]) } else { Rgb([205 + grain, 215, 205]) }
            } else {
                Rgb([96 + grain, 84 + grain, 70])
            }
        })
    }

    #[test]
    fn the_outline_of_a_tilted_card_is_found() {
        let truth = [[190.0, 150.0], [800.0, 190.0], [770.0, 585.0], [160.0, 530.0]];
        let found = find_document(&table(truth)).unwrap();
        let corners = found.corners.expect("an outline");
        for (corner, wanted) in corners.iter().zip(truth) {
            let distance = (corner[0] - wanted[0]).hypot(corner[1] - wanted[1]);
            assert!(distance < 14.0, "{corner:?} for {wanted:?}");
        }
        assert!(!found.cut_off && found.issues().is_empty(), "{found:?}");
    }

    #[test]
    fn a_card_that_reaches_beyond_the_picture_is_cut_off() {
        let turned = [[300.0, 150.0], [1100.0, 200.0], [1072.0, 650.0], [272.0, 600.0]];
        // A column of its print runs along the picture's border.
        let straight = [[300.0, 150.0], [1100.0, 150.0], [1100.0, 600.0], [300.0, 600.0]];
        for truth in [turned, straight] {
            let found = find_document(&table(truth)).unwrap();
            assert!(found.cut_off, "{found:?}");
            assert_eq!(found.issues()[0].code, "cut_off");
            assert_eq!(found.visible_border.len(), 1);
        }
    }

    #[test]
    fn an_empty_table_has_no_document() {
        let found = find_document(&table([[0.0; 2]; 4].map(|_| [-5.0, -5.0]))).unwrap();
        assert_eq!((found.corners, found.issues()[0].code.as_str()), (None, "document_not_found"));
    }

    /// A card of 400×252 around a point, turned.
    fn card(centre: [f32; 2], degrees: f32) -> Polygon {
        let (sin, cos) = degrees.to_radians().sin_cos();
        [[-200.0, -126.1], [200.0, -126.1], [200.0, 126.1], [-200.0, 126.1]]
            .map(|[x, y]| [centre[0] + x * cos - y * sin, centre[1] + x * sin + y * cos])
    }

    /// The share of both that is common to both.
    fn overlap(found: &Polygon, truth: &Polygon) -> f32 {
        let truth = clockwise(*truth);
        let common = common_area(found, &truth);
        common / ((signed_area(found) + signed_area(&truth)) / 2.0 - common)
    }

    #[test]
    fn a_card_is_found_at_any_angle_and_known_as_one() {
        for degrees in [0.0, 17.0, 45.0, 80.0, 121.0, 160.0] {
            let truth = card([480.0, 360.0], degrees);
            let found = find_document(&table(truth)).unwrap();
            let corners = found.corners.unwrap_or_default();
            assert!(overlap(&corners, &truth) > 0.95, "{corners:?} at {degrees}°");
            assert_eq!((found.shape, found.cut_off), (DocumentShape::Id1, false), "{found:?}");
        }
    }

    #[test]
    fn a_small_card_is_found_by_a_closer_look() {
        let truth = card([300.0, 240.0], 8.0).map(|[x, y]| [150.0 + x / 2.0, 120.0 + y / 2.0]);
        let found = find_document(&table(truth)).unwrap();
        assert!(overlap(&found.corners.expect("an outline"), &truth) > 0.9, "{found:?}");
        assert_eq!(found.issues()[0].code, "too_far");
    }

    #[test]
    fn among_other_things_the_card_is_chosen() {
        let truth = card([520.0, 330.0], 12.0);
        let mut picture = table(truth);
        let things = [([40, 40], [200, 120], [20, 90, 160]), ([60, 560], [420, 100], [230, 220, 90])];
        for ([left, top], [wide, high], colour) in things {
            for (x, y) in (top..top + high).flat_map(|y| (left..left + wide).map(move |x| (x, y))) {
                picture.put_pixel(x, y, Rgb(colour));
            }
        }
        let found = find_document(&picture).unwrap();
        assert!(overlap(&found.corners.expect("an outline"), &truth) > 0.95, "{found:?}");
    }

    #[test]
    fn a_second_card_is_named_with_its_place() {
        let (one, other) = (card([240.0, 200.0], 5.0), card([690.0, 500.0], -20.0));
        let (first, second) = (table(one), table(other));
        // Where only the second picture differs from the bare table, it is taken.
        let bare = table([[-9.0, -9.0], [-5.0, -9.0], [-5.0, -5.0], [-9.0, -5.0]]);
        let picture = RgbImage::from_fn(960, 720, |x, y| {
            let of_second = second.get_pixel(x, y);
            if of_second == bare.get_pixel(x, y) { *first.get_pixel(x, y) } else { *of_second }
        });
        let found = find_document(&picture).unwrap();
        let issue = found.issues().into_iter().find(|issue| issue.code == "several_documents");
        assert_eq!(issue.map(|issue| issue.places.len()), Some(2), "{found:?}");
        let all: Vec<Polygon> = found.corners.into_iter().chain(found.others).collect();
        for truth in [one, other] {
            assert!(all.iter().any(|found| overlap(found, &truth) > 0.9), "{all:?} for {truth:?}");
        }
    }

    #[test]
    fn a_corner_outside_is_placed_where_the_sides_would_meet() {
        let truth = [[-60.0, 110.0], [720.0, -40.0], [800.0, 420.0], [30.0, 560.0]];
        let found = find_document(&table(truth)).unwrap();
        assert!(found.cut_off && !found.visible_border.is_empty(), "{found:?}");
        assert!(overlap(&found.corners.expect("an outline"), &truth) > 0.9, "{found:?}");
    }
}
