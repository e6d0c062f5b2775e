//! `txid batch`: bulk work from the command line, through a running API or through a standalone of its own.

use crate::admin;
use crate::up::Standalone;
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reqwest::{Method, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use txid_shared::api::{Batch, ErrorBody};
use txid_shared::config::{LogFormat, Secret};
use txid_shared::task::stop_signal;
use txid_shared::telemetry;
use txid_shared::words::{BatchFile, BatchStatus};

/// Rows of one page of results.
const PAGE: u32 = 500;
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A server that is restarted is waited for this long.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where a run keeps what it needs to go on.
const STATE: &str = ".txid";

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
    Pause {
        id: String,
        #[command(flatten)]
        server: Server,
    },
    Resume {
        id: String,
        #[command(flatten)]
        server: Server,
    },
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
            to_the_end(&client, &out, client.submit(&manifest, &given)).await
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
    let mut config = admin::load(config)?;
    config.server.listen.set_port(0);
    config.batches.local_files = true;
    config.batches.files_folder = manifest.parent().map(Path::to_path_buf).unwrap_or_default();
    config.telemetry.format = LogFormat::Text;
    if std::env::var_os("TXID__TELEMETRY__FILTER").is_none() {
        config.telemetry.filter = "error".to_owned();
    }
    let _telemetry = telemetry::init("txid-batch", &config.telemetry)?;
    let data = out.join(STATE).join("standalone");
    eprintln!("starting: models, a private Postgres under {}", data.display());
    let standalone = Standalone::start(config, &data).await?;
    let client = Client::new(&format!("http://{}", standalone.address), standalone.api_key.clone())?;
    let submitting = async {
        let mut body = body(given);
        let key = if manifest.extension().is_some_and(|kind| kind == "zip") { "archive" } else { "manifest" };
        body[key] = json!(format!("file:{}", manifest.display()));
        let batch: Batch = client.call(Method::POST, "/batches", Some(body)).await?;
        Ok(batch.id.to_string())
    };
    let ended = to_the_end(&client, out, submitting).await;
    standalone.stop().await?;
    // Nothing personal stays but the results; a run that was interrupted goes on from there.
    if ended.as_ref().is_ok_and(|code| *code != ExitCode::from(PAUSED)) {
        std::fs::remove_dir_all(out.join(STATE))?;
    }
    ended
}

/// Submits, or goes on with what the results' folder remembers; watches; fetches.
async fn to_the_end(
    client: &Client,
    out: &Path,
    submitting: impl Future<Output = anyhow::Result<String>>,
) -> anyhow::Result<ExitCode> {
    let state = out.join(STATE);
    std::fs::create_dir_all(&state).with_context(|| format!("cannot create {}", state.display()))?;
    let remembered = state.join("batch");
    let id = match std::fs::read_to_string(&remembered) {
        Ok(id) => {
            let id = id.trim().to_owned();
            let batch = client.batch(&id).await?;
            eprintln!("going on with {id}, which is {}", batch.status);
            if batch.status == BatchStatus::Paused {
                client.steer(&id, "resume").await?;
            }
            id
        }
        Err(_) => {
            let id = submitting.await?;
            write_whole(&remembered, id.as_bytes())?;
            eprintln!("batch {id}");
            id
        }
    };
    let watching = watch(client, &id);
    let batch = tokio::select! {
        batch = watching => batch?,
        stopped = stop_signal() => {
            stopped?;
            // It may have ended meanwhile, or be waiting for somebody else.
            let paused = client.steer(&id, "pause").await.is_ok();
            let how = if paused { "paused" } else { "left" };
            eprintln!("{how}; the same command goes on");
            return Ok(ExitCode::from(PAUSED));
        }
    };
    if batch.status == BatchStatus::AwaitingConfirmation {
        println!("{}", serde_json::to_string_pretty(&batch.preflight)?);
        eprintln!("checked, nothing was verified: txid batch confirm {id}, then the same command again");
        return Ok(ExitCode::from(PAUSED));
    }
    client.fetch(&batch, out).await?;
    std::fs::remove_file(&remembered)?;
    // Empty unless a standalone lives there.
    drop(std::fs::remove_dir(&state));
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

fn body(given: &Given) -> Value {
    let mut defaults = BTreeMap::new();
    if let Some(country) = &given.country {
        defaults.insert("country", json!(country));
    }
    if let Some(document_type) = &given.document_type {
        defaults.insert("document_type", json!(document_type));
    }
    if !given.checks.is_empty() {
        defaults.insert("checks", json!(given.checks));
    }
    json!({
        "name": given.name,
        "defaults": defaults,
        "validate_only": given.validate_only,
        "failure_threshold_percent": given.failure_threshold_percent,
        "verify_duplicates": given.verify_duplicates,
    })
}

struct Client {
    http: reqwest::Client,
    api: String,
    key: Secret,
}

#[derive(Deserialize)]
struct Opened {
    id: String,
    url: String,
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Value>,
    next_cursor: Option<String>,
}

impl Client {
    fn of(server: &Server) -> anyhow::Result<Self> {
        let key = std::env::var("TXID_API_KEY").context("TXID_API_KEY: the key for the API is not set")?;
        Self::new(&server.api, Secret::new(key.trim()))
    }

    fn new(api: &str, key: Secret) -> anyhow::Result<Self> {
        txid_shared::use_ring_for_tls();
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { http, api: format!("{}/v1/identity", api.trim_end_matches('/')), key })
    }

    /// A server that is away for a moment is asked again: `GET` changes nothing.
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Response> {
        let begun = std::time::Instant::now();
        loop {
            let mut request = self
                .http
                .request(method.clone(), format!("{}{path}", self.api))
                .bearer_auth(self.key.reveal());
            if let Some(body) = &body {
                request = request.json(body);
            }
            let why = match request.send().await {
                Ok(answer) if answer.status().is_server_error() && method == Method::GET => {
                    format!("{path}: the API answered {}", answer.status())
                }
                Ok(answer) if answer.status().as_u16() == 429 => format!("{path}: too many requests"),
                Ok(answer) => return checked(answer).await,
                Err(error) if method == Method::GET => error.to_string(),
                Err(error) => return Err(error.into()),
            };
            if begun.elapsed() > PATIENCE {
                bail!("{why}");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn call<T: for<'de> Deserialize<'de>>(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<T> {
        Ok(self.ask(method, path, body).await?.json().await?)
    }

    async fn batch(&self, id: &str) -> anyhow::Result<Batch> {
        self.call(Method::GET, &format!("/batches/{id}"), None).await
    }

    async fn steer(&self, id: &str, what: &str) -> anyhow::Result<ExitCode> {
        let batch: Batch = self.call(Method::POST, &format!("/batches/{id}/{what}"), None).await?;
        eprintln!("{id} is {}", batch.status);
        Ok(ExitCode::SUCCESS)
    }

    /// Uploads the manifest in one stream and opens a batch on it.
    async fn submit(&self, manifest: &Path, given: &Given) -> anyhow::Result<String> {
        let file = tokio::fs::File::open(manifest).await;
        let file = file.with_context(|| format!("cannot read {}", manifest.display()))?;
        let size = file.metadata().await?.len();
        let Opened { id, url } = self.call(Method::POST, "/uploads", None).await?;
        let body = reqwest::Body::wrap_stream(tokio_util::io::ReaderStream::new(file));
        let sent = self.http.put(url).header(reqwest::header::CONTENT_LENGTH, size).body(body).send().await?;
        checked(sent).await?;
        let mut request = crate::batch::body(given);
        request["manifest"] = json!(format!("upload:{id}"));
        let batch: Batch = self.call(Method::POST, "/batches", Some(request)).await?;
        Ok(batch.id.to_string())
    }

    /// Every row with its verification, and the batch's files: each under a temporary name first.
    async fn fetch(&self, batch: &Batch, out: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(out)?;
        let path = out.join("results.jsonl");
        let partly = out.join("results.jsonl.part");
        let mut file = std::io::BufWriter::new(std::fs::File::create(&partly)?);
        let mut cursor: Option<String> = None;
        loop {
            let after = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let path = format!("/batches/{}/results?limit={PAGE}{after}", batch.id);
            let page: Page = self.call(Method::GET, &path, None).await?;
            for row in &page.data {
                serde_json::to_writer(&mut file, row)?;
                file.write_all(b"\n")?;
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(&partly, &path)?;
        let files =
            batch.files.as_ref().map(|files| files.keys().copied().collect::<Vec<_>>()).unwrap_or_default();
        for file in files {
            let kind = if file == BatchFile::Manifest { "json" } else { "jsonl" };
            self.file(batch, file.as_str(), &out.join(format!("{file}.{kind}"))).await?;
            if file == BatchFile::Output {
                self.file(batch, "output?format=csv", &out.join("output.csv")).await?;
            }
        }
        eprintln!("results in {}", out.display());
        Ok(())
    }

    async fn file(&self, batch: &Batch, name: &str, to: &Path) -> anyhow::Result<()> {
        let mut answer = self.ask(Method::GET, &format!("/batches/{}/files/{name}", batch.id), None).await?;
        let partly = to.with_extension("part");
        let mut file = std::fs::File::create(&partly)?;
        while let Some(part) = answer.chunk().await? {
            file.write_all(&part)?;
        }
        file.sync_all()?;
        Ok(std::fs::rename(&partly, to)?)
    }
}

async fn checked(answer: Response) -> anyhow::Result<Response> {
    if answer.status().is_success() {
        return Ok(answer);
    }
    let status = answer.status();
    match answer.json::<ErrorBody>().await {
        Ok(ErrorBody { error }) => {
            let param = error.param.map(|param| format!(" ({param})")).unwrap_or_default();
            bail!("{}{param}", error.message)
        }
        Err(_) => bail!("the API answered {status}"),
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let partly = path.with_extension("part");
    let mut file = std::fs::File::create(&partly)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(std::fs::rename(&partly, path)?)
}
