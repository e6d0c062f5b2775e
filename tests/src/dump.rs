//! An operator's backup of the database: one schema, taken with `pg_dump`, restored with `psql`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where `pg_dump` and `psql` are.
pub struct Programs(PathBuf);

impl Programs {
    /// The newest installed ones, since an older `pg_dump` refuses a newer server; else those in `PATH`. `None`:
    /// this machine has neither; the packaged Postgres brings none.
    pub fn find() -> Option<Self> {
        let major = |folder: &Path| folder.file_name()?.to_str()?.parse::<u32>().ok();
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let mut installed: Vec<(u32, PathBuf)> =
            versions.filter_map(|entry| Some((major(&entry.path())?, entry.path().join("bin")))).collect();
        installed.sort();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let newest_first = installed.into_iter().rev().map(|(_, folder)| folder);
        let has_both = |folder: &PathBuf| ["pg_dump", "psql"].iter().all(|name| folder.join(name).is_file());
        newest_first.chain(std::env::split_paths(&path)).find(has_both).map(Self)
    }

    /// Plain text, as it would lie on the operator's disk.
    pub fn dump(&self, database_url: &str, schema: &str) -> anyhow::Result<String> {
        let output = Command::new(self.0.join("pg_dump"))
            .args(["--no-owner", "--no-privileges", "--schema", schema, "--dbname", database_url])
            .stderr(Stdio::inherit())
            .output()?;
        anyhow::ensure!(output.status.success(), "pg_dump failed");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Goes through a file in `folder`.
    pub fn restore(&self, dump: &str, database_url: &str, folder: &Path) -> anyhow::Result<()> {
        let file = folder.join("dump.sql");
        std::fs::write(&file, dump)?;
        let restored = Command::new(self.0.join("psql"))
            .args(["--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--dbname", database_url, "--file"])
            .arg(&file)
            .stdout(Stdio::null())
            .status()?;
        anyhow::ensure!(restored.success(), "psql failed");
        Ok(std::fs::remove_file(&file)?)
    }
}
