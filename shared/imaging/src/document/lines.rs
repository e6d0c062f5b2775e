//! The straight lines of a picture that could carry a document's side.

use super::edges::Edges;
use std::f32::consts::{FRAC_PI_2, PI};

/// Steps of direction over half a turn.
const DIRECTIONS: usize = 180;
/// The most voted lines whose edges are looked at, and those of them that are kept.
const VOTED: usize = 240;
/// An edge's own direction is wrong by up to so many steps, in noise.
const DOUBT: usize = 7;
const KEPT: usize = 58;
/// Directions of an edge and of the line it lies on agree up to this cosine (15°).
const AGREES: f32 = 0.966;
/// A line whose unbroken edges are shorter than this share of the shorter side carries no side.
const LEAST_RUN: f32 = 0.06;

/// All points with `x·normal.x + y·normal.y = distance`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Line {
    /// Of length 1.
    pub normal: [f32; 2],
    pub distance: f32,
}

impl Line {
    pub fn new(direction: f32, distance: f32) -> Self {
        Self { normal: [direction.cos(), direction.sin()], distance }
    }

    pub fn through(a: [f32; 2], b: [f32; 2]) -> Self {
        let line = Self::new((b[0] - a[0]).atan2(a[1] - b[1]), 0.0);
        Self { distance: line.aside(a), ..line }
    }

    pub fn meets(&self, other: &Self) -> Option<[f32; 2]> {
        let ([cos, sin], [other_cos, other_sin]) = (self.normal, other.normal);
        let determinant = cos * other_sin - sin * other_cos;
        (determinant.abs() > 0.2).then(|| {
            let x = (self.distance * other_sin - other.distance * sin) / determinant;
            let y = (other.distance * cos - self.distance * other_cos) / determinant;
            [x, y]
        })
    }

    /// Cosine of the angle between the two, 0 (square) .. 1 (parallel).
    pub fn parallel(&self, other: &Self) -> f32 {
        (self.normal[0] * other.normal[0] + self.normal[1] * other.normal[1]).abs()
    }

    /// Distance of a point, positive on the normal's side.
    pub fn aside(&self, [x, y]: [f32; 2]) -> f32 {
        x * self.normal[0] + y * self.normal[1] - self.distance
    }

    /// How far along the line a point lies.
    pub fn along(&self, [x, y]: [f32; 2]) -> f32 {
        y * self.normal[0] - x * self.normal[1]
    }

    pub fn point(&self, along: f32) -> [f32; 2] {
        let [cos, sin] = self.normal;
        [self.distance * cos - along * sin, self.distance * sin + along * cos]
    }

    /// By total least squares through weighted points.
    pub fn fitted(points: &[([f32; 2], f32)]) -> Option<Self> {
        let weight: f32 = points.iter().map(|(_, weight)| weight).sum();
        if weight <= 0.0 {
            return None;
        }
        let mean =
            [0, 1].map(|axis| points.iter().map(|(point, share)| point[axis] * share).sum::<f32>() / weight);
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        for ([x, y], share) in points {
            let (x, y) = (x - mean[0], y - mean[1]);
            (xx, xy, yy) = (xx + share * x * x, xy + share * x * y, yy + share * y * y);
        }
        // The normal is across the direction in which the points are spread.
        let direction = 0.5 * (2.0 * xy).atan2(xx - yy) + FRAC_PI_2;
        let line = Self::new(direction, 0.0);
        Some(Self { distance: line.aside(mean), ..line })
    }
}

/// A line with the edges that lie on it.
pub(super) struct Ruled {
    pub line: Line,
    /// A border of the picture, for documents that reach beyond it.
    pub is_frame: bool,
    /// `along` of the first step; steps are one pixel.
    first: f32,
    /// Edges on the line before each step: brighter on the normal's side, and darker.
    rising: Vec<u16>,
    falling: Vec<u16>,
}

impl Ruled {
    pub fn on(line: Line, is_frame: bool, edges: &Edges) -> Self {
        let (from, to) = within(&line, edges).unwrap_or((0.0, 0.0));
        let [cos, sin] = line.normal;
        let (mut rising, mut falling) = (vec![0u16], vec![0u16]);
        for step in 0..(to - from) as usize {
            let [x, y] = line.point(from + step as f32);
            let (mut up, mut down) = (false, false);
            for aside in [0.0f32, 1.0, -1.0] {
                let edge = edges.at((x + aside * cos).round() as i32, (y + aside * sin).round() as i32);
                let agreement = edge.across[0] * cos + edge.across[1] * sin;
                up |= agreement > AGREES;
                down |= agreement < -AGREES;
            }
            rising.push(rising.last().copied().unwrap_or(0) + u16::from(up));
            falling.push(falling.last().copied().unwrap_or(0) + u16::from(down && !up));
        }
        Self { line, is_frame, first: from, rising, falling }
    }

    /// Share of the way between two places along the line on which there are edges, rising and falling;
    /// what lies outside the picture does not count. `None` where less than 3 pixels are inside.
    pub fn support(&self, from: f32, to: f32) -> Option<[f32; 2]> {
        let last = self.rising.len() - 1;
        let step = |along: f32| ((along - self.first).max(0.0) as usize).min(last);
        let (from, to) = (step(from.min(to)), step(from.max(to)));
        if to < from + 3 {
            return None;
        }
        let share = |sums: &[u16]| f32::from(sums[to] - sums[from]) / (to - from) as f32;
        Some([share(&self.rising), share(&self.falling)])
    }

    /// The stretch with the most edges and fewest gaps: its edges less 0.6 of its gaps, and its ends.
    fn run(&self) -> (f32, f32, f32) {
        let (mut best, mut sum, mut start) = ((0.0, 0, 0), 0.0f32, 0);
        for step in 1..self.rising.len() {
            let edge =
                self.rising[step] > self.rising[step - 1] || self.falling[step] > self.falling[step - 1];
            sum += if edge { 1.0 } else { -0.6 };
            if sum < 0.0 {
                (sum, start) = (0.0, step);
            } else if sum > best.0 {
                best = (sum, start, step);
            }
        }
        (best.0, self.first + best.1 as f32, self.first + best.2 as f32)
    }
}

/// Where along a line the picture begins and ends.
fn within(line: &Line, edges: &Edges) -> Option<(f32, f32)> {
    let [cos, sin] = line.normal;
    let base = [line.distance * cos, line.distance * sin];
    let (mut from, mut to) = (f32::NEG_INFINITY, f32::INFINITY);
    for (start, slope, length) in [(base[0], -sin, edges.width), (base[1], cos, edges.height)] {
        let end = length as f32 - 1.0;
        if slope.abs() < 1e-6 {
            if start < -0.5 || start > end + 0.5 {
                return None;
            }
            continue;
        }
        let (a, b) = (-start / slope, (end - start) / slope);
        (from, to) = (from.max(a.min(b)), to.min(a.max(b)));
    }
    (to > from).then_some((from, to))
}

/// The lines with the longest runs of edges, longest first, then the picture's four borders.
pub(super) fn lines(edges: &Edges) -> Vec<Ruled> {
    let least = LEAST_RUN * edges.width.min(edges.height) as f32;
    let mut runs: Vec<(f32, Ruled)> = voted(edges)
        .into_iter()
        .filter_map(|line| {
            let (_, from, to) = Ruled::on(line, false, edges).run();
            let line = adjusted(&line, from, to, edges).unwrap_or(line);
            let ruled = Ruled::on(line, false, edges);
            let (run, _, _) = ruled.run();
            (run >= least).then_some((run, ruled))
        })
        .collect();
    runs.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let mut kept: Vec<Ruled> = Vec::with_capacity(KEPT + 4);
    for (_, ruled) in runs {
        if kept.len() == KEPT {
            break;
        }
        let (_, from, to) = ruled.run();
        let ends = [ruled.line.point(from), ruled.line.point(to)];
        let known = kept.iter().any(|other| {
            other.line.parallel(&ruled.line) > 0.998
                && ends.iter().all(|end| other.line.aside(*end).abs() < 1.5)
        });
        if !known {
            kept.push(ruled);
        }
    }
    let (right, bottom) = (edges.width as f32 - 1.0, edges.height as f32 - 1.0);
    for (direction, distance) in [(0.0, 0.0), (0.0, right), (FRAC_PI_2, 0.0), (FRAC_PI_2, bottom)] {
        kept.push(Ruled::on(Line::new(direction, distance), true, edges));
    }
    kept
}

/// Hough's transform, each edge voting for its own direction alone.
fn voted(edges: &Edges) -> Vec<Line> {
    let reach = (edges.width as f32).hypot(edges.height as f32).ceil() as usize + 1;
    let distances = 2 * reach + 1;
    let step = PI / DIRECTIONS as f32;
    let turns: Vec<[f32; 2]> =
        (0..DIRECTIONS).map(|n| (n as f32 * step).sin_cos()).map(|(s, c)| [c, s]).collect();
    let mut votes = vec![0u16; DIRECTIONS * distances];
    for ([x, y], edge) in edges.all() {
        let direction = edge.across[1].atan2(edge.across[0]).rem_euclid(PI);
        let nearest = (direction / step).round() as usize;
        for index in
            (nearest + DIRECTIONS - DOUBT..=nearest + DIRECTIONS + DOUBT).map(|index| index % DIRECTIONS)
        {
            let Some([cos, sin]) = turns.get(index) else { continue };
            let distance = (x * cos + y * sin + reach as f32).round() as usize;
            if let Some(cell) = votes.get_mut(index * distances + distance) {
                *cell = cell.saturating_add(1);
            }
        }
    }
    let least = (LEAST_RUN * edges.width.min(edges.height) as f32) as u16;
    let count = |index: usize, distance: usize| {
        // Half a turn on, the distance changes its sign.
        let (index, distance) = match index {
            index if index >= DIRECTIONS => (index - DIRECTIONS, 2 * reach - distance),
            index => (index, distance),
        };
        votes.get(index * distances + distance).copied().unwrap_or(0)
    };
    let mut ranked: Vec<(u16, usize, usize)> = Vec::new();
    for index in 0..DIRECTIONS {
        for distance in 2..distances - 2 {
            let here = count(index, distance);
            if here < least {
                continue;
            }
            // The strongest of its neighbours, the first of equals.
            let beaten = (0..3).any(|turn| {
                (distance - 2..=distance + 2).any(|near| {
                    let there = match turn {
                        0 if near == distance => return false,
                        0 => count(index, near),
                        1 => count(index + 1, near),
                        _ if index == 0 => count(DIRECTIONS - 1, 2 * reach - near),
                        _ => count(index - 1, near),
                    };
                    there > here || (there == here && (turn == 2 || (turn == 0 && near < distance)))
                })
            });
            if !beaten {
                ranked.push((here, index, distance));
            }
        }
    }
    ranked.sort_by_key(|(votes, _, _)| std::cmp::Reverse(*votes));
    ranked.truncate(VOTED);
    let line = |(_, index, distance): (u16, usize, usize)| {
        Line::new(index as f32 * step, distance as f32 - reach as f32)
    };
    ranked.into_iter().map(line).collect()
}

/// Fitted to the edges near a stretch of it: votes are counted in whole steps.
fn adjusted(line: &Line, from: f32, to: f32, edges: &Edges) -> Option<Line> {
    let [cos, sin] = line.normal;
    let mut points = Vec::new();
    for step in 0..=(to - from).max(0.0) as usize {
        let [x, y] = line.point(from + step as f32);
        for aside in -2..=2 {
            let (x, y) = ((x + aside as f32 * cos).round(), (y + aside as f32 * sin).round());
            let edge = edges.at(x as i32, y as i32);
            if (edge.across[0] * cos + edge.across[1] * sin).abs() > AGREES {
                points.push(([x, y], 1.0));
            }
        }
    }
    (points.len() >= 10).then(|| Line::fitted(&points)).flatten()
}
