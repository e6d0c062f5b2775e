//! What `face_match`, `liveness` and `fraud` cost and say, on one thread, without broker and database.
//!
//! ```text
//! stage_costs FRONT BACK SELFIE [ROUNDS]     cost per verification; every round decodes anew
//! stage_costs --say IMAGE…                   what each signal says about each image, one line each
//! stage_costs --pairs IMAGE…                 face match of every pair
//! stage_costs --frames IMAGE…                what an active call measures on each frame, one line each
//! ```

use anyhow::{Context, Result, bail};
use std::sync::Arc;
use std::time::Instant;
use txid_imaging::{SourceImage, luminance};
use txid_shared::partial::{FaceMatchOutcome, StageResult};
use txid_shared::words::Stage as StageName;
use txid_worker::inference::manifest::{Manifest, default_cache_folder};
use txid_worker::inference::{Engine, ModelFiles};
use txid_worker::stages::face_match::FaceMatch;
use txid_worker::stages::faces::{self, FaceQuality};
use txid_worker::stages::fraud::{Fraud, grey_copy, local_edit};
use txid_worker::stages::liveness::Liveness;
use txid_worker::stages::{Completed, Images, Outcome, Stage, StageInput};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let stages = [StageName::FaceMatch, StageName::Liveness, StageName::Fraud];
    let started = Instant::now();
    let mut engine = ModelFiles::load(&Manifest::built_in()?, &default_cache_folder(), &stages)?.engine()?;
    eprintln!(
        "models ready in {:.0} ms, {} MB resident",
        started.elapsed().as_secs_f32() * 1e3,
        resident_mb()?
    );
    match arguments.split_first() {
        Some((first, images)) if first == "--say" => {
            images.iter().try_for_each(|path| say(&mut engine, path))
        }
        Some((first, images)) if first == "--pairs" => pairs(&mut engine, images),
        Some((first, images)) if first == "--frames" => frames(&mut engine, images),
        Some((front, [back, selfie, rounds @ ..])) => {
            let rounds = rounds.first().map_or(Ok(20), |rounds| rounds.parse())?;
            costs(&mut engine, [front, back, selfie], rounds)
        }
        _ => bail!("give FRONT BACK SELFIE, or --say, --pairs or --frames IMAGE…"),
    }
}

fn source(path: &str) -> Result<Arc<SourceImage>> {
    Ok(Arc::new(SourceImage::new(std::fs::read(path).with_context(|| path.to_owned())?)))
}

fn run(stage: &dyn Stage, images: Images, engine: &mut Engine) -> Result<Box<Completed>> {
    match stage.run(&StageInput { images, ..StageInput::default() }, engine) {
        Outcome::Completed(completed) => Ok(completed),
        Outcome::Retry { class, message } | Outcome::Refused { class, message } => {
            bail!("{class}: {message}")
        }
    }
}

fn costs(engine: &mut Engine, [front, back, selfie]: [&String; 3], rounds: u32) -> Result<()> {
    let stages: [&dyn Stage; 3] = [&FaceMatch, &Liveness, &Fraud];
    let mut sums = [[0.0f32; 3]; 3];
    let cpu_before = cpu_ms()?;
    for _ in 0..rounds {
        let images = Images {
            document_front: Some(source(front)?),
            document_back: Some(source(back)?),
            selfie: Some(source(selfie)?),
            ..Images::default()
        };
        for (stage, sums) in stages.iter().zip(&mut sums) {
            let timing = run(*stage, images.clone(), engine)?.timing;
            let measured = [timing.decode_ms, timing.models_ms, timing.total_ms];
            sums.iter_mut().zip(measured).for_each(|(sum, value)| *sum += value);
        }
    }
    let cpu = cpu_ms()? - cpu_before;
    println!(
        "{:<12}{:>10}{:>10}{:>10}{:>10}  ms of wall time per verification",
        "stage", "decode", "models", "rest", "total"
    );
    for (stage, sums) in stages.iter().zip(sums) {
        let [decode, models, total] = sums.map(|sum| sum / rounds as f32);
        let rest = total - decode - models;
        println!("{:<12}{decode:>10.1}{models:>10.1}{rest:>10.1}{total:>10.1}", stage.name().as_str());
    }
    println!(
        "CPU {:.1} ms per verification, {} MB resident after {rounds}",
        cpu / rounds as f32,
        resident_mb()?
    );
    Ok(())
}

fn say(engine: &mut Engine, path: &str) -> Result<()> {
    let image = source(path)?;
    let picture = image.decoded()?;
    let name = path.rsplit('/').next().unwrap_or(path);
    let fraud =
        run(&Fraud, Images { document_front: Some(Arc::clone(&image)), ..Images::default() }, engine)?;
    let live = run(&Liveness, Images { selfie: Some(Arc::clone(&image)), ..Images::default() }, engine)?;
    let mut line = format!("{name:<52}");
    if let StageResult::Fraud(fraud) = fraud.result {
        for signal in fraud.signals {
            line += &format!(" {}={:.2}", format!("{:?}", signal.kind).to_lowercase(), signal.score);
        }
    }
    let grid = image.grid_origin()?;
    line += &format!(" edit_sd={:.1}", local_edit::deviations(&luminance(&picture), grid));
    line += &format!(" colour={:.3}", grey_copy::spread(&picture).unwrap_or(-1.0));
    if let StageResult::Liveness(live) = live.result {
        line += &format!(" live={:?} quality={:.2}", live.outcome, live.quality_score);
    }
    for face in faces::find(engine, &picture)? {
        let quality = FaceQuality::of(&picture, &face);
        line += &format!(
            " face[score={:.2} eyes={:.0} sharp={:.4} mean={:.2} yaw={:.2} q={:.2}]",
            face.detection.score,
            quality.eye_distance_px,
            quality.sharpness,
            quality.exposure.mean,
            quality.yaw,
            quality.score()
        );
    }
    println!("{line}");
    Ok(())
}

fn pairs(engine: &mut Engine, images: &[String]) -> Result<()> {
    for (index, first) in images.iter().enumerate() {
        for second in images.iter().skip(index + 1) {
            let both = Images {
                document_front: Some(source(first)?),
                selfie: Some(source(second)?),
                ..Images::default()
            };
            let name = |path: &String| path.rsplit('/').next().unwrap_or_default().to_owned();
            if let StageResult::FaceMatch(result) = run(&FaceMatch, both, engine)?.result {
                let text = match result.outcome {
                    FaceMatchOutcome::Compared { similarity, cosine, confidence } => {
                        format!("similarity {similarity:.3} cosine {cosine:+.3} confidence {confidence:.2}")
                    }
                    other => format!("{other:?}"),
                };
                println!("{:<52} {:<40} {text}", name(first), name(second));
            }
        }
    }
    Ok(())
}

/// All images as frames of one call, so that their similarity is to the best of them.
fn frames(engine: &mut Engine, images: &[String]) -> Result<()> {
    let frames = images.iter().map(|path| source(path)).collect::<Result<_>>()?;
    let completed = run(&Liveness, Images { frames, ..Images::default() }, engine)?;
    let StageResult::Liveness(live) = completed.result else { bail!("not a liveness result") };
    for (path, reading) in images.iter().zip(&live.frames) {
        let name = path.rsplit('/').next().unwrap_or(path);
        let measured = reading.face.map_or_else(String::new, |face| {
            format!(
                "eyes={:.3} yaw={:+.1} pitch={:+.1} nose={:.3} px={:.0} similarity={:.3} quality={:.2}",
                face.eye_aspect_ratio,
                face.yaw_degrees,
                face.pitch_degrees,
                face.nose_length,
                face.eye_distance_px,
                face.similarity,
                face.quality_score
            )
        });
        println!("{name:<28} faces={} {measured}", reading.faces);
    }
    let timing = completed.timing;
    println!("judged {:?}: {:?}; {:.0} ms", live.judged_frame, live.outcome, timing.total_ms);
    Ok(())
}

/// User and system time of this process so far.
fn cpu_ms() -> Result<f32> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|ticks| ticks.parse::<f32>().ok()).unwrap_or(0.0);
    // Linux counts in hundredths of a second; user is the 12th field after the name, system the 13th.
    Ok((ticks(11) + ticks(12)) * 10.0)
}

fn resident_mb() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    Ok(line.split_whitespace().nth(1).context("no VmRSS")?.parse::<u64>()? / 1024)
}
