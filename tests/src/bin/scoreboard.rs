//! `make scoreboard`: what reading documents is worth, per country, document type and condition.
//! `tests/SCOREBOARD.md` describes it.

use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;
use txid_tests::scoreboard::{Options, measure};

/// Measures the reading of documents, and writes figures and a page to look at.
#[derive(Parser)]
struct Arguments {
    /// Generated submissions per design and condition.
    #[arg(long, default_value_t = 2)]
    per: u64,
    /// A design's name; may be given several times. All where absent.
    #[arg(long)]
    only: Vec<String>,
    /// A capture condition's name; may be given several times. All where absent.
    #[arg(long)]
    condition: Vec<String>,
    /// A folder of real images with truth files; may be given several times.
    #[arg(long)]
    folder: Vec<PathBuf>,
    /// Read the folders' pictures also as the capture model photographs them, the conditions in turn.
    #[arg(long)]
    photographed: bool,
    /// Pictures without a document.
    #[arg(long, default_value_t = 12)]
    nothing: u64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// On more than one, times of the models are too long: they are taken by the clock.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    #[arg(long, default_value = "target/scoreboard")]
    out: PathBuf,
}

/// Exit status 1 where something happened that never may: see `Board::alarms`.
fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let options = Options {
        per: arguments.per,
        designs: arguments.only,
        conditions: arguments.condition,
        folders: arguments.folder,
        photographed: arguments.photographed,
        nothing: arguments.nothing,
        seed: arguments.seed,
        threads: arguments.threads,
    };
    let board = measure(&options)?;
    board.write(&options, &arguments.out)?;
    print!("{}", board.summary());
    println!("written to {0}/latest.json and {0}/index.html", arguments.out.display());
    let alarms = board.alarms();
    alarms.iter().for_each(|alarm| println!("NEVER MAY BE: {alarm}"));
    Ok(if alarms.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
