//! The few kinds of layers of `network`. Values of a pixel lie side by side, so that the innermost loops run over
//! channels and the compiler makes vectors of them.

/// Values by row, pixel, channel.
#[derive(Debug, Clone)]
pub(super) struct Map {
    pub width: usize,
    pub height: usize,
    pub channels: usize,
    pub values: Vec<f32>,
}

impl Map {
    pub fn empty(width: usize, height: usize, channels: usize) -> Self {
        Self { width, height, channels, values: vec![0.0; width * height * channels] }
    }

    /// With a rim of zeros, one pixel wide.
    fn rimmed(&self) -> Self {
        let mut rimmed = Self::empty(self.width + 2, self.height + 2, self.channels);
        let (line, rimmed_line) = (self.width * self.channels, rimmed.width * self.channels);
        let targets = rimmed.values.chunks_exact_mut(rimmed_line).skip(1);
        for (target, source) in targets.zip(self.values.chunks_exact(line.max(1))) {
            if let Some(target) = target.get_mut(self.channels..self.channels + line) {
                target.copy_from_slice(source);
            }
        }
        rimmed
    }
}

/// Inputs that are taken together; maps have whole `LANES` of channels.
const LANES: usize = 8;
/// Pixels for which the weights stay near the processor.
const PIXELS: usize = 8;

/// A convolution of 1×1.
pub(super) struct Point {
    /// Both filled up with zeros to whole `LANES`.
    inputs: usize,
    outputs: usize,
    /// `[input][output]`
    weights: Vec<f32>,
    biases: Vec<f32>,
}

impl Point {
    /// From weights `[input][output]`, then biases.
    pub fn read(values: &mut impl Iterator<Item = f32>, inputs: usize, outputs: usize) -> Self {
        let (whole_inputs, whole_outputs) = (inputs.next_multiple_of(LANES), outputs.next_multiple_of(LANES));
        let mut weights = vec![0.0; whole_inputs * whole_outputs];
        for row in weights.chunks_exact_mut(whole_outputs).take(inputs) {
            row.iter_mut().zip(values.by_ref().take(outputs)).for_each(|(weight, value)| *weight = value);
        }
        let mut biases: Vec<f32> = values.take(outputs).collect();
        biases.resize(whole_outputs, 0.0);
        Self { inputs: whole_inputs, outputs: whole_outputs, weights, biases }
    }

    /// relu(point(map) + added), or without relu.
    pub fn applied(&self, map: &Map, added: Option<&Map>, rectified: bool) -> Map {
        let mut result = match added {
            Some(added) => added.clone(),
            None => Map::empty(map.width, map.height, self.outputs),
        };
        let sources = map.values.chunks(PIXELS * self.inputs);
        for (source, target) in sources.zip(result.values.chunks_mut(PIXELS * self.outputs)) {
            for (n, weights) in self.weights.chunks_exact(LANES * self.outputs).enumerate() {
                let pixels = source.chunks_exact(self.inputs).zip(target.chunks_exact_mut(self.outputs));
                for (source, target) in pixels {
                    if let Some(values) = source.get(n * LANES..).and_then(|rest| rest.first_chunk()) {
                        add_weighted(target, values, weights);
                    }
                }
            }
            for target in target.chunks_exact_mut(self.outputs) {
                for (target, bias) in target.iter_mut().zip(&self.biases) {
                    *target += bias;
                    if rectified {
                        *target = target.max(0.0);
                    }
                }
            }
        }
        result
    }
}

/// Adds the sum of all rows of `weights`, each times its value.
#[inline]
fn add_weighted(target: &mut [f32], values: &[f32; LANES], weights: &[f32]) {
    let length = target.len();
    let mut rows: [&[f32]; LANES] = [&[]; LANES];
    for (row, weights) in rows.iter_mut().zip(weights.chunks_exact(length.max(1))) {
        *row = weights;
    }
    // All of one length before the loop: no checks in it.
    let [a, b, c, d, e, f, g, h] = rows.map(|row| &row[..length]);
    for n in 0..length {
        let first = (values[0] * a[n] + values[1] * b[n]) + (values[2] * c[n] + values[3] * d[n]);
        let second = (values[4] * e[n] + values[5] * f[n]) + (values[6] * g[n] + values[7] * h[n]);
        target[n] += first + second;
    }
}

/// A depthwise convolution of 3×3, rectified.
pub(super) struct Deep {
    channels: usize,
    /// `[row][tap of the row][channel]`
    weights: Vec<f32>,
    biases: Vec<f32>,
}

impl Deep {
    /// From weights `[tap][channel]`, then biases.
    pub fn read(values: &mut impl Iterator<Item = f32>, channels: usize) -> Self {
        let weights = values.by_ref().take(9 * channels).collect();
        Self { channels, weights, biases: values.take(channels).collect() }
    }

    /// Every pixel, or with a stride of 2 every second one.
    pub fn applied(&self, map: &Map, stride: usize) -> Map {
        let channels = self.channels;
        let rimmed = map.rimmed();
        let line = rimmed.width * channels;
        let mut result = Map::empty(map.width / stride, map.height / stride, channels);
        let result_line = (result.width * channels).max(1);
        for (y, targets) in result.values.chunks_exact_mut(result_line).enumerate() {
            let lines = rimmed.values.chunks_exact(line).skip(y * stride);
            for (line, weights) in lines.zip(self.weights.chunks_exact(3 * channels)) {
                for (x, target) in targets.chunks_exact_mut(channels).enumerate() {
                    let from = x * stride * channels;
                    add_products(target, &line[from..from + 3 * channels], weights);
                }
            }
            for target in targets.chunks_exact_mut(channels) {
                for (target, bias) in target.iter_mut().zip(&self.biases) {
                    *target = (*target + bias).max(0.0);
                }
            }
        }
        result
    }
}

/// Adds the sum of three values times their weights, channel by channel.
#[inline]
fn add_products(target: &mut [f32], values: &[f32], weights: &[f32]) {
    let length = target.len();
    let (left, values) = values.split_at(length);
    let (middle, right) = values.split_at(length);
    let (of_left, weights) = weights.split_at(length);
    let (of_middle, of_right) = weights.split_at(length);
    let (right, of_right) = (&right[..length], &of_right[..length]);
    for n in 0..length {
        target[n] += left[n] * of_left[n] + middle[n] * of_middle[n] + right[n] * of_right[n];
    }
}

/// relu(twice as large(coarse) + fine)
pub(super) fn doubled(coarse: &Map, mut fine: Map) -> Map {
    let channels = fine.channels;
    let (line, coarse_line) = (fine.width * channels, coarse.width * channels);
    for (y, targets) in fine.values.chunks_exact_mut(line.max(1)).enumerate() {
        let from = y / 2 * coarse_line;
        let Some(sources) = coarse.values.get(from..from + coarse_line) else { continue };
        for (pair, source) in targets.chunks_exact_mut(2 * channels).zip(sources.chunks_exact(channels)) {
            for target in pair.chunks_exact_mut(channels) {
                for (target, source) in target.iter_mut().zip(source) {
                    *target = (*target + source).max(0.0);
                }
            }
        }
    }
    fine
}
