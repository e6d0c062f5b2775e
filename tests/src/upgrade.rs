//! Two releases side by side on one database and broker, under load: forward process by process, and back. Callers
//! see no error, and whatever was accepted by either is decided once and told.

use crate::fleet::{Client, Node, Role, Space};
use crate::receiver::Receiver;
use anyhow::Context as _;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use txid_shared::config::Secret;

#[derive(Debug, Clone)]
pub struct Plan {
    /// Folders with the programs of either release.
    pub old: PathBuf,
    pub new: PathBuf,
    /// Verdicts that are waited for in each state of the fleet.
    pub verdicts_each: usize,
    /// Callers, each with one request at a time.
    pub callers: usize,
}

#[derive(Debug)]
pub struct Report {
    pub accepted: usize,
    pub requests: usize,
    /// What a caller saw that was no answer of success.
    pub errors: Vec<String>,
    pub undecided: usize,
    /// Without an event at the endpoint.
    pub untold: usize,
    /// Deliveries beyond one for each verdict: allowed, at least once is promised.
    pub told_again: usize,
    /// Verdicts that were none of `verified`.
    pub other_verdicts: usize,
    pub states: usize,
}

/// Where callers go: as a load balancer does, an address leaves it before its process is told to end.
#[derive(Default)]
struct Rotation(Mutex<Vec<SocketAddr>>);

impl Rotation {
    fn addresses(&self) -> Vec<SocketAddr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, address: SocketAddr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(address);
    }

    fn remove(&self, address: SocketAddr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|known| *known != address);
    }
}

#[derive(Default)]
struct Seen {
    accepted: Mutex<Vec<String>>,
    errors: Mutex<Vec<String>>,
    requests: AtomicUsize,
    stop: AtomicBool,
}

/// The fleet as it stands, each process with its place.
struct Fleet<'a> {
    space: &'a Space,
    rotation: Arc<Rotation>,
    nodes: Vec<Node>,
}

impl Fleet<'_> {
    async fn add(&mut self, release: &Path, role: Role) -> anyhow::Result<()> {
        let (release, folder) = (release.to_owned(), self.space.folder().to_owned());
        let settings: BTreeMap<String, String> = self.space.environment().clone();
        let starting = move || Node::start_of(&release, role, &settings, &folder);
        let node = tokio::task::spawn_blocking(starting).await??;
        if role == Role::Scheduler {
            self.rotation.add(node.address().context("the scheduler has no address")?);
        }
        self.nodes.push(node);
        Ok(())
    }

    /// The oldest of its role ends, as in a rollout; every caller's request under way is answered.
    async fn remove_oldest(&mut self, role: Role) -> anyhow::Result<()> {
        let place = self.nodes.iter().position(|node| node.role == role).context("there is none")?;
        let node = self.nodes.remove(place);
        if let Some(address) = node.address() {
            self.rotation.remove(address);
            // As a preStop pause: whoever has chosen it already still reaches it.
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let code = tokio::task::spawn_blocking(move || node.terminate()).await??;
        anyhow::ensure!(code == Some(0), "a {role:?} ended with {code:?}");
        Ok(())
    }

    async fn replace_all(&mut self, release: &Path, role: Role) -> anyhow::Result<()> {
        let count = self.nodes.iter().filter(|node| node.role == role).count();
        for _ in 0..count {
            self.add(release, role).await?;
            self.remove_oldest(role).await?;
        }
        Ok(())
    }
}

pub async fn run(plan: Plan) -> anyhow::Result<Report> {
    let space = Space::unprepared()?;
    txid(&plan.old, &space, &["migrate"])?;
    txid(&plan.old, &space, &["declare"])?;
    let key = Secret::new(txid(&plan.old, &space, &["keys", "create", "--account", "shop"])?);
    let receiver = Receiver::start().await?;

    let rotation = Arc::new(Rotation::default());
    let mut fleet = Fleet { space: &space, rotation: rotation.clone(), nodes: Vec::new() };
    for role in [Role::Scheduler, Role::Scheduler, Role::StubWorker, Role::StubWorker, Role::Webhooks] {
        fleet.add(&plan.old, role).await?;
    }
    let first = Client::new(*rotation.addresses().first().context("no scheduler")?, &key)?;
    let made = first.post("/v1/developers/webhooks", &json!({ "url": receiver.url })).await?;
    anyhow::ensure!(made.status == 201, "no endpoint: {made:?}");

    let seen = Arc::new(Seen::default());
    let tasks = txid_shared::task::Tasks::new();
    for caller in 0..plan.callers {
        tasks.spawn(call_until_stopped(caller, rotation.clone(), key.clone(), seen.clone()));
    }
    let mut states = 0;
    let mut stand = async || -> anyhow::Result<()> {
        states += 1;
        let wanted = receiver.count() + plan.verdicts_each;
        tokio::time::timeout(Duration::from_secs(120), receiver.wait_for_count(wanted)).await.with_context(
            || format!("state {states} of the fleet decides nothing: {:?}", first_error(&seen)),
        )?;
        Ok(())
    };
    stand().await?;
    // Forward: the schema expands beside the old release, then schedulers, then workers.
    txid(&plan.new, &space, &["migrate"])?;
    txid(&plan.new, &space, &["declare"])?;
    stand().await?;
    for role in [Role::Scheduler, Role::StubWorker, Role::Webhooks] {
        roll(&mut fleet, &plan.new, role, &mut stand).await?;
    }
    // Back: workers, then schedulers, and the older release's setup once more, which leaves the schema alone.
    for role in [Role::Webhooks, Role::StubWorker, Role::Scheduler] {
        roll(&mut fleet, &plan.old, role, &mut stand).await?;
    }
    txid(&plan.old, &space, &["migrate"])?;
    txid(&plan.old, &space, &["declare"])?;
    stand().await?;
    // And forward again without a stop, since whoever went back wants to.
    for role in [Role::Scheduler, Role::StubWorker, Role::Webhooks] {
        fleet.replace_all(&plan.new, role).await?;
    }
    stand().await?;

    seen.stop.store(true, Ordering::Relaxed);
    tasks.stop();
    anyhow::ensure!(tasks.drained(Duration::from_secs(90)).await, "callers do not end");
    let mut report = settle(&rotation, &key, &seen, &receiver).await?;
    report.states = states;
    while let Some(node) = fleet.nodes.pop() {
        let code = tokio::task::spawn_blocking(move || node.terminate()).await??;
        anyhow::ensure!(code == Some(0), "a process ended with {code:?}");
    }
    drop(fleet);
    space.remove().await?;
    Ok(report)
}

/// One role to another release: mixed for a while, then all of it.
async fn roll(
    fleet: &mut Fleet<'_>,
    release: &Path,
    role: Role,
    stand: &mut impl AsyncFnMut() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    fleet.add(release, role).await?;
    stand().await?;
    fleet.remove_oldest(role).await?;
    if role != Role::Webhooks {
        fleet.add(release, role).await?;
        fleet.remove_oldest(role).await?;
    }
    stand().await
}

fn first_error(seen: &Seen) -> Option<String> {
    seen.errors.lock().unwrap_or_else(PoisonError::into_inner).first().cloned()
}

/// What became of everything that was accepted.
async fn settle(
    rotation: &Rotation,
    key: &Secret,
    seen: &Seen,
    receiver: &Receiver,
) -> anyhow::Result<Report> {
    let accepted = seen.accepted.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let client = Client::new(*rotation.addresses().first().context("no scheduler")?, key)?;
    let (mut undecided, mut other_verdicts) = (0, 0);
    for id in &accepted {
        match client.decided(id).await {
            Ok(verification) if verification["status"] == "verified" => {}
            Ok(_) => other_verdicts += 1,
            Err(_) => undecided += 1,
        }
    }
    let told_all =
        tokio::time::timeout(Duration::from_secs(60), receiver.wait_for_count(accepted.len())).await;
    let delivered = receiver.delivered();
    let told: BTreeSet<&str> = delivered.iter().filter_map(|one| one.body["data"]["id"].as_str()).collect();
    let untold = accepted.iter().filter(|id| !told.contains(id.as_str())).count();
    anyhow::ensure!(told_all.is_ok() || untold > 0, "fewer deliveries than verdicts, and nobody misses one");
    let errors = seen.errors.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(Report {
        accepted: accepted.len(),
        requests: seen.requests.load(Ordering::Relaxed),
        errors,
        undecided,
        untold,
        told_again: delivered.len().saturating_sub(told.len()),
        other_verdicts,
        states: 0,
    })
}

/// Submits, waits, reads what others submitted, lists: each time at whichever scheduler is in rotation.
async fn call_until_stopped(caller: usize, rotation: Arc<Rotation>, key: Secret, seen: Arc<Seen>) {
    let mut clients: BTreeMap<SocketAddr, Client> = BTreeMap::new();
    let mut turn = caller;
    while !seen.stop.load(Ordering::Relaxed) {
        turn = turn.wrapping_add(1);
        let addresses = rotation.addresses();
        let Some(address) = addresses.get(turn % addresses.len().max(1)) else { continue };
        let client = match clients.get(address) {
            Some(client) => client.clone(),
            None => match Client::new(*address, &key) {
                Ok(client) => clients.entry(*address).or_insert(client).clone(),
                Err(error) => return note(&seen, format!("no client: {error:#}")),
            },
        };
        seen.requests.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = call(&client, turn, &seen).await {
            note(&seen, format!("{address}: {error:#}"));
        }
    }
}

async fn call(client: &Client, turn: usize, seen: &Seen) -> anyhow::Result<()> {
    let earlier = {
        let accepted = seen.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.get((turn * 7919) % accepted.len().max(1)).cloned()
    };
    match (turn % 4, earlier) {
        (0, Some(id)) => {
            client.verification(&id).await?;
        }
        (1, _) => {
            let answer = client.get("/v1/identity/verifications?limit=5").await?;
            anyhow::ensure!(answer.status == 200, "list: {answer:?}");
        }
        (2, _) => {
            let mut body: Value = Client::submission();
            body["mode"] = json!("sync");
            let answer = client.post("/v1/identity/verify", &body).await?;
            anyhow::ensure!(matches!(answer.status, 200 | 202), "sync: {answer:?}");
            accept(seen, answer.body["id"].as_str().context("no id")?);
        }
        _ => accept(seen, &client.submit(&Client::submission()).await?),
    }
    Ok(())
}

fn accept(seen: &Seen, id: &str) {
    seen.accepted.lock().unwrap_or_else(PoisonError::into_inner).push(id.to_owned());
}

fn note(seen: &Seen, error: String) {
    seen.errors.lock().unwrap_or_else(PoisonError::into_inner).push(error);
}

/// A command of that release; what it prints.
fn txid(release: &Path, space: &Space, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(release.join("txid")).args(arguments).envs(space.environment()).output()?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    anyhow::ensure!(output.status.success(), "txid {arguments:?} of {}: {errors}", release.display());
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
