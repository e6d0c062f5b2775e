//! Measures the `ocr` stage on folders of images with truth:
//!
//! `cargo run --release -p txid-worker --example ocr_measure -- --mrz DIR --forged DIR [--show]`
//!
//! `--mrz`: any depth of `NN.jpg` with the lines of the zone in `NN.txt`. `--forged`: `aze0N.jpg`
//! with `aze_N_passport.json`. Figures are printed; a corrected character that was not told or a
//! wrong zone that counts as valid makes the exit status 1.

use anyhow::{Context, bail};
use clap::Parser;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use txid_imaging::SourceImage;
use txid_shared::partial::{Mrz, OcrResult};
use txid_shared::words::Stage as StageName;
use txid_worker::inference::manifest::{Manifest, default_cache_folder};
use txid_worker::inference::{Engine, ModelFiles};
use txid_worker::stages::ocr::{Ocr, mrz};
use txid_worker::stages::{Images, StageInput};

#[derive(Parser)]
struct Arguments {
    /// Folder of pictures with machine-readable zones.
    #[arg(long)]
    mrz: Option<PathBuf>,
    /// Folder of the Azerbaijani passports.
    #[arg(long)]
    forged: Option<PathBuf>,
    /// Pictures to read and print, without truth.
    #[arg(long)]
    image: Vec<PathBuf>,
    /// Turn each picture by this many degrees clockwise first (0, 90, 180, 270).
    #[arg(long, default_value_t = 0)]
    turn: u32,
    /// Print each line that differs.
    #[arg(long)]
    show: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let files = ModelFiles::load(&Manifest::built_in()?, &default_cache_folder(), &[StageName::Ocr])?;
    let mut bench =
        Bench { engine: files.engine()?, ocr: Ocr::default(), times: Vec::new(), turn: arguments.turn };
    let mut sound = true;
    if let Some(folder) = &arguments.mrz {
        sound &= measure_zones(folder, arguments.show, &mut bench)?;
    }
    if let Some(folder) = &arguments.forged {
        measure_fields(folder, arguments.show, &mut bench)?;
    }
    for path in &arguments.image {
        let result = bench.read(path)?;
        println!("{}\n{}", path.display(), serde_json::to_string_pretty(&result)?);
    }
    bench.print_times();
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Bench {
    engine: Engine,
    ocr: Ocr,
    times: Vec<Times>,
    turn: u32,
}

/// Milliseconds of one picture.
struct Times {
    decode_cpu: f32,
    stage_cpu: f32,
    /// By the wall clock, so more than its processor time on a busy machine.
    models_wall: f32,
}

impl Bench {
    fn read(&mut self, path: &Path) -> anyhow::Result<OcrResult> {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        let source = Arc::new(SourceImage::new(self.turned(bytes)?));
        let start = cpu_ms()?;
        source.decoded()?;
        let decoded = cpu_ms()?;
        self.engine.take_models_ms();
        let images = Images { document_front: Some(source), ..Images::default() };
        let input = StageInput { images, ..StageInput::default() };
        let result = self.ocr.read(&input, &mut self.engine)?;
        let end = cpu_ms()?;
        self.times.push(Times {
            decode_cpu: decoded - start,
            stage_cpu: end - decoded,
            models_wall: self.engine.take_models_ms(),
        });
        Ok(result)
    }

    fn turned(&self, bytes: Vec<u8>) -> anyhow::Result<Vec<u8>> {
        if self.turn == 0 {
            return Ok(bytes);
        }
        let picture = image::load_from_memory(&bytes)?;
        let picture = match self.turn {
            90 => picture.rotate90(),
            180 => picture.rotate180(),
            270 => picture.rotate270(),
            other => bail!("{other} degrees are none of 0, 90, 180, 270"),
        };
        let mut encoded = Vec::new();
        picture.write_to(&mut std::io::Cursor::new(&mut encoded), image::ImageFormat::Png)?;
        Ok(encoded)
    }

    fn print_times(&self) {
        let median = |of: fn(&Times) -> f32| {
            let mut values: Vec<f32> = self.times.iter().map(of).collect();
            values.sort_by(f32::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or(0.0)
        };
        println!(
            "time per picture, median of {}: decode {:.0} CPU-ms, ocr {:.0} CPU-ms (of it models {:.0} ms by the clock)",
            self.times.len(),
            median(|t| t.decode_cpu),
            median(|t| t.stage_cpu),
            median(|t| t.models_wall),
        );
    }
}

/// Processor time of this thread.
fn cpu_ms() -> anyhow::Result<f32> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds: u64 = text.split(' ').next().unwrap_or("").parse()?;
    Ok((nanoseconds / 1000) as f32 / 1e3)
}

#[derive(Default)]
struct ZoneFigures {
    pictures: usize,
    exact: usize,
    none: usize,
    valid: usize,
    valid_but_wrong: usize,
    corrected: usize,
    ambiguous: usize,
    untold: usize,
    characters: usize,
    wrong_characters: usize,
    wrong_raw_characters: usize,
    raw_exact: usize,
}

fn measure_zones(folder: &Path, show: bool, bench: &mut Bench) -> anyhow::Result<bool> {
    let mut figures = ZoneFigures::default();
    let mut by_folder: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for path in pictures_with(folder, "txt")? {
        let truth: Vec<String> = std::fs::read_to_string(path.with_extension("txt"))?
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        let read = bench.read(&path)?.mrz;
        let exact = read.as_ref().is_some_and(|mrz| mrz.lines == truth);
        figures.add(&truth, read.as_ref());
        let name = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        let counted = by_folder.entry(name).or_default();
        counted.0 += 1;
        counted.1 += usize::from(exact);
        if show && (!exact || read.as_ref().is_some_and(|mrz| !mrz.valid)) {
            println!("{}", path.display());
            match &read {
                None => println!("  no zone"),
                Some(mrz) => {
                    for ((truth, line), raw) in truth.iter().zip(&mrz.lines).zip(&mrz.raw_lines) {
                        println!("  true {truth}\n  read {line}\n  raw  {raw}");
                    }
                    println!("  valid {} ambiguities {:?}", mrz.valid, mrz.ambiguities);
                }
            }
        }
    }
    figures.print(&by_folder);
    Ok(figures.untold == 0 && figures.valid_but_wrong == 0)
}

impl ZoneFigures {
    fn add(&mut self, truth: &[String], read: Option<&Mrz>) {
        self.pictures += 1;
        let length: usize = truth.iter().map(|line| line.chars().count()).sum();
        self.characters += length;
        let Some(mrz) = read else {
            self.none += 1;
            self.wrong_characters += length;
            self.wrong_raw_characters += length;
            return;
        };
        let exact = mrz.lines == truth;
        self.exact += usize::from(exact);
        self.raw_exact += usize::from(mrz.raw_lines == truth);
        self.valid += usize::from(mrz.valid);
        self.valid_but_wrong += usize::from(mrz.valid && !exact);
        self.corrected += mrz.corrections.len();
        self.ambiguous += usize::from(!mrz.ambiguities.is_empty());
        self.wrong_characters += distance(truth, &mrz.lines);
        self.wrong_raw_characters += distance(truth, &mrz.raw_lines);
        for (line, decoded) in mrz.lines.iter().enumerate() {
            let told: Vec<_> = mrz.corrections.iter().filter(|c| c.line == line).collect();
            let complete = mrz.raw_lines.get(line).is_some_and(|raw| mrz::undo(decoded, &told) == *raw);
            self.untold += usize::from(!complete);
        }
    }

    fn print(&self, by_folder: &BTreeMap<String, (usize, usize)>) {
        let percent = |part: usize, of: usize| 100.0 * part as f64 / of.max(1) as f64;
        println!("machine-readable zones: {} pictures", self.pictures);
        println!("  all lines exact        {} = {:.1} %", self.exact, percent(self.exact, self.pictures));
        println!(
            "  exact as recognised    {} = {:.1} %",
            self.raw_exact,
            percent(self.raw_exact, self.pictures)
        );
        println!("  character error        {:.3} %", percent(self.wrong_characters, self.characters));
        println!("  as recognised          {:.3} %", percent(self.wrong_raw_characters, self.characters));
        println!("  none found             {}", self.none);
        println!("  reported valid         {}", self.valid);
        println!("  wrong but valid        {}", self.valid_but_wrong);
        println!("  with ambiguities       {}", self.ambiguous);
        println!("  corrections told       {}", self.corrected);
        println!("  lines with untold ones {}", self.untold);
        for (folder, (pictures, exact)) in by_folder {
            println!("    {folder:<6} {exact} of {pictures}");
        }
    }
}

fn distance(truth: &[String], read: &[String]) -> usize {
    (0..truth.len().max(read.len()))
        .map(|i| edits(truth.get(i).map_or("", String::as_str), read.get(i).map_or("", String::as_str)))
        .sum()
}

fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

/// Field of the truth, and what we call it.
const PASSPORT_FIELDS: [(&str, &str); 13] = [
    ("type", "document_code"),
    ("code", "issuing_country"),
    ("number", "document_number"),
    ("surname", "last_name"),
    ("name", "first_name"),
    ("nationality/nationality_eng", "nationality"),
    ("birth_date", "date_of_birth"),
    ("id_number", "personal_number"),
    ("gender", "gender"),
    ("birth_place", "place_of_birth"),
    ("issue_date", "issue_date"),
    ("expiry_date", "expiry_date"),
    ("authority", "authority"),
];

fn measure_fields(folder: &Path, show: bool, bench: &mut Bench) -> anyhow::Result<()> {
    for number in 0..2 {
        let truth = std::fs::read_to_string(folder.join(format!("aze_{number}_passport.json")))?;
        let truth: serde_json::Value = serde_json::from_str(&truth)?;
        let result = bench.read(&folder.join(format!("aze0{number}.jpg")))?;
        let visual: BTreeMap<&str, String> = result
            .comparisons
            .iter()
            .filter_map(|c| Some((c.field.as_str(), c.visual.clone()?)))
            .chain(result.fields.iter().map(|(name, field)| {
                let printed = result.comparisons.iter().find(|c| c.field == *name);
                (name.as_str(), printed.and_then(|c| c.visual.clone()).unwrap_or_else(|| field.value.clone()))
            }))
            .collect();
        let mut right = 0;
        for (theirs, ours) in PASSPORT_FIELDS {
            let expected = truth.pointer(&format!("/{}/value", theirs.replace('/', "~1")));
            let expected = expected.and_then(serde_json::Value::as_str).unwrap_or("");
            let read = visual.get(ours).map_or("", String::as_str);
            let same = same(ours, expected, read);
            right += usize::from(same);
            if show || !same {
                println!("    {} {ours}: `{read}`, printed `{expected}`", if same { "ok " } else { "NOT" });
            }
        }
        println!("aze0{number}: {right} of {} printed fields right", PASSPORT_FIELDS.len());
        for comparison in result.comparisons.iter().filter(|_| show) {
            println!("    {comparison:?}");
        }
    }
    Ok(())
}

/// Dates as in the contract, nationality as the adjective, gender as the letter; text without case.
fn same(field: &str, expected: &str, read: &str) -> bool {
    let expected = match field {
        "gender" => expected.rsplit('/').next().unwrap_or("").to_owned(),
        "nationality" if expected.ends_with("AZERBAIJAN") => "Azerbaijani".to_owned(),
        _ if field.contains("date") => expected.split('.').rev().collect::<Vec<_>>().join("-"),
        _ => expected.to_owned(),
    };
    let folded = |text: &str| text.to_lowercase().replace('\u{307}', "").replace('ı', "i");
    folded(&expected) == folded(read)
}

fn pictures_with(folder: &Path, truth: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(pictures_with(&path, truth)?);
        } else if path.extension().is_some_and(|e| e == "jpg" || e == "png")
            && path.with_extension(truth).exists()
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
