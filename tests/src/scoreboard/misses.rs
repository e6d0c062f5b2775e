//! The worst misses with their pictures: people would rather look than read.

use super::case::Case;
use super::compare::Match;
use super::judge::{FOUND_IOU, FieldJudged, Judgement, Read, ZoneJudged};
use super::reading::Reading;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::codecs::jpeg::JpegEncoder;
use std::collections::BTreeMap;
use txid_imaging::{RgbImage, crop_jpeg, warp_perspective};
use txid_shared::partial::Polygon;
use txid_shared::words::ImageRole;

/// Kept of each group of like cases, and shown of all.
const KEPT_PER_GROUP: usize = 2;
const SHOWN: usize = 40;
/// Longer side of a picture's thumbnail.
const THUMBNAIL_PX: u32 = 720;
/// Pixels of a text's thumbnail and of a zone's, whatever their shape, and the most of each side.
const STRIP_AREA_PX: f32 = 14_000.0;
const ZONE_AREA_PX: f32 = 60_000.0;
const STRIP_HEIGHT_PX: f32 = 110.0;
const STRIP_WIDTH_PX: f32 = 900.0;

/// A submission that was not read as it should have been.
pub struct Miss {
    pub set: String,
    pub name: String,
    /// How bad: what misleads weighs more than what is absent.
    pub weight: f32,
    pub rows: Vec<Row>,
    pub pictures: Vec<Shown>,
    group: String,
}

/// One thing that was expected and not read, or the reverse.
pub struct Row {
    pub what: String,
    /// `wrong`, `but_for_marks`, `absent`, `invented`, `wrong_but_valid`, `not_found`.
    pub outcome: &'static str,
    pub expected: String,
    pub read: Option<String>,
    pub confidence: Option<f32>,
    pub source: &'static str,
    /// JPEG (base64): what stands where it should have looked, and where it looked.
    pub expected_strip: Option<String>,
    pub read_strip: Option<String>,
}

/// A picture as it was sent, small, with what is drawn over it.
pub struct Shown {
    pub role: ImageRole,
    pub width: u32,
    pub height: u32,
    /// JPEG (base64).
    pub jpeg: String,
    pub outlines: Vec<(Outline, Polygon)>,
}

/// What an outline means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outline {
    Expected,
    Read,
    ExpectedDocument,
    ReadDocument,
}

#[derive(Default)]
pub struct Misses {
    by_group: BTreeMap<String, Vec<Miss>>,
}

impl Misses {
    pub(super) fn keep(&mut self, miss: Option<Miss>) {
        let Some(miss) = miss else { return };
        let kept = self.by_group.entry(miss.group.clone()).or_default();
        kept.push(miss);
        kept.sort_by(worse);
        kept.truncate(KEPT_PER_GROUP);
    }

    /// The worst first.
    pub fn worst(&self) -> Vec<&Miss> {
        let mut all: Vec<&Miss> = self.by_group.values().flatten().collect();
        all.sort_by(|a, b| worse(a, b));
        all.truncate(SHOWN);
        all
    }
}

/// By weight, then by name, so that two runs show the same.
fn worse(a: &Miss, b: &Miss) -> std::cmp::Ordering {
    b.weight.total_cmp(&a.weight).then_with(|| (&a.set, &a.name).cmp(&(&b.set, &b.name)))
}

/// `None` where all is right.
pub(super) fn miss(case: &Case, judged: &Judgement, reading: &Reading) -> Option<Miss> {
    let pixels = |role: ImageRole| {
        let (_, source) = reading.pictures.iter().find(|(of, _)| *of == role)?;
        source.decoded().ok()
    };
    let cut = |place: Option<&(ImageRole, Polygon)>, area_px: f32| {
        let (role, polygon) = place?;
        strip(&*pixels(*role)?, polygon, area_px)
    };
    let strip = |place: Option<&(ImageRole, Polygon)>| cut(place, STRIP_AREA_PX);
    let zone_strip = |place: Option<&(ImageRole, Polygon)>| cut(place, ZONE_AREA_PX);
    let mut found = Found::default();
    for field in judged.fields.iter().filter(|field| field.outcome != Match::Exact && !field.derived) {
        found.field(field, &strip);
    }
    for extra in &judged.extra {
        found.extra(extra, case.truth.nothing, &strip);
    }
    if let Some(zone) = judged.zone.as_ref().filter(|zone| !zone.exact || zone.untold > 0) {
        found.zone(zone, &zone_strip);
    }
    if judged.zone_invented
        && let Some(mrz) = &reading.result.mrz
    {
        let place = (mrz.image, mrz.polygon);
        found.outlines.push((Outline::Read, place));
        found.add(
            500.0,
            Row {
                what: "mrz".to_owned(),
                outcome: "invented",
                expected: String::new(),
                read: Some(mrz.lines.join("\n")),
                confidence: Some(mrz.confidence),
                source: "mrz",
                expected_strip: None,
                read_strip: zone_strip(Some(&place)),
            },
        );
    }
    for document in &judged.documents {
        let iou = document.read.map(|(_, iou)| iou);
        found.outlines.push((Outline::ExpectedDocument, (document.role, document.expected)));
        found.outlines.extend(document.read.map(|(at, _)| (Outline::ReadDocument, (document.role, at))));
        // A reader that reports no outline at all would fill the page with nothing else.
        if let Some(iou) = iou.filter(|iou| *iou < FOUND_IOU) {
            found.add(
                5.0,
                Row {
                    what: format!("outline, {}", document.role.as_str()),
                    outcome: "not_found",
                    expected: format!("IoU {FOUND_IOU} or more"),
                    read: Some(format!("IoU {iou:.2}")),
                    ..Row::of_nothing()
                },
            );
        }
    }
    if found.rows.is_empty() {
        return None;
    }
    let pictures = case.pictures.iter().filter_map(|picture| {
        let outlines = found.outlines.iter().filter(|(_, (role, _))| *role == picture.role);
        shown(picture.role, &*pixels(picture.role)?, outlines.map(|(kind, (_, at))| (*kind, *at)).collect())
    });
    Some(Miss {
        set: case.set.clone(),
        name: case.name.clone(),
        weight: found.weight,
        pictures: pictures.collect(),
        rows: found.rows,
        group: case.groups.values().fold(case.set.clone(), |all, label| format!("{all} {label}")),
    })
}

#[derive(Default)]
struct Found {
    weight: f32,
    rows: Vec<Row>,
    outlines: Vec<(Outline, (ImageRole, Polygon))>,
}

type Strip<'a> = &'a dyn Fn(Option<&(ImageRole, Polygon)>) -> Option<String>;

impl Found {
    fn add(&mut self, weight: f32, row: Row) {
        self.weight += weight;
        self.rows.push(row);
    }

    fn field(&mut self, field: &FieldJudged, strip: Strip<'_>) {
        let confidence = field.read.as_ref().and_then(|read| read.confidence);
        let (outcome, weight) = match field.outcome {
            // A confident wrong value does the most harm.
            Match::Wrong => ("wrong", 12.0 * confidence.unwrap_or(0.5)),
            Match::ButForMarks => ("but_for_marks", 4.0),
            _ => ("absent", 2.0),
        };
        self.outlines.extend(field.places.iter().map(|place| (Outline::Expected, *place)));
        self.outlines.extend(field.read.iter().map(|read| (Outline::Read, read.place)));
        self.add(
            weight,
            Row {
                what: field.name.clone(),
                outcome,
                expected: field.expected.clone(),
                read: field.read.as_ref().map(said),
                confidence,
                source: field.read.as_ref().map_or("", |read| read.source.as_str()),
                expected_strip: strip(field.places.first()),
                read_strip: strip(field.read.as_ref().map(|read| &read.place)),
            },
        );
    }

    fn extra(&mut self, extra: &Read, nothing: bool, strip: Strip<'_>) {
        self.outlines.push((Outline::Read, extra.place));
        self.add(
            if nothing { 500.0 } else { 3.0 },
            Row {
                what: extra.name.clone(),
                outcome: "invented",
                expected: String::new(),
                read: Some(said(extra)),
                confidence: extra.confidence,
                source: extra.source.as_str(),
                expected_strip: None,
                read_strip: strip(Some(&extra.place)),
            },
        );
    }

    fn zone(&mut self, zone: &ZoneJudged, strip: Strip<'_>) {
        let (outcome, weight) = match &zone.read {
            _ if zone.wrong_but_valid() => ("wrong_but_valid", 1000.0),
            Some(_) => ("wrong", 20.0),
            None => ("absent", 15.0),
        };
        let read_at = zone.read.as_ref().map(|mrz| (mrz.image, mrz.polygon));
        self.outlines.extend(zone.expected.place.map(|place| (Outline::Expected, place)));
        self.outlines.extend(read_at.map(|place| (Outline::Read, place)));
        self.add(
            weight + 300.0 * zone.untold as f32,
            Row {
                what: "mrz".to_owned(),
                outcome,
                expected: zone.expected.lines.join("\n"),
                read: zone.read.as_ref().map(|mrz| mrz.lines.join("\n")),
                confidence: zone.read.as_ref().map(|mrz| mrz.confidence),
                source: "mrz",
                expected_strip: strip(zone.expected.place.as_ref()),
                read_strip: strip(read_at.as_ref()),
            },
        );
    }
}

impl Row {
    const fn of_nothing() -> Self {
        Self {
            what: String::new(),
            outcome: "",
            expected: String::new(),
            read: None,
            confidence: None,
            source: "",
            expected_strip: None,
            read_strip: None,
        }
    }
}

/// The value, and what was read where that is not the same.
fn said(read: &Read) -> String {
    let same = read.raw.is_empty() || read.raw == read.value;
    if same { read.value.clone() } else { format!("{} (as read: {})", read.value, read.raw) }
}

fn shown(role: ImageRole, pixels: &RgbImage, outlines: Vec<(Outline, Polygon)>) -> Option<Shown> {
    let (width, height) = (pixels.width(), pixels.height());
    let jpeg = crop_jpeg(pixels, [0.0, 0.0, width as f32, height as f32], THUMBNAIL_PX, 70).ok()?;
    Some(Shown { role, width, height, jpeg: STANDARD.encode(jpeg), outlines })
}

/// A text upright and rectified, with a margin, whichever way the picture stands.
fn strip(pixels: &RgbImage, polygon: &Polygon, area_px: f32) -> Option<String> {
    let [a, b, c, d] = *polygon;
    let length = |p: [f32; 2], q: [f32; 2]| (q[0] - p[0]).hypot(q[1] - p[1]);
    let (across, down) = (length(a, b).max(length(d, c)), length(a, d).max(length(b, c)));
    if across < 2.0 || down < 2.0 {
        return None;
    }
    // A margin of a quarter of the height on each side.
    let (x, y) = ((0.25 * down / across).min(0.5), 0.25);
    let beyond = |p: [f32; 2], along: [f32; 2], by: f32| {
        [p[0] + (p[0] - along[0]) * by, p[1] + (p[1] - along[1]) * by]
    };
    let grown = |p, along, away| {
        let [sx, sy] = beyond(p, along, x);
        let [tx, ty] = beyond(p, away, y);
        [sx + tx - p[0], sy + ty - p[1]]
    };
    let corners = [grown(a, b, d), grown(b, a, c), grown(c, d, b), grown(d, c, a)];
    let ratio = (across + 0.5 * down) / (1.5 * down);
    let height = (area_px / ratio).sqrt().clamp(14.0, STRIP_HEIGHT_PX).min(STRIP_WIDTH_PX / ratio).max(4.0);
    let (width, height) = ((height * ratio).max(4.0) as u32, height as u32);
    let picture = warp_perspective(pixels, &corners, width, height)?;
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 75).encode_image(&picture).ok()?;
    Some(STANDARD.encode(bytes))
}
