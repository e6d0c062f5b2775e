//! A small network of our own that marks documents in a picture: what lies inside of one, its border, its corners.
//! Trained and exported by `models/outline`, which says how well it does. Computed here in plain loops: some 47
//! million multiplications a picture do not need a runtime.

use super::layers::{Deep, Map, Point, doubled};
use crate::{ImageError, RgbImage, resize};
use std::sync::LazyLock;

/// Longer side of the picture that the network sees, and what both sides are multiples of.
const LONGER_PX: u32 = 256;
const STEP_PX: u32 = 32;
/// Values of a patch of 3×3 pixels, filled up to whole lanes.
const PATCH: usize = 32;
/// Kinds of marks.
const KINDS: usize = 3;
/// Channels of the first layer; then of each stage, at a quarter of the size, an eighth …, and its blocks.
const FIRST: usize = 16;
const STAGES: [(usize, usize); 4] = [(32, 1), (64, 2), (128, 2), (128, 3)];

/// Layer by layer in the order of computation, weights `[input][output]`, then biases; half precision,
/// little-endian.
const WEIGHTS: &[u8] = include_bytes!("../../../../models/outline/outline.f16");
const _: () = assert!(WEIGHTS.len() == 2 * values(), "models/outline/export.py wrote another network");

/// What the network says of each square of a picture, 0..1, row by row.
#[derive(Debug, Clone)]
pub(super) struct Marks {
    pub width: usize,
    pub height: usize,
    /// Inside of a document, what covers it included.
    pub inside: Vec<f32>,
    /// Within about 1.25 squares of a document's border.
    pub border: Vec<f32>,
    /// Near a corner: a bell of 1.25 squares, also where the corner is covered.
    pub corners: Vec<f32>,
}

/// Squares of a 64th of the longer side, the picture stretched a little to whole squares: a point at share `s` of
/// the picture's width lies at `s * marks.width`.
pub(super) fn marks(picture: &RgbImage) -> Result<Marks, ImageError> {
    let (width, height) = seen_size(picture.width(), picture.height());
    let seen = resize(picture, width, height)?;
    Ok(NETWORK.marks(&seen))
}

/// Sides of the picture that the network sees.
fn seen_size(width: u32, height: u32) -> (u32, u32) {
    let ratio = f64::from(LONGER_PX) / f64::from(width.max(height).max(1));
    let side = |length: u32| {
        let steps = (f64::from(length) * ratio / f64::from(STEP_PX)).round() as u32;
        steps.max(1) * STEP_PX
    };
    (side(width), side(height))
}

static NETWORK: LazyLock<Network> = LazyLock::new(|| Network::read(WEIGHTS));

/// relu(x + point(relu(deep(x)))), without `x` where the size changes.
struct Block {
    deep: Deep,
    point: Point,
}

struct Network {
    first: Point,
    stages: Vec<Vec<Block>>,
    /// From the coarsest stage to the finest: what narrows the coarser map, and a block on the sum.
    ups: Vec<(Point, Block)>,
    last: Point,
}

impl Network {
    fn read(weights: &[u8]) -> Self {
        let mut values = weights.chunks_exact(2).map(|half| match half {
            [low, high] => widened(u16::from_le_bytes([*low, *high])),
            _ => 0.0,
        });
        let values = &mut values;
        let first = Point::read(values, 9 * 3, FIRST);
        let mut channels = FIRST;
        let mut stages = Vec::new();
        for (wide, blocks) in STAGES {
            let mut stage = vec![Block::read(values, channels, wide)];
            stage.extend((0..blocks).map(|_| Block::read(values, wide, wide)));
            stages.push(stage);
            channels = wide;
        }
        let mut ups = Vec::new();
        for (wide, _) in STAGES.iter().rev().skip(1) {
            let narrow = Point::read(values, channels, *wide);
            ups.push((narrow, Block::read(values, *wide, *wide)));
            channels = *wide;
        }
        Self { first, stages, ups, last: Point::read(values, channels, KINDS) }
    }

    fn marks(&self, picture: &RgbImage) -> Marks {
        let mut map = self.first.applied(&patches(picture), None, true);
        let mut stages = Vec::new();
        for stage in &self.stages {
            for (n, block) in stage.iter().enumerate() {
                map = if n == 0 { block.halved(&map) } else { block.applied(&map) };
            }
            stages.push(map.clone());
        }
        stages.pop();
        for (narrow, block) in &self.ups {
            let narrowed = narrow.applied(&map, None, false);
            map = match stages.pop() {
                Some(fine) => block.applied(&doubled(&narrowed, fine)),
                None => narrowed,
            };
        }
        let said = self.last.applied(&map, None, false);
        let of_kind = |kind: usize| {
            let values = said.values.chunks_exact(said.channels).filter_map(|square| square.get(kind));
            values.map(|value| 1.0 / (1.0 + (-value).exp())).collect()
        };
        let (width, height) = (said.width, said.height);
        Marks { width, height, inside: of_kind(0), border: of_kind(1), corners: of_kind(2) }
    }
}

impl Block {
    fn read(values: &mut impl Iterator<Item = f32>, inputs: usize, outputs: usize) -> Self {
        Self { deep: Deep::read(values, inputs), point: Point::read(values, inputs, outputs) }
    }

    fn halved(&self, map: &Map) -> Map {
        self.point.applied(&self.deep.applied(map, 2), None, true)
    }

    fn applied(&self, map: &Map) -> Map {
        self.point.applied(&self.deep.applied(map, 1), Some(map), true)
    }
}

/// The 3×3 pixels around every second one, values of -1..1 and 0 outside the picture: on these the first layer is a
/// pointwise one.
fn patches(picture: &RgbImage) -> Map {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let mut patches = Map::empty(width / 2, height / 2, PATCH);
    let rows: Vec<&[u8]> = picture.as_raw().chunks_exact((3 * width).max(1)).collect();
    for (y, line) in patches.values.chunks_exact_mut((PATCH * (width / 2)).max(1)).enumerate() {
        for (above, dy) in (0..3).enumerate() {
            let Some(row) = (2 * y + dy).checked_sub(1).and_then(|y| rows.get(y)) else { continue };
            for (x, patch) in line.chunks_exact_mut(PATCH).enumerate() {
                // The left column of the first patch lies outside.
                let (from, skip) = if x == 0 { (0, 3) } else { (6 * x - 3, 0) };
                let target = patch.iter_mut().skip(9 * above + skip).take(9 - skip);
                for (value, pixel) in target.zip(row.iter().skip(from)) {
                    *value = f32::from(*pixel) / 127.5 - 1.0;
                }
            }
        }
    }
    patches
}

/// Of half precision.
fn widened(half: u16) -> f32 {
    let (sign, exponent, fraction) = (half >> 15, (half >> 10) & 0x1f, f32::from(half & 0x3ff));
    let value = match exponent {
        0 => fraction * 2f32.powi(-24),
        _ => (1.0 + fraction / 1024.0) * 2f32.powi(i32::from(exponent) - 15),
    };
    if sign == 0 { value } else { -value }
}

/// How many numbers the network has.
const fn values() -> usize {
    let mut sum = (27 + 1) * FIRST;
    let mut channels = FIRST;
    let mut n = 0;
    while n < STAGES.len() {
        let (wide, blocks) = STAGES[n];
        sum += block_values(channels, wide) + blocks * block_values(wide, wide);
        channels = wide;
        n += 1;
    }
    n -= 1;
    while n > 0 {
        n -= 1;
        let wide = STAGES[n].0;
        sum += (channels + 1) * wide + block_values(wide, wide);
        channels = wide;
    }
    sum + (channels + 1) * KINDS
}

const fn block_values(inputs: usize, outputs: usize) -> usize {
    (9 + 1) * inputs + (inputs + 1) * outputs
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    /// What the network says in Python: sides of the picture, kind, column, row, value. Written by the export.
    const GOLDEN: &str = include_str!("../../../../models/outline/golden.txt");

    /// A bright card with print on a dark table, without any chance: `models/outline/export.py` draws the same.
    fn picture(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            let grain = ((x * 7 + y * 13) % 11) as u8;
            let inside = (60..190).contains(&x) && (50..132).contains(&y);
            let print = (y / 6) % 3 == 0 && (x / 3) % 2 == 0 && (100..180).contains(&x);
            match (inside, print) {
                (true, true) => Rgb([60, 60, 70]),
                (true, false) => Rgb([205 + grain, 215, 205]),
                (false, _) => Rgb([96 + grain, 84 + grain, 70]),
            }
        })
    }

    #[test]
    fn the_answers_are_those_of_the_original() {
        let mut asked = (0, 0);
        let mut marks = None;
        for line in GOLDEN.lines() {
            let numbers: Vec<u32> = line.split(' ').take(5).map(|word| word.parse().unwrap()).collect();
            let wanted: f32 = line.rsplit(' ').next().unwrap().parse().unwrap();
            let [width, height, kind, x, y] = numbers[..] else { panic!("{line}") };
            if asked != (width, height) {
                asked = (width, height);
                marks = Some(NETWORK.marks(&picture(width, height)));
            }
            let marks = marks.as_ref().unwrap();
            let map = [&marks.inside, &marks.border, &marks.corners][kind as usize];
            let got = map[y as usize * marks.width + x as usize];
            assert!((got - wanted).abs() < 1e-3, "{got} for {line}");
        }
        assert!(GOLDEN.lines().count() > 300);
    }

    #[test]
    fn a_card_on_a_table_is_marked() {
        let marks = marks(&picture(256, 192)).unwrap();
        let at = |map: &[f32], x: usize, y: usize| map[y * marks.width + x];
        assert!(at(&marks.inside, 31, 22) > 0.8 && at(&marks.inside, 5, 5) < 0.2);
        assert!(at(&marks.border, 15, 22) > 0.5 && at(&marks.border, 31, 22) < 0.3);
        assert!(at(&marks.corners, 15, 12) > 0.3 && at(&marks.corners, 31, 12) < 0.3);
    }

    #[test]
    fn any_size_is_seen_at_a_few() {
        for (size, seen) in [
            ((4000, 3000), (256, 192)),
            ((1080, 1920), (160, 256)),
            ((700, 700), (256, 256)),
            ((30, 40), (192, 256)),
            ((9000, 90), (256, 32)),
        ] {
            assert_eq!(seen_size(size.0, size.1), seen);
        }
        for (width, height) in [(1, 1), (640, 8), (90, 700)] {
            let marks = marks(&picture(width, height)).unwrap();
            assert_eq!(marks.inside.len(), marks.width * marks.height);
            assert!(marks.border.len() == marks.inside.len() && marks.corners.len() == marks.inside.len());
        }
    }

    #[test]
    fn half_precision_is_widened() {
        for (half, value) in [(0x0000, 0.0), (0x3c00, 1.0), (0xc000, -2.0), (0x3555, 0.333_251_95)] {
            assert_eq!(widened(half), value);
        }
        assert_eq!(widened(0x0001), 5.960_464_5e-8);
    }
}
