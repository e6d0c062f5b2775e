//! What is erased stays erased: nothing of it is left where the fleet keeps things, and a dump of the database from
//! before, restored beside the same object store and the same master key, opens none of it.

#![expect(clippy::unwrap_used, reason = "a test ends where its scene cannot be built")]

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sqlx::PgPool;
use std::path::Path;
use txid_shared::blobs::crypto::{MasterKeys, SealingKey};
use txid_shared::ids::{DocumentId, EventId, KeyId, VerificationId};
use txid_shared::request::SealedRequest;
use txid_shared::store::{Chain, Store};
use txid_shared::words::ImageRole;
use txid_tests::dump::Programs;
use txid_tests::fleet::{Client, Node, Role, Space};
use txid_tests::receiver::Receiver;

/// The stub reads the first ones off every document; `expected` and the pictures bring the last ones.
const MARKERS: [&str; 6] =
    ["El Amrani", "AE123456", "1990-05-15", "Rue Mohammed V", "Zmarkerville", "zmarker-of-the-picture"];
const VERIFY: &str = "/v1/identity/verify";

fn path(id: VerificationId) -> String {
    format!("/v1/identity/verifications/{id}")
}

/// A JPEG with a marker in a comment, which stays in the bytes as they were sent.
fn marked(jpeg: &[u8]) -> Vec<u8> {
    let comment = MARKERS[5].as_bytes();
    let length = u16::try_from(comment.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xFF, 0xFE], &length, comment, &jpeg[2..]].concat()
}

fn submission() -> Value {
    let mut body = Client::submission();
    body["document_front"] = json!(STANDARD.encode(marked(txid_tests::pictures::blank_document())));
    body["expected"] = json!({ "address": "7 Zmarkerville" });
    body["mode"] = json!("sync");
    body
}

fn holds(bytes: &[u8], marker: &[u8]) -> bool {
    bytes.windows(marker.len()).any(|window| window == marker)
}

fn assert_clean(place: &str, bytes: &[u8]) {
    for marker in MARKERS {
        assert!(!holds(bytes, marker.as_bytes()), "`{marker}` stands in {place}");
        // As a dump writes bytes.
        assert!(
            !holds(bytes, txid_shared::hex(marker.as_bytes()).as_bytes()),
            "`{marker}` stands in {place}"
        );
    }
}

/// Every file with its name.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let found = entries.flat_map(|path| match path.is_dir() {
        true => files(&path),
        false => vec![(path.display().to_string(), std::fs::read(&path).unwrap())],
    });
    found.collect()
}

async fn redis_values(space: &Space) -> Vec<u8> {
    let config = space.config().unwrap();
    let client = redis::Client::open(config.redis.url.reveal()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let pattern = format!("{}*", config.redis.prefix);
    let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg(pattern).query_async(&mut redis).await.unwrap();
    let mut values = Vec::new();
    for key in keys {
        let dumped: Option<Vec<u8>> = redis::cmd("DUMP").arg(&key).query_async(&mut redis).await.unwrap();
        values.extend(key);
        values.extend(dumped.unwrap_or_default());
    }
    values
}

async fn count(pool: &PgPool, what: &'static str) -> i64 {
    let statement = format!("SELECT count(*) FROM {what}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).fetch_one(pool).await.unwrap()
}

async fn until_there_are(pool: &PgPool, wanted: i64, what: &'static str) {
    while count(pool, what).await < wanted {
        tokio::task::yield_now().await;
    }
}

async fn ended(nodes: Vec<Node>) {
    for node in nodes {
        let code = tokio::task::spawn_blocking(move || node.terminate()).await.unwrap().unwrap();
        assert_eq!(code, Some(0));
    }
}

/// Whatever a thief has who has the database and the master key: the account key, and the half of the data key
/// that is wrapped in the row.
async fn keys_of_a_thief(store: &Store, id: VerificationId) -> Vec<SealingKey> {
    let case = store.case(id).await.unwrap().unwrap();
    let account_key = store.account_key(case.account_id).await.unwrap();
    let wrapped = case.wrapped_key.expect("the dump holds the row as it was");
    let half = account_key.open(&format!("half/{id}"), &wrapped[1..]).expect("one half opens");
    let entry = format!("half:{}", STANDARD.encode(half));
    let half = MasterKeys::parse([entry.as_str()]).unwrap().current().unwrap().1.clone();
    vec![account_key, half]
}

/// Everything that rows hold of a verification, sealed, and what of it opens with `key`.
async fn opened(pool: &PgPool, store: &Store, id: VerificationId, key: &SealingKey) -> (usize, usize) {
    let case = store.case(id).await.unwrap().unwrap();
    let verdict: Vec<u8> = sqlx::query_scalar("SELECT sealed_verdict FROM verifications WHERE id = $1")
        .bind(id.uuid())
        .fetch_one(pool)
        .await
        .unwrap();
    let events: Vec<(uuid::Uuid, Vec<u8>)> =
        sqlx::query_as("SELECT id, sealed_body FROM events WHERE verification_id = $1")
            .bind(id.uuid())
            .fetch_all(pool)
            .await
            .unwrap();
    let answers: Vec<(uuid::Uuid, String, String, Vec<u8>)> = sqlx::query_as(
        "SELECT key_id, endpoint, key, sealed_answer FROM idempotency WHERE verification_id = $1",
    )
    .bind(id.uuid())
    .fetch_all(pool)
    .await
    .unwrap();
    let mut sealed = vec![(format!("verdict/{id}"), verdict)];
    sealed.extend(events.into_iter().map(|(event, body)| (EventId::from_uuid(event).to_string(), body)));
    sealed.extend(answers.into_iter().map(|(by, endpoint, key, answer)| {
        (format!("answer/{}/{endpoint}/{key}", KeyId::from_uuid(by)), answer)
    }));
    let request = SealedRequest::open(key, id, &case.sealed_request.unwrap()).is_ok();
    let open = sealed.iter().filter(|(place, bytes)| key.open(place, bytes).is_ok()).count();
    (sealed.len() + 1, open + usize::from(request))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_from_before_an_erasure_opens_nothing_of_what_was_erased() {
    let Some(programs) = Programs::find() else {
        eprintln!("skipped: there is no pg_dump");
        return;
    };
    let mut space = Space::new().await.unwrap();
    space.set("telemetry.filter", "trace,hyper=info,h2=info,tokio=info,runtime=info");
    let receiver = Receiver::start().await.unwrap();
    // The event about what is erased later stays due: its delivery fails once.
    receiver.answer_with(&[StatusCode::INTERNAL_SERVER_ERROR]);
    let (key, _) = space.account(Some(&receiver.url)).await.unwrap();
    let nodes = [Role::Scheduler, Role::StubWorker, Role::Webhooks].map(|role| space.node(role).unwrap());
    let client = space.client(&nodes[0], &key).unwrap();
    let pool = space.database().await.unwrap();

    let body = submission();
    let asked = client.post_once(VERIFY, "order-2026-erased", &body).await.unwrap();
    assert_eq!(asked.status, 200, "{asked:?}");
    until_there_are(&pool, 1, "delivery_attempts").await;
    let asked_kept = client.post_once(VERIFY, "order-2026-kept", &body).await.unwrap();
    until_there_are(&pool, 2, "delivery_attempts").await;
    let [erased, kept]: [VerificationId; 2] =
        [&asked, &asked_kept].map(|answer| answer.body["id"].as_str().unwrap().parse().unwrap());
    let document: DocumentId = erased.document(ImageRole::DocumentFront);
    let address = client.get(&format!("/v1/identity/documents/{document}/download")).await.unwrap().body;
    let address = address["url"].as_str().unwrap();
    let picture = client.fetch(address).await.unwrap().unwrap();
    assert!(holds(&picture, MARKERS[5].as_bytes()), "before the erasure all of it is there");
    assert_eq!(asked.body["extracted_data"]["document_number"], "AE123456");
    until_there_are(&pool, 2, "idempotency WHERE sealed_answer IS NOT NULL").await;
    until_there_are(&pool, 3, "request_logs").await;

    let url = space.config().unwrap().database.url.reveal().to_owned();
    let dump = programs.dump(&url, space.schema()).unwrap();
    let deleted = client.delete(&path(erased)).await.unwrap();
    assert_eq!((deleted.status, &deleted.body["deleted"]), (200, &json!(true)));

    // Nothing of it is left, and nothing of the other lies open.
    let now = programs.dump(&url, space.schema()).unwrap();
    assert!(now.contains("verification.erased"), "the dump is not one of this schema");
    assert_clean("Postgres", now.as_bytes());
    assert_clean("Redis", &redis_values(&space).await);
    for (name, bytes) in files(&space.folder().join("blobs")) {
        assert!(!name.contains(&erased.to_string()), "{name} is left");
        assert_clean(&name, &bytes);
    }
    let logs: String = nodes.iter().map(Node::log_text).collect();
    assert!(logs.contains("verification erased"), "the logs were not looked at");
    assert_clean("the logs", logs.as_bytes());
    assert_eq!(client.fetch(address).await.unwrap(), None);
    ended(nodes.into()).await;
    let delivered = receiver.count();

    // Another database, the same keys, the same object store.
    let name = format!("{}_restored", space.schema());
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&pool).await.unwrap();
    let (server, options) = url.split_once('?').unwrap_or((&url, ""));
    let (server, _) = server.rsplit_once('/').unwrap();
    let restored_url = format!("{server}/{name}?{options}");
    programs.restore(&dump, &restored_url, space.folder()).unwrap();
    space.set("database.url", &restored_url);
    let restored = space.database().await.unwrap();
    let services = space.services().await.unwrap();
    let store = &services.context.store;

    let case = store.case(erased).await.unwrap().unwrap();
    assert!(case.wrapped_key.is_some() && !case.images.is_empty(), "the dump holds the row as it was");
    assert!(store.data_key(&case).await.is_err(), "the data key of what was erased opens");
    for thief in keys_of_a_thief(store, erased).await {
        assert_eq!(opened(&restored, store, erased, &thief).await, (4, 0));
        assert_eq!(opened(&restored, store, kept, &thief).await, (4, 0));
    }
    let kept_key = store.data_key(&store.case(kept).await.unwrap().unwrap()).await.unwrap();
    assert_eq!(
        opened(&restored, store, kept, &kept_key).await,
        (4, 4),
        "and that of the other opens its own"
    );
    assert_eq!(opened(&restored, store, erased, &kept_key).await, (4, 0));

    // The same through the front door and the back: due at once, and never sent.
    let due = "UPDATE deliveries SET due_at = created_at, lease_token = NULL WHERE state = 'pending'";
    assert_eq!(sqlx::query(due).execute(&restored).await.unwrap().rows_affected(), 1);
    let nodes = [Role::Scheduler, Role::StubWorker, Role::Webhooks].map(|role| space.node(role).unwrap());
    let client = space.client(&nodes[0], &key).unwrap();
    assert_eq!(client.get(&path(erased)).await.unwrap().status, 404);
    let again = client.post_once(VERIFY, "order-2026-erased", &body).await.unwrap();
    assert_eq!((again.status, &again.body["error"]["code"]), (404, &json!("not_found")));
    let again = client.post_once(VERIFY, "order-2026-kept", &body).await.unwrap();
    assert_eq!((again.status, &again.body), (200, &asked_kept.body));
    let list = client.get("/v1/identity/verifications").await.unwrap().body;
    assert_eq!(list["data"].as_array().unwrap().len(), 1, "{list:#}");
    assert_eq!(list["data"][0], client.verification(&kept.to_string()).await.unwrap());
    let address = client.get(&format!("/v1/identity/documents/{document}/download")).await.unwrap().body;
    assert_eq!(client.fetch(address["url"].as_str().unwrap()).await.unwrap(), None);
    let (event,): (uuid::Uuid,) = sqlx::query_as("SELECT id FROM events WHERE verification_id = $1")
        .bind(erased.uuid())
        .fetch_one(&restored)
        .await
        .unwrap();
    let event = format!("/v1/developers/events/{}", EventId::from_uuid(event));
    assert_eq!(client.get(&event).await.unwrap().status, 404);
    until_there_are(&restored, 3, "delivery_attempts").await;
    assert_eq!(count(&restored, "delivery_attempts WHERE status_code IS NULL").await, 1);
    assert_eq!(receiver.count(), delivered, "nothing was sent");

    // The trail is whole in both: that it was erased is in the one, and comes into the other by erasing it again.
    while store.link_audit().await.unwrap() > 0 {}
    assert!(matches!(store.verify_audit().await.unwrap(), Chain::Whole { linked, .. } if linked > 0));
    assert_eq!(client.delete(&path(erased)).await.unwrap().status, 200);
    ended(nodes.into()).await;
    store.close().await;
    restored.close().await;
    space.set("database.url", &url);
    let services = space.services().await.unwrap();
    while services.context.store.link_audit().await.unwrap() > 0 {}
    assert!(matches!(services.context.store.verify_audit().await.unwrap(), Chain::Whole { .. }));
    services.context.store.close().await;
    let drop = format!("DROP DATABASE {name} WITH (FORCE)");
    sqlx::raw_sql(sqlx::AssertSqlSafe(drop)).execute(&pool).await.unwrap();
    pool.close().await;
    space.remove().await.unwrap();
}

#[tokio::test]
async fn a_scheduler_killed_between_the_erasure_and_the_removal_leaves_no_key_behind() {
    let space = Space::new().await.unwrap();
    let (key, _) = space.account(None).await.unwrap();
    let doomed = space.node_with(Role::Scheduler, &[("TXID_CRASH_AT", "erase.after_commit")]).unwrap();
    let client = space.client(&doomed, &key).unwrap();
    let id = client.submit(&Client::submission()).await.unwrap();
    let kept = client.submit(&Client::submission()).await.unwrap();
    assert!(client.delete(&format!("/v1/identity/verifications/{id}")).await.is_err());
    doomed.wait_for_death().unwrap();
    let left =
        |id: &str| files(&space.folder().join("blobs")).iter().filter(|(name, _)| name.contains(id)).count();
    assert_eq!((left(&id), left(&kept)), (4, 4), "three pictures and a share, not removed yet");

    let scheduler = space.node(Role::Scheduler).unwrap();
    let pool = space.database().await.unwrap();
    while count(&pool, "verifications WHERE remains").await > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!((left(&id), left(&kept)), (0, 4));
    drop(scheduler);
    pool.close().await;
    space.remove().await.unwrap();
}
