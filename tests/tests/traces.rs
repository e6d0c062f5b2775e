//! What processes export to a collector: one trace per verification, and nothing personal.

#![expect(clippy::unwrap_used, reason = "a test ends where its scene cannot be built")]

use txid_shared::words::Stage;
use txid_tests::collector::{Collector, Span};
use txid_tests::fleet::{Client, Node, Role, Space};
use txid_tests::receiver::Receiver;

/// A proxy that the environment names must not stand between a process and the collector.
const DIRECT: [(&str, &str); 2] = [("NO_PROXY", "127.0.0.1"), ("no_proxy", "127.0.0.1")];

/// SIGTERM: a process sends what it has buffered before it exits.
async fn flushed(node: Node) {
    let code = tokio::task::spawn_blocking(move || node.terminate()).await.unwrap().unwrap();
    assert_eq!(code, Some(0));
}

fn named<'a>(spans: &'a [Span], trace_id: &str, service: &str, name: &str) -> Vec<&'a Span> {
    let wanted = (trace_id, service, name);
    spans.iter().filter(|span| (&*span.trace_id, &*span.service, &*span.name) == wanted).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verification_is_one_trace_across_the_broker_and_no_personal_data_is_exported() {
    let collector = Collector::start().await.unwrap();
    let mut space = Space::new().await.unwrap();
    space.set("telemetry.otlp_endpoint", &collector.url);
    // Events become part of the spans that they happen in: as many of both as there are.
    space.set("telemetry.filter", "trace,hyper=info,h2=info,tokio=info,runtime=info");
    let receiver = Receiver::start().await.unwrap();
    let (key, secret) = space.account(Some(&receiver.url)).await.unwrap();
    let scheduler = space.node_with(Role::Scheduler, &DIRECT).unwrap();
    let worker = space.node_with(Role::StubWorker, &DIRECT).unwrap();
    let webhooks = space.node_with(Role::Webhooks, &DIRECT).unwrap();

    // The stub reads these off every document; `expected` is the caller's own personal data.
    let markers = [
        "El Amrani",
        "AE123456",
        "1990-05-15",
        "Rue Mohammed V",
        "Zmarkerville",
        key.reveal(),
        secret.reveal(),
    ];
    let mut body = Client::submission();
    body["expected"] = serde_json::json!({ "address": "7 Zmarkerville" });
    let client = space.client(&scheduler, &key).unwrap();
    let id = client.submit(&body).await.unwrap();
    let verification = client.decided(&id).await.unwrap();
    assert_eq!(verification["extracted_data"]["full_name"], "Mohammed El Amrani");
    assert_eq!(receiver.wait_for(1).await.len(), 1);
    for node in [scheduler, worker, webhooks] {
        flushed(node).await;
    }

    // `00-trace-span-flags`: the row holds the context that the request was accepted in.
    let pool = space.database().await.unwrap();
    let (traceparent,): (Option<String>,) =
        sqlx::query_as("SELECT traceparent FROM verifications").fetch_one(&pool).await.unwrap();
    pool.close().await;
    let traceparent = traceparent.unwrap();
    let [_, trace_id, accepted_in, "01"] = traceparent.split('-').collect::<Vec<_>>()[..] else {
        panic!("not a sampled traceparent: {traceparent}");
    };
    let spans = collector.spans().unwrap();
    let requests = named(&spans, trace_id, "txid-scheduler", "request");
    assert!(requests.iter().any(|span| span.id == accepted_in), "{accepted_in} in {requests:?}");
    let stages = named(&spans, trace_id, "stub-worker", "stage");
    assert!(stages.len() >= Stage::ALL.len(), "{stages:?}");
    assert!(stages.iter().all(|span| span.parent == accepted_in), "{accepted_in} above {stages:?}");
    let told = named(&spans, trace_id, "txid-worker", "webhook");
    assert!(!told.is_empty(), "the webhook stands outside of the trace");
    assert!(told.iter().all(|told| stages.iter().any(|stage| stage.id == told.parent)), "{told:?}");

    let bodies: Vec<String> =
        collector.bodies().iter().map(|body| String::from_utf8_lossy(body).into_owned()).collect();
    assert!(bodies.iter().any(|body| body.contains(&id)), "the spans were not looked at");
    assert!(bodies.iter().any(|body| body.contains("txid.verification.accepted")), "nor the metrics");
    for marker in markers {
        assert!(!bodies.iter().any(|body| body.contains(marker)), "`{marker}` stands in an export");
    }
    space.remove().await.unwrap();
}
