//! The API as `txid batch` uses it.

use super::place::private;
use super::{Given, Server};
use anyhow::{Context as _, anyhow, bail};
use reqwest::{Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use txid_shared::api::{Batch, ErrorBody};
use txid_shared::config::Secret;
use txid_shared::files::regular;
use txid_shared::words::BatchFile;

/// Rows of one page of results.
const PAGE: u32 = 100;
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A server that is restarted is waited for this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a batch is opened with, but for its manifest.
pub(super) fn body(given: &Given) -> Value {
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

pub(super) struct Client {
    http: reqwest::Client,
    api: String,
    key: Secret,
    /// Whether the server was ever there: an address that is misspelt is not waited for.
    answered: AtomicBool,
}

#[derive(Deserialize)]
struct Opened {
    id: String,
    url: String,
}

#[derive(Deserialize)]
struct Page {
    /// As they came: taken apart, a page would take ten times the memory.
    data: Vec<Box<RawValue>>,
    next_cursor: Option<String>,
}

impl Client {
    pub(super) fn of(server: &Server) -> anyhow::Result<Self> {
        let key = std::env::var("TXID_API_KEY").context("TXID_API_KEY: the key for the API is not set")?;
        Self::new(&server.api, Secret::new(key.trim()))
    }

    pub(super) fn new(api: &str, key: Secret) -> anyhow::Result<Self> {
        txid_shared::use_ring_for_tls();
        let http = reqwest::Client::builder().no_proxy().build()?;
        let api = format!("{}/v1/identity", api.trim_end_matches('/'));
        Ok(Self { http, api, key, answered: AtomicBool::new(false) })
    }

    /// A server that is away for a moment is asked again: `GET` changes nothing.
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Response> {
        let (begun, mut is_told) = (Instant::now(), false);
        loop {
            let mut request = self
                .http
                .request(method.clone(), format!("{}{path}", self.api))
                .bearer_auth(self.key.reveal());
            if let Some(body) = &body {
                request = request.json(body);
            }
            let why = match request.send().await {
                Ok(answer) => {
                    self.answered.store(true, Ordering::Relaxed);
                    let status = answer.status();
                    let may_change = status.is_server_error() && method == Method::GET;
                    if !may_change && status != StatusCode::TOO_MANY_REQUESTS {
                        return checked(answer).await;
                    }
                    anyhow!("{path}: the API answered {status}")
                }
                Err(error) if method == Method::GET && self.answered.load(Ordering::Relaxed) => error.into(),
                Err(error) => return Err(error.into()),
            };
            if begun.elapsed() > PATIENCE {
                return Err(why);
            }
            if !std::mem::replace(&mut is_told, true) {
                let cause = why.root_cause();
                eprintln!("{} does not answer ({cause}); asked again for {} s", self.api, PATIENCE.as_secs());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    pub(super) async fn call<T: for<'de> Deserialize<'de>>(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<T> {
        Ok(self.ask(method, path, body).await?.json().await?)
    }

    pub(super) async fn batch(&self, id: &str) -> anyhow::Result<Batch> {
        self.call(Method::GET, &format!("/batches/{id}"), None).await
    }

    pub(super) async fn steer(&self, id: &str, what: &str) -> anyhow::Result<ExitCode> {
        let batch: Batch = self.call(Method::POST, &format!("/batches/{id}/{what}"), None).await?;
        eprintln!("{id} is {}", batch.status);
        Ok(ExitCode::SUCCESS)
    }

    /// Opens a batch of the rows without a verdict of one that has ended, and says which.
    pub(super) async fn retry_failed(&self, id: &str) -> anyhow::Result<ExitCode> {
        let batch: Batch = self.call(Method::POST, &format!("/batches/{id}/retry-failed"), None).await?;
        println!("{}", batch.id);
        Ok(ExitCode::SUCCESS)
    }

    pub(super) async fn delete(&self, id: &str) -> anyhow::Result<ExitCode> {
        let _: Value = self.call(Method::DELETE, &format!("/batches/{id}"), None).await?;
        eprintln!("{id} and all verifications of it are erased");
        Ok(ExitCode::SUCCESS)
    }

    /// Uploads the manifest, and its archive, in one stream each and opens a batch on them.
    pub(super) async fn submit(&self, manifest: &Path, given: &Given) -> anyhow::Result<String> {
        let mut request = body(given);
        request["manifest"] = json!(self.upload(manifest).await?);
        if let Some(archive) = &given.archive {
            request["archive"] = json!(self.upload(archive).await?);
        }
        let batch: Batch = self.call(Method::POST, "/batches", Some(request)).await?;
        Ok(batch.id.to_string())
    }

    /// The reference to what was uploaded.
    async fn upload(&self, path: &Path) -> anyhow::Result<String> {
        let unreadable = || format!("cannot read {}", path.display());
        regular(path).with_context(unreadable)?;
        let file = tokio::fs::File::open(path).await.with_context(unreadable)?;
        let size = file.metadata().await?.len();
        let Opened { id, url } = self.call(Method::POST, "/uploads", None).await?;
        let content = reqwest::Body::wrap_stream(tokio_util::io::ReaderStream::new(file));
        let sent =
            self.http.put(url).header(reqwest::header::CONTENT_LENGTH, size).body(content).send().await?;
        checked(sent).await?;
        Ok(format!("upload:{id}"))
    }

    /// Every row with its verification, and the batch's files: each under a temporary name first.
    pub(super) async fn fetch(&self, batch: &Batch, out: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(out)?;
        let path = out.join("results.jsonl");
        let partly = out.join("results.jsonl.part");
        let mut file = std::io::BufWriter::new(private(&partly)?);
        let mut cursor: Option<String> = None;
        loop {
            let after = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let path = format!("/batches/{}/results?limit={PAGE}{after}", batch.id);
            let page: Page = self.call(Method::GET, &path, None).await?;
            for row in &page.data {
                file.write_all(row.get().as_bytes())?;
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
            self.fetch_file(batch, file, out).await?;
            if file == BatchFile::Output {
                self.file(batch, "output?format=csv", &out.join("output.csv")).await?;
            }
        }
        eprintln!("results in {}", out.display());
        Ok(())
    }

    pub(super) async fn fetch_file(&self, batch: &Batch, file: BatchFile, out: &Path) -> anyhow::Result<()> {
        let kind = if file == BatchFile::Manifest { "json" } else { "jsonl" };
        self.file(batch, file.as_str(), &out.join(format!("{file}.{kind}"))).await
    }

    async fn file(&self, batch: &Batch, name: &str, to: &Path) -> anyhow::Result<()> {
        let mut answer = self.ask(Method::GET, &format!("/batches/{}/files/{name}", batch.id), None).await?;
        let partly = to.with_extension("part");
        let mut file = private(&partly)?;
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
