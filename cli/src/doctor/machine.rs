//! What is on this machine.

use super::{Finding, ok, problem, warning};
use crate::models;
use rustix::process::{Resource, getrlimit};
use txid_shared::blobs::Blobs;
use txid_shared::config::Config;
use txid_worker::inference::ModelFiles;

const LEAST_FREE_BYTES: u64 = 256 << 20;
const FEW_FREE_BYTES: u64 = 2 << 30;
/// Connections of callers, one each, beside those to the services.
const FEW_OPEN_FILES: u64 = 1024;

pub(super) fn policy(config: &Config) -> Finding {
    match txid_shared::services::policy(&config.policy.file) {
        Ok(policy) => ok("policy", format!("version {}", policy.rules.version)),
        Err(error) => problem("policy", error.to_string(), "schedulers and workers refuse to start with it"),
    }
}

/// Digests; what the models answer is for `txid models verify`.
pub(super) fn models(config: &Config) -> Finding {
    let (check, cache) = ("models", config.models.folder());
    let manifest = match models::manifest(&config.models) {
        Ok(manifest) => manifest,
        Err(error) => return problem(check, format!("{error:#}"), "put models.manifest right"),
    };
    let (good, bad) = models::for_running(&manifest, &cache);
    if bad.is_empty() {
        return ok(check, format!("{good} files in {} have their digests", cache.display()));
    }
    let found = format!("missing or not the right ones in {}: {}", cache.display(), bad.join(", "));
    problem(
        check,
        found,
        "run `txid models fetch` where there is a way to the registries, and copy the folder",
    )
}

pub(super) fn runtime(config: &Config) -> Finding {
    let check = "onnx runtime";
    let Ok(manifest) = models::manifest(&config.models) else {
        return problem(check, "the manifest that names it cannot be read", "put models.manifest right");
    };
    let version = manifest.runtime().map_or("unknown", |library| library.version.as_str()).to_owned();
    // Of no stage: the library alone.
    match ModelFiles::load(&manifest, &config.models.folder(), &[]) {
        Ok(_) => ok(check, format!("{version} loads")),
        Err(error) => problem(check, error.to_string(), "workers do not start without it"),
    }
}

pub(super) fn disk(config: &Config) -> Finding {
    let check = "disk";
    let Ok(blobs) = Blobs::open_existing(&config.blobs) else {
        return problem(check, "the object store cannot be opened", "see its own line");
    };
    let Some(folder) = blobs.folder() else {
        return ok(check, "objects are kept elsewhere; see to the room there");
    };
    match rustix::fs::statvfs(folder) {
        Ok(found) => {
            let free = found.f_bavail.saturating_mul(found.f_frsize);
            let text = format!("{} MB are free for {}", free >> 20, folder.display());
            match free {
                ..LEAST_FREE_BYTES => problem(check, text, "make room: nothing can be accepted without"),
                LEAST_FREE_BYTES..FEW_FREE_BYTES => warning(check, text, "make room, or shorten [retention]"),
                _ => ok(check, text),
            }
        }
        Err(error) => warning(check, format!("{}: {error}", folder.display()), "see the mount"),
    }
}

pub(super) fn open_files() -> Finding {
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < FEW_OPEN_FILES => warning(
            "open files",
            format!("{limit} at most"),
            "raise the limit (`ulimit -n`): each caller takes one",
        ),
        Some(limit) => ok("open files", format!("{limit} at most")),
        None => ok("open files", "no limit"),
    }
}
