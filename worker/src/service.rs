//! A worker as a whole: which roles it plays, how it starts and how it drains.

use crate::inference::manifest::Manifest;
use crate::inference::{InferencePool, ModelFiles, threads_of_this_machine};
use crate::jobs::{Receiver, Runner, Settings};
use crate::stages::{self, Stage};
use crate::webhooks::Deliverer;
use anyhow::Context as _;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use txid_shared::conclude::Context;
use txid_shared::config::{self, Config, ms};
use txid_shared::queue::Source;
use txid_shared::services::Services;
use txid_shared::task::Tasks;
use txid_shared::telemetry::Metrics;
use txid_shared::words::Lane;

/// Runs stages. Dropping it does not stop it: call [`Worker::drain`].
pub struct Worker {
    jobs: Tasks,
    abandon: CancellationToken,
    settings: config::Worker,
}

/// The inference threads with the digests of what they run.
pub struct Inference {
    pub pool: InferencePool,
    pub digests: BTreeMap<String, String>,
}

impl Inference {
    /// Loads and checks the models of the configured stages and starts the threads. Blocking.
    pub fn load(config: &Config) -> anyhow::Result<Self> {
        let manifest = if config.models.manifest.as_os_str().is_empty() {
            Manifest::built_in()?
        } else {
            let path = &config.models.manifest;
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("models.manifest {}", path.display()))?;
            Manifest::parse(&text)?
        };
        let files = ModelFiles::load(&manifest, &config.models.folder(), &config.worker.stages)?;
        let threads = config.worker.threads.unwrap_or_else(threads_of_this_machine);
        let stages = stages::all(&config.worker.stages);
        Ok(Self { pool: InferencePool::start(&files, threads, stages)?, digests: files.digests() })
    }

    /// Stages without models, for tests and measurements.
    pub fn without_models(threads: usize, stages: Vec<Arc<dyn Stage>>) -> anyhow::Result<Self> {
        let engines = (0..threads.max(1)).map(|_| crate::inference::Engine::empty()).collect();
        let pool = InferencePool::with_engines(engines, stages)?;
        Ok(Self { pool, digests: BTreeMap::new() })
    }
}

impl Worker {
    /// Starts a receive loop per stage and lane.
    pub fn start(services: Services, inference: Inference, settings: &config::Worker) -> Self {
        let threads = inference.pool.threads();
        let prefetch = settings.prefetch.unwrap_or(u16::try_from(threads * 2).unwrap_or(u16::MAX));
        let places = usize::from(prefetch) * settings.stages.len() * Lane::ALL.len();
        Metrics::get().worker_has(places, threads, &inference.digests);
        let Services { context, queue, blobs } = services;
        let runner = Arc::new(Runner::new(context, blobs, inference.pool, inference.digests, settings));
        let (jobs, abandon) = (Tasks::new(), CancellationToken::new());
        for stage in &settings.stages {
            for lane in Lane::ALL {
                let receiver = Receiver {
                    queue: queue.clone(),
                    source: Source::Jobs(*stage, *lane),
                    runner: runner.clone(),
                    settings: Settings { prefetch },
                    jobs: jobs.clone(),
                    abandon: abandon.clone(),
                };
                jobs.spawn(receiver.receive());
            }
        }
        tracing::info!(?settings.stages, threads, prefetch, "worker takes jobs");
        Self { jobs, abandon, settings: settings.clone() }
    }

    /// Stops taking, lets running stages finish until the drain deadline, gives the rest back.
    pub async fn drain(self) {
        self.jobs.stop();
        if !self.jobs.drained(ms(self.settings.drain_deadline_ms)).await {
            tracing::warn!("drain deadline reached: giving running jobs back");
            self.abandon.cancel();
            self.jobs.drained(ms(1_000)).await;
        }
    }
}

/// The webhook role: due deliveries until `tasks` stops.
pub fn start_webhooks(services: &Context, settings: &config::Webhooks, tasks: &Tasks) -> anyhow::Result<()> {
    let deliverer = Deliverer::new(services.store.clone(), services.clock.clone(), settings)?;
    tasks.spawn(deliverer.deliver(tasks.clone()));
    Ok(())
}
