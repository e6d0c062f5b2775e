//! How long the `duplicate` check searches, and what its gallery takes: `cargo run --release --example measure_gallery
//! -- 1000 100000 1000000`. Faces are random directions, searched for with noise; pictures are random bits. Neither
//! is what people look like: time and memory depend on the numbers alone, not on what they show.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::Instant;
use txid_shared::ids::VerificationId;
use txid_shared::likeness::{FaceCode, Front, Gallery, Likeness, Limits, PerceptualHash, Probe};
use txid_shared::policy::Policy;
use txid_tests::bulk::rss_mb;

const DIMENSIONS: usize = 192;
const SEARCHES: usize = 50;

fn main() -> anyhow::Result<()> {
    let limits = Limits::from(&Policy::default().rules.duplicate);
    println!(
        "{:>10} {:>10} {:>12} {:>12} {:>12} {:>8}",
        "entries", "filled s", "MB", "search ms", "slowest ms", "found"
    );
    for argument in std::env::args().skip(1) {
        let entries: usize = argument.parse()?;
        let mut random = StdRng::seed_from_u64(7);
        let before = rss_mb(std::process::id());
        let (mut gallery, mut probes) = (Gallery::default(), Vec::new());
        let begun = Instant::now();
        for number in 0..entries {
            let face = direction(&mut random);
            let probe = Probe { document: Some(random.random()), likeness: likeness(&mut random, &face) };
            gallery.add(VerificationId::generate(), probe.document, &probe.likeness);
            if number % (entries / SEARCHES).max(1) == 0 {
                probes.push(face);
            }
        }
        let filled = begun.elapsed().as_secs_f64();
        let megabytes = rss_mb(std::process::id()) - before;
        let (mut times, mut found) = (Vec::new(), 0);
        for face in &probes {
            let noisy: Vec<f32> = face.iter().map(|value| value + random.random_range(-0.05..0.05)).collect();
            let probe = Probe { document: Some(random.random()), likeness: likeness(&mut random, &noisy) };
            let begun = Instant::now();
            found += gallery.search(&probe, &limits).len();
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        let mean = times.iter().sum::<f64>() / times.len().max(1) as f64;
        let slowest = times.iter().copied().fold(0.0, f64::max);
        println!(
            "{entries:>10} {filled:>10.2} {megabytes:>12.0} {mean:>12.3} {slowest:>12.3} {found:>5}/{}",
            probes.len()
        );
    }
    Ok(())
}

/// Of unit length.
fn direction(random: &mut StdRng) -> Vec<f32> {
    let values: Vec<f32> =
        (0..DIMENSIONS).map(|_| (0..4).map(|_| random.random_range(-1.0f32..1.0)).sum()).collect();
    let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
    values.into_iter().map(|value| value / length).collect()
}

fn likeness(random: &mut StdRng, face: &[f32]) -> Likeness {
    let mut hash = || PerceptualHash(random.random());
    let front = Some(Front { whole: hash(), portrait: hash() });
    Likeness { front, selfie: Some(hash()), face: Some(FaceCode::new("measured", face)) }
}
