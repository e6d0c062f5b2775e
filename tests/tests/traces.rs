//! What processes export to a collector: one trace per verification, and nothing personal.

#![expect(clippy::unwrap_used, reason = "a test ends where its scene cannot be built")]

use std::collections::BTreeSet;
use txid_shared::words::Stage;
use txid_tests::collector::{Collector, Kind, Span};
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
    let request = requests.iter().find(|span| span.id == accepted_in).unwrap();
    assert_eq!((request.kind, &*request.parent), (Kind::Server, ""), "{request:?}");
    assert_eq!(request.attributes["http.route"], "/v1/identity/verify");
    let published = named(&spans, trace_id, "txid-scheduler", "publish");
    assert_eq!(published.len(), 1, "{published:?}");
    assert_eq!((published[0].kind, &*published[0].parent), (Kind::Producer, accepted_in), "{published:?}");
    let stages = named(&spans, trace_id, "stub-worker", "stage");
    assert_eq!(stages.len(), Stage::ALL.len(), "{stages:?}");
    let ran: BTreeSet<&str> = stages.iter().map(|span| &*span.attributes["stage"]).collect();
    assert_eq!(ran, Stage::ALL.iter().map(|stage| stage.as_str()).collect());
    for stage in &stages {
        assert_eq!((stage.kind, &stage.parent), (Kind::Consumer, &published[0].id), "{stage:?}");
        assert!(
            stage.attributes.contains_key("queue_ms") && stage.attributes.contains_key("models_ms"),
            "{stage:?}"
        );
    }
    // Whoever completed the set decided.
    let decided = named(&spans, trace_id, "stub-worker", "decide");
    let won: Vec<_> = decided
        .iter()
        .filter(|span| verification["status"] == *span.attributes["verification.status"])
        .collect();
    assert_eq!(won.len(), 1, "{decided:?}");
    assert!(stages.iter().any(|stage| stage.id == won[0].parent), "{won:?}");
    let told = named(&spans, trace_id, "txid-worker", "webhook");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].kind, &told[0].parent), (Kind::Client, &won[0].id), "{told:?}");
    assert_eq!(told[0].attributes["outcome"], "succeeded");
    // One tree: nothing of it hangs in the air, and every process has its part.
    let all: Vec<&Span> = spans.iter().filter(|span| span.trace_id == trace_id).collect();
    for span in &all {
        let above = span.parent.is_empty() || all.iter().any(|other| other.id == span.parent);
        assert!(above, "{span:?} has a parent that nobody exported");
        assert!(span.attributes.get("verification.id").is_none_or(|named| *named == id), "{span:?}");
    }
    assert_eq!(all.iter().filter(|span| span.parent.is_empty()).count(), 1, "{all:#?}");

    let bodies: Vec<String> =
        collector.bodies().iter().map(|body| String::from_utf8_lossy(body).into_owned()).collect();
    assert!(bodies.iter().any(|body| body.contains(&id)), "the spans were not looked at");
    assert!(bodies.iter().any(|body| body.contains("txid.verification.accepted")), "nor the metrics");
    for marker in markers {
        assert!(!bodies.iter().any(|body| body.contains(marker)), "`{marker}` stands in an export");
    }
    space.remove().await.unwrap();
}

/// No call asks for a row of a batch alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_row_of_a_batch_is_a_trace_of_its_own() {
    const ROWS: usize = 3;
    let collector = Collector::start().await.unwrap();
    let mut space = Space::new().await.unwrap();
    space.set("telemetry.otlp_endpoint", &collector.url);
    let receiver = Receiver::start().await.unwrap();
    let (key, _) = space.account(Some(&receiver.url)).await.unwrap();
    let scheduler = space.node_with(Role::Scheduler, &DIRECT).unwrap();
    let worker = space.node_with(Role::StubWorker, &DIRECT).unwrap();
    let webhooks = space.node_with(Role::Webhooks, &DIRECT).unwrap();
    let rows: Vec<_> = (0..ROWS)
        .map(|number| {
            let mut row = Client::submission();
            row["custom_id"] = number.to_string().into();
            row.as_object_mut().unwrap().remove("mode");
            row
        })
        .collect();
    let client = space.client(&scheduler, &key).unwrap();
    let body = serde_json::json!({ "rows": rows, "verify_duplicates": true });
    let opened = client.post("/v1/identity/batches", &body).await.unwrap();
    assert!(opened.status < 300, "{opened:?}");
    // The event of its end.
    receiver.wait_for(1).await;
    for node in [scheduler, worker, webhooks] {
        flushed(node).await;
    }
    let spans = collector.spans().unwrap();
    let accepted: Vec<&Span> = spans.iter().filter(|span| span.name == "accept").collect();
    assert_eq!(accepted.len(), ROWS, "{accepted:?}");
    for row in accepted {
        assert_eq!(row.parent, "");
        let published = named(&spans, &row.trace_id, "txid-scheduler", "publish");
        assert!(published.len() == 1 && published[0].parent == row.id, "{published:?}");
        let stages = named(&spans, &row.trace_id, "stub-worker", "stage");
        assert_eq!(stages.len(), Stage::ALL.len(), "{stages:?}");
        assert!(stages.iter().all(|stage| stage.parent == published[0].id), "{stages:?}");
        let decided = named(&spans, &row.trace_id, "stub-worker", "decide");
        assert!(decided.iter().any(|span| stages.iter().any(|stage| stage.id == span.parent)), "{decided:?}");
    }
    space.remove().await.unwrap();
}
