//! A side's place to a fraction of a pixel, from a finer picture.

use super::lines::Line;
use super::quadrilateral::{Quadrilateral, bilinear};
use crate::RgbImage;
use txid_shared::partial::Polygon;

/// Points along a side at which the step is looked for.
const POINTS: usize = 56;
/// How far from the rough side, in pixels of the coarse picture.
const REACH: f32 = 2.6;
/// Rounds of weighing points by their distance from the line, and the distance of half weight in each.
const ROUNDS: [f32; 4] = [3.0, 1.5, 0.8, 0.6];

/// The corners in pixels of `fine`, which is `ratio` times as large as the picture in which they were found.
pub(super) fn refined(rough: &Quadrilateral, fine: &RgbImage, ratio: f32) -> Polygon {
    let scaled = rough.corners;
    let sides = [0, 1, 2, 3].map(|n| {
        let (from, to) = rough.side(n);
        let side = Line::through(from, to);
        if rough.is_frame[n] {
            return side;
        }
        stepped(&side, from, to, fine, REACH * ratio).unwrap_or(side)
    });
    let anew = [0, 1, 2, 3].map(|n| sides[(n + 3) % 4].meets(&sides[n]).unwrap_or(scaled[n]));
    let moved = |n: usize| (anew[n][0] - scaled[n][0]).hypot(anew[n][1] - scaled[n][1]);
    // Farther than both of its sides may move: something else was followed.
    [0, 1, 2, 3].map(|n| if moved(n) < 4.0 * REACH * ratio { anew[n] } else { scaled[n] })
}

fn stepped(side: &Line, from: [f32; 2], to: [f32; 2], fine: &RgbImage, reach: f32) -> Option<Line> {
    let (start, end) = (side.along(from), side.along(to));
    let steps = (2.0 * reach).round() as i32;
    let mut points = Vec::with_capacity(POINTS);
    for point in 0..POINTS {
        let share = 0.06 + 0.88 * point as f32 / (POINTS - 1) as f32;
        let base = side.point(start + (end - start) * share);
        let place = |half: f32| [0, 1].map(|axis| base[axis] + side.normal[axis] * half);
        // Half a pixel apart; steps over two pixels.
        let profile: Vec<Option<[f32; 3]>> =
            (-steps - 2..=steps + 2).map(|half| sampled(fine, place(half as f32 / 2.0))).collect();
        let rise: Vec<f32> = profile
            .windows(5)
            .map(|five| match five {
                [Some(a), _, _, _, Some(b)] => {
                    (0..3).map(|channel| (a[channel] - b[channel]).abs()).fold(0.0, f32::max)
                }
                _ => 0.0,
            })
            .collect();
        let Some((best, height)) = rise.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1)) else {
            continue;
        };
        if height < 3.0 {
            continue;
        }
        let around =
            |place: Option<usize>| place.and_then(|place| rise.get(place)).copied().unwrap_or(height);
        let (before, after) = (around(best.checked_sub(1)), around(best.checked_add(1)));
        // The top of the parabola through three steps.
        let bend = before - 2.0 * height + after;
        let shift = if bend < -1e-3 { ((before - after) / (2.0 * bend)).clamp(-0.5, 0.5) } else { 0.0 };
        points.push((place((best as f32 + shift - steps as f32) / 2.0), height.min(60.0)));
    }
    if points.len() < POINTS / 4 {
        return None;
    }
    let mut line = *side;
    for half in ROUNDS {
        let weighed: Vec<([f32; 2], f32)> = points
            .iter()
            .map(|(point, height)| (*point, height / (1.0 + (line.aside(*point) / half).powi(4))))
            .collect();
        line = Line::fitted(&weighed)?;
    }
    Some(line)
}

/// Bilinear; `None` outside the picture.
fn sampled(picture: &RgbImage, [x, y]: [f32; 2]) -> Option<[f32; 3]> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    if x < 0.0 || y < 0.0 || x >= width as f32 - 1.0 || y >= height as f32 - 1.0 {
        return None;
    }
    bilinear([x, y], |x, y| {
        let pixel = picture.as_raw().get(3 * (y * width + x)..)?;
        Some(pixel.first_chunk::<3>()?.map(f32::from))
    })
}
