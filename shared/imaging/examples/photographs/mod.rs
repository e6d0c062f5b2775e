//! Photographs with the place of the document in each, as the specimens' generator writes them.

use bytes::Bytes;
use serde_json::Value;
use std::path::{Path, PathBuf};
use txid_imaging::{RgbImage, SourceImage, overlap, resize};
use txid_shared::partial::Polygon;

const LOOKED_AT_PX: u32 = 640;
/// From this overlap (intersection over union, within the picture) on a document is found.
const ENOUGH: f32 = 0.9;

pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

pub struct Photograph {
    pub file: PathBuf,
    /// How it was taken.
    pub condition: String,
    /// At a longer side of 640.
    pub picture: RgbImage,
    /// In pixels of that; `None` where there is no document.
    pub document: Option<Polygon>,
}

impl Photograph {
    fn read(file: PathBuf, condition: &str, document: &Value) -> Outcome<Self> {
        let source = SourceImage::new(Bytes::from(std::fs::read(&file)?));
        let header = source.header()?;
        let whole = source.scaled(LOOKED_AT_PX)?;
        let ratio = LOOKED_AT_PX as f32 / whole.width().max(whole.height()) as f32;
        let side = |length: u32| (length as f32 * ratio.min(1.0)).round() as u32;
        let picture = resize(&whole, side(whole.width()), side(whole.height()))?;
        let scale = picture.width() as f32 / header.width as f32;
        let document: Option<Polygon> = serde_json::from_value(document.clone())?;
        let document = document.map(|corners| corners.map(|corner| corner.map(|value| value * scale)));
        Ok(Self { file, condition: condition.to_owned(), picture, document })
    }

    /// Intersection over union with what was found, 0..1.
    pub fn overlap(&self, found: &Polygon) -> f32 {
        let (width, height) = (self.picture.width() as f32, self.picture.height() as f32);
        self.document.map_or(0.0, |document| overlap(found, &document, width, height))
    }

    pub fn is_right(&self, found: Option<&Polygon>) -> bool {
        match (self.document, found) {
            (Some(_), Some(found)) => self.overlap(found) >= ENOUGH,
            (document, found) => document.is_none() && found.is_none(),
        }
    }
}

/// Calls `each` for the photographs of a folder, in the order of their names: `NAME.jpg` beside `NAME.json` with
/// `document` (`specimens photograph`, `specimens nothing`), or `NAME.ROLE.jpg` with `images` (`specimens`).
pub fn visit(folder: &Path, mut each: impl FnMut(Photograph) -> Outcome<()>) -> Outcome<()> {
    let files = std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut files: Vec<PathBuf> = files.collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    for file in files {
        let truth: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
        let named = ["capture", "condition", "kind"].iter().find_map(|key| truth.get(key)?.as_str());
        let condition = named.unwrap_or("unnamed");
        match truth.get("images").and_then(Value::as_array) {
            None => each(Photograph::read(file.with_extension("jpg"), condition, &truth["document"])?)?,
            Some(images) => {
                for image in images.iter().filter(|image| image.get("document").is_some()) {
                    let role = image["image"].as_str().unwrap_or_default();
                    let picture = file.with_extension(format!("{role}.jpg"));
                    each(Photograph::read(picture, condition, &image["document"])?)?;
                }
            }
        }
    }
    Ok(())
}
