//! Which block grids a picture was compressed on, place by place.
//!
//! JPEG rounds the fine detail of each 8×8 block away. Seen on the grid that it was compressed on,
//! a piece of a picture therefore has more fine coefficients near zero than on the 63 shifted
//! grids, and some of that survives another compression on another grid. A piece that came from
//! another file nearly always lies on another grid than the picture around it.

use std::sync::OnceLock;
use txid_imaging::GrayImage;

/// Side of a tile in pixels: two blocks. Windows of tiles follow a line of print closely.
pub(super) const TILE: usize = 16;
/// A block's top left corner modulo 8: index = 8·y + x.
pub(super) const PHASES: usize = 64;

/// A coefficient (of an orthonormal transform of 0..255) this small counts as near zero. Chosen on
/// retyped dates (patch at quality 68..80, then everything at 89..91): 2 and below see the noise of
/// the second compression, see MODELS.md.
const NEAR_ZERO: f32 = 3.0;

/// Fine detail, horizontal and vertical order: coarser is content, finer is zero on every grid.
const ORDERS: [(usize, std::ops::RangeInclusive<usize>); 6] =
    [(2, 4..=7), (3, 3..=6), (4, 2..=5), (5, 2..=4), (6, 2..=3), (7, 2..=2)];
const COEFFICIENTS: f32 = 18.0;

/// Mean absolute step between neighbouring pixels from which on a tile has detail to judge by.
const MIN_ACTIVITY: f32 = 4.0;

/// Per tile and phase, how many of the coefficients are near zero.
pub(super) struct PhaseCounts {
    pub(super) across: usize,
    pub(super) down: usize,
    /// Row by row; `None` where the tile has no detail or touches the border.
    tiles: Vec<Option<Box<[f32; PHASES]>>>,
}

impl PhaseCounts {
    pub(super) fn of(grey: &GrayImage) -> Self {
        let (width, height) = (grey.width() as usize, grey.height() as usize);
        let rows: Vec<&[u8]> = grey.as_raw().chunks_exact(width.max(1)).collect();
        // Blocks that begin in a tile reach seven pixels beyond it.
        let (across, down) = (width.saturating_sub(7) / TILE, height.saturating_sub(7) / TILE);
        let mut tiles = Vec::with_capacity(across * down);
        for band in rows.windows(TILE + 7).step_by(TILE).take(down) {
            let active: Vec<bool> =
                (0..across).map(|tile| activity(band, tile * TILE) >= MIN_ACTIVITY).collect();
            tiles.extend(count_band(band, &active));
        }
        Self { across, down, tiles }
    }

    /// The share of near-zero coefficients by phase, over the tiles of a rectangle that have
    /// detail, and how many tiles those are. `None` where there are none.
    pub(super) fn share(
        &self,
        left: usize,
        top: usize,
        across: usize,
        down: usize,
    ) -> Option<([f32; PHASES], usize)> {
        let mut sum = [0.0; PHASES];
        let mut active = 0;
        for row in top..(top + down).min(self.down) {
            for column in left..(left + across).min(self.across) {
                if let Some(Some(counts)) = self.tiles.get(row * self.across + column) {
                    active += 1;
                    sum.iter_mut().zip(counts.iter()).for_each(|(sum, count)| *sum += count);
                }
            }
        }
        if active == 0 {
            return None;
        }
        let blocks = (active * TILE * TILE / PHASES) as f32;
        Some((sum.map(|count| count / (blocks * COEFFICIENTS)), active))
    }
}

/// Mean absolute difference of horizontal and vertical neighbours in the tile at `left`.
fn activity(band: &[&[u8]], left: usize) -> f32 {
    let mut sum = 0u32;
    for pair in band.windows(2).take(TILE) {
        let [here, below] = *pair else { continue };
        let (Some(here), Some(below)) = (here.get(left..left + TILE + 1), below.get(left..left + TILE))
        else {
            return 0.0;
        };
        sum += here.windows(2).map(|two| u32::from(two[0].abs_diff(two[1]))).sum::<u32>();
        sum += here.iter().zip(below).map(|(a, b)| u32::from(a.abs_diff(*b))).sum::<u32>();
    }
    sum as f32 / (2 * TILE * TILE) as f32
}

/// Counts for one row of tiles, run by run of neighbours that have detail.
fn count_band(band: &[&[u8]], active: &[bool]) -> Vec<Option<Box<[f32; PHASES]>>> {
    let mut tiles: Vec<Option<Box<[f32; PHASES]>>> = vec![None; active.len()];
    let mut first = 0;
    while first < active.len() {
        let run = active.get(first..).unwrap_or_default().iter().take_while(|active| **active).count();
        if let Some(found) = tiles.get_mut(first..first + run).filter(|found| !found.is_empty()) {
            let left = first * TILE;
            let cells: Vec<&[u8]> =
                band.iter().filter_map(|row| row.get(left..left + run * TILE + 7)).collect();
            for (tile, counts) in found.iter_mut().zip(count_run(&cells, run)) {
                *tile = Some(counts);
            }
        }
        first += run.max(1);
    }
    tiles
}

/// `cells`: TILE + 7 rows of `run` tiles and seven more pixels.
#[expect(clippy::vec_box, reason = "the tiles move on as boxes: most of a picture has none")]
fn count_run(cells: &[&[u8]], run: usize) -> Vec<Box<[f32; PHASES]>> {
    let width = run * TILE;
    let basis = basis();
    let mut tiles = vec![Box::new([0.0; PHASES]); run];
    let mut near_zero = vec![vec![0.0f32; width]; TILE];
    let mut halves = vec![vec![0.0f32; width]; 8];
    let folded: Vec<Folded> = cells.iter().map(|row| Folded::of(row, width)).collect();
    // One allocation for all orders.
    let mut lines = vec![vec![0.0f32; width]; cells.len()];
    for (across, down_orders) in ORDERS {
        let weights = basis.get(across).unwrap_or(&[0.0; 8]);
        for (row, line) in folded.iter().zip(&mut lines) {
            row.transform(weights, across % 2 == 0, line);
        }
        for (eight, near_zero) in lines.windows(8).zip(&mut near_zero) {
            // Even orders see sums of mirrored rows, odd ones differences: half the work.
            for (index, (upper, lower)) in eight.iter().zip(eight.iter().rev()).take(4).enumerate() {
                let (sums, differences) = halves.split_at_mut(4);
                if let (Some(sum), Some(difference)) = (sums.get_mut(index), differences.get_mut(index)) {
                    for (((sum, difference), a), b) in sum.iter_mut().zip(difference).zip(upper).zip(lower) {
                        *sum = a + b;
                        *difference = a - b;
                    }
                }
            }
            for order in down_orders.clone() {
                let side = if order % 2 == 0 { halves.get(..4) } else { halves.get(4..) };
                if let (Some([a, b, c, d]), Some(&[k0, k1, k2, k3, ..])) = (side, basis.get(order)) {
                    for ((((near_zero, a), b), c), d) in near_zero.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                        let coefficient = a * k0 + b * k1 + c * k2 + d * k3;
                        *near_zero += if coefficient.abs() < NEAR_ZERO { 1.0 } else { 0.0 };
                    }
                }
            }
        }
    }
    for (y, row) in near_zero.iter().enumerate() {
        for (tile, cells) in tiles.iter_mut().zip(row.chunks_exact(TILE)) {
            if let Some(phases) = tile.get_mut(8 * (y % 8)..8 * (y % 8) + 8) {
                for eight in cells.chunks_exact(8) {
                    phases.iter_mut().zip(eight).for_each(|(sum, value)| *sum += value);
                }
            }
        }
    }
    tiles
}

/// A row, folded about the middle of each eight pixels: even orders of the transform see only sums
/// of mirrored pixels, odd ones only differences, which is half the work.
struct Folded {
    width: usize,
    /// Four rows of sums, then four of differences.
    values: Vec<f32>,
}

impl Folded {
    fn of(row: &[u8], width: usize) -> Self {
        let mut values = Vec::with_capacity(8 * width);
        for sign in [1, -1] {
            for shift in 0..4 {
                let first = row.get(shift..shift + width).unwrap_or_default();
                let last = row.get(7 - shift..7 - shift + width).unwrap_or_default();
                let pairs = first.iter().zip(last);
                values.extend(pairs.map(|(a, b)| (i16::from(*a) + sign * i16::from(*b)) as f32));
            }
        }
        Self { width, values }
    }

    /// One order of the horizontal transform at every pixel.
    fn transform(&self, weights: &[f32; 8], even: bool, line: &mut [f32]) {
        let half = if even { 0 } else { 4 * self.width };
        let rows = self.values.get(half..half + 4 * self.width).unwrap_or_default();
        let (ab, cd) = rows.split_at(rows.len() / 2);
        let ((a, b), (c, d)) = (ab.split_at(ab.len() / 2), cd.split_at(cd.len() / 2));
        let [k0, k1, k2, k3, ..] = *weights;
        for ((value, (a, b)), (c, d)) in line.iter_mut().zip(a.iter().zip(b)).zip(c.iter().zip(d)) {
            *value = a * k0 + b * k1 + c * k2 + d * k3;
        }
    }
}

/// The orthonormal cosine transform of eight values, by order.
fn basis() -> &'static [[f32; 8]; 8] {
    static BASIS: OnceLock<[[f32; 8]; 8]> = OnceLock::new();
    BASIS.get_or_init(|| {
        std::array::from_fn(|order| {
            std::array::from_fn(|index| {
                let scale = if order == 0 { (1.0f32 / 8.0).sqrt() } else { 0.5 };
                scale * ((2 * index + 1) as f32 * order as f32 * std::f32::consts::PI / 16.0).cos()
            })
        })
    })
}
