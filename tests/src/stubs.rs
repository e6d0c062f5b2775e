//! Stages that answer at once what they are told, so that a test or a measurement is about the fleet.

use std::sync::Arc;
use std::time::Duration;
use txid_shared::partial::{
    FaceMatchOutcome, FaceMatchResult, Field, FieldSource, FraudResult, LivenessOutcome, LivenessResult,
    OcrResult, StageResult, Timing,
};
use txid_shared::words::{DocumentType, ImageRole, Stage as StageName};
use txid_worker::inference::Engine;
use txid_worker::stages::{Outcome, Stage, StageInput};

/// What a stub does besides answering.
#[derive(Debug, Clone, Copy, Default)]
pub struct Behaviour {
    /// How long a run takes.
    pub busy: Duration,
    /// Country whose cases kill the process, as a poisonous image would.
    pub deadly_country: Option<&'static str>,
}

struct Stub {
    stage: StageName,
    behaviour: Behaviour,
}

impl Stage for Stub {
    fn name(&self) -> StageName {
        self.stage
    }

    /// Looks at nothing, so nothing is fetched.
    fn images(&self) -> &'static [ImageRole] {
        &[]
    }

    fn run(&self, input: &StageInput, _engine: &mut Engine) -> Outcome {
        if input.country.as_deref().is_some_and(|country| Some(country) == self.behaviour.deadly_country) {
            std::process::abort();
        }
        if !self.behaviour.busy.is_zero() {
            std::thread::sleep(self.behaviour.busy);
        }
        let mut result = good_result(self.stage);
        // A passport has a machine-readable zone.
        if let (StageResult::Ocr(ocr), Some(DocumentType::Passport)) = (&mut result, input.document_type) {
            ocr.fields.insert("document_code".to_owned(), field("P"));
        }
        Outcome::completed(result, Timing::default())
    }
}

pub fn stages(behaviour: Behaviour) -> Vec<Arc<dyn Stage>> {
    StageName::ALL.iter().map(|stage| Arc::new(Stub { stage: *stage, behaviour }) as Arc<dyn Stage>).collect()
}

fn field(value: &str) -> Field {
    Field {
        value: value.to_owned(),
        raw: value.to_owned(),
        confidence: 0.99,
        source: FieldSource::Visual,
        image: ImageRole::DocumentFront,
        polygon: [[0.0, 0.0], [9.0, 0.0], [9.0, 9.0], [0.0, 9.0]],
    }
}

/// What the stage finds on a flawless submission.
pub fn good_result(stage: StageName) -> StageResult {
    match stage {
        StageName::Ocr => {
            let fields = [
                ("full_name", "Mohammed El Amrani"),
                ("first_name", "Mohammed"),
                ("last_name", "El Amrani"),
                ("date_of_birth", "1990-05-15"),
                ("document_number", "AE123456"),
                ("nationality", "Moroccan"),
                ("gender", "M"),
                ("expiry_date", "2058-05-14"),
                ("issue_date", "2018-05-15"),
                ("address", "123 Rue Mohammed V, Casablanca"),
            ];
            StageResult::Ocr(OcrResult {
                readable: true,
                fields: fields.into_iter().map(|(name, value)| (name.to_owned(), field(value))).collect(),
                ..OcrResult::default()
            })
        }
        StageName::FaceMatch => StageResult::FaceMatch(FaceMatchResult {
            outcome: FaceMatchOutcome::Compared { similarity: 0.92, cosine: 0.62, confidence: 0.95 },
            faces: Vec::new(),
            issues: Vec::new(),
        }),
        StageName::Liveness => StageResult::Liveness(LivenessResult {
            outcome: LivenessOutcome::Judged { spoof_probability: 0.02, spoof_type: None },
            quality_score: 0.95,
            face: None,
            issues: Vec::new(),
            frames: Vec::new(),
            judged_frame: None,
        }),
        StageName::Fraud => StageResult::Fraud(FraudResult::default()),
    }
}
