//! `face_match`: is the person on the selfie the one on the document?

pub(super) mod embedding;
mod similarity;

pub use similarity::{OPERATING_COSINE, OPERATING_SIMILARITY, similarity};

use super::faces::{self, Face, FaceError, FaceQuality};
use super::{Outcome, Stage, StageClock, StageFailure, StageInput};
use crate::inference::{Engine, Model};
use std::sync::Arc;
use txid_imaging::{ImageError, RgbImage, perceptual_hash, warp_similarity};
use txid_shared::likeness::{FaceCode, Front, Likeness};
use txid_shared::partial::{FaceMatchOutcome, FaceMatchResult, StageResult};
use txid_shared::words::{ImageRole, Stage as StageName};

/// Takes `document_front` and `selfie`. A missing face and several faces are results, never a match.
#[derive(Debug, Default)]
pub struct FaceMatch;

impl Stage for FaceMatch {
    fn name(&self) -> StageName {
        StageName::FaceMatch
    }

    fn run(&self, input: &StageInput, engine: &mut Engine) -> Outcome {
        let mut clock = StageClock::start(engine);
        match compare(input, engine, &mut clock) {
            Ok((result, likeness)) => {
                Outcome::completed(StageResult::FaceMatch(result), clock.timing(engine))
                    .with_likeness(likeness)
            }
            Err(failure) => failure.into_outcome(),
        }
    }
}

/// Side of what counts as the portrait, in sides of the face's box: with hair and collar.
const PORTRAIT_OF_FACE: f32 = 1.6;
const PORTRAIT_PX: u32 = 128;

/// A picture with the face in it that counts.
struct Subject {
    role: ImageRole,
    picture: Arc<RgbImage>,
    face: Face,
}

fn compare(
    input: &StageInput,
    engine: &mut Engine,
    clock: &mut StageClock,
) -> Result<(FaceMatchResult, Likeness), StageFailure> {
    let document = largest_face(input, ImageRole::DocumentFront, engine, clock)?;
    let selfie = largest_face(input, ImageRole::Selfie, engine, clock)?;
    let found = |(subject, _): &(Option<Subject>, usize)| {
        subject.as_ref().map(|subject| subject.face.found(subject.role))
    };
    let faces = [&document, &selfie].into_iter().filter_map(found).collect();
    let mut likeness = match input.likeness {
        true => pictures(document.0.as_ref(), selfie.0.as_ref()).unwrap_or_default(),
        false => Likeness::default(),
    };
    let without = |outcome| FaceMatchResult { outcome, faces, issues: Vec::new() };
    // Documents often carry a second, smaller print of the portrait: only the selfie can have
    // several people on it.
    let (document, (selfie, comparable)) = match (document.0, selfie) {
        (None, _) => {
            return Ok((without(FaceMatchOutcome::NoFace { image: ImageRole::DocumentFront }), likeness));
        }
        (_, (None, _)) => {
            return Ok((without(FaceMatchOutcome::NoFace { image: ImageRole::Selfie }), likeness));
        }
        (Some(document), (Some(selfie), comparable)) => (document, (selfie, comparable)),
    };
    if comparable > 1 {
        let outcome = FaceMatchOutcome::SeveralFaces { image: ImageRole::Selfie, count: comparable };
        return Ok((without(outcome), likeness));
    }
    let person = embedding::embed(engine, &selfie.picture, &selfie.face)?;
    let cosine = embedding::cosine(&embedding::embed(engine, &document.picture, &document.face)?, &person);
    let model = engine.digests(&[Model::FaceEmbedding]).into_values().next().unwrap_or_default();
    likeness.face = input.likeness.then(|| FaceCode::new(&model, &person));
    let qualities = [&document, &selfie].map(|subject| FaceQuality::of(&subject.picture, &subject.face));
    let [document_quality, selfie_quality] = qualities;
    let outcome = FaceMatchOutcome::Compared {
        similarity: similarity(cosine),
        cosine,
        confidence: document_quality.score().min(selfie_quality.score()),
    };
    let mut result = without(outcome);
    for (quality, whose) in [(document_quality, "document portrait"), (selfie_quality, "selfie")] {
        result.issues.extend(quality.issues().into_iter().map(|mut issue| {
            issue.message = format!("{whose}: {}", issue.message);
            issue
        }));
    }
    Ok((result, likeness))
}

/// What tells the pictures again.
fn pictures(document: Option<&Subject>, selfie: Option<&Subject>) -> Result<Likeness, ImageError> {
    let front = |subject: &Subject| {
        let portrait = warp_similarity(
            &subject.picture,
            &subject.face.square(PORTRAIT_OF_FACE, PORTRAIT_PX),
            PORTRAIT_PX,
        );
        Ok(Front { whole: perceptual_hash(&subject.picture)?, portrait: perceptual_hash(&portrait)? })
    };
    Ok(Likeness {
        front: document.map(front).transpose()?,
        selfie: selfie.map(|subject| perceptual_hash(&subject.picture)).transpose()?,
        face: None,
    })
}

/// The largest face of an image, and how many compete with it.
fn largest_face(
    input: &StageInput,
    role: ImageRole,
    engine: &mut Engine,
    clock: &mut StageClock,
) -> Result<(Option<Subject>, usize), StageFailure> {
    let source = input.images.get(role).ok_or(StageFailure::MissingImage(role))?;
    let picture = clock.decoding(|| source.decoded()).map_err(StageFailure::image(role))?;
    let faces = faces::find(engine, &picture).map_err(|error| match error {
        FaceError::Image(source) => StageFailure::Image { role, source },
        FaceError::Inference(error) => error.into(),
    })?;
    let count = faces::comparable(&faces);
    Ok((faces.into_iter().next().map(|face| Subject { role, picture, face }), count))
}
