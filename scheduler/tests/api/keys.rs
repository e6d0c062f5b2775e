//! Keys as their holders manage them, and what each of them opens.

use super::scene::{Answer, Scene, answer, passport};
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use txid_shared::config::Secret;
use txid_shared::store::NewKey;
use txid_shared::words::Permission;

const KEYS: &str = "/v1/developers/keys";
const DOCUMENTS: &str = "/v1/identity/supported-documents";

fn code(answer: &Answer) -> (u16, &str, &str) {
    let error = &answer.body["error"];
    (answer.status, error["code"].as_str().unwrap_or("-"), error["param"].as_str().unwrap_or("-"))
}

async fn send(scene: &Scene, key: &str, method: Method, path: &str, body: Value) -> Answer {
    answer(scene.request(method, path).bearer_auth(key).json(&body)).await
}

async fn status(scene: &Scene, key: &str) -> (u16, String) {
    let answer = answer(scene.request(Method::GET, DOCUMENTS).bearer_auth(key)).await;
    (answer.status, answer.body["error"]["code"].as_str().unwrap_or("-").to_owned())
}

fn reader() -> Value {
    json!({ "name": "reader", "permissions": ["identity:read"] })
}

/// Action, actor and details of what was done with keys, oldest first.
async fn trail(scene: &Scene) -> Vec<(String, String, Value)> {
    sqlx::query_as::<_, (String, String, sqlx::types::Json<Value>)>(
        "SELECT action, actor, details FROM audit WHERE action LIKE 'key.%' AND actor <> 'test' ORDER BY id",
    )
    .fetch_all(&scene.database)
    .await
    .unwrap()
    .into_iter()
    .map(|(action, actor, details)| (action, actor, details.0))
    .collect()
}

#[tokio::test]
async fn a_key_is_shown_once_works_and_is_revoked_at_once() {
    let scene = Scene::new().await;
    let mut body = reader();
    body["expires_at"] = json!("2026-03-02T12:00:00Z");
    body["allowed_ips"] = json!(["127.0.0.0/8", "2001:db8::7"]);
    body["rate_limit"] = json!(100);
    let created = answer(scene.post(KEYS).json(&body)).await;
    assert_eq!(created.status, 201, "{:#}", created.body);
    let key = created.body["key"].as_str().unwrap().to_owned();
    let id = created.body["id"].as_str().unwrap().to_owned();
    assert!(key.starts_with("txc_live_") && key.starts_with(created.body["hint"].as_str().unwrap()));
    let path = format!("{KEYS}/{id}");
    let shown = scene.get(&path).await;
    let mut expected = created.body.clone();
    expected.as_object_mut().unwrap().remove("key");
    assert_eq!(shown.body, expected);
    for (field, value) in body.as_object().unwrap() {
        assert_eq!(&expected[field], value);
    }
    assert_eq!(status(&scene, &key).await, (200, "-".to_owned()));
    let stored: String = sqlx::query_scalar("SELECT string_agg(k::text, ' ') FROM api_keys k")
        .fetch_one(&scene.database)
        .await
        .unwrap();
    assert!(!stored.contains(&key), "the key itself is stored");

    // One more, and the list is walked.
    let second = answer(scene.post(KEYS).json(&reader())).await.body["id"].clone();
    let first_page = scene.get(&format!("{KEYS}?limit=1")).await;
    assert_eq!((&first_page.body["data"][0]["id"], &first_page.body["has_more"]), (&second, &json!(true)));
    let next = scene.get(&format!("{KEYS}?limit=1&starting_after={}", second.as_str().unwrap())).await;
    assert_eq!(next.body["data"][0]["id"], json!(id));
    let back = scene.get(&format!("{KEYS}?ending_before={id}")).await;
    assert_eq!((back.body["data"].as_array().unwrap().len(), &back.body["data"][0]["id"]), (1, &second));
    assert!(!scene.get(KEYS).await.body.to_string().contains(&key));

    let revoked = answer(scene.request(Method::DELETE, &path).bearer_auth(scene.key.reveal())).await;
    assert_eq!((revoked.status, &revoked.body["revoked_at"]), (200, &json!("2026-03-01T12:00:00Z")));
    assert_eq!(status(&scene, &key).await, (401, "key_revoked".to_owned()));
    let again = answer(scene.request(Method::DELETE, &path).bearer_auth(scene.key.reveal())).await;
    assert_eq!((again.status, again.body), (200, revoked.body), "revoking twice changes nothing");
    let owner = scene.get(KEYS).await.body["data"].as_array().unwrap().last().unwrap()["id"].clone();
    let trail = trail(&scene).await;
    let actions: Vec<&str> = trail.iter().map(|(action, _, _)| action.as_str()).collect();
    assert_eq!(actions, ["key.created", "key.created", "key.revoked"]);
    assert!(trail.iter().all(|(_, actor, _)| json!(actor) == owner));
    assert_eq!((&trail[0].2, &trail[2].2), (&json!({ "key": id }), &json!({ "key": id })));
    scene.end().await;
}

#[tokio::test]
async fn each_field_of_a_key_that_is_wrong_is_named() {
    let scene = Scene::new().await;
    for (field, value, expected) in [
        ("name", Value::Null, "missing_parameter"),
        ("name", json!("x".repeat(201)), "invalid_parameter"),
        ("name", json!("a\u{0}b"), "invalid_parameter"),
        ("permissions", Value::Null, "missing_parameter"),
        ("permissions", json!([]), "invalid_parameter"),
        ("permissions", json!(["identity:everything"]), "invalid_parameter"),
        ("expires_at", json!("tomorrow"), "invalid_parameter"),
        ("expires_at", json!("2026-03-01T12:00:00Z"), "invalid_parameter"),
        ("allowed_ips", json!([]), "invalid_parameter"),
        ("allowed_ips", json!(["10.0.0.0/33"]), "invalid_parameter"),
        ("allowed_ips", json!("10.0.0.1"), "invalid_parameter"),
        ("rate_limit", json!(0), "invalid_parameter"),
        ("rate_limit", json!(-1), "invalid_parameter"),
        ("mode", json!("both"), "invalid_parameter"),
        ("scopes", json!([]), "invalid_parameter"),
    ] {
        let mut body = reader();
        body[field] = value;
        let refused = answer(scene.post(KEYS).json(&body)).await;
        assert_eq!(code(&refused), (400, expected, field), "{body}");
    }
    let id = scene.get(KEYS).await.body["data"][0]["id"].as_str().unwrap().to_owned();
    for hours in [json!(-1), json!(721), json!("1")] {
        let body = json!({ "grace_period_hours": hours });
        let refused = answer(scene.post(&format!("{KEYS}/{id}/rotate")).json(&body)).await;
        assert_eq!(code(&refused), (400, "invalid_parameter", "grace_period_hours"));
    }
    assert_eq!(scene.count("api_keys").await, 1);
    scene.end().await;
}

#[tokio::test]
async fn a_key_grants_nothing_that_it_lacks() {
    let scene = Scene::new().await;
    let strong = scene.get(KEYS).await.body["data"][0]["id"].as_str().unwrap().to_owned();
    let weak = scene.key_with(&[Permission::IdentityRead, Permission::DevelopersWrite]).await;
    let weak = weak.reveal();
    let mut body = reader();
    assert_eq!(send(&scene, weak, Method::POST, KEYS, body.clone()).await.status, 201);
    body["permissions"] = json!(["identity:read", "identity:write"]);
    let refused = send(&scene, weak, Method::POST, KEYS, body).await;
    assert_eq!(code(&refused), (403, "forbidden", "permissions"));
    // Nor does it get hold of a stronger key by replacing it.
    let rotated = send(&scene, weak, Method::POST, &format!("{KEYS}/{strong}/rotate"), json!({})).await;
    assert_eq!(code(&rotated).0, 403);
    assert_eq!(status(&scene, scene.key.reveal()).await.0, 200);
    let reader = scene.key_with(&[Permission::DevelopersRead]).await;
    for (method, path) in [
        (Method::POST, KEYS.to_owned()),
        (Method::DELETE, format!("{KEYS}/{strong}")),
        (Method::POST, format!("{KEYS}/{strong}/rotate")),
    ] {
        assert_eq!(code(&send(&scene, reader.reveal(), method, &path, json!({})).await).0, 403, "{path}");
    }
    scene.end().await;
}

#[tokio::test]
async fn a_rotated_key_works_until_its_grace_is_over() {
    let scene = Scene::new().await;
    let mut body = reader();
    body["rate_limit"] = json!(7);
    let old = answer(scene.post(KEYS).json(&body)).await.body;
    let (old_key, old_id) = (old["key"].as_str().unwrap(), old["id"].as_str().unwrap());
    let rotate = |id: &str, hours: i64| {
        answer(scene.post(&format!("{KEYS}/{id}/rotate")).json(&json!({ "grace_period_hours": hours })))
    };
    let new = rotate(old_id, 2).await;
    assert_eq!(new.status, 201, "{:#}", new.body);
    let new_key = new.body["key"].as_str().unwrap();
    for field in ["name", "permissions", "rate_limit", "mode", "allowed_ips", "expires_at"] {
        assert_eq!(new.body[field], old[field], "{field}");
    }
    assert_ne!(new_key, old_key);
    let replaced = scene.get(&format!("{KEYS}/{old_id}")).await.body;
    assert_eq!(
        (&replaced["replaced_by"], &replaced["expires_at"]),
        (&new.body["id"], &json!("2026-03-01T14:00:00Z"))
    );
    assert_eq!(code(&rotate(old_id, 2).await), (409, "invalid_state", "-"), "it has a successor");
    scene.clock.advance(SignedDuration::from_millis(2 * 3_600_000 - 1));
    assert_eq!(status(&scene, old_key).await.0, 200);
    scene.clock.advance(SignedDuration::from_millis(1));
    assert_eq!(status(&scene, old_key).await, (401, "key_expired".to_owned()));
    assert_eq!(status(&scene, new_key).await.0, 200);

    // Without grace it ends at once; and a grace does not prolong a key that ends before.
    let newest = rotate(new.body["id"].as_str().unwrap(), 0).await;
    assert_eq!(status(&scene, new_key).await, (401, "key_expired".to_owned()));
    assert_eq!(status(&scene, newest.body["key"].as_str().unwrap()).await.0, 200);
    body["expires_at"] = json!("2026-03-01T15:00:00Z");
    let short = answer(scene.post(KEYS).json(&body)).await.body;
    rotate(short["id"].as_str().unwrap(), 24).await;
    let path = format!("{KEYS}/{}", short["id"].as_str().unwrap());
    assert_eq!(scene.get(&path).await.body["expires_at"], "2026-03-01T15:00:00Z");
    let dead = newest.body["id"].as_str().unwrap();
    answer(scene.request(Method::DELETE, &format!("{KEYS}/{dead}")).bearer_auth(scene.key.reveal())).await;
    assert_eq!(code(&rotate(dead, 1).await), (409, "invalid_state", "-"), "it is revoked");

    let trail = trail(&scene).await;
    let rotated = trail.iter().find(|(action, _, _)| action == "key.rotated").unwrap();
    assert_eq!(rotated.2, json!({ "key": old_id, "replaced_by": new.body["id"] }));
    scene.end().await;
}

fn bound_to(network: &str) -> NewKey {
    NewKey {
        permissions: Permission::ALL.to_vec(),
        allowed_ips: vec![network.parse().unwrap()],
        ..NewKey::default()
    }
}

/// Status of a call with that `X-Forwarded-For`, and its code.
async fn from(scene: &Scene, key: &Secret, forwarded_for: Option<&str>) -> (u16, String) {
    let mut request = scene.request(Method::GET, DOCUMENTS).bearer_auth(key.reveal());
    if let Some(value) = forwarded_for {
        request = request.header("x-forwarded-for", value);
    }
    let answer = answer(request).await;
    (answer.status, answer.body["error"]["code"].as_str().unwrap_or("-").to_owned())
}

#[tokio::test]
async fn an_allow_list_goes_by_the_connection_where_no_proxy_is_trusted() {
    let scene = Scene::new().await;
    let local = scene.key_of(scene.account, bound_to("127.0.0.0/8")).await;
    let remote = scene.key_of(scene.account, bound_to("203.0.113.0/24")).await;
    let refused = (403, "ip_not_allowed".to_owned());
    assert_eq!(from(&scene, &local, None).await.0, 200);
    assert_eq!(from(&scene, &remote, None).await, refused);
    // Anybody can write that header.
    assert_eq!(from(&scene, &remote, Some("203.0.113.9")).await, refused);
    assert_eq!(from(&scene, &local, Some("203.0.113.9")).await.0, 200);
    scene.end().await;
}

#[tokio::test]
async fn behind_a_trusted_proxy_an_allow_list_goes_by_what_the_proxy_saw() {
    let scene = Scene::with(&[("server.trusted_proxies", "[\"127.0.0.0/8\", \"10.0.0.0/8\"]")]).await;
    let key = scene.key_of(scene.account, bound_to("203.0.113.0/24")).await;
    let refused = (403, "ip_not_allowed".to_owned());
    for (forwarded_for, allowed) in [
        (None, false),
        (Some("203.0.113.9"), true),
        (Some("198.51.100.1, 203.0.113.9, 10.1.1.1"), true),
        // The client wrote the left part itself; the proxy added where it really comes from.
        (Some("203.0.113.9, 198.51.100.1"), false),
        (Some("203.0.113.9, nonsense"), false),
    ] {
        let answered = from(&scene, &key, forwarded_for).await;
        assert_eq!(
            answered,
            if allowed { (200, "-".to_owned()) } else { refused.clone() },
            "{forwarded_for:?}"
        );
    }
    scene.end().await;
}

#[tokio::test]
async fn a_test_key_and_a_live_key_see_nothing_of_each_other() {
    let scene = Scene::new().await;
    let mut body = reader();
    body["permissions"] = json!(["identity:read", "identity:write", "developers:read", "developers:write"]);
    body["mode"] = json!("test");
    let created = answer(scene.post(KEYS).json(&body)).await;
    assert_eq!((created.status, &created.body["mode"]), (201, &json!("test")));
    let test = created.body["key"].as_str().unwrap();
    assert!(test.starts_with("txc_test_"));
    let live = scene.key.reveal();

    let live_id = scene.accepted(&passport()).await.to_string();
    let mut submission = passport();
    submission["mode"] = json!("async");
    let accepted = send(&scene, test, Method::POST, "/v1/identity/verify", submission).await;
    let test_id = accepted.body["id"].as_str().unwrap().to_owned();
    send(&scene, live, Method::POST, "/v1/developers/webhooks", json!({ "url": "https://example.com/live" }))
        .await;
    for (key, own, other) in [(live, &live_id, &test_id), (test, &test_id, &live_id)] {
        let path = |id: &str| format!("/v1/identity/verifications/{id}");
        assert_eq!(send(&scene, key, Method::GET, &path(own), json!({})).await.status, 200);
        assert_eq!(send(&scene, key, Method::GET, &path(other), json!({})).await.status, 404);
        let list = send(&scene, key, Method::GET, "/v1/identity/verifications", json!({})).await.body;
        assert_eq!((list["data"].as_array().unwrap().len(), &list["data"][0]["id"]), (1, &json!(own)));
    }
    let webhooks = send(&scene, test, Method::GET, "/v1/developers/webhooks", json!({})).await.body;
    assert_eq!(webhooks["data"], json!([]));

    // The live account manages its test keys; a test key reaches no live one and makes none.
    let mine = scene.get(KEYS).await.body;
    let modes: Vec<&str> =
        mine["data"].as_array().unwrap().iter().map(|key| key["mode"].as_str().unwrap()).collect();
    assert_eq!(modes, ["test", "live"]);
    let theirs = send(&scene, test, Method::GET, KEYS, json!({})).await.body;
    assert_eq!((theirs["data"].as_array().unwrap().len(), &theirs["data"][0]["mode"]), (1, &json!("test")));
    let live_key_path = format!("{KEYS}/{}", mine["data"][1]["id"].as_str().unwrap());
    assert_eq!(send(&scene, test, Method::DELETE, &live_key_path, json!({})).await.status, 404);
    let mut escape = reader();
    escape["mode"] = json!("live");
    assert_eq!(code(&send(&scene, test, Method::POST, KEYS, escape).await), (403, "forbidden", "mode"));
    let child = send(&scene, test, Method::POST, KEYS, reader()).await.body;
    assert_eq!(child["mode"], "test");
    // Two at once make one twin.
    assert_eq!(scene.count("accounts").await, 2);
    scene.end().await;
}

#[tokio::test]
async fn two_first_test_keys_at_once_share_one_twin_that_signs_as_the_live_account() {
    let scene = Scene::new().await;
    let (store, now) = (&scene.services.context.store, jiff::Timestamp::UNIX_EPOCH);
    let (one, other) =
        tokio::join!(store.test_account(scene.account, now), store.test_account(scene.account, now));
    let twin = one.unwrap();
    assert_eq!(twin, other.unwrap());
    let mut secrets = Vec::new();
    for account in [scene.account, twin] {
        let sealed: Vec<u8> = sqlx::query_scalar("SELECT sealed_webhook_secret FROM accounts WHERE id = $1")
            .bind(account.uuid())
            .fetch_one(&scene.database)
            .await
            .unwrap();
        let place = format!("webhook-secret/{}", account.uuid());
        secrets.push(store.account_key(account).await.unwrap().open(&place, &sealed).unwrap());
    }
    assert_eq!(secrets[0], secrets[1]);
    assert!(store.test_account(twin, now).await.is_err(), "a twin has no twin");
    scene.end().await;
}

#[tokio::test]
async fn a_key_tells_to_the_minute_when_it_was_used() {
    let scene = Scene::new().await;
    let created = answer(scene.post(KEYS).json(&reader())).await.body;
    let (key, id) = (created["key"].as_str().unwrap(), created["id"].as_str().unwrap());
    let path = format!("{KEYS}/{id}");
    assert_eq!(created["last_used_at"], Value::Null);
    let used = |expected: &'static str| {
        let (scene, path) = (&scene, &path);
        scene.until(expected, async move || {
            (scene.get(path).await.body["last_used_at"] == expected).then_some(())
        })
    };
    status(&scene, key).await;
    used("2026-03-01T12:00:00Z").await;
    scene.clock.advance(SignedDuration::from_secs(59));
    status(&scene, key).await;
    scene.clock.advance(SignedDuration::from_secs(1));
    status(&scene, key).await;
    // The call in between was not worth a row.
    used("2026-03-01T12:01:00Z").await;
    let revoked = answer(scene.request(Method::DELETE, &path).bearer_auth(scene.key.reveal())).await;
    assert_eq!(revoked.status, 200);
    scene.clock.advance(SignedDuration::from_secs(3600));
    assert_eq!(status(&scene, key).await.0, 401);
    scene
        .until("the refusal is logged", async || {
            let logs = scene.get(&format!("/v1/developers/logs?key_id={id}&status=401")).await;
            (logs.body["data"].as_array().unwrap().len() == 1).then_some(())
        })
        .await;
    used("2026-03-01T12:01:00Z").await;
    scene.end().await;
}
