//! `make measure-upgrade`: an older release and this one mixed under load, forward, back and forward again.

use clap::Parser;
use std::path::PathBuf;
use txid_tests::fleet::binary;
use txid_tests::upgrade::{self, Plan};

#[derive(Parser)]
struct Arguments {
    /// Folder with the programs of the older release.
    #[arg(long)]
    old: PathBuf,
    /// Verdicts in each state of the fleet.
    #[arg(long, default_value_t = 200)]
    verdicts_each: usize,
    #[arg(long, default_value_t = 6)]
    callers: usize,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { old, verdicts_each, callers } = Arguments::parse();
    let mut new = binary("txid")?;
    new.pop();
    let report = upgrade::run(Plan { old, new, verdicts_each, callers }).await?;
    for (what, figure) in [
        ("states of the fleet under load", report.states),
        ("requests", report.requests),
        ("errors that a caller saw", report.errors.len()),
        ("verifications accepted", report.accepted),
        ("of these not decided", report.undecided),
        ("of these decided otherwise than expected", report.other_verdicts),
        ("of these never told", report.untold),
        ("deliveries beyond one each", report.told_again),
    ] {
        println!("{what:<44}{figure:>10}");
    }
    for error in report.errors.iter().take(5) {
        println!("{error}");
    }
    let lost = report.undecided + report.other_verdicts + report.untold + report.errors.len();
    anyhow::ensure!(lost == 0, "something was lost");
    Ok(())
}
