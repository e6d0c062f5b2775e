//! Where fetched files are: models, the runtime library, fixtures of the sandbox.

use super::Models;
use std::path::PathBuf;

impl Models {
    /// The setting, else [`default_cache_folder`].
    pub fn folder(&self) -> PathBuf {
        if self.cache.as_os_str().is_empty() { default_cache_folder() } else { self.cache.clone() }
    }
}

/// `$TXID_CACHE`, else `~/.cache/txid` (or below `$XDG_CACHE_HOME`).
pub fn default_cache_folder() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("TXID_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|folder| folder.join("txid")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/txid")))
        .unwrap_or_else(|| PathBuf::from(".txid-cache"))
}
