//! The scheduler of a fleet: HTTP API, outbox relay, sweeper, dead letters.

use clap::Parser;
use std::path::PathBuf;
use txid_shared::clock::Clock;
use txid_shared::config::{Config, ms};
use txid_shared::processor;
use txid_shared::services::Services;
use txid_shared::task::{Tasks, stop_signal};
use txid_shared::telemetry;

#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// Configuration file; `TXID__SECTION__KEY` variables override it.
    #[arg(long, env = "TXID_CONFIG")]
    config: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    processor::check()?;
    let config = Config::load(arguments.config.as_deref(), std::env::vars())?;
    let _telemetry = telemetry::init("txid-scheduler", &config.telemetry)?;
    let services = Services::open(&config, Clock::System).await?;
    let tasks = Tasks::new();
    txid_scheduler::start(services.clone(), &config, &tasks).await?;
    stop_signal().await?;
    tasks.stop();
    // The server keeps to its own deadline, and the relay's last work follows it.
    let drained = tasks.drained(ms(config.server.drain_deadline_ms) + txid_scheduler::LAST_WORK * 2).await;
    services.queue.close().await;
    services.context.store.close().await;
    tracing::info!(drained, "the scheduler ends");
    Ok(())
}
