//! Fonts and photographs. They are fetched into the model cache, never kept in the repository.

use crate::Error;
use crate::geometry::Box2;
use image::RgbImage;
use resvg::usvg::fontdb;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One photograph of one person.
#[derive(Debug)]
pub struct Photograph {
    /// File name.
    pub name: String,
    /// Whose face it shows.
    pub face: String,
    /// Crown to chin, ears included, in pixels of the photograph.
    pub head: Box2,
    /// Fit for a document's portrait.
    pub portrait: bool,
    pub pixels: RgbImage,
    /// The file without metadata; the compressed pixels are untouched.
    pub jpeg: Vec<u8>,
}

/// Everything that the generator draws with.
#[derive(Debug, Clone)]
pub struct Assets {
    pub(crate) fonts: Arc<fontdb::Database>,
    pub(crate) photographs: Arc<Vec<Photograph>>,
}

/// Families that the designs name. `OCR B` comes in several styles of one family name; only the
/// plain file is loaded, or the outlined one might be picked.
const FONT_FILES: &[&str] = &[
    "DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSansMono.ttf",
    "NotoNaskhArabic-Regular.ttf",
    "NotoNaskhArabic-Bold.ttf",
    "OCRB.otf",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PhotographList {
    photographs: Vec<PhotographEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PhotographEntry {
    file: String,
    face: String,
    head: [f64; 4],
    portrait: bool,
}

impl Assets {
    /// `$TXID_CACHE`, or `~/.cache/txid`.
    pub fn default_cache() -> PathBuf {
        std::env::var_os("TXID_CACHE").map_or_else(
            || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/txid"),
            PathBuf::from,
        )
    }

    /// Reads `fonts/` and `photographs/` below `cache`. `Error::MissingAsset` says which file is
    /// not there and how to get it; tests skip on it.
    pub fn load(cache: &Path) -> Result<Self, Error> {
        let mut fonts = fontdb::Database::new();
        for name in FONT_FILES {
            fonts.load_font_data(read(&cache.join("fonts").join(name))?);
        }
        fonts.set_sans_serif_family("DejaVu Sans");
        let list: PhotographList = toml::from_str(include_str!("../photographs.toml"))
            .map_err(|source| Error::Data { what: "photographs.toml".to_owned(), source })?;
        let mut photographs = Vec::new();
        for entry in list.photographs {
            let jpeg = read(&cache.join("photographs").join(&entry.file))?;
            let pixels = image::load_from_memory_with_format(&jpeg, image::ImageFormat::Jpeg)
                .map_err(|source| Error::Image { what: entry.file.clone(), source })?
                .into_rgb8();
            let [left, top, right, bottom] = entry.head;
            photographs.push(Photograph {
                jpeg: crate::jpeg::without_metadata(&jpeg),
                name: entry.file,
                face: entry.face,
                head: Box2 { left, top, right, bottom },
                portrait: entry.portrait,
                pixels,
            });
        }
        Ok(Self { fonts: Arc::new(fonts), photographs: Arc::new(photographs) })
    }

    /// Whoever can be on a document and have another photograph as the selfie.
    pub fn faces_with_two_photographs(&self) -> Vec<String> {
        let mut by_face: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for photograph in self.photographs.iter() {
            let (all, portraits) = by_face.entry(&photograph.face).or_default();
            *all += 1;
            *portraits += usize::from(photograph.portrait);
        }
        by_face
            .into_iter()
            .filter(|(_, (all, portraits))| *all >= 2 && *portraits >= 1)
            .map(|(face, _)| face.to_owned())
            .collect()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::MissingAsset { path: path.to_owned(), source })
}
