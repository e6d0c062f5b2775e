//! A results' folder that nobody else works in, and what it remembers of an unfinished run.

use super::client::body;
use super::local::is_zip;
use super::{Given, RESULTS, STATE};
use anyhow::{Context as _, anyhow, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use txid_shared::api::Batch;
use txid_shared::files::{FileError, regular};

/// What a batch was made of: another manifest or other options are another batch.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct MadeOf {
    manifest: String,
    archive: Option<String>,
    /// But for whether it was only checked: what was checked is what is verified after.
    options: Value,
    /// Whom it was submitted to; `local …` and the pictures' folder where that was a standalone of its own.
    server: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    batch: String,
    #[serde(flatten)]
    made_of: MadeOf,
}

impl MadeOf {
    /// What differs on the same server, as the user would call it.
    fn difference(&self, other: &Self) -> Option<&'static str> {
        if self.manifest != other.manifest {
            return Some("another manifest");
        }
        if self.archive != other.archive {
            return Some("another archive");
        }
        (self.options != other.options).then_some("other options")
    }
}

/// How the server of a local run is told.
pub(super) const LOCAL: &str = "local ";

/// A results' folder that nobody else works in, and the batch that it remembers.
pub(super) struct Place {
    pub(super) out: PathBuf,
    remembered: PathBuf,
    pub(super) batch: Option<String>,
    /// What the remembered batch is of, if not of what is asked for now.
    pub(super) of_something_else: Option<&'static str>,
    made_of: MadeOf,
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
        let archive = match &given.archive {
            Some(archive) => Some(digest(archive.clone()).await?),
            None => None,
        };
        let mut options = body(given);
        options["validate_only"].take();
        let manifest = digest(manifest.to_owned()).await?;
        let made_of = MadeOf { manifest, archive, options, server: server.to_owned() };
        let state = out.join(STATE);
        std::fs::create_dir_all(&state).with_context(|| format!("cannot create {}", state.display()))?;
        let lock = std::fs::File::create(state.join("lock"))?;
        match lock.try_lock() {
            Err(std::fs::TryLockError::WouldBlock) => bail!("another txid batch works in {}", out.display()),
            locked => locked.with_context(|| format!("cannot lock {}", state.display()))?,
        }
        let remembered = state.join("batch");
        let before: Option<Remembered> = match std::fs::read(&remembered) {
            Ok(text) => Some(serde_json::from_slice(&text).with_context(|| {
                format!("{} is not of this version: choose another --out", remembered.display())
            })?),
            Err(_) if out.join(RESULTS).exists() => {
                bail!("{} holds results already: choose another --out, or remove them", out.display());
            }
            Err(_) => None,
        };
        let elsewhere = before.as_ref().is_some_and(|before| before.made_of.server != made_of.server);
        let of_something_else = before.as_ref().and_then(|before| before.made_of.difference(&made_of));
        let batch = before.map(|before| before.batch);
        let place = Self { out: out.to_owned(), remembered, batch, of_something_else, made_of, _lock: lock };
        match of_something_else {
            _ if elsewhere && place.is_local() => Err(place.taken("another folder of pictures")),
            _ if elsewhere => Err(place.taken("another server")),
            Some(what) if place.is_local() => Err(place.taken(what)),
            // The server is asked first: a batch that was only checked makes room.
            _ => Ok(place),
        }
    }

    pub(super) fn taken(&self, what: &str) -> anyhow::Error {
        let id = self.batch.as_deref().unwrap_or_default();
        anyhow!("{} holds {id}, unfinished and of {what}: choose another --out", self.out.display())
    }

    pub(super) fn remember(&self, batch: &str) -> anyhow::Result<()> {
        let remembered = Remembered { batch: batch.to_owned(), made_of: self.made_of.clone() };
        write_whole(&self.remembered, &serde_json::to_vec(&remembered)?)
    }

    pub(super) fn is_local(&self) -> bool {
        self.made_of.server.starts_with(LOCAL)
    }

    /// Whoever mends the errors has to submit them from where they lie now.
    pub(super) fn explain_errors(&self, batch: &Batch) {
        if batch.counts.error > 0 {
            let pictures =
                if self.is_local() { ", with --files for the folder of their pictures" } else { "" };
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

fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let partly = path.with_extension("part");
    let mut file = private(&partly)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(std::fs::rename(&partly, path)?)
}
