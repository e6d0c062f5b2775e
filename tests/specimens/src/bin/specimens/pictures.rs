//! `specimens photograph` and `specimens nothing`.

use super::{Means, each};
use anyhow::Context as _;
use clap::Args;
use serde_json::Value;
use std::path::{Path, PathBuf};
use txid_specimens::capture::Flat;
use txid_specimens::nothing::Nothing;
use txid_specimens::random::Random;
use txid_specimens::{Capture, Studio, Turn};

/// Photographs flat pictures (scans, renders) as if they were the printed side.
#[derive(Args)]
pub struct Photograph {
    /// Folder of JPEG and PNG files, read with all folders in it.
    #[arg(long = "in")]
    from: PathBuf,
    /// Folder to write into, in the same folders; made if absent.
    #[arg(long)]
    out: PathBuf,
    /// `desk`, `perspective` … `random`, or `photo`, `flat_scan`.
    #[arg(long, default_value = "random")]
    condition: Capture,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Clockwise turn in degrees: 0, 90, 180 or 270; drawn from the seed where absent.
    #[arg(long)]
    turn: Option<u16>,
    /// Only so many files, spread evenly over all.
    #[arg(long)]
    limit: Option<usize>,
}

/// Draws pictures without an identity document.
#[derive(Args)]
pub struct WithoutDocument {
    /// Folder to write into; made if absent.
    #[arg(long)]
    out: PathBuf,
    #[arg(long, default_value_t = 1)]
    count: u64,
    /// The first picture's seed; the next has the next.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Photograph {
    pub fn run(&self, means: &Means) -> anyhow::Result<()> {
        let studio = Studio::new(&means.assets()?);
        let mut files = Vec::new();
        pictures(&self.from, &mut files)?;
        files.sort();
        anyhow::ensure!(!files.is_empty(), "no JPEG or PNG file in {}", self.from.display());
        let count = self.limit.unwrap_or(files.len()).min(files.len());
        each(count as u64, means.threads, |number| {
            let index = number as usize * files.len() / count;
            let file = files.get(index).context("no such file")?;
            // For those who want a second document in view.
            let next = files.get((index + 1) % files.len()).unwrap_or(file);
            self.one(&studio, file, next).with_context(|| file.display().to_string())
        })
    }

    fn one(&self, studio: &Studio, file: &Path, next: &Path) -> anyhow::Result<()> {
        let relative = file.strip_prefix(&self.from).unwrap_or(file);
        let name = relative.with_extension("").to_string_lossy().replace('\\', "/");
        let turn = match self.turn {
            None => Turn::any(&mut Random::stream(self.seed, &format!("turn/{name}"))),
            Some(degrees) => {
                Turn::by(degrees).with_context(|| format!("cannot turn by {degrees} degrees"))?
            }
        };
        let flat = image::open(file)?.into_rgb8();
        let second = match self.condition.shows_two() {
            true => Some(image::open(next)?.into_rgb8()),
            false => None,
        };
        let corners = |pixels: &image::RgbImage| f64::from(pixels.width()) * CORNER;
        let taken = studio.photograph(
            Flat::document(&flat, corners(&flat)),
            second.as_ref().map(|second| Flat::document(second, corners(second))),
            self.condition.turned(turn),
            self.seed,
            &name,
        )?;
        let target = self.out.join(relative);
        let folder = target.parent().unwrap_or(&self.out);
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let mut truth = serde_json::to_value(&taken.truth)?;
        truth["source"] = Value::from(name);
        // What is known of the flat picture stays known: its own truth in ours, its MRZ beside it.
        if let Ok(bytes) = std::fs::read(file.with_extension("json")) {
            truth["source_truth"] = serde_json::from_slice(&bytes)?;
        }
        write(&target.with_extension("jpg"), &taken.jpeg)?;
        write(&target.with_extension("json"), &serde_json::to_vec_pretty(&truth)?)?;
        match std::fs::read(file.with_extension("txt")) {
            Ok(bytes) => write(&target.with_extension("txt"), &bytes),
            Err(_) => Ok(()),
        }
    }
}

/// Corner radius of a page of a passport, in its widths: 3.18 of 125 mm (ICAO 9303-4, ISO 7810).
const CORNER: f64 = 3.18 / 125.0;

impl WithoutDocument {
    pub fn run(&self, means: &Means) -> anyhow::Result<()> {
        let nothing = Nothing::new(means.assets()?);
        std::fs::create_dir_all(&self.out).with_context(|| self.out.display().to_string())?;
        each(self.count, means.threads, |number| {
            let seed = self.seed + number;
            let (jpeg, truth) = nothing.numbered(number, seed)?;
            let stem = self.out.join(format!("{seed:06}_{}", truth.kind.name()));
            write(&stem.with_extension("jpg"), &jpeg)?;
            write(&stem.with_extension("json"), &serde_json::to_vec_pretty(&truth)?)
        })
    }
}

fn pictures(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        if path.is_dir() {
            pictures(&path, found)?;
        } else if ending.is_some_and(|e| matches!(e.as_str(), "jpg" | "jpeg" | "png")) {
            found.push(path);
        }
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::write(path, bytes).with_context(|| path.display().to_string())
}
