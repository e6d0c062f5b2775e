//! The standalone: scheduler, all stages and webhooks in one process, on the same code path as the
//! fleet. Jobs and partials stay in memory, everything that must survive is in a private Postgres.

use crate::admin;
use crate::postgres::{self, PrivatePostgres};
use anyhow::Context as _;
use clap::Args;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use txid_shared::blobs::crypto::MasterKeys;
use txid_shared::clock::Clock;
use txid_shared::config::{Config, LogFormat, Secret, ms};
use txid_shared::services::Services;
use txid_shared::store::Store;
use txid_shared::task::{Tasks, stop_signal};
use txid_shared::telemetry;
use txid_worker::service::{Inference, Worker, start_webhooks};

#[derive(Args)]
pub struct Options {
    /// Where data is kept. Default: ~/.local/share/txid
    #[arg(long, env = "TXID_DATA")]
    data: Option<PathBuf>,
    /// Address of the API instead of `server.listen`.
    #[arg(long)]
    listen: Option<SocketAddr>,
}

/// Everything in this process, running.
pub struct Standalone {
    pub address: SocketAddr,
    pub api_key: Secret,
    /// Signs deliveries to a request's own `webhook_url`; known only when the data folder is new.
    pub webhook_secret: Option<Secret>,
    worker: Worker,
    tasks: Tasks,
    postgres: PrivatePostgres,
    drain_deadline: std::time::Duration,
}

pub async fn run(config: Option<PathBuf>, options: Options) -> anyhow::Result<ExitCode> {
    let mut config = admin::load(config)?;
    config.telemetry.format = readable(&config);
    if let Some(listen) = options.listen {
        config.server.listen = listen;
    }
    let _telemetry = telemetry::init("txid-standalone", &config.telemetry)?;
    let data = options.data.map_or_else(default_data_folder, Ok)?;
    let standalone = Standalone::start(config, &data).await?;
    println!("API        http://{}", standalone.address);
    println!("Try it     http://{}/docs", standalone.address);
    println!("API key    {}   (also in {})", standalone.api_key.reveal(), data.join("api-key").display());
    println!("Data       {}", data.display());
    println!("Ctrl-C stops; nothing that was accepted is lost.");
    stop_signal().await?;
    standalone.stop().await?;
    Ok(ExitCode::SUCCESS)
}

/// JSON only where somebody asked for it: here a person reads.
fn readable(config: &Config) -> LogFormat {
    match std::env::var("TXID__TELEMETRY__FORMAT") {
        Ok(_) => config.telemetry.format,
        Err(_) => LogFormat::Text,
    }
}

fn default_data_folder() -> anyhow::Result<PathBuf> {
    let home = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share")))
        .context("neither XDG_DATA_HOME nor HOME is set: name a folder with --data")?;
    Ok(home.join("txid"))
}

impl Standalone {
    /// `config` says how; where things are is decided here, under `data`.
    pub async fn start(mut config: Config, data: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(data).with_context(|| format!("cannot create {}", data.display()))?;
        let data = data.canonicalize()?;
        // Before anything that takes long: somebody who starts twice hears so at once.
        let claim = postgres::claim(&data)?;
        // Models first: the longest part, and the likeliest to be missing.
        let loading = config.clone();
        let inference = tokio::task::spawn_blocking(move || Inference::load(&loading)).await??;
        let postgres = postgres::start(claim).await?;

        config.database.url = Secret::new(postgres.url());
        config.broker.url = Secret::new("");
        config.redis.url = Secret::new("");
        config.blobs.url = format!("file://{}", data.join("blobs").display());
        if config.keys.master.is_empty() {
            let entry =
                kept_secret(&data.join("master-key"), || Ok(Secret::new(MasterKeys::generate_entry("k1")?)))?;
            config.keys.master = vec![entry];
        }
        Store::migrate(&config.database).await?;
        let services = Services::open(&config, Clock::System).await?;

        let (api_key, webhook_secret) = match std::fs::read_to_string(data.join("api-key")) {
            Ok(known) => (Secret::new(known.trim()), None),
            Err(_) => {
                let (key, webhook_secret) = admin::full_key(&services, "default").await?;
                kept_secret(&data.join("api-key"), || Ok(key.clone()))?;
                if let Some(secret) = &webhook_secret {
                    kept_secret(&data.join("webhook-secret"), || Ok(secret.clone()))?;
                }
                (key, webhook_secret)
            }
        };

        let tasks = Tasks::new();
        start_webhooks(&services.context, &config.webhooks, &tasks)?;
        let worker = Worker::start(services.clone(), inference, &config.worker);
        let drain_deadline = ms(config.server.drain_deadline_ms) + txid_scheduler::LAST_WORK;
        let address = txid_scheduler::start(services, &config, &tasks).await?;
        Ok(Self { address, api_key, webhook_secret, worker, tasks, postgres, drain_deadline })
    }

    /// Callers first, then running stages, then the database.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.tasks.stop();
        tokio::join!(self.tasks.drained(self.drain_deadline), self.worker.drain());
        self.postgres.stop().await
    }
}

/// Reads the file, or creates it for the owner alone.
fn kept_secret(path: &Path, create: impl FnOnce() -> anyhow::Result<Secret>) -> anyhow::Result<Secret> {
    use std::io::Write;
    if let Ok(known) = std::fs::read_to_string(path) {
        return Ok(Secret::new(known.trim()));
    }
    let secret = create()?;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    writeln!(file, "{}", secret.reveal())?;
    file.sync_all()?;
    Ok(secret)
}
