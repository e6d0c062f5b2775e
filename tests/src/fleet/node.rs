//! One process of the fleet, killed with the test that started it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a process may take to be ready (loading models included).
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long one may take to end: more than any drain deadline.
const DEAD_WITHIN: Duration = Duration::from_secs(90);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Scheduler,
    /// Stub stages: the fleet without models.
    StubWorker,
    /// The real worker on real models; stages from `worker.stages`.
    Worker,
    Webhooks,
}

impl Role {
    /// Program and arguments.
    fn program(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Scheduler => ("txid-scheduler", &[]),
            Self::StubWorker => ("stub-worker", &[]),
            Self::Worker => ("txid-worker", &[]),
            Self::Webhooks => ("txid-worker", &["--role", "webhooks"]),
        }
    }

    /// What its log says when it is ready.
    const fn ready_line(self) -> &'static str {
        match self {
            Self::Scheduler => "API listens",
            Self::StubWorker | Self::Worker => "worker takes jobs",
            Self::Webhooks => "health and metrics",
        }
    }
}

pub struct Node {
    pub role: Role,
    child: Child,
    log: PathBuf,
}

/// Built by the same cargo run, beside this test's own binary.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.ancestors().skip(1).find(|folder| folder.join(name).is_file());
    folder.map(|folder| folder.join(name)).ok_or_else(|| {
        anyhow::anyhow!("{name} is not built: run `cargo build --workspace` first (make test does)")
    })
}

/// As the image sets it (`deploy/Dockerfile`).
const ALLOCATOR: [(&str, &str); 3] = [
    ("MALLOC_ARENA_MAX", "2"),
    ("MALLOC_MMAP_THRESHOLD_", "1048576"),
    ("MALLOC_TRIM_THRESHOLD_", "16777216"),
];

impl Node {
    /// Starts the process and waits until it says that it is ready.
    pub fn start(
        role: Role,
        settings: &BTreeMap<String, String>,
        folder: &Path,
        extra: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        Self::start_program(&binary(role.program().0)?, role, settings, folder, extra)
    }

    /// The same of another build, whose programs are in the folder `release`.
    pub fn start_of(
        release: &Path,
        role: Role,
        settings: &BTreeMap<String, String>,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        Self::start_program(&release.join(role.program().0), role, settings, folder, &[])
    }

    fn start_program(
        program: &Path,
        role: Role,
        settings: &BTreeMap<String, String>,
        folder: &Path,
        extra: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let log = folder.join(format!("{role:?}-{}.log", NUMBER.fetch_add(1, Ordering::Relaxed)));
        let child = Command::new(program)
            .args(role.program().1)
            .envs(ALLOCATOR)
            .envs(settings)
            .envs(extra.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()?;
        let mut node = Self { role, child, log };
        node.wait_until_ready()?;
        Ok(node)
    }

    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            if self.log_text().contains(self.role.ready_line()) {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                anyhow::bail!(
                    "{:?} ended with {status} before it was ready:\n{}",
                    self.role,
                    self.log_text()
                );
            }
            anyhow::ensure!(
                started.elapsed() < READY_WITHIN,
                "{:?} is not ready:\n{}",
                self.role,
                self.log_text()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn log_text(&self) -> String {
        let mut text = String::new();
        if let Ok(mut file) = File::open(&self.log) {
            let _ = file.read_to_string(&mut text);
        }
        text
    }

    /// Where it listens, as its log says: the API of a scheduler, health and metrics of a worker.
    pub fn address(&self) -> Option<SocketAddr> {
        let says = |line: &&str| line.contains("API listens") || line.contains("health and metrics");
        self.log_text().lines().find(says).and_then(|line| {
            let entry: serde_json::Value = serde_json::from_str(line).ok()?;
            entry.get("address")?.as_str()?.parse().ok()
        })
    }

    /// Asked without waiting, and without reaping it away from whoever waits.
    pub fn is_alive(&self) -> bool {
        std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))
            .is_ok_and(|stat| !stat.contains(") Z "))
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, then waits: the exit code.
    pub fn terminate(self) -> anyhow::Result<Option<i32>> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        Ok(self.death()?.code())
    }

    /// Waits for a process that kills itself at a crash point.
    pub fn wait_for_death(self) -> anyhow::Result<()> {
        self.death().map(drop)
    }

    fn death(mut self) -> anyhow::Result<ExitStatus> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            let lives_on = started.elapsed() >= DEAD_WITHIN;
            anyhow::ensure!(!lives_on, "{:?} lives on:\n{}", self.role, self.log_text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("---- {:?} ({})\n{}", self.role, self.log.display(), self.log_text());
        }
    }
}
