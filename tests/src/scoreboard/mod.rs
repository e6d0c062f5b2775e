//! `make scoreboard`: what reading documents is worth, on generated pictures and on folders of real
//! ones. `tests/SCOREBOARD.md` says how to call it, what the truth files look like, when a reading
//! counts as right, and what the result holds.
//!
//! `generated`, `nothing` and `folder` make cases, `reading` reads them, `judge` holds the reading
//! against the truth, `figures` and `calibration` count, `json` and `page` tell.

pub mod calibration;
pub mod case;
pub mod compare;
pub mod figures;
mod folder;
mod generated;
mod json;
mod judge;
mod misses;
mod nothing;
mod page;
mod reading;
mod sidtd;
mod summary;

use anyhow::{Context as _, bail, ensure};
use calibration::Reliability;
use case::Case;
use compare::Match;
use figures::Figures;
use generated::Condition;
use judge::Judgement;
use misses::Misses;
use reading::Reading;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use txid_shared::words::Stage;
use txid_specimens::nothing::Nothing;
use txid_specimens::{Assets, Design, Generator};
use txid_worker::inference::manifest::{Manifest, default_cache_folder};
use txid_worker::inference::{Engine, ModelFiles};
use txid_worker::stages::ocr::Ocr;

/// What to measure.
#[derive(Debug, Clone)]
pub struct Options {
    /// Generated submissions per design and condition.
    pub per: u64,
    /// Names of designs and conditions; all where empty.
    pub designs: Vec<String>,
    pub conditions: Vec<String>,
    /// Folders of real images with truth.
    pub folders: Vec<PathBuf>,
    /// Also take each of their pictures as the capture model would, the conditions in turn.
    pub photographed: bool,
    /// Pictures without a document.
    pub nothing: u64,
    pub seed: u64,
    pub threads: usize,
}

/// Everything that was measured.
#[derive(Default)]
pub struct Board {
    /// By name. Figures of different sets are never added up.
    pub sets: BTreeMap<String, Set>,
    pub misses: Misses,
    /// What could not be read as a case, and why.
    pub left_out: Vec<String>,
    pub model_digests: BTreeMap<String, String>,
}

#[derive(Default)]
pub struct Set {
    pub all: Figures,
    /// By what they are told apart, then by label.
    pub by: BTreeMap<&'static str, BTreeMap<String, Figures>>,
    /// By field source; `mrz_zone` is the confidence of a whole zone.
    pub calibration: BTreeMap<String, Reliability>,
}

/// One case to come.
enum Job {
    Generated { design: usize, condition: usize, seed: u64 },
    Nothing(u64),
    File(folder::Entry),
    Photographed { entry: folder::Entry, condition: usize, seed: u64 },
}

/// What draws pictures.
struct Drawing {
    generator: Generator,
    nothing: Nothing,
}

struct Plan {
    designs: Vec<Design>,
    conditions: Vec<Condition>,
    jobs: Vec<Job>,
}

/// The set of generated documents, and the set of pictures without one.
pub const GENERATED: &str = "generated";
pub const NOTHING: &str = "nothing";

pub fn measure(options: &Options) -> anyhow::Result<Board> {
    let plan = Plan::of(options)?;
    let assets = Assets::load(&Assets::default_cache())?;
    let drawing = Drawing { nothing: Nothing::new(assets.clone()), generator: Generator::new(assets) };
    let files = ModelFiles::load(&Manifest::built_in()?, &default_cache_folder(), &[Stage::Ocr])?;
    let board = Mutex::new(Board { model_digests: files.digests(), ..Board::default() });
    let (ocr, next) = (Ocr::default(), AtomicUsize::new(0));
    let work = |mut engine: Engine| -> anyhow::Result<()> {
        while let Some(job) = plan.jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            match plan.case(job, options, &drawing) {
                Ok(Some(case)) => one(&case, &ocr, &mut engine, &board)?,
                Ok(None) => {}
                // A picture or truth of somebody else's that is broken ends nothing.
                Err(error) if matches!(job, Job::File(_) | Job::Photographed { .. }) => {
                    locked(&board).left_out.push(format!("{error:#}"));
                }
                Err(error) => return Err(error),
            }
            progress(next.load(Ordering::Relaxed).min(plan.jobs.len()), plan.jobs.len());
        }
        Ok(())
    };
    let engines = (0..options.threads.max(1)).map(|_| files.engine()).collect::<Result<Vec<_>, _>>()?;
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = engines.into_iter().map(|engine| scope.spawn(move || work(engine))).collect();
        threads.into_iter().try_for_each(|t| t.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?)
    })?;
    Ok(board.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn locked(board: &Mutex<Board>) -> std::sync::MutexGuard<'_, Board> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

fn one(case: &Case, ocr: &Ocr, engine: &mut Engine, board: &Mutex<Board>) -> anyhow::Result<()> {
    let reading = match reading::read(case, ocr, engine) {
        Ok(reading) => reading,
        Err(error) if error.is::<txid_imaging::ImageError>() => {
            locked(board).left_out.push(format!("{error:#}"));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let judged = judge::judge(case, &reading);
    let miss = misses::miss(case, &judged, &reading);
    let mut board = locked(board);
    board.add(case, &reading, &judged);
    board.misses.keep(miss);
    Ok(())
}

fn progress(done: usize, all: usize) {
    // Some twenty lines, however many cases there are.
    if done == all || done.is_multiple_of((all / 20).max(1)) {
        eprintln!("scoreboard: {done} of {all}");
    }
}

impl Plan {
    fn of(options: &Options) -> anyhow::Result<Self> {
        let mut designs = Design::all()?;
        let mut conditions = generated::conditions();
        let known = |names: &[String], known: Vec<String>, what: &str| -> anyhow::Result<()> {
            let unknown = names.iter().find(|name| !known.contains(name));
            ensure!(
                unknown.is_none(),
                "no {what} is called {}; known: {}",
                unknown.map_or("", |n| n),
                known.join(", ")
            );
            Ok(())
        };
        known(&options.designs, designs.iter().map(|d| d.name.clone()).collect(), "design")?;
        known(&options.conditions, conditions.iter().map(|c| c.name.clone()).collect(), "condition")?;
        designs.retain(|design| options.designs.is_empty() || options.designs.contains(&design.name));
        conditions.retain(|c| options.conditions.is_empty() || options.conditions.contains(&c.name));
        let mut jobs = Vec::new();
        // The conditions in the innermost loop: whoever looks early sees all of them.
        for number in 0..options.per {
            for design in 0..designs.len() {
                // Another seed for each: `random` is drawn from it, and one draw is one size and one light.
                let seed = options.seed + number * designs.len() as u64 + design as u64;
                jobs.extend((0..conditions.len()).map(|condition| Job::Generated {
                    design,
                    condition,
                    seed,
                }));
            }
        }
        jobs.extend((0..options.nothing).map(Job::Nothing));
        for root in &options.folders {
            let entries = folder::entries(root, &set_name(root, &options.folders))?;
            if entries.is_empty() {
                bail!("{}: no truth files (.json or .txt) beside pictures", root.display());
            }
            for (number, entry) in entries.into_iter().enumerate() {
                if options.photographed && !conditions.is_empty() {
                    let (condition, seed) = (number % conditions.len(), options.seed + number as u64);
                    jobs.push(Job::Photographed { entry: entry.clone(), condition, seed });
                }
                jobs.push(Job::File(entry));
            }
        }
        Ok(Self { designs, conditions, jobs })
    }

    fn case(&self, job: &Job, options: &Options, drawing: &Drawing) -> anyhow::Result<Option<Case>> {
        let Drawing { generator, nothing } = drawing;
        let condition = |number: usize| self.conditions.get(number).context("no such condition");
        match job {
            Job::Generated { design, condition: number, seed } => {
                let design = self.designs.get(*design).context("no such design")?;
                generated::case(generator, design, condition(*number)?, *seed).map(Some)
            }
            Job::Nothing(number) => nothing::case(nothing, *number, options.seed).map(Some),
            Job::File(entry) => folder::case(entry).with_context(|| entry.truth.display().to_string()),
            Job::Photographed { entry, condition: number, seed } => folder::case(entry)?
                .map(|case| generated::photographed(generator, case, condition(*number)?, *seed))
                .transpose()
                .with_context(|| entry.truth.display().to_string()),
        }
    }
}

/// The folder's own name; with its path where another set is called the same.
fn set_name(root: &Path, all: &[PathBuf]) -> String {
    let short = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let taken = all.iter().filter(|other| short(other) == short(root)).count() > 1;
    match short(root) {
        Some(name) if !taken && name != GENERATED && name != NOTHING => name,
        _ => root.display().to_string(),
    }
}

impl Board {
    fn add(&mut self, case: &Case, reading: &Reading, judged: &Judgement) {
        let set = self.sets.entry(case.set.clone()).or_default();
        let sides = reading.pictures.len();
        set.all.add(judged, reading.cost, sides);
        for (by, label) in &case.groups {
            let labels = set.by.entry(by).or_default();
            labels.entry(label.clone()).or_default().add(judged, reading.cost, sides);
        }
        for field in judged.fields.iter().filter(|field| !field.derived) {
            if let Some((confidence, read)) =
                field.read.as_ref().and_then(|read| Some((read.confidence?, read)))
            {
                let reliability = set.calibration.entry(read.source.as_str().to_owned()).or_default();
                reliability.add(confidence, field.outcome == Match::Exact);
            }
        }
        if let Some(zone) = &judged.zone
            && let Some(read) = &zone.read
        {
            set.calibration.entry("mrz_zone".to_owned()).or_default().add(read.confidence, zone.exact);
        }
    }

    /// What must never happen and did.
    pub fn alarms(&self) -> Vec<String> {
        let mut alarms = Vec::new();
        for (name, set) in &self.sets {
            let zones = &set.all.zones;
            let mut alarm = |count: usize, what: &str| {
                if count > 0 {
                    alarms.push(format!("{name}: {count} {what}"));
                }
            };
            alarm(zones.wrong_but_valid, "wrong zones reported valid");
            alarm(zones.untold_corrections, "lines of zones with a correction that was not told");
            if name == NOTHING {
                alarm(set.all.with_extra, "pictures without a document from which something was read");
            }
        }
        alarms
    }

    /// Writes `latest.json` and `index.html` into `folder`.
    pub fn write(&self, options: &Options, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let about = json::About::now(options)?;
        let write = |name: &str, bytes: Vec<u8>| {
            let path = folder.join(name);
            std::fs::write(&path, bytes).with_context(|| path.display().to_string())
        };
        write("latest.json", serde_json::to_vec_pretty(&json::board(self, &about))?)?;
        write("index.html", page::page(self, &about).into_bytes())
    }
}
