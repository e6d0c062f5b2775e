//! What an operator is shown, by a real Prometheus that scrapes real processes: alerts fire when what they are for is
//! done to a fleet, and stay silent before; whatever rules and dashboards name is there.

#![expect(clippy::unwrap_used, reason = "a test ends where its scene cannot be built")]

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use txid_shared::telemetry::signals;
use txid_tests::fleet::{Client, Node, Role, Space};
use txid_tests::prometheus::Prometheus;
use txid_tests::receiver::Receiver;

fn deploy() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy")).to_owned()
}

fn rules() -> String {
    std::fs::read_to_string(deploy().join("prometheus/rules.yaml")).unwrap()
}

/// The text of all rules and dashboards.
fn expressions() -> String {
    let mut text = rules();
    for entry in std::fs::read_dir(deploy().join("grafana")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            text += &std::fs::read_to_string(path).unwrap();
        }
    }
    text
}

/// Names of series in a text: those of ours, and those that every process has.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let metric = |word: &&str| {
        ["txid_", "http_server_", "process_", "target_info"].iter().any(|start| word.starts_with(start))
    };
    words.filter(metric).map(str::to_owned).collect()
}

async fn end(node: Node) {
    let code = tokio::task::spawn_blocking(move || node.terminate()).await.unwrap().unwrap();
    assert_eq!(code, Some(0));
}

fn ocr_only() -> Value {
    let mut body = Client::submission();
    body["checks"] = json!(["ocr"]);
    body
}

/// Takes the one message of a queue and gives it up, as a worker does that cannot read it.
async fn reject_one(space: &Space, queue: &str) {
    let config = space.config().unwrap();
    let connection =
        lapin::Connection::connect(config.broker.url.reveal(), Default::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let queue = format!("{}{queue}", config.broker.prefix);
    let message = loop {
        if let Some(message) = channel.basic_get(queue.clone().into(), Default::default()).await.unwrap() {
            break message;
        }
        tokio::task::yield_now().await;
    };
    message.delivery.reject(lapin::options::BasicRejectOptions { requeue: false }).await.unwrap();
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alerts_fire_on_what_they_are_for_and_on_nothing_else() {
    let mut space = Space::new().await.unwrap();
    space.set("worker.threads", "1");
    let receiver = Receiver::start().await.unwrap();
    let (key, _) = space.account(Some(&receiver.url)).await.unwrap();
    let scheduler = space.node(Role::Scheduler).unwrap();
    let worker = space.node(Role::StubWorker).unwrap();
    let webhooks = space.node(Role::Webhooks).unwrap();
    let prometheus = Prometheus::start(&rules()).await.unwrap();
    prometheus.watch(&[&scheduler, &worker, &webhooks]).await.unwrap();
    let client = space.client(&scheduler, &key).unwrap();
    // All is seen before anything happens: what rises from then on is a rise.
    prometheus.until("txid_webhook_attempts_total").await.unwrap();
    prometheus.until("txid_queue_consumers > 0").await.unwrap();
    let silent = BTreeSet::new();
    let id = client.submit(&Client::submission()).await.unwrap();
    client.decided(&id).await.unwrap();
    receiver.wait_for(1).await;
    prometheus.until("txid_webhook_attempts_total{outcome=\"succeeded\"} > 0").await.unwrap();
    prometheus.until("sum(txid_queue_consumers{queue!=\"verify.dead\"}) >= 8").await.unwrap();
    assert_eq!(prometheus.firing().await.unwrap(), silent);

    // Nobody works: no matter as long as there is nothing to do.
    end(worker).await;
    end(webhooks).await;
    prometheus.watch(&[&scheduler]).await.unwrap();
    prometheus.until("max(txid_queue_consumers{queue!=\"verify.dead\"}) == 0").await.unwrap();
    assert_eq!(prometheus.firing().await.unwrap(), silent);
    client.submit(&ocr_only()).await.unwrap();
    prometheus.until_firing(&["TxidNoConsumer"]).await.unwrap();

    // A job that nobody can read, and the verdict `error` that comes of it; its event waits for a sender.
    reject_one(&space, "verify.ocr.interactive").await;
    prometheus.until_firing(&["TxidDeadLetters", "TxidErrorRatio"]).await.unwrap();
    let pool = space.database().await.unwrap();
    let older = "UPDATE deliveries SET due_at = due_at - interval '10 minutes' WHERE state = 'pending'";
    sqlx::query(older).execute(&pool).await.unwrap();
    prometheus.until_firing(&["TxidWebhookBacklog"]).await.unwrap();

    // Rows that no worker takes.
    let mut row = ocr_only();
    row["custom_id"] = "a".into();
    row.as_object_mut().unwrap().remove("mode");
    let opened = client.post("/v1/identity/batches", &json!({ "rows": [row] })).await.unwrap();
    assert!(opened.status < 300, "{opened:?}");
    prometheus.until_firing(&["TxidBatchStuck"]).await.unwrap();

    // A folder that is none.
    let (blobs, aside) = (space.folder().join("blobs"), space.folder().join("aside"));
    std::fs::rename(&blobs, &aside).unwrap();
    std::fs::write(&blobs, b"").unwrap();
    for _ in 0..2 {
        let refused = client.post("/v1/identity/verify", &ocr_only()).await.unwrap();
        assert!(refused.status >= 500, "{refused:?}");
        // Seen before the next one: the first of its kind is where a count begins, and no rise.
        let failed = "http_server_request_duration_seconds_count{http_response_status_code=~\"5..\"}";
        prometheus.until(failed).await.unwrap();
    }
    prometheus.until_firing(&["TxidCallsFail"]).await.unwrap();
    std::fs::remove_file(&blobs).unwrap();
    std::fs::rename(&aside, &blobs).unwrap();

    // More than one thread can do.
    let slow = space.node_with(Role::StubWorker, &[("STUB_BUSY_MS", "1500")]).unwrap();
    prometheus.watch(&[&scheduler, &slow]).await.unwrap();
    for _ in 0..8 {
        client.submit(&Client::submission()).await.unwrap();
    }
    prometheus.until_firing(&["TxidSaturated"]).await.unwrap();
    let firing = prometheus.firing().await.unwrap();
    for alert in
        ["TxidOutboxStuck", "TxidNothingMeasured", "TxidVerificationWithoutVerdict", "TxidNoConsumer"]
    {
        assert!(!firing.contains(alert), "{firing:?}");
    }
    slow.kill();
    scheduler.kill();

    // The broker is away.
    let nobody_there = [("TXID__BROKER__URL", "amqp://127.0.0.1:1/%2f")];
    let scheduler = space.node_with(Role::Scheduler, &nobody_there).unwrap();
    prometheus.watch(&[&scheduler]).await.unwrap();
    let client = space.client(&scheduler, &key).unwrap();
    client.submit(&ocr_only()).await.unwrap();
    for table in ["outbox", "verifications"] {
        let older = format!("UPDATE {table} SET created_at = created_at - interval '10 minutes'");
        sqlx::query(sqlx::AssertSqlSafe(older)).execute(&pool).await.unwrap();
    }
    let alerts = ["TxidOutboxStuck", "TxidVerificationWithoutVerdict", "TxidConsumerRebuilds"];
    prometheus.until_firing(&alerts).await.unwrap();

    scheduler.kill();
    prometheus.watch(&[]).await.unwrap();
    prometheus.until_firing(&["TxidNothingMeasured"]).await.unwrap();
    pool.close().await;
    space.remove().await.unwrap();
}

/// The file of a verification's key share.
fn share(space: &Space, id: &str) -> PathBuf {
    let accounts = std::fs::read_dir(space.folder().join("blobs/keys")).unwrap();
    accounts.map(|account| account.unwrap().path().join(id)).find(|share| share.is_file()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_fleet_cannot_finish_is_told_until_it_can() {
    let mut space = Space::new().await.unwrap();
    space.set("sweeper.interval_ms", "300");
    let (key, _) = space.account(None).await.unwrap();
    let scheduler = space.node(Role::Scheduler).unwrap();
    let worker = space.node(Role::StubWorker).unwrap();
    let prometheus = Prometheus::start(&rules()).await.unwrap();
    prometheus.watch(&[&scheduler]).await.unwrap();
    prometheus.until("txid_erasure_failures_total").await.unwrap();
    let client = space.client(&scheduler, &key).unwrap();
    let id = client.submit(&Client::submission()).await.unwrap();
    client.decided(&id).await.unwrap();

    // A folder stands where the key share is: it cannot be removed.
    let share = share(&space, &id);
    let aside = share.with_extension("aside");
    std::fs::rename(&share, &aside).unwrap();
    std::fs::create_dir(&share).unwrap();
    let erased = client.delete(&format!("/v1/identity/verifications/{id}")).await.unwrap();
    assert_eq!(erased.status, 200, "{erased:?}");
    prometheus.until_firing(&["TxidErasureIncomplete"]).await.unwrap();

    // A dead letter that the database does not take.
    let pool = space.database().await.unwrap();
    end(worker).await;
    sqlx::query("ALTER TABLE dead_letters RENAME TO away").execute(&pool).await.unwrap();
    let pending = client.submit(&ocr_only()).await.unwrap();
    reject_one(&space, "verify.ocr.interactive").await;
    prometheus.until_firing(&["TxidDeadLettersWaiting"]).await.unwrap();

    sqlx::query("ALTER TABLE away RENAME TO dead_letters").execute(&pool).await.unwrap();
    std::fs::remove_dir(&share).unwrap();
    std::fs::rename(&aside, &share).unwrap();
    assert_eq!(client.decided(&pending).await.unwrap()["status"], "error");
    for quiet in [
        "max(txid_queue_depth{queue=\"verify.dead\"}) == 0",
        "sum(increase(txid_erasure_failures_total[2s])) == 0",
    ] {
        prometheus.until(quiet).await.unwrap();
    }
    assert!(!share.exists(), "what was erased is removed in the end");
    assert!(!prometheus.firing().await.unwrap().contains("TxidDeadLettersWaiting"));
    end(scheduler).await;
    pool.close().await;
    space.remove().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_rules_and_dashboards_name_is_exposed_and_so_is_every_signal() {
    let mut space = Space::new().await.unwrap();
    let receiver = Receiver::start().await.unwrap();
    let (key, _) = space.account(Some(&receiver.url)).await.unwrap();
    let scheduler = space.node(Role::Scheduler).unwrap();
    let rest = ["ocr", "face_match", "fraud"];
    let stubs = [("TXID__WORKER__STAGES", json!(rest).to_string())];
    let stubs: Vec<_> = stubs.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let stub = space.node_with(Role::StubWorker, &stubs).unwrap();
    let webhooks = space.node(Role::Webhooks).unwrap();
    // Real models, the smallest of them.
    space.set("worker.stages", "[\"liveness\"]");
    let worker = space.node(Role::Worker).unwrap();
    let prometheus = Prometheus::start(&rules()).await.unwrap();
    prometheus.watch(&[&scheduler, &stub, &worker, &webhooks]).await.unwrap();
    let client = space.client(&scheduler, &key).unwrap();
    let id = client.submit(&Client::submission()).await.unwrap();
    client.decided(&id).await.unwrap();
    receiver.wait_for(1).await;
    // Paused, so that it stays: it cannot be confirmed by the time it is looked at.
    let mut row = ocr_only();
    row["custom_id"] = "a".into();
    row.as_object_mut().unwrap().remove("mode");
    let body = json!({ "rows": [row], "validate_only": true });
    let opened = client.post("/v1/identity/batches", &body).await.unwrap();
    assert!(opened.status < 300, "{opened:?}");
    prometheus.until("txid_batch_active").await.unwrap();
    prometheus.until("txid_webhook_attempts_total{outcome=\"succeeded\"} > 0").await.unwrap();

    let mut wanted = named(&expressions());
    for signal in signals::ALL {
        let name = signal.prometheus_name();
        wanted.insert(match signal.kind {
            signals::Kind::Histogram => format!("{name}_count"),
            _ => name,
        });
    }
    assert!(wanted.len() > signals::ALL.len());
    for name in &wanted {
        prometheus.until(name).await.unwrap();
    }

    // No label is there that the list does not name.
    for signal in signals::ALL {
        let name = match signal.kind {
            signals::Kind::Histogram => signal.prometheus_name() + "_count",
            _ => signal.prometheus_name(),
        };
        for sample in prometheus.query(&name).await.unwrap() {
            for label in sample["metric"].as_object().unwrap().keys() {
                let known = ["__name__", "instance", "job", "otel_scope_name"].contains(&label.as_str())
                    || signal.attributes.iter().any(|attribute| attribute.replace('.', "_") == *label);
                assert!(known, "{name} has the label {label}");
            }
        }
    }
    // One digest per model, and that of the manifest.
    let loaded = prometheus.query("txid_model_loaded").await.unwrap();
    assert!(
        !loaded.is_empty()
            && loaded.iter().all(|model| model["metric"]["digest"].as_str().unwrap().len() == 64)
    );
    for node in [scheduler, stub, worker, webhooks] {
        end(node).await;
    }
    space.remove().await.unwrap();
}
