//! The one configuration file (TOML) with `TXID__SECTION__KEY` overrides. Unknown keys refuse to start.
//! `deploy/txid.example.toml` documents every key and is parsed by a test.

mod batches;
mod cache;
mod ladder;
mod secret;
mod sections;

pub use batches::{Batches, Bucket};
pub use cache::default_cache_folder;
pub use secret::Secret;
pub use sections::*;

use crate::blobs::crypto::CryptoError;
use serde::Deserialize;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {path}: {source}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{path}{place}: {problem}")]
    Malformed { path: String, place: String, problem: String },
    #[error("{variable}: {message}")]
    Environment { variable: String, message: String },
    #[error("{smaller} ({smaller_ms} ms) must be less than {larger} ({larger_ms} ms): {why}")]
    TimeLadder {
        smaller: &'static str,
        smaller_ms: u64,
        larger: &'static str,
        larger_ms: u64,
        why: &'static str,
    },
    #[error("{key}: {message}")]
    Invalid { key: &'static str, message: String },
    #[error(transparent)]
    Keys(#[from] CryptoError),
}

impl ConfigError {
    /// Says what is wrong and where, never what stands there: it may be a secret in the wrong form.
    fn malformed(path: String, text: &str, error: &toml::de::Error) -> Self {
        let line = error.span().filter(|_| !text.is_empty()).and_then(|span| text.get(..span.start));
        let key = error
            .to_string()
            .lines()
            .find_map(|line| Some(line.strip_prefix("in `")?.trim_end_matches('`').to_owned()));
        let place = match (line, key) {
            (Some(before), _) => format!(", line {}", before.matches('\n').count() + 1),
            (None, Some(key)) => format!(", {key}"),
            (None, None) => String::new(),
        };
        let message = error.message();
        let problem = match (message.strip_prefix("invalid "), message.split_once(", expected")) {
            // `invalid type: string "…", expected a sequence`
            (Some(kind), Some((_, expected))) if kind.starts_with("type") || kind.starts_with("value") => {
                let found = kind.split([' ', ':']).filter(|word| !word.is_empty()).nth(1).unwrap_or_default();
                format!("{found} found, expected{expected}")
            }
            _ => message.to_owned(),
        };
        Self::Malformed { path, place, problem }
    }
}

/// Prefix of environment overrides: `TXID__DATABASE__URL` sets `database.url`.
const PREFIX: &str = "TXID__";

impl Config {
    /// Reads `file` (none: defaults alone), lays the overrides over it and checks the whole.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let text = match file {
            Some(path) => std::fs::read_to_string(path)
                .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?,
            None => String::new(),
        };
        let path = file.map_or("defaults".to_owned(), |path| path.display().to_string());
        // Parsed on its own first: only then do errors point at lines of the file.
        if let Err(source) = toml::from_str::<Self>(&text) {
            return Err(ConfigError::malformed(path, &text, &source));
        }
        let mut table: toml::Table =
            toml::from_str(&text).map_err(|source| ConfigError::malformed(path.clone(), &text, &source))?;
        let mut overridden = false;
        for (variable, value) in environment {
            if let Some(key) = variable.strip_prefix(PREFIX) {
                set(&mut table, &variable, key, &value)?;
                overridden = true;
            }
        }
        let path = if overridden { format!("{path} with {PREFIX}… overrides") } else { path };
        let config = Self::deserialize(toml::Value::Table(table))
            .map_err(|source| ConfigError::malformed(path, "", &source))?;
        config.check()?;
        Ok(config)
    }
}

fn set(table: &mut toml::Table, variable: &str, key: &str, value: &str) -> Result<(), ConfigError> {
    let error = |message: &str| ConfigError::Environment {
        variable: variable.to_owned(),
        message: message.to_owned(),
    };
    let path: Vec<String> = key.split("__").map(str::to_lowercase).collect();
    let Some((last, sections)) = path.split_last().filter(|_| path.iter().all(|part| !part.is_empty()))
    else {
        return Err(error("expected TXID__SECTION__KEY"));
    };
    let mut here = table;
    for section in sections {
        here = here
            .entry(section.clone())
            .or_insert_with(|| toml::Value::Table(toml::Table::new()))
            .as_table_mut()
            .ok_or_else(|| error("is not a section"))?;
    }
    here.insert(last.clone(), scalar(value));
    Ok(())
}

/// Numbers, booleans, TOML arrays and inline tables keep their type; everything else is text.
fn scalar(value: &str) -> toml::Value {
    let literal = toml::from_str::<toml::Table>(&format!("value = {value}")).ok();
    match literal.and_then(|mut table| table.remove("value")) {
        Some(
            typed @ (toml::Value::Integer(_)
            | toml::Value::Float(_)
            | toml::Value::Boolean(_)
            | toml::Value::Array(_)
            | toml::Value::Table(_)),
        ) => typed,
        _ => toml::Value::String(value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_the_wrong_form_is_not_repeated() {
        let texts = ["[keys]\nmaster = \"k1:SECRET\"\n", "[database]\nurl = \"postgres://u:SECRET@h/x\n"];
        for text in texts {
            let error = load(text, &[]).unwrap_err().to_string();
            assert!(!error.contains("SECRET") && error.contains("line 2"), "{error}");
        }
        let error = load("", &[("TXID__KEYS__MASTER", "k1:SECRET")]).unwrap_err().to_string();
        assert!(!error.contains("SECRET") && error.contains("expected a sequence"), "{error}");
    }

    fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Config::load(Some(file.path()), environment)
    }

    #[test]
    fn the_example_file_holds_every_key_and_is_accepted() {
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/txid.example.toml");
        let text = std::fs::read_to_string(example).unwrap();
        load(&text, &[]).unwrap();
        // Every key that the types know is named in the example, commented out or not.
        let known = toml::Value::try_from(toml::Table::try_from(Config::default()).unwrap()).unwrap();
        for (section, keys) in known.as_table().unwrap() {
            assert!(text.contains(&format!("[{section}]")), "section [{section}] is not in the example");
            for key in keys.as_table().unwrap().keys() {
                assert!(text.contains(&format!("{key} =")), "{section}.{key} is not in the example");
            }
        }
    }

    #[test]
    fn an_unknown_key_refuses_and_is_named() {
        let error = load("[server]\nlissten = \"0.0.0.0:1\"\n", &[]).unwrap_err().to_string();
        assert!(error.contains("lissten"), "{error}");
        let error = load("", &[("TXID__SERVER__LISSTEN", "x")]).unwrap_err().to_string();
        assert!(error.contains("lissten"), "{error}");
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let config = load(
            "[worker]\nthreads = 1\n",
            &[
                ("TXID__WORKER__THREADS", "3"),
                ("TXID__DATABASE__URL", "postgres://elsewhere/db"),
                ("PATH", "/bin"),
            ],
        )
        .unwrap();
        assert_eq!(config.worker.threads, Some(3));
        assert_eq!(config.database.url.reveal(), "postgres://elsewhere/db");
    }

    #[test]
    fn a_broken_time_ladder_names_both_settings() {
        let error = load("[worker]\nstage_deadline_ms = 50000\ndrain_deadline_ms = 40000\n", &[]);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("stage_deadline_ms") && error.contains("drain_deadline_ms"), "{error}");
    }

    #[test]
    fn unusable_master_keys_refuse_and_are_not_repeated() {
        let key = format!("k1:{}=", "A".repeat(43));
        let twice = format!("\"{key}\", \"{key}\"");
        for (entries, said) in [
            ("\"hunter2\"", "id:base64"),
            ("\":hunter2\"", "id:base64"),
            ("\"k1:hunter2!\"", "not base64"),
            ("\"k1:aHVudGVyMg==\"", "32 bytes"),
            (twice.as_str(), "txid keys master --id"),
        ] {
            let error = load("", &[("TXID__KEYS__MASTER", &format!("[{entries}]"))]).unwrap_err().to_string();
            assert!(error.contains("keys.master") && error.contains(said), "{error}");
            assert!(!error.contains("hunter2") && !error.contains("AAAA"), "{error}");
        }
        load("", &[("TXID__KEYS__MASTER", &format!("[\"{key}\"]"))]).unwrap();
    }

    #[test]
    fn secrets_are_not_printed() {
        let config = load("[database]\nurl = \"postgres://u:hunter2@h/d\"\n", &[]).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
