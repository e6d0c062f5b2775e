//! Looks at a picture for whatever may be a document's outline: at the whole, and closer at what the network marks.

use super::candidates::{candidates, marked_candidate};
use super::edges::Edges;
use super::marked;
use super::network::{self, Marks};
use super::quadrilateral::Quadrilateral;
use super::{lines, refine, score};
use crate::{ImageError, RgbImage, resize_region};

/// Longer side of the picture in which sides are looked for: a card's edge stays an edge, its print fades.
const COARSE_PX: u32 = 400;
/// Below this what is marked is looked at closer, so many parts of the picture at most.
const SURE: f32 = 0.9;
const MOST_PARTS: usize = 3;
/// What is looked at around a marked document on each side, as a share of its width and height.
const AROUND: f32 = 0.2;
/// Share of a picture that is not worth a look of its own.
const MOST_OF_IT: f32 = 0.6;
/// How much coarser than the picture in which sides are looked for the marks are taken to be.
const MARKS_RATIO: f32 = 2.5;

pub(super) struct Found {
    /// In pixels of the picture, whose first one begins at 0.
    pub outline: Quadrilateral,
    pub evidence: [f32; score::EVIDENCE],
    pub confidence: f32,
    /// How large the picture was in which it was found, as a share of its own size.
    pub ratio: f32,
}

impl Found {
    /// Whether no side is a border of the part and no corner beyond it.
    fn is_within(&self, [left, top, width, height]: Part) -> bool {
        let inside =
            |value: f32, from: u32, length: u32| (from as f32..=(from + length) as f32).contains(&value);
        self.outline.frames() == 0
            && self.outline.corners.iter().all(|[x, y]| inside(*x, left, width) && inside(*y, top, height))
    }
}

/// Left, top, width and height, in pixels of the picture.
type Part = [u32; 4];

/// The whole picture, then what lies around each document that the network marks: the sides of a small card are lost
/// among the long lines of other things.
pub(super) fn looked_at(picture: &RgbImage) -> Result<Vec<Found>, ImageError> {
    let marks = network::marks(picture)?;
    let marked = marked::marked(&marks);
    let look = Look { picture, marks: &marks };
    let mut found = look.at([0, 0, picture.width(), picture.height()], &marked)?;
    let mut parts: Vec<Part> = Vec::new();
    for one in &marked {
        if parts.len() == MOST_PARTS || found.iter().any(|found| found.confidence >= SURE) {
            break;
        }
        let Some(part) = look.around(one).filter(|part| !parts.iter().any(|other| alike(part, other))) else {
            continue;
        };
        parts.push(part);
        let closer = look.at(part, std::slice::from_ref(one))?;
        found.extend(closer.into_iter().filter(|found| found.is_within(part)));
    }
    Ok(found)
}

/// Whether most of what both cover is common to them.
fn alike(one: &Part, other: &Part) -> bool {
    let along = |axis: usize| {
        let (from, to) =
            (one[axis].max(other[axis]), (one[axis] + one[axis + 2]).min(other[axis] + other[axis + 2]));
        f64::from(to.saturating_sub(from))
    };
    let area = |part: &Part| f64::from(part[2]) * f64::from(part[3]);
    let common = along(0) * along(1);
    common > 0.6 * (area(one) + area(other) - common)
}

struct Look<'a> {
    picture: &'a RgbImage,
    marks: &'a Marks,
}

impl Look<'_> {
    /// Pixels of the picture that a cell of the marks is wide and high.
    fn cell(&self) -> [f32; 2] {
        let Self { picture, marks } = self;
        [picture.width() as f32 / marks.width as f32, picture.height() as f32 / marks.height as f32]
    }

    /// A marked document with as much around it as shows its sides; `None` where that is most of the picture.
    fn around(&self, marked: &Quadrilateral) -> Option<Part> {
        let (size, cell) = ([self.picture.width(), self.picture.height()], self.cell());
        let mut part = [0; 4];
        let mut share = 1.0;
        for axis in 0..2 {
            let values = marked.corners.map(|corner| (corner[axis] + 0.5) * cell[axis]);
            let (low, high) =
                (values.into_iter().fold(f32::INFINITY, f32::min), values.into_iter().fold(0.0, f32::max));
            let more = AROUND * (high - low) + 2.0 * cell[axis];
            let from = (low - more).clamp(0.0, size[axis].saturating_sub(1) as f32) as u32;
            let to = (high + more).clamp(from as f32 + 1.0, size[axis].max(1) as f32) as u32;
            (part[axis], part[axis + 2]) = (from, to.saturating_sub(from).max(1));
            share *= part[axis + 2] as f32 / size[axis] as f32;
        }
        (share < MOST_OF_IT).then_some(part)
    }

    fn at(
        &self,
        [left, top, width, height]: Part,
        marked: &[Quadrilateral],
    ) -> Result<Vec<Found>, ImageError> {
        let ratio = (COARSE_PX as f32 / width.max(height).max(1) as f32).min(1.0);
        let side = |length: u32| ((length as f32 * ratio).round() as u32).max(1);
        let region = [left, top, width, height].map(f64::from);
        let coarse = resize_region(self.picture, region, side(width), side(height))?;
        let edges = Edges::of(&coarse);
        let (corner, cell) = ([left as f32, top as f32], self.cell());
        let marked = marked.iter().map(|one| {
            let coarse = |axis: usize, value: f32| ((value + 0.5) * cell[axis] - corner[axis]) * ratio - 0.5;
            one.moved(|[x, y]| [coarse(0, x), coarse(1, y)])
        });
        let lines = lines::lines(&edges);
        let mut candidates = candidates(&lines, edges.width as f32, edges.height as f32);
        for one in marked {
            // Marks are coarse: as they are, and moved to the steps beside them.
            let moved = Quadrilateral { corners: refine::refined(&one, &coarse, MARKS_RATIO), ..one };
            candidates.extend([one, moved].iter().filter_map(|one| marked_candidate(one, &edges)));
        }
        let found = candidates.into_iter().map(|mut candidate| {
            let in_cells = candidate.outline.moved(|[x, y]| {
                let place = |axis: usize, value: f32| (value + 0.5) / ratio + corner[axis];
                [place(0, x) / cell[0] - 0.5, place(1, y) / cell[1] - 0.5]
            });
            let in_cells = marked::with_frames(in_cells, self.marks);
            let outline = in_cells.moved(|[x, y]| [(x + 0.5) * cell[0], (y + 0.5) * cell[1]]);
            candidate.outline.is_frame = outline.is_frame;
            let of_marks = marked::evidence(&in_cells, self.marks);
            let evidence = score::evidence(&candidate, &coarse, &edges, of_marks);
            let confidence = score::probability(&evidence, outline.frames() > 0);
            Found { outline, evidence, confidence, ratio }
        });
        Ok(found.collect())
    }
}
