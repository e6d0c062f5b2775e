//! ONNX Runtime: one environment per process, one engine (a session per model) per thread.

mod engine;
mod files;
mod golden;
pub mod manifest;
mod pool;

pub use engine::{Engine, InferenceError, OutputTensor, Outputs};
pub use files::{ModelError, ModelFiles};
pub use pool::{InferencePool, threads_of_this_machine};

use txid_shared::words::Stage;

/// The models by the names that the manifest gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Model {
    TextDetection,
    QuickRecognition,
    TextRecognition,
    ArabicRecognition,
    TextDirection,
    FaceDetection,
    FaceMesh,
    FaceEmbedding,
    AntiSpoof,
}

impl Model {
    pub const ALL: [Self; 9] = [
        Self::TextDetection,
        Self::QuickRecognition,
        Self::TextRecognition,
        Self::ArabicRecognition,
        Self::TextDirection,
        Self::FaceDetection,
        Self::FaceMesh,
        Self::FaceEmbedding,
        Self::AntiSpoof,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TextDetection => "text-detection",
            Self::QuickRecognition => "quick-recognition",
            Self::TextRecognition => "text-recognition",
            Self::ArabicRecognition => "arabic-recognition",
            Self::TextDirection => "text-direction",
            Self::FaceDetection => "face-detection",
            Self::FaceMesh => "face-mesh",
            Self::FaceEmbedding => "face-embedding",
            Self::AntiSpoof => "anti-spoof",
        }
    }

    /// What one stage needs; a worker loads only the models of the stages that it runs.
    pub const fn of_stage(stage: Stage) -> &'static [Self] {
        match stage {
            Stage::Ocr => &[
                Self::TextDetection,
                Self::QuickRecognition,
                Self::TextRecognition,
                Self::ArabicRecognition,
                Self::TextDirection,
            ],
            Stage::FaceMatch => &[Self::FaceDetection, Self::FaceMesh, Self::FaceEmbedding],
            Stage::Liveness => &[Self::FaceDetection, Self::FaceMesh, Self::FaceEmbedding, Self::AntiSpoof],
            Stage::Fraud => &[],
        }
    }
}

impl std::fmt::Display for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
