//! `txid batch run --local`: a standalone of its own, kept under the results until the batch has ended.

use super::client::{Client, body};
use super::place::{LOCAL, Place};
use super::{Given, PAUSED, STATE, to_the_end, unless_insisted};
use crate::admin;
use crate::up::Standalone;
use anyhow::Context as _;
use reqwest::Method;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use txid_shared::api::Batch;
use txid_shared::config::{Config, LogFormat};
use txid_shared::task::StopSignals;
use txid_shared::telemetry;

pub(super) async fn run(
    config: Option<PathBuf>,
    manifest: &Path,
    out: &Path,
    files: Option<PathBuf>,
    given: &Given,
) -> anyhow::Result<ExitCode> {
    let signals = StopSignals::listen();
    let manifest = manifest.canonicalize().with_context(|| format!("cannot read {}", manifest.display()))?;
    let files = match &files {
        Some(folder) => {
            Some(folder.canonicalize().with_context(|| format!("cannot read {}", folder.display()))?)
        }
        None => manifest.parent().map(Path::to_path_buf),
    };
    let from = files.as_deref().unwrap_or(Path::new("/")).display();
    let place = Place::open(out, &manifest, given, &format!("{LOCAL}{from}")).await?;
    let mut config = admin::load(config)?;
    config.server.listen.set_port(0);
    config.batches.local_files = files;
    config.telemetry.format = LogFormat::Text;
    if std::env::var_os("TXID__TELEMETRY__FILTER").is_none() {
        config.telemetry.filter = "error".to_owned();
    }
    let _telemetry = telemetry::init("txid-batch", &config.telemetry)?;
    let ended = unless_insisted(&signals, work(config, &place, &manifest, given, &signals)).await;
    // Nothing personal stays but the results; a run that was interrupted goes on from there.
    if ended.as_ref().is_ok_and(|code| *code != ExitCode::from(PAUSED)) {
        std::fs::remove_dir_all(out.join(STATE))?;
    }
    ended
}

async fn work(
    config: Config,
    place: &Place,
    manifest: &Path,
    given: &Given,
    signals: &StopSignals,
) -> anyhow::Result<ExitCode> {
    let data = place.out.join(STATE).join("standalone");
    eprintln!("starting: models, a private Postgres under {}", data.display());
    let mut starting = std::pin::pin!(Standalone::start(config, &data));
    let standalone = tokio::select! {
        started = &mut starting => started?,
        () = signals.once.cancelled() => {
            eprintln!("stopping as soon as the start is through; Ctrl-C again ends at once");
            starting.await?.stop().await?;
            eprintln!("stopped before anything was submitted");
            return Ok(ExitCode::from(PAUSED));
        }
    };
    let client = Client::new(&format!("http://{}", standalone.address), standalone.api_key.clone())?;
    let submitting = async {
        let mut body = body(given);
        let key = if is_zip(manifest) { "archive" } else { "manifest" };
        body[key] = json!(format!("file:{}", manifest.display()));
        if let Some(archive) = &given.archive {
            body["archive"] = json!(format!("file:{}", archive.canonicalize()?.display()));
        }
        let batch: Batch = client.call(Method::POST, "/batches", Some(body)).await?;
        Ok(batch.id.to_string())
    };
    let ended = to_the_end(&client, place, given.validate_only, submitting, signals).await;
    standalone.stop().await?;
    ended
}

pub(super) fn is_zip(manifest: &Path) -> bool {
    manifest.extension().is_some_and(|kind| kind == "zip")
}
