//! `make demo`: five submissions through a standalone, verdicts and webhooks in a table. Ends non-zero
//! if a verdict differs from what the truth demands.

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Parser;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use txid::up::Standalone;
use txid_shared::config::{Config, LogFormat};
use txid_shared::task::stop_signal;
use txid_shared::telemetry;
use txid_specimens::demo::{DemoSubmission, submissions};
use txid_specimens::{Assets, Generator};
use txid_tests::fleet::Client;
use txid_tests::receiver::Receiver;

const SEED: u64 = 2026;
/// Describes the endpoint that the demo registers for itself.
const RECEIVER: &str = "make demo: its own receiver";
const WEBHOOK_WITHIN: Duration = Duration::from_secs(20);

#[derive(Parser)]
struct Arguments {
    /// Where images, verdicts and data are put.
    #[arg(long, default_value = "target/demo")]
    out: PathBuf,
    /// Keep running afterwards.
    #[arg(long)]
    stay: bool,
}

struct Told {
    name: &'static str,
    right: bool,
    status: String,
    reasons: String,
    stages: String,
    seconds: f64,
    webhook: &'static str,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let mut config = Config::load(None, std::env::vars())?;
    config.telemetry.format = LogFormat::Text;
    config.telemetry.filter = "error".to_owned();
    config.webhooks.allow_networks.push("127.0.0.0/8".to_owned());
    if !arguments.stay {
        config.server.listen.set_port(0);
    }
    let _telemetry = telemetry::init("txid-demo", &config.telemetry)?;

    eprintln!("Rendering five submissions (fictitious people, portraits from public-domain photographs) …");
    let cases = submissions(&Generator::new(Assets::load(&Assets::default_cache())?), SEED)?;
    let images = arguments.out.join("images");
    for case in &cases {
        write_images(&images, case)?;
    }

    eprintln!("Starting the standalone: API, stages on real models, webhooks, private Postgres …");
    let standalone = Standalone::start(config, &arguments.out.join("data")).await?;
    let client = Client::new(standalone.address, &standalone.api_key)?;
    let receiver = Receiver::start().await?;
    forget_receivers(&client).await?;
    let endpoint = json!({ "url": receiver.url, "description": RECEIVER });
    let endpoint = client.post("/v1/developers/webhooks", &endpoint).await?;
    let secret =
        endpoint.body["secret"].as_str().with_context(|| format!("no webhook secret: {endpoint:?}"))?;

    let mut table = Vec::new();
    for case in &cases {
        table.push(run(&client, &receiver, secret, case, &arguments.out).await?);
    }
    print_table(&table);
    println!("\nImages and verdicts: {}", arguments.out.display());
    println!(
        "Figures on generated images say nothing about real ones; see MODELS.md for what was measured on real ones."
    );

    if arguments.stay {
        println!(
            "API http://{0}  docs http://{0}/docs  key {1}",
            standalone.address,
            standalone.api_key.reveal()
        );
        stop_signal().await?;
    }
    standalone.stop().await?;
    let wrong = table.iter().filter(|told| !told.right).count();
    if wrong > 0 {
        eprintln!("{wrong} of {} differ from what the truth demands", table.len());
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Receivers of earlier runs on this data folder: nobody listens there any more.
async fn forget_receivers(client: &Client) -> anyhow::Result<()> {
    loop {
        let listed = client.get("/v1/developers/webhooks?limit=100").await?;
        let ours: Vec<&Value> =
            array(&listed.body["data"]).filter(|endpoint| endpoint["description"] == RECEIVER).collect();
        for endpoint in &ours {
            let id = endpoint["id"].as_str().unwrap_or_default();
            client.delete(&format!("/v1/developers/webhooks/{id}")).await?;
        }
        if ours.is_empty() {
            return Ok(());
        }
    }
}

fn file_name(case: &DemoSubmission) -> String {
    case.name.replace([' ', '\''], "-")
}

fn write_images(folder: &std::path::Path, case: &DemoSubmission) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    let name = file_name(case);
    std::fs::write(folder.join(format!("{name}.front.jpg")), &case.submission.front)?;
    for (role, bytes) in [("back", &case.submission.back), ("selfie", &case.submission.selfie)] {
        if let Some(bytes) = bytes {
            std::fs::write(folder.join(format!("{name}.{role}.jpg")), bytes)?;
        }
    }
    std::fs::write(
        folder.join(format!("{name}.truth.json")),
        serde_json::to_vec_pretty(&case.submission.truth)?,
    )?;
    Ok(())
}

async fn run(
    client: &Client,
    receiver: &Receiver,
    secret: &str,
    case: &DemoSubmission,
    out: &std::path::Path,
) -> anyhow::Result<Told> {
    let mut body = json!({
        "document_front": STANDARD.encode(&case.submission.front),
        "country": case.country,
        "document_type": case.document_type,
        "mode": "sync",
    });
    for (field, bytes) in [("document_back", &case.submission.back), ("selfie", &case.submission.selfie)] {
        if let Some(bytes) = bytes {
            body[field] = STANDARD.encode(bytes).into();
        }
    }
    let started = Instant::now();
    let answer = client.post("/v1/identity/verify", &body).await?;
    let seconds = started.elapsed().as_secs_f64();
    anyhow::ensure!(answer.status == 200, "{}: {answer:?}", case.name);
    let verdict = answer.body;
    std::fs::write(
        out.join(format!("{}.verdict.json", file_name(case))),
        serde_json::to_vec_pretty(&verdict)?,
    )?;

    let codes: Vec<&str> = array(&verdict["reasons"]).filter_map(|reason| reason["code"].as_str()).collect();
    let status = verdict["status"].as_str().unwrap_or_default().to_owned();
    let reasons_right = if case.demand.reasons.is_empty() {
        codes.is_empty()
    } else {
        case.demand.reasons.iter().any(|wanted| codes.contains(wanted))
    };
    let mut shown = codes.clone();
    shown.dedup();
    Ok(Told {
        name: case.name,
        right: case.demand.statuses.contains(&status.as_str()) && reasons_right,
        reasons: shown.join(" "),
        stages: stages(&verdict),
        webhook: webhook(receiver, secret, &verdict).await,
        status,
        seconds,
    })
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn stages(verdict: &Value) -> String {
    let timings = verdict["timings"].as_object().into_iter().flatten();
    let shown: Vec<String> = timings
        .map(|(stage, timing)| format!("{stage} {:.0}", timing["total_ms"].as_f64().unwrap_or(0.0)))
        .collect();
    shown.join(", ")
}

/// Waits for the event of this verification and checks both signature sets.
async fn webhook(receiver: &Receiver, secret: &str, verdict: &Value) -> &'static str {
    let about = |delivered: &txid_tests::receiver::Delivered| delivered.body["data"]["id"] == verdict["id"];
    let arrival = async {
        let mut seen = 0;
        loop {
            let delivered = receiver.wait_for(seen + 1).await;
            seen = delivered.len();
            if let Some(event) = delivered.into_iter().find(about) {
                return event;
            }
        }
    };
    match tokio::time::timeout(WEBHOOK_WITHIN, arrival).await {
        Ok(event) if event.signatures_are_valid(secret) => "both signatures valid",
        Ok(_) => "SIGNATURE WRONG",
        Err(_) => "NOT RECEIVED",
    }
}

fn print_table(table: &[Told]) {
    println!();
    println!("{:<24}{:<15}{:<8}{:<24}{:<52}reasons", "who", "status", "s", "webhook", "ms per stage");
    for told in table {
        let Told { name, status, seconds, webhook, stages, reasons, right } = told;
        let mark = if *right { "" } else { "  <- NOT what the truth demands" };
        println!("{name:<24}{status:<15}{seconds:<8.2}{webhook:<24}{stages:<52}{reasons}{mark}");
    }
}
