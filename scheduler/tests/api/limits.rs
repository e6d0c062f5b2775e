//! How much a caller may ask for, over one scheduler and over two.

use super::scene::{Answer, Scene, answer, in_redis, passport};
use futures_util::{StreamExt, stream};
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use txid_shared::config::Secret;
use txid_shared::store::NewKey;
use txid_shared::words::{Permission, Plan};

const DOCUMENTS: &str = "/v1/identity/supported-documents";

fn header(headers: &HeaderMap, name: &str) -> i64 {
    let value = headers.get(name).unwrap_or_else(|| panic!("{name} is missing"));
    value.to_str().unwrap().parse().unwrap()
}

/// Limit, remaining, reset, window.
fn told(answer: &Answer) -> [i64; 4] {
    ["limit", "remaining", "reset", "window"]
        .map(|name| header(&answer.headers, &format!("x-ratelimit-{name}")))
}

fn at(time: &str) -> i64 {
    time.parse::<jiff::Timestamp>().unwrap().as_second()
}

async fn in_shared_redis() -> Scene {
    let [(url, url_value), (prefix, prefix_value)] = in_redis();
    Scene::with(&[(url, &url_value), (prefix, &prefix_value)]).await
}

fn limited(calls: u32) -> NewKey {
    NewKey { permissions: Permission::ALL.to_vec(), rate_limit: Some(calls), ..NewKey::default() }
}

#[tokio::test]
async fn two_schedulers_together_admit_exactly_the_allowance_of_a_window() {
    let scene = in_shared_redis().await;
    let (other, tasks) = scene.another_scheduler(&scene.config).await;
    // The clock stands, so that all of it falls into one window.
    let key = scene.key_of(scene.account, limited(20)).await;
    for round in 0..2 {
        let calls = (0..60).map(|number| {
            let address = if number % 2 == 0 { scene.address } else { other };
            answer(scene.get_from(address, DOCUMENTS).bearer_auth(key.reveal()))
        });
        let answers = futures_util::future::join_all(calls).await;
        let admitted: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(admitted.len(), 20, "round {round}");
        assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 429)));
        let mut remaining: Vec<i64> = admitted.iter().map(|answer| told(answer)[1]).collect();
        remaining.sort_unstable();
        assert_eq!(remaining, (0..20).collect::<Vec<_>>(), "each call was counted once");
        scene.clock.advance(jiff::SignedDuration::from_secs(60));
    }
    tasks.stop();
    assert!(tasks.drained(std::time::Duration::from_secs(20)).await);
    scene.end().await;
}

#[tokio::test]
async fn a_plan_holds_for_all_keys_of_an_account_together() {
    let scene = in_shared_redis().await;
    scene.plan(Plan::Free).await;
    let (other, tasks) = scene.another_scheduler(&scene.config).await;
    let keys = [scene.key.clone(), scene.key_with(&[Permission::IdentityRead]).await];
    let calls = (0..80).map(|number| {
        let address = if number % 2 == 0 { scene.address } else { other };
        answer(scene.get_from(address, DOCUMENTS).bearer_auth(keys[number % 3 % 2].reveal()))
    });
    // Few at once, since the plan bounds that as well.
    let statuses: Vec<u16> =
        stream::iter(calls).buffer_unordered(5).map(|answer| answer.status).collect().await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 60);
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 20);
    let stranger = scene.key_of_another_account().await;
    let theirs = answer(scene.get_from(other, DOCUMENTS).bearer_auth(stranger.reveal())).await;
    assert_eq!(theirs.status, 200);
    tasks.stop();
    assert!(tasks.drained(std::time::Duration::from_secs(20)).await);
    scene.end().await;
}

#[tokio::test]
async fn every_answer_tells_what_is_left_and_a_refusal_when_to_come_back() {
    let scene = Scene::new().await;
    scene.clock.advance(jiff::SignedDuration::from_secs(15));
    let key = scene.key_of(scene.account, limited(6)).await;
    let send = |method: Method, path: &str, body: Value| {
        answer(scene.request(method, path).bearer_auth(key.reveal()).json(&body))
    };
    let minute = at("2026-03-01T12:01:00Z");
    for (remaining, status, method, path) in [
        (5, 200, Method::GET, DOCUMENTS),
        (4, 400, Method::POST, "/v1/identity/verify"),
        (3, 404, Method::GET, "/v1/identity/verifications/ver_x"),
        (2, 404, Method::GET, "/v1/nothing"),
        (1, 405, Method::DELETE, "/v1/identity/verify"),
        (0, 201, Method::POST, "/v1/developers/webhooks"),
    ] {
        let answer = send(method, path, json!({ "url": "https://example.com" })).await;
        assert_eq!((answer.status, told(&answer)), (status, [6, remaining, minute, 60]), "{path}");
    }
    let refused = send(Method::GET, DOCUMENTS, json!({})).await;
    assert_eq!((refused.status, told(&refused)), (429, [6, 0, minute, 60]));
    assert_eq!(header(&refused.headers, "retry-after"), 45);
    let error = &refused.body["error"];
    assert_eq!(
        (&error["code"], &error["type"], &error["retry_after"]),
        (&json!("rate_limit_exceeded"), &json!("rate_limit_error"), &json!(45))
    );
    assert_eq!(error["request_id"], refused.headers["x-request-id"].to_str().unwrap());
    // Health has no allowance to use up.
    let health = answer(scene.request(Method::GET, "/healthz").bearer_auth(key.reveal())).await;
    assert!(health.status == 200 && !health.headers.contains_key("x-ratelimit-limit"));

    // Whoever is not limited, or nobody, reads numbers as well.
    let unlimited = [2_147_483_647, 2_147_483_647, minute, 60];
    assert_eq!(told(&scene.get(DOCUMENTS).await), unlimited);
    let nobody = answer(scene.request(Method::GET, DOCUMENTS)).await;
    assert_eq!((nobody.status, told(&nobody)), (401, unlimited));
    let weak = scene.key_with(&[Permission::DevelopersRead]).await;
    let forbidden = answer(scene.request(Method::GET, DOCUMENTS).bearer_auth(weak.reveal())).await;
    assert_eq!((forbidden.status, told(&forbidden)), (403, unlimited));
    scene.clock.advance(jiff::SignedDuration::from_secs(45));
    assert_eq!(send(Method::GET, DOCUMENTS, json!({})).await.status, 200, "a new window");
    scene.end().await;
}

#[tokio::test]
async fn limits_are_shown_as_they_stand() {
    let endpoint = "GET /v1/identity/supported-documents";
    let scene = Scene::with(&[("limits.endpoints_per_minute", &format!("{{ \"{endpoint}\" = 2 }}"))]).await;
    let shown = scene.get("/v1/developers/limits").await.body;
    assert_eq!(
        (&shown["plan"], &shown["mode"], &shown["windows"][0]["scope"], shown.get("concurrency")),
        (&json!("enterprise"), &json!("live"), &json!("endpoint"), None)
    );
    scene.plan(Plan::Starter).await;
    for status in [200, 200, 429] {
        assert_eq!(scene.get(DOCUMENTS).await.status, status);
    }
    assert_eq!(scene.get("/v1/developers/webhooks").await.status, 200, "other endpoints go on");
    let shown = scene.get("/v1/developers/limits").await.body;
    let windows = [
        json!({ "scope": "account", "window_seconds": 60, "limit": 300, "used": 4, "remaining": 296,
            "resets_at": "2026-03-01T12:01:00Z" }),
        json!({ "scope": "account", "window_seconds": 86400, "limit": 10000, "used": 4, "remaining": 9996,
            "resets_at": "2026-03-02T00:00:00Z" }),
        json!({ "scope": "endpoint", "endpoint": endpoint, "window_seconds": 60, "limit": 2, "used": 2,
            "remaining": 0, "resets_at": "2026-03-01T12:01:00Z" }),
    ];
    assert_eq!(shown["windows"], json!(windows));
    assert_eq!(shown["concurrency"], json!({ "limit": 50, "used": 1, "remaining": 49 }));

    let mut config = scene.config.clone();
    config.limits.endpoints_per_minute.insert("POST /v1/identity/verifiy".to_owned(), 1);
    let tasks = txid_shared::task::Tasks::new();
    let refused = txid_scheduler::start(scene.services.clone(), &config, &tasks).await.unwrap_err();
    assert!(refused.to_string().contains("verifiy"), "a misspelt endpoint would never be limited: {refused}");
    scene.end().await;
}

#[tokio::test]
async fn calls_at_once_are_bounded_and_a_caller_who_hangs_up_makes_room() {
    let scene = in_shared_redis().await;
    scene.plan(Plan::Free).await;
    let (callers, mut waiting) = (txid_shared::task::Tasks::new(), Vec::new());
    for _ in 0..10 {
        // No worker: each waits for its verdict.
        let request = scene.post("/v1/identity/verify").json(&passport());
        waiting.push(callers.spawn(request.send()));
    }
    scene
        .until("all ten are accepted", async || (scene.count("verifications").await == 10).then_some(()))
        .await;
    let refused = scene.get(DOCUMENTS).await;
    assert_eq!((refused.status, header(&refused.headers, "retry-after")), (429, 1));
    assert_eq!(refused.body["error"]["code"], "rate_limit_exceeded");
    assert_eq!(told(&refused)[..2], [60, 50], "refused, so not counted");
    waiting.pop().unwrap().abort();
    scene.until("there is room", async || (scene.get(DOCUMENTS).await.status == 200).then_some(())).await;
    for call in waiting {
        call.abort();
    }
    scene
        .until("all slots are free", async || {
            let limits = scene.get("/v1/developers/limits").await;
            (limits.body["concurrency"]["used"] == 1).then_some(())
        })
        .await;
    let hung_up = scene.until("their rows are written", async || {
        let found = scene.get("/v1/developers/logs?status=499").await;
        (found.body["data"].as_array()?.len() == 10).then_some(found)
    });
    assert_eq!(hung_up.await.body["data"][0]["route"], "/v1/identity/verify");
    scene.end().await;
}

#[tokio::test]
async fn without_redis_calls_go_on_uncounted() {
    let scene = Scene::new().await;
    scene.plan(Plan::Free).await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut config = scene.config.clone();
    config.redis.url = Secret::new(format!("redis://127.0.0.1:{port}/0"));
    let (address, tasks) = scene.another_scheduler(&config).await;
    for _ in 0..65 {
        let call = answer(scene.get_from(address, DOCUMENTS).bearer_auth(scene.key.reveal())).await;
        assert_eq!((call.status, told(&call)[..2].to_vec()), (200, vec![60, 60]));
    }
    let unknown = scene.get_from(address, "/v1/developers/limits").bearer_auth(scene.key.reveal());
    assert_eq!(answer(unknown).await.status, 503);
    tasks.stop();
    assert!(tasks.drained(std::time::Duration::from_secs(20)).await);
    scene.end().await;
}
