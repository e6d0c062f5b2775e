//! `txid batch`: bulk work from the command line, through a running API or through a standalone of its own.

mod client;
mod local;
mod place;
mod progress;

use anyhow::bail;
use clap::{Args, Subcommand};
use client::Client;
use place::Place;
use progress::{told, told_of_check, watch};
use reqwest::Method;
use serde_json::Value;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use txid_shared::task::{StopSignals, stop_signal};
use txid_shared::words::{BatchFile, BatchStatus};

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
    /// Exit status: 0 every row has a verdict, 3 some have none, 4 it did not complete, 5 paused, 1 it could not run;
    /// with --validate-only 0 no row has faults, 3 some have.
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
        /// With --local: folder that `file:` paths start from and may not leave. Default: the manifest's.
        #[arg(long, requires = "local", value_name = "FOLDER")]
        files: Option<PathBuf>,
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
    /// Submit the rows without a verdict of a batch that has ended again, and print the new batch's id.
    RetryFailed {
        id: String,
        #[command(flatten)]
        server: Server,
    },
    /// Erase a batch that has ended, with its files and all its verifications.
    Delete {
        id: String,
        #[command(flatten)]
        server: Server,
    },
}

/// What rows have where they do not say otherwise, and how the batch is treated.
#[derive(Args)]
pub struct Given {
    /// ZIP archive that `zip:` references point into, for a manifest beside it, such as the errors of another batch.
    #[arg(long, value_name = "FILE")]
    archive: Option<PathBuf>,
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
    /// Check every row and verify none: the same command without this, or `txid batch confirm`, verifies.
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
        BatchCommand::Run { manifest, out, local: true, files, given, .. } => {
            local::run(config, &manifest, &out, files, &given).await
        }
        BatchCommand::Run { manifest, out, local: false, given, server, .. } => {
            let (client, signals) = (Client::of(&server)?, StopSignals::listen());
            let place = Place::open(&out, &manifest, &given, &server.api).await?;
            let submitting = client.submit(&manifest, &given);
            unless_insisted(&signals, to_the_end(&client, &place, given.validate_only, submitting, &signals))
                .await
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
            let seen = progress::Seen::default();
            tokio::select! {
                batch = watch(&client, &id, &seen) => Ok(told(&batch?)),
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
        BatchCommand::RetryFailed { id, server } => Client::of(&server)?.retry_failed(&id).await,
        BatchCommand::Delete { id, server } => Client::of(&server)?.delete(&id).await,
    }
}

/// Where somebody will not wait for the end, it ends here: what was begun goes on with the same command.
async fn unless_insisted(
    signals: &StopSignals,
    work: impl Future<Output = anyhow::Result<ExitCode>>,
) -> anyhow::Result<ExitCode> {
    tokio::select! {
        ended = work => ended,
        () = signals.twice.cancelled() => {
            eprintln!("ended at once; the same command goes on");
            // A return would wait for threads that are in the middle of something.
            std::process::exit(i32::from(PAUSED))
        }
    }
}

/// Submits, or goes on with what the results' folder remembers; watches; fetches.
async fn to_the_end(
    client: &Client,
    place: &Place,
    validate_only: bool,
    submitting: impl Future<Output = anyhow::Result<String>>,
    signals: &StopSignals,
) -> anyhow::Result<ExitCode> {
    let id = match going_on(client, place, validate_only).await? {
        Some(id) => id,
        None => {
            let id = submitting.await?;
            place.remember(&id)?;
            eprintln!("batch {id}");
            id
        }
    };
    let seen = progress::Seen::default();
    let watching = async {
        let batch = watch(client, &id, &seen).await?;
        if batch.status != BatchStatus::AwaitingConfirmation || validate_only {
            return Ok(batch);
        }
        // It was checked before, and the same is to be verified now.
        client.steer(&id, "confirm").await?;
        watch(client, &id, &seen).await
    };
    let batch = tokio::select! {
        batch = watching => batch?,
        () = signals.once.cancelled() => {
            eprintln!(
                "pausing: {} rows are under way, and what runs of them ends first; Ctrl-C again ends at once",
                seen.processing()
            );
            // It may have ended meanwhile, or be waiting for somebody else.
            let paused = client.steer(&id, "pause").await.is_ok();
            let how = if paused { "paused" } else { "left" };
            eprintln!("{how}; the same command goes on");
            return Ok(ExitCode::from(PAUSED));
        }
    };
    if let (BatchStatus::AwaitingConfirmation, Some(found)) = (batch.status, &batch.preflight) {
        client.fetch_file(&batch, BatchFile::Preflight, &place.out).await?;
        println!("{}", serde_json::to_string_pretty(found)?);
        let code = told_of_check(found);
        eprintln!("each fault with its line: {}", place.out.join("preflight.jsonl").display());
        let or = if place.is_local() { String::new() } else { format!(", or txid batch confirm {id},") };
        eprintln!("the same command without --validate-only{or} verifies; a mended manifest begins anew");
        return Ok(code);
    }
    if !batch.was_begun() {
        // There is nothing to fetch, and what is mended may have the same folder.
        place.forget()?;
        return Ok(told(&batch));
    }
    client.fetch(&batch, &place.out).await?;
    place.forget()?;
    place.explain_errors(&batch);
    Ok(told(&batch))
}

/// The batch that the results' folder remembers. One that was only checked makes room for what was mended.
async fn going_on(client: &Client, place: &Place, validate_only: bool) -> anyhow::Result<Option<String>> {
    let Some(id) = &place.batch else { return Ok(None) };
    let batch = client.batch(id).await?;
    let is_waiting = batch.status == BatchStatus::AwaitingConfirmation;
    if let Some(what) = place.of_something_else {
        if !is_waiting {
            return Err(place.taken(what));
        }
        client.steer(id, "cancel").await?;
        return Ok(None);
    }
    eprintln!("going on with {id}, which is {}", batch.status);
    if validate_only && batch.was_begun() {
        bail!("{id} is being verified already: leave --validate-only out to go on with it");
    }
    if batch.status == BatchStatus::Paused {
        client.steer(id, "resume").await?;
    }
    Ok(Some(id.clone()))
}
