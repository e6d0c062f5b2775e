//! The floor: the stages as plain calls, images in memory, decoding included; no broker, database,
//! object store or encryption. What a program on this machine can reach at best.

use super::Sample;
use anyhow::Context;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use txid_shared::words::{DocumentType, Stage};
use txid_worker::inference::ModelFiles;
use txid_worker::stages::{Outcome, StageInput, all};

pub(crate) struct Floor {
    pub per_s: f64,
    /// Mean CPU-milliseconds of each stage.
    pub stages: BTreeMap<&'static str, Cost>,
}

#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Cost {
    pub decode_ms: f32,
    pub models_ms: f32,
    pub total_ms: f32,
}

pub(crate) fn measure(
    files: &ModelFiles,
    samples: &[Sample],
    verifications: usize,
    threads: usize,
) -> anyhow::Result<Floor> {
    let stages = all(Stage::ALL);
    let engines = (0..threads).map(|_| files.engine()).collect::<Result<Vec<_>, _>>()?;
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    let costs = std::thread::scope(|scope| {
        let workers: Vec<_> = engines
            .into_iter()
            .map(|mut engine| {
                let (stages, next) = (&stages, &next);
                scope.spawn(move || {
                    let mut costs = BTreeMap::<&'static str, Cost>::new();
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= verifications {
                            return Ok(costs);
                        }
                        let sample = samples.get(number % samples.len()).context("no samples")?;
                        let input = StageInput {
                            images: sample.images(),
                            country: Some("MA".to_owned()),
                            document_type: Some(DocumentType::NationalId),
                            ..StageInput::default()
                        };
                        for stage in stages {
                            engine.take_models_ms();
                            let Outcome::Completed(completed) = stage.run(&input, &mut engine) else {
                                anyhow::bail!("{} did not complete", stage.name());
                            };
                            let cost = costs.entry(stage.name().as_str()).or_default();
                            cost.decode_ms += completed.timing.decode_ms;
                            cost.models_ms += completed.timing.models_ms;
                            cost.total_ms += completed.timing.total_ms;
                        }
                    }
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?)
            .collect::<anyhow::Result<Vec<_>>>()
    })?;
    let seconds = started.elapsed().as_secs_f64();
    let mut stages = BTreeMap::<&'static str, Cost>::new();
    for (stage, cost) in costs.into_iter().flatten() {
        let mean = stages.entry(stage).or_default();
        mean.decode_ms += cost.decode_ms / verifications as f32;
        mean.models_ms += cost.models_ms / verifications as f32;
        mean.total_ms += cost.total_ms / verifications as f32;
    }
    Ok(Floor { per_s: verifications as f64 / seconds, stages })
}
