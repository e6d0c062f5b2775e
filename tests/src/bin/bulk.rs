//! `make measure-batch`: a large batch of stage-stubs through a fleet whose processes are killed meanwhile.

use clap::Parser;
use std::time::Duration;
use txid_tests::bulk::{self, Plan};

#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value_t = 1_000_000)]
    rows: usize,
    /// Seconds between two kills of a worker.
    #[arg(long, default_value_t = 20)]
    kill_worker_every: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { rows, kill_worker_every } = Arguments::parse();
    let kill_worker_every = Duration::from_secs(kill_worker_every);
    let report = bulk::run(Plan { rows, kill_worker_every, kill_scheduler_at: [0.33, 0.66] }).await?;
    println!("{:<44}{rows:>14}", "rows, each with one verification");
    println!("{:<44}{:>14.0}", "rows/s while under way", report.rows_per_s);
    println!("{:<44}{:>14.0}", "seconds from submission to results on disk", report.seconds);
    println!("{:<44}{:>14}", "polls, counters exact at each", report.polls);
    println!("{:<44}{:>14}", "workers killed with -9", report.workers_killed);
    println!("{:<44}{:>14}", "schedulers killed with -9", report.schedulers_killed);
    let (early, most) = report.scheduler_rss_mb;
    println!("{:<44}{early:>7.0}{most:>7.0}", "scheduler RSS after a tenth, most after, MB");
    let (early, most) = report.cli_rss_mb;
    println!("{:<44}{early:>7.0}{most:>7.0}", "txid batch RSS after a tenth, most after, MB");
    Ok(())
}
