//! `txid dlq`: letters are seen, their stages run again, and they are forgotten.

use super::{asked, txid};
use serde_json::json;
use sqlx::PgPool;
use txid_shared::queue::{Queue, Source};
use txid_shared::words::{Lane, Stage};
use txid_tests::fleet::{Client, Role, Space};

const OCR: Source = Source::Jobs(Stage::Ocr, Lane::Interactive);

async fn until_letters(pool: &PgPool, wanted: i64) {
    while sqlx::query_scalar::<_, i64>("SELECT count(*) FROM dead_letters").fetch_one(pool).await.unwrap()
        < wanted
    {
        tokio::task::yield_now().await;
    }
}

/// As a worker of a broken release would: the next job is not understood.
async fn reject_the_next_job(space: &Space) {
    let queue = Queue::open(&space.config().unwrap().broker);
    let mut consumer = queue.consume(OCR, 1).await.unwrap();
    assert!(consumer.next().await.unwrap().dead_letter("rejected").await);
    consumer.cancel().await;
    queue.close().await;
}

async fn publish_what_is_no_job(space: &Space) {
    let broker = space.config().unwrap().broker;
    let connection = lapin::Connection::connect(broker.url.reveal(), Default::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let name = format!("{}{}", broker.prefix, OCR.name());
    let (options, properties) = (Default::default(), Default::default());
    channel.basic_publish("".into(), name.into(), options, b"Zmarker's name", properties).await.unwrap();
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test]
async fn a_stage_whose_job_died_is_redriven_and_its_verification_gets_the_verdict_it_deserves() {
    let space = Space::new().await.unwrap();
    let (key, _) = space.account(None).await.unwrap();
    let scheduler = space.node(Role::Scheduler).unwrap();
    let client = space.client(&scheduler, &key).unwrap();
    let pool = space.database().await.unwrap();

    let id = client.submit(&Client::submission()).await.unwrap();
    reject_the_next_job(&space).await;
    until_letters(&pool, 1).await;
    let (status, listed) = asked(&space, &["dlq", "list", "--json"]);
    assert_eq!((status, &listed["untaken"]), (Some(0), &json!(0)), "{listed:#}");
    let count = &listed["counts"][0];
    assert_eq!(
        (&count["stage"], &count["lane"], &count["reason"], &count["letters"], &count["pending"]),
        (&json!("ocr"), &json!("interactive"), &json!("rejected"), &json!(1), &json!(1))
    );
    let letter = listed["letters"][0]["id"].to_string();
    let (_, shown) = asked(&space, &["dlq", "show", &letter, "--json"]);
    assert_eq!((&shown["verification_id"], &shown["verification"]), (&json!(id), &json!("pending")));
    assert_eq!(shown["trace_id"].as_str().map(str::len), Some(32), "{shown:#}");

    // Another stage's filter finds none; nothing is redriven by accident.
    let (status, none) = asked(&space, &["dlq", "redrive", "--stage", "fraud", "--json"]);
    assert_eq!((status, &none["enqueued"]), (Some(0), &json!(0)));
    assert!(!txid(&space, &["dlq", "redrive"]).status.success(), "which letters was not said");
    assert!(!txid(&space, &["dlq", "redrive", "4711"]).status.success(), "there is no such letter");
    let misspelt = txid(&space, &["dlq", "list", "--reason", "delivery-limit"]);
    assert!(String::from_utf8(misspelt.stderr).unwrap().contains("delivery_limit"), "the reasons are named");
    let (status, redriven) = asked(&space, &["dlq", "redrive", &letter, "--json"]);
    assert_eq!((status, redriven), (Some(0), json!({ "enqueued": 1, "settled": 0, "foreign": 0 })));

    // Without it the stage would count as one that could not run.
    let worker = space.node(Role::StubWorker).unwrap();
    let verification = client.decided(&id).await.unwrap();
    assert_eq!(verification["status"], "verified", "{verification:#}");
    let audit = client.get(&format!("/v1/identity/verifications/{id}/audit")).await.unwrap().body;
    let actions: Vec<&str> =
        audit["data"].as_array().unwrap().iter().filter_map(|entry| entry["action"].as_str()).collect();
    assert_eq!(actions, ["verification.accepted", "verification.redriven", "verification.decided"]);

    // A verdict is written once: what is decided is not run again.
    let (status, again) = asked(&space, &["dlq", "redrive", "--all", "--json"]);
    assert_eq!((status, again), (Some(3), json!({ "enqueued": 0, "settled": 1, "foreign": 0 })));
    drop(worker);
    pool.close().await;
    space.remove().await.unwrap();
}

#[tokio::test]
async fn what_is_no_job_is_listed_without_its_words_and_dropped_only_when_confirmed() {
    let space = Space::new().await.unwrap();
    let nodes = [Role::Scheduler, Role::StubWorker].map(|role| space.node(role).unwrap());
    let pool = space.database().await.unwrap();
    publish_what_is_no_job(&space).await;
    until_letters(&pool, 1).await;

    let listed = txid(&space, &["dlq", "list"]);
    let said = String::from_utf8(listed.stdout).unwrap();
    assert!(said.contains("no job") && said.contains("ocr interactive"), "{said}");
    let letter: i64 = sqlx::query_scalar("SELECT id FROM dead_letters").fetch_one(&pool).await.unwrap();
    let shown = txid(&space, &["dlq", "show", &letter.to_string()]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("body_bytes       14") && !shown.contains("Zmarker"), "{shown}");
    let (status, redriven) = asked(&space, &["dlq", "redrive", "--all", "--json"]);
    assert_eq!((status, &redriven["foreign"]), (Some(3), &json!(1)));

    let refused = txid(&space, &["dlq", "drop", "--all"]);
    assert!(!refused.status.success());
    assert!(String::from_utf8(refused.stderr).unwrap().contains("1 letters would be forgotten"));
    let (_, kept) = asked(&space, &["dlq", "drop", "--reason", "delivery_limit", "--yes", "--json"]);
    assert_eq!(kept["dropped"], 0);
    let (status, dropped) = asked(&space, &["dlq", "drop", "--all", "--yes", "--json"]);
    assert_eq!((status, &dropped["dropped"]), (Some(0), &json!(1)));
    let (_, listed) = asked(&space, &["dlq", "list", "--json"]);
    assert_eq!((&listed["counts"], &listed["letters"]), (&json!([]), &json!([])));
    drop(nodes);
    pool.close().await;
    space.remove().await.unwrap();
}
