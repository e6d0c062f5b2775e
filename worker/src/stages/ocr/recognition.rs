//! Reading one line: crop, network, best path.

use super::frame::Frame;
use super::geometry::TextBox;
use crate::inference::{Engine, InferenceError, Model};

/// The height that the network was trained on.
const HEIGHT_PX: u32 = 48;
/// Eight columns make one step of the network's output.
const STEP_PX: u32 = 8;
const LEAST_WIDTH_PX: u32 = 24;
/// A line of a machine-readable zone has an aspect of about 31; nothing readable is wider.
const MOST_WIDTH_PX: u32 = 2000;

/// The quick recogniser is believed where it leaves no more doubt than this about any character. One in a hundred of
/// these lines differs from what the thorough one reads, mostly in blanks around a slash (measured in MODELS.md).
const QUICK_SURE: f32 = 0.9;

/// A network that reads lines, and the characters of its classes: blank (`None`) first, space last.
#[derive(Debug, Clone)]
pub struct Recogniser {
    model: Model,
    classes: Vec<Option<char>>,
}

impl Recogniser {
    /// From the model's metadata key `character`: one character per line.
    fn of(model: Model, engine: &Engine) -> Result<Self, InferenceError> {
        let listing = engine.metadata(model, "character")?.ok_or_else(|| InferenceError::Failed {
            model,
            message: "its metadata has no `character` list".to_owned(),
        })?;
        let listed = listing.split('\n').map(|line| line.chars().next());
        Ok(Self { model, classes: [None].into_iter().chain(listed).chain([Some(' ')]).collect() })
    }

    pub fn classes(&self) -> &[Option<char>] {
        &self.classes
    }

    /// What it makes of a crop.
    pub fn run(
        &self,
        shape: [usize; 4],
        input: &[f32],
        keep: Keep,
        engine: &mut Engine,
    ) -> Result<Recognised, InferenceError> {
        engine.run(self.model, &shape, input, |outputs| {
            let output = outputs.first()?;
            if output.shape.last() != Some(&self.classes.len()) {
                let message =
                    format!("answered with {:?}, its charset has {}", output.shape, self.classes.len());
                return Err(InferenceError::Failed { model: self.model, message });
            }
            let probabilities = if keep == Keep::Probabilities { output.data.to_vec() } else { Vec::new() };
            Ok(Recognised { probabilities, ..best_path(output.data, &self.classes) })
        })
    }
}

/// Who reads lines.
pub struct Recognisers {
    /// Reads first, and is believed where it is sure.
    pub quick: Recogniser,
    pub thorough: Recogniser,
    pub arabic: Recogniser,
}

impl Recognisers {
    pub fn of(engine: &Engine) -> Result<Self, InferenceError> {
        Ok(Self {
            quick: Recogniser::of(Model::QuickRecognition, engine)?,
            thorough: Recogniser::of(Model::TextRecognition, engine)?,
            arabic: Recogniser::of(Model::ArabicRecognition, engine)?,
        })
    }
}

/// What the network made of one crop.
#[derive(Debug, Clone, Default)]
pub struct Recognised {
    pub text: String,
    /// Mean probability of the characters, 0..1; 0 for an empty text.
    pub confidence: f32,
    /// Of the most doubtful place, 0..1: how surely its character was seen, or that none was passed over.
    pub least: f32,
    /// Steps × classes, kept where asked for.
    pub probabilities: Vec<f32>,
}

impl Recognised {
    /// Whether a quick reading is believed.
    pub fn is_sure(&self) -> bool {
        self.least >= QUICK_SURE
    }
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

/// The quick recogniser loses more by narrowing than it saves.
pub const QUICK_WIDTH: Width = Width::InRatio;

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
    recogniser: &Recogniser,
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
    recogniser.run(shape, &input, keep, engine).map(Some)
}

/// The likeliest class of each step, repetitions and blanks dropped (CTC).
fn best_path(probabilities: &[f32], classes: &[Option<char>]) -> Recognised {
    let steps: Vec<&[f32]> = probabilities.chunks_exact(classes.len().max(1)).collect();
    let path: Vec<(usize, f32)> = steps.iter().map(|step| likeliest(step)).collect();
    let (mut text, mut sum, mut count) = (String::new(), 0.0, 0.0f32);
    for run in path.chunk_by(|a, b| a.0 == b.0) {
        if let Some((class, first)) = run.first()
            && let Some(Some(character)) = classes.get(*class)
        {
            text.push(*character);
            sum += first;
            count += 1.0;
        }
    }
    let (confidence, least) =
        if count > 0.0 { (sum / count, least(&steps, &path, classes)) } else { (0.0, 0.0) };
    Recognised { text: text.trim().to_owned(), confidence, least, probabilities: Vec::new() }
}

/// Of the most doubtful place: a character is as sure as its surest step, and a step as it is that no other
/// character stands there than its own and, since they run into each other, the ones before and behind.
fn least(steps: &[&[f32]], path: &[(usize, f32)], classes: &[Option<char>]) -> f32 {
    let character = |class: usize| classes.get(class).is_some_and(Option::is_some).then_some(class);
    let (mut least, mut from) = (1.0f32, 0);
    for run in path.chunk_by(|a, b| a.0 == b.0) {
        let to = from + run.len();
        let own = run.first().and_then(|(class, _)| character(*class));
        if own.is_some() {
            least = least.min(run.iter().map(|(_, probability)| *probability).fold(0.0, f32::max));
        }
        let before = path[..from].iter().rev().find_map(|(class, _)| character(*class));
        let behind = path[to..].iter().find_map(|(class, _)| character(*class));
        for step in &steps[from..to] {
            let others = step.iter().enumerate().filter(|(class, _)| {
                let class = character(*class);
                class.is_some() && ![own, before, behind].contains(&class)
            });
            least = least.min(1.0 - others.map(|(_, probability)| *probability).fold(0.0, f32::max));
        }
        from = to;
    }
    least
}

fn likeliest(step: &[f32]) -> (usize, f32) {
    let each = step.iter().copied().enumerate();
    each.fold((0, f32::NEG_INFINITY), |best, (i, p)| if p > best.1 { (i, p) } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_count_once_unless_a_blank_parts_them() {
        let classes = [None, Some('A'), Some('<'), Some(' ')];
        let step = |best: usize| (0..4).map(move |i| if i == best { 0.91 } else { 0.03 });
        let path: Vec<f32> = [1, 1, 0, 2, 2, 0, 2, 3].into_iter().flat_map(step).collect();
        let read = best_path(&path, &classes);
        assert_eq!(read.text, "A<<");
        assert!((read.confidence - 0.91).abs() < 1e-5 && (read.least - 0.91).abs() < 1e-5);
        let nothing = best_path(&[], &classes);
        assert_eq!((nothing.text.as_str(), nothing.confidence, nothing.least), ("", 0.0, 0.0));
    }

    /// Steps of blank, A, B and space.
    fn doubted(steps: &[[f32; 4]]) -> f32 {
        best_path(&steps.concat(), &[None, Some('A'), Some('B'), Some(' ')]).least
    }

    #[test]
    fn a_character_is_as_sure_as_its_surest_step() {
        let (begins, stands, blank) = ([0.4, 0.6, 0.0, 0.0], [0.02, 0.97, 0.01, 0.0], [0.99, 0.01, 0.0, 0.0]);
        assert!((doubted(&[blank, begins, stands, blank]) - 0.97).abs() < 1e-5);
        assert!((doubted(&[blank, begins, blank]) - 0.6).abs() < 1e-5);
    }

    #[test]
    fn a_character_passed_over_is_a_doubt_and_the_edge_of_one_is_none() {
        let (a, b) = ([0.01, 0.98, 0.01, 0.0], [0.01, 0.01, 0.98, 0.0]);
        let (edge, passed_over) = ([0.6, 0.4, 0.0, 0.0], [0.6, 0.0, 0.0, 0.4]);
        assert!(doubted(&[a, edge, b]) > 0.97);
        assert!((doubted(&[a, passed_over, b]) - 0.6).abs() < 1e-5, "a blank between words");
        assert!((doubted(&[passed_over, a]) - 0.6).abs() < 1e-5, "before the first");
    }
}
