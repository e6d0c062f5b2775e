//! `Idempotency-Key` where something other than a verification is made: sessions, endpoints, keys, and what is sent
//! to an endpoint once more.

use super::scene::{Scene, answer, passport};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use txid_shared::ids::EventId;
use txid_shared::words::{Permission, Stage};

const KEY: &str = "order-2026-000001";
const HOOKS: &str = "/v1/developers/webhooks";
const KEYS: &str = "/v1/developers/keys";
const SESSIONS: &str = "/v1/identity/sessions";

fn session() -> Value {
    json!({ "country": "FR", "document_type": "passport", "metadata": { "user_id": "u-1" } })
}

fn hook() -> Value {
    json!({ "url": "https://example.com/hook" })
}

fn key() -> Value {
    json!({ "name": "backend", "permissions": ["identity:read"] })
}

/// Status, id of the request, whether it was replayed, and the bytes.
async fn post(scene: &Scene, path: &str, body: &Value) -> (u16, String, bool, bytes::Bytes) {
    let mut request = scene.post(path).header("Idempotency-Key", KEY);
    if !body.is_null() {
        request = request.json(body);
    }
    let response = request.send().await.unwrap();
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let replayed = response.headers().get("idempotent-replayed").is_some_and(|value| value == "true");
    (response.status().as_u16(), id, replayed, response.bytes().await.unwrap())
}

async fn made(scene: &Scene, path: &str, body: &Value) -> String {
    let made = answer(scene.post(path).json(body)).await;
    assert_eq!(made.status, 201, "{path}: {:#}", made.body);
    made.body["id"].as_str().unwrap().to_owned()
}

fn code(bytes: &[u8]) -> String {
    let body: Value = serde_json::from_slice(bytes).unwrap();
    body["error"]["code"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn whatever_is_made_is_made_once_and_its_secret_is_shown_again_to_whoever_repeats() {
    let scene = Scene::new().await;
    let (endpoint, other) = (made(&scene, HOOKS, &hook()).await, made(&scene, KEYS, &key()).await);
    let verification = scene.accepted(&passport()).await;
    scene.stage_ends(verification, Stage::Ocr).await;
    let event: uuid::Uuid =
        sqlx::query_scalar("SELECT id FROM events").fetch_one(&scene.database).await.unwrap();
    let event = EventId::from_uuid(event);
    let range = json!({ "since": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z" });
    let calls = [
        (SESSIONS.to_owned(), 201, session(), json!({ "country": "MA", "document_type": "passport" })),
        (HOOKS.to_owned(), 201, hook(), json!({ "url": "https://example.com/other" })),
        (format!("{HOOKS}/{endpoint}/rotate-secret"), 200, Value::Null, json!({ "overlap_hours": 1 })),
        (
            format!("{HOOKS}/{endpoint}/test"),
            202,
            json!({ "event_type": "identity.verification.failed" }),
            json!({ "event_type": "identity.verification.completed" }),
        ),
        (format!("{HOOKS}/{endpoint}/replay"), 202, range, {
            json!({ "since": "2026-01-02T00:00:00Z", "until": "2027-01-01T00:00:00Z" })
        }),
        (format!("/v1/developers/events/{event}/resend"), 202, Value::Null, Value::Null),
        (KEYS.to_owned(), 201, key(), json!({ "name": "other", "permissions": ["identity:read"] })),
        (format!("{KEYS}/{other}/rotate"), 201, Value::Null, json!({ "grace_period_hours": 1 })),
    ];
    let tables = ["sessions", "endpoints", "api_keys", "events", "audit"];
    for (path, status, body, changed) in &calls {
        let first = post(&scene, path, body).await;
        assert_eq!((first.0, first.2), (*status, false), "{path}: {:?}", first.3);
        let mut before = Vec::new();
        for table in tables {
            before.push(scene.count(table).await);
        }
        let again = post(&scene, path, body).await;
        assert_eq!((again.0, again.2), (*status, true), "{path}");
        assert_eq!((&again.1, &again.3), (&first.1, &first.3), "{path}");
        if !changed.is_null() {
            let conflict = post(&scene, path, changed).await;
            assert_eq!((conflict.0, &*code(&conflict.3)), (409, "idempotency_key_conflict"), "{path}");
        }
        for (table, before) in tables.iter().zip(before) {
            assert_eq!(scene.count(table).await, before, "{path} made another row in {table}");
        }
        // What was shown once lies sealed.
        let shown: Value = serde_json::from_slice(&first.3).unwrap();
        for secret in ["secret", "key", "client_token"] {
            let Some(secret) = shown[secret].as_str() else { continue };
            let records: Vec<Vec<u8>> = sqlx::query_scalar("SELECT sealed_answer FROM idempotency")
                .fetch_all(&scene.database)
                .await
                .unwrap();
            let holds = |record: &Vec<u8>| record.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!records.iter().any(holds), "{path}");
        }
    }
    assert_eq!(scene.count("idempotency WHERE of_account").await, 8);
    scene.end().await;
}

#[tokio::test]
async fn one_key_for_another_thing_of_the_same_kind_is_a_conflict() {
    let scene = Scene::new().await;
    let (one, two) = (made(&scene, HOOKS, &hook()).await, made(&scene, HOOKS, &hook()).await);
    let rotate = |id: &str| format!("{HOOKS}/{id}/rotate-secret");
    assert_eq!(post(&scene, &rotate(&one), &Value::Null).await.0, 200);
    let conflict = post(&scene, &rotate(&two), &Value::Null).await;
    assert_eq!((conflict.0, &*code(&conflict.3)), (409, "idempotency_key_conflict"));
    scene.end().await;
}

#[tokio::test]
async fn fifty_at_once_make_one_and_all_are_told_of_that_one() {
    let scene = Scene::new().await;
    let old = made(&scene, KEYS, &key()).await;
    let rotation = format!("{KEYS}/{old}/rotate");
    for (path, body) in [(SESSIONS, session()), (HOOKS, hook()), (KEYS, key()), (&rotation, Value::Null)] {
        let answers = join_all((0..50).map(|_| post(&scene, path, &body))).await;
        let (fresh, others): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|(status, _, replayed, _)| *status == 201 && !replayed);
        assert_eq!((fresh.len(), others.len()), (1, 49), "{path}");
        for (status, id, replayed, bytes) in others {
            if status == 409 {
                assert_eq!(code(&bytes), "idempotency_in_progress", "{path}");
            } else {
                assert_eq!((status, replayed), (201, true), "{path}");
                assert_eq!((&id, &bytes), (&fresh[0].1, &fresh[0].3), "{path}");
            }
        }
    }
    assert_eq!((scene.count("sessions").await, scene.count("endpoints").await), (1, 1));
    // The scene's own, `old`, the one made fifty times, and the one in the place of `old`.
    assert_eq!(scene.count("api_keys").await, 4);
    assert_eq!(scene.count("idempotency").await, 4);
    scene.end().await;
}

#[tokio::test]
async fn what_is_refused_leaves_no_record_and_works_later_under_the_same_key() {
    let scene = Scene::new().await;
    let path = format!("{HOOKS}/{}", made(&scene, HOOKS, &hook()).await);
    let enable = async |enabled: bool| {
        let put = scene.request(Method::PUT, &path).bearer_auth(scene.key.reveal());
        assert_eq!(answer(put.json(&json!({ "enabled": enabled }))).await.status, 200);
    };
    let (test, event) = (format!("{path}/test"), json!({ "event_type": "identity.verification.failed" }));
    enable(false).await;
    let refused = post(&scene, &test, &event).await;
    assert_eq!((refused.0, &*code(&refused.3)), (409, "invalid_state"));
    for (path, wrong) in [(SESSIONS, json!({ "country": "XX" })), (HOOKS, json!({})), (KEYS, json!({}))] {
        assert!((400..500).contains(&post(&scene, path, &wrong).await.0));
    }
    assert_eq!((scene.count("idempotency").await, scene.count("events").await), (0, 0));
    enable(true).await;
    let sent = post(&scene, &test, &event).await;
    assert_eq!((sent.0, sent.2), (202, false));
    enable(false).await;
    let again = post(&scene, &test, &event).await;
    assert_eq!((again.0, again.2, again.3), (202, true, sent.3));
    scene.end().await;
}

#[tokio::test]
async fn after_a_day_a_key_makes_another_and_a_key_without_the_permission_sees_no_answer() {
    let scene = Scene::new().await;
    let first = post(&scene, HOOKS, &hook()).await;
    let reader = scene.key_with(&[Permission::DevelopersRead]).await;
    let theirs = scene.request(Method::POST, HOOKS).bearer_auth(reader.reveal());
    let theirs = answer(theirs.header("Idempotency-Key", KEY).json(&hook())).await;
    assert_eq!((theirs.status, theirs.body["error"]["code"].as_str()), (403, Some("forbidden")));
    scene.clock.advance(jiff::SignedDuration::from_hours(25));
    let second = post(&scene, HOOKS, &hook()).await;
    assert_eq!((second.0, second.2), (201, false));
    assert_ne!(first.3, second.3);
    assert_eq!((scene.count("endpoints").await, scene.count("idempotency").await), (2, 1));
    scene.end().await;
}

#[tokio::test]
async fn the_answer_of_a_session_is_erased_with_its_verification() {
    let scene = Scene::new().await;
    let opened = post(&scene, SESSIONS, &session()).await;
    let opened: Value = serde_json::from_slice(&opened.3).unwrap();
    let path = format!("{SESSIONS}/{}", opened["id"].as_str().unwrap());
    let upload =
        |role: &str| json!({ "side": role, "image": super::scene::base64(&super::scene::jpeg(1280, 720)) });
    for role in ["front", "selfie"] {
        let uploaded = answer(scene.post(&format!("{path}/documents")).json(&upload(role))).await;
        assert!(uploaded.status < 300, "{:#}", uploaded.body);
    }
    let completed = answer(scene.post(&format!("{path}/complete")).json(&json!({ "mode": "async" }))).await;
    assert_eq!(completed.status, 201, "{:#}", completed.body);
    assert_eq!(post(&scene, SESSIONS, &session()).await.0, 201);
    let verification = format!("/v1/identity/verifications/{}", completed.body["id"].as_str().unwrap());
    let erased = scene.request(Method::DELETE, &verification).bearer_auth(scene.key.reveal());
    assert_eq!(answer(erased).await.status, 200);
    assert_eq!(scene.count("idempotency WHERE sealed_answer IS NOT NULL").await, 0);
    let again = post(&scene, SESSIONS, &session()).await;
    assert_eq!((again.0, &*code(&again.3)), (404, "not_found"));
    assert_eq!(scene.count("sessions").await, 1);
    scene.end().await;
}
