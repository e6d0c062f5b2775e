//! The standalone's private Postgres: started on a socket under its data folder, reachable for the
//! user of this process only, stopped with it. Installed binaries serve, else packaged ones do.
//!
//! A kill -9 of txid leaves the server running. The next start finds it by `postmaster.pid`, stops
//! it the fast way and starts its own, so a fresh start and one after a crash end in the same state.

mod binaries;
mod owner;
mod place;

use anyhow::{Context as _, bail};
use binaries::Binaries;
use owner::Owner;
use place::Place;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use txid_worker::inference::manifest::default_cache_folder;

/// Crash recovery replays at most what fits between two checkpoints; this is far above that.
const START_LIMIT: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(20);
const STOP_LIMIT_S: &str = "60";
/// A killed server's backends end within moments and free its memory; until then it cannot start.
const START_TRIES: u32 = 5;
const USER: &str = "postgres";

/// A running server. Stop it; dropped without, it is told to stop and not waited for.
#[derive(Debug)]
pub struct PrivatePostgres {
    server: Server,
    url: String,
    /// Held as long as the server runs.
    _claim: Claim,
}

#[derive(Debug)]
struct Server {
    child: Option<Child>,
    binaries: Binaries,
    place: Place,
    owner: Owner,
}

/// A data folder that no other process works in, for as long as this lives.
#[derive(Debug)]
pub struct Claim {
    data: PathBuf,
    /// Released by the kernel however this process ends.
    _lock: File,
}

/// Claims the data folder `data`, which is made if it is not there. Refuses at once if another process runs on it.
pub fn claim(data: &Path) -> anyhow::Result<Claim> {
    std::fs::create_dir_all(data).with_context(|| format!("{} cannot be made", data.display()))?;
    let data = data.canonicalize()?;
    Ok(Claim { _lock: lock(&data)?, data })
}

/// Starts the server of a data folder.
pub async fn start(claim: Claim) -> anyhow::Result<PrivatePostgres> {
    start_with_cache(claim, &default_cache_folder()).await
}

/// As `start`, with the folder that packaged binaries are kept in.
pub async fn start_with_cache(claim: Claim, cache: &Path) -> anyhow::Result<PrivatePostgres> {
    let cache = cache.to_owned();
    tokio::task::spawn_blocking(move || start_blocking(claim, &cache)).await?
}

fn start_blocking(claim: Claim, cache: &Path) -> anyhow::Result<PrivatePostgres> {
    let data = claim.data.as_path();
    let owner = Owner::find()?;
    let place = Place::prepare(data, owner)?;
    let binaries = binaries::find(owner, place.major()?, cache)?;
    if place.major()?.is_none() {
        make_cluster(&binaries, &place, owner)?;
    }
    let mut server = Server { child: None, binaries, place, owner };
    server.stop_leftover()?;
    server.start()?;
    let url = url(&server.place.socket_folder)?;
    Ok(PrivatePostgres { server, url, _claim: claim })
}

impl PrivatePostgres {
    /// For `database.url`: the database `postgres` over the socket.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends all connections, writes a checkpoint and waits until the server has gone.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        tokio::task::spawn_blocking(move || self.server.stop()).await?
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.is_some() {
            // Nothing can be done about a failure here; the next start looks again.
            let _ = self.control(&["stop", "--mode=fast", "--no-wait", "--silent"]);
        }
    }
}

impl Server {
    fn start(&mut self) -> anyhow::Result<()> {
        for attempt in 1.. {
            self.launch()?;
            if self.wait_until_ready()? {
                return Ok(());
            }
            if attempt == START_TRIES {
                break;
            }
            std::thread::sleep(POLL * 25);
        }
        bail!("the private Postgres does not start; it says:\n{}", last_lines(&self.place.log))
    }

    fn launch(&mut self) -> anyhow::Result<()> {
        let log = File::create(&self.place.log)
            .with_context(|| format!("{} cannot be written", self.place.log.display()))?;
        self.owner.take(&self.place.log)?;
        let mut command = self.owner.command(&self.binaries.folder.join("postgres"));
        command.arg("-D").arg(&self.place.cluster);
        // On the command line they win over postgresql.conf, also over one that was edited.
        for setting in [
            "listen_addresses=",
            "unix_socket_permissions=0700",
            "fsync=on",
            "jit=off",
            "max_parallel_workers_per_gather=0",
            "logging_collector=off",
            "log_destination=stderr",
            // A failing statement may carry what a person's document says.
            "log_min_error_statement=panic",
            "log_checkpoints=off",
        ] {
            command.arg("-c").arg(setting);
        }
        // A quoted list to Postgres: folders with commas or blanks must not fall apart.
        let folder = self.place.socket_folder.to_str().context("the data folder's path is not UTF-8")?;
        command.arg("-c").arg(format!("unix_socket_directories=\"{}\"", folder.replace('"', "\"\"")));
        command.current_dir(&self.place.cluster).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // A group of its own: Ctrl-C in the terminal is for txid, which still writes while it drains.
        command.process_group(0);
        self.child = Some(command.spawn().context("the private Postgres cannot be started")?);
        Ok(())
    }

    /// False if the server ended instead.
    fn wait_until_ready(&mut self) -> anyhow::Result<bool> {
        let started = Instant::now();
        while started.elapsed() < START_LIMIT {
            if let Some(child) = &mut self.child
                && child.try_wait()?.is_some()
            {
                self.child = None;
                return Ok(false);
            }
            let own = self.child.as_ref().map(Child::id);
            if let Some(noted) = Postmaster::read(&self.place.cluster)
                && Some(noted.pid) == own
                && noted.is_ready
            {
                return Ok(true);
            }
            std::thread::sleep(POLL);
        }
        bail!(
            "the private Postgres is not ready after {START_LIMIT:?}; it says:\n{}",
            last_lines(&self.place.log)
        )
    }

    /// A server that a killed txid left behind is stopped; a pid file whose server is gone is removed.
    fn stop_leftover(&self) -> anyhow::Result<()> {
        let Some(noted) = Postmaster::read(&self.place.cluster) else { return Ok(()) };
        // The number may belong to any process by now: only one that works in the cluster is ours.
        let works_in = std::fs::read_link(format!("/proc/{}/cwd", noted.pid)).ok();
        if works_in.as_deref() == Some(&*self.place.cluster) {
            self.control(&["stop", "--mode=fast", "--wait", "--timeout", STOP_LIMIT_S, "--silent"])
                .context("a Postgres that an earlier run left behind cannot be stopped")
        } else {
            match std::fs::remove_file(self.place.cluster.join(Postmaster::FILE)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
                _ => Ok(()),
            }
        }
    }

    fn stop(&mut self) -> anyhow::Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        if child.try_wait()?.is_some() {
            return Ok(());
        }
        self.control(&["stop", "--mode=fast", "--no-wait", "--silent"])?;
        child.wait()?;
        Ok(())
    }

    /// `pg_ctl` with these arguments; std can send no signal but SIGKILL.
    fn control(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let mut command = self.owner.command(&self.binaries.folder.join("pg_ctl"));
        command.args(arguments).arg("-D").arg(&self.place.cluster).current_dir("/").stdin(Stdio::null());
        let output = command.output().context("pg_ctl cannot be started")?;
        if output.status.success() {
            return Ok(());
        }
        bail!("pg_ctl: {}", String::from_utf8_lossy(&output.stderr).trim())
    }
}

fn make_cluster(binaries: &Binaries, place: &Place, owner: Owner) -> anyhow::Result<()> {
    let unfinished = place.unfinished_cluster();
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished)?;
    }
    let mut command = owner.command(&binaries.folder.join("initdb"));
    // Trust: the socket's folder is closed to everyone else, and there is no other way in.
    command.args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--data-checksums", "--username", USER]);
    command.arg("--pgdata").arg(&unfinished).current_dir("/").stdin(Stdio::null());
    let output = command.output().context("initdb cannot be started")?;
    if !output.status.success() {
        bail!("initdb: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    std::fs::rename(&unfinished, &place.cluster)?;
    Ok(())
}

/// What a running server notes in its data folder.
#[derive(Debug, PartialEq, Eq)]
struct Postmaster {
    pid: u32,
    is_ready: bool,
}

impl Postmaster {
    const FILE: &str = "postmaster.pid";

    fn read(cluster: &Path) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(cluster.join(Self::FILE)).ok()?)
    }

    /// First line: pid. Eighth: how far it is, padded with blanks.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let pid = lines.next()?.trim().parse().ok()?;
        Some(Self { pid, is_ready: lines.nth(6).is_some_and(|status| status.trim() == "ready") })
    }
}

fn lock(data: &Path) -> anyhow::Result<File> {
    let path = data.join("lock");
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0)?;
            file.rewind()?;
            write!(file, "{}", std::process::id())?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder)?;
            bail!(
                "another txid (process {}) runs on {}: stop it, or choose another data folder",
                holder.trim(),
                data.display()
            )
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("{} cannot be locked", path.display()))
        }
    }
}

/// Percent-encoded, since the folder may hold anything.
fn url(socket_folder: &Path) -> anyhow::Result<String> {
    let folder = socket_folder.to_str().context("the data folder's path is not UTF-8")?;
    let encoded: String = folder
        .bytes()
        .map(|byte| match byte {
            b'/' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect();
    Ok(format!("postgres:///postgres?host={encoded}&port=5432&user={USER}"))
}

fn last_lines(log: &PathBuf) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(8)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests;
