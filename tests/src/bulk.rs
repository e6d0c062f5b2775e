//! A batch of stage-stubs through a real fleet whose processes are killed meanwhile: what a test does with a few
//! rows and a measurement with a million.

use crate::fleet::{Client, Node, Role, Space, binary};
use crate::pictures;
use anyhow::Context as _;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub rows: usize,
    /// A worker is killed this often.
    pub kill_worker_every: Duration,
    /// At which shares of the rows the scheduler is killed.
    pub kill_scheduler_at: [f64; 2],
}

#[derive(Debug)]
pub struct Report {
    /// From the submission to the last result on disk.
    pub seconds: f64,
    /// While rows were under way.
    pub rows_per_s: f64,
    pub polls: usize,
    pub workers_killed: usize,
    pub schedulers_killed: usize,
    /// After a tenth of the rows, and the most from then on.
    pub scheduler_rss_mb: (f64, f64),
    pub cli_rss_mb: (f64, f64),
}

/// Ends with an error where a row is lost or double, or a counter is wrong at any moment.
pub async fn run(plan: Plan) -> anyhow::Result<Report> {
    let mut space = Space::new().await?;
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    space.set("server.listen", &format!("127.0.0.1:{port}"));
    space.set("worker.prefetch", "64");
    space.set("database.max_connections", "24");
    space.set("sweeper.overdue_after_ms", "60000");
    space.set("batches.lease_ms", "3000");
    space.set("telemetry.filter", "warn,txid_worker::service=info,txid_scheduler::service=info");
    let (key, _) = space.account(None).await?;
    let mut scheduler = space.node(Role::Scheduler)?;
    let mut workers = vec![space.node(Role::StubWorker)?, space.node(Role::StubWorker)?];
    let client = space.client(&scheduler, &key)?;

    let manifest = space.folder().join("manifest.zip");
    archive(&manifest, plan.rows)?;
    let out = space.folder().join("results");
    let started = Instant::now();
    let mut cli = Command::new(binary("txid")?)
        .args(["batch", "run", "--country", "MA", "--type", "passport", "--verify-duplicates"])
        .arg(&manifest)
        .arg("--out")
        .arg(&out)
        .args(["--api", &format!("http://127.0.0.1:{port}")])
        .env("TXID_API_KEY", key.reveal())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(space.folder().join("cli.log"))?)
        .spawn()?;
    let mut report = Report {
        seconds: 0.0,
        rows_per_s: 0.0,
        polls: 0,
        workers_killed: 0,
        schedulers_killed: 0,
        scheduler_rss_mb: (0.0, 0.0),
        cli_rss_mb: (0.0, 0.0),
    };
    let (mut killed_at, mut under_way, mut before) = (Instant::now(), None::<Instant>, 0);
    let status = loop {
        if let Some(status) = cli.try_wait()? {
            break status;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let Some(counts) = counts(&client).await else { continue };
        report.polls += 1;
        let ended = ended(&counts)?;
        anyhow::ensure!(ended >= before, "ended rows became fewer: {before}, then {counts}");
        before = ended;
        if ended > 0 && under_way.is_none() {
            under_way = Some(Instant::now());
        }
        if ended == plan.rows && report.rows_per_s == 0.0 {
            let seconds = under_way.map_or(0.0, |since| since.elapsed().as_secs_f64());
            report.rows_per_s = plan.rows as f64 / seconds.max(0.001);
        }
        let share = ended as f64 / plan.rows as f64;
        watch_memory(share, &scheduler, &cli, &mut report);
        if share >= 1.0 {
            continue;
        }
        if killed_at.elapsed() >= plan.kill_worker_every && ended > 0 {
            workers.remove(0).kill();
            workers.push(space.node(Role::StubWorker)?);
            report.workers_killed += 1;
            killed_at = Instant::now();
        }
        if plan.kill_scheduler_at.get(report.schedulers_killed).is_some_and(|at| share >= *at) {
            scheduler.kill();
            scheduler = space.node(Role::Scheduler)?;
            report.schedulers_killed += 1;
        }
    };
    report.seconds = started.elapsed().as_secs_f64();
    let log = std::fs::read_to_string(space.folder().join("cli.log"))?;
    anyhow::ensure!(status.success(), "txid batch run ended with {status}:\n{log}\n{}", scheduler.log_text());
    check(&space, &client, &out, plan.rows).await?;
    for node in workers.into_iter().chain([scheduler]) {
        let (role, code) = (node.role, node.terminate()?);
        anyhow::ensure!(code == Some(0), "{role:?} ended with {code:?}");
    }
    space.remove().await?;
    Ok(report)
}

/// Rows that differ in nothing but their names, and the pictures that they share.
fn archive(path: &Path, rows: usize) -> anyhow::Result<()> {
    let mut zip = packed_pictures(path)?;
    zip.start_file("manifest.jsonl", large())?;
    for row in 0..rows {
        let line = json!({ "custom_id": format!("row-{row}"), "document_front": "zip:front.png",
            "selfie": "zip:selfie.png" });
        writeln!(zip, "{line}")?;
    }
    zip.finish()?;
    Ok(())
}

/// An archive with `front.png` and `selfie.png`, to be finished.
pub fn packed_pictures(path: &Path) -> anyhow::Result<zip::ZipWriter<std::fs::File>> {
    let mut zip = zip::ZipWriter::new(std::fs::File::create(path)?);
    for (name, width, height) in [("front.png", 1280, 720), ("selfie.png", 640, 640)] {
        zip.start_file(name, large())?;
        zip.write_all(&pictures::plain(width, height))?;
    }
    Ok(zip)
}

fn large() -> zip::write::SimpleFileOptions {
    zip::write::SimpleFileOptions::default().large_file(true)
}

/// Of the one batch there is; `None` while nobody answers.
async fn counts(client: &Client) -> Option<Value> {
    let answer = client.get("/v1/identity/batches").await.ok()?;
    Some(answer.body["data"].get(0)?["counts"].clone())
}

/// Rows that have ended, if the counters add up.
fn ended(counts: &Value) -> anyhow::Result<usize> {
    let number = |value: &Value| value.as_u64().and_then(|number| usize::try_from(number).ok());
    let members = counts.as_object().context("no counters")?;
    let parts = members.iter().filter(|(name, _)| *name != "total").filter_map(|(_, value)| number(value));
    let (sum, total) = (parts.sum::<usize>(), number(&counts["total"]).context("no total")?);
    anyhow::ensure!(sum == total, "counters do not add up: {counts}");
    Ok(total - number(&counts["pending"]).unwrap_or(0) - number(&counts["processing"]).unwrap_or(0))
}

fn watch_memory(share: f64, scheduler: &Node, cli: &Child, report: &mut Report) {
    if share < 0.1 {
        return;
    }
    for (process, (early, most)) in
        [(scheduler.id(), &mut report.scheduler_rss_mb), (cli.id(), &mut report.cli_rss_mb)]
    {
        let now = rss_mb(process);
        if *early == 0.0 {
            *early = now;
        }
        *most = most.max(now);
    }
}

/// Resident memory.
pub fn rss_mb(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// One verification, one line and one result for each row, and one event.
async fn check(space: &Space, client: &Client, out: &Path, rows: usize) -> anyhow::Result<()> {
    let shown = client.get("/v1/identity/batches").await?.body["data"][0].clone();
    anyhow::ensure!(shown["counts"]["verified"] == rows, "not every row is verified: {shown:#}");
    for name in ["results.jsonl", "output.jsonl"] {
        let mut seen = HashSet::new();
        let file = std::io::BufReader::new(std::fs::File::open(out.join(name))?);
        for line in file.lines() {
            let line: Value = serde_json::from_str(&line?)?;
            let custom_id = line["custom_id"].as_str().context("a line without custom_id")?.to_owned();
            anyhow::ensure!(line["status"] == "verified", "{name}: {line}");
            anyhow::ensure!(seen.insert(custom_id), "{name} has a row twice: {line}");
        }
        anyhow::ensure!(seen.len() == rows, "{name} has {} rows of {rows}", seen.len());
    }
    let database = space.database().await?;
    let count =
        async |statement: &'static str| sqlx::query_scalar::<_, i64>(statement).fetch_one(&database).await;
    let verifications = count("SELECT count(*) FROM verifications").await?;
    anyhow::ensure!(verifications == i64::try_from(rows)?, "{verifications} verifications for {rows} rows");
    let ends = count("SELECT count(*) FROM audit WHERE action = 'batch.completed'").await?;
    let events = count("SELECT count(*) FROM events WHERE type = 'identity.batch.completed'").await?;
    anyhow::ensure!((ends, events) == (1, 1), "it ended {ends} times and was told {events} times");
    let differing = count(
        "SELECT count(*) FROM batch_rows JOIN verifications ON verifications.id = verification_id
         WHERE batch_rows.state <> verifications.status",
    )
    .await?;
    anyhow::ensure!(differing == 0, "{differing} rows differ from their verifications");
    database.close().await;
    Ok(())
}
