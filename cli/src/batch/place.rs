//! A results' folder that nobody else works in, and what it remembers of an unfinished run.

use super::client::body;
use super::local::is_zip;
use super::{Given, RESULTS, STATE};
use anyhow::{Context as _, bail};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use txid_shared::api::Batch;
use txid_shared::files::{FileError, regular};

/// A results' folder that nobody else works in, and the batch that it remembers.
pub(super) struct Place {
    pub(super) out: PathBuf,
    pub(super) remembered: PathBuf,
    pub(super) batch: Option<String>,
    /// What the batch was made of: another manifest or other options are another batch.
    pub(super) fingerprint: String,
    is_local: bool,
    /// Held as long as this process lives.
    _lock: std::fs::File,
}

impl Place {
    /// `server`: whom it is submitted to, `local …` where that is a standalone of its own.
    pub(super) async fn open(
        out: &Path,
        manifest: &Path,
        given: &Given,
        server: &str,
    ) -> anyhow::Result<Self> {
        if is_zip(manifest) && given.archive.is_some() {
            bail!("a ZIP manifest holds its pictures itself: leave --archive out");
        }
        let mut digests = digest(manifest.to_owned()).await?;
        if let Some(archive) = &given.archive {
            digests = format!("{digests} {}", digest(archive.clone()).await?);
        }
        let options = body(given);
        let fingerprint = txid_shared::sha256_hex(format!("{digests} {options} {server}").as_bytes());
        let state = out.join(STATE);
        std::fs::create_dir_all(&state).with_context(|| format!("cannot create {}", state.display()))?;
        let lock = std::fs::File::create(state.join("lock"))?;
        lock.try_lock().with_context(|| format!("another txid batch works in {}", out.display()))?;
        let remembered = state.join("batch");
        let batch = match std::fs::read_to_string(&remembered) {
            Ok(text) => {
                let (id, made_of) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
                if made_of != fingerprint {
                    bail!(
                        "{} holds {id} of another manifest, other options or another server: choose another --out",
                        out.display()
                    );
                }
                Some(id.to_owned())
            }
            Err(_) if out.join(RESULTS).exists() => {
                bail!("{} holds results already: choose another --out, or remove them", out.display());
            }
            Err(_) => None,
        };
        let is_local = server.starts_with("local ");
        Ok(Self { out: out.to_owned(), remembered, batch, fingerprint, is_local, _lock: lock })
    }

    pub(super) const fn is_local(&self) -> bool {
        self.is_local
    }

    /// Whoever mends the errors has to submit them from where they lie now.
    pub(super) fn explain_errors(&self, batch: &Batch) {
        if batch.counts.error > 0 {
            let pictures = if self.is_local { ", with --files for the folder of their pictures" } else { "" };
            let errors = self.out.join("errors.jsonl");
            eprintln!(
                "{} is a manifest of what has no verdict: mend it and run it{pictures}, with --archive where it \
                 has `zip:` references",
                errors.display()
            );
        }
    }

    pub(super) fn forget(&self) -> std::io::Result<()> {
        std::fs::remove_file(&self.remembered)?;
        let state = self.out.join(STATE);
        std::fs::remove_file(state.join("lock"))?;
        // Not where a standalone lives in it.
        drop(std::fs::remove_dir(&state));
        Ok(())
    }
}

/// sha256 of a file of any size.
async fn digest(path: PathBuf) -> anyhow::Result<String> {
    let shown = path.display().to_string();
    let reading = tokio::task::spawn_blocking(move || {
        regular(&path)?;
        let mut digest = txid_shared::Digest::default();
        std::io::copy(&mut std::fs::File::open(path)?, &mut digest)?;
        Ok::<_, FileError>(digest.hex())
    });
    reading.await?.with_context(|| format!("cannot read {shown}"))
}

/// Results name people: nobody else reads them.
pub(super) fn private(path: &Path) -> std::io::Result<std::fs::File> {
    std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let partly = path.with_extension("part");
    let mut file = private(&partly)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(std::fs::rename(&partly, path)?)
}
