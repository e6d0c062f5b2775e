//! `make pictures`: a fleet on real models under load, watched by a Prometheus; then each dashboard is drawn from what
//! that saw.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Parser;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use txid_tests::fleet::{Client, Role, Space};
use txid_tests::prometheus::Prometheus;
use txid_tests::receiver::Receiver;
use txid_worker::inference::manifest::default_cache_folder;

#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value_t = 240)]
    seconds: u64,
    /// One that has matplotlib.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    #[arg(long, default_value = "deploy/grafana/pictures")]
    out: PathBuf,
}

/// The sandbox's generated submissions, as bodies of calls.
fn submissions(folder: &Path) -> anyhow::Result<Vec<Value>> {
    let text = std::fs::read(folder.join("fixtures.json")).context("no fixtures: run `make models`")?;
    let catalogue: Value = serde_json::from_slice(&text)?;
    let fixtures = catalogue["fixtures"].as_array().context("no list of fixtures")?;
    fixtures.iter().map(|fixture| submission(folder, fixture)).collect()
}

fn submission(folder: &Path, fixture: &Value) -> anyhow::Result<Value> {
    let mut body = json!({ "country": fixture["country"], "document_type": fixture["document_type"],
        "checks": fixture["checks"] });
    for image in fixture["images"].as_array().context("no images")? {
        let (side, file) = (image["side"].as_str(), image["file"].as_str());
        let bytes = std::fs::read(folder.join(file.context("no file")?))?;
        body[side.context("no side")?] = STANDARD.encode(bytes).into();
    }
    Ok(body)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { seconds, python, out } = Arguments::parse();
    let submissions = submissions(&default_cache_folder().join("fixtures"))?;
    let space = Space::new().await?;
    let receiver = Receiver::start().await?;
    let (key, _) = space.account(Some(&receiver.url)).await?;
    let scheduler = space.node(Role::Scheduler)?;
    let worker = space.node(Role::Worker)?;
    let webhooks = space.node(Role::Webhooks)?;
    let prometheus = Prometheus::start("groups: []").await?;
    prometheus.watch(&[&scheduler, &worker, &webhooks]).await?;
    let client = space.client(&scheduler, &key)?;
    let started = Instant::now();
    let mut batches = 0;
    for number in 0.. {
        let share = started.elapsed().as_secs_f64() / seconds as f64;
        if share >= 1.0 {
            break;
        }
        if share > f64::from(batches + 1) * 0.25 {
            open_batch(&client, &submissions, batches).await?;
            batches += 1;
        }
        let mut body = submissions[number % submissions.len()].clone();
        body["mode"] = "async".into();
        client.submit(&body).await?;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
    }
    let taken = started.elapsed().as_secs();
    std::fs::create_dir_all(&out)?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/monitoring/pictures.py");
    let drawn = tokio::process::Command::new(python)
        .arg(script)
        .args(["--prometheus", &prometheus.url, "--seconds", &taken.to_string()])
        .arg("--out")
        .arg(&out)
        .status()
        .await?;
    anyhow::ensure!(drawn.success(), "the pictures were not drawn: {drawn}");
    for node in [worker, webhooks, scheduler] {
        node.kill();
    }
    space.remove().await
}

/// The same people once more, as rows.
async fn open_batch(client: &Client, submissions: &[Value], number: u32) -> anyhow::Result<()> {
    let rows: Vec<Value> = (0..10)
        .map(|row| {
            let mut body = submissions[row % submissions.len()].clone();
            body["custom_id"] = format!("{number}-{row}").into();
            body
        })
        .collect();
    let body = json!({ "rows": rows, "verify_duplicates": true, "row_events": true });
    let opened = client.post("/v1/identity/batches", &body).await?;
    anyhow::ensure!(opened.status < 300, "{} {}", opened.status, opened.body);
    Ok(())
}
