//! What attacks and trouble make of the stages, on a folder of generated specimens: whether documents are
//! readable and contradict themselves, faces, liveness, fraud signals. How well fields and zones are read
//! is `make scoreboard`.
//!
//! ```text
//! cargo run -p txid-specimens -- --out DIR --count 40 --seed 100
//! cargo run -p txid-tests --example measure_specimens -- DIR [--show]
//! ```
//!
//! What it prints was measured on generated images; quote it as such.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use txid_imaging::SourceImage;
use txid_shared::partial::{
    Agreement, FaceMatchOutcome, FaceMatchResult, FraudResult, LivenessOutcome, LivenessResult, OcrResult,
    StageResult,
};
use txid_shared::words::{DocumentType, Stage as StageName};
use txid_worker::inference::manifest::{Manifest, default_cache_folder};
use txid_worker::inference::{Engine, ModelFiles};
use txid_worker::stages::face_match::FaceMatch;
use txid_worker::stages::fraud::Fraud;
use txid_worker::stages::liveness::Liveness;
use txid_worker::stages::ocr::Ocr;
use txid_worker::stages::{Images, Outcome, Stage, StageInput};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let show = arguments.iter().any(|a| a == "--show");
    let folder = arguments.iter().find(|a| !a.starts_with("--")).context("give a folder of specimens")?;
    let mut truths: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    truths.retain(|path| path.extension().is_some_and(|e| e == "json"));
    truths.sort();
    let stages = [StageName::Ocr, StageName::FaceMatch, StageName::Liveness, StageName::Fraud];
    let mut engine = ModelFiles::load(&Manifest::built_in()?, &default_cache_folder(), &stages)?.engine()?;
    let mut figures = Figures { show, ..Figures::default() };
    for path in &truths {
        measure(path, &mut engine, &mut figures).with_context(|| path.display().to_string())?;
    }
    println!("{} submissions, generated images", truths.len());
    figures.print();
    Ok(())
}

/// Counts by what was compared.
#[derive(Default)]
struct Figures {
    show: bool,
    /// By attack.
    faces: BTreeMap<String, Vec<String>>,
    liveness: BTreeMap<String, usize>,
    unreadable: BTreeMap<String, [usize; 2]>,
    conflicts: BTreeMap<String, [usize; 2]>,
    /// By signal, then attack: the highest score on a side of each submission.
    fraud: BTreeMap<String, BTreeMap<String, Vec<f32>>>,
}

fn measure(path: &Path, engine: &mut Engine, figures: &mut Figures) -> Result<()> {
    let truth: Value = serde_json::from_slice(&std::fs::read(path)?)?;
    let text = |name: &str| truth.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let picture = |role: &str| {
        let path = path.with_extension(format!("{role}.jpg"));
        std::fs::read(path).ok().map(|bytes| Arc::new(SourceImage::new(bytes)))
    };
    let input = StageInput {
        images: Images {
            document_front: picture("document_front"),
            document_back: picture("document_back"),
            selfie: picture("selfie"),
            ..Images::default()
        },
        country: Some(text("country")),
        document_type: Some(text("document_type").parse::<DocumentType>()?),
        ..StageInput::default()
    };
    let attack = text("attack");
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let stages: [&dyn Stage; 4] = [&Ocr::default(), &FaceMatch, &Liveness, &Fraud];
    for stage in stages {
        let result = match stage.run(&input, engine) {
            Outcome::Completed(completed) => completed.result,
            Outcome::Retry { class, message } | Outcome::Refused { class, message } => {
                bail!("{}: {class}: {message}", stage.name())
            }
        };
        match result {
            StageResult::Ocr(ocr) => figures.ocr(&name, &attack, &ocr),
            StageResult::FaceMatch(face) => figures.face(&attack, &truth, &face),
            StageResult::Liveness(liveness) => figures.liveness(&truth, &liveness),
            StageResult::Fraud(fraud) => figures.fraud(&attack, &fraud),
            StageResult::Unable(unable) => bail!("unable: {}", unable.class),
        }
    }
    Ok(())
}

impl Figures {
    fn ocr(&mut self, name: &str, attack: &str, ocr: &OcrResult) {
        let readable = self.unreadable.entry(attack.to_owned()).or_default();
        readable[usize::from(ocr.readable)] += 1;
        let conflict = ocr.comparisons.iter().any(|c| c.outcome == Agreement::Conflict);
        self.conflicts.entry(attack.to_owned()).or_default()[usize::from(conflict)] += 1;
        if self.show && attack != "blurred" {
            for c in ocr.comparisons.iter().filter(|c| c.outcome == Agreement::Conflict) {
                println!("{name}: {c:?}");
            }
        }
    }

    fn face(&mut self, attack: &str, truth: &Value, face: &FaceMatchResult) {
        let photograph = |at: Option<&Value>| {
            at.and_then(|f| f.get("photograph")).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let faces = truth.get("faces").and_then(Value::as_array);
        let pair = format!(
            "{}/{}",
            photograph(faces.and_then(|f| f.first())),
            photograph(faces.and_then(|f| f.last()))
        );
        let outcome = match &face.outcome {
            FaceMatchOutcome::Compared { similarity, .. } => format!("{similarity:.2}"),
            FaceMatchOutcome::NoFace { image } => format!("no face on {image}"),
            FaceMatchOutcome::SeveralFaces { image, count } => format!("{count} faces on {image}"),
        };
        self.faces.entry(format!("{attack} {pair}")).or_default().push(outcome);
    }

    fn liveness(&mut self, truth: &Value, liveness: &LivenessResult) {
        let selfie = truth.get("faces").and_then(Value::as_array).and_then(|f| f.last());
        let photograph = selfie.and_then(|f| f.get("photograph")).and_then(Value::as_str).unwrap_or_default();
        let outcome = match &liveness.outcome {
            LivenessOutcome::Judged { spoof_probability, .. } => format!("spoof {spoof_probability:.2}"),
            LivenessOutcome::Inconclusive { why } => format!("inconclusive: {why}"),
            LivenessOutcome::NoFace => "no face".to_owned(),
            LivenessOutcome::SeveralFaces { count } => format!("{count} faces"),
        };
        *self.liveness.entry(format!("{photograph}: {outcome}")).or_default() += 1;
    }

    fn fraud(&mut self, attack: &str, fraud: &FraudResult) {
        let mut highest: BTreeMap<String, f32> = BTreeMap::new();
        for signal in &fraud.signals {
            let score = highest.entry(format!("{:?}", signal.kind)).or_default();
            *score = score.max(signal.score);
        }
        for (kind, score) in highest {
            self.fraud.entry(kind).or_default().entry(attack.to_owned()).or_default().push(score);
        }
    }

    fn print(&self) {
        println!("\nattack                     readable    not   conflict  none");
        for (attack, [not, readable]) in &self.unreadable {
            let [none, conflict] = self.conflicts.get(attack).copied().unwrap_or_default();
            println!("  {attack:<24} {readable:>8} {not:>6} {conflict:>10} {none:>5}");
        }
        println!("\nface match (attack portrait/selfie: similarities)");
        for (pair, outcomes) in &self.faces {
            println!("  {pair}: {}", outcomes.join(" "));
        }
        println!("\nliveness");
        for (outcome, count) in &self.liveness {
            println!("  {outcome}: {count}");
        }
        println!("\nfraud: highest score of a submission's sides, least..median..most");
        for (kind, attacks) in &self.fraud {
            for (attack, scores) in attacks {
                let mut sorted = scores.clone();
                sorted.sort_by(f32::total_cmp);
                let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
                let (least, median, most) = (at(0), at(sorted.len() / 2), at(sorted.len().saturating_sub(1)));
                println!("  {kind:<18} {attack:<24} {least:.2}..{median:.2}..{most:.2} of {}", sorted.len());
            }
        }
    }
}
