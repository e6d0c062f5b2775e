//! How likely a candidate is the outline of a document.

use super::candidates::Candidate;
use super::edges::Edges;
use super::marked;
use super::quadrilateral::{Quadrilateral, distance};
use super::shape::rectangle;
use crate::RgbImage;

/// What is weighed, in this order.
pub(super) const EVIDENCE: usize = 16 + marked::EVIDENCE;

/// Of a colour difference (0..442): half of it at this many values.
const HALF_DIFFERENCE: f32 = 14.0;
/// Points along a side at which colours are compared.
const POINTS: usize = 14;
/// Squares of the document, each way, in which print is looked for.
const SQUARES: usize = 6;

/// `of_marks`: what the network says of it.
pub(super) fn evidence(
    candidate: &Candidate,
    picture: &RgbImage,
    edges: &Edges,
    [inside, outside, sides, least_side, at_corners]: [f32; marked::EVIDENCE],
) -> [f32; EVIDENCE] {
    let (width, height) = (edges.width as f32, edges.height as f32);
    let outline = &candidate.outline;
    let corners = &outline.corners;
    let shorter = outline.shortest_side();
    let (near, far) = ((0.025 * shorter).max(2.0), (0.07 * shorter).max(4.0));
    let (mut near_sum, mut near_least, mut far_sum, mut far_least) = (0.0, 1.0f32, 0.0, 1.0f32);
    let (mut inner, mut outer, mut count) = ([0.0f32; 3], [0.0f32; 3], 0.0f32);
    let mut steady = 0.0;
    for n in (0..4).filter(|n| !outline.is_frame[*n]) {
        let (mut near_side, mut far_side, mut seen) = (0.0, 0.0, 0.0f32);
        let (mut sum, mut lengths) = ([0.0f32; 3], 0.0f32);
        for point in 0..POINTS {
            let share = 0.08 + 0.84 * point as f32 / (POINTS - 1) as f32;
            let at = |aside: f32| outline.beside(n, share, aside);
            let (Some(in_near), Some(out_near), Some(in_far), Some(out_far)) = (
                colour(picture, at(-near)),
                colour(picture, at(near)),
                colour(picture, at(-far)),
                colour(picture, at(far)),
            ) else {
                continue;
            };
            seen += 1.0;
            let step = difference(in_near, out_near);
            near_side += softened(step);
            far_side += softened(difference(in_far, out_far));
            lengths += step;
            for channel in 0..3 {
                sum[channel] += in_near[channel] - out_near[channel];
                inner[channel] += in_far[channel];
                outer[channel] += out_far[channel];
            }
        }
        if seen < 3.0 {
            continue;
        }
        count += seen;
        // 1 where the step is the same all along the side.
        steady += difference(sum, [0.0; 3]) / (lengths + 4.0 * seen) * seen;
        (near_sum, far_sum) = (near_sum + near_side, far_sum + far_side);
        (near_least, far_least) = (near_least.min(near_side / seen), far_least.min(far_side / seen));
    }
    let count = count.max(1.0);
    let apart = softened(difference(inner.map(|v| v / count), outer.map(|v| v / count)));
    let (printed, print) = print(outline, edges);
    let shape = rectangle(corners, width, height).filter(|_| outline.frames() == 0);
    let (skew, strangeness) =
        shape.map_or((0.1, 0.1), |shape| (shape.skew.min(0.5), shape.strangeness.min(0.5)));
    let beyond =
        corners.iter().filter(|[x, y]| *x < -2.0 || *y < -2.0 || *x > width + 1.0 || *y > height + 1.0);
    [
        candidate.mean_support(),
        candidate.least_support(),
        candidate.agreement,
        candidate.beyond,
        candidate.area.min(1.0).sqrt(),
        near_sum / count,
        near_least,
        far_sum / count,
        far_least,
        apart,
        steady / count,
        printed,
        print,
        skew,
        strangeness,
        beyond.count() as f32 / 2.0,
        inside,
        outside,
        sides,
        least_side,
        at_corners,
    ]
}

/// Share of the document's squares with print or a picture in them, and the mean density of edges.
fn print(outline: &Quadrilateral, edges: &Edges) -> (f32, f32) {
    let [a, _, c, _] = outline.corners;
    let half = (0.4 * distance(a, c) / SQUARES as f32 / std::f32::consts::SQRT_2).max(2.0) * 0.8;
    let (mut printed, mut sum, mut count) = (0.0, 0.0, 0.0f32);
    for row in 0..SQUARES {
        for column in 0..SQUARES {
            let place = |n: usize| 0.1 + 0.8 * (n as f32 + 0.5) / SQUARES as f32;
            let density = edges.density(outline.at([place(column), place(row)]), half);
            printed += f32::from(u8::from(density > 0.04));
            sum += density;
            count += 1.0;
        }
    }
    (printed / count, (sum / count * 3.0).min(1.0))
}

/// Mean of 3×3 pixels; `None` outside the picture.
fn colour(picture: &RgbImage, [x, y]: [f32; 2]) -> Option<[f32; 3]> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    if x < 1.0 || y < 1.0 || x > width as f32 - 2.0 || y > height as f32 - 2.0 {
        return None;
    }
    let (x, y) = (x.round() as usize, y.round() as usize);
    let mut sum = [0u32; 3];
    for row in y - 1..=y + 1 {
        let pixels = picture.as_raw().get(3 * (row * width + x - 1)..3 * (row * width + x + 2))?;
        for pixel in pixels.chunks_exact(3) {
            for (sum, value) in sum.iter_mut().zip(pixel) {
                *sum += u32::from(*value);
            }
        }
    }
    Some(sum.map(|sum| sum as f32 / 9.0))
}

fn difference(a: [f32; 3], b: [f32; 3]) -> f32 {
    (0..3).map(|channel| (a[channel] - b[channel]).powi(2)).sum::<f32>().sqrt()
}

fn softened(difference: f32) -> f32 {
    difference / (difference + HALF_DIFFERENCE)
}

/// In the order of `evidence`. Fitted by `examples/fit_document.rs` on 291 generated photographs and scans, so that of all
/// candidates of a picture the right one is the most likely (softmax). Measured on others in MODELS.md.
const WEIGHTS: [f32; EVIDENCE] = [
    19.67, 1.97, 23.71, -26.83, 2.38, 8.47, 8.28, -24.46, 2.86, 9.85, 6.45, 1.28, 6.29, -16.80, -40.01,
    -9.78, 1.78, -14.24, 4.87, 1.45, -1.99,
];
const BIAS: f32 = -45.36;
const FRAME_BIAS: f32 = -2.16;

/// 0..1
pub(super) fn probability(evidence: &[f32; EVIDENCE], reaches_beyond: bool) -> f32 {
    let sum: f32 = evidence.iter().zip(WEIGHTS).map(|(value, weight)| value * weight).sum();
    let sum = sum + BIAS + if reaches_beyond { FRAME_BIAS } else { 0.0 };
    1.0 / (1.0 + (-sum).exp())
}
