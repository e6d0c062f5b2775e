//! The fleet: scheduler, worker and webhook role as processes of their own, RabbitMQ, Redis and
//! Postgres with all durability on, a customer who keeps a number of verifications open.

use super::Sample;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::{try_join, try_join_all};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::sync::Semaphore;
use txid_tests::bulk::rss_mb;
use txid_tests::fleet::{Client, Role, Space};
use txid_tests::pictures;
use txid_tests::receiver::Receiver;

pub(crate) struct Measured {
    pub per_s: f64,
    /// After a fifth of the verifications, and at the end.
    pub worker_rss_early_mb: f64,
    pub worker_rss_mb: f64,
}

/// Real models; the images of `samples` in turn.
pub(crate) async fn real(
    samples: &[Sample],
    verifications: usize,
    threads: usize,
) -> anyhow::Result<Measured> {
    let bodies = samples.iter().map(|sample| {
        json!({
            "document_front": STANDARD.encode(&sample.front),
            "document_back": sample.back.as_ref().map(|bytes| STANDARD.encode(bytes)),
            "selfie": sample.selfie.as_ref().map(|bytes| STANDARD.encode(bytes)),
            "country": "MA", "document_type": "national_id", "mode": "async",
        })
    });
    let mut space = Space::new().await?;
    space.set("worker.threads", &threads.to_string());
    measure(space, Role::Worker, bodies.collect(), verifications, threads * 4).await
}

/// Stages that do nothing: what queues, partials, verdicts and webhooks cost.
pub(crate) async fn stubs(verifications: usize) -> anyhow::Result<Measured> {
    let body = json!({
        "document_front": STANDARD.encode(pictures::blank_document()),
        "selfie": STANDARD.encode(pictures::blank_selfie()),
        "country": "MA", "document_type": "passport", "mode": "async",
    });
    let mut space = Space::new().await?;
    space.set("worker.prefetch", "64");
    space.set("database.max_connections", "24");
    space.set("server.concurrent_uploads", "64");
    space.set("sweeper.overdue_after_ms", "60000");
    measure(space, Role::StubWorker, vec![body], verifications, 128).await
}

async fn measure(
    mut space: Space,
    worker: Role,
    bodies: Vec<Value>,
    verifications: usize,
    open_at_once: usize,
) -> anyhow::Result<Measured> {
    space.set(
        "telemetry.filter",
        "warn,txid_worker::service=info,txid_worker::health=info,txid_scheduler::service=info",
    );
    let receiver = Receiver::counting().await?;
    let (key, _) = space.account(Some(&receiver.url)).await?;
    let scheduler = space.node(Role::Scheduler)?;
    let worker = space.node(worker)?;
    let webhooks = space.node(Role::Webhooks)?;
    let client = space.client(&scheduler, &key)?;
    let bodies: Arc<Vec<String>> = Arc::new(bodies.iter().map(Value::to_string).collect());

    // Warm: connections, prepared statements, first allocations.
    run(&client, &receiver, &bodies, open_at_once.min(verifications), open_at_once, |_| ()).await?;
    let started = Instant::now();
    let mut worker_rss_early_mb = None;
    // Taken while more is under way: the fleet is not to run empty in between.
    let at_a_fifth = |arrived: usize| {
        if arrived >= verifications / 5 {
            worker_rss_early_mb.get_or_insert_with(|| rss_mb(worker.id()));
        }
    };
    run(&client, &receiver, &bodies, verifications, open_at_once, at_a_fifth).await?;
    let per_s = verifications as f64 / started.elapsed().as_secs_f64();
    let worker_rss_mb = rss_mb(worker.id());
    let worker_rss_early_mb = worker_rss_early_mb.unwrap_or(worker_rss_mb);
    let measured = Measured { per_s, worker_rss_early_mb, worker_rss_mb };
    for node in [webhooks, worker, scheduler] {
        let (role, code) = (node.role, node.terminate()?);
        anyhow::ensure!(code == Some(0), "{role:?} ended with {code:?}");
    }
    space.remove().await?;
    Ok(measured)
}

/// Keeps `open_at_once` verifications open until `count` are done: a verification is done when its
/// webhook has arrived, the last thing that happens. `at` is told how many are.
async fn run(
    client: &Client,
    receiver: &Receiver,
    bodies: &Arc<Vec<String>>,
    count: usize,
    open_at_once: usize,
    mut at: impl FnMut(usize),
) -> anyhow::Result<()> {
    let before = receiver.count();
    let submitted = Arc::new(AtomicUsize::new(0));
    // Not more open than agreed. One waits for what arrives: if every submitter did, each arrival would
    // wake them all.
    let open = Arc::new(Semaphore::new(open_at_once));
    let submitters = (0..open_at_once.min(count)).map(|_| {
        let (client, bodies, submitted, open) =
            (client.clone(), bodies.clone(), submitted.clone(), open.clone());
        async move {
            loop {
                let number = submitted.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return anyhow::Ok(());
                }
                open.acquire().await?.forget();
                client.submit_text(&bodies[number % bodies.len()]).await?;
            }
        }
    });
    let arrivals = async {
        let mut arrived = 0;
        while arrived < count {
            let now = receiver.wait_for_count(before + arrived + 1).await.saturating_sub(before);
            open.add_permits(now.saturating_sub(arrived));
            arrived = now;
            at(arrived);
        }
        anyhow::Ok(())
    };
    try_join(try_join_all(submitters), arrivals).await?;
    Ok(())
}
