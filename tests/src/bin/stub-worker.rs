//! The worker's own runtime with stub stages: what fault tests kill and benchmarks measure.

use std::time::Duration;
use txid_shared::clock::Clock;
use txid_shared::config::Config;
use txid_shared::services::Services;
use txid_shared::task::{Tasks, stop_signal};
use txid_shared::telemetry;
use txid_tests::stubs::{self, Behaviour};
use txid_worker::health;
use txid_worker::service::{Inference, Worker};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::load(None, std::env::vars())?;
    let _telemetry = telemetry::init("stub-worker", &config.telemetry)?;
    let busy_ms = std::env::var("STUB_BUSY_MS").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let deadly_country = std::env::var("STUB_DEADLY").is_ok().then_some("FR");
    let behaviour = Behaviour { busy: Duration::from_millis(busy_ms), deadly_country };
    let threads = config.worker.threads.unwrap_or(2);
    let inference = Inference::without_models(threads, stubs::stages(behaviour))?;
    let services = Services::open(&config, Clock::System).await?;
    let (store, partials) = (services.context.store.clone(), services.context.partials.clone());
    let worker = Worker::start(services, inference, &config.worker);
    let tasks = Tasks::new();
    tasks.spawn(health::serve(config.worker.listen, store, partials, tasks.stopping().clone()));
    stop_signal().await?;
    worker.drain().await;
    tasks.stop();
    Ok(())
}
