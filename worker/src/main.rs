//! The worker process: `--role stages` (default) runs checks, `--role webhooks` delivers events.

use clap::{Parser, ValueEnum};
use std::path::PathBuf;
use txid_shared::clock::Clock;
use txid_shared::config::{Config, ms};
use txid_shared::processor;
use txid_shared::services::Services;
use txid_shared::task::{Tasks, stop_signal};
use txid_shared::telemetry;
use txid_shared::words::Stage;
use txid_worker::health;
use txid_worker::service::{self, Inference, Worker};

#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// Configuration file (TOML); TXID__SECTION__KEY overrides it.
    #[arg(long, env = "TXID_CONFIG")]
    config: Option<PathBuf>,
    /// What this process does.
    #[arg(long, value_enum, default_value = "stages")]
    role: Role,
    /// Stages to run, comma-separated, instead of `worker.stages`.
    #[arg(long, value_delimiter = ',')]
    stages: Vec<Stage>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    Stages,
    Webhooks,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    processor::check()?;
    let mut config = Config::load(arguments.config.as_deref(), std::env::vars())?;
    if !arguments.stages.is_empty() {
        config.worker.stages = arguments.stages;
    }
    let _telemetry = telemetry::init("txid-worker", &config.telemetry)?;
    let services = Services::open(&config, Clock::System).await?;
    let tasks = Tasks::new();
    let (store, partials) = (services.context.store.clone(), services.context.partials.clone());
    let worker = match arguments.role {
        Role::Stages => {
            let loading = config.clone();
            let inference = tokio::task::spawn_blocking(move || Inference::load(&loading)).await??;
            Some(Worker::start(services, inference, &config.worker))
        }
        Role::Webhooks => {
            service::start_webhooks(&services.context, &config.webhooks, &tasks)?;
            None
        }
    };
    tasks.spawn(health::serve(config.worker.listen, store, partials, tasks.stopping().clone()));
    stop_signal().await?;
    if let Some(worker) = worker {
        worker.drain().await;
    }
    tasks.stop();
    tasks.drained(ms(config.worker.drain_deadline_ms)).await;
    Ok(())
}
