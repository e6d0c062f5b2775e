//! `txid batch`: bulk work from the command line, through a running API or through a standalone of its own.

mod client;

use crate::admin;
use crate::up::Standalone;
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use client::{Client, body};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reqwest::Method;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::task::JoinHandle;
use txid_shared::api::Batch;
use txid_shared::config::LogFormat;
use txid_shared::task::{Tasks, stop_signal};
use txid_shared::telemetry;
use txid_shared::words::BatchStatus;

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Where a run keeps what it needs to go on.
const STATE: &str = ".txid";
const RESULTS: &str = "results.jsonl";

/// Exit codes for scripts: ended with rows without a verdict, did not complete, and interrupted.
const WITH_ERRORS: u8 = 3;
const NOT_COMPLETED: u8 = 4;
const PAUSED: u8 = 5;

#[derive(Args)]
pub struct Server {
    /// Ask this API; the key is taken from TXID_API_KEY.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    api: String,
}

#[derive(Subcommand)]
pub enum BatchCommand {
    /// Submit a manifest, watch it, fetch the results. Ctrl-C pauses; the same command goes on.
    ///
    /// Exit status: 0 every row has a verdict, 3 some have none, 4 it did not complete, 5 paused, 1 it could not run.
    Run {
        /// JSONL, CSV or ZIP.
        manifest: PathBuf,
        /// Folder for the results.
        #[arg(long)]
        out: PathBuf,
        /// Without a server: a standalone of its own, whose data stay under the results' folder until the end.
        /// References may then be `file:` paths, relative to the manifest's folder.
        #[arg(long)]
        local: bool,
        #[command(flatten)]
        given: Given,
        #[command(flatten)]
        server: Server,
    },
    /// Submit a manifest and print the batch's id.
    Submit {
        manifest: PathBuf,
        #[command(flatten)]
        given: Given,
        #[command(flatten)]
        server: Server,
    },
    /// Print how a batch stands, as JSON.
    Status {
        id: String,
        #[command(flatten)]
        server: Server,
    },
    /// Watch a batch to its end.
    Watch {
        id: String,
        #[command(flatten)]
        server: Server,
    },
    /// Fetch the results and files of a batch that has ended.
    Results {
        id: String,
        #[arg(long)]
        out: PathBuf,
        #[command(flatten)]
        server: Server,
    },
    /// Begin a batch that was submitted with --validate-only.
    Confirm {
        id: String,
        #[command(flatten)]
        server: Server,
    },
    /// Begin no further rows; those under way end.
    Pause {
        id: String,
        #[command(flatten)]
        server: Server,
    },
    /// Go on with a paused batch.
    Resume {
        id: String,
        #[command(flatten)]
        server: Server,
    },
    /// End a batch: rows without a verdict end as cancelled.
    Cancel {
        id: String,
        #[command(flatten)]
        server: Server,
    },
}

/// What rows have where they do not say otherwise, and how the batch is treated.
#[derive(Args)]
pub struct Given {
    /// ISO 3166-1 alpha-2
    #[arg(long)]
    country: Option<String>,
    #[arg(long = "type")]
    document_type: Option<String>,
    /// Comma-separated.
    #[arg(long, value_delimiter = ',')]
    checks: Vec<String>,
    #[arg(long)]
    name: Option<String>,
    /// Check every row, verify none, and wait for `txid batch confirm`.
    #[arg(long)]
    validate_only: bool,
    /// Give up when more than so many percent of the rows fail.
    #[arg(long)]
    failure_threshold_percent: Option<f64>,
    /// Verify rows although an earlier one shows the same document.
    #[arg(long)]
    verify_duplicates: bool,
}

pub async fn run(config: Option<PathBuf>, command: BatchCommand) -> anyhow::Result<ExitCode> {
    match command {
        BatchCommand::Run { manifest, out, local: true, given, .. } => {
            local(config, &manifest, &out, &given).await
        }
        BatchCommand::Run { manifest, out, local: false, given, server } => {
            let client = Client::of(&server)?;
            let place = Place::open(&out, &manifest, &client::body(&given), &server.api).await?;
            let mut stopped = Tasks::new().spawn(stop_signal());
            to_the_end(&client, &place, client.submit(&manifest, &given), &mut stopped).await
        }
        BatchCommand::Submit { manifest, given, server } => {
            println!("{}", Client::of(&server)?.submit(&manifest, &given).await?);
            Ok(ExitCode::SUCCESS)
        }
        BatchCommand::Status { id, server } => {
            let batch: Value =
                Client::of(&server)?.call(Method::GET, &format!("/batches/{id}"), None).await?;
            println!("{batch:#}");
            Ok(ExitCode::SUCCESS)
        }
        BatchCommand::Watch { id, server } => {
            let client = Client::of(&server)?;
            let watching = watch(&client, &id);
            tokio::select! {
                batch = watching => Ok(told(&batch?)),
                stopped = stop_signal() => stopped.map(|()| ExitCode::from(PAUSED)).map_err(Into::into),
            }
        }
        BatchCommand::Results { id, out, server } => {
            let client = Client::of(&server)?;
            let batch = client.batch(&id).await?;
            client.fetch(&batch, &out).await?;
            Ok(told(&batch))
        }
        BatchCommand::Confirm { id, server } => Client::of(&server)?.steer(&id, "confirm").await,
        BatchCommand::Pause { id, server } => Client::of(&server)?.steer(&id, "pause").await,
        BatchCommand::Resume { id, server } => Client::of(&server)?.steer(&id, "resume").await,
        BatchCommand::Cancel { id, server } => Client::of(&server)?.steer(&id, "cancel").await,
    }
}

/// A standalone of its own, kept under the results until the batch has ended.
async fn local(
    config: Option<PathBuf>,
    manifest: &Path,
    out: &Path,
    given: &Given,
) -> anyhow::Result<ExitCode> {
    let manifest = manifest.canonicalize().with_context(|| format!("cannot read {}", manifest.display()))?;
    let place = Place::open(out, &manifest, &body(given), "local").await?;
    let mut stopped = Tasks::new().spawn(stop_signal());
    let mut config = admin::load(config)?;
    config.server.listen.set_port(0);
    config.batches.local_files = manifest.parent().map(Path::to_path_buf);
    config.telemetry.format = LogFormat::Text;
    if std::env::var_os("TXID__TELEMETRY__FILTER").is_none() {
        config.telemetry.filter = "error".to_owned();
    }
    let _telemetry = telemetry::init("txid-batch", &config.telemetry)?;
    let data = out.join(STATE).join("standalone");
    eprintln!("starting: models, a private Postgres under {}", data.display());
    let standalone = Standalone::start(config, &data).await?;
    if stopped.is_finished() {
        standalone.stop().await?;
        eprintln!("stopped before anything was submitted");
        return Ok(ExitCode::from(PAUSED));
    }
    let client = Client::new(&format!("http://{}", standalone.address), standalone.api_key.clone())?;
    let submitting = async {
        let mut body = body(given);
        let key = if manifest.extension().is_some_and(|kind| kind == "zip") { "archive" } else { "manifest" };
        body[key] = json!(format!("file:{}", manifest.display()));
        let batch: Batch = client.call(Method::POST, "/batches", Some(body)).await?;
        Ok(batch.id.to_string())
    };
    let ended = to_the_end(&client, &place, submitting, &mut stopped).await;
    standalone.stop().await?;
    // Nothing personal stays but the results; a run that was interrupted goes on from there.
    if ended.as_ref().is_ok_and(|code| *code != ExitCode::from(PAUSED)) {
        std::fs::remove_dir_all(out.join(STATE))?;
    }
    ended
}

/// A results' folder that nobody else works in, and the batch that it remembers.
struct Place {
    out: PathBuf,
    remembered: PathBuf,
    batch: Option<String>,
    /// What the batch was made of: another manifest or other options are another batch.
    fingerprint: String,
    /// Held as long as this process lives.
    _lock: std::fs::File,
}

impl Place {
    async fn open(out: &Path, manifest: &Path, options: &Value, api: &str) -> anyhow::Result<Self> {
        let digest = digest(manifest.to_owned()).await?;
        let fingerprint = txid_shared::sha256_hex(format!("{digest} {options} {api}").as_bytes());
        let state = out.join(STATE);
        std::fs::create_dir_all(&state).with_context(|| format!("cannot create {}", state.display()))?;
        let lock = std::fs::File::create(state.join("lock"))?;
        lock.try_lock().with_context(|| format!("another txid batch works in {}", out.display()))?;
        let remembered = state.join("batch");
        let batch = match std::fs::read_to_string(&remembered) {
            Ok(text) => {
                let (id, made_of) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
                if made_of != fingerprint {
                    bail!(
                        "{} holds {id} of another manifest, other options or another server: choose another --out",
                        out.display()
                    );
                }
                Some(id.to_owned())
            }
            Err(_) if out.join(RESULTS).exists() => {
                bail!("{} holds results already: choose another --out, or remove them", out.display());
            }
            Err(_) => None,
        };
        Ok(Self { out: out.to_owned(), remembered, batch, fingerprint, _lock: lock })
    }

    fn forget(&self) -> std::io::Result<()> {
        std::fs::remove_file(&self.remembered)?;
        let state = self.out.join(STATE);
        std::fs::remove_file(state.join("lock"))?;
        // Not where a standalone lives in it.
        drop(std::fs::remove_dir(&state));
        Ok(())
    }
}

/// sha256 of a file of any size.
async fn digest(path: PathBuf) -> anyhow::Result<String> {
    let shown = path.display().to_string();
    let reading = tokio::task::spawn_blocking(move || {
        let mut digest = txid_shared::Digest::default();
        std::io::copy(&mut std::fs::File::open(path)?, &mut digest)?;
        Ok::<_, std::io::Error>(digest.hex())
    });
    reading.await?.with_context(|| format!("cannot read {shown}"))
}

/// Submits, or goes on with what the results' folder remembers; watches; fetches.
async fn to_the_end(
    client: &Client,
    place: &Place,
    submitting: impl Future<Output = anyhow::Result<String>>,
    stopped: &mut JoinHandle<std::io::Result<()>>,
) -> anyhow::Result<ExitCode> {
    let id = match &place.batch {
        Some(id) => {
            let batch = client.batch(id).await?;
            eprintln!("going on with {id}, which is {}", batch.status);
            if batch.status == BatchStatus::Paused {
                client.steer(id, "resume").await?;
            }
            id.clone()
        }
        None => {
            let id = submitting.await?;
            write_whole(&place.remembered, format!("{id} {}", place.fingerprint).as_bytes())?;
            eprintln!("batch {id}");
            id
        }
    };
    let watching = watch(client, &id);
    let batch = tokio::select! {
        batch = watching => batch?,
        stopped = stopped => {
            stopped??;
            // It may have ended meanwhile, or be waiting for somebody else.
            let paused = client.steer(&id, "pause").await.is_ok();
            let how = if paused { "paused" } else { "left" };
            eprintln!("{how}; rows under way end first; the same command goes on");
            return Ok(ExitCode::from(PAUSED));
        }
    };
    if batch.status == BatchStatus::AwaitingConfirmation {
        println!("{}", serde_json::to_string_pretty(&batch.preflight)?);
        eprintln!("checked, nothing was verified: txid batch confirm {id}, then the same command again");
        return Ok(ExitCode::from(PAUSED));
    }
    client.fetch(&batch, &place.out).await?;
    place.forget()?;
    Ok(told(&batch))
}

/// The last word, and what a script makes of it.
fn told(batch: &Batch) -> ExitCode {
    let counts = &batch.counts;
    eprintln!(
        "{}: {} rows, {} verified, {} failed, {} to review, {} errors, {} duplicates, {} cancelled, {} expired",
        batch.status,
        counts.total,
        counts.verified,
        counts.failed,
        counts.manual_review,
        counts.error,
        counts.duplicate,
        counts.cancelled,
        counts.expired
    );
    if let Some(error) = &batch.error {
        eprintln!("{}: {}", error.code, error.message);
    }
    match batch.status {
        BatchStatus::Completed if counts.error == 0 => ExitCode::SUCCESS,
        BatchStatus::Completed => ExitCode::from(WITH_ERRORS),
        status if status.is_terminal() => ExitCode::from(NOT_COMPLETED),
        _ => ExitCode::from(PAUSED),
    }
}

/// Until it has ended, or waits for somebody.
async fn watch(client: &Client, id: &str) -> anyhow::Result<Batch> {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = "{msg:>12} {wide_bar} {pos}/{len} {prefix} {eta}";
    bar.set_style(ProgressStyle::with_template(style)?);
    let mut last = String::new();
    loop {
        let batch = client.batch(id).await?;
        let counts = batch.counts;
        bar.set_length(u64::try_from(counts.total).unwrap_or_default());
        bar.set_position(u64::try_from(counts.ended()).unwrap_or_default());
        bar.set_message(batch.status.as_str());
        bar.set_prefix(format!(
            "{:.1}/s ok {} no {} ? {} err {}",
            batch.rows_per_second, counts.verified, counts.failed, counts.manual_review, counts.error
        ));
        // Where nobody draws, a line for each change of status and each tenth.
        let tenth = if counts.total > 0 { counts.ended() * 10 / counts.total } else { 0 };
        let line = format!("{} {}0%", batch.status, tenth);
        if bar.is_hidden() && line != last {
            eprintln!("{line}: {} of {}, {:.1}/s", counts.ended(), counts.total, batch.rows_per_second);
            last = line;
        }
        let waits = matches!(batch.status, BatchStatus::AwaitingConfirmation | BatchStatus::Paused);
        if batch.status.is_terminal() || (waits && counts.processing == 0) {
            bar.finish_and_clear();
            return Ok(batch);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let partly = path.with_extension("part");
    let mut file = std::fs::File::create(&partly)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(std::fs::rename(&partly, path)?)
}
