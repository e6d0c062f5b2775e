//! Processes and services die at the worst moment: every accepted verification still ends in exactly
//! one verdict and one event per endpoint.

#![expect(clippy::unwrap_used, reason = "a test ends where its scene cannot be built")]

use std::collections::BTreeSet;
use std::time::Duration;
use txid_shared::words::Stage;
use txid_tests::fleet::{Client, Node, PrivateBroker, Role, Space};
use txid_tests::proxy::BrokerProxy;
use txid_tests::receiver::Receiver;

struct Scene {
    space: Space,
    receiver: Receiver,
    key: txid_shared::config::Secret,
    secret: txid_shared::config::Secret,
    _webhooks: Node,
}

async fn scene(space: Space) -> Scene {
    let receiver = Receiver::start().await.unwrap();
    let (key, secret) = space.account(Some(&receiver.url)).await.unwrap();
    let _webhooks = space.node(Role::Webhooks).unwrap();
    Scene { space, receiver, key, secret, _webhooks }
}

impl Scene {
    /// One verdict and one event each, all told once to the one endpoint.
    async fn assert_all_decided_once(self, client: &Client, ids: &[String]) {
        for id in ids {
            let verification = client.decided(id).await.unwrap();
            assert_eq!(verification["status"], "verified", "{verification:#}");
        }
        let delivered = self.receiver.wait_for(ids.len()).await;
        let events: BTreeSet<_> = delivered.iter().map(|delivered| delivered.event_id.clone()).collect();
        assert_eq!(events.len(), ids.len(), "one event per verification");
        assert!(delivered.iter().all(|delivered| delivered.signatures_are_valid(self.secret.reveal())));
        let told: BTreeSet<_> = delivered
            .iter()
            .filter_map(|delivered| delivered.body["data"]["id"].as_str().map(str::to_owned))
            .collect();
        assert_eq!(told, ids.iter().cloned().collect::<BTreeSet<_>>());

        let pool = self.space.database().await.unwrap();
        let (verdicts, events, deliveries): (i64, i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM audit WHERE action = 'verification.decided'),
                    (SELECT count(*) FROM events), (SELECT count(*) FROM deliveries)",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        let expected = i64::try_from(ids.len()).unwrap();
        assert_eq!((verdicts, events, deliveries), (expected, expected, expected));
        pool.close().await;
        self.space.remove().await.unwrap();
    }
}

async fn submit(client: &Client, count: usize) -> Vec<String> {
    let body = Client::submission();
    let submissions = (0..count).map(|_| client.submit(&body));
    futures_util::future::try_join_all(submissions).await.unwrap()
}

#[tokio::test]
async fn a_scheduler_killed_between_commit_and_publish_loses_nothing() {
    let scene = scene(Space::new().await.unwrap()).await;
    let _worker = scene.space.node(Role::StubWorker).unwrap();
    let doomed =
        scene.space.node_with(Role::Scheduler, &[("TXID_CRASH_AT", "relay.before_publish")]).unwrap();
    let client = scene.space.client(&doomed, &scene.key).unwrap();
    // The relay may be faster than the answer: then the row is in the database all the same.
    let answered = client.submit(&Client::submission()).await;
    doomed.wait_for_death().unwrap();

    let scheduler = scene.space.node(Role::Scheduler).unwrap();
    let client = scene.space.client(&scheduler, &scene.key).unwrap();
    let pool = scene.space.database().await.unwrap();
    let rows: Vec<(uuid::Uuid,)> =
        sqlx::query_as("SELECT id FROM verifications").fetch_all(&pool).await.unwrap();
    let ids: Vec<String> =
        rows.iter().map(|(id,)| txid_shared::ids::VerificationId::from_uuid(*id).to_string()).collect();
    assert_eq!(ids.len(), 1);
    if let Ok(answered) = answered {
        assert_eq!(ids, [answered]);
    }
    pool.close().await;
    scene.assert_all_decided_once(&client, &ids).await;
}

/// Kills one worker at `point` while ten verifications are under way; another takes over.
async fn worker_dies_at(point: &str) {
    let scene = scene(Space::new().await.unwrap()).await;
    let scheduler = scene.space.node(Role::Scheduler).unwrap();
    let client = scene.space.client(&scheduler, &scene.key).unwrap();
    let doomed = scene.space.node_with(Role::StubWorker, &[("TXID_CRASH_AT", point)]).unwrap();
    let ids = submit(&client, 10).await;
    doomed.wait_for_death().unwrap();
    let _survivor = scene.space.node(Role::StubWorker).unwrap();
    scene.assert_all_decided_once(&client, &ids).await;
}

#[tokio::test]
async fn a_worker_killed_after_the_partial_and_before_the_ack_loses_nothing() {
    worker_dies_at("worker.after_partial").await;
}

#[tokio::test]
async fn a_worker_killed_before_it_writes_the_verdict_loses_nothing() {
    worker_dies_at("conclude.before_finish").await;
}

#[tokio::test]
async fn a_worker_killed_right_after_the_verdict_tells_nobody_twice() {
    worker_dies_at("conclude.after_finish").await;
}

#[tokio::test]
async fn redis_flushed_while_half_of_the_partials_are_in_costs_time_only() {
    let mut space = Space::new().await.unwrap();
    space.set("worker.stages", "[\"ocr\", \"face_match\"]");
    let scene = scene(space).await;
    let scheduler = scene.space.node(Role::Scheduler).unwrap();
    let client = scene.space.client(&scheduler, &scene.key).unwrap();
    let _half = scene.space.node(Role::StubWorker).unwrap();
    let ids = submit(&client, 5).await;

    // Two of four stages are done for each; the others have no worker yet.
    let config = scene.space.config().unwrap();
    let mut redis = redis::Client::open(config.redis.url.reveal())
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    let keys: Vec<String> =
        ids.iter().map(|id| format!("{}{{{id}}}:partials", config.redis.prefix)).collect();
    for key in &keys {
        while redis::cmd("HLEN").arg(key).query_async::<usize>(&mut redis).await.unwrap() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    // Only this test's keys: others share the server.
    redis::cmd("DEL").arg(&keys).query_async::<()>(&mut redis).await.unwrap();

    let rest = [("TXID__WORKER__STAGES", "[\"liveness\", \"fraud\"]")];
    let _rest = scene.space.node_with(Role::StubWorker, &rest).unwrap();
    scene.assert_all_decided_once(&client, &ids).await;
}

#[tokio::test]
async fn rabbitmq_restarted_under_load_loses_nothing() {
    let broker = PrivateBroker::start().unwrap();
    let scene = scene(Space::on_broker(&broker.url).await.unwrap()).await;
    let scheduler = scene.space.node(Role::Scheduler).unwrap();
    let client = scene.space.client(&scheduler, &scene.key).unwrap();
    let _worker = scene.space.node_with(Role::StubWorker, &[("STUB_BUSY_MS", "20")]).unwrap();
    let mut ids = submit(&client, 20).await;
    let (restarted, during) = tokio::join!(
        tokio::task::spawn_blocking(move || broker.restart().map(|()| broker)),
        submit(&client, 20),
    );
    let _broker = restarted.unwrap().unwrap();
    ids.extend(during);
    ids.extend(submit(&client, 5).await);
    scene.assert_all_decided_once(&client, &ids).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_cut_under_load_lose_nothing_and_leave_no_more_in_hand_than_permits() {
    const PREFETCH: usize = 2;
    let mut space = Space::new().await.unwrap();
    space.set("worker.prefetch", &PREFETCH.to_string());
    let scene = scene(space).await;
    let scheduler = scene.space.node(Role::Scheduler).unwrap();
    let client = scene.space.client(&scheduler, &scene.key).unwrap();
    let config = scene.space.config().unwrap();
    // 160 jobs: each cut falls where most of them are still to come.
    let proxy = BrokerProxy::start(config.broker.url.reveal(), 3, 25).await.unwrap();
    let by_proxy = [("TXID__BROKER__URL", proxy.url.as_str()), ("STUB_BUSY_MS", "20")];
    let _worker = scene.space.node_with(Role::StubWorker, &by_proxy).unwrap();
    let ids = submit(&client, 40).await;
    scene.assert_all_decided_once(&client, &ids).await;

    assert_eq!(proxy.cuts(), 3);
    let most_in_hand = proxy.most_in_hand();
    assert_eq!(most_in_hand.len(), Stage::ALL.len(), "{most_in_hand:?}");
    assert!(most_in_hand.values().all(|most| *most <= PREFETCH), "{most_in_hand:?}");
}

#[tokio::test]
async fn an_image_that_kills_the_process_ends_as_error_while_others_flow() {
    let mut space = Space::new().await.unwrap();
    space.set("broker.delivery_limit", "3");
    let scene = scene(space).await;
    let scheduler = scene.space.node(Role::Scheduler).unwrap();
    let client = scene.space.client(&scheduler, &scene.key).unwrap();
    let mut poison = Client::submission();
    poison["country"] = "FR".into();
    poison["checks"] = serde_json::json!(["ocr"]);
    let poisonous = client.submit(&poison).await.unwrap();
    let innocent = submit(&client, 5).await;

    // A supervisor, as Kubernetes is one: whatever dies is started again.
    let environment = scene.space.environment().clone();
    let folder = scene.space.folder().to_owned();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let supervisor = std::thread::spawn(move || {
        let mut deaths = 0;
        while stopped.try_recv().is_err() {
            if let Ok(node) = Node::start(Role::StubWorker, &environment, &folder, &[("STUB_DEADLY", "1")]) {
                while stopped.try_recv().is_err() && node.is_alive() {
                    std::thread::sleep(Duration::from_millis(20));
                }
                if node.is_alive() {
                    return deaths;
                }
            }
            deaths += 1;
        }
        deaths
    });

    let verification = client.decided(&poisonous).await.unwrap();
    assert_eq!(verification["status"], "error", "{verification:#}");
    assert_eq!(verification["checks"]["ocr"]["status"], "error");
    for id in &innocent {
        assert_eq!(client.decided(id).await.unwrap()["status"], "verified");
    }
    stop.send(()).unwrap();
    let deaths = supervisor.join().unwrap();
    assert!(deaths <= 12, "{deaths} deaths are not a bounded number of attempts");
    let pool = scene.space.database().await.unwrap();
    let (letters,): (i64,) =
        sqlx::query_as("SELECT count(*) FROM dead_letters").fetch_one(&pool).await.unwrap();
    assert!(letters >= 1, "nothing is on record for the operator");
    pool.close().await;
    scene.space.remove().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_answers_nothing_does_not_keep_processes_alive() {
    let mut space = Space::new().await.unwrap();
    // Short drains: what is tested is what comes after them.
    space.set("server.drain_deadline_ms", "2000");
    space.set("server.sync_wait_ms", "1000");
    let scene = scene(space).await;
    let config = scene.space.config().unwrap();
    let proxy = BrokerProxy::start(config.broker.url.reveal(), 0, 0).await.unwrap();
    let by_proxy = [("TXID__BROKER__URL", proxy.url.as_str())];
    let scheduler = scene.space.node_with(Role::Scheduler, &by_proxy).unwrap();
    let worker = scene.space.node_with(Role::StubWorker, &by_proxy).unwrap();
    let client = scene.space.client(&scheduler, &scene.key).unwrap();
    let ids = submit(&client, 3).await;
    for id in &ids {
        client.decided(id).await.unwrap();
    }
    proxy.mute();
    for node in [worker, scheduler] {
        let role = node.role;
        let ended = tokio::task::spawn_blocking(move || node.terminate()).await.unwrap();
        assert_eq!(ended.unwrap(), Some(0), "{role:?}");
    }
    scene.space.remove().await.unwrap();
}
