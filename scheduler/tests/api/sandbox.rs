//! The sandbox over HTTP: fixtures as they are found, and faults of the transport. What the fixtures come to on real
//! models: `tests/tests/sandbox.rs`.

use super::scene::{Answer, Scene, answer, passport};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use txid_shared::config::Secret;

const FIXTURES: &str = "/v1/developers/sandbox/fixtures";
const SIMULATE: &str = "/v1/developers/sandbox/simulate";

impl Scene {
    async fn test_key(&self) -> Secret {
        let all = ["identity:read", "identity:write", "developers:read", "developers:write"];
        let body = json!({ "name": "sandbox", "permissions": all, "mode": "test" });
        let created = answer(self.post("/v1/developers/keys").json(&body)).await;
        assert_eq!(created.status, 201, "{:#}", created.body);
        Secret::new(created.body["key"].as_str().unwrap())
    }

    async fn with_key(&self, key: &Secret, method: Method, path: &str, body: &Value) -> Answer {
        let request = self.request(method, path).bearer_auth(key.reveal());
        answer(if body.is_null() { request } else { request.json(body) }).await
    }
}

fn code(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.body["error"]["code"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn fixtures_are_listed_with_what_comes_of_them_and_fetched_with_a_test_key() {
    let cache = tempfile::tempdir().unwrap();
    let scene = Scene::with(&[("models.cache", cache.path().to_str().unwrap())]).await;
    let key = scene.test_key().await;
    let get = async |path: &str| scene.with_key(&key, Method::GET, path, &Value::Null).await;
    assert_eq!(code(&get(FIXTURES).await), (404, "not_found"), "this installation has none");

    let folder = cache.path().join("fixtures");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("a.jpg"), b"a picture").unwrap();
    let fixture = json!({ "id": "face_mismatch", "description": "Somebody else's selfie", "country": "MA",
        "document_type": "national_id", "images": [{ "side": "selfie", "file": "a.jpg" }],
        "expected": { "status": "failed", "reasons": ["face_mismatch"] } });
    let catalogue = json!({ "fixtures": [fixture] });
    std::fs::write(folder.join("fixtures.json"), catalogue.to_string()).unwrap();

    let list = get(FIXTURES).await;
    assert_eq!((list.status, &list.body["has_more"]), (200, &json!(false)), "{:#}", list.body);
    let shown = &list.body["data"][0];
    assert_eq!((&shown["id"], &shown["object"]), (&fixture["id"], &json!("sandbox.fixture")));
    assert_eq!(shown["expected"], fixture["expected"]);
    assert_eq!(shown["checks"], json!(["ocr", "face_match", "liveness", "fraud"]));
    let url = shown["images"][0]["url"].as_str().unwrap();
    let path = url.strip_prefix(&format!("http://{}", scene.address)).unwrap();
    let picture = scene.request(Method::GET, path).bearer_auth(key.reveal()).send().await.unwrap();
    assert_eq!(
        (picture.status().as_u16(), &picture.headers()["content-type"]),
        (200, &"image/jpeg".parse().unwrap())
    );
    assert_eq!(picture.bytes().await.unwrap(), "a picture");
    for other in ["face_mismatch/document_front", "face_mismatch/..%2ffixtures.json", "nothing/selfie"] {
        assert_eq!(code(&get(&format!("{FIXTURES}/{other}")).await), (404, "not_found"), "{other}");
    }
    for path in [FIXTURES, path] {
        assert_eq!(code(&scene.get(path).await), (403, "forbidden"), "a live key");
    }
    scene.end().await;
}

#[tokio::test]
async fn a_simulated_error_does_nothing_spares_others_and_ends_by_itself() {
    let scene = Scene::new().await;
    let key = scene.test_key().await;
    let simulate = async |body: Value| scene.with_key(&key, Method::POST, SIMULATE, &body).await;
    let mut body = passport();
    body["mode"] = json!("async");
    let verify = async || scene.with_key(&key, Method::POST, "/v1/identity/verify", &body).await;
    for (status, expected) in [
        (500, "internal_error"),
        (502, "service_unavailable"),
        (503, "service_unavailable"),
        (504, "service_unavailable"),
    ] {
        let set = simulate(json!({ "error_status": status, "expires_in": 10 })).await;
        assert_eq!((set.status, &set.body["error_status"]), (200, &json!(status)), "{:#}", set.body);
        assert_eq!(set.body["expires_at"], "2026-03-01T12:00:10Z");
        let refused = verify().await;
        assert_eq!(code(&refused), (status, expected));
        assert_eq!(
            (&refused.body["error"]["type"], &refused.headers["retry-after"]),
            (&json!("api_error"), &"1".parse().unwrap())
        );
    }
    assert_eq!(scene.count("verifications").await, 0, "nothing was done");
    assert_eq!(scene.get("/v1/developers/limits").await.status, 200, "live data is spared");
    scene.clock.advance(jiff::SignedDuration::from_secs(11));
    assert_eq!(verify().await.status, 201);
    // Or earlier, by hand.
    simulate(json!({ "error_status": 503 })).await;
    assert_eq!(verify().await.status, 503);
    let ended = simulate(json!({})).await;
    assert_eq!((ended.status, ended.body.get("expires_at")), (200, None));
    assert_eq!(verify().await.status, 201);
    let actor = "SELECT count(*) FROM audit WHERE action = 'sandbox.simulated' AND actor LIKE 'key_%'";
    let noted: i64 = sqlx::query_scalar(actor).fetch_one(&scene.database).await.unwrap();
    assert_eq!(noted, 6);
    scene.end().await;
}

#[tokio::test]
async fn a_simulated_delay_comes_before_the_answer() {
    let scene = Scene::new().await;
    let key = scene.test_key().await;
    let set = scene.with_key(&key, Method::POST, SIMULATE, &json!({ "delay_ms": 300 })).await;
    assert_eq!((set.status, &set.body["delay_ms"]), (200, &json!(300)));
    let started = Instant::now();
    let answered = scene.with_key(&key, Method::GET, "/v1/identity/verifications", &Value::Null).await;
    assert_eq!(answered.status, 200);
    assert!(started.elapsed() >= Duration::from_millis(300), "{:?}", started.elapsed());
    scene.end().await;
}

#[tokio::test]
async fn what_cannot_be_simulated_is_refused_by_name() {
    let scene = Scene::new().await;
    let key = scene.test_key().await;
    for (body, param) in [
        (json!({ "delay_ms": 0 }), "delay_ms"),
        (json!({ "delay_ms": 10_001 }), "delay_ms"),
        (json!({ "error_status": 404 }), "error_status"),
        (json!({ "error_status": 501 }), "error_status"),
        (json!({ "duplicate_webhooks": "yes" }), "duplicate_webhooks"),
        (json!({ "delay_ms": 5, "expires_in": 3601 }), "expires_in"),
        (json!({ "verdict": "failed" }), "verdict"),
    ] {
        let refused = scene.with_key(&key, Method::POST, SIMULATE, &body).await;
        assert_eq!(code(&refused), (400, "invalid_parameter"), "{body}");
        assert_eq!(refused.body["error"]["param"], param);
    }
    let live = answer(scene.post(SIMULATE).json(&json!({ "delay_ms": 5 }))).await;
    assert_eq!(code(&live), (403, "forbidden"));
    assert_eq!(scene.count("accounts WHERE simulated_until IS NOT NULL").await, 0);
    scene.end().await;
}
