//! What other measurements rely on: same seed, same bytes; truth that fits the pixels; attacks that
//! do what they say and nothing else. Skipped, with a note, where fonts and photographs are absent.
#![expect(clippy::unwrap_used, reason = "in the functions that tests share, too, a failure is a failed test")]

mod common;

use common::generator;
use image::RgbImage;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use txid_specimens::fixtures::FIXTURES;
use txid_specimens::geometry::Polygon;
use txid_specimens::{Attack, Capture, Design, Generator, Role, Submission, Turn, demo, jpeg};

const CARD: &str = "mar_national_id_2020";

fn made(generator: &Generator, design: &str, capture: Capture, attack: Attack, seed: u64) -> Submission {
    let design = Design::named(design).unwrap();
    let person = generator.person(&design.issuer, seed).unwrap();
    generator.submission(&person, &design, capture, attack, seed).unwrap()
}

fn genuine(generator: &Generator) -> &'static Submission {
    static GENUINE: OnceLock<Submission> = OnceLock::new();
    GENUINE.get_or_init(|| made(generator, CARD, Capture::PHOTO, Attack::None, SEED))
}

const SEED: u64 = 11;

fn pixels(submission: &Submission, role: Role) -> RgbImage {
    let (_, bytes) = submission.images().find(|(r, _)| *r == role).unwrap();
    jpeg::decode(bytes).unwrap()
}

fn brightness(pixel: [u8; 3]) -> f64 {
    pixel.iter().map(|v| f64::from(*v)).sum::<f64>() / 3.0
}

/// The pixels inside a convex polygon.
fn inside(polygon: &Polygon) -> impl Fn(f32, f32) -> bool + '_ {
    |x, y| {
        (0..4).all(|i| {
            let ([ax, ay], [bx, by]) = (polygon[i], polygon[(i + 1) % 4]);
            (bx - ax) * (y - ay) - (by - ay) * (x - ax) >= 0.0
        })
    }
}

fn values(picture: &RgbImage, polygon: &Polygon) -> Vec<f64> {
    let contains = inside(polygon);
    picture
        .enumerate_pixels()
        .filter(|(x, y, _)| contains(*x as f32, *y as f32))
        .map(|(_, _, pixel)| brightness(pixel.0))
        .collect()
}

/// Standard deviation of the brightness.
fn contrast(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let Some(generator) = generator() else { return };
    let again = made(generator, CARD, Capture::PHOTO, Attack::None, SEED);
    let first = genuine(generator);
    assert_eq!(first.front, again.front);
    assert_eq!(first.back, again.back);
    assert_eq!(first.selfie, again.selfie);
    assert_eq!(first.truth, again.truth);
    let other = made(generator, CARD, Capture::PHOTO, Attack::None, SEED + 1);
    assert_ne!(first.front, other.front);
    assert_ne!(first.truth.fields["document_number"], other.truth.fields["document_number"]);
}

/// Dark ink in every printed field's polygon, and that polygon in the picture: over both designs,
/// both captures and all four turns.
#[test]
fn every_polygon_of_the_truth_holds_ink() {
    let Some(generator) = generator() else { return };
    let cases = [
        (CARD, Capture::PHOTO.turned(Turn::Right)),
        (CARD, Capture::FLAT_SCAN.turned(Turn::UpsideDown)),
        ("mar_passport", Capture::PHOTO.turned(Turn::Left)),
        ("mar_passport", Capture::FLAT_SCAN),
    ];
    for (design, capture) in cases {
        let submission = made(generator, design, capture, Attack::None, SEED);
        let pictures: BTreeMap<Role, RgbImage> =
            submission.images().map(|(role, bytes)| (role, jpeg::decode(bytes).unwrap())).collect();
        let mrz = submission.truth.mrz.as_ref().unwrap();
        let mut polygons: Vec<(&str, Role, Polygon)> = submission
            .truth
            .fields
            .iter()
            .flat_map(|(name, field)| field.prints.iter().map(|p| (name.as_str(), p.image, p.polygon)))
            .collect();
        polygons.extend(mrz.line_polygons.iter().map(|p| ("mrz", mrz.image, *p)));
        assert!(polygons.len() >= 12, "{design}: {}", polygons.len());
        for (name, role, polygon) in polygons {
            let picture = &pictures[&role];
            let all = values(picture, &polygon);
            let dark = all.iter().filter(|v| **v < 105.0).count() as f64 / all.len() as f64;
            assert!(dark > 0.05, "{design} {capture:?} {name}: {dark:.3} of {} pixels are ink", all.len());
            // A box that is shifted off the text has less ink: none may be better.
            let height = polygon[3][0].hypot(polygon[3][1]) - polygon[0][0].hypot(polygon[0][1]);
            let up = [polygon[0][0] - polygon[3][0], polygon[0][1] - polygon[3][1]];
            let above = polygon.map(|[x, y]| [x + up[0], y + up[1]]);
            let above = values(picture, &above);
            let stray = above.iter().filter(|v| **v < 105.0).count() as f64 / above.len().max(1) as f64;
            assert!(
                dark > stray,
                "{design} {capture:?} {name} ({height}): {dark:.3} inside, {stray:.3} above"
            );
        }
    }
}

#[test]
fn portrait_and_selfie_are_different_photographs_of_one_face() {
    let Some(generator) = generator() else { return };
    let faces = &genuine(generator).truth.faces;
    let (portrait, selfie) = (faces.first().unwrap(), faces.last().unwrap());
    assert_eq!((portrait.image, selfie.image), (Role::DocumentFront, Role::Selfie));
    assert_eq!(portrait.face, selfie.face);
    assert_ne!(portrait.photograph, selfie.photograph);
}

/// Paths at which two JSON values differ.
fn differences(a: &Value, b: &Value, path: &str, found: &mut Vec<String>) {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            a.iter().for_each(|(key, value)| differences(value, &b[key], &format!("{path}/{key}"), found));
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter()
                .zip(b)
                .enumerate()
                .for_each(|(i, (a, b))| differences(a, b, &format!("{path}/{i}"), found));
        }
        (a, b) if a == b => {}
        _ => found.push(path.to_owned()),
    }
}

/// Under one seed, an attack's truth differs from the genuine truth where it must, and only there.
#[test]
fn an_attack_changes_what_it_says_and_nothing_else_in_the_truth() {
    let Some(generator) = generator() else { return };
    let before = serde_json::to_value(&genuine(generator).truth).unwrap();
    for attack in Attack::ALL.iter().copied().filter(|a| *a != Attack::None) {
        let after = made(generator, CARD, Capture::PHOTO, attack, SEED).truth;
        let mut found = Vec::new();
        differences(&before, &serde_json::to_value(&after).unwrap(), "", &mut found);
        let allowed = |path: &str| {
            let geometry = path.contains("/polygon")
                || path.contains("/line_polygons")
                || path.contains("/document")
                || path.contains("/head");
            path == "/attack"
                || match attack {
                    Attack::None | Attack::Blurred => false,
                    Attack::OtherPersonsSelfie => {
                        // The selfie is the last image and the last face.
                        path.starts_with("/images/2") || path.starts_with("/faces/2") || path == "/forgeries"
                    }
                    Attack::ScreenRecapture | Attack::GreyCopy => geometry || path == "/forgeries",
                    Attack::EditedDate => {
                        path.ends_with("/prints/0/text")
                            || path.ends_with("jpeg_quality")
                            || path == "/forgeries"
                    }
                    Attack::EditorMetadata => path == "/forgeries",
                    Attack::Messenger => geometry || path.starts_with("/images/"),
                }
        };
        let unexpected: Vec<_> = found.iter().filter(|path| !allowed(path)).collect();
        assert!(unexpected.is_empty(), "{attack:?} also changed {unexpected:?}");
        assert_eq!(
            after.forgeries.is_empty(),
            matches!(attack, Attack::None | Attack::Blurred | Attack::Messenger),
            "{attack:?}"
        );
    }
}

#[test]
fn an_edited_date_changes_its_polygon_and_leaves_the_mrz_true() {
    let Some(generator) = generator() else { return };
    let edited = made(generator, CARD, Capture::PHOTO, Attack::EditedDate, SEED);
    let forgery = &edited.truth.forgeries[0];
    let field = &edited.truth.fields[forgery.field.as_deref().unwrap()];
    let print = field.prints.iter().find(|p| p.image == Role::DocumentFront).unwrap();
    assert_eq!(Some(&print.text), forgery.forged_text.as_ref());
    assert_ne!(forgery.forged_text, forgery.genuine_text);
    let compact = field.value[2..].replace('-', "");
    assert!(edited.truth.mrz.as_ref().unwrap().lines[1].contains(&compact), "the MRZ says {compact}");

    let (before, after) =
        (pixels(genuine(generator), Role::DocumentFront), pixels(&edited, Role::DocumentFront));
    let polygon = forgery.polygon.unwrap();
    let contains = inside(&polygon);
    // Ten pixels around it belong to neither: blocks of the JPEG reach over the edge.
    let grown = [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]];
    let around: Polygon =
        std::array::from_fn(|i| [0, 1].map(|axis| polygon[i][axis] + 10.0 * grown[i][axis]));
    let near = inside(&around);
    let (mut changed_inside, mut changed_outside) = ((0.0, 0.0), (0.0, 0.0));
    for ((x, y, a), b) in before.enumerate_pixels().zip(after.pixels()) {
        let difference = (brightness(a.0) - brightness(b.0)).abs();
        let (x, y) = (x as f32, y as f32);
        if contains(x, y) {
            changed_inside = (changed_inside.0 + difference, changed_inside.1 + 1.0);
        } else if !near(x, y) {
            changed_outside = (changed_outside.0 + difference, changed_outside.1 + 1.0);
        }
    }
    let mean = |(sum, count): (f64, f64)| sum / count;
    assert!(mean(changed_inside) > 10.0, "inside: {}", mean(changed_inside));
    assert!(mean(changed_outside) < 2.5, "outside: {}", mean(changed_outside));
    assert_eq!(genuine(generator).back, edited.back, "the back is untouched");
}

#[test]
fn nothing_is_left_to_read_in_a_blurred_picture() {
    let Some(generator) = generator() else { return };
    let blurred = made(generator, CARD, Capture::PHOTO, Attack::Blurred, SEED);
    let (sharp, soft) = (genuine(generator), &blurred);
    for name in ["date_of_birth", "document_number", "last_name"] {
        let polygon = sharp.truth.fields[name].prints[0].polygon;
        let before = contrast(&values(&pixels(sharp, Role::DocumentFront), &polygon));
        let after = contrast(&values(&pixels(soft, Role::DocumentFront), &polygon));
        assert!(after < before * 0.45, "{name}: {before} -> {after}");
    }
    assert_eq!(sharp.selfie, soft.selfie);
}

#[test]
fn a_photocopy_has_no_colour() {
    let Some(generator) = generator() else { return };
    let colourfulness = |submission: &Submission| {
        let picture = pixels(submission, Role::DocumentFront);
        // Red against blue, less the light's own tint: the spread, not the mean.
        let tints: Vec<f64> = picture.pixels().map(|p| f64::from(p.0[0]) - f64::from(p.0[2])).collect();
        contrast(&tints)
    };
    let copy = made(generator, CARD, Capture::PHOTO, Attack::GreyCopy, SEED);
    let (card, copy) = (colourfulness(genuine(generator)), colourfulness(&copy));
    assert!(copy < card / 3.0, "copy {copy}, card {card}");
}

/// Stripes of red, green and blue through a Bayer mosaic leave colours that change within two pixels,
/// where ink and light do not.
#[test]
fn a_recaptured_screen_shows_its_grid() {
    let Some(generator) = generator() else { return };
    let alternation = |submission: &Submission| {
        let picture = pixels(submission, Role::DocumentFront);
        let tint = |x: u32| {
            let [red, _, blue] = picture.get_pixel(x, picture.height() / 2).0;
            f64::from(red) - f64::from(blue)
        };
        (2..picture.width()).map(|x| (tint(x) - tint(x - 2)).abs()).sum::<f64>() / f64::from(picture.width())
    };
    let screen = made(generator, CARD, Capture::PHOTO, Attack::ScreenRecapture, SEED);
    let (card, screen) = (alternation(genuine(generator)), alternation(&screen));
    assert!(screen > card * 3.0, "screen {screen}, card {card}");
}

#[test]
fn an_editors_marks_leave_the_pixels_alone() {
    let Some(generator) = generator() else { return };
    let marked = made(generator, CARD, Capture::PHOTO, Attack::EditorMetadata, SEED);
    assert!(marked.front.len() > genuine(generator).front.len());
    assert_eq!(jpeg::without_metadata(&marked.front), jpeg::without_metadata(&genuine(generator).front));
}

#[test]
fn a_messenger_shrinks_and_the_truth_follows() {
    let Some(generator) = generator() else { return };
    let sent = made(generator, CARD, Capture::PHOTO, Attack::Messenger, SEED);
    let picture = pixels(&sent, Role::DocumentFront);
    assert_eq!(picture.width().max(picture.height()), 1600);
    let polygon = sent.truth.fields["document_number"].prints[0].polygon;
    let all = values(&picture, &polygon);
    assert!(all.iter().filter(|v| **v < 105.0).count() * 20 > all.len());
}

#[test]
fn the_demo_has_its_five_cases() {
    let Some(generator) = generator() else { return };
    let cases = demo::submissions(generator, 1).unwrap();
    let names: Vec<_> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names, ["genuine", "other person's selfie", "screen recapture", "edited date", "blurred"]);
    for case in &cases {
        assert!(case.submission.back.is_some() && case.submission.selfie.is_some(), "{}", case.name);
        let truth = &case.submission.truth;
        let (portrait, selfie) = (truth.faces.first().unwrap(), truth.faces.last().unwrap());
        assert_eq!(portrait.face == selfie.face, case.name != "other person's selfie", "{}", case.name);
    }
}

#[test]
fn a_fixture_is_drawn_the_same_each_time_and_each_has_a_name_of_its_own() {
    let Some(generator) = generator() else { return };
    let names: std::collections::BTreeSet<&str> = FIXTURES.iter().map(|fixture| fixture.id).collect();
    assert_eq!(names.len(), FIXTURES.len());
    let fixture = FIXTURES.iter().find(|fixture| fixture.id == "liveness_failed").unwrap();
    let (once, again) = (fixture.images(generator).unwrap(), fixture.images(generator).unwrap());
    assert_eq!(once.len(), 3);
    assert!(once == again);
}
