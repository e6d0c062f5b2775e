//! `txid extract|face-match|liveness|fraud`: a stage on images of your own, no service needed. One
//! JSON line per input, in input order, so that anyone can measure us.

use crate::admin;
use anyhow::Context as _;
use clap::Args;
use futures_util::StreamExt;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use txid_imaging::SourceImage;
use txid_shared::config::Config;
use txid_shared::files::read_picture;
use txid_shared::ids::VerificationId;
use txid_shared::partial::{FaceMatchOutcome, Partial, StageResult};
use txid_shared::policy::{Policy, Question, Thresholds, decide};
use txid_shared::words::{Challenge, Check, DocumentType, Lane, Stage};
use txid_worker::service::Inference;
use txid_worker::stages::{Images, Outcome, StageInput};

/// Somebody watches and can stop it: only what never ends is given up.
const LIMIT: Duration = Duration::from_secs(600);

#[derive(Args)]
pub struct Options {
    /// Images (JPEG or PNG). For face-match in pairs: A1 B1 A2 B2 …
    images: Vec<PathBuf>,
    /// Further inputs from a file, one per line (`-`: standard input). For face-match two paths per
    /// line, separated by a tab or a comma.
    #[arg(long)]
    list: Option<PathBuf>,
    /// One JSON object per line instead of text.
    #[arg(long)]
    json: bool,
    /// ISO 3166-1 alpha-2, where it is known.
    #[arg(long)]
    country: Option<String>,
    #[arg(long = "type")]
    document_type: Option<DocumentType>,
    /// Also the stage's raw partial, as the policy gets it.
    #[arg(long)]
    partial: bool,
}

/// Frames of one person who was asked to do something: all of them are one input.
#[derive(Args, Default)]
pub struct Series {
    /// Active liveness on these frames, in the order they were taken, not mirrored. One image besides
    /// is judged in place of the best frame.
    #[arg(long, num_args = 2..=16, value_name = "IMAGE")]
    frames: Vec<PathBuf>,
    /// What the person was asked to do: `blink`, `turn_left`, `turn_right`; may be repeated.
    #[arg(long, requires = "frames", default_values = ["blink"])]
    challenge: Vec<Challenge>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Extract,
    FaceMatch,
    Liveness,
    Fraud,
}

impl Kind {
    const fn check(self) -> Check {
        match self {
            Self::Extract => Check::Ocr,
            Self::FaceMatch => Check::FaceMatch,
            Self::Liveness => Check::Liveness,
            Self::Fraud => Check::Fraud,
        }
    }

    const fn images_per_input(self) -> usize {
        match self {
            Self::FaceMatch => 2,
            _ => 1,
        }
    }

    /// Which role an input's images play for the stage; the last `frames` of them are such.
    fn images(self, files: &[Arc<SourceImage>], frames: usize) -> Images {
        let (files, frames) = files.split_at(files.len().saturating_sub(frames));
        let mut images = Images { frames: frames.to_vec(), ..Images::default() };
        let first = files.first().cloned();
        match self {
            Self::Extract | Self::Fraud => images.document_front = first,
            Self::Liveness => images.selfie = first,
            Self::FaceMatch => {
                images.document_front = first;
                images.selfie = files.get(1).cloned();
            }
        }
        images
    }
}

pub async fn run(
    config: Option<PathBuf>,
    kind: Kind,
    options: Options,
    series: Series,
) -> anyhow::Result<ExitCode> {
    let mut config = admin::load(config)?;
    config.worker.stages = vec![kind.check().stage()];
    let mut inputs = inputs(kind, &options)?;
    if !series.frames.is_empty() {
        anyhow::ensure!(inputs.len() <= 1, "with --frames name at most one other image");
        inputs = vec![inputs.concat().into_iter().chain(series.frames.iter().cloned()).collect()];
    }
    anyhow::ensure!(!inputs.is_empty(), "name at least one image, or a --list");
    let loading = config.clone();
    let inference = tokio::task::spawn_blocking(move || Inference::load(&loading)).await??;
    let bench = Bench { kind, policy: policy(&config)?, inference, options, series };

    // As many at once as there are threads, and one more to be read meanwhile; printed in order.
    let at_once = bench.inference.pool.threads() + 1;
    let mut lines = futures_util::stream::iter(&inputs).map(|input| bench.examine(input)).buffered(at_once);
    let (mut out, mut refused) = (std::io::stdout().lock(), 0usize);
    while let Some(answer) = lines.next().await {
        refused += usize::from(answer.get("error").is_some());
        let text = if bench.options.json { Value::Object(answer).to_string() } else { readable(&answer) };
        if writeln!(out, "{text}").is_err() {
            // The reader went away, as `head` does.
            return Ok(ExitCode::SUCCESS);
        }
    }
    Ok(if refused == inputs.len() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn policy(config: &Config) -> anyhow::Result<Policy> {
    let file = &config.policy.file;
    if file.as_os_str().is_empty() {
        return Ok(Policy::default());
    }
    let text = std::fs::read_to_string(file).with_context(|| format!("policy.file {}", file.display()))?;
    Ok(Policy::parse(&text)?)
}

/// The images of each input.
fn inputs(kind: Kind, options: &Options) -> anyhow::Result<Vec<Vec<PathBuf>>> {
    let wanted = kind.images_per_input();
    anyhow::ensure!(options.images.len().is_multiple_of(wanted), "face-match takes images in pairs");
    let mut inputs: Vec<Vec<PathBuf>> = options.images.chunks(wanted).map(<[_]>::to_vec).collect();
    let Some(list) = &options.list else { return Ok(inputs) };
    let reader: Box<dyn BufRead> = if list == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        let file = std::fs::File::open(list).with_context(|| format!("cannot read {}", list.display()))?;
        Box::new(std::io::BufReader::new(file))
    };
    for (number, line) in reader.lines().enumerate() {
        let line = line?;
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let paths: Vec<PathBuf> = match wanted {
            1 => vec![PathBuf::from(line)],
            _ => line.split(['\t', ',']).map(|path| PathBuf::from(path.trim())).collect(),
        };
        anyhow::ensure!(paths.len() == wanted, "{}:{}: expected {wanted} paths", list.display(), number + 1);
        inputs.push(paths);
    }
    Ok(inputs)
}

struct Bench {
    kind: Kind,
    policy: Policy,
    inference: Inference,
    options: Options,
    series: Series,
}

impl Bench {
    /// Never fails as a whole: an input that cannot be used is a line with `error`.
    async fn examine(&self, paths: &[PathBuf]) -> Map<String, Value> {
        let mut answer = Map::new();
        let names: Vec<Value> = paths.iter().map(|path| json!(path.display().to_string())).collect();
        answer.insert(
            "input".to_owned(),
            if let [one] = names.as_slice() { one.clone() } else { json!(names) },
        );
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            match read_picture(path.clone()).await {
                Ok(bytes) => files.push(Arc::new(SourceImage::new(bytes))),
                Err(error) => {
                    let message = format!("{}: {error}", path.display());
                    answer
                        .insert("error".to_owned(), json!({ "code": "unreadable_file", "message": message }));
                    return answer;
                }
            }
        }
        let input = StageInput {
            images: self.kind.images(&files, self.series.frames.len()),
            country: self.options.country.clone(),
            document_type: self.options.document_type,
            ..StageInput::default()
        };
        let stage = self.kind.check().stage();
        let id = VerificationId::generate();
        match self.inference.pool.run(id, stage, input, Lane::Batch, LIMIT).await {
            Outcome::Completed(completed) => {
                let partial = Partial {
                    result: completed.result,
                    models: self.inference.digests.clone(),
                    timing: completed.timing,
                    likeness: completed.likeness,
                };
                self.describe(stage, partial, &mut answer);
            }
            Outcome::Refused { class, message } | Outcome::Retry { class, message } => {
                answer.insert("error".to_owned(), json!({ "code": class, "message": message }));
            }
        }
        answer
    }

    /// The check as the API shows it, on the top level; for face-match and liveness also the fields
    /// of the one-shot endpoints.
    fn describe(&self, stage: Stage, partial: Partial, answer: &mut Map<String, Value>) {
        let check = self.kind.check();
        let question = Question {
            checks: &[check],
            thresholds: &Thresholds::default(),
            expected: &BTreeMap::new(),
            challenges: if self.series.frames.is_empty() { &[] } else { &self.series.challenge },
            declared: None,
            repeated: None,
            looked: None,
            today: jiff::Zoned::now().date(),
        };
        if let StageResult::FaceMatch(face) = &partial.result
            && let FaceMatchOutcome::Compared { cosine, .. } = face.outcome
        {
            answer.insert("cosine".to_owned(), json!(cosine));
        }
        let raw = self.options.partial.then(|| json!(partial));
        let verdict = decide(&question, &BTreeMap::from([(stage, partial)]), &self.policy).verdict;
        let timing = verdict.timings.get(&stage).copied().unwrap_or_default();
        let shown = json!(verdict.checks);
        if let Some(Value::Object(fields)) = shown.get(check.as_str()) {
            answer.extend(fields.clone());
        }
        match self.kind {
            Kind::Extract => {
                answer.insert("extracted_data".to_owned(), json!(verdict.extracted_data));
            }
            Kind::FaceMatch => {
                let matched = answer.get("status") == Some(&json!("passed"));
                answer.insert("match".to_owned(), json!(matched));
            }
            Kind::Liveness => {
                let signals = answer.get("signals").cloned().unwrap_or_default();
                for field in ["is_live", "spoof_probability", "spoof_type"] {
                    answer.insert(field.to_owned(), signals.get(field).cloned().unwrap_or_default());
                }
            }
            Kind::Fraud => {}
        }
        answer.insert("timing".to_owned(), json!(timing));
        if let Some(raw) = raw {
            answer.insert("partial".to_owned(), raw);
        }
    }
}

fn readable(answer: &Map<String, Value>) -> String {
    let text = |key: &str| {
        answer.get(key).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let mut line = format!("{}: ", text("input").unwrap_or_default());
    if let Some(message) = answer.get("error").and_then(|error| error["message"].as_str()) {
        line.push_str(&format!("error: {message}"));
        return line;
    }
    line.push_str(&text("status").unwrap_or_default());
    for key in ["similarity", "spoof_probability", "risk_score"] {
        if let Some(value) = text(key).filter(|value| value != "null") {
            line.push_str(&format!("  {key} {value}"));
        }
    }
    if let Some(fields) = answer.get("extracted_data").and_then(Value::as_object) {
        for (name, value) in fields.iter().filter(|(_, value)| value.is_string()) {
            line.push_str(&format!("\n    {name}: {}", value.as_str().unwrap_or_default()));
        }
    }
    for challenge in
        answer.get("active").and_then(|active| active["challenges"].as_array()).into_iter().flatten()
    {
        let said = |key: &str| challenge[key].as_str().unwrap_or_default();
        let (measured, threshold) = (&challenge["measured"], &challenge["threshold"]);
        line.push_str(&format!(
            "\n    {}: {} ({measured} measured, {threshold} asked for): {}",
            said("type"),
            said("status"),
            said("message")
        ));
    }
    for reason in answer.get("reasons").and_then(Value::as_array).into_iter().flatten() {
        line.push_str(&format!(
            "\n    {}",
            reason.get("message").and_then(Value::as_str).unwrap_or_default()
        ));
    }
    line
}
