//! A piece that was put into the picture: its fine detail lies on another JPEG grid than the
//! picture around it (see `grid`). A date that was retyped, a name from another file.

use super::grid::{PHASES, PhaseCounts, TILE};
use super::{Finding, scored};
use txid_imaging::{GrayImage, GridOrigin};
use txid_shared::partial::Polygon;

/// Windows in tiles, across and down: a line of text, upright and turned.
const WINDOWS: [(usize, usize); 2] = [(12, 3), (3, 12)];
/// A window moves on by one tile, and by one more for each so many that it is long: neighbours that
/// share eleven of twelve tiles say the same.
const SPARE_STEPS: usize = 6;
/// A window with fewer tiles of detail (two thirds) says nothing.
const MIN_ACTIVE_TILES: usize = 24;
/// A grid of a piece's own makes at least this share more of its coefficients vanish.
const MIN_EXCESS: f32 = 0.06;

/// A grid that stands out over the whole picture by this much is the picture's own history (cropped
/// and saved again), not a piece's.
const OWN_HISTORY: f32 = 6.0;

/// How far the best foreign grid of a window lies above the second best, in standard deviations →
/// score: a real grid is alone, chance has neighbours. Measured: MODELS.md.
const SCORES: [(f32, f32); 5] = [(3.4, 0.0), (4.0, 0.4), (4.4, 0.7), (4.7, 0.82), (6.4, 1.0)];

/// `grid`: where the file's own block grid lies in the upright picture.
pub fn find(grey: &GrayImage, grid: GridOrigin) -> Finding {
    let counts = PhaseCounts::of(grey);
    let Some(strongest) = strongest_foreign_grid(&counts, grid) else {
        return Finding::nothing("the picture has one compression history throughout");
    };
    let score = scored(strongest.deviations, &SCORES);
    if score <= 0.0 {
        return Finding::nothing("the picture has one compression history throughout");
    }
    Finding {
        score,
        message:
            "a region was compressed on another grid than the picture around it, as when it is pasted in"
                .to_owned(),
        region: Some(strongest.polygon()),
    }
}

/// For measuring: the deviations behind the score, 0 where nothing can be said.
pub fn deviations(grey: &GrayImage, grid: GridOrigin) -> f32 {
    strongest_foreign_grid(&PhaseCounts::of(grey), grid).map_or(0.0, |window| window.deviations)
}

/// A rectangle of tiles.
#[derive(Debug, Clone, Copy)]
struct Window {
    left: usize,
    top: usize,
    across: usize,
    down: usize,
    phase: usize,
    deviations: f32,
}

impl Window {
    fn polygon(&self) -> Polygon {
        let px = |tiles: usize| (tiles * TILE) as f32;
        let (left, top) = (px(self.left), px(self.top));
        let (right, bottom) = (px(self.left + self.across), px(self.top + self.down));
        [[left, top], [right, top], [right, bottom], [left, bottom]]
    }

    fn touches(&self, other: &Self) -> bool {
        self.left <= other.left + other.across
            && other.left <= self.left + self.across
            && self.top <= other.top + other.down
            && other.top <= self.top + self.down
    }

    fn joined(self, other: &Self) -> Self {
        let (left, top) = (self.left.min(other.left), self.top.min(other.top));
        let right = (self.left + self.across).max(other.left + other.across);
        let bottom = (self.top + self.down).max(other.top + other.down);
        Self { left, top, across: right - left, down: bottom - top, ..self }
    }
}

fn strongest_foreign_grid(counts: &PhaseCounts, grid: GridOrigin) -> Option<Window> {
    let own = own_phases(counts, grid)?;
    let mut found: Vec<Window> = Vec::new();
    for (across, down) in WINDOWS {
        let (step_down, step_across) = (down / SPARE_STEPS + 1, across / SPARE_STEPS + 1);
        for top in (0..(counts.down + 1).saturating_sub(down)).step_by(step_down) {
            for left in (0..(counts.across + 1).saturating_sub(across)).step_by(step_across) {
                let Some((share, active)) = counts.share(left, top, across, down) else { continue };
                if active < MIN_ACTIVE_TILES {
                    continue;
                }
                let (phase, deviations) = outstanding(&share, active, &own);
                found.push(Window { left, top, across, down, phase, deviations });
            }
        }
    }
    let best = *found.iter().max_by(|a, b| a.deviations.total_cmp(&b.deviations))?;
    // Neighbouring windows that see the same grid clearly show how far the piece reaches.
    let same = |window: &&Window| {
        window.phase == best.phase && window.deviations >= 0.6 * best.deviations && window.touches(&best)
    };
    Some(found.iter().filter(same).fold(best, Window::joined))
}

/// The phases that the whole picture has: the file's own grid and grids of earlier files.
fn own_phases(counts: &PhaseCounts, grid: GridOrigin) -> Option<[bool; PHASES]> {
    let (share, active) = counts.share(0, 0, counts.across, counts.down)?;
    let mut own = [false; PHASES];
    if let Some(phase) = own.get_mut((grid.y % 8 * 8 + grid.x % 8) as usize) {
        *phase = true;
    }
    let residual = residual(&share);
    let deviation = deviation(&residual, &share, active);
    for (own, value) in own.iter_mut().zip(residual) {
        *own |= value / deviation > OWN_HISTORY;
    }
    Some(own)
}

/// The foreign phase that stands out most, and by how many standard deviations more than the next;
/// 0 where it makes too little difference to be a grid.
fn outstanding(share: &[f32; PHASES], active: usize, own: &[bool; PHASES]) -> (usize, f32) {
    let residual = residual(share);
    let deviation = deviation(&residual, share, active);
    let (mut phase, mut best, mut second) = (0, 0.0f32, 0.0f32);
    for (index, (&value, own)) in residual.iter().zip(own).enumerate() {
        if *own {
            continue;
        }
        if value > best {
            (phase, second, best) = (index, best, value);
        } else {
            second = second.max(value);
        }
    }
    if best < MIN_EXCESS { (phase, 0.0) } else { (phase, (best - second) / deviation) }
}

/// What is left of each phase when what its row and its column have in common is taken away
/// (Tukey's median polish): content, such as upright strokes, acts on whole rows and columns; a
/// grid acts on one phase alone.
fn residual(share: &[f32; PHASES]) -> [f32; PHASES] {
    let mut rows: Square = std::array::from_fn(|y| std::array::from_fn(|x| share[8 * y + x]));
    for _ in 0..3 {
        let of_rows = column_medians(std::array::from_fn(|x| rows.map(|row| row[x])));
        rows = std::array::from_fn(|y| rows[y].map(|value| value - of_rows[y]));
        let of_columns = column_medians(rows);
        rows = rows.map(|row| std::array::from_fn(|x| row[x] - of_columns[x]));
    }
    std::array::from_fn(|phase| rows[phase / 8][phase % 8])
}

/// A value per phase.
type Square = [[f32; 8]; 8];

/// Exchanges that sort eight values (Dobbelaere's list of sorting networks). The same for every column, so that
/// the processor does all at once: it runs for every window of a picture.
const SORTING: [(usize, usize); 19] = [
    (0, 2),
    (1, 3),
    (4, 6),
    (5, 7),
    (0, 4),
    (1, 5),
    (2, 6),
    (3, 7),
    (0, 1),
    (2, 3),
    (4, 5),
    (6, 7),
    (2, 4),
    (3, 5),
    (1, 4),
    (3, 6),
    (1, 2),
    (3, 4),
    (5, 6),
];

fn column_medians(mut rows: Square) -> [f32; 8] {
    for (upper, lower) in SORTING {
        let (a, b) = (rows[upper], rows[lower]);
        rows[upper] = std::array::from_fn(|x| if a[x] < b[x] { a[x] } else { b[x] });
        rows[lower] = std::array::from_fn(|x| if a[x] < b[x] { b[x] } else { a[x] });
    }
    std::array::from_fn(|x| (rows[3][x] + rows[4][x]) / 2.0)
}

/// Robust standard deviation of the residual, at least what counting so many coefficients gives
/// by chance.
fn deviation(residual: &[f32; PHASES], share: &[f32; PHASES], active: usize) -> f32 {
    let spread = 1.4826 * median(&mut residual.map(f32::abs));
    let mean = share.iter().sum::<f32>() / PHASES as f32;
    let coefficients = (active * TILE * TILE / PHASES) as f32 * 18.0;
    let chance = (mean * (1.0 - mean) / coefficients).sqrt();
    spread.max(chance).max(1e-4)
}

/// Of an even number of values, which it reorders.
fn median<const COUNT: usize>(values: &mut [f32; COUNT]) -> f32 {
    let (below, upper, _) = values.select_nth_unstable_by(COUNT / 2, f32::total_cmp);
    let lower = below.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    (lower + *upper) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::jpeg::JpegEncoder;
    use image::{Rgb, imageops};
    use txid_imaging::{RgbImage, SourceImage, luminance};

    /// Something like small print on a patterned card, with sensor noise.
    fn card() -> RgbImage {
        let mut state = 7u32;
        let mut noise = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 24) as f32 - 127.5) / 40.0
        };
        RgbImage::from_fn(1200, 800, |x, y| {
            let pattern = 12.0 * ((x as f32 / 9.0).sin() + (y as f32 / 11.0 + x as f32 / 31.0).cos());
            let (column, row) = (x / 13, y / 22);
            let letter = (column.wrapping_mul(7) ^ row.wrapping_mul(13)) % 5;
            let stroke =
                row % 2 == 0 && (x % 13 < 2 + letter) && (y % 22 > 3) && (x % 13 + letter * 2 > (y % 22) / 2);
            let ink = if stroke { 40.0 } else { 175.0 + pattern };
            Rgb([0.98f32, 1.0, 0.92].map(|gain| (ink * gain + noise()).clamp(0.0, 255.0) as u8))
        })
    }

    fn saved(picture: &RgbImage, quality: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(picture).unwrap();
        bytes
    }

    fn opened(bytes: Vec<u8>) -> RgbImage {
        (*SourceImage::new(bytes).decoded().unwrap()).clone()
    }

    fn judged(bytes: Vec<u8>) -> Finding {
        find(&luminance(&opened(bytes)), GridOrigin::default())
    }

    #[test]
    fn medians_are_those_of_sorted_columns() {
        // A network that sorts all zeros and ones sorts everything.
        for bits in 0..256u32 {
            let rows: Square = std::array::from_fn(|y| {
                std::array::from_fn(|x| (bits.rotate_left(x as u32) >> y & 1) as f32)
            });
            let expected: [f32; 8] = std::array::from_fn(|x| {
                let mut column = rows.map(|row| row[x]);
                column.sort_by(f32::total_cmp);
                (column[3] + column[4]) / 2.0
            });
            assert_eq!(column_medians(rows), expected, "{bits:08b}");
        }
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), 2.5);
    }

    #[test]
    fn a_picture_saved_once_or_twice_is_no_edit() {
        let card = card();
        assert!(judged(saved(&card, 88)).score < 0.5);
        assert!(judged(saved(&opened(saved(&card, 80)), 90)).score < 0.5);
    }

    #[test]
    fn a_picture_cropped_and_saved_again_is_no_edit() {
        let first = opened(saved(&card(), 85));
        let cropped = imageops::crop_imm(&first, 3, 5, 1180, 780).to_image();
        assert!(judged(saved(&cropped, 90)).score < 0.5);
    }
}
