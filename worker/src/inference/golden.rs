//! Golden values: a digest proves that the file is right, this proves that the runtime on this
//! machine computes with it as it should. It is also the warm-up.

use super::manifest::{ArtifactKind, Manifest};
use super::{Engine, InferenceError, Model, ModelError, Outputs};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Made by `models/golden.py`, which explains the format.
const GOLDEN: &str = include_str!("../../../models/golden.json");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    input: GoldenInput,
    outputs: Vec<GoldenOutput>,
}

#[derive(Debug, Deserialize)]
struct GoldenInput {
    #[serde(rename = "name")]
    _name: String,
    #[serde(flatten)]
    rule: InputRule,
    shape: Vec<usize>,
    low: f64,
    high: f64,
}

/// Computed in f64 and rounded to f32.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
enum InputRule {
    /// Element i is low + (high − low) · (i mod 1021) / 1020.
    Ramp,
    /// NCHW: low on upright strokes inside a rectangle, high elsewhere.
    Strokes { top: usize, bottom: usize, left: usize, right: usize, period: usize, width: usize },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GoldenOutput {
    name: String,
    shape: Vec<usize>,
    at: Vec<usize>,
    values: Vec<f64>,
    root_mean_square: f64,
    tolerance: f64,
}

impl GoldenInput {
    fn data(&self) -> Vec<f32> {
        let count: usize = self.shape.iter().product();
        let element = |index: usize| match self.rule {
            InputRule::Ramp => self.low + (self.high - self.low) * (index % 1021) as f64 / 1020.0,
            InputRule::Strokes { top, bottom, left, right, period, width } => {
                let columns = self.shape.last().copied().unwrap_or(1).max(1);
                let rows = self.shape.iter().rev().nth(1).copied().unwrap_or(1).max(1);
                let (x, y) = (index % columns, index / columns % rows);
                let inside = (top..bottom).contains(&y) && (left..right).contains(&x);
                if inside && x % period.max(1) < width { self.low } else { self.high }
            }
        };
        (0..count).map(|index| element(index) as f32).collect()
    }
}

/// Feeds every loaded model its golden input and compares. A model whose digest is not that of the
/// built-in manifest is one of the operator's own: it has no golden values and is left alone.
pub(super) fn check(engine: &mut Engine) -> Result<(), ModelError> {
    let golden: BTreeMap<String, Golden> = serde_json::from_str(GOLDEN)
        .map_err(|error| ModelError::NotInManifest(format!("readable golden value list ({error})")))?;
    let built_in = Manifest::built_in()
        .map_err(|error| ModelError::NotInManifest(format!("readable artifact list ({error})")))?;
    let digests = engine.digests(&Model::ALL);
    for model in Model::ALL {
        let measured = built_in.find(ArtifactKind::Model, model.as_str()).map(|artifact| &artifact.sha256);
        let (Some(golden), true) = (golden.get(model.as_str()), digests.get(model.as_str()) == measured)
        else {
            continue;
        };
        if !engine.has(model) {
            continue;
        }
        let differences = engine
            .run(model, &golden.input.shape, &golden.input.data(), |outputs| {
                compare(outputs, &golden.outputs)
            })
            .map_err(|error| ModelError::Golden { model, message: error.to_string() })?;
        if let Some(message) = differences {
            return Err(ModelError::Golden { model, message });
        }
    }
    Ok(())
}

/// `None` where every listed value is within its tolerance.
fn compare(outputs: &Outputs<'_>, expected: &[GoldenOutput]) -> Result<Option<String>, InferenceError> {
    for golden in expected {
        let output = outputs.named(&golden.name)?;
        let name = &golden.name;
        if output.shape != golden.shape {
            return Ok(Some(format!("{name} has shape {:?}, expected {:?}", output.shape, golden.shape)));
        }
        for (&at, &value) in golden.at.iter().zip(&golden.values) {
            let got = output.data.get(at).copied().map_or(f64::NAN, f64::from);
            // Written so that a NaN is a difference.
            let within = (got - value).abs() <= golden.tolerance;
            if !within {
                return Ok(Some(format!("{name}[{at}] is {got}, expected {value}")));
            }
        }
        let squares: f64 = output.data.iter().map(|&value| f64::from(value).powi(2)).sum();
        let got = (squares / output.data.len().max(1) as f64).sqrt();
        let within = (got - golden.root_mean_square).abs() <= golden.tolerance;
        if !within {
            return Ok(Some(format!(
                "{name} has root mean square {got}, expected {}",
                golden.root_mean_square
            )));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use crate::inference::ModelFiles;
    use crate::inference::manifest::{Manifest, default_cache_folder};
    use txid_shared::words::Stage;

    #[test]
    fn every_model_gives_its_golden_values_here() {
        let manifest = Manifest::built_in().unwrap();
        let cache = default_cache_folder();
        if !manifest
            .artifacts
            .iter()
            .filter(|a| a.kind.folder() == "models")
            .all(|a| a.path_in(&cache).exists())
        {
            println!("skipped: no models in {} (`txid models fetch`)", cache.display());
            return;
        }
        let files = ModelFiles::load(&manifest, &cache, Stage::ALL).unwrap();
        files.engine().unwrap();
    }
}
