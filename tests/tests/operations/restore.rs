//! An installation from its backups: the database restored, the object store as it is, broker and Redis empty.

use super::{asked, txid};
use serde_json::Value;
use std::collections::BTreeSet;
use txid_shared::queue::Source;
use txid_tests::dump::Programs;
use txid_tests::fleet::{Client, Role, Space};
use txid_tests::receiver::Receiver;

/// As if its disk were new.
async fn empty_the_broker(space: &Space) {
    let broker = space.config().unwrap().broker;
    let connection = lapin::Connection::connect(broker.url.reveal(), Default::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    for source in Source::all() {
        let name = format!("{}{}", broker.prefix, source.name());
        channel.queue_delete(name.into(), Default::default()).await.unwrap();
    }
    let exchange = format!("{}verify.dead", broker.prefix);
    channel.exchange_delete(exchange.into(), Default::default()).await.unwrap();
    connection.close(200, "done".into()).await.unwrap();
}

/// This test's keys alone: others share the server. How many there were.
async fn empty_redis(space: &Space) -> usize {
    let settings = space.config().unwrap().redis;
    let client = redis::Client::open(settings.url.reveal()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> =
        redis::cmd("KEYS").arg(format!("{}*", settings.prefix)).query_async(&mut redis).await.unwrap();
    for key in &keys {
        redis::cmd("DEL").arg(key).query_async::<()>(&mut redis).await.unwrap();
    }
    keys.len()
}

fn advice(report: &Value, check: &str) -> String {
    let findings = report["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["check"] == check && finding["judgement"] != "ok");
    found.map(|finding| finding["advice"].as_str().unwrap().to_owned()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_database_beside_an_empty_broker_and_an_empty_redis_decides_what_was_pending_once() {
    let Some(programs) = Programs::find() else {
        eprintln!("skipped: there is no pg_dump");
        return;
    };
    let mut space = Space::new().await.unwrap();
    let receiver = Receiver::start().await.unwrap();
    let (key, _) = space.account(Some(&receiver.url)).await.unwrap();
    // Half of the stages have a worker: partials stand in Redis, jobs in the broker.
    let nodes = [
        space.node(Role::Scheduler).unwrap(),
        space.node_with(Role::StubWorker, &[("TXID__WORKER__STAGES", "[\"ocr\", \"fraud\"]")]).unwrap(),
    ];
    let client = space.client(&nodes[0], &key).unwrap();
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(client.submit(&Client::submission()).await.unwrap());
    }
    let pool = space.database().await.unwrap();
    while sqlx::query_scalar::<_, i64>("SELECT count(*) FROM outbox").fetch_one(&pool).await.unwrap() > 0 {
        tokio::task::yield_now().await;
    }
    for node in nodes {
        assert_eq!(node.terminate().unwrap(), Some(0));
    }
    let url = space.config().unwrap().database.url.reveal().to_owned();
    let dump = programs.dump(&url, space.schema()).unwrap();

    let name = format!("{}_restored", space.schema());
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&pool).await.unwrap();
    let (server, options) = url.split_once('?').unwrap_or((&url, ""));
    let (server, _) = server.rsplit_once('/').unwrap();
    space.set("database.url", &format!("{server}/{name}?{options}"));
    let (status, report) = asked(&space, &["doctor", "--json"]);
    assert_eq!(
        (status, advice(&report, "migrations").contains("txid migrate")),
        (Some(2), true),
        "{report:#}"
    );
    programs.restore(&dump, space.config().unwrap().database.url.reveal(), space.folder()).unwrap();
    empty_the_broker(&space).await;
    assert!(empty_redis(&space).await > 0, "nothing was in Redis, so nothing is lost with it");

    let (status, report) = asked(&space, &["doctor", "--json"]);
    assert_eq!((status, advice(&report, "topology").contains("txid declare")), (Some(2), true), "{report:#}");
    for command in ["migrate", "declare"] {
        assert!(txid(&space, &[command]).status.success());
    }
    let (status, report) = asked(&space, &["doctor", "--json"]);
    assert_eq!(status, Some(0), "{report:#}");

    let nodes = [Role::Scheduler, Role::StubWorker, Role::Webhooks].map(|role| space.node(role).unwrap());
    let client = space.client(&nodes[0], &key).unwrap();
    for id in &ids {
        assert_eq!(client.decided(id).await.unwrap()["status"], "verified");
    }
    let delivered = receiver.wait_for(ids.len()).await;
    let told: BTreeSet<&str> = delivered.iter().filter_map(|one| one.body["data"]["id"].as_str()).collect();
    assert_eq!(told, ids.iter().map(String::as_str).collect());
    for node in nodes {
        assert_eq!(node.terminate().unwrap(), Some(0));
    }
    assert_eq!(receiver.count(), ids.len(), "each was told once");
    let drop = format!("DROP DATABASE {name} WITH (FORCE)");
    sqlx::raw_sql(sqlx::AssertSqlSafe(drop)).execute(&pool).await.unwrap();
    space.set("database.url", &url);
    pool.close().await;
    space.remove().await.unwrap();
}
