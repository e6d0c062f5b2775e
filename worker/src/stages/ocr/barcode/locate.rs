//! Where in a picture a barcode may be: regions that are dense with strong edges. Costs the same
//! few milliseconds for every picture; decoders then look at the regions alone.
//!
//! At three scales, the picture is cut into blocks of 8×8 pixels. A block counts where most of its
//! pixels lie on an edge of its own full contrast; print and its background do not get there. The
//! structure tensor of a region tells bars (edges of one direction, which it gives) from a matrix.

use txid_imaging::RgbImage;

/// The finest scale has at most so many pixels on the longer side.
const FINEST_SIDE_PX: u32 = 1600;
/// Each scale halves the one before: modules of 1 to 12 pixels of the finest one are seen.
const SCALES: usize = 4;
const BLOCK: usize = 8;
/// Darkest to brightest pixel of a block. Bars on a photograph in shadow still have so much.
const LEAST_CONTRAST: u8 = 40;
/// Mean distance from the mean brightness as a share of the contrast: 0.5 of black and white in
/// equal parts, 0.3 of bars that are out of focus, below 0.2 of noise and of thin print.
const LEAST_SPREAD: f32 = 0.23;
/// A pixel is on an edge where it differs from its neighbours by this share of the block's contrast.
const EDGE: f32 = 0.22;
/// Share of a block's pixels that are on an edge.
const LEAST_EDGES: f32 = 0.34;
/// A region has at least so many blocks, and fills at least this share of its rectangle.
const LEAST_BLOCKS: usize = 6;
const LEAST_FILL: f32 = 0.5;
/// Share of the rectangle that is on edges, and that times the square root of its blocks. The
/// smallest codes that were read had 0.26 and 1.42; print seldom gets to both (see MODELS.md).
const LEAST_DENSITY: f32 = 0.22;
const LEAST_SCORE: f32 = 1.35;
/// Shorter side in blocks.
const LEAST_SIDE: f32 = 2.0;
/// How much of the edges' energy has one direction: 1 of bars alone, about 0.45 of PDF417 (rows
/// are three modules high), 0.3 of print, near 0 of a matrix.
const BARS: f32 = 0.3;
const MATRIX: f32 = 0.35;
/// Variances along and across a region, as difference over sum: 0.6 at sides of 2:1.
const LEAST_ELONGATION: f32 = 0.6;
/// Cosine of 15°, by which perspective may shear a code.
const MOST_SHEAR: f32 = 0.966;
/// Length of a region with bars, in blocks.
const LEAST_BARS: f32 = 6.0;
/// Longer over shorter side of a region that may be a matrix.
const MATRIX_ASPECT: f32 = 1.8;

/// A rectangle that may hold a barcode, in pixels of the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Region {
    pub centre: [f32; 2],
    /// Unit vector along the rows of the code, or of the picture for a matrix.
    pub along: [f32; 2],
    /// At right angles to the bars: the other guess at `along`.
    pub across: [f32; 2],
    /// Unit vector along the bars: at right angles to `along` but for perspective.
    pub down: [f32; 2],
    /// Extent along `along` and along `down`.
    pub length: f32,
    pub height: f32,
    pub bars: bool,
    pub matrix: bool,
    /// How exactly its edges are known: the side of a block.
    pub grain: f32,
    /// Larger is likelier.
    pub score: f32,
}

impl Region {
    /// Corners clockwise, from the one that is top left where `along` points right.
    pub fn corners(&self) -> [[f32; 2]; 4] {
        let at = |x: f32, y: f32| self.at(x * self.length / 2.0, y * self.height / 2.0);
        [at(-1.0, -1.0), at(1.0, -1.0), at(1.0, 1.0), at(-1.0, 1.0)]
    }

    /// The point so far from the centre, in the region's own directions.
    pub fn at(&self, x: f32, y: f32) -> [f32; 2] {
        [
            self.centre[0] + self.along[0] * x + self.down[0] * y,
            self.centre[1] + self.along[1] * x + self.down[1] * y,
        ]
    }

    pub fn holds(&self, point: [f32; 2]) -> bool {
        let [x, y] = in_basis(self.along, self.down, [point[0] - self.centre[0], point[1] - self.centre[1]]);
        x.abs() <= self.length / 2.0 && y.abs() <= self.height / 2.0
    }
}

/// `point` as so much of `along` and so much of `down`, which are far from parallel.
fn in_basis(along: [f32; 2], down: [f32; 2], [x, y]: [f32; 2]) -> [f32; 2] {
    let area = along[0] * down[1] - along[1] * down[0];
    [(x * down[1] - y * down[0]) / area, (along[0] * y - along[1] * x) / area]
}

/// Likeliest first.
pub fn regions(picture: &RgbImage) -> Vec<Region> {
    let mut plane = Plane::of(picture);
    let mut found = Vec::new();
    for scale in 0..SCALES {
        if scale > 0 {
            plane = plane.halved();
        }
        found.extend(regions_at(&plane));
    }
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found
}

/// Brightness at one scale.
struct Plane {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
    /// Pixels of the picture per pixel.
    step: f32,
}

impl Plane {
    /// Every n-th row and column of the green channel, without smoothing: what matters is that
    /// there is texture, and thin bars would be smoothed away.
    fn of(picture: &RgbImage) -> Self {
        let step = picture.width().max(picture.height()).div_ceil(FINEST_SIDE_PX).max(1) as usize;
        let (full, rows) = (picture.width() as usize, picture.height() as usize);
        let (width, height) = (full / step, rows / step);
        let mut pixels = Vec::with_capacity(width * height);
        let raw = picture.as_raw();
        for row in raw.chunks_exact((full * 3).max(1)).skip(step / 2).step_by(step).take(height) {
            pixels.extend(row.chunks_exact(3).skip(step / 2).step_by(step).take(width).map(|p| p[1]));
        }
        let height = pixels.len().checked_div(width).unwrap_or(0);
        Self { width, height, pixels, step: step as f32 }
    }

    fn halved(&self) -> Self {
        let (width, height) = (self.width / 2, self.height / 2);
        let mut pixels = Vec::with_capacity(width * height);
        for pair in self.pixels.chunks_exact((self.width * 2).max(1)) {
            let (upper, lower) = pair.split_at(self.width);
            pixels.extend(upper.chunks_exact(2).zip(lower.chunks_exact(2)).map(|(a, b)| {
                ((u16::from(a[0]) + u16::from(a[1]) + u16::from(b[0]) + u16::from(b[1]) + 2) / 4) as u8
            }));
        }
        Self { width, height, pixels, step: self.step * 2.0 }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Block {
    dense: bool,
    edges: f32,
    xx: f32,
    yy: f32,
    xy: f32,
}

impl Block {
    /// `rows` are nine, of nine pixels each: the last ones are neighbours only.
    fn of(rows: &[&[u8]; BLOCK + 1]) -> Self {
        let pixels = || rows.iter().take(BLOCK).flat_map(|row| row.iter().take(BLOCK));
        let (mut darkest, mut brightest, mut sum) = (u8::MAX, u8::MIN, 0);
        for pixel in pixels() {
            darkest = darkest.min(*pixel);
            brightest = brightest.max(*pixel);
            sum += i32::from(*pixel);
        }
        let contrast = brightest.saturating_sub(darkest);
        if contrast < LEAST_CONTRAST {
            return Self::default();
        }
        let count = (BLOCK * BLOCK) as i32;
        let mean = sum / count;
        let apart: i32 = pixels().map(|pixel| (i32::from(*pixel) - mean).abs()).sum();
        if (apart as f32) < LEAST_SPREAD * f32::from(contrast) * count as f32 {
            return Self::default();
        }
        // Twice the difference of the means of two pixels each.
        let edge = (2.0 * EDGE * f32::from(contrast)) as i32;
        let (mut edges, mut xx, mut yy, mut xy) = (0, 0, 0, 0);
        for pair in rows.windows(2) {
            let [row, below] = pair else { continue };
            for (upper, lower) in row.windows(2).zip(below.windows(2)) {
                let ([a, b], [c, d]) = (upper, lower) else { continue };
                let [a, b, c, d] = [*a, *b, *c, *d].map(i32::from);
                // Both about the same point: else the two would depend on each other.
                let (dx, dy) = (b + d - a - c, c + d - a - b);
                edges += i32::from(dx.abs().max(dy.abs()) > edge);
                xx += dx * dx;
                yy += dy * dy;
                xy += dx * dy;
            }
        }
        let edges = edges as f32 / (BLOCK * BLOCK) as f32;
        Self { dense: edges >= LEAST_EDGES, edges, xx: xx as f32, yy: yy as f32, xy: xy as f32 }
    }
}

fn regions_at(plane: &Plane) -> Vec<Region> {
    let (columns, rows) = (plane.width.saturating_sub(1) / BLOCK, plane.height.saturating_sub(1) / BLOCK);
    let mut blocks = Vec::with_capacity(columns * rows);
    for row in 0..rows {
        let start = row * BLOCK * plane.width;
        let Some(band) = plane.pixels.get(start..start + (BLOCK + 1) * plane.width) else { break };
        for column in 0..columns {
            let left = column * BLOCK;
            let line =
                |y: usize| band.get(y * plane.width + left..).and_then(|l| l.get(..=BLOCK)).unwrap_or(&[]);
            blocks.push(Block::of(&std::array::from_fn(line)));
        }
    }
    let rows = blocks.len().checked_div(columns).unwrap_or(0);
    let mut seen = vec![false; blocks.len()];
    let mut found = Vec::new();
    for start in 0..blocks.len() {
        let members = component(&blocks, &mut seen, start, columns, rows);
        if members.len() >= LEAST_BLOCKS {
            found.extend(region(&blocks, &members, columns, plane.step * BLOCK as f32));
        }
    }
    found
}

/// The dense blocks that hang together with `start`.
fn component(blocks: &[Block], seen: &mut [bool], start: usize, columns: usize, rows: usize) -> Vec<usize> {
    let mut members = Vec::new();
    let mut open = vec![start];
    while let Some(at) = open.pop() {
        let (Some(block), Some(seen)) = (blocks.get(at), seen.get_mut(at)) else { continue };
        if *seen || !block.dense {
            continue;
        }
        *seen = true;
        members.push(at);
        let (column, row) = (at % columns, at / columns);
        for y in row.saturating_sub(1)..(row + 2).min(rows) {
            open.extend((column.saturating_sub(1)..(column + 2).min(columns)).map(|x| y * columns + x));
        }
        // Over one block that is light or dark as a whole, too: wide bars make such.
        open.extend(
            (column + 2 < columns).then_some(at + 2).into_iter().chain((column >= 2).then(|| at - 2)),
        );
        open.extend(
            (row + 2 < rows)
                .then_some(at + 2 * columns)
                .into_iter()
                .chain((row >= 2).then(|| at - 2 * columns)),
        );
    }
    members
}

fn region(blocks: &[Block], members: &[usize], columns: usize, block_px: f32) -> Option<Region> {
    let of = |value: fn(&Block) -> f32| -> f32 {
        members.iter().filter_map(|at| blocks.get(*at)).map(value).sum()
    };
    let (xx, yy, xy) = (of(|b| b.xx), of(|b| b.yy), of(|b| b.xy));
    let energy = xx + yy;
    if energy <= 0.0 {
        return None;
    }
    let coherence = ((xx - yy).powi(2) + 4.0 * xy * xy).sqrt() / energy;
    let has_bars = coherence >= BARS;
    let centres: Vec<[f32; 2]> =
        members.iter().map(|at| [(at % columns) as f32 + 0.5, (at / columns) as f32 + 0.5]).collect();
    let (along, down) =
        if has_bars { directions(&centres, direction(xx, yy, xy)) } else { ([1.0, 0.0], [0.0, 1.0]) };
    // A block reaches this far from its centre.
    let reach = in_basis(along, down, [0.5, 0.0]).map(f32::abs);
    let other = in_basis(along, down, [0.0, 0.5]).map(f32::abs);
    let extent = |axis: usize| {
        let reach = reach[axis] + other[axis];
        centres
            .iter()
            .map(|centre| in_basis(along, down, *centre)[axis])
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), place| {
                (low.min(place - reach), high.max(place + reach))
            })
    };
    let ((left, right), (top, bottom)) = (extent(0), extent(1));
    let (length, height) = (right - left, bottom - top);
    let fill = members.len() as f32 / (length * height);
    if length.min(height) < LEAST_SIDE || fill < LEAST_FILL {
        return None;
    }
    let density = of(|b| b.edges) / (length * height);
    let score = density * (members.len() as f32).sqrt();
    if density < LEAST_DENSITY || score < LEAST_SCORE {
        return None;
    }
    let aspect = length.max(height) / length.min(height);
    let matrix = coherence <= MATRIX && aspect <= MATRIX_ASPECT;
    // A block is as wide as eight modules at most, and the shortest linear codes have some fifty.
    let bars = has_bars && length >= LEAST_BARS;
    if !bars && !matrix {
        return None;
    }
    let (x, y) = ((left + right) / 2.0, (top + bottom) / 2.0);
    let centre = [x * along[0] + y * down[0], x * along[1] + y * down[1]];
    Some(Region {
        centre: centre.map(|c| c * block_px),
        along,
        across: [down[1], -down[0]],
        down,
        length: length * block_px,
        height: height * block_px,
        bars,
        matrix,
        grain: block_px,
        score,
    })
}

/// The main direction of a tensor.
fn direction(xx: f32, yy: f32, xy: f32) -> [f32; 2] {
    let angle = 0.5 * (2.0 * xy).atan2(xx - yy);
    [angle.cos(), angle.sin()]
}

/// Along the rows and along the bars. Perspective shears the two: where the region is long enough to
/// tell its own direction and that is near the edges', the rows have it.
fn directions(centres: &[[f32; 2]], across_bars: [f32; 2]) -> ([f32; 2], [f32; 2]) {
    let down = [-across_bars[1], across_bars[0]];
    let count = centres.len() as f32;
    let sum = centres.iter().fold([0.0, 0.0], |sum, c| [sum[0] + c[0], sum[1] + c[1]]);
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for centre in centres {
        let (dx, dy) = (centre[0] - sum[0] / count, centre[1] - sum[1] / count);
        xx += dx * dx;
        yy += dy * dy;
        xy += dx * dy;
    }
    let elongation = ((xx - yy).powi(2) + 4.0 * xy * xy).sqrt() / (xx + yy).max(f32::EPSILON);
    let mut along = direction(xx, yy, xy);
    let mut cosine = along[0] * across_bars[0] + along[1] * across_bars[1];
    if cosine < 0.0 {
        (along, cosine) = (along.map(|c| -c), -cosine);
    }
    if elongation >= LEAST_ELONGATION && cosine >= MOST_SHEAR { (along, down) } else { (across_bars, down) }
}
