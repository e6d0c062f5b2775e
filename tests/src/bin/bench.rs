//! `make bench`: what the machine can do (floor), what the fleet makes of it, and what orchestration
//! alone costs, and how long single calls take. Prints a table and writes target/bench/latest.json.

#[path = "bench/fleet.rs"]
mod fleet;
#[path = "bench/floor.rs"]
mod floor;
#[path = "bench/latency.rs"]
mod latency;

use anyhow::Context;
use clap::Parser;
use serde_json::json;
use std::path::PathBuf;
use txid_shared::config::Config;
use txid_specimens::{Assets, Attack, Capture, Design, Generator};
use txid_worker::inference::ModelFiles;
use txid_worker::inference::manifest::{Manifest, default_cache_folder};
use txid_worker::stages::Images;

#[derive(Parser)]
struct Arguments {
    /// Verifications for the floor and for the fleet.
    #[arg(long, default_value_t = 60)]
    verifications: usize,
    /// Verifications for the orchestration.
    #[arg(long, default_value_t = 6000)]
    orchestrations: usize,
    /// Verifications for the memory soak (0: none).
    #[arg(long, default_value_t = 0)]
    soak: usize,
    /// Requests of each kind whose time is taken.
    #[arg(long, default_value_t = 500)]
    requests: usize,
    /// Listen and answer without doing anything: what the times are held against.
    #[arg(long, hide = true)]
    no_op: bool,
    #[arg(long, default_value = "target/bench/latest.json")]
    out: PathBuf,
}

/// One generated submission as bytes.
pub(crate) struct Sample {
    pub front: Vec<u8>,
    pub back: Option<Vec<u8>>,
    pub selfie: Option<Vec<u8>>,
}

impl Sample {
    /// Fresh source images: nothing decoded yet.
    pub(crate) fn images(&self) -> Images {
        use std::sync::Arc;
        use txid_imaging::SourceImage;
        let source = |bytes: &Vec<u8>| Arc::new(SourceImage::new(bytes.clone()));
        Images {
            document_front: Some(source(&self.front)),
            document_back: self.back.as_ref().map(source),
            selfie: self.selfie.as_ref().map(source),
            ..Images::default()
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if arguments.no_op {
        return latency::no_op().await;
    }
    eprintln!("rendering submissions: two sides of 4 MP and a selfie each …");
    let samples = samples(8)?;
    let threads = std::thread::available_parallelism()?.get();
    let config = Config::load(None, [])?;
    let files = ModelFiles::load(&Manifest::built_in()?, &default_cache_folder(), &config.worker.stages)?;

    eprintln!("floor: {} verifications as plain calls on {threads} threads …", arguments.verifications);
    let floor = floor::measure(&files, &samples, arguments.verifications, threads)?;
    eprintln!("fleet: {} verifications through everything …", arguments.verifications);
    let fleet = fleet::real(&samples, arguments.verifications.max(arguments.soak), threads).await?;
    eprintln!("orchestration: {} verifications with stages that do nothing …", arguments.orchestrations);
    let orchestration = fleet::stubs(arguments.orchestrations).await?;
    eprintln!("latency: {} requests of each kind, and as many that do nothing …", arguments.requests);
    let sample = samples.first().context("no samples")?;
    let latencies = latency::measure(sample, arguments.requests).await?;

    println!("\n{:<34}{:>12}", "measured", "value");
    println!("{:<34}{:>12.2}", "floor, verifications/s", floor.per_s);
    println!("{:<34}{:>12.2}", "fleet, verifications/s", fleet.per_s);
    println!("{:<34}{:>12.2}", "fleet / floor", fleet.per_s / floor.per_s);
    println!("{:<34}{:>12.0}", "orchestration, verifications/s", orchestration.per_s);
    println!("{:<34}{:>12.0}", "worker RSS after a fifth, MB", fleet.worker_rss_early_mb);
    println!("{:<34}{:>12.0}", "worker RSS at the end, MB", fleet.worker_rss_mb);
    println!(
        "\n{:<14}{:>10}{:>10}{:>10}{:>10}   CPU-ms per verification",
        "stage", "decode", "models", "rest", "total"
    );
    for (stage, cost) in &floor.stages {
        let rest = cost.total_ms - cost.decode_ms - cost.models_ms;
        println!(
            "{stage:<14}{:>10.1}{:>10.1}{rest:>10.1}{:>10.1}",
            cost.decode_ms, cost.models_ms, cost.total_ms
        );
    }

    println!("\n{:<50}{:>9}{:>9}{:>11}{:>11}", "call, ms", "p50", "p99", "no-op p50", "no-op p99");
    for latency::Latency { call, ours_ms, no_op_ms } in &latencies {
        println!(
            "{call:<50}{:>9.2}{:>9.2}{:>11.2}{:>11.2}",
            ours_ms.p50, ours_ms.p99, no_op_ms.p50, no_op_ms.p99
        );
    }

    let result = json!({
        "floor_per_s": floor.per_s,
        "floor_cpu_ms": floor.stages,
        "fleet_per_s": fleet.per_s,
        "fleet_over_floor": fleet.per_s / floor.per_s,
        "orchestration_per_s": orchestration.per_s,
        "latency": latencies,
        "requests": arguments.requests,
        "worker_rss_mb": fleet.worker_rss_mb,
        "worker_rss_early_mb": fleet.worker_rss_early_mb,
        "verifications": arguments.verifications.max(arguments.soak),
        "machine": machine(threads),
        "commit": commit(),
        "model_digests": files.digests(),
        "input": "generated: Moroccan national identity card, two sides of 4 MP, one selfie, default checks",
    });
    if let Some(folder) = arguments.out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&arguments.out, serde_json::to_vec_pretty(&result)?)?;
    println!("\nwritten to {}", arguments.out.display());
    Ok(())
}

fn samples(count: u64) -> anyhow::Result<Vec<Sample>> {
    let generator = Generator::new(Assets::load(&Assets::default_cache())?);
    let design = Design::named("mar_national_id_2020")?;
    (0..count)
        .map(|seed| {
            let person = generator.person(&design.issuer, seed)?;
            let made = generator.submission(&person, &design, Capture::PHOTO, Attack::None, seed)?;
            Ok(Sample { front: made.front, back: made.back, selfie: made.selfie })
        })
        .collect()
}

fn machine(threads: usize) -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name\t: ")).unwrap_or("unknown CPU");
    format!("{threads} × {model}")
}

fn commit() -> String {
    let output = std::process::Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    output.map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
