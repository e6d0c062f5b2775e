//! Quadrilaterals that four of a picture's lines enclose, with what speaks for and against each.

use super::area::signed_area;
use super::edges::Edges;
use super::lines::{Line, Ruled};
use super::quadrilateral::{Quadrilateral, is_convex};
use super::shape::rectangle;
use txid_shared::partial::Polygon;

/// Opposite sides converge by up to 41° under perspective, and corners stay above 44°.
const OPPOSITE: f32 = 0.755;
const ADJACENT: f32 = 0.72;
/// Share of the picture; a smaller document cannot be read.
const LEAST_AREA: f32 = 0.04;
/// Longer over shorter side, as the picture shows them.
const MOST_ASPECT: f32 = 3.2;
/// Corners may lie outside the picture by this share of its sides.
const OUTSIDE: f32 = 0.3;
/// Share of the sides along which there must be edges: of all, and of each.
const MEAN_SUPPORT: f32 = 0.45;
const LEAST_SUPPORT: f32 = 0.15;
/// The ends of a side do not count: corners are round.
const ENDS: f32 = 0.07;
/// How far beyond a corner a side is followed.
const BEYOND: f32 = 0.15;
/// As many are checked for being a rectangle's picture, and as many of these are looked at closely.
const CHECKED: usize = 600;
const KEPT: usize = 72;

#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// Clockwise.
    pub outline: Quadrilateral,
    /// Share of each side with edges, 0..1; 0 for a border of the picture.
    pub support: [f32; 4],
    /// Of these edges, the share with the more frequent sign, 0.5..1.
    pub agreement: f32,
    /// Share of the way beyond the corners along which the edges go on, 0..1.
    pub beyond: f32,
    /// Share of the picture.
    pub area: f32,
    pub rough_score: f32,
}

impl Candidate {
    pub fn mean_support(&self) -> f32 {
        self.own_support().sum::<f32>() / (4 - self.outline.frames()).max(1) as f32
    }

    pub fn least_support(&self) -> f32 {
        self.own_support().fold(1.0, f32::min)
    }

    /// Of the sides that are not borders of the picture.
    fn own_support(&self) -> impl Iterator<Item = f32> {
        self.support.into_iter().zip(self.outline.is_frame).filter(|(_, is_frame)| !is_frame).map(|(s, _)| s)
    }
}

/// The best by rough score, best first.
pub(super) fn candidates(lines: &[Ruled], width: f32, height: f32) -> Vec<Candidate> {
    let count = lines.len();
    let meets: Vec<Option<[f32; 2]>> = (0..count * count)
        .map(|place| lines[place / count].line.meets(&lines[place % count].line))
        .map(|point| point.filter(|point| is_near(*point, width, height)))
        .collect();
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for a in 0..count {
        for b in a + 1..count {
            let (one, other) = (&lines[a], &lines[b]);
            if one.line.parallel(&other.line) > OPPOSITE && !(one.is_frame && other.is_frame) {
                pairs.push((a, b));
            }
        }
    }
    let mut found: Vec<Candidate> = Vec::new();
    for (number, &(a, b)) in pairs.iter().enumerate() {
        for &(c, d) in &pairs[number + 1..] {
            let corner = |one: usize, other: usize| meets[one * count + other];
            let (Some(p), Some(q), Some(r), Some(s)) =
                (corner(d, a), corner(a, c), corner(c, b), corner(b, d))
            else {
                continue;
            };
            // Sides in order a c b d.
            let crossing = |one: usize, other: usize| lines[one].line.parallel(&lines[other].line) < ADJACENT;
            if !(crossing(a, c) && crossing(c, b) && crossing(b, d) && crossing(d, a)) {
                continue;
            }
            let least = (MEAN_SUPPORT, LEAST_SUPPORT);
            if let Some(candidate) = judged([a, c, b, d], [p, q, r, s], lines, width, height, least) {
                found.push(candidate);
            }
        }
    }
    found.sort_by(|a, b| b.rough_score.total_cmp(&a.rough_score));
    found.truncate(CHECKED);
    for candidate in found.iter_mut().filter(|candidate| candidate.outline.frames() == 0) {
        let shape = rectangle(&candidate.outline.corners, width, height);
        let oddness =
            shape.map_or(0.5, |shape| 0.55 * shape.skew.min(0.5) + 0.95 * shape.strangeness.min(0.5));
        candidate.rough_score -= oddness;
    }
    found.sort_by(|a, b| b.rough_score.total_cmp(&a.rough_score));
    let mut kept: Vec<Candidate> = Vec::with_capacity(KEPT);
    for candidate in found {
        if kept.len() == KEPT {
            break;
        }
        let near = |other: &Candidate| {
            let pairs = other.outline.corners.iter().zip(&candidate.outline.corners);
            pairs.map(|(a, b)| (a[0] - b[0]).abs().max((a[1] - b[1]).abs())).fold(0.0, f32::max) < 3.0
        };
        if !kept.iter().any(near) {
            kept.push(candidate);
        }
    }
    kept
}

/// What the network marks as a document: it may have no edges that could be seen otherwise.
pub(super) fn marked_candidate(marked: &Quadrilateral, edges: &Edges) -> Option<Candidate> {
    let ruled = |n: usize| {
        let (from, to) = marked.side(n);
        Ruled::on(Line::through(from, to), marked.is_frame[n], edges)
    };
    let lines = [0, 1, 2, 3].map(ruled);
    judged([0, 1, 2, 3], marked.corners, &lines, edges.width as f32, edges.height as f32, (0.0, 0.0))
}

fn is_near([x, y]: [f32; 2], width: f32, height: f32) -> bool {
    (-OUTSIDE..=1.0 + OUTSIDE).contains(&(x / width)) && (-OUTSIDE..=1.0 + OUTSIDE).contains(&(y / height))
}

fn judged(
    mut sides: [usize; 4],
    mut corners: Polygon,
    lines: &[Ruled],
    width: f32,
    height: f32,
    (mean_support, least_support): (f32, f32),
) -> Option<Candidate> {
    let twice_area = signed_area(&corners);
    if twice_area.abs() < 2.0 * LEAST_AREA * width * height {
        return None;
    }
    if twice_area < 0.0 {
        corners.reverse();
        // Side n now joins corners 3-n and 2-n of before.
        sides = [sides[2], sides[1], sides[0], sides[3]];
    }
    if !is_convex(&corners) {
        return None;
    }
    let outline = Quadrilateral { corners, is_frame: sides.map(|side| lines[side].is_frame) };
    let frames = outline.frames();
    let inside = |[x, y]: [f32; 2]| (-2.0..=width + 1.0).contains(&x) && (-2.0..=height + 1.0).contains(&y);
    let outside = corners.iter().filter(|corner| !inside(**corner)).count();
    let opposite = |n: usize| outline.length(n) + outline.length(n + 2);
    let (one, other) = (opposite(0), opposite(1));
    let aspect = one.max(other) / one.min(other).max(1.0);
    if frames > 1 || outside > 2 || (frames > 0 && outside > 1) || aspect > MOST_ASPECT {
        return None;
    }
    let (mut support, mut agreeing, mut agreement_weight) = ([0.0f32; 4], 0.0, 0.0f32);
    let (mut beyond, mut ends) = (0.0, 0.0f32);
    for n in (0..4).filter(|n| !outline.is_frame[*n]) {
        let ruled = &lines[sides[n]];
        let (from, to) = (ruled.line.along(corners[n]), ruled.line.along(corners[(n + 1) % 4]));
        let place = |share: f32| from + (to - from) * share;
        let [rising, falling] = ruled.support(place(ENDS), place(1.0 - ENDS))?;
        support[n] = rising + falling;
        if support[n] < least_support {
            return None;
        }
        agreeing += rising.max(falling);
        agreement_weight += rising + falling;
        for (start, end) in [(-BEYOND, -0.02), (1.02, 1.0 + BEYOND)] {
            if let Some([rising, falling]) = ruled.support(place(start), place(end)) {
                beyond += rising + falling;
                ends += 1.0;
            }
        }
    }
    let agreement = agreeing / agreement_weight.max(1e-3);
    let beyond = beyond / ends.max(1.0);
    let area = twice_area.abs() / 2.0 / (width * height);
    let mut candidate = Candidate { outline, support, agreement, beyond, area, rough_score: 0.0 };
    let mean = candidate.mean_support();
    if mean < mean_support {
        return None;
    }
    // In the proportions that the weights of `score` have.
    candidate.rough_score =
        mean - 0.6 * beyond + 0.58 * area.min(1.0).sqrt() - 0.15 * frames as f32 - 0.1 * outside as f32;
    Some(candidate)
}
