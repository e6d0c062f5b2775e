//! What the network marked, as quadrilaterals, and how well one that was found otherwise agrees with it.

use super::corners::by_corners;
use super::lines::Line;
use super::network::Marks;
use super::quadrilateral::{Quadrilateral, bilinear, distance};
use txid_shared::partial::Polygon;

/// What is weighed of the marks, in this order: inside, outside, sides, the least of the sides, corners.
pub(super) const EVIDENCE: usize = 5;

/// A cell belongs to a document from this mark on.
const INSIDE: f32 = 0.5;
/// Share of the picture that is marked; less is noise.
pub(super) const LEAST_AREA: f32 = 0.012;
/// Documents of one picture that are looked at.
const MOST: usize = 3;
/// Directions, over a quarter turn, in which the smallest rectangle about the marked cells is looked for.
const DIRECTIONS: u32 = 30;
/// Rounds of fitting sides to the ends of what is marked, and the distance of half weight in each, in cells.
const ROUNDS: [f32; 6] = [3.0, 2.0, 1.4, 1.0, 0.8, 0.7];
/// Points at a side, less than which it is not fitted to.
const LEAST_POINTS: usize = 4;
/// Points along a side at which marks are read, and squares of the inside, each way.
const POINTS: usize = 16;
const SQUARES: usize = 7;
/// A side with both ends nearer to the picture's border than this, in cells, and marked as a border less than that, is
/// print that runs along it.
const TOO_NEAR: f32 = 1.5;
const NO_BORDER: f32 = 0.3;
/// How far from a side, in cells, and as a share of the shorter side, the outside is read.
const ASIDE: (f32, f32) = (1.6, 0.1);

/// The documents that are marked, in cells, whose middles are whole numbers: by what lies inside, the largest first,
/// then by their corners, the likeliest first.
pub(super) fn marked(marks: &Marks) -> Vec<Quadrilateral> {
    let mut found = by_inside(marks);
    found.extend(by_corners(marks));
    found
}

fn by_inside(marks: &Marks) -> Vec<Quadrilateral> {
    let least = (LEAST_AREA * (marks.width * marks.height) as f32) as usize;
    let mut parts = parts(marks);
    parts.retain(|part| part.len() >= least.max(6));
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    parts.truncate(MOST);
    parts.iter().filter_map(|part| quadrilateral(part, marks)).collect()
}

/// Cells that hang together, as places in the map.
fn parts(marks: &Marks) -> Vec<Vec<usize>> {
    let is_inside = |place: usize| marks.inside.get(place).is_some_and(|mark| *mark >= INSIDE);
    let mut seen = vec![false; marks.inside.len()];
    let mut parts = Vec::new();
    for start in 0..marks.inside.len() {
        if seen[start] || !is_inside(start) {
            continue;
        }
        let (mut part, mut open) = (Vec::new(), vec![start]);
        seen[start] = true;
        while let Some(place) = open.pop() {
            part.push(place);
            let (x, y) = (place % marks.width, place / marks.width);
            let beside = [
                (x > 0).then(|| place - 1),
                (x + 1 < marks.width).then_some(place + 1),
                (y > 0).then(|| place - marks.width),
                (y + 1 < marks.height).then_some(place + marks.width),
            ];
            for next in beside.into_iter().flatten() {
                if !seen[next] && is_inside(next) {
                    seen[next] = true;
                    open.push(next);
                }
            }
        }
        parts.push(part);
    }
    parts
}

fn quadrilateral(part: &[usize], marks: &Marks) -> Option<Quadrilateral> {
    let cells: Vec<[f32; 2]> =
        part.iter().map(|place| [(place % marks.width) as f32, (place / marks.width) as f32]).collect();
    let mut corners = least_rectangle(&cells)?;
    let ends = ends(part, marks);
    let mut counts = [0; 4];
    for half in ROUNDS {
        let mut sides: [Vec<[f32; 2]>; 4] = Default::default();
        for end in &ends {
            let nearest = (0..4).min_by(|a, b| {
                let away = |n: &usize| from_segment(*end, corners[*n], corners[(n + 1) % 4]);
                away(a).total_cmp(&away(b))
            });
            sides[nearest?].push(*end);
        }
        let lines: Vec<Line> = (0..4)
            .map(|n| fitted(&sides[n], Line::through(corners[n], corners[(n + 1) % 4]), half))
            .collect();
        counts = [0, 1, 2, 3].map(|n| sides[n].len());
        for n in 0..4 {
            corners[n] = lines[(n + 3) % 4].meets(&lines[n]).unwrap_or(corners[n]);
        }
    }
    // Where the document goes on beyond the picture nothing ends.
    let mut marked = Quadrilateral::of(corners);
    for (n, count) in counts.into_iter().enumerate() {
        let few = LEAST_POINTS.max((0.3 * marked.length(n)) as usize);
        if count < few {
            marked = on_border(marked, n, 2.0, marks);
        }
    }
    Some(marked)
}

/// The picture's: the axis across each, and where on it.
fn borders(marks: &Marks) -> [(usize, f32); 4] {
    [(0, -0.5), (0, marks.width as f32 - 0.5), (1, -0.5), (1, marks.height as f32 - 0.5)]
}

/// With side `n` laid on the picture's border, where its middle is so near to it (cells).
fn on_border(outline: Quadrilateral, n: usize, near: f32, marks: &Marks) -> Quadrilateral {
    let (from, to) = outline.side(n);
    let middle = [0, 1].map(|axis| (from[axis] + to[axis]) / 2.0);
    let is_near = |(axis, at): &(usize, f32)| (middle[*axis] - at).abs() < near;
    let Some((axis, border)) = borders(marks).into_iter().find(is_near) else { return outline };
    let frame = Line { normal: if axis == 0 { [1.0, 0.0] } else { [0.0, 1.0] }, distance: border };
    let beside = |n: usize| {
        let (from, to) = outline.side(n);
        Line::through(from, to)
    };
    let mut framed = outline;
    framed.is_frame[n] = true;
    framed.corners[n] = beside(n + 3).meets(&frame).unwrap_or(from);
    framed.corners[(n + 1) % 4] = beside(n + 1).meets(&frame).unwrap_or(to);
    framed
}

/// Nearer to the picture's border than marks can tell, and with no border marked, a side is no document's: it is print
/// on one that goes on beyond the picture.
pub(super) fn with_frames(outline: Quadrilateral, marks: &Marks) -> Quadrilateral {
    let runs_along = |n: usize| {
        let (from, to) = outline.side(n);
        let both_near =
            |(axis, at): (usize, f32)| [from, to].iter().all(|end| (end[axis] - at).abs() < TOO_NEAR);
        borders(marks).into_iter().any(both_near)
    };
    (0..4).filter(|n| runs_along(*n)).fold(outline, |framed, n| {
        let marked = border_marks(&outline, n, marks).unwrap_or(0.0);
        if marked < NO_BORDER { on_border(framed, n, TOO_NEAR, marks) } else { framed }
    })
}

/// The smallest rectangle about some cells, clockwise.
fn least_rectangle(cells: &[[f32; 2]]) -> Option<Polygon> {
    let about = |direction: u32| {
        let (sin, cos) = (std::f32::consts::FRAC_PI_2 * direction as f32 / DIRECTIONS as f32).sin_cos();
        let (mut low, mut high) = ([f32::INFINITY; 2], [f32::NEG_INFINITY; 2]);
        for [x, y] in cells {
            for (axis, value) in [x * cos + y * sin, y * cos - x * sin].into_iter().enumerate() {
                low[axis] = low[axis].min(value - 0.5);
                high[axis] = high[axis].max(value + 0.5);
            }
        }
        let area = (high[0] - low[0]) * (high[1] - low[1]);
        let corner = |[u, v]: [f32; 2]| [u * cos - v * sin, u * sin + v * cos];
        (area, [low, [high[0], low[1]], high, [low[0], high[1]]].map(corner))
    };
    let least = (0..DIRECTIONS).map(about).min_by(|a, b| a.0.total_cmp(&b.0));
    least.filter(|(area, _)| area.is_finite()).map(|(_, corners)| corners)
}

/// Where the marks of a part fall below what belongs to a document, to a fraction of a cell.
fn ends(part: &[usize], marks: &Marks) -> Vec<[f32; 2]> {
    let mark = |x: usize, y: usize| marks.inside.get(y * marks.width + x).copied().unwrap_or(0.0);
    let mut ends = Vec::new();
    for place in part {
        let (x, y) = (place % marks.width, place / marks.width);
        let here = mark(x, y);
        let beside = [
            (x.checked_sub(1).map(|x| (x, y)), [-1.0, 0.0]),
            ((x + 1 < marks.width).then_some((x + 1, y)), [1.0, 0.0]),
            (y.checked_sub(1).map(|y| (x, y)), [0.0, -1.0]),
            ((y + 1 < marks.height).then_some((x, y + 1)), [0.0, 1.0]),
        ];
        for (next, way) in beside {
            let Some(there) = next.map(|(x, y)| mark(x, y)).filter(|there| *there < INSIDE) else { continue };
            let share = (here - INSIDE) / (here - there).max(1e-6);
            ends.push([x as f32 + way[0] * share, y as f32 + way[1] * share]);
        }
    }
    ends
}

fn fitted(points: &[[f32; 2]], side: Line, half: f32) -> Line {
    if points.len() < LEAST_POINTS {
        return side;
    }
    let weighed: Vec<([f32; 2], f32)> =
        points.iter().map(|point| (*point, 1.0 / (1.0 + (side.aside(*point) / half).powi(4)))).collect();
    Line::fitted(&weighed).filter(|line| line.parallel(&side) > 0.7).unwrap_or(side)
}

fn from_segment(point: [f32; 2], a: [f32; 2], b: [f32; 2]) -> f32 {
    let way = [b[0] - a[0], b[1] - a[1]];
    let share = ((point[0] - a[0]) * way[0] + (point[1] - a[1]) * way[1])
        / (way[0] * way[0] + way[1] * way[1]).max(1e-6);
    let share = share.clamp(0.0, 1.0);
    distance(point, [a[0] + way[0] * share, a[1] + way[1] * share])
}

/// What the marks say of a quadrilateral, clockwise and in cells.
pub(super) fn evidence(outline: &Quadrilateral, marks: &Marks) -> [f32; EVIDENCE] {
    let aside = ASIDE.0.max(ASIDE.1 * outline.shortest_side());
    let mut inside = Mean::default();
    for row in 0..SQUARES {
        for column in 0..SQUARES {
            let share = |n: usize| 0.08 + 0.84 * n as f32 / (SQUARES - 1) as f32;
            inside.add(read(&marks.inside, marks, outline.at([share(column), share(row)])));
        }
    }
    let (mut outside, mut sides, mut least) = (Mean::default(), Mean::default(), 1.0f32);
    for n in (0..4).filter(|n| !outline.is_frame[*n]) {
        for share in along_side() {
            outside.add(read(&marks.inside, marks, outline.beside(n, share, aside)));
        }
        if let Some(mean) = border_marks(outline, n, marks) {
            sides.add(Some(mean));
            least = least.min(mean);
        }
    }
    let mut at_corners = Mean::default();
    for [x, y] in outline.corners {
        let around = [-0.7, 0.0, 0.7].into_iter().flat_map(|dy| [-0.7, 0.0, 0.7].map(|dx| [x + dx, y + dy]));
        at_corners.add(around.filter_map(|point| read(&marks.corners, marks, point)).reduce(f32::max));
    }
    let [inside, outside, sides, at_corners] =
        [inside, outside, sides, at_corners].map(|mean| mean.value().unwrap_or(0.0));
    [inside, outside, sides, least, at_corners]
}

/// Shares of a side's way at which marks are read.
fn along_side() -> impl Iterator<Item = f32> {
    (0..POINTS).map(|point| 0.06 + 0.88 * point as f32 / (POINTS - 1) as f32)
}

/// How far side `n` is marked as a border, 0..1; `None` where it lies outside the picture.
fn border_marks(outline: &Quadrilateral, n: usize, marks: &Marks) -> Option<f32> {
    let mut mean = Mean::default();
    for share in along_side() {
        let near = [-0.5, 0.0, 0.5].map(|aside| read(&marks.border, marks, outline.beside(n, share, aside)));
        mean.add(near.into_iter().flatten().reduce(f32::max));
    }
    mean.value()
}

#[derive(Default, Clone, Copy)]
struct Mean {
    sum: f32,
    count: f32,
}

impl Mean {
    /// What lies outside the picture says nothing.
    fn add(&mut self, value: Option<f32>) {
        if let Some(value) = value {
            self.sum += value;
            self.count += 1.0;
        }
    }

    fn value(&self) -> Option<f32> {
        (self.count > 0.0).then(|| self.sum / self.count)
    }
}

/// Bilinear; `None` outside the picture.
fn read(map: &[f32], marks: &Marks, [x, y]: [f32; 2]) -> Option<f32> {
    let (right, bottom) = (marks.width as f32 - 1.0, marks.height as f32 - 1.0);
    if x < -0.5 || y < -0.5 || x > right + 0.5 || y > bottom + 0.5 {
        return None;
    }
    let cell = |x: usize, y: usize| {
        let place = y.min(marks.height - 1) * marks.width + x.min(marks.width - 1);
        Some([map.get(place).copied().unwrap_or(0.0)])
    };
    bilinear([x.clamp(0.0, right), y.clamp(0.0, bottom)], cell).map(|[value]| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a network without doubt marks documents; squares of 64 × 48.
    fn marks_of(documents: &[Polygon]) -> Marks {
        let (width, height) = (64, 48);
        let cells = || (0..width * height).map(move |place| [(place % width) as f32, (place / width) as f32]);
        let aside = |[x, y]: [f32; 2], document: &Polygon, n: usize| {
            let ([ax, ay], [bx, by]) = (document[n], document[(n + 1) % 4]);
            ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / (bx - ax).hypot(by - ay)
        };
        let inside = |cell: [f32; 2]| {
            let depth = |document: &Polygon| (0..4).map(|n| aside(cell, document, n)).fold(9.0, f32::min);
            (documents.iter().map(depth).fold(-9.0, f32::max) + 0.5).clamp(0.0, 1.0)
        };
        let near = |from: f32| (1.75 - from).clamp(0.0, 1.0);
        let to_border = |cell: [f32; 2]| {
            let sides = documents.iter().flat_map(|d| (0..4).map(move |n| (d[n], d[(n + 1) % 4])));
            sides.map(|(a, b)| from_segment(cell, a, b)).fold(9.0, f32::min)
        };
        let to_corner = |cell: [f32; 2]| {
            documents.iter().flatten().map(|corner| distance(cell, *corner)).fold(9.0, f32::min)
        };
        Marks {
            width,
            height,
            inside: cells().map(inside).collect(),
            border: cells().map(|cell| near(to_border(cell))).collect(),
            corners: cells().map(|cell| (-to_corner(cell).powi(2) / 3.1).exp()).collect(),
        }
    }

    fn farthest(found: &Polygon, truth: &Polygon) -> f32 {
        let nearest =
            |corner: &[f32; 2]| truth.iter().map(|wanted| distance(*corner, *wanted)).fold(99.0, f32::min);
        found.iter().map(nearest).fold(0.0, f32::max)
    }

    const CARD: Polygon = [[12.0, 10.0], [44.0, 14.0], [42.0, 34.0], [10.0, 30.0]];

    #[test]
    fn a_marked_card_is_a_quadrilateral_that_the_marks_speak_for() {
        let marks = marks_of(&[CARD]);
        let found = marked(&marks);
        assert!(found.iter().all(|one| farthest(&one.corners, &CARD) < 0.6 && one.is_frame == [false; 4]));
        assert_eq!(found.len(), 2, "by what lies inside, and by its corners");
        let [inside, outside, sides, least_side, at_corners] = evidence(&Quadrilateral::of(CARD), &marks);
        assert!(inside > 0.95 && outside < 0.05 && least_side > 0.95 && sides > 0.95 && at_corners > 0.8);
        // As the frame of a portrait on it would be.
        let within = [[14.0, 14.0], [22.0, 15.0], [21.0, 27.0], [13.0, 26.0]];
        let [_, outside, sides, ..] = evidence(&Quadrilateral::of(within), &marks);
        assert!(outside > 0.5 && sides < 0.5, "{outside} {sides}");
    }

    #[test]
    fn cards_that_touch_are_told_apart_by_their_corners() {
        let below = [[12.0, 31.0], [42.0, 34.5], [40.0, 46.0], [10.0, 44.0]];
        let found = marked(&marks_of(&[CARD, below]));
        for card in [CARD, below] {
            assert!(found.iter().any(|one| farthest(&one.corners, &card) < 1.2), "{card:?}");
        }
    }

    #[test]
    fn a_card_that_goes_on_beyond_the_picture_has_its_border_for_a_side() {
        let beyond = [[40.0, 10.0], [80.0, 10.0], [80.0, 32.0], [40.0, 32.0]];
        let found = marked(&marks_of(&[beyond]));
        let found = found.first().expect("one that is marked");
        assert_eq!(found.frames(), 1);
        assert!(farthest(&found.corners, &[[40.0, 10.0], [63.5, 10.0], [63.5, 32.0], [40.0, 32.0]]) < 0.8);
    }

    #[test]
    fn where_nothing_is_marked_there_is_nothing() {
        assert!(marked(&marks_of(&[])).is_empty());
    }
}
