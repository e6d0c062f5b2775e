//! Fits the weights by which outlines of documents are chosen (`document/score.rs`):
//! `cargo run -p txid-imaging --example fit_document -- FOLDER…`, of photographs as `photographs` reads them, one
//! capture per picture. Of all candidates of a picture, or none, the right one is to be the most likely (softmax). Every fourth
//! picture is held out. Prints the shares that are found, and the weights.

mod photographs;

use photographs::{Outcome, visit};
use std::path::Path;
use txid_imaging::{find_document, weighable};

const ROUNDS: usize = 4_000;
/// Adam (Kingma and Ba 2015).
const STEP: f64 = 0.02;
const DECAY: [f64; 2] = [0.9, 0.999];
/// Weights of normalised evidence are held small: the mean over pictures of this share of their squares is added.
const REGULARISATION: f64 = 2e-4;
/// As `find_document` takes it.
const LEAST_CONFIDENCE: f64 = 0.2;

struct Picture {
    /// By candidate: evidence and a 1 for the bias, and whether it is right.
    candidates: Vec<(Vec<f64>, bool)>,
    has_document: bool,
    /// By the weights of this build.
    found_before: bool,
}

impl Picture {
    fn scores(&self, weights: &[f64]) -> Vec<f64> {
        let score = |evidence: &[f64]| evidence.iter().zip(weights).map(|(e, w)| e * w).sum();
        self.candidates.iter().map(|(evidence, _)| score(evidence)).collect()
    }

    fn is_found(&self, weights: &[f64]) -> bool {
        let scores = self.scores(weights);
        let best = (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        let taken = best.filter(|best| 1.0 / (1.0 + (-scores[*best]).exp()) >= LEAST_CONFIDENCE);
        match taken {
            Some(taken) => self.candidates[taken].1,
            None => !self.has_document,
        }
    }

    /// Where a document is and no candidate is right, nothing can be learnt.
    fn teaches(&self) -> bool {
        !self.has_document || self.candidates.iter().any(|(_, right)| *right)
    }

    /// Adds to the gradient; the loss.
    fn learn(&self, weights: &[f64], gradient: &mut [f64]) -> f64 {
        let scores = self.scores(weights);
        let most = scores.iter().copied().fold(0.0, f64::max);
        // None of them has the score 0.
        let none = (-most).exp();
        let powers: Vec<f64> = scores.iter().map(|score| (score - most).exp()).collect();
        let all = none + powers.iter().sum::<f64>();
        let is_right = |at: usize| self.candidates[at].1;
        let right = if self.has_document {
            (0..powers.len()).filter(|at| is_right(*at)).map(|at| powers[at]).sum()
        } else {
            none
        };
        for (at, (evidence, _)) in self.candidates.iter().enumerate() {
            let wanted = if self.has_document && is_right(at) { powers[at] / right } else { 0.0 };
            let share = powers[at] / all - wanted;
            gradient.iter_mut().zip(evidence).for_each(|(sum, value)| *sum += share * value);
        }
        -(right / all).ln()
    }
}

/// Mean and deviation of each kind of evidence, over all candidates.
fn spread(pictures: &[Picture]) -> Vec<(f64, f64)> {
    let all = || pictures.iter().flat_map(|picture| &picture.candidates).map(|(evidence, _)| evidence);
    let (kinds, count) = (all().next().map_or(0, Vec::len), all().count().max(1) as f64);
    (0..kinds)
        .map(|kind| {
            let mean = all().map(|evidence| evidence[kind]).sum::<f64>() / count;
            let variance = all().map(|evidence| (evidence[kind] - mean).powi(2)).sum::<f64>() / count;
            // The bias stays what it is.
            if variance < 1e-12 { (0.0, 1.0) } else { (mean, variance.sqrt()) }
        })
        .collect()
}

fn fitted(pictures: &[&Picture], kinds: usize) -> Vec<f64> {
    let mut weights = vec![0.0; kinds];
    let mut moments = vec![[0.0; 2]; kinds];
    for round in 1..=ROUNDS {
        let mut gradient: Vec<f64> = weights.iter().map(|weight| 2.0 * REGULARISATION * weight).collect();
        let mut of_pictures = vec![0.0; kinds];
        let loss: f64 = pictures.iter().map(|picture| picture.learn(&weights, &mut of_pictures)).sum();
        gradient.iter_mut().zip(of_pictures).for_each(|(sum, value)| *sum += value / pictures.len() as f64);
        for ((weight, moment), slope) in weights.iter_mut().zip(&mut moments).zip(gradient) {
            for (order, kept) in DECAY.into_iter().enumerate() {
                moment[order] = kept * moment[order] + (1.0 - kept) * slope.powi(order as i32 + 1);
            }
            let [mean, square] =
                std::array::from_fn(|order| moment[order] / (1.0 - DECAY[order].powi(round as i32)));
            *weight -= STEP * mean / (square.sqrt() + 1e-8);
        }
        if round % 1_000 == 0 {
            eprintln!("round {round}: loss {:.4}", loss / pictures.len() as f64);
        }
    }
    weights
}

fn main() -> Outcome<()> {
    let mut pictures: Vec<Picture> = Vec::new();
    for folder in std::env::args().skip(1) {
        visit(Path::new(&folder), |photograph| {
            let weighed = weighable(&photograph.picture)?.into_iter().map(|candidate| {
                let evidence = candidate.evidence.into_iter().map(f64::from).chain([1.0]).collect();
                (evidence, photograph.is_right(Some(&candidate.corners)))
            });
            let picture = Picture {
                candidates: weighed.collect(),
                has_document: photograph.document.is_some(),
                found_before: photograph.is_right(find_document(&photograph.picture)?.corners.as_ref()),
            };
            if !picture.teaches() {
                eprintln!("{} ({}): no candidate is right", photograph.file.display(), photograph.condition);
            }
            pictures.push(picture);
            Ok(())
        })?;
    }
    let spread = spread(&pictures);
    for (evidence, _) in pictures.iter_mut().flat_map(|picture| &mut picture.candidates) {
        evidence
            .iter_mut()
            .zip(&spread)
            .for_each(|(value, (mean, deviation))| *value = (*value - mean) / deviation);
    }
    let (held_out, learnt): (Vec<_>, Vec<_>) =
        pictures.iter().enumerate().partition(|(number, _)| number % 4 == 0);
    let teaching: Vec<&Picture> =
        learnt.iter().map(|(_, picture)| *picture).filter(|p| p.teaches()).collect();
    let weights = fitted(&teaching, spread.len());
    for (name, set) in [("learnt", &learnt), ("held out", &held_out)] {
        let share = |is: &dyn Fn(&Picture) -> bool| {
            100.0 * set.iter().filter(|(_, picture)| is(picture)).count() as f64 / set.len().max(1) as f64
        };
        println!(
            "{name}: {} pictures, right before {:.1}%, now {:.1}%, at most {:.1}%",
            set.len(),
            share(&|picture| picture.found_before),
            share(&|picture| picture.is_found(&weights)),
            share(&Picture::teaches),
        );
    }
    let plain: Vec<f64> =
        weights.iter().zip(&spread).map(|(weight, (_, deviation))| weight / deviation).collect();
    let shift: f64 = plain.iter().zip(&spread).map(|(weight, (mean, _))| weight * mean).sum();
    let [evidence @ .., frame, bias] = plain.as_slice() else { return Ok(()) };
    let text: Vec<String> = evidence.iter().map(|weight| format!("{weight:.2}")).collect();
    println!("WEIGHTS: [{}]", text.join(", "));
    println!("BIAS: {:.2}\nFRAME_BIAS: {frame:.2}", bias - shift);
    Ok(())
}
