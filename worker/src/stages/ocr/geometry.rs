//! Turned rectangles around text. Coordinates have x to the right and y downwards.

use txid_shared::partial::Polygon;

pub type Point = [f32; 2];

/// A rectangle around one line of text. `along` is the reading direction, a unit vector; the
/// line's top lies to the left of it as one reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextBox {
    pub centre: Point,
    pub along: Point,
    /// Extent in reading direction and across it.
    pub length: f32,
    pub thickness: f32,
    /// Mean probability of text, 0..1.
    pub score: f32,
}

impl TextBox {
    /// Unit vector from the top of the line to its bottom.
    pub const fn down(&self) -> Point {
        [-self.along[1], self.along[0]]
    }

    /// Corners clockwise from the top left of the text.
    pub fn corners(&self) -> Polygon {
        let (l, t) = (self.length / 2.0, self.thickness / 2.0);
        [[-l, -t], [l, -t], [l, t], [-l, t]].map(|[x, y]| {
            let down = self.down();
            [0, 1].map(|axis| self.centre[axis] + self.along[axis] * x + down[axis] * y)
        })
    }

    pub const fn moved(self, x: f32, y: f32) -> Self {
        Self { centre: [self.centre[0] + x, self.centre[1] + y], ..self }
    }

    pub fn scaled(self, x: f32, y: f32) -> Self {
        // Both factors are nearly the same (sides are rounded to 32 pixels), so a turned
        // rectangle stays one.
        let mean = (x * y).sqrt();
        let along = normalised([self.along[0] * x, self.along[1] * y]).unwrap_or(self.along);
        Self {
            centre: [self.centre[0] * x, self.centre[1] * y],
            along,
            length: self.length * mean,
            thickness: self.thickness * mean,
            score: self.score,
        }
    }

    /// The same rectangle read in the direction that is nearest to `along`.
    pub fn read_along(self, along: Point) -> Self {
        let [x, y] = self.along;
        let directions = [[x, y], [-y, x], [-x, -y], [y, -x]];
        let turned = directions
            .into_iter()
            .enumerate()
            .max_by(|a, b| dot(a.1, along).total_cmp(&dot(b.1, along)))
            .map_or(0, |(turns, _)| turns);
        let (length, thickness) =
            if turned % 2 == 0 { (self.length, self.thickness) } else { (self.thickness, self.length) };
        Self { along: directions[turned], length, thickness, ..self }
    }

    /// Extent along a unit vector: least and greatest coordinate.
    pub fn extent(&self, axis: Point) -> (f32, f32) {
        let values = self.corners().map(|corner| dot(corner, axis));
        (
            values.into_iter().fold(f32::INFINITY, f32::min),
            values.into_iter().fold(f32::NEG_INFINITY, f32::max),
        )
    }
}

pub fn dot(a: Point, b: Point) -> f32 {
    a[0] * b[0] + a[1] * b[1]
}

pub fn normalised(v: Point) -> Option<Point> {
    let length = dot(v, v).sqrt();
    (length > 1e-6).then(|| [v[0] / length, v[1] / length])
}

/// The smallest rectangle around the points, its longer side taken as reading direction
/// (rightwards, or downwards where it is steeper than 45°). `None` without an area's worth of
/// points.
pub fn smallest_rectangle(points: &[Point]) -> Option<TextBox> {
    let hull = convex_hull(points);
    if hull.len() < 3 {
        return None;
    }
    let mut best: Option<(f32, TextBox)> = None;
    for (i, from) in hull.iter().enumerate() {
        let to = hull.get(i + 1).or(hull.first())?;
        let Some(along) = normalised([to[0] - from[0], to[1] - from[1]]) else { continue };
        let down = [-along[1], along[0]];
        let (left, right) = span(&hull, along);
        let (top, bottom) = span(&hull, down);
        let area = (right - left) * (bottom - top);
        if best.as_ref().is_some_and(|(least, _)| *least <= area) {
            continue;
        }
        let (x, y) = ((left + right) / 2.0, (top + bottom) / 2.0);
        let centre = [along[0] * x + down[0] * y, along[1] * x + down[1] * y];
        let found = TextBox { centre, along, length: right - left, thickness: bottom - top, score: 0.0 };
        best = Some((area, found));
    }
    let found = best?.1;
    let long = if found.length >= found.thickness { found.along } else { found.down() };
    let forward = if long[0].abs() >= long[1].abs() { long[0] > 0.0 } else { long[1] > 0.0 };
    Some(found.read_along(if forward { long } else { [-long[0], -long[1]] }))
}

fn span(points: &[Point], axis: Point) -> (f32, f32) {
    points.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), point| {
        let value = dot(*point, axis);
        (low.min(value), high.max(value))
    })
}

/// Andrew's monotone chain; counter-clockwise in a frame with y upwards.
fn convex_hull(points: &[Point]) -> Vec<Point> {
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    sorted.dedup();
    let half = |points: &mut dyn Iterator<Item = &Point>| {
        let mut chain: Vec<Point> = Vec::new();
        for point in points {
            while let [.., before, last] = chain.as_slice() {
                let cross = (last[0] - before[0]) * (point[1] - before[1])
                    - (last[1] - before[1]) * (point[0] - before[0]);
                if cross > 0.0 {
                    break;
                }
                chain.pop();
            }
            chain.push(*point);
        }
        chain.pop();
        chain
    };
    let mut hull = half(&mut sorted.iter());
    hull.extend(half(&mut sorted.iter().rev()));
    hull
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turned(points: &[Point], degrees: f32) -> Vec<Point> {
        let (sin, cos) = degrees.to_radians().sin_cos();
        points.iter().map(|[x, y]| [x * cos - y * sin + 50.0, x * sin + y * cos + 60.0]).collect()
    }

    #[test]
    fn a_turned_rectangle_is_found_whole() {
        let flat = [[-20.0, -3.0], [20.0, -3.0], [20.0, 3.0], [-20.0, 3.0], [0.0, 0.0], [5.0, 3.0]];
        for degrees in [0.0, 12.0, -30.0, 90.0, 85.0] {
            let found = smallest_rectangle(&turned(&flat, degrees)).unwrap();
            assert!((found.length - 40.0).abs() < 0.01 && (found.thickness - 6.0).abs() < 0.01);
            assert!((found.centre[0] - 50.0).abs() < 0.01 && (found.centre[1] - 60.0).abs() < 0.01);
            let (sin, cos) = degrees.to_radians().sin_cos();
            assert!(dot(found.along, [cos, sin]) > 0.999, "{degrees} {:?}", found.along);
        }
    }

    #[test]
    fn corners_go_clockwise_from_the_top_left_of_the_text() {
        let upright =
            TextBox { centre: [10.0, 5.0], along: [1.0, 0.0], length: 20.0, thickness: 4.0, score: 1.0 };
        assert_eq!(upright.corners(), [[0.0, 3.0], [20.0, 3.0], [20.0, 7.0], [0.0, 7.0]]);
        // Read upside down, the text's top left is the picture's bottom right.
        assert_eq!(upright.read_along([-1.0, 0.0]).corners()[0], [20.0, 7.0]);
        let across = upright.read_along([0.0, 1.0]);
        assert_eq!((across.length, across.thickness), (4.0, 20.0));
    }

    #[test]
    fn points_on_a_line_make_no_rectangle() {
        assert!(smallest_rectangle(&[[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]).is_none());
        assert!(smallest_rectangle(&[]).is_none());
    }
}
