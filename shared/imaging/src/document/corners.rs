//! Documents by the corners that the network marks.

use super::area::signed_area;
use super::candidates::is_convex;
use super::marked::{LEAST_AREA, Marked, evidence};
use super::network::Marks;
use txid_shared::partial::Polygon;

/// A corner from this mark on; as many of them are tried, and as many of what they enclose are looked at.
const LEAST_CORNER: f32 = 0.2;
const PEAKS: usize = 11;
const OF_CORNERS: usize = 5;

/// Where documents touch, or other things are taken for a part of one, the inside runs on and corners do not.
pub(super) fn by_corners(marks: &Marks) -> Vec<Marked> {
    let peaks = peaks(marks);
    let count = peaks.len();
    let mut found: Vec<(f32, Polygon)> = Vec::new();
    for a in 0..count {
        for b in a + 1..count {
            for c in b + 1..count {
                for d in c + 1..count {
                    let corners = around([peaks[a], peaks[b], peaks[c], peaks[d]]);
                    let area = signed_area(&corners) / 2.0;
                    if !is_convex(&corners) || area < LEAST_AREA * (marks.width * marks.height) as f32 {
                        continue;
                    }
                    let [inside, outside, sides, least_side, _] = evidence(&corners, [false; 4], marks);
                    found.push((inside - outside + sides + least_side, corners));
                }
            }
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.truncate(OF_CORNERS);
    found.into_iter().map(|(_, corners)| Marked { corners, is_frame: [false; 4] }).collect()
}

/// Clockwise around their middle.
fn around(mut corners: Polygon) -> Polygon {
    let middle = [0, 1].map(|axis| corners.iter().map(|corner| corner[axis]).sum::<f32>() / 4.0);
    let direction = |[x, y]: &[f32; 2]| (y - middle[1]).atan2(x - middle[0]);
    corners.sort_by(|a, b| direction(a).total_cmp(&direction(b)));
    corners
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
