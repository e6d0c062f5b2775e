//! The scoreboard from end to end: a generated document in two conditions and a folder with truth,
//! down to the files that people read.
#![expect(clippy::unwrap_used, reason = "in the functions that tests share, too, a failure is a failed test")]

use serde_json::{Value, json};
use std::path::Path;
use txid_specimens::{Assets, Attack, Capture, Design, Generator, Submission};
use txid_tests::scoreboard::{Board, Options, measure};

fn passport(seed: u64) -> Submission {
    let generator = Generator::new(Assets::load(&Assets::default_cache()).unwrap());
    let design = Design::named("mar_passport").unwrap();
    let person = generator.person(&design.issuer, seed).unwrap();
    generator.submission(&person, &design, Capture::FLAT_SCAN, Attack::None, seed).unwrap()
}

fn options(folder: &Path) -> Options {
    Options {
        per: 1,
        designs: vec!["mar_passport".to_owned()],
        conditions: vec!["photo".to_owned(), "flat_scan".to_owned()],
        folders: vec![folder.to_owned()],
        photographed: false,
        nothing: 1,
        seed: 7,
        threads: 2,
    }
}

/// One passport under the three kinds of truth, with one error in one truth each, so that what is
/// counted as wrong is known.
fn write_folder(folder: &Path) {
    let made = passport(8);
    let zone = made.truth.mrz.as_ref().unwrap();
    std::fs::create_dir(folder.join("MAR")).unwrap();
    std::fs::write(folder.join("MAR/zone.jpg"), &made.front).unwrap();
    std::fs::write(folder.join("MAR/zone.txt"), zone.lines.join("\n")).unwrap();

    let mut other = zone.lines.clone();
    other[1].replace_range(0..1, "Ö");
    std::fs::write(folder.join("wrong.jpg"), &made.front).unwrap();
    let truth = json!({
        "country": "MA", "document_type": "passport", "condition": "scanner", "mrz": other,
        "fields": { "last_name": made.truth.fields["last_name"].value, "expiry_date": "1900-01-01" },
    });
    std::fs::write(folder.join("wrong.json"), truth.to_string()).unwrap();

    std::fs::write(folder.join("broken.jpg"), "no picture").unwrap();
    std::fs::write(folder.join("broken.json"), json!({ "fields": { "gender": "M" } }).to_string()).unwrap();
    // Neither truth nor without it: somebody's notes.
    std::fs::write(folder.join("notes.txt"), "taken on Monday").unwrap();
}

fn written(board: &Board, options: &Options) -> (Value, String) {
    let out = tempfile::tempdir().unwrap();
    board.write(options, out.path()).unwrap();
    let json = std::fs::read(out.path().join("latest.json")).unwrap();
    (serde_json::from_slice(&json).unwrap(), std::fs::read_to_string(out.path().join("index.html")).unwrap())
}

#[test]
fn figures_and_page_say_what_was_read_and_what_was_not() {
    let folder = tempfile::tempdir().unwrap();
    write_folder(folder.path());
    let options = options(folder.path());
    let board = measure(&options).unwrap();
    let (json, page) = written(&board, &options);
    let at = |path: &str| json.pointer(path).unwrap_or_else(|| panic!("no {path} in {json}")).clone();

    let generated = "/sets/generated";
    assert_eq!(at(&format!("{generated}/figures/submissions")), 2);
    assert_eq!(at(&format!("{generated}/by/condition/flat_scan/submissions")), 1);
    assert_eq!(at(&format!("{generated}/by/country/MA/sides")), 2);
    assert_eq!(at(&format!("{generated}/figures/document/expected")), 2);
    assert!(at(&format!("{generated}/input")).as_str().unwrap().contains("generated"));
    let fields = at(&format!("{generated}/figures/fields/all"));
    let counted = ["exact", "but_for_marks", "wrong", "absent"].map(|key| fields[key].as_u64().unwrap());
    assert_eq!(counted.iter().sum::<u64>(), fields["expected"].as_u64().unwrap());
    assert!(counted[0] > 0, "a flat scan has fields that are read: {fields}");
    assert!(at(&format!("{generated}/figures/ms_per_side/total_cpu/median")).as_f64().unwrap() > 0.0);
    let bins = at(&format!("{generated}/calibration/mrz/bins"));
    assert_eq!(bins.as_array().unwrap().len(), 10);
    assert_eq!(at("/sets/nothing/figures/submissions"), 1);

    let name = folder.path().file_name().unwrap().to_str().unwrap();
    let zones = at(&format!("/sets/{name}/figures/mrz"));
    assert_eq!((&zones["expected"], &zones["exact"]), (&json!(2), &json!(1)), "{zones}");
    // The truth was made wrong, so the reading, valid as it is, counts as the worst of errors.
    assert_eq!(zones["wrong_but_valid"], 1, "{zones}");
    assert!(!board.alarms().is_empty());
    let expiry = at(&format!("/sets/{name}/figures/fields/by_name/expiry_date"));
    assert_eq!((&expiry["expected"], &expiry["exact"], &expiry["wrong"]), (&json!(1), &json!(0), &json!(1)));
    assert_eq!(at(&format!("/sets/{name}/by/issuer/MAR/submissions")), 1);
    assert_eq!(at("/left_out").as_array().unwrap().len(), 1, "the broken picture, not the notes");
    assert_eq!(at("/misses/0/rows/0/what"), "expiry_date");

    assert!(page.contains("1900-01-01") && page.contains("data:image/jpeg;base64,"));
    assert!(!page.contains("http://") && !page.contains("https://"), "it must work without a network");
    assert!(page.contains("<svg"));
}

#[test]
fn an_unknown_name_tells_the_known_ones() {
    let folder = tempfile::tempdir().unwrap();
    let wrong =
        Options { designs: vec!["no_such".to_owned()], folders: Vec::new(), ..options(folder.path()) };
    let error = measure(&wrong).err().unwrap().to_string();
    assert!(error.contains("no_such") && error.contains("mar_passport"), "{error}");
}
