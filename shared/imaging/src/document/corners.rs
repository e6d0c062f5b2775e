//! Documents by the corners that the network marks.

use super::area::signed_area;
use super::marked::{LEAST_AREA, evidence};
use super::network::Marks;
use super::quadrilateral::{Quadrilateral, around, is_convex};

/// A corner from this mark on; as many of them are tried, and as many of what they enclose are looked at.
const LEAST_CORNER: f32 = 0.2;
const PEAKS: usize = 11;
const OF_CORNERS: usize = 5;

/// Where documents touch, or other things are taken for a part of one, the inside runs on and corners do not.
pub(super) fn by_corners(marks: &Marks) -> Vec<Quadrilateral> {
    let peaks = peaks(marks);
    let least = LEAST_AREA * (marks.width * marks.height) as f32;
    let mut found: Vec<(f32, Quadrilateral)> = fours(&peaks)
        .map(around)
        .filter(|corners| is_convex(corners) && signed_area(corners) / 2.0 >= least)
        .map(|corners| {
            let enclosed = Quadrilateral::of(corners);
            let [inside, outside, sides, least_side, _] = evidence(&enclosed, marks);
            (inside - outside + sides + least_side, enclosed)
        })
        .collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.truncate(OF_CORNERS);
    found.into_iter().map(|(_, enclosed)| enclosed).collect()
}

/// Every four of some points.
fn fours(points: &[[f32; 2]]) -> impl Iterator<Item = [[f32; 2]; 4]> {
    let behind = |n: usize| n + 1..points.len();
    (0..points.len())
        .flat_map(move |a| behind(a).map(move |b| (a, b)))
        .flat_map(move |(a, b)| behind(b).map(move |c| (a, b, c)))
        .flat_map(move |(a, b, c)| behind(c).map(move |d| [a, b, c, d].map(|n| points[n])))
}

/// The highest marks of corners, to a fraction of a cell.
fn peaks(marks: &Marks) -> Vec<[f32; 2]> {
    let mark = |x: usize, y: usize| marks.corners.get(y * marks.width + x).copied().unwrap_or(0.0);
    let mut peaks: Vec<(f32, [f32; 2])> = Vec::new();
    for y in 0..marks.height {
        for x in 0..marks.width {
            let here = mark(x, y);
            if here < LEAST_CORNER {
                continue;
            }
            let columns = x.saturating_sub(1)..(x + 2).min(marks.width);
            let cells: Vec<(usize, usize)> = (y.saturating_sub(1)..(y + 2).min(marks.height))
                .flat_map(|row| columns.clone().map(move |column| (column, row)))
                .collect();
            if cells.iter().any(|(column, row)| mark(*column, *row) > here) {
                continue;
            }
            let weight: f32 = cells.iter().map(|(column, row)| mark(*column, *row)).sum();
            let mean = |of: &dyn Fn(&(usize, usize)) -> usize| {
                cells.iter().map(|cell| of(cell) as f32 * mark(cell.0, cell.1)).sum::<f32>() / weight
            };
            peaks.push((here, [mean(&|cell| cell.0), mean(&|cell| cell.1)]));
        }
    }
    peaks.sort_by(|a, b| b.0.total_cmp(&a.0));
    peaks.truncate(PEAKS);
    peaks.into_iter().map(|(_, peak)| peak).collect()
}
