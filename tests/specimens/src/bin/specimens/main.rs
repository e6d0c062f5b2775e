//! `specimens --out DIR --count N --seed S`: writes submissions and their truth.

mod pictures;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use txid_specimens::fixtures::{CATALOGUE, FIXTURES};
use txid_specimens::{Assets, Attack, Capture, Design, Generator, Role, Submission, Turn, demo};

/// Draws fictitious documents, marked SPECIMEN, with exact truth as JSON.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    submissions: Option<Arguments>,
    // Not among the arguments: of a group that may be absent and has another one in it clap sees nothing.
    #[command(flatten)]
    means: Means,
}

#[derive(Subcommand)]
enum Command {
    Photograph(pictures::Photograph),
    #[command(name = "nothing")]
    WithoutDocument(pictures::WithoutDocument),
}

#[derive(Args)]
struct Arguments {
    /// Folder to write into; made if absent.
    #[arg(long)]
    out: PathBuf,
    #[arg(long, default_value_t = 1)]
    count: u64,
    /// The first submission's seed; the next has the next.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// All designs in turn where absent.
    #[arg(long)]
    design: Option<String>,
    /// `none`, `screen_recapture` …; all in turn where absent.
    #[arg(long)]
    attack: Option<String>,
    /// `photo`, `flat_scan` or a condition (`desk`, `perspective` … `random`); mostly `photo` where
    /// absent.
    #[arg(long)]
    capture: Option<Capture>,
    /// Clockwise turn in degrees; mostly upright where absent.
    #[arg(long)]
    turn: Option<u16>,
    /// The five submissions of the demo instead.
    #[arg(long, conflicts_with_all = ["design", "attack", "capture", "turn", "count"])]
    demo: bool,
    /// The sandbox's fixtures instead, with the list of them that the scheduler reads.
    #[arg(long, conflicts_with_all = ["design", "attack", "capture", "turn", "count", "demo"])]
    fixtures: bool,
}

/// What every drawing needs.
#[derive(Args)]
struct Means {
    /// Fonts and photographs; `$TXID_CACHE` or ~/.cache/txid where absent.
    #[arg(long, global = true)]
    cache: Option<PathBuf>,
    #[arg(long, global = true, default_value_t = 2)]
    threads: usize,
}

impl Means {
    fn assets(&self) -> anyhow::Result<Assets> {
        Ok(Assets::load(&self.cache.clone().unwrap_or_else(Assets::default_cache))?)
    }
}

fn main() -> anyhow::Result<()> {
    let line = CommandLine::parse();
    let means = line.means;
    match line.command {
        Some(Command::Photograph(command)) => return command.run(&means),
        Some(Command::WithoutDocument(command)) => return command.run(&means),
        None => {}
    }
    let arguments = line.submissions.context("--out is missing")?;
    let generator = Generator::new(means.assets()?);
    std::fs::create_dir_all(&arguments.out).with_context(|| arguments.out.display().to_string())?;
    if arguments.demo {
        for (number, case) in demo::submissions(&generator, arguments.seed)?.iter().enumerate() {
            write(
                &arguments.out,
                &format!("{number:02}_{}", case.name.replace([' ', '\''], "_")),
                &case.submission,
            )?;
        }
        return Ok(());
    }
    if arguments.fixtures {
        return write_fixtures(&arguments.out, &generator, means.threads);
    }
    each(arguments.count, means.threads, |number| one(&arguments, &generator, number))
}

/// All numbers below `count`, on several threads.
fn each(count: u64, threads: usize, one: impl Fn(u64) -> anyhow::Result<()> + Sync) -> anyhow::Result<()> {
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1))
            .map(|_| {
                scope.spawn(|| -> anyhow::Result<()> {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= count {
                            return Ok(());
                        }
                        one(number)?;
                    }
                })
            })
            .collect();
        workers.into_iter().try_for_each(|w| w.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?)
    })
}

/// A fixture's pictures.
type Drawn = Vec<(Role, Vec<u8>)>;

/// The list comes last: where it is, the pictures are, too. A picture that several show is one file.
fn write_fixtures(folder: &Path, generator: &Generator, threads: usize) -> anyhow::Result<()> {
    let drawn: Vec<OnceLock<Drawn>> = FIXTURES.iter().map(|_| OnceLock::new()).collect();
    each(FIXTURES.len() as u64, threads, |number| {
        if let (Some(fixture), Some(place)) = (FIXTURES.get(number as usize), drawn.get(number as usize)) {
            let images = fixture.images(generator)?;
            anyhow::ensure!(place.set(images).is_ok(), "{} was drawn twice", fixture.id);
        }
        Ok(())
    })?;
    let mut names = BTreeMap::new();
    let mut listed = Vec::new();
    for (fixture, images) in FIXTURES.iter().zip(&drawn) {
        let mut sides = Vec::new();
        for (role, bytes) in images.get().into_iter().flatten() {
            let name = names.entry(bytes).or_insert_with(|| format!("{}.{}.jpg", fixture.id, role.as_str()));
            let path = folder.join(&*name);
            std::fs::write(&path, bytes).with_context(|| path.display().to_string())?;
            sides.push(json!({ "side": role, "file": name }));
        }
        let mut entry = serde_json::to_value(fixture)?;
        entry["images"] = json!(sides);
        listed.push(entry);
    }
    let path = folder.join(CATALOGUE);
    std::fs::write(&path, serde_json::to_vec_pretty(&json!({ "fixtures": listed }))?)
        .with_context(|| path.display().to_string())
}

fn one(arguments: &Arguments, generator: &Generator, number: u64) -> anyhow::Result<()> {
    let seed = arguments.seed + number;
    let attacks = Attack::ALL.len() as u64;
    let design = match &arguments.design {
        Some(name) => Design::named(name)?,
        None => {
            let designs = Design::all()?;
            // Every attack on one design, then on the next.
            let index = (number / attacks) as usize % designs.len();
            designs.into_iter().nth(index).context("no design")?
        }
    };
    let attack = match &arguments.attack {
        Some(name) => name.parse()?,
        None => Attack::ALL.get((number % attacks) as usize).copied().unwrap_or(Attack::None),
    };
    let capture = match arguments.capture {
        Some(capture) => capture,
        None if number % 5 == 3 => Capture::FLAT_SCAN,
        None => Capture::PHOTO,
    };
    let turn = match arguments.turn {
        Some(degrees) => Turn::by(degrees)
            .with_context(|| format!("cannot turn by {degrees} degrees; known: 0, 90, 180, 270"))?,
        None => match number % 12 {
            5 => Turn::Right,
            7 => Turn::UpsideDown,
            10 => Turn::Left,
            _ => Turn::Upright,
        },
    };
    let person = generator.holder(&design, seed)?;
    let submission = generator.submission(&person, &design, capture.turned(turn), attack, seed)?;
    write(&arguments.out, &format!("{seed:06}_{}_{}", design.name, attack.name()), &submission)
}

fn write(folder: &Path, stem: &str, submission: &Submission) -> anyhow::Result<()> {
    for (role, bytes) in submission.images() {
        let path = folder.join(format!("{stem}.{}.jpg", role.as_str()));
        std::fs::write(&path, bytes).with_context(|| path.display().to_string())?;
    }
    let path = folder.join(format!("{stem}.json"));
    std::fs::write(&path, serde_json::to_vec_pretty(&submission.truth)?)
        .with_context(|| path.display().to_string())?;
    Ok(())
}
