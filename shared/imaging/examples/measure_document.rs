//! How well documents are found: `cargo run -p txid-imaging --example measure_document -- FOLDER…`. Each folder
//! holds `NAME.jpg` and `NAME.json` with `document` (four corners in pixels, or null for a picture without one)
//! and `capture` or `condition`, as `specimens photograph` and `specimens nothing` write them. Prints a line per
//! condition: pictures, share with an overlap (intersection over union, within the picture) of at least 0.9, or with
//! no outline where there is no document; mean overlap; pictures called cut off, and with several documents;
//! milliseconds for the picture at a longer side of 640.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;
use txid_imaging::{SourceImage, find_document, overlap, resize};
use txid_shared::partial::Polygon;

const LOOKED_AT_PX: u32 = 640;
const ENOUGH: f32 = 0.9;

#[derive(Default)]
struct Measured {
    pictures: u32,
    right: u32,
    overlap: f32,
    cut_off: u32,
    several: u32,
    milliseconds: f64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut table: BTreeMap<String, Measured> = BTreeMap::new();
    for folder in std::env::args().skip(1) {
        let files = std::fs::read_dir(&folder)?.map(|entry| entry.map(|entry| entry.path()));
        let mut files: Vec<PathBuf> = files.collect::<Result<_, _>>()?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        files.sort();
        for file in files {
            let truth: serde_json::Value = serde_json::from_slice(&std::fs::read(&file)?)?;
            let picture = SourceImage::new(Bytes::from(std::fs::read(file.with_extension("jpg"))?));
            let header = picture.header()?;
            let whole = picture.scaled(LOOKED_AT_PX)?;
            let ratio = LOOKED_AT_PX as f32 / whole.width().max(whole.height()) as f32;
            let side = |length: u32| (length as f32 * ratio.min(1.0)).round() as u32;
            let small = resize(&whole, side(whole.width()), side(whole.height()))?;
            let (width, height) = (small.width() as f32, small.height() as f32);
            let scale = width / header.width as f32;

            let start = Instant::now();
            let found = find_document(&small)?;
            let name = ["capture", "condition", "kind"].iter().find_map(|key| truth.get(key)?.as_str());
            let row = table.entry(name.unwrap_or("unnamed").to_owned()).or_default();
            row.milliseconds += start.elapsed().as_secs_f64() * 1e3;
            row.pictures += 1;
            row.cut_off += u32::from(found.cut_off);
            row.several += u32::from(!found.others.is_empty());
            let document: Option<Polygon> = serde_json::from_value(truth["document"].clone())?;
            let right = match (document, found.corners) {
                (Some(document), Some(corners)) => {
                    let document = document.map(|corner| corner.map(|value| value * scale));
                    let overlap = overlap(&corners, &document, width, height);
                    row.overlap += overlap;
                    overlap >= ENOUGH
                }
                (document, corners) => document.is_none() && corners.is_none(),
            };
            row.right += u32::from(right);
            if !right {
                eprintln!("{}: {:?}, confidence {:.2}", file.display(), found.corners, found.confidence);
            }
        }
    }
    println!(
        "{:16} {:>8} {:>7} {:>8} {:>8} {:>8} {:>6}",
        "", "pictures", "right", "overlap", "cut off", "several", "ms"
    );
    for (name, row) in &table {
        let count = f64::from(row.pictures);
        println!(
            "{name:16} {:8} {:6.1}% {:8.3} {:8} {:8} {:6.1}",
            row.pictures,
            100.0 * f64::from(row.right) / count,
            f64::from(row.overlap) / count,
            row.cut_off,
            row.several,
            row.milliseconds / count,
        );
    }
    Ok(())
}
