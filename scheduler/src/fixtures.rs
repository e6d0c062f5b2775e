//! The fixtures of the sandbox as `specimens --fixtures` leaves them in the cache folder: their list and pictures.

use serde::Deserialize;
use std::io;
use std::path::Path;
use txid_shared::words::{Check, DocumentType, ImageRole, ReasonCode, Status};

const CATALOGUE: &str = "fixtures.json";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Catalogue {
    pub(crate) fixtures: Vec<Fixture>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fixture {
    pub(crate) id: String,
    pub(crate) description: String,
    pub(crate) country: String,
    pub(crate) document_type: DocumentType,
    /// Empty: those that are checked where nobody names any.
    #[serde(default)]
    pub(crate) checks: Vec<Check>,
    pub(crate) images: Vec<Image>,
    pub(crate) expected: Expected,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Image {
    pub(crate) side: ImageRole,
    file: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    pub(crate) status: Status,
    pub(crate) reasons: Vec<ReasonCode>,
}

impl Catalogue {
    pub(crate) fn image(&self, id: &str, side: ImageRole) -> Option<&Image> {
        let fixture = self.fixtures.iter().find(|fixture| fixture.id == id)?;
        fixture.images.iter().find(|image| image.side == side)
    }
}

/// Asked of the disk each time: fixtures may be made while the service runs. `None`: there are none.
pub(crate) async fn catalogue(folder: &Path) -> io::Result<Option<Catalogue>> {
    match tokio::fs::read(folder.join(CATALOGUE)).await {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Only names that the catalogue holds come here, never one from outside.
pub(crate) async fn read(folder: &Path, image: &Image) -> io::Result<Vec<u8>> {
    tokio::fs::read(folder.join(&image.file)).await
}
