//! How well two quadrilaterals cover each other.

use txid_shared::partial::Polygon;

type Point = [f64; 2];

/// From this intersection over union on, a document counts as found.
pub const FOUND_IOU: f64 = 0.9;

/// What of a polygon lies in a picture of this size.
fn within(polygon: &Polygon, width: f32, height: f32) -> Vec<Point> {
    let frame = clockwise(&[[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]]);
    clipped(clockwise(polygon), &frame)
}

/// Intersection over union, 0..1, of what lies in a picture of this size: the truth may reach beyond
/// it, and no reader sees that. Of convex quadrilaterals whose corners run either way; 0 where one
/// has no area.
pub fn overlap(a: &Polygon, b: &Polygon, width: f32, height: f32) -> f64 {
    let (a, b) = (within(a, width, height), within(b, width, height));
    let (area_a, area_b) = (area(&a), area(&b));
    if area_a <= 0.0 || area_b <= 0.0 {
        return 0.0;
    }
    let shared = area(&clipped(a, &b)).max(0.0);
    (shared / (area_a + area_b - shared)).clamp(0.0, 1.0)
}

fn clockwise(polygon: &Polygon) -> Vec<Point> {
    let mut points: Vec<Point> = polygon.iter().map(|corner| corner.map(f64::from)).collect();
    if area(&points) < 0.0 {
        points.reverse();
    }
    points
}

/// Positive where the points run clockwise on the screen (y down).
fn area(points: &[Point]) -> f64 {
    let next = points.iter().cycle().skip(1);
    points.iter().zip(next).map(|(p, q)| p[0] * q[1] - q[0] * p[1]).sum::<f64>() / 2.0
}

/// Sutherland and Hodgman: `subject` cut to the convex, clockwise `window`.
fn clipped(subject: Vec<Point>, window: &[Point]) -> Vec<Point> {
    let mut points = subject;
    for (from, to) in window.iter().zip(window.iter().cycle().skip(1)) {
        let side = |p: &Point| (to[0] - from[0]) * (p[1] - from[1]) - (to[1] - from[1]) * (p[0] - from[0]);
        let mut kept = Vec::with_capacity(points.len() + 2);
        for (p, q) in points.iter().zip(points.iter().cycle().skip(1)) {
            let (at_p, at_q) = (side(p), side(q));
            if at_p >= 0.0 {
                kept.push(*p);
            }
            if (at_p >= 0.0) != (at_q >= 0.0) {
                let share = at_p / (at_p - at_q);
                kept.push([p[0] + (q[0] - p[0]) * share, p[1] + (q[1] - p[1]) * share]);
            }
        }
        points = kept;
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn square(left: f32, top: f32, side: f32) -> Polygon {
        [[left, top], [left + side, top], [left + side, top + side], [left, top + side]]
    }

    #[test]
    fn overlap_is_shared_area_over_covered_area() {
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} is not {b}");
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
