//! The sessions that one inference thread owns.

use super::Model;
use ort::session::{Session, SessionOutputs};
use ort::value::TensorRef;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

#[derive(Debug, thiserror::Error)]
pub enum InferenceError {
    #[error("{0} is not loaded: this worker does not run its stage")]
    NotLoaded(Model),
    #[error("{model}: {message}")]
    Failed { model: Model, message: String },
    #[error("{model} has no output `{output}`")]
    NoOutput { model: Model, output: String },
}

/// A session per model. Not shared: a session serves one run at a time.
#[derive(Default)]
pub struct Engine {
    sessions: BTreeMap<Model, Session>,
    digests: Arc<BTreeMap<Model, String>>,
    models_ms: f32,
}

impl Engine {
    /// Without any model, for stages that need none and for tests.
    pub fn empty() -> Self {
        Self::default()
    }

    pub(super) fn new(sessions: BTreeMap<Model, Session>, digests: Arc<BTreeMap<Model, String>>) -> Self {
        Self { sessions, digests, models_ms: 0.0 }
    }

    /// Runs `model` on its one input, `data` in row-major order of `shape`, and hands its outputs
    /// to `read` while they lie in ONNX Runtime's memory (no copy).
    pub fn run<T>(
        &mut self,
        model: Model,
        shape: &[usize],
        data: &[f32],
        read: impl FnOnce(&Outputs<'_>) -> Result<T, InferenceError>,
    ) -> Result<T, InferenceError> {
        let session = self.sessions.get_mut(&model).ok_or(InferenceError::NotLoaded(model))?;
        let failed = |error: ort::Error| InferenceError::Failed { model, message: error.to_string() };
        let started = Instant::now();
        let input = TensorRef::from_array_view((shape, data)).map_err(failed)?;
        let outputs = session.run(ort::inputs![input]).map_err(failed)?;
        self.models_ms += started.elapsed().as_secs_f32() * 1e3;
        let outputs = Outputs::of(model, &outputs)?;
        read(&outputs)
    }

    /// A value of the model file's own metadata, such as a recogniser's `character` list.
    pub fn metadata(&self, model: Model, key: &str) -> Result<Option<String>, InferenceError> {
        let session = self.sessions.get(&model).ok_or(InferenceError::NotLoaded(model))?;
        let metadata = session
            .metadata()
            .map_err(|error| InferenceError::Failed { model, message: error.to_string() })?;
        Ok(metadata.custom(key))
    }

    pub fn has(&self, model: Model) -> bool {
        self.sessions.contains_key(&model)
    }

    /// Milliseconds inside ONNX Runtime since the last call of this; starts anew.
    pub fn take_models_ms(&mut self) -> f32 {
        std::mem::take(&mut self.models_ms)
    }

    /// sha256 (hex) of the models named, as far as they are loaded, by manifest name: what a partial records.
    pub fn digests(&self, models: &[Model]) -> BTreeMap<String, String> {
        models
            .iter()
            .filter_map(|model| Some((model.as_str().to_owned(), self.digests.get(model)?.clone())))
            .collect()
    }
}

/// What a model answered.
pub struct Outputs<'a> {
    model: Model,
    tensors: Vec<(&'a str, OutputTensor<'a>)>,
}

/// `data` in row-major order of `shape`.
#[derive(Debug)]
pub struct OutputTensor<'a> {
    pub shape: Vec<usize>,
    pub data: &'a [f32],
}

impl<'a> Outputs<'a> {
    fn of(model: Model, outputs: &'a SessionOutputs<'_>) -> Result<Self, InferenceError> {
        let mut tensors = Vec::with_capacity(outputs.len());
        for name in outputs.keys() {
            let Some(value) = outputs.get(name) else { continue };
            let (shape, data) = value
                .try_extract_tensor::<f32>()
                .map_err(|error| InferenceError::Failed { model, message: error.to_string() })?;
            let shape = shape.iter().map(|&side| side.max(0) as usize).collect();
            tensors.push((name, OutputTensor { shape, data }));
        }
        Ok(Self { model, tensors })
    }

    /// By the name that the manifest documents.
    pub fn named(&self, output: &str) -> Result<&OutputTensor<'a>, InferenceError> {
        self.tensors
            .iter()
            .find_map(|(name, tensor)| (*name == output).then_some(tensor))
            .ok_or_else(|| InferenceError::NoOutput { model: self.model, output: output.to_owned() })
    }

    /// The first output, for models that have one.
    pub fn first(&self) -> Result<&OutputTensor<'a>, InferenceError> {
        self.tensors
            .first()
            .map(|(_, tensor)| tensor)
            .ok_or_else(|| InferenceError::NoOutput { model: self.model, output: "0".to_owned() })
    }
}
