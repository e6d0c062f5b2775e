//! Model files: found through the manifest, checked by digest, turned into sessions.

use super::manifest::{Artifact, ArtifactKind, Manifest};
use super::{Engine, Model};
use ort::ep;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use txid_shared::words::Stage;

/// Why inference cannot start. Every text says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("the manifest names no {0} for this platform")]
    NotInManifest(String),
    #[error("{path} cannot be read ({why}): run `txid models fetch`")]
    Missing { path: PathBuf, why: std::io::Error },
    #[error(
        "{path} is not the file that the manifest names: sha256 {got}, expected {expected}; run `txid models fetch`"
    )]
    WrongDigest { path: PathBuf, expected: String, got: String },
    #[error("ONNX Runtime at {path}: {message}")]
    Runtime { path: PathBuf, message: String },
    #[error("{model} cannot be loaded: {message}")]
    Load { model: Model, message: String },
    #[error(
        "{model} does not give its golden values: {message}; the file or the ONNX Runtime library is not the one measured"
    )]
    Golden { model: Model, message: String },
    #[error("an inference thread could not be started: {0}")]
    Thread(std::io::Error),
}

/// The verified bytes of the models that some stages need. Drop it when all engines are built.
pub struct ModelFiles {
    environment: ort::environment::Environment,
    bytes: BTreeMap<Model, Vec<u8>>,
    digests: Arc<BTreeMap<Model, String>>,
}

impl ModelFiles {
    /// Reads the runtime library and the models of `stages` from the cache folder; refuses what has
    /// another digest than the manifest says.
    pub fn load(manifest: &Manifest, cache: &Path, stages: &[Stage]) -> Result<Self, ModelError> {
        let library =
            manifest.runtime().ok_or_else(|| ModelError::NotInManifest("ONNX Runtime library".to_owned()))?;
        let environment = environment(library, cache)?;
        let wanted = Model::ALL
            .into_iter()
            .filter(|model| stages.iter().any(|&stage| Model::of_stage(stage).contains(model)));
        let (mut bytes, mut digests) = (BTreeMap::new(), BTreeMap::new());
        for model in wanted {
            let artifact = manifest
                .find(ArtifactKind::Model, model.as_str())
                .ok_or_else(|| ModelError::NotInManifest(model.to_string()))?;
            bytes.insert(model, verified(artifact, cache)?);
            digests.insert(model, artifact.sha256.clone());
        }
        Ok(Self { environment, bytes, digests: Arc::new(digests) })
    }

    /// A session per model, warmed up by the golden inputs and checked against the golden outputs.
    pub fn engine(&self) -> Result<Engine, ModelError> {
        let sessions = self
            .bytes
            .iter()
            .map(|(&model, bytes)| Ok((model, self.session(model, bytes)?)))
            .collect::<Result<_, ModelError>>()?;
        let mut engine = Engine::new(sessions, Arc::clone(&self.digests));
        super::golden::check(&mut engine)?;
        engine.take_models_ms();
        Ok(engine)
    }

    /// sha256 (hex) of each model by its manifest name.
    pub fn digests(&self) -> BTreeMap<String, String> {
        self.digests.iter().map(|(model, digest)| (model.as_str().to_owned(), digest.clone())).collect()
    }

    fn session(&self, model: Model, bytes: &[u8]) -> Result<Session, ModelError> {
        let load = |message: String| ModelError::Load { model, message };
        let builder = || -> ort::Result<Session> {
            // One thread runs one stage: parallelism comes from stages, not from inside a model.
            // Shapes vary, so planned memory patterns would pile up (one per shape). Text detection
            // alone has tensors of many megabytes: fetched from the system anew for each picture,
            // they cost a fifth of its time in page faults, so it keeps its memory.
            let keeps_memory = model == Model::TextDetection;
            Session::builder(&self.environment)?
                .with_intra_threads(1)?
                .with_inter_threads(1)?
                .with_intra_op_spinning(false)?
                .with_memory_pattern(false)?
                .with_optimization_level(GraphOptimizationLevel::All)?
                .with_execution_providers([ep::CPU::default().with_arena_allocator(keeps_memory).build()])?
                .commit_from_memory(bytes)
        };
        builder().map_err(|error| load(error.to_string()))
    }
}

/// ONNX Runtime allows one environment per process, so the first one stays.
static ENVIRONMENT: Mutex<Option<(PathBuf, ort::environment::Environment)>> = Mutex::new(None);

fn environment(library: &Artifact, cache: &Path) -> Result<ort::environment::Environment, ModelError> {
    let path = library.path_in(cache);
    let mut known = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((loaded, environment)) = &*known {
        if *loaded == path {
            return Ok(environment.clone());
        }
        let message = format!("this process has already loaded {}", loaded.display());
        return Err(ModelError::Runtime { path, message });
    }
    // The dynamic loader runs code of the file: check it before, not after.
    verified(library, cache)?;
    let failed = |message: String| ModelError::Runtime { path: path.clone(), message };
    let environment = ort::init_from(&path)
        .map_err(|error| failed(error.to_string()))?
        .with_telemetry(false)
        .build()
        .map_err(|error| failed(error.to_string()))?;
    *known = Some((path, environment.clone()));
    Ok(environment)
}

fn verified(artifact: &Artifact, cache: &Path) -> Result<Vec<u8>, ModelError> {
    let path = artifact.path_in(cache);
    let bytes = std::fs::read(&path).map_err(|why| ModelError::Missing { path: path.clone(), why })?;
    let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
    let got = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    if got == artifact.sha256 {
        Ok(bytes)
    } else {
        Err(ModelError::WrongDigest { path, expected: artifact.sha256.clone(), got })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_is_refused_by_name_and_says_what_to_run() {
        let cache = tempfile::tempdir().unwrap();
        let manifest = Manifest::built_in().unwrap();
        let artifact = manifest.find(ArtifactKind::Model, "face-mesh").unwrap();
        let path = artifact.path_in(cache.path());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, b"not the model").unwrap();
        let message = verified(artifact, cache.path()).unwrap_err().to_string();
        for part in ["face-mesh.onnx", artifact.sha256.as_str(), "txid models fetch"] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn a_missing_file_says_what_to_run() {
        let cache = tempfile::tempdir().unwrap();
        let Err(error) = ModelFiles::load(&Manifest::built_in().unwrap(), cache.path(), &[Stage::Ocr]) else {
            panic!("loaded from an empty folder");
        };
        assert!(error.to_string().contains("txid models fetch"), "{error}");
    }
}
