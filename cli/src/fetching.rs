//! Runs the fetch scripts of `models/`, which this binary carries inside, and reads their progress.

use anyhow::{Context as _, bail};
use serde::Deserialize;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

/// The scripts and what they import, laid out as in `models/`.
const SCRIPTS: [(&str, &str); 9] = [
    ("fetch.py", include_str!("../../models/fetch.py")),
    ("fetch_postgres.py", include_str!("../../models/fetch_postgres.py")),
    ("convert/__init__.py", include_str!("../../models/convert/__init__.py")),
    ("convert/flatbuffer.py", include_str!("../../models/convert/flatbuffer.py")),
    ("convert/onnx_graph.py", include_str!("../../models/convert/onnx_graph.py")),
    ("convert/protobuf.py", include_str!("../../models/convert/protobuf.py")),
    ("convert/tfjs.py", include_str!("../../models/convert/tfjs.py")),
    ("convert/tflite.py", include_str!("../../models/convert/tflite.py")),
    ("convert/trim_charset.py", include_str!("../../models/convert/trim_charset.py")),
];

/// Weights of our own, which the scripts find beside themselves.
const WEIGHTS: [(&str, &[u8]); 1] =
    [("arabic/arabic.onnx", include_bytes!("../../models/arabic/arabic.onnx"))];

/// One line of a script's standard output.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Progress {
    pub event: Event,
    pub artifact: Option<String>,
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Start,
    Fetched,
    Converted,
    Ready,
    Waiting,
    Error,
}

/// Runs `script` with `arguments`, sends it `input`, hands each line to `seen`.
/// True when the script ended well; what went wrong was then an `error` line.
pub fn run(
    script: &str,
    arguments: &[&Path],
    input: &[u8],
    mut seen: impl FnMut(Progress),
) -> anyhow::Result<bool> {
    let folder = tempfile::tempdir().context("no temporary folder for the fetch scripts")?;
    for part in ["convert", "arabic"] {
        std::fs::create_dir(folder.path().join(part))?;
    }
    let scripts = SCRIPTS.map(|(name, text)| (name, text.as_bytes()));
    for (name, bytes) in scripts.into_iter().chain(WEIGHTS) {
        std::fs::write(folder.path().join(name), bytes)?;
    }
    let mut child = Command::new("python3")
        .arg(folder.path().join(script))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                anyhow::anyhow!(
                    "python3 is not installed: fetching needs Python 3.9 or newer, with pip, and npm"
                )
            }
            _ => anyhow::Error::from(error).context("python3 cannot be started"),
        })?;
    if let Some(mut stdin) = child.stdin.take()
        && let Err(error) = stdin.write_all(input)
        && error.kind() != std::io::ErrorKind::BrokenPipe
    {
        return Err(error).context("the fetch script does not take its work list");
    }
    let stdout = child.stdout.take().context("the fetch script has no output")?;
    for line in BufReader::new(stdout).lines() {
        let line = line.context("the fetch script's output cannot be read")?;
        match serde_json::from_str(&line) {
            Ok(progress) => seen(progress),
            Err(_) => bail!("{script} wrote what is no progress line: {line}"),
        }
    }
    Ok(child.wait()?.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_of_the_folder_is_carried_along() {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
        let not_needed = ["golden.py", "test_fetch.py", "test_fetch_postgres.py"];
        for folder in ["", "convert"] {
            for entry in std::fs::read_dir(models.join(folder)).unwrap() {
                let name = Path::new(folder).join(entry.unwrap().file_name());
                let name = name.to_str().unwrap().to_owned();
                let known = SCRIPTS.iter().any(|(script, _)| *script == name);
                assert!(known || !name.ends_with(".py") || not_needed.contains(&name.as_str()), "{name}");
            }
        }
    }

    #[test]
    fn a_script_runs_without_the_source_tree_and_its_errors_arrive() {
        let mut lines = Vec::new();
        let well = run("fetch.py", &[], b"no work list", |line| lines.push(line)).unwrap();
        assert!(!well);
        assert!(
            lines.iter().any(|line| line.event == Event::Error && line.message.contains("work list")),
            "{lines:?}"
        );
    }

    #[test]
    fn a_work_list_of_nothing_ends_well_without_a_word() {
        let cache = tempfile::tempdir().unwrap();
        let work = serde_json::json!({ "cache": cache.path(), "artifacts": [] }).to_string();
        let mut lines = Vec::new();
        assert!(run("fetch.py", &[], work.as_bytes(), |line| lines.push(line)).unwrap());
        assert_eq!(lines, []);
    }
}
