//! The check stages. Each is a value that takes images and returns a result:
//! it knows no broker, no database, no configuration file.

mod clock;
pub mod face_match;
pub mod faces;
mod failure;
pub mod fraud;
pub mod liveness;

pub use clock::StageClock;
pub use failure::StageFailure;

pub mod ocr;

use crate::inference::Engine;
use std::sync::Arc;
use txid_imaging::SourceImage;
use txid_shared::likeness::Likeness;
use txid_shared::partial::{StageResult, Timing};
use txid_shared::words::{DocumentType, ImageRole, Stage as StageName};

/// The pictures of one submission. Decoding is lazy and happens once per process.
#[derive(Clone, Default)]
pub struct Images {
    pub document_front: Option<Arc<SourceImage>>,
    pub document_back: Option<Arc<SourceImage>>,
    pub selfie: Option<Arc<SourceImage>>,
    /// Of the person who was asked to do something, in the order they were taken.
    pub frames: Vec<Arc<SourceImage>>,
}

impl Images {
    pub fn get(&self, role: ImageRole) -> Option<&Arc<SourceImage>> {
        match role {
            ImageRole::DocumentFront => self.document_front.as_ref(),
            ImageRole::DocumentBack => self.document_back.as_ref(),
            ImageRole::Selfie => self.selfie.as_ref(),
        }
    }

    /// Front, then back, as far as they were sent.
    pub fn document_sides(&self) -> impl Iterator<Item = (ImageRole, &Arc<SourceImage>)> {
        [ImageRole::DocumentFront, ImageRole::DocumentBack]
            .into_iter()
            .filter_map(|role| Some((role, self.get(role)?)))
    }
}

#[derive(Clone, Default)]
pub struct StageInput {
    pub images: Images,
    /// ISO 3166-1 alpha-2; absent in one-shot calls.
    pub country: Option<String>,
    pub document_type: Option<DocumentType>,
    /// Whether to tell what later submissions are compared with.
    pub likeness: bool,
}

/// How a stage run ended. The runtime, not the stage, maps it to writes and acknowledgements.
#[derive(Debug)]
pub enum Outcome {
    Completed(Box<Completed>),
    /// Might go well another time (a session failed, memory ran out).
    Retry {
        class: &'static str,
        message: String,
    },
    /// Will never go well on this input (an image that cannot be decoded).
    Refused {
        class: &'static str,
        message: String,
    },
}

impl Outcome {
    pub fn completed(result: StageResult, timing: Timing) -> Self {
        Self::Completed(Box::new(Completed { result, timing, likeness: Likeness::default() }))
    }

    pub fn with_likeness(mut self, likeness: Likeness) -> Self {
        if let Self::Completed(completed) = &mut self {
            completed.likeness = likeness;
        }
        self
    }
}

#[derive(Debug)]
pub struct Completed {
    pub result: StageResult,
    /// `queue_ms` is filled in by the runtime.
    pub timing: Timing,
    pub likeness: Likeness,
}

/// Synchronous and CPU-bound: runs on an inference thread that lends it its sessions.
pub trait Stage: Send + Sync {
    fn name(&self) -> StageName;

    /// The pictures it looks at; others are not fetched.
    fn images(&self) -> &'static [ImageRole] {
        match self.name() {
            StageName::Ocr | StageName::Fraud => &[ImageRole::DocumentFront, ImageRole::DocumentBack],
            StageName::FaceMatch => &[ImageRole::DocumentFront, ImageRole::Selfie],
            StageName::Liveness => &[ImageRole::Selfie],
        }
    }

    fn run(&self, input: &StageInput, engine: &mut Engine) -> Outcome;
}

/// The stages of this build, as far as they are asked for.
pub fn all(wanted: &[StageName]) -> Vec<Arc<dyn Stage>> {
    let today = || jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let known: [Arc<dyn Stage>; 4] = [
        Arc::new(ocr::Ocr::new(today)),
        Arc::new(face_match::FaceMatch),
        Arc::new(liveness::Liveness),
        Arc::new(fraud::Fraud),
    ];
    known.into_iter().filter(|stage| wanted.contains(&stage.name())).collect()
}
