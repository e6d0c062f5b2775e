//! Reading one line: crop, network, best path.

use super::frame::Frame;
use super::geometry::TextBox;
use crate::inference::{Engine, InferenceError, Model, Outputs};

/// The height that the network was trained on.
const HEIGHT_PX: u32 = 48;
/// Eight columns make one step of the network's output.
const STEP_PX: u32 = 8;
const LEAST_WIDTH_PX: u32 = 24;
/// A line of a machine-readable zone has an aspect of about 31; nothing readable is wider.
const MOST_WIDTH_PX: u32 = 2000;

/// The characters of the recogniser's classes: blank (`None`) first, space last.
#[derive(Debug, Clone)]
pub struct Charset(Vec<Option<char>>);

impl Charset {
    /// From the model's metadata key `character`: one character per line.
    pub fn of(model: Model, engine: &Engine) -> Result<Self, InferenceError> {
        let listing = engine.metadata(model, "character")?.ok_or_else(|| InferenceError::Failed {
            model,
            message: "its metadata has no `character` list".to_owned(),
        })?;
        let listed = listing.split('\n').map(|line| line.chars().next());
        Ok(Self([None].into_iter().chain(listed).chain([Some(' ')]).collect()))
    }

    pub fn classes(&self) -> &[Option<char>] {
        &self.0
    }
}

/// What the network made of one crop.
#[derive(Debug, Clone)]
pub struct Recognised {
    pub text: String,
    /// Mean probability of the characters, 0..1; 0 for an empty text.
    pub confidence: f32,
    /// Steps × classes, kept where asked for.
    pub probabilities: Vec<f32>,
}

/// How wide a crop is made, in relation to its height.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Width {
    /// In ratio.
    InRatio,
    /// In ratio, then narrowed to this share. OCR-B is set so wide that the network reads it as
    /// well at 0.7, for 0.7 of the time.
    Narrowed(f32),
}

/// Whether the probabilities of the steps are handed out (2 MB for a long line).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    Text,
    Probabilities,
}

/// `None` where the box has no area.
pub fn recognise(
    frame: &Frame<'_>,
    line: &TextBox,
    width: Width,
    keep: Keep,
    charset: &Charset,
    engine: &mut Engine,
) -> Result<Option<Recognised>, InferenceError> {
    let share = match width {
        Width::InRatio => 1.0,
        Width::Narrowed(share) => share,
    };
    let columns = line.length / line.thickness.max(1.0) * HEIGHT_PX as f32 * share;
    let columns = ((columns / STEP_PX as f32).round() as u32 * STEP_PX).clamp(LEAST_WIDTH_PX, MOST_WIDTH_PX);
    let Some(crop) = frame.strip(line, columns, HEIGHT_PX) else { return Ok(None) };
    let pixels = crop.as_raw();
    let mut input = Vec::with_capacity(pixels.len());
    for channel in [2, 1, 0] {
        input.extend(pixels.iter().skip(channel).step_by(3).map(|v| f32::from(*v) / 127.5 - 1.0));
    }
    let shape = [1, 3, HEIGHT_PX as usize, columns as usize];
    engine.run(Model::TextRecognition, &shape, &input, |outputs| {
        read_off(outputs, Model::TextRecognition, keep, charset).map(Some)
    })
}

/// What a recogniser's answer says.
pub fn read_off(
    outputs: &Outputs<'_>,
    model: Model,
    keep: Keep,
    charset: &Charset,
) -> Result<Recognised, InferenceError> {
    let output = outputs.first()?;
    let classes = charset.classes();
    if output.shape.last() != Some(&classes.len()) {
        let message = format!("answered with {:?}, its charset has {}", output.shape, classes.len());
        return Err(InferenceError::Failed { model, message });
    }
    let (text, confidence) = best_path(output.data, classes);
    let probabilities = if keep == Keep::Probabilities { output.data.to_vec() } else { Vec::new() };
    Ok(Recognised { text, confidence, probabilities })
}

/// The likeliest class of each step, repetitions and blanks dropped (CTC).
fn best_path(probabilities: &[f32], classes: &[Option<char>]) -> (String, f32) {
    let (mut text, mut sum, mut count, mut before) = (String::new(), 0.0, 0.0f32, 0);
    for step in probabilities.chunks_exact(classes.len().max(1)) {
        let (best, probability) = step
            .iter()
            .copied()
            .enumerate()
            .fold((0, f32::NEG_INFINITY), |best, (i, p)| if p > best.1 { (i, p) } else { best });
        if best != before
            && let Some(Some(character)) = classes.get(best)
        {
            text.push(*character);
            sum += probability;
            count += 1.0;
        }
        before = best;
    }
    (text.trim().to_owned(), if count > 0.0 { sum / count } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_count_once_unless_a_blank_parts_them() {
        let classes = [None, Some('A'), Some('<'), Some(' ')];
        let step = |best: usize| (0..4).map(move |i| if i == best { 0.91 } else { 0.03 });
        let path: Vec<f32> = [1, 1, 0, 2, 2, 0, 2, 3].into_iter().flat_map(step).collect();
        let (text, confidence) = best_path(&path, &classes);
        assert_eq!(text, "A<<");
        assert!((confidence - 0.91).abs() < 1e-5);
        assert_eq!(best_path(&[], &classes), (String::new(), 0.0));
    }
}
