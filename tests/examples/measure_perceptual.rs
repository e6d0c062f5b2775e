//! How far perceptual hashes of one picture and of different ones lie apart: `cargo run --example measure_perceptual -- FOLDER…`.
//! In each folder every picture is compared with copies of itself (compressed again, scaled, brighter, cut by a pixel row) and
//! with every other picture.

use anyhow::Result;
use image::codecs::jpeg::JpegEncoder;
use image::{RgbImage, imageops};
use std::path::PathBuf;
use txid_imaging::{perceptual_hash, resize};
use txid_shared::likeness::PerceptualHash;

fn main() -> Result<()> {
    println!(
        "{:<40} {:>8} {:>24} {:>24}",
        "folder", "pictures", "own copies, bits (max)", "others, bits (min)"
    );
    for folder in std::env::args().skip(1).map(PathBuf::from) {
        let mut files: Vec<_> = std::fs::read_dir(&folder)?.collect::<Result<Vec<_>, _>>()?;
        files.sort_by_key(std::fs::DirEntry::file_name);
        let (mut hashes, mut copies, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for file in files {
            let Ok(picture) = image::open(file.path()) else { continue };
            let picture = picture.to_rgb8();
            let hash = perceptual_hash(&picture)?;
            for copy in altered(&picture)? {
                copies.push(distance(&hash, &perceptual_hash(&copy)?));
            }
            others.extend(hashes.iter().map(|other| distance(&hash, other)));
            hashes.push(hash);
        }
        copies.sort_unstable();
        others.sort_unstable();
        let most = |bits: &[u32]| bits.last().copied().unwrap_or_default();
        let middle = |bits: &[u32]| bits.get(bits.len() / 2).copied().unwrap_or_default();
        let own = format!("{} (median {})", most(&copies), middle(&copies));
        let other = format!("{} (median {})", others.first().copied().unwrap_or_default(), middle(&others));
        println!("{:<40} {:>8} {own:>24} {other:>24}", folder.display(), hashes.len());
    }
    Ok(())
}

fn altered(picture: &RgbImage) -> Result<Vec<RgbImage>> {
    let (width, height) = picture.dimensions();
    Ok(vec![
        compressed(picture, 70)?,
        compressed(picture, 30)?,
        resize(picture, width / 2, height / 2)?,
        compressed(&resize(picture, width / 4, height / 4)?, 50)?,
        imageops::colorops::brighten(picture, 25),
        imageops::colorops::contrast(picture, 15.0),
        imageops::crop_imm(picture, width / 200, height / 200, width - width / 100, height - height / 100)
            .to_image(),
    ])
}

fn compressed(picture: &RgbImage, quality: u8) -> Result<RgbImage> {
    let mut bytes = Vec::new();
    picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, quality))?;
    Ok(image::load_from_memory(&bytes)?.to_rgb8())
}

fn distance(a: &PerceptualHash, b: &PerceptualHash) -> u32 {
    a.within(b, PerceptualHash::BITS).unwrap_or(PerceptualHash::BITS)
}
