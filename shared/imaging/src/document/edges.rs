//! Steps of brightness or colour, thinned to one pixel, with the direction across them.

use crate::RgbImage;

/// Least step over two pixels that can be an edge, in values of 0..255: downscaling has averaged a camera's
/// noise away. In a picture full of texture the step must stand out from it, up to the second value.
const STEPS: (f32, f32) = (2.0, 12.0);
/// How far a step stands out from the picture's median step.
const OVER_MEDIAN: f32 = 1.8;

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Edge {
    /// Unit vector from dark to bright, in the channel with the largest step; 0,0 where there is no edge.
    pub across: [f32; 2],
}

impl Edge {
    pub fn is_there(&self) -> bool {
        self.across != [0.0, 0.0]
    }
}

pub(super) struct Edges {
    pub width: usize,
    pub height: usize,
    cells: Vec<Edge>,
    /// Number of edges above and to the left, with a border of zeros: `(width + 1) × (height + 1)`.
    sums: Vec<u32>,
}

impl Edges {
    pub fn of(picture: &RgbImage) -> Self {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let steps = steps(&smoothed(picture), width, height);
        let least = least_step(&steps);
        let mut cells = vec![Edge::default(); width * height];
        for y in 1..height.saturating_sub(1) {
            for x in 1..width.saturating_sub(1) {
                let place = y * width + x;
                let [dx, dy, length] = steps[place];
                if length < least {
                    continue;
                }
                // Only the steepest across: on the grid, of the two neighbours in the nearest of 4 directions.
                let aside = match (dx.abs() > 2.4 * dy.abs(), dy.abs() > 2.4 * dx.abs()) {
                    (true, _) => 1,
                    (_, true) => width,
                    _ if dx * dy > 0.0 => width + 1,
                    _ => width - 1,
                };
                if length >= steps[place - aside][2] && length > steps[place + aside][2] {
                    cells[place].across = [dx / length, dy / length];
                }
            }
        }
        let sums = summed(&cells, width, height);
        Self { width, height, cells, sums }
    }

    pub fn at(&self, x: i32, y: i32) -> Edge {
        match (usize::try_from(x), usize::try_from(y)) {
            (Ok(x), Ok(y)) if x < self.width => {
                self.cells.get(y * self.width + x).copied().unwrap_or_default()
            }
            _ => Edge::default(),
        }
    }

    /// With their places.
    pub fn all(&self) -> impl Iterator<Item = ([f32; 2], Edge)> + '_ {
        self.cells
            .iter()
            .enumerate()
            .filter(|(_, edge)| edge.is_there())
            .map(|(place, edge)| ([(place % self.width) as f32, (place / self.width) as f32], *edge))
    }

    /// Share of pixels that are edges, in the square of `2·half` pixels around a point, 0..1.
    pub fn density(&self, [x, y]: [f32; 2], half: f32) -> f32 {
        let clip = |value: f32, length: usize| (value.max(0.0) as usize).min(length);
        let (left, right) = (clip(x - half, self.width), clip(x + half, self.width));
        let (top, bottom) = (clip(y - half, self.height), clip(y + half, self.height));
        let count = (right - left) * (bottom - top);
        if count == 0 {
            return 0.0;
        }
        let sum = |x: usize, y: usize| self.sums.get(y * (self.width + 1) + x).copied().unwrap_or(0);
        let edges = sum(right, bottom) + sum(left, top) - sum(right, top) - sum(left, bottom);
        edges as f32 / count as f32
    }
}

/// By 1 2 1 each way: noise turns the direction of a weak edge.
fn smoothed(picture: &RgbImage) -> RgbImage {
    let stride = 3 * picture.width() as usize;
    let raw = picture.as_raw().as_slice();
    if stride < 9 || picture.height() < 3 {
        return picture.clone();
    }
    let of_three = |a: u8, b: u8, c: u8| ((u16::from(a) + 2 * u16::from(b) + u16::from(c) + 2) / 4) as u8;
    let mut across = raw.to_vec();
    for (line, source) in across.chunks_exact_mut(stride).zip(raw.chunks_exact(stride)) {
        let parts = source.iter().zip(source.iter().skip(3)).zip(source.iter().skip(6));
        for (value, ((a, b), c)) in line.iter_mut().skip(3).zip(parts) {
            *value = of_three(*a, *b, *c);
        }
    }
    let mut both = across.clone();
    let parts = across.iter().zip(across.iter().skip(stride)).zip(across.iter().skip(2 * stride));
    for (value, ((a, b), c)) in both.iter_mut().skip(stride).zip(parts) {
        *value = of_three(*a, *b, *c);
    }
    RgbImage::from_raw(picture.width(), picture.height(), both).unwrap_or_else(|| picture.clone())
}

/// Across, down and length of the largest step of any channel (Sobel, over two pixels).
fn steps(picture: &RgbImage, width: usize, height: usize) -> Vec<[f32; 3]> {
    let raw = picture.as_raw().as_slice();
    let mut steps = vec![[0.0; 3]; width * height];
    if width < 3 || height < 3 {
        return steps;
    }
    let row = |y: usize| &raw[3 * y * width..3 * (y + 1) * width];
    for y in 1..height - 1 {
        let (above, here, below) = (row(y - 1), row(y), row(y + 1));
        for x in 1..width - 1 {
            let mut largest = [0i32; 3];
            for channel in 0..3 {
                let (left, middle, right) = (3 * x - 3 + channel, 3 * x + channel, 3 * x + 3 + channel);
                let (a, b, c) = (i32::from(above[left]), i32::from(above[middle]), i32::from(above[right]));
                let (d, f) = (i32::from(here[left]), i32::from(here[right]));
                let (g, h, i) = (i32::from(below[left]), i32::from(below[middle]), i32::from(below[right]));
                let (dx, dy) = (c + 2 * f + i - a - 2 * d - g, g + 2 * h + i - a - 2 * b - c);
                let square = dx * dx + dy * dy;
                if square > largest[2] {
                    largest = [dx, dy, square];
                }
            }
            let [dx, dy, square] = largest.map(|value| value as f32);
            steps[y * width + x] = [dx / 4.0, dy / 4.0, square.sqrt() / 4.0];
        }
    }
    steps
}

fn least_step(steps: &[[f32; 3]]) -> f32 {
    let mut sample: Vec<f32> = steps.iter().step_by(7).map(|step| step[2]).collect();
    let middle = sample.len() / 2;
    if sample.is_empty() {
        return STEPS.1;
    }
    let (_, median, _) = sample.select_nth_unstable_by(middle, f32::total_cmp);
    (OVER_MEDIAN * *median).clamp(STEPS.0, STEPS.1)
}

fn summed(cells: &[Edge], width: usize, height: usize) -> Vec<u32> {
    let mut sums = vec![0; (width + 1) * (height + 1)];
    for y in 0..height {
        let mut row = 0;
        for x in 0..width {
            row += u32::from(cells[y * width + x].is_there());
            sums[(y + 1) * (width + 1) + x + 1] = sums[y * (width + 1) + x + 1] + row;
        }
    }
    sums
}
