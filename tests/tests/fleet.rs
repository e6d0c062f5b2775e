//! The fleet as its users meet it: parity with the standalone, a clean stop, privacy of what leaves a process.

#![expect(clippy::unwrap_used, reason = "a test ends where its scene cannot be built")]

use serde_json::Value;
use std::collections::BTreeMap;
use txid_shared::ids::VerificationId;
use txid_shared::queue::{Job, Outgoing, Source};
use txid_shared::words::{Lane, Stage};
use txid_tests::fleet::{Client, Role, Space};
use txid_tests::receiver::Receiver;

#[tokio::test]
async fn sigterm_while_a_stage_runs_finishes_it_and_exits_with_zero() {
    let space = Space::new().await.unwrap();
    let (key, _) = space.account(None).await.unwrap();
    let scheduler = space.node(Role::Scheduler).unwrap();
    let client = space.client(&scheduler, &key).unwrap();
    let worker = space.node_with(Role::StubWorker, &[("STUB_BUSY_MS", "700")]).unwrap();
    let mut body = Client::submission();
    body["checks"] = serde_json::json!(["liveness"]);
    let id = client.submit(&body).await.unwrap();
    // Running as soon as the broker has handed the job out: its queue is empty then.
    let pool = space.database().await.unwrap();
    while sqlx::query_as::<_, (i64,)>("SELECT count(*) FROM outbox").fetch_one(&pool).await.unwrap().0 > 0 {
        tokio::task::yield_now().await;
    }
    let code = tokio::task::spawn_blocking(move || worker.terminate()).await.unwrap().unwrap();
    assert_eq!(code, Some(0));
    // Either it was finished, or it was given back and another worker does it; nothing burned an attempt.
    let _next = space.node(Role::StubWorker).unwrap();
    assert_eq!(client.decided(&id).await.unwrap()["status"], "verified");
    let (attempts,): (i64,) = sqlx::query_as("SELECT count(*) FROM attempts").fetch_one(&pool).await.unwrap();
    assert_eq!(attempts, 0);
    pool.close().await;
    let code = tokio::task::spawn_blocking(move || scheduler.terminate()).await.unwrap().unwrap();
    assert_eq!(code, Some(0));
    space.remove().await.unwrap();
}

#[tokio::test]
async fn no_personal_data_in_broker_redis_logs_or_metrics() {
    let mut space = Space::new().await.unwrap();
    space.set("telemetry.filter", "trace,hyper=info,h2=info,tokio=info,runtime=info");
    let receiver = Receiver::start().await.unwrap();
    let (key, _) = space.account(Some(&receiver.url)).await.unwrap();
    let scheduler = space.node(Role::Scheduler).unwrap();
    let client = space.client(&scheduler, &key).unwrap();

    // The stub reads these off every document; `expected` is the caller's own personal data.
    let markers = ["El Amrani", "AE123456", "1990-05-15", "Rue Mohammed V", "Zmarkerville"];
    let mut body = Client::submission();
    body["expected"] = serde_json::json!({ "address": "7 Zmarkerville" });

    // First without a worker: the messages lie on the broker and can be read.
    let id = client.submit(&body).await.unwrap();
    let config = space.config().unwrap();
    let connection =
        lapin::Connection::connect(config.broker.url.reveal(), Default::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let mut messages = Vec::new();
    for stage in txid_shared::words::Stage::ALL {
        let queue = format!("{}verify.{stage}.interactive", config.broker.prefix);
        loop {
            let got = channel.basic_get(queue.clone().into(), Default::default()).await.unwrap();
            if let Some(message) = got {
                messages.push(format!("{:?} {}", message.properties, String::from_utf8_lossy(&message.data)));
                message.delivery.reject(lapin::options::BasicRejectOptions { requeue: true }).await.unwrap();
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(messages.len(), 4);
    connection.close(200, "read".into()).await.unwrap();

    // Then half of the stages: the partials lie in Redis.
    let half = [("TXID__WORKER__STAGES", "[\"ocr\", \"face_match\"]")];
    let first = space.node_with(Role::StubWorker, &half).unwrap();
    let mut redis = redis::Client::open(config.redis.url.reveal())
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    let partials = format!("{}{{{id}}}:partials", config.redis.prefix);
    while redis::cmd("HLEN").arg(&partials).query_async::<usize>(&mut redis).await.unwrap() < 2 {
        tokio::task::yield_now().await;
    }
    let stored: BTreeMap<Vec<u8>, Vec<u8>> =
        redis::cmd("HGETALL").arg(&partials).query_async(&mut redis).await.unwrap();
    let stored: String = stored.values().map(|value| String::from_utf8_lossy(value).into_owned()).collect();

    let rest = [("TXID__WORKER__STAGES", "[\"liveness\", \"fraud\"]")];
    let second = space.node_with(Role::StubWorker, &rest).unwrap();
    let webhooks = space.node(Role::Webhooks).unwrap();
    let verification = client.decided(&id).await.unwrap();
    let delivered = receiver.wait_for(1).await;
    let metrics = reqwest::get(format!("http://{}/metrics", scheduler.address().unwrap())).await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains("txid_verification_accepted"), "{metrics}");

    // Where it belongs the data is.
    assert_eq!(verification["extracted_data"]["full_name"], "Mohammed El Amrani");
    assert!(String::from_utf8_lossy(&delivered[0].raw).contains("AE123456"));
    // Everywhere else it is not, nor is anything in the tables readable.
    let pool = space.database().await.unwrap();
    let (tables,): (String,) = sqlx::query_as(
        "SELECT concat((SELECT string_agg(v::text, ' ') FROM verifications v), (SELECT string_agg(a::text, ' ') FROM audit a),
                (SELECT string_agg(e::text, ' ') FROM events e), (SELECT string_agg(encode(sealed_verdict, 'escape'), ' ') FROM verifications))",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    let logs: String = [&scheduler, &first, &second, &webhooks].iter().map(|node| node.log_text()).collect();
    assert!(logs.contains("verification decided"), "the logs were not looked at");
    for (place, text) in [
        ("broker", messages.concat()),
        ("redis", stored),
        ("tables", tables),
        ("logs", logs),
        ("metrics", metrics),
    ] {
        for marker in markers {
            assert!(!text.contains(marker), "`{marker}` stands in the {place}");
        }
    }
    pool.close().await;
    space.remove().await.unwrap();
}

/// Removes what may differ between two runs: ids, times, durations.
fn comparable(mut verification: Value) -> Value {
    let object = verification.as_object_mut().unwrap();
    for key in ["id", "created_at", "completed_at", "timings"] {
        object.remove(key);
    }
    fn strip(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.remove("crop_id");
                map.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut verification);
    verification
}

/// The front as a submission of the real models; absent where the cache is.
fn specimen() -> Option<Value> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use txid_specimens::{Assets, Attack, Capture, Design, Generator};
    let assets = match Assets::load(&Assets::default_cache()) {
        Ok(assets) => assets,
        Err(error) => {
            eprintln!("skipped: {error}");
            return None;
        }
    };
    let generator = Generator::new(assets);
    let design = Design::named("mar_national_id_2020").unwrap();
    let person = generator.person(&design.issuer, 7).unwrap();
    let made = generator.submission(&person, &design, Capture::PHOTO, Attack::None, 7).unwrap();
    Some(serde_json::json!({
        "document_front": STANDARD.encode(&made.front),
        "document_back": made.back.map(|bytes| STANDARD.encode(bytes)),
        "selfie": made.selfie.map(|bytes| STANDARD.encode(bytes)),
        "country": "MA",
        "document_type": "national_id",
        "mode": "sync",
        "checks": ["ocr", "face_match", "liveness", "fraud", "data_validation", "age_verification"],
    }))
}

#[tokio::test]
async fn standalone_and_fleet_say_the_same() {
    let Some(body) = specimen() else { return };
    let mut space = Space::new().await.unwrap();
    space.set("worker.threads", "1");
    space.set("worker.stage_deadline_ms", "20000");
    space.set("worker.inference_limit_ms", "10000");
    space.set("sweeper.overdue_after_ms", "60000");
    let (key, _) = space.account(None).await.unwrap();
    let scheduler = space.node(Role::Scheduler).unwrap();
    let reader = [("TXID__WORKER__STAGES", "[\"ocr\"]")];
    let others = [("TXID__WORKER__STAGES", "[\"face_match\", \"liveness\", \"fraud\"]")];
    let (_ocr, _rest) =
        (space.node_with(Role::Worker, &reader).unwrap(), space.node_with(Role::Worker, &others).unwrap());
    let client = space.client(&scheduler, &key).unwrap();
    let by_fleet = client.post("/v1/identity/verify", &body).await.unwrap();
    assert_eq!(by_fleet.status, 200, "{by_fleet:?}");

    let data = tempfile::tempdir().unwrap();
    let mut config = txid_shared::config::Config::load(None, []).unwrap();
    config.server.listen.set_port(0);
    config.worker.threads = Some(1);
    let standalone = txid::up::Standalone::start(config, data.path()).await.unwrap();
    let client = Client::new(standalone.address, &standalone.api_key).unwrap();
    let alone = client.post("/v1/identity/verify", &body).await.unwrap();
    standalone.stop().await.unwrap();
    assert_eq!(alone.status, 200, "{alone:?}");

    assert_ne!(by_fleet.body["id"], alone.body["id"]);
    assert_eq!(comparable(by_fleet.body), comparable(alone.body));
    space.remove().await.unwrap();
}

/// What the sweeper goes by for rows of batches.
#[tokio::test]
async fn the_broker_tells_whether_jobs_wait_in_a_lane() {
    let space = Space::new().await.unwrap();
    let queue = space.services().await.unwrap().queue;
    let lane = |lane| Source::Jobs(Stage::Ocr, lane);
    let job = Job {
        verification_id: VerificationId::generate(),
        stage: Stage::Ocr,
        lane: Lane::Batch,
        enqueued_at: jiff::Timestamp::UNIX_EPOCH,
    };
    assert!(queue.publish(&[Outgoing { job, traceparent: None }]).await.iter().all(Result::is_ok));
    assert!(queue.has_waiting(lane(Lane::Batch)).await.unwrap());
    assert!(!queue.has_waiting(lane(Lane::Interactive)).await.unwrap());
    let mut jobs = queue.consume(lane(Lane::Batch), 1).await.unwrap();
    let received = jobs.next().await.unwrap();
    assert!(!queue.has_waiting(lane(Lane::Batch)).await.unwrap(), "somebody has it in hand");
    received.acknowledge().await;
    queue.close().await;
    space.remove().await.unwrap();
}
