//! Management of webhook endpoints over HTTP; how it looks to a receiver is told in `tests/tests/webhooks`.

use super::scene::{Answer, Scene, answer, passport};
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use txid_shared::ids::{DeliveryId, EndpointId, EventId};
use txid_shared::words::{Permission, Stage};

const HOOKS: &str = "/v1/developers/webhooks";

fn code(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.body["error"]["code"].as_str().unwrap_or_default())
}

fn ids(answer: &Answer) -> Vec<&str> {
    let data = answer.body["data"].as_array().unwrap_or_else(|| panic!("{:#}", answer.body));
    data.iter().map(|item| item["id"].as_str().unwrap()).collect()
}

impl Scene {
    /// The path of a new endpoint.
    async fn hook(&self, body: Value) -> String {
        let created = answer(self.post(HOOKS).json(&body)).await;
        assert_eq!(created.status, 201, "{:#}", created.body);
        format!("{HOOKS}/{}", created.body["id"].as_str().unwrap())
    }

    async fn put(&self, path: &str, body: &Value) -> Answer {
        answer(self.request(Method::PUT, path).bearer_auth(self.key.reveal()).json(body)).await
    }

    /// An event about a verification, for whoever listens.
    async fn event(&self) {
        let id = self.accepted(&passport()).await;
        self.stage_ends(id, Stage::Ocr).await;
    }

    async fn actions(&self) -> Vec<(String, String, Value)> {
        sqlx::query_as("SELECT action, actor, details FROM audit WHERE verification_id IS NULL ORDER BY id")
            .fetch_all(&self.database)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn an_endpoint_is_changed_part_by_part_and_shows_it() {
    let scene = Scene::new().await;
    let new = json!({ "url": "https://example.com/a", "payload": "thin", "description": "orders" });
    let path = scene.hook(new).await;
    let created = scene.get(&path).await;
    assert_eq!((&created.body["payload"], &created.body["description"]), (&json!("thin"), &json!("orders")));
    assert!(created.body.get("secret").is_none());

    let changed = scene.put(&path, &json!({ "events": ["identity.verification.failed"] })).await;
    assert_eq!(changed.status, 200, "{:#}", changed.body);
    assert_eq!(changed.body["events"], json!(["identity.verification.failed"]));
    assert_eq!((&changed.body["url"], &changed.body["payload"]), (&created.body["url"], &json!("thin")));
    let rest =
        json!({ "url": "https://example.com/b", "payload": "full", "description": "", "enabled": false });
    let changed = scene.put(&path, &rest).await;
    assert_eq!((&changed.body["url"], &changed.body["payload"]), (&rest["url"], &json!("full")));
    assert_eq!(
        (&changed.body["enabled"], &changed.body["disabled_reason"]),
        (&json!(false), &json!("requested"))
    );
    assert!(changed.body.get("description").is_none());
    assert_eq!(scene.get(&path).await.body, changed.body);
    scene.event().await;
    assert_eq!(scene.count("deliveries").await, 0);
    let enabled = scene.put(&path, &json!({ "enabled": true })).await;
    assert_eq!((&enabled.body["enabled"], enabled.body.get("disabled_at")), (&json!(true), None));
    scene.end().await;
}

#[tokio::test]
async fn each_wrong_request_is_told_what_is_wrong() {
    let scene = Scene::new().await;
    let path = scene.hook(json!({ "url": "https://example.com/a" })).await;
    let at = |action: &str| format!("{path}/{action}");
    let range = |since: &str, until: &str| json!({ "since": since, "until": until });
    let wrong = [
        (Method::POST, HOOKS.to_owned(), json!({}), "missing_parameter", "url"),
        (Method::POST, HOOKS.to_owned(), json!({ "url": "ftp://a" }), "invalid_parameter", "url"),
        (Method::PUT, path.clone(), json!({ "url": "example.com" }), "invalid_parameter", "url"),
        (Method::PUT, path.clone(), json!({ "events": [] }), "invalid_parameter", "events"),
        (Method::PUT, path.clone(), json!({ "events": ["identity.lost"] }), "invalid_parameter", "events"),
        (Method::PUT, path.clone(), json!({ "enabled": "yes" }), "invalid_parameter", "enabled"),
        (Method::PUT, path.clone(), json!({ "payload": "slim" }), "invalid_parameter", "payload"),
        (
            Method::PUT,
            path.clone(),
            json!({ "description": "x".repeat(501) }),
            "invalid_parameter",
            "description",
        ),
        (Method::PUT, path.clone(), json!({ "description": "\0" }), "invalid_parameter", "description"),
        (Method::PUT, path.clone(), json!({ "secret": "mine" }), "invalid_parameter", "secret"),
        (Method::POST, at("test"), json!({}), "missing_parameter", "event_type"),
        (Method::POST, at("test"), json!({ "event_type": "ping" }), "invalid_parameter", "event_type"),
        (
            Method::POST,
            at("rotate-secret"),
            json!({ "overlap_hours": 169 }),
            "invalid_parameter",
            "overlap_hours",
        ),
        (
            Method::POST,
            at("rotate-secret"),
            json!({ "overlap_hours": -1 }),
            "invalid_parameter",
            "overlap_hours",
        ),
        (
            Method::POST,
            at("rotate-secret"),
            json!({ "overlap_hours": 1.5 }),
            "invalid_parameter",
            "overlap_hours",
        ),
        (
            Method::POST,
            at("replay"),
            json!({ "until": "2026-03-01T00:00:00Z" }),
            "missing_parameter",
            "since",
        ),
        (
            Method::POST,
            at("replay"),
            json!({ "since": "2026-03-01T00:00:00Z" }),
            "missing_parameter",
            "until",
        ),
        (
            Method::POST,
            at("replay"),
            range("yesterday", "2026-03-01T00:00:00Z"),
            "invalid_parameter",
            "since",
        ),
        (
            Method::POST,
            at("replay"),
            range("2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z"),
            "invalid_parameter",
            "until",
        ),
        (
            Method::POST,
            at("replay"),
            json!({ "since": "2026-03-01T00:00:00Z", "until": "2026-03-02T00:00:00Z", "status": "pending" }),
            "invalid_parameter",
            "status",
        ),
    ];
    for (method, path, body, expected, param) in wrong {
        let refused =
            answer(scene.request(method.clone(), &path).bearer_auth(scene.key.reveal()).json(&body)).await;
        assert_eq!(code(&refused), (400, expected), "{method} {path} {body}");
        assert_eq!(refused.body["error"]["param"], param, "{method} {path} {body}");
    }
    for action in ["test", "replay", "rotate-secret"] {
        let refused = answer(scene.post(&at(action)).body("[]")).await;
        assert_eq!(code(&refused), (400, "invalid_request"), "{action}");
    }
    assert_eq!(code(&scene.put(&path, &json!([])).await), (400, "invalid_request"));
    let stranger = format!("starting_after={}", DeliveryId::generate());
    for query in ["status=lost", "limit=0", "order=up", "ending_before=x", &stranger] {
        assert_eq!(
            code(&scene.get(&format!("{path}/logs?{query}")).await),
            (400, "invalid_parameter"),
            "{query}"
        );
    }
    scene.put(&path, &json!({ "enabled": false })).await;
    let test = json!({ "event_type": "identity.verification.completed" });
    let replay = json!({ "since": "2026-03-01T00:00:00Z", "until": "2026-03-02T00:00:00Z" });
    for (action, body) in [("test", test), ("replay", replay)] {
        assert_eq!(
            code(&answer(scene.post(&at(action)).json(&body)).await),
            (409, "invalid_state"),
            "{action}"
        );
    }
    assert_eq!((scene.count("events").await, scene.count("deliveries").await), (0, 0));
    scene.end().await;
}

#[tokio::test]
async fn another_accounts_webhooks_and_events_do_not_exist_and_each_call_needs_its_permission() {
    let scene = Scene::new().await;
    let path = scene.hook(json!({ "url": "https://example.com/a" })).await;
    scene.event().await;
    let log = scene.get(&format!("{path}/logs")).await;
    let event = format!("/v1/developers/events/{}", log.body["data"][0]["event_id"].as_str().unwrap());
    let at = |action: &str| format!("{path}/{action}");
    let test = json!({ "event_type": "identity.verification.completed" });
    let range = json!({ "since": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z" });
    let none = Value::Null;
    let calls = [
        (Method::GET, path.clone(), &none, Permission::DevelopersRead),
        (Method::GET, at("logs"), &none, Permission::DevelopersRead),
        (Method::GET, at("deliveries"), &none, Permission::DevelopersRead),
        (Method::GET, event.clone(), &none, Permission::DevelopersRead),
        (Method::PUT, path.clone(), &json!({ "enabled": false }), Permission::DevelopersWrite),
        (Method::DELETE, path.clone(), &none, Permission::DevelopersWrite),
        (Method::POST, at("test"), &test, Permission::DevelopersWrite),
        (Method::POST, at("replay"), &range, Permission::DevelopersWrite),
        (Method::POST, at("rotate-secret"), &json!({}), Permission::DevelopersWrite),
        (Method::POST, format!("{event}/resend"), &none, Permission::DevelopersWrite),
    ];
    let stranger = scene.key_of_another_account().await;
    let call = |method: &Method, path: &str, body: &Value, key: &str| {
        let request = scene.request(method.clone(), path).bearer_auth(key);
        answer(if body.is_null() { request } else { request.json(body) })
    };
    for (method, path, body, permission) in &calls {
        let theirs = call(method, path, body, stranger.reveal()).await;
        assert_eq!(code(&theirs), (404, "not_found"), "{method} {path}");
        let others: Vec<_> = Permission::ALL.iter().copied().filter(|other| other != permission).collect();
        let key = scene.key_with(&others).await;
        assert_eq!(
            code(&call(method, path, body, key.reveal()).await),
            (403, "forbidden"),
            "{method} {path}"
        );
        let nobody = call(method, path, body, "txc_live_nobody").await;
        assert_eq!(code(&nobody), (401, "unauthorized"), "{method} {path}");
        let id = path.split('/').nth(4).unwrap();
        let absent = if id.starts_with("wh_") {
            EndpointId::generate().to_string()
        } else {
            EventId::generate().to_string()
        };
        for wrong in [absent.as_str(), "nonsense"] {
            let answer = call(method, &path.replace(id, wrong), body, scene.key.reveal()).await;
            assert_eq!(code(&answer), (404, "not_found"), "{method} {path} with {wrong}");
        }
    }
    // An event's body is what was read from a document.
    let developer = scene.key_with(&[Permission::DevelopersRead, Permission::DevelopersWrite]).await;
    assert_eq!(code(&call(&Method::GET, &event, &none, developer.reveal()).await), (403, "forbidden"));
    assert_eq!(scene.get(&path).await.body["enabled"], true, "nobody changed it");
    scene.end().await;
}

#[tokio::test]
async fn a_log_is_walked_both_ways_and_filtered() {
    let scene = Scene::new().await;
    let path = scene.hook(json!({ "url": "https://example.com/a" })).await;
    scene.hook(json!({ "url": "https://example.com/b" })).await;
    for _ in 0..5 {
        scene.event().await;
        scene.clock.advance(SignedDuration::from_secs(60));
    }
    let all = scene.get(&format!("{path}/logs")).await;
    let ids_of_all: Vec<String> = ids(&all).into_iter().map(str::to_owned).collect();
    assert_eq!(ids_of_all.len(), 5);
    let times: Vec<&str> =
        all.body["data"].as_array().unwrap().iter().map(|one| one["created_at"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|newer, older| newer > older), "{times:?}");
    let one = &all.body["data"][0];
    assert_eq!((&one["object"], &one["status"]), (&json!("webhook.delivery"), &json!("pending")));
    assert_eq!((&one["event_type"], &one["attempts"]), (&json!("identity.verification.failed"), &json!([])));
    assert!(one["verification_id"].is_string() && one["next_attempt_at"].is_string());

    let get = |query: String| {
        let path = format!("{path}/deliveries?{query}");
        async { scene.get(&{ path }).await }
    };
    let first = get("limit=2".to_owned()).await;
    assert_eq!(
        (ids(&first), &first.body["next_cursor"]),
        (vec![&*ids_of_all[0], &ids_of_all[1]], &json!(ids_of_all[1]))
    );
    let rest = get(format!("limit=3&starting_after={}", ids_of_all[1])).await;
    assert_eq!(
        (ids(&rest), &rest.body["has_more"]),
        (vec![&*ids_of_all[2], &ids_of_all[3], &ids_of_all[4]], &json!(false))
    );
    let back = get(format!("limit=2&ending_before={}", ids_of_all[4])).await;
    assert_eq!((ids(&back), &back.body["has_more"]), (vec![&*ids_of_all[2], &ids_of_all[3]], &json!(true)));

    // As the webhook role leaves them.
    for (number, state) in [(1, "failed"), (3, "succeeded")] {
        let id: DeliveryId = ids_of_all[number].parse().unwrap();
        let statement = "WITH ended AS (
               UPDATE deliveries SET state = $2, attempts = 1, finished_at = created_at WHERE id = $1 RETURNING id
             )
             INSERT INTO delivery_attempts (delivery_id, attempt, started_at, duration_ms, error)
             SELECT id, 1, '2026-03-01T12:00:01Z', 15000, 'no answer in time' FROM ended";
        sqlx::query(statement).bind(id.uuid()).bind(state).execute(&scene.database).await.unwrap();
    }
    let failed = get("status=failed".to_owned()).await;
    assert_eq!(ids(&failed), [&ids_of_all[1]]);
    let attempt = json!({ "attempt": 1, "started_at": "2026-03-01T12:00:01Z", "duration_ms": 15000, "error": "no answer in time" });
    assert_eq!(failed.body["data"][0]["attempts"], json!([attempt]));
    assert_eq!(ids(&get("status=success".to_owned()).await), [&ids_of_all[3]]);
    assert_eq!(ids(&get("status=pending&limit=2".to_owned()).await), [&ids_of_all[0], &ids_of_all[2]]);
    let before = get(format!("status=pending&ending_before={}", ids_of_all[4])).await;
    assert_eq!(ids(&before), [&ids_of_all[0], &ids_of_all[2]]);
    scene.end().await;
}

#[tokio::test]
async fn a_replay_is_bounded_and_says_where_it_goes_on() {
    let scene = Scene::new().await;
    let path = scene.hook(json!({ "url": "https://example.com/a" })).await;
    scene.event().await;
    // More than one call takes, a second apart.
    sqlx::query(
        "INSERT INTO deliveries (id, event_id, endpoint_id, url, state, due_at, created_at, finished_at)
         SELECT gen_random_uuid(), event_id, endpoint_id, url, 'failed', due_at, created_at + number * interval '1 s',
           created_at
         FROM deliveries, generate_series(1, 10004) AS number",
    )
    .execute(&scene.database)
    .await
    .unwrap();
    let replay = |since: &str| {
        let range = json!({ "since": since, "until": "2026-03-02T12:00:00Z", "status": "failed" });
        answer(scene.post(&format!("{path}/replay")).json(&range))
    };
    let first = replay("2026-03-01T12:00:00Z").await;
    assert_eq!((first.status, &first.body["deliveries"]), (202, &json!(10_000)), "{:#}", first.body);
    assert_eq!(
        (&first.body["has_more"], &first.body["next_since"]),
        (&json!(true), &json!("2026-03-01T14:46:41Z"))
    );
    let rest = replay(first.body["next_since"].as_str().unwrap()).await;
    assert_eq!((&rest.body["deliveries"], &rest.body["has_more"]), (&json!(4), &json!(false)));
    let replayed: Vec<i64> = scene
        .actions()
        .await
        .into_iter()
        .filter(|(action, ..)| action == "webhook.replayed")
        .map(|(.., details)| details["deliveries"].as_i64().unwrap())
        .collect();
    assert_eq!(replayed, [10_000, 4]);
    scene.end().await;
}

#[tokio::test]
async fn who_manages_webhooks_is_on_record_and_the_record_holds_no_secret() {
    let scene = Scene::new().await;
    let path = scene.hook(json!({ "url": "https://example.com/zmarker?token=zmarker" })).await;
    scene.put(&path, &json!({ "url": "https://example.com/zmarker2", "payload": "thin" })).await;
    answer(scene.post(&format!("{path}/rotate-secret"))).await;
    let test = json!({ "event_type": "identity.verification.completed" });
    answer(scene.post(&format!("{path}/test")).json(&test)).await;
    let delete = || answer(scene.request(Method::DELETE, &path).bearer_auth(scene.key.reveal()));
    assert_eq!(delete().await.status, 200);
    assert_eq!(code(&delete().await), (404, "not_found"));
    for (method, action) in [(Method::GET, ""), (Method::GET, "/logs"), (Method::POST, "/rotate-secret")] {
        let request = scene.request(method, &format!("{path}{action}")).bearer_auth(scene.key.reveal());
        assert_eq!(code(&answer(request).await), (404, "not_found"), "{action}");
    }
    assert!(ids(&scene.get(HOOKS).await).is_empty());

    let entries = scene.actions().await;
    let actions: Vec<&str> = entries.iter().map(|(action, ..)| action.as_str()).collect();
    let expected =
        ["webhook.created", "webhook.updated", "webhook.secret_rotated", "webhook.tested", "webhook.deleted"];
    assert_eq!(actions, expected);
    let id = path.rsplit('/').next().unwrap();
    for (action, actor, details) in &entries {
        assert!(actor.starts_with("key_") && details["webhook_id"] == id, "{action} {actor} {details}");
        assert!(!details.to_string().contains("zmarker"), "{details}");
    }
    assert_eq!(entries[1].2["changed"], json!(["url", "payload"]));
    let secrets: (Vec<u8>, Option<Vec<u8>>) =
        sqlx::query_as("SELECT sealed_secret, previous_sealed_secret FROM endpoints")
            .fetch_one(&scene.database)
            .await
            .unwrap();
    assert_eq!(secrets, (Vec::new(), None), "a deleted endpoint keeps no secret");
    scene.end().await;
}
