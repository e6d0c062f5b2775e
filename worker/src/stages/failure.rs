//! Why a stage cannot give a result, before the runtime decides what to do about it.

use super::Outcome;
use crate::inference::InferenceError;
use txid_imaging::ImageError;
use txid_shared::words::ImageRole;

#[derive(Debug, thiserror::Error)]
pub enum StageFailure {
    #[error("{0} was not sent")]
    MissingImage(ImageRole),
    #[error("{role}: {source}")]
    Image { role: ImageRole, source: ImageError },
    #[error(transparent)]
    Inference(#[from] InferenceError),
}

impl StageFailure {
    pub fn image(role: ImageRole) -> impl Fn(ImageError) -> Self {
        move |source| Self::Image { role, source }
    }

    /// What the picture itself causes will not change; a failed model run may.
    pub fn into_outcome(self) -> Outcome {
        let message = self.to_string();
        match self {
            Self::MissingImage(_) => Outcome::Refused { class: "missing_image", message },
            Self::Image { source, .. } => Outcome::Refused { class: source.class(), message },
            Self::Inference(_) => Outcome::Retry { class: "inference_failed", message },
        }
    }
}
