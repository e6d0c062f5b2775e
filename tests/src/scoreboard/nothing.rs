//! Pictures without a document. Nothing may be read from them.

use super::case::{Case, Groups, Picture, Truth};
use image::{Rgb, RgbImage};
use txid_shared::words::ImageRole;
use txid_specimens::random::Random;
use txid_specimens::render::RenderedSide;
use txid_specimens::{Attack, Capture, Design, Generator, Role, jpeg};

/// Which picture; each number another one.
const KINDS: [&str; 3] = ["blank_card", "portrait", "plain_surface"];

/// The picture of this number: the kinds in turn.
pub fn case(generator: &Generator, number: u64, seed: u64) -> anyhow::Result<Case> {
    let seed = seed.wrapping_add(number);
    let kind = KINDS.get((number % KINDS.len() as u64) as usize).copied().unwrap_or("blank_card");
    let bytes = match kind {
        "portrait" => portrait(generator, seed)?,
        "plain_surface" => jpeg::encode(&plain_surface(seed), 88)?,
        _ => blank_card(seed)?,
    };
    Ok(Case {
        name: format!("{kind}, seed {seed}"),
        set: "nothing".to_owned(),
        groups: Groups::from([("kind", kind.to_owned())]),
        pictures: vec![Picture { role: ImageRole::DocumentFront, bytes, document: None }],
        country: None,
        document_type: None,
        truth: Truth { nothing: true, ..Truth::default() },
    })
}

/// A card of one colour without print, photographed.
fn blank_card(seed: u64) -> anyhow::Result<Vec<u8>> {
    let mut random = Random::stream(seed, "blank card");
    let colour = std::array::from_fn(|_| random.integer(150, 245) as u8);
    let side = RenderedSide {
        role: Role::DocumentFront,
        pixels: RgbImage::from_pixel(2000, 1261, Rgb(colour)),
        corner_radius_px: 74.0,
        texts: Vec::new(),
        heads: Vec::new(),
    };
    let scene = Capture::PHOTO.scene(&mut random);
    let mut surface = Random::stream(seed, "support");
    let shot = scene.shot(&side, &mut surface).exposed(scene.blur_px, scene.noise, &mut random);
    Ok(jpeg::encode(&shot.frame.to_rgb(), scene.jpeg_quality)?)
}

/// The selfie of a submission, sent as if it were the document.
fn portrait(generator: &Generator, seed: u64) -> anyhow::Result<Vec<u8>> {
    let design = Design::all()?.into_iter().next().ok_or_else(|| anyhow::anyhow!("no design"))?;
    let person = generator.person(&design.issuer, seed)?;
    let made = generator.submission(&person, &design, Capture::FLAT_SCAN, Attack::None, seed)?;
    made.selfie.ok_or_else(|| anyhow::anyhow!("a submission without a selfie"))
}

/// Slow changes of one colour, as of a wall.
fn plain_surface(seed: u64) -> RgbImage {
    let mut random = Random::stream(seed, "surface");
    let colour: [f32; 3] = std::array::from_fn(|_| random.between(40.0, 210.0) as f32);
    let slope: [f32; 2] = std::array::from_fn(|_| random.between(-0.03, 0.03) as f32);
    RgbImage::from_fn(1600, 1200, |x, y| {
        let light = slope[0] * (x as f32 - 800.0) + slope[1] * (y as f32 - 600.0);
        Rgb(colour.map(|value| (value + light).clamp(0.0, 255.0) as u8))
    })
}
