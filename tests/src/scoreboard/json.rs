//! `latest.json`.

use super::calibration::Reliability;
use super::misses::Miss;
use super::{Board, GENERATED, NOTHING, Options, Set};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Under which circumstances it was measured.
pub struct About {
    pub commit: String,
    pub machine: String,
    /// Times of a development build are no figures.
    pub release_build: bool,
    pub seed: u64,
    pub per: u64,
    pub threads: usize,
    /// UTC, to the minute.
    pub at: String,
}

impl About {
    pub fn now(options: &Options) -> anyhow::Result<Self> {
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name\t: ")).unwrap_or("unknown CPU");
        let cores = std::thread::available_parallelism()?;
        let head = std::process::Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
        let commit =
            head.map_or_else(|_| String::new(), |o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
        Ok(Self {
            commit,
            machine: format!("{cores} × {model}"),
            release_build: !cfg!(debug_assertions),
            seed: options.seed,
            per: options.per,
            threads: options.threads.max(1),
            at: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
        })
    }
}

/// What kind of pictures a set holds; said wherever its figures are.
pub fn input(set: &str) -> &'static str {
    match set {
        GENERATED => {
            "generated images: specimens of people who do not exist, photographed by a capture model"
        }
        NOTHING => "generated images without a document",
        other if other.ends_with(", photographed") => {
            "images of a folder, photographed by a capture model: half generated"
        }
        _ => "images of a folder with truth",
    }
}

pub fn board(board: &Board, about: &About) -> Value {
    let sets: BTreeMap<&str, Value> =
        board.sets.iter().map(|(name, s)| (name.as_str(), set(name, s))).collect();
    json!({
        "schema": 1,
        "commit": about.commit,
        "at": about.at,
        "machine": about.machine,
        "build": if about.release_build { "release" } else { "development" },
        "threads": about.threads,
        "seed": about.seed,
        "per": about.per,
        "model_digests": board.model_digests,
        "sets": sets,
        "alarms": board.alarms(),
        "left_out": board.left_out,
        "misses": board.misses.worst().into_iter().map(miss).collect::<Vec<_>>(),
    })
}

fn set(name: &str, set: &Set) -> Value {
    let by: BTreeMap<&str, BTreeMap<&str, Value>> = set
        .by
        .iter()
        .map(|(by, labels)| (*by, labels.iter().map(|(label, f)| (label.as_str(), f.json())).collect()))
        .collect();
    let calibration: BTreeMap<&str, Value> =
        set.calibration.iter().map(|(source, r)| (source.as_str(), reliability(r))).collect();
    json!({
        "input": input(name),
        "figures": set.all.json(),
        "by": by,
        "calibration": calibration,
    })
}

fn reliability(of: &Reliability) -> Value {
    json!({
        "readings": of.count(),
        "right": of.right(),
        "expected_calibration_error": of.error(),
        "bins": of.bins(),
    })
}

fn miss(miss: &Miss) -> Value {
    let rows: Vec<Value> = miss
        .rows
        .iter()
        .map(|row| {
            json!({
                "what": row.what,
                "outcome": row.outcome,
                "expected": row.expected,
                "read": row.read,
                "confidence": row.confidence,
                "source": row.source,
            })
        })
        .collect();
    json!({ "set": miss.set, "name": miss.name, "weight": miss.weight, "rows": rows })
}
