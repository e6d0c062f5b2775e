use std::path::PathBuf;

/// Why nothing could be generated.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} cannot be read ({source}); `txid models fetch` brings fonts and photographs", path.display())]
    MissingAsset { path: PathBuf, source: std::io::Error },
    #[error("no {kind} is called `{given}`")]
    Unknown { kind: &'static str, given: String },
    #[error("{what}: {source}")]
    Data { what: String, source: toml::de::Error },
    #[error("{what}: nothing to choose from")]
    Empty { what: String },
    #[error("SVG: {reason}")]
    Svg { reason: String },
    #[error("{what}: {source}")]
    Image { what: String, source: image::ImageError },
    #[error("attack `{attack}` needs {needs}, which `{design}` does not have")]
    NotApplicable { attack: &'static str, needs: &'static str, design: String },
}
