//! What an operator's backup of the database holds: one schema, taken with `pg_dump`, restored with `psql`.

use anyhow::Context;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A dump in plain text, as it lay on the operator's disk.
pub struct Dump {
    pub text: String,
    psql: PathBuf,
}

impl Dump {
    /// `None`: there is no `pg_dump` on this machine; the packaged Postgres brings none.
    pub fn take(database_url: &str, schema: &str) -> anyhow::Result<Option<Self>> {
        let Some(folder) = programs() else { return Ok(None) };
        let output = Command::new(folder.join("pg_dump"))
            .args(["--no-owner", "--no-privileges", "--schema", schema, "--dbname", database_url])
            .stderr(Stdio::inherit())
            .output()?;
        anyhow::ensure!(output.status.success(), "pg_dump failed");
        Ok(Some(Self { text: String::from_utf8(output.stdout)?, psql: folder.join("psql") }))
    }

    pub fn restore(&self, database_url: &str, folder: &Path) -> anyhow::Result<()> {
        let file = folder.join("dump.sql");
        std::fs::write(&file, &self.text)?;
        let restored = Command::new(&self.psql)
            .args(["--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--dbname", database_url, "--file"])
            .arg(&file)
            .stdout(Stdio::null())
            .status()?;
        anyhow::ensure!(restored.success(), "psql failed");
        std::fs::remove_file(&file).context("the dump cannot be removed")
    }
}

/// The newest installed ones, since an older `pg_dump` refuses a newer server; else those in `PATH`.
fn programs() -> Option<PathBuf> {
    let major = |folder: &Path| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut installed: Vec<(u32, PathBuf)> =
        versions.filter_map(|entry| Some((major(&entry.path())?, entry.path().join("bin")))).collect();
    installed.sort();
    let in_path = std::env::var_os("PATH").unwrap_or_default();
    let folders =
        installed.into_iter().rev().map(|(_, folder)| folder).chain(std::env::split_paths(&in_path));
    let mut both =
        folders.filter(|folder| ["pg_dump", "psql"].iter().all(|name| folder.join(name).is_file()));
    both.next()
}
