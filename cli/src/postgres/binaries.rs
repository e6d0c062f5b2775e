//! Which PostgreSQL to run: one that is installed, else a packaged one from the cache folder.

use super::owner::Owner;
use crate::fetching::{self, Event};
use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};

/// Older ones lack what our SQL uses.
const OLDEST_MAJOR: u32 = 14;
/// Names the folder that holds `postgres` and `initdb`, instead of looking for one; `packaged`
/// asks for the packaged one.
const VARIABLE: &str = "TXID_POSTGRES_BIN";
/// Where the packaged one goes if the cache folder is closed to the server's user.
const OPEN_FOLDER: &str = "/var/lib/txid";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    /// Holds `postgres`, `initdb` and `pg_ctl`.
    pub(super) folder: PathBuf,
    pub(super) major: u32,
}

/// The newest installed one, or the one that made the data (`needed_major`), else the packaged one.
pub(super) fn find(owner: Owner, needed_major: Option<u32>, cache: &Path) -> anyhow::Result<Binaries> {
    let fits = |binaries: &Binaries| needed_major.is_none_or(|major| major == binaries.major);
    let wanted = std::env::var_os(VARIABLE).filter(|value| !value.is_empty());
    let mut candidates =
        match &wanted {
            Some(value) if value == "packaged" => Vec::new(),
            Some(folder) => {
                let folder = Path::new(folder);
                let found = examined(folder, owner);
                vec![found.with_context(|| {
                    format!("{VARIABLE}: {} holds no usable PostgreSQL", folder.display())
                })?]
            }
            None => installed().iter().filter_map(|folder| examined(folder, owner)).collect(),
        };
    candidates.retain(|binaries| binaries.major >= OLDEST_MAJOR);
    candidates.sort_by_key(|binaries| std::cmp::Reverse(binaries.major));
    if let Some(found) = candidates.iter().find(|binaries| fits(binaries)) {
        return Ok(found.clone());
    }
    let named = wanted.is_some_and(|value| value != "packaged");
    let found = if named { candidates.into_iter().next() } else { Some(packaged(owner, cache)?) };
    match (found, needed_major) {
        (Some(binaries), _) if fits(&binaries) => Ok(binaries),
        (found, Some(major)) => bail!(
            "the data folder was made by PostgreSQL {major} and there is only {}: install PostgreSQL {major}, \
             or dump and restore",
            found.map_or("an older one".to_owned(), |found| format!("PostgreSQL {}", found.major)),
        ),
        (_, None) => bail!("{VARIABLE}: PostgreSQL {OLDEST_MAJOR} or newer is needed"),
    }
}

/// Folders that may hold PostgreSQL.
fn installed() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut folders: Vec<PathBuf> =
        versions.filter_map(Result::ok).map(|version| version.path().join("bin")).collect();
    if let Some(path) = std::env::var_os("PATH") {
        folders.extend(std::env::split_paths(&path));
    }
    folders
}

/// The folder if its `postgres` runs as the server's user and says its version.
fn examined(folder: &Path, owner: Owner) -> Option<Binaries> {
    // Distributions link `postgres` into PATH, but its companions lie beside the original.
    let server = folder.join("postgres").canonicalize().ok()?;
    let folder = server.parent()?.to_owned();
    let complete = ["initdb", "pg_ctl"].iter().all(|program| folder.join(program).is_file());
    if !complete || !owner.reaches(&server) {
        return None;
    }
    let output = owner.command(&server).arg("--version").output().ok()?;
    let major = major_version(&String::from_utf8_lossy(&output.stdout))?;
    Some(Binaries { folder, major })
}

/// 15 of "postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)".
fn major_version(text: &str) -> Option<u32> {
    let version = text.split("(PostgreSQL)").nth(1)?;
    version.trim_start().split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The packaged PostgreSQL, fetched into the cache folder if it is not there yet.
fn packaged(owner: Owner, cache: &Path) -> anyhow::Result<Binaries> {
    let cache = std::path::absolute(cache)?;
    let folder = if owner.reaches(&cache.join("postgres")) { cache } else { PathBuf::from(OPEN_FOLDER) };
    std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let (mut place, mut trouble) = (None, String::new());
    fetching::run("fetch_postgres.py", &[&folder], b"", |progress| match progress.event {
        Event::Ready => place = Some(PathBuf::from(progress.message)),
        Event::Error => trouble = progress.message,
        Event::Start | Event::Waiting => eprintln!("no PostgreSQL is installed: {}", progress.message),
        Event::Fetched | Event::Converted => {}
    })?;
    let Some(place) = place else {
        bail!("no PostgreSQL {OLDEST_MAJOR} or newer is installed, and none can be fetched: {trouble}");
    };
    examined(&place.join("bin"), owner).with_context(|| {
        format!("the packaged PostgreSQL in {} does not run on this machine", place.display())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_the_server_says() {
        assert_eq!(major_version("postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\n"), Some(15));
        assert_eq!(major_version("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major_version("something else"), None);
    }
}
