//! How well documents are found: `cargo run -p txid-imaging --example measure_document -- FOLDER…`, of photographs as
//! `photographs` reads them. Prints a line per condition: pictures, share with an overlap of at least 0.9, or with no
//! outline where there is no document; mean overlap; pictures called cut off, and with several documents;
//! milliseconds for the picture at a longer side of 640.

mod photographs;

use photographs::{Outcome, visit};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;
use txid_imaging::find_document;

#[derive(Default)]
struct Measured {
    pictures: u32,
    right: u32,
    overlap: f32,
    cut_off: u32,
    several: u32,
    milliseconds: f64,
}

fn main() -> Outcome<()> {
    let mut table: BTreeMap<String, Measured> = BTreeMap::new();
    for folder in std::env::args().skip(1) {
        visit(Path::new(&folder), |photograph| {
            let start = Instant::now();
            let found = find_document(&photograph.picture)?;
            let row = table.entry(photograph.condition.clone()).or_default();
            row.milliseconds += start.elapsed().as_secs_f64() * 1e3;
            row.pictures += 1;
            row.cut_off += u32::from(found.cut_off);
            row.several += u32::from(!found.others.is_empty());
            row.overlap += found.corners.map_or(0.0, |corners| photograph.overlap(&corners));
            let right = photograph.is_right(found.corners.as_ref());
            row.right += u32::from(right);
            if !right {
                eprintln!(
                    "{}: {:?}, confidence {:.2}",
                    photograph.file.display(),
                    found.corners,
                    found.confidence
                );
            }
            Ok(())
        })?;
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
