//! `models/manifest.toml`: which models, runtime library, fonts and photographs come from where,
//! with the digest of each file. Worker and `txid models` read the same list.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The manifest that belongs to this build; a configuration may name another one.
pub const BUILT_IN: &str = include_str!("../../../models/manifest.toml");

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    #[serde(rename = "artifact")]
    pub artifacts: Vec<Artifact>,
}

/// One file of the cache. The fields are explained at the top of `models/manifest.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    pub name: String,
    pub kind: ArtifactKind,
    pub groups: Vec<String>,
    /// `linux-x86_64`, `linux-aarch64`; absent for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    pub registry: String,
    pub package: String,
    pub version: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package_sha256: Option<String>,
    pub sources: Vec<ArtifactSource>,
    pub convert: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rename: BTreeMap<String, String>,
    /// File name in the cache.
    pub output: String,
    /// Of the file in the cache, hex.
    pub sha256: String,
    pub licence: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_doc: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtifactSource {
    pub file: String,
    pub sha256: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactKind {
    Model,
    Runtime,
    Font,
    Photograph,
}

impl ArtifactKind {
    /// The folder of the cache that files of this kind lie in.
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Model => "models",
            Self::Runtime => "runtime",
            Self::Font => "fonts",
            Self::Photograph => "photographs",
        }
    }
}

impl Artifact {
    pub fn path_in(&self, cache: &Path) -> PathBuf {
        cache.join(self.kind.folder()).join(&self.output)
    }

    /// Whether this file is meant for the machine that runs this.
    pub fn is_for_this_platform(&self) -> bool {
        let here = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
        self.platform.as_ref().is_none_or(|platform| *platform == here)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the model manifest cannot be read: {0}")]
pub struct ManifestError(#[from] toml::de::Error);

impl Manifest {
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        Ok(toml::from_str(text)?)
    }

    pub fn built_in() -> Result<Self, ManifestError> {
        Self::parse(BUILT_IN)
    }

    /// The artifact of this kind and name that is meant for this platform.
    pub fn find(&self, kind: ArtifactKind, name: &str) -> Option<&Artifact> {
        self.artifacts.iter().find(|artifact| {
            artifact.kind == kind && artifact.name == name && artifact.is_for_this_platform()
        })
    }

    /// The ONNX Runtime library for this platform.
    pub fn runtime(&self) -> Option<&Artifact> {
        self.artifacts
            .iter()
            .find(|artifact| artifact.kind == ArtifactKind::Runtime && artifact.is_for_this_platform())
    }
}

pub use txid_shared::config::default_cache_folder;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_manifest_parses_and_names_every_digest() {
        let manifest = Manifest::built_in().unwrap();
        for artifact in &manifest.artifacts {
            assert_eq!(artifact.sha256.len(), 64, "{}", artifact.name);
            assert!(artifact.sources.iter().all(|source| source.sha256.len() == 64), "{}", artifact.name);
        }
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let text = BUILT_IN.replacen("\nlicence =", "\nlicense =", 1);
        assert!(Manifest::parse(&text).is_err());
    }
}
