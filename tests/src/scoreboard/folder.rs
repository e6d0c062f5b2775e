//! Folders of real images with truth beside them. `tests/SCOREBOARD.md` describes the files.

use super::case::{Case, Expected, ExpectedZone, Groups, Picture, Truth};
use super::sidtd;
use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use txid_shared::partial::Polygon;
use txid_shared::words::{DocumentType, ImageRole};

/// A truth file and what kind it is.
#[derive(Debug, Clone)]
pub struct Entry {
    pub truth: PathBuf,
    /// Of the set.
    pub root: PathBuf,
    pub set: String,
}

/// The truth files at any depth below `root`, in order of their names.
pub fn entries(root: &Path, set: &str) -> anyhow::Result<Vec<Entry>> {
    let mut found = Vec::new();
    collect(root, &mut found)?;
    found.sort();
    let entry = |truth| Entry { truth, root: root.to_owned(), set: set.to_owned() };
    Ok(found.into_iter().map(entry).collect())
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else if path.extension().is_some_and(|e| e == "json" || e == "txt") {
            found.push(path);
        }
    }
    Ok(())
}

/// A truth file as [`Entry`] names it. What is written by `specimens` has more than this.
#[derive(Debug, Deserialize)]
struct File {
    country: Option<String>,
    document_type: Option<DocumentType>,
    /// How the picture was taken, in a word of one's own.
    #[serde(alias = "capture")]
    condition: Option<String>,
    design: Option<String>,
    attack: Option<String>,
    #[serde(default)]
    fields: BTreeMap<String, FieldEntry>,
    mrz: Option<ZoneEntry>,
    #[serde(default)]
    images: Vec<ImageEntry>,
    /// Only `specimens` writes it; then the file names all that the document carries.
    seed: Option<u64>,
    #[serde(default)]
    complete: bool,
    #[serde(default)]
    nothing: bool,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum FieldEntry {
    Value(String),
    Placed {
        value: String,
        #[serde(default)]
        prints: Vec<PrintEntry>,
    },
}

#[derive(Debug, Deserialize)]
struct PrintEntry {
    image: ImageRole,
    polygon: Polygon,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum ZoneEntry {
    Lines(Vec<String>),
    Placed { lines: Vec<String>, image: Option<ImageRole>, polygon: Option<Polygon> },
}

#[derive(Debug, Deserialize)]
struct ImageEntry {
    image: ImageRole,
    document: Option<Polygon>,
}

/// `None` where no picture lies beside the file or it is no truth.
pub fn case(entry: &Entry) -> anyhow::Result<Option<Case>> {
    let text = std::fs::read_to_string(&entry.truth)?;
    if entry.truth.extension().is_some_and(|e| e == "txt") {
        return zone_alone(entry, &text);
    }
    let value: Value = serde_json::from_str(&text)?;
    if let Some(printed) = sidtd::fields(&value) {
        return sidtd::case(entry, printed);
    }
    let known = ["fields", "mrz", "nothing"].iter().any(|key| value.get(key).is_some());
    let pictures = pictures_beside(&entry.truth)?;
    if !known || pictures.is_empty() {
        return Ok(None);
    }
    let file: File = serde_json::from_value(value)?;
    if file.nothing && (file.mrz.is_some() || !file.fields.is_empty()) {
        bail!("`nothing` and fields or a zone exclude each other");
    }
    Ok(Some(from_file(entry, file, pictures)))
}

fn from_file(entry: &Entry, file: File, mut pictures: Vec<Picture>) -> Case {
    for picture in &mut pictures {
        picture.document =
            file.images.iter().find(|image| image.image == picture.role).and_then(|image| image.document);
    }
    let attacked = file.attack.filter(|attack| attack != "none");
    let condition = match (file.condition, attacked) {
        (Some(condition), Some(attack)) => Some(format!("{condition} {attack}")),
        (condition, attack) => condition.or(attack),
    };
    let groups = [
        ("country", file.country.clone()),
        ("document_type", file.document_type.map(|kind| kind.as_str().to_owned())),
        ("condition", condition),
        ("design", file.design),
    ];
    let fields = file.fields.into_iter().map(|(name, field)| {
        let (value, places) = match field {
            FieldEntry::Value(value) => (value, Vec::new()),
            FieldEntry::Placed { value, prints } => {
                (value, prints.into_iter().map(|print| (print.image, print.polygon)).collect())
            }
        };
        let derived = name == "full_name" && places.is_empty() && file.seed.is_some();
        (name, Expected { value, places, derived })
    });
    let truth = Truth {
        fields: fields.collect(),
        zone: file.mrz.map(|zone| match zone {
            ZoneEntry::Lines(lines) => ExpectedZone { lines, place: None },
            ZoneEntry::Placed { lines, image, polygon } => ExpectedZone { lines, place: image.zip(polygon) },
        }),
        complete: file.complete || file.seed.is_some(),
        of_print: false,
        nothing: file.nothing,
    };
    Case {
        name: name(entry),
        set: entry.set.clone(),
        groups: groups.into_iter().filter_map(|(key, label)| Some((key, label?))).collect(),
        pictures,
        country: file.country,
        document_type: file.document_type,
        truth,
    }
}

/// `NAME.txt`: the lines of the zone. The folder it lies in is the issuer.
fn zone_alone(entry: &Entry, text: &str) -> anyhow::Result<Option<Case>> {
    let lines: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    let pictures = pictures_beside(&entry.truth)?;
    let looks_like_a_zone = (1..=3).contains(&lines.len()) && lines.iter().all(|line| line.len() >= 30);
    if pictures.is_empty() || !looks_like_a_zone {
        return Ok(None);
    }
    let folder = entry.truth.parent().filter(|parent| *parent != entry.root);
    let issuer = folder.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    Ok(Some(Case {
        name: name(entry),
        set: entry.set.clone(),
        groups: issuer.map(|issuer| ("issuer", issuer)).into_iter().collect::<Groups>(),
        pictures,
        country: None,
        document_type: None,
        truth: Truth { zone: Some(ExpectedZone { lines, place: None }), ..Truth::default() },
    }))
}

/// The truth's path below the set's folder, without its ending.
pub fn name(entry: &Entry) -> String {
    let path = entry.truth.strip_prefix(&entry.root).unwrap_or(&entry.truth);
    path.with_extension("").to_string_lossy().into_owned()
}

/// `NAME.jpg` (or `.jpeg`, `.png`) is the front, or `NAME.document_front.jpg` and
/// `NAME.document_back.jpg` the sides.
fn pictures_beside(truth: &Path) -> anyhow::Result<Vec<Picture>> {
    let named = |infix: &str| picture_file(&truth.with_extension(""), infix);
    let front = named(".document_front").or_else(|| named(""));
    let sides = [(ImageRole::DocumentFront, front), (ImageRole::DocumentBack, named(".document_back"))];
    sides.into_iter().filter_map(|(role, path)| Some(picture(role, &path?))).collect()
}

pub fn picture(role: ImageRole, path: &Path) -> anyhow::Result<Picture> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    Ok(Picture { role, bytes, document: None })
}

/// The first of `stem` + `infix` + ending that is there.
pub fn picture_file(stem: &Path, infix: &str) -> Option<PathBuf> {
    ["jpg", "jpeg", "png"]
        .iter()
        .map(|ending| {
            let mut path = stem.as_os_str().to_owned();
            path.push(format!("{infix}.{ending}"));
            PathBuf::from(path)
        })
        .find(|path| path.is_file())
}
