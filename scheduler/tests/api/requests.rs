//! What is left of a call: its row, its count, and nothing that was in it.

use super::scene::{Scene, answer, passport};
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use txid_scheduler::Sweeper;
use txid_shared::store::NewKey;
use txid_shared::words::{Permission, Stage};

const LOGS: &str = "/v1/developers/logs";

/// Waits until a list of logs has so many entries.
async fn logs(scene: &Scene, query: &str, entries: usize) -> Vec<Value> {
    let path = format!("{LOGS}?{query}");
    scene
        .until(&format!("{entries} entries for {query}"), async || {
            let found = scene.get(&path).await;
            assert_eq!(found.status, 200, "{:#}", found.body);
            Some(found.body["data"].as_array()?.clone()).filter(|data| data.len() == entries)
        })
        .await
}

#[tokio::test]
async fn a_row_holds_nothing_of_what_was_sent() {
    let scene = Scene::with(&[("server.sync_wait_ms", "50")]).await;
    let mut body = passport();
    body["metadata"] = json!({ "note": "zmarker-body" });
    body["expected"] = json!({ "full_name": "zmarker-name" });
    let accepted = scene.post("/v1/identity/verify?mode=zmarker-query").header("x-note", "zmarker-header");
    assert_eq!(answer(accepted.json(&body)).await.status, 202);
    scene.get("/v1/identity/verifications?metadata%5Bname%5D=zmarker-value&country=zmarker-country").await;
    scene.get("/v1/identity/verifications/zmarker-id").await;
    scene.get("/v1/zmarker-path/zmarker-rest").await;
    logs(&scene, "created_after=2026-03-01T11:00:00Z&limit=3&request_id=none", 0).await;
    let tables = "SELECT concat((SELECT string_agg(r::text, ' ') FROM request_logs r),
                    (SELECT string_agg(u::text, ' ') FROM usage u))";
    let stored = scene
        .until("the four calls are written", async || {
            // Counted before they are read: rows that come in between are then read, too.
            if scene.count("request_logs").await < 4 {
                return None;
            }
            Some(sqlx::query_scalar::<_, String>(tables).fetch_one(&scene.database).await.unwrap())
        })
        .await;
    assert!(stored.contains("POST") && stored.contains("/v1/identity/verifications/{id}"), "{stored}");
    assert!(!stored.contains("zmarker"), "{stored}");
    assert!(!stored.contains(scene.key.reveal()) && !stored.contains("Bearer"), "{stored}");
    scene.end().await;
}

#[tokio::test]
async fn logs_are_listed_filtered_and_retrieved_by_their_own_account() {
    let scene = Scene::new().await;
    let documents = scene.get("/v1/identity/supported-documents").await;
    let named = answer(
        scene
            .request(Method::GET, "/v1/identity/verifications/ver_x")
            .bearer_auth(scene.key.reveal())
            .header("x-request-id", "order-7"),
    );
    assert_eq!(named.await.status, 404);
    let expiring = NewKey {
        permissions: Permission::ALL.to_vec(),
        expires_at: Some(jiff::Timestamp::UNIX_EPOCH),
        ..NewKey::default()
    };
    let expired = scene.key_of(scene.account, expiring).await;
    answer(scene.request(Method::GET, "/v1/developers/keys").bearer_auth(expired.reveal())).await;

    let own = documents.headers["x-request-id"].to_str().unwrap();
    let entry = &logs(&scene, &format!("request_id={own}"), 1).await[0];
    let key = scene.get("/v1/developers/keys?limit=100").await.body["data"][1]["id"].clone();
    assert!(entry["duration_ms"].is_i64());
    let mut compared = entry.clone();
    compared["duration_ms"] = json!(0);
    assert_eq!(
        compared,
        json!({
            "id": own, "object": "request_log", "request_id": own, "created_at": "2026-03-01T12:00:00Z",
            "method": "GET", "route": "/v1/identity/supported-documents", "status": 200, "duration_ms": 0,
            "key_id": key, "client_address": "127.0.0.1",
        })
    );
    assert_eq!(&scene.get(&format!("{LOGS}/{own}")).await.body, entry);
    let named = &logs(&scene, "request_id=order-7", 1).await[0];
    assert_eq!((&named["status"], &named["error_code"]), (&json!(404), &json!("not_found")));
    let named_path = format!("{LOGS}/{}", named["id"].as_str().unwrap());
    assert_eq!(&scene.get(&named_path).await.body["request_id"], "order-7");
    let refused = &logs(&scene, "status=401", 1).await[0];
    assert_eq!(
        (&refused["error_code"], &refused["route"]),
        (&json!("key_expired"), &json!("/v1/developers/keys"))
    );
    let by_key = format!("key_id={}", refused["key_id"].as_str().unwrap());
    assert_eq!(logs(&scene, &by_key, 1).await[0]["id"], refused["id"]);
    assert_eq!(logs(&scene, "created_before=2026-03-01T12:00:00Z", 0).await.len(), 0);

    let stranger = scene.key_of_another_account().await;
    let theirs = |path: String| answer(scene.request(Method::GET, &path).bearer_auth(stranger.reveal()));
    assert_eq!(theirs(format!("{LOGS}/{own}")).await.status, 404);
    assert_eq!(theirs(format!("{LOGS}?request_id={own}")).await.body["data"], json!([]));
    for wrong in ["status=ok", "key_id=wh_x", "created_after=now", "path=x", "request_id=%00"] {
        let refused = scene.get(&format!("{LOGS}?{wrong}")).await;
        assert_eq!(
            (refused.status, &refused.body["error"]["code"]),
            (400, &json!("invalid_parameter")),
            "{wrong}"
        );
    }
    // Whoever is nobody leaves no row, since it would be nobody's.
    answer(scene.request(Method::GET, "/v1/developers/keys").bearer_auth("txc_live_none")).await;
    let all = scene.get(&format!("{LOGS}?limit=100&status=401")).await;
    assert_eq!(all.body["data"].as_array().unwrap().len(), 1);
    scene.end().await;
}

#[tokio::test]
async fn logs_go_after_their_retention_and_their_counts_stay() {
    let scene = Scene::with(&[("sweeper.request_log_days", "7")]).await;
    scene.get("/v1/identity/supported-documents").await;
    logs(&scene, "status=200&limit=100&created_before=2026-03-01T12:00:01Z&request_id=none", 0).await;
    scene.until("the call is written", async || (scene.count("request_logs").await > 0).then_some(())).await;
    let sweeper = Sweeper::new(
        &scene.services,
        scene.config.sweeper.clone(),
        std::sync::Arc::new(tokio::sync::Notify::new()),
    );
    scene.clock.advance(SignedDuration::from_hours(7 * 24));
    assert_eq!(sweeper.forget_requests().await.unwrap(), 0, "a week old, to the microsecond");
    scene.clock.advance(SignedDuration::from_millis(1));
    assert!(sweeper.forget_requests().await.unwrap() > 0);
    let old = scene.get(&format!("{LOGS}?created_before=2026-03-02T00:00:00Z")).await;
    assert_eq!(old.body["data"], json!([]));
    let usage = scene.get("/v1/developers/usage?from=2026-03-01&to=2026-03-01").await;
    assert!(usage.body["requests"]["total"].as_i64().unwrap() > 0);
    scene.end().await;
}

#[tokio::test]
async fn usage_is_counted_by_day_and_endpoint_over_restarts() {
    let scene = Scene::new().await;
    let caller = scene.key_with(&[Permission::IdentityRead, Permission::IdentityWrite]).await;
    let call = |path: &'static str| answer(scene.request(Method::GET, path).bearer_auth(caller.reveal()));
    let id = scene.accepted(&passport()).await;
    scene.stage_ends(id, Stage::Ocr).await;
    call("/v1/identity/supported-documents").await;
    scene.clock.advance(SignedDuration::from_hours(24));
    // The second day is served by another process.
    let (other, tasks) = scene.another_scheduler(&scene.config).await;
    for path in
        ["/v1/identity/supported-documents", "/v1/identity/supported-documents", "/v1/developers/keys"]
    {
        answer(scene.get_from(other, path).bearer_auth(caller.reveal())).await;
    }
    scene.accepted(&passport()).await;
    tasks.stop();
    assert!(tasks.drained(std::time::Duration::from_secs(20)).await, "its last rows are written at its end");

    let period = "from=2026-03-01&to=2026-03-03";
    let counted = async || {
        let found = scene.get(&format!("/v1/developers/usage/by-endpoint?{period}")).await;
        let endpoint = |name: &str| {
            let used = found.body["data"].as_array()?.iter().find(|used| used["endpoint"] == name)?;
            Some(used["requests"].clone())
        };
        let documents = endpoint("GET /v1/identity/supported-documents")?;
        let keys = endpoint("GET /v1/developers/keys")?;
        let verify = endpoint("POST /v1/identity/verify")?;
        (documents["total"] == 3 && verify["total"] == 2).then_some((documents, keys))
    };
    let (documents, keys) = scene.until("all calls are counted", counted).await;
    let requests = |total: i64, succeeded: i64, refused: i64| json!({ "total": total, "succeeded": succeeded, "refused": refused, "rate_limited": 0, "failed": 0 });
    assert_eq!(documents, requests(3, 3, 0));
    assert_eq!(keys, requests(1, 0, 1), "forbidden");
    let daily = scene.get(&format!("/v1/developers/usage/daily?{period}")).await.body;
    let days = daily["data"].as_array().unwrap();
    assert_eq!(
        days.iter().map(|day| day["date"].as_str().unwrap()).collect::<Vec<_>>(),
        ["2026-03-01", "2026-03-02", "2026-03-03"]
    );
    assert_eq!(days[0]["requests"], requests(2, 2, 0));
    assert_eq!(days[0]["verifications"]["total"], 1);
    assert!(days[0]["verifications"]["by_status"].get("pending").is_none(), "it is decided: {}", days[0]);
    assert_eq!(days[1]["verifications"], json!({ "total": 1, "by_status": { "pending": 1 } }));
    assert_eq!(days[2]["requests"], requests(0, 0, 0));
    let sum = scene.get(&format!("/v1/developers/usage?{period}")).await.body;
    assert_eq!((&sum["from"], &sum["verifications"]["total"]), (&json!("2026-03-01"), &json!(2)));
    assert_eq!(sum["requests"]["refused"], 1);
    let stranger = scene.key_of_another_account().await;
    let theirs = scene.request(Method::GET, &format!("/v1/developers/usage?{period}"));
    let theirs = answer(theirs.bearer_auth(stranger.reveal())).await;
    assert_eq!((theirs.status, &theirs.body["verifications"]["total"]), (200, &json!(0)));

    let this_month = scene.get("/v1/developers/usage").await.body;
    assert_eq!((&this_month["from"], &this_month["to"]), (&json!("2026-03-01"), &json!("2026-03-02")));
    for wrong in ["from=2026-03-02&to=2026-03-01", "from=2024-01-01&to=2026-01-01", "from=march", "period=7d"]
    {
        assert_eq!(scene.get(&format!("/v1/developers/usage?{wrong}")).await.status, 400, "{wrong}");
    }
    scene.end().await;
}
