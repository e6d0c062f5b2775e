//! `txid doctor`: a whole installation is called whole; what is broken has its own line, and the rest is still seen.

use super::{asked, txid};
use serde_json::Value;
use std::collections::BTreeMap;
use txid_tests::fleet::{Client, Role, Space};

/// Of each check its judgement; of several findings of one the last.
fn judged(report: &Value) -> BTreeMap<&str, &str> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|one| (one["check"].as_str().unwrap(), one["judgement"].as_str().unwrap())).collect()
}

fn doctor(space: &Space) -> (Option<i32>, Value) {
    asked(space, &["doctor", "--json"])
}

/// Everything but `broken` is as in a whole installation; the exit status is that of a problem. The report.
fn assert_only_broken(space: &Space, whole: &BTreeMap<&str, &str>, broken: &[&str]) -> String {
    let (status, report) = doctor(space);
    assert_eq!(status, Some(2), "{report:#}");
    let found = judged(&report);
    for (check, judgement) in whole {
        // What cannot be told any more says nothing rather than something wrong.
        let wanted = if broken.contains(check) { Some(&"problem") } else { Some(judgement) };
        if found.contains_key(check) || broken.contains(check) {
            assert_eq!(found.get(check), wanted, "{check}: {report:#}");
        }
    }
    for finding in report["findings"].as_array().unwrap() {
        let wants_advice = finding["judgement"] != "ok";
        assert_eq!(finding["advice"].is_string(), wants_advice, "{finding:#}");
        assert!(!finding.to_string().contains("S3cret"), "{finding:#}");
    }
    report.to_string()
}

#[tokio::test]
async fn a_whole_installation_is_well_and_each_broken_dependency_has_its_own_line() {
    let mut space = Space::new().await.unwrap();
    let (key, _) = space.account(None).await.unwrap();
    let nodes = [Role::Scheduler, Role::StubWorker].map(|role| space.node(role).unwrap());
    let client = space.client(&nodes[0], &key).unwrap();
    let id = client.submit(&Client::submission()).await.unwrap();
    client.decided(&id).await.unwrap();

    let (status, report) = doctor(&space);
    let whole = judged(&report);
    assert!(whole.values().all(|judgement| *judgement == "ok"), "{report:#}");
    assert_eq!((status, &report["judgement"]), (Some(0), &Value::from("ok")));
    for check in [
        "config",
        "database",
        "migrations",
        "clock",
        "master key",
        "key shares",
        "redis",
        "broker",
        "topology",
        "queues",
        "object store",
        "policy",
        "models",
        "onnx runtime",
        "disk",
        "open files",
    ] {
        assert!(whole.contains_key(check), "{check} is not looked at");
    }
    let said = String::from_utf8(txid(&space, &["doctor"]).stdout).unwrap();
    assert!(said.lines().all(|line| line.starts_with("ok ")), "{said}");

    let settings = space.environment().clone();
    let nowhere = space.folder().join("nowhere").display().to_string();
    let blocked = space.folder().join("a-file");
    std::fs::write(&blocked, "").unwrap();
    let blocked = format!("file://{}/blobs", blocked.display());
    let elsewhere = format!("file://{}", space.folder().join("elsewhere").display());
    std::fs::create_dir(space.folder().join("elsewhere")).unwrap();
    let unmounted = space.folder().join("unmounted");
    let missing = format!("file://{}", unmounted.display());
    let other_master = format!("[\"k1:{}=\"]", "A".repeat(43));
    let cases: [(&str, &str, &[&str]); 10] = [
        ("database.url", "postgres://u:S3cret@127.0.0.1:1/x", &["database", "master key"]),
        ("database.schema", "there_is_no_such_schema", &["migrations", "master key"]),
        ("redis.url", "redis://:S3cret@127.0.0.1:1/0", &["redis"]),
        ("broker.url", "amqp://u:S3cret@127.0.0.1:1/%2f", &["broker"]),
        ("broker.prefix", "undeclared.", &["topology"]),
        ("blobs.url", &blocked, &["object store", "disk"]),
        ("blobs.url", &elsewhere, &["key shares"]),
        ("blobs.url", &missing, &["object store", "disk"]),
        ("keys.master", &other_master, &["master key", "key shares"]),
        ("policy.file", &nowhere, &["policy"]),
    ];
    for (key, value, broken) in cases {
        space.set(key, value);
        let report = assert_only_broken(&space, &whole, broken);
        assert!(key != "database.url" || report.contains("refused"), "the cause is named: {report}");
        let variable = format!("TXID__{}", key.to_uppercase().replace('.', "__"));
        space.set(key, settings.get(&variable).map_or("", String::as_str));
    }
    assert!(!unmounted.exists(), "what looks makes nothing");

    // The chart's default; nobody listens there.
    space.set("blobs.s3_endpoint", "http://127.0.0.1:1");
    space.set("blobs.url", "s3://nowhere");
    assert_only_broken(&space, &whole, &["object store", "key shares"]);
    space.set("blobs.url", settings.get("TXID__BLOBS__URL").map_or("", String::as_str));
    space.set("blobs.s3_endpoint", "");

    space.set("models.cache", &nowhere);
    assert_only_broken(&space, &whole, &["models", "onnx runtime"]);
    space.set("models.cache", "");

    // Queues of another release, or of other settings.
    space.set("broker.delivery_limit", "17");
    assert_only_broken(&space, &whole, &["topology"]);
    space.set("broker.delivery_limit", "5");

    let master = settings.get("TXID__KEYS__MASTER").map_or("", String::as_str);
    for (key, broken, whole) in
        [("keys.master", "[\"k1:short\"]", master), ("broker.delivery_limit", "many", "5")]
    {
        space.set(key, broken);
        let (status, report) = doctor(&space);
        assert_eq!((status, judged(&report).get("config")), (Some(2), Some(&"problem")), "{report:#}");
        space.set(key, whole);
    }
    assert_eq!(doctor(&space).0, Some(0), "it is whole again");
    drop(nodes);
    space.remove().await.unwrap();
}

#[tokio::test]
async fn what_is_no_problem_yet_is_a_warning_with_an_exit_status_of_its_own() {
    let space = Space::new().await.unwrap();
    let (key, _) = space.account(None).await.unwrap();
    // Accepted and published, and no worker there.
    let scheduler = space.node(Role::Scheduler).unwrap();
    let client = space.client(&scheduler, &key).unwrap();
    client.submit(&Client::submission()).await.unwrap();
    let pool = space.database().await.unwrap();
    while sqlx::query_scalar::<_, i64>("SELECT count(*) FROM outbox").fetch_one(&pool).await.unwrap() > 0 {
        tokio::task::yield_now().await;
    }
    // A newer version was here and is gone again; one row of a backup from before an erasure.
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (99999999999999, 'of a newer version', true, '', 0)";
    sqlx::query(newer).execute(&pool).await.unwrap();
    let (status, report) = doctor(&space);
    let found = judged(&report);
    assert_eq!((status, found["queues"], found["migrations"]), (Some(1), "warning", "warning"), "{report:#}");
    assert!(found.values().all(|judgement| *judgement != "problem"), "{report:#}");
    drop(scheduler);
    pool.close().await;
    space.remove().await.unwrap();
}
