//! What the document lies on, in millimetres: wood, cloth, stone, tiles, plain board.

use crate::geometry::Homography;
use crate::random::Random;
use crate::raster::{Frame, Relief};

/// A kind of surface and its colours (RGB, 0..255).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ground {
    pub kind: GroundKind,
    pub colours: [[f32; 3]; 2],
    /// Direction of grain, weave or joints.
    pub angle: f64,
    /// Of the pattern's repeat, mm.
    pub repeat_mm: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroundKind {
    Wood,
    Plain,
    /// Woven, with a check in the second colour.
    Check,
    /// Woven, striped.
    Stripes,
    /// Printed with dots and lozenges.
    Print,
    Stone,
    Speckled,
    Tiles,
}

const WOODS: [[f32; 3]; 7] = [
    [158.0, 116.0, 78.0],
    [96.0, 66.0, 48.0],
    [196.0, 160.0, 118.0],
    [128.0, 82.0, 52.0],
    [180.0, 140.0, 96.0],
    [70.0, 50.0, 40.0],
    [206.0, 190.0, 166.0],
];
const PAINTS: [[f32; 3]; 10] = [
    [232.0, 230.0, 226.0],
    [188.0, 184.0, 178.0],
    [60.0, 64.0, 70.0],
    [34.0, 34.0, 36.0],
    [88.0, 112.0, 138.0],
    [146.0, 40.0, 44.0],
    [66.0, 104.0, 84.0],
    [214.0, 198.0, 160.0],
    [120.0, 128.0, 122.0],
    [212.0, 160.0, 152.0],
];
const STONES: [[f32; 3]; 4] =
    [[222.0, 220.0, 216.0], [150.0, 150.0, 148.0], [58.0, 58.0, 62.0], [196.0, 180.0, 158.0]];

impl Ground {
    pub(super) fn drawn(random: &mut Random) -> Self {
        use GroundKind::{Check, Plain, Print, Speckled, Stone, Stripes, Tiles, Wood};
        let kinds = [Wood, Wood, Wood, Plain, Plain, Check, Stripes, Print, Stone, Speckled, Tiles];
        let kind = *random.pick(&kinds).unwrap_or(&Wood);
        let from: &[[f32; 3]] = match kind {
            Wood => &WOODS,
            Stone | Speckled => &STONES,
            _ => &PAINTS,
        };
        let mut pick = |from: &[[f32; 3]]| {
            let shift = random.between(-14.0, 14.0) as f32;
            random.pick(from).copied().unwrap_or([128.0; 3]).map(|v| v + shift)
        };
        let colours = [pick(from), pick(&PAINTS)];
        let repeat_mm = match kind {
            Wood => random.between(60.0, 160.0),
            Tiles => random.between(60.0, 150.0),
            _ => random.between(6.0, 28.0),
        };
        Self { kind, colours, angle: random.between(0.0, std::f64::consts::TAU), repeat_mm }
    }

    pub(super) const fn even(colour: [f32; 3]) -> Self {
        Self { kind: GroundKind::Plain, colours: [colour; 2], angle: 0.0, repeat_mm: 0.0 }
    }

    /// Its picture, `to_mm` from pixels of that picture to millimetres.
    pub(super) fn painted(
        &self,
        width: usize,
        height: usize,
        to_mm: &Homography,
        random: &mut Random,
    ) -> Frame {
        const HALF_MM: f64 = 1200.0;
        let mut relief = |cell: [f64; 2]| {
            // Reliefs wrap: a fine one need not be large.
            let size = cell.map(|c| (c * 220.0).min(2.0 * HALF_MM));
            (Relief::new(size[0] as usize, size[1] as usize, cell, random), size)
        };
        let (broad, streaks, fine) = match self.kind {
            GroundKind::Wood => (relief([90.0, 14.0]), relief([60.0, 1.6]), relief([7.0, 0.35])),
            GroundKind::Stone => (relief([40.0, 40.0]), relief([14.0, 14.0]), relief([2.6, 2.6])),
            GroundKind::Speckled => (relief([60.0, 60.0]), relief([2.6, 2.6]), relief([1.1, 1.1])),
            _ => (relief([70.0, 70.0]), relief([9.0, 9.0]), relief([0.7, 0.7])),
        };
        let look = |(relief, size): &(Relief, [f64; 2]), x: f64, y: f64| {
            // Mirrored, so that the repeat has no seam.
            let wrap = |v: f64, size: f64| {
                let v = (v + 40.0 * size).rem_euclid(2.0 * size);
                if v < size { v } else { 2.0 * size - v }
            };
            relief.at(wrap(x, size[0] - 1.0), wrap(y, size[1] - 1.0))
        };
        let (sin, cos) = self.angle.sin_cos();
        Frame::from_fn(width, height, |px, py| {
            let [mx, my] = to_mm.apply([px as f64 + 0.5, py as f64 + 0.5]);
            let (x, y) = (mx * cos + my * sin, my * cos - mx * sin);
            let (b, s, f) = (look(&broad, x, y), look(&streaks, x, y), look(&fine, x, y));
            self.at(x, y, b, s, f)
        })
    }

    fn at(&self, x: f64, y: f64, broad: f32, streaks: f32, fine: f32) -> [f32; 3] {
        let [colour, other] = self.colours;
        let mix = |t: f32| std::array::from_fn(|i| colour[i] + (other[i] - colour[i]) * t);
        let shade = |c: [f32; 3], by: f32| c.map(|v| v * (1.0 + by));
        let repeat = self.repeat_mm.max(1.0);
        match self.kind {
            GroundKind::Wood => {
                let plank = (y / repeat).floor();
                let joint = (y / repeat - plank) * repeat;
                let tone = ((plank * 12.9898).sin() * 43_758.547).fract() as f32 * 0.10;
                let rings = (y * 0.55 + f64::from(broad) * 7.0).sin() as f32;
                let gap = if joint < 0.9 { -0.4 } else { 0.0 };
                shade(colour, tone + 0.05 * rings + 0.07 * streaks + 0.05 * fine + gap)
            }
            GroundKind::Plain => shade(colour, 0.02 * broad + 0.008 * streaks + 0.008 * fine),
            GroundKind::Check | GroundKind::Stripes => {
                let band = |v: f64| (v.rem_euclid(2.0 * repeat) < repeat) as u8 as f32;
                let crossed = f32::from(u8::from(self.kind == GroundKind::Check));
                let woven = (x * 7.3).sin() as f32 * (y * 7.3).sin() as f32;
                shade(mix(0.5 * band(x) + 0.5 * crossed * band(y)), 0.05 * woven + 0.03 * broad + 0.04 * fine)
            }
            GroundKind::Print => {
                let (u, v) = ((x / repeat).rem_euclid(1.0) - 0.5, (y / repeat).rem_euclid(1.0) - 0.5);
                let dot = (0.5 - ((u * u + v * v).sqrt() - 0.22) * 14.0).clamp(0.0, 1.0);
                let lozenge = (0.5 - ((u.abs() + v.abs()) - 0.46).abs() * 18.0 + 0.5).clamp(0.0, 1.0);
                shade(mix((dot.max(lozenge)) as f32 * 0.85), 0.03 * broad + 0.03 * fine)
            }
            GroundKind::Stone => {
                let vein = 1.0 - (streaks + 0.6 * broad).abs() * 6.0;
                shade(colour, 0.05 * broad - 0.16 * vein.clamp(0.0, 1.0) + 0.02 * fine)
            }
            GroundKind::Speckled => {
                let speck = ((fine.abs() - 0.55) * 5.0).clamp(0.0, 1.0) * fine.signum();
                shade(colour, 0.28 * speck + 0.10 * streaks + 0.02 * broad)
            }
            GroundKind::Tiles => {
                let edge = |v: f64| {
                    let v = v.rem_euclid(repeat);
                    v.min(repeat - v)
                };
                let joint = (1.6 - edge(x).min(edge(y))).clamp(0.0, 1.0) as f32;
                let tile = shade(colour, 0.03 * broad + 0.015 * streaks);
                std::array::from_fn(|i| tile[i] + (150.0 - tile[i]) * joint * 0.7)
            }
        }
    }
}
