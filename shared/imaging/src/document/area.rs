//! Areas of convex polygons, y downwards, and how well two of them cover each other.

use txid_shared::partial::Polygon;

/// Twice the area; positive where the corners run clockwise.
pub(super) fn signed_area(corners: &[[f32; 2]]) -> f32 {
    let ends = corners.iter().zip(corners.iter().cycle().skip(1));
    ends.map(|(a, b)| a[0] * b[1] - b[0] * a[1]).sum()
}

/// Of two convex polygons that run clockwise.
pub(super) fn common_area(one: &[[f32; 2]], other: &[[f32; 2]]) -> f32 {
    signed_area(&cut(one, other)) / 2.0
}

/// What lies in a picture of this size.
pub(super) fn clipped(corners: &[[f32; 2]], width: f32, height: f32) -> Vec<[f32; 2]> {
    cut(corners, &[[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]])
}

/// Intersection over union, 0..1, of what lies in a picture of this size: a document may reach beyond
/// it, and no reader sees that. Of convex quadrilaterals whose corners run either way; 0 where one
/// has no area.
pub fn overlap(one: &Polygon, other: &Polygon, width: f32, height: f32) -> f32 {
    let visible = |corners: &Polygon| {
        let mut corners = *corners;
        if signed_area(&corners) < 0.0 {
            corners.reverse();
        }
        clipped(&corners, width, height)
    };
    let (one, other) = (visible(one), visible(other));
    let (of_one, of_other) = (signed_area(&one) / 2.0, signed_area(&other) / 2.0);
    if of_one <= 0.0 || of_other <= 0.0 {
        return 0.0;
    }
    let common = common_area(&one, &other).max(0.0);
    (common / (of_one + of_other - common)).clamp(0.0, 1.0)
}

/// `polygon` cut to the convex, clockwise `window` (Sutherland and Hodgman).
fn cut(polygon: &[[f32; 2]], window: &[[f32; 2]]) -> Vec<[f32; 2]> {
    let edges = window.iter().zip(window.iter().cycle().skip(1));
    edges.fold(polygon.to_vec(), |part, (a, b)| {
        let side = |[x, y]: [f32; 2]| (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0]);
        let mut kept = Vec::with_capacity(part.len() + 2);
        for (from, to) in part.iter().zip(part.iter().cycle().skip(1)) {
            let (here, there) = (side(*from), side(*to));
            if here >= 0.0 {
                kept.push(*from);
            }
            if (here >= 0.0) != (there >= 0.0) {
                let share = here / (here - there);
                kept.push([0, 1].map(|axis| from[axis] + (to[axis] - from[axis]) * share));
            }
        }
        kept
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn square(left: f32, top: f32, side: f32) -> Polygon {
        [[left, top], [left + side, top], [left + side, top + side], [left, top + side]]
    }

    #[test]
    fn overlap_is_shared_area_over_covered_area() {
        let close = |a: f32, b: f32| assert!((a - b).abs() < 1e-6, "{a} is not {b}");
        let overlap = |a: &Polygon, b: &Polygon| overlap(a, b, 100.0, 100.0);
        close(overlap(&square(0.0, 0.0, 10.0), &square(0.0, 0.0, 10.0)), 1.0);
        close(overlap(&square(0.0, 0.0, 10.0), &square(5.0, 0.0, 10.0)), 1.0 / 3.0);
        close(overlap(&square(0.0, 0.0, 10.0), &square(20.0, 0.0, 10.0)), 0.0);
        // A square on its tip within one twice its area.
        close(overlap(&[[5.0, 0.0], [10.0, 5.0], [5.0, 10.0], [0.0, 5.0]], &square(0.0, 0.0, 10.0)), 0.5);
        // Where the corners begin and which way they run is no matter of overlap.
        let [a, b, c, d] = square(0.0, 0.0, 10.0);
        close(overlap(&[d, c, b, a], &[b, c, d, a]), 1.0);
    }

    #[test]
    fn what_lies_outside_the_picture_does_not_count() {
        let (truth, found) = (square(-10.0, 0.0, 20.0), [[0.0, 0.0], [10.0, 0.0], [10.0, 20.0], [0.0, 20.0]]);
        assert!((overlap(&truth, &found, 100.0, 100.0) - 1.0).abs() < 1e-6);
        assert!((overlap(&truth, &found, 100.0, 10.0) - 1.0).abs() < 1e-6);
        assert!(overlap(&truth, &square(0.0, 0.0, 20.0), 100.0, 100.0) < 0.6);
    }
}
