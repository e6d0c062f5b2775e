//! Endpoints that end: gone, or nothing but failures for too long.

use super::scene::Scene;
use axum::http::StatusCode;
use jiff::SignedDuration;
use serde_json::{Value, json};
use txid_tests::receiver::Receiver;

const HOUR_S: i64 = 3_600;

#[tokio::test]
async fn gone_disables_the_endpoint_at_once_and_the_others_are_told() {
    let scene = Scene::new().await;
    let (leaving, staying) = (Receiver::start().await.unwrap(), Receiver::start().await.unwrap());
    let endpoint = scene.endpoint(json!({ "url": leaving.url })).await;
    let other = scene.endpoint(json!({ "url": staying.url })).await;
    leaving.answer_with(&[StatusCode::GONE]);
    scene.decided(None).await;
    assert_eq!(scene.deliver_then_wait(1).await, 2);

    let shown = scene.get(&endpoint.path).await;
    assert_eq!((&shown["enabled"], &shown["disabled_reason"]), (&json!(false), &json!("gone")));
    assert_eq!(shown["disabled_at"], "2026-03-01T12:00:00Z");
    let logged = scene.log(&endpoint, "?status=failed").await.remove(0);
    assert_eq!(
        (&logged["failure_reason"], &logged["attempts"][0]["status_code"]),
        (&json!("gone"), &json!(410))
    );

    assert_eq!(scene.deliver_then_wait(1).await, 1);
    let told = staying.delivered().pop().unwrap();
    assert!(told.signatures_are_valid(&other.secret));
    assert_eq!(told.body["type"], "developer.webhook.disabled");
    let mut as_shown = shown.clone();
    // The attempt that said so comes on record a moment later.
    as_shown.as_object_mut().unwrap().remove("failing_since");
    assert_eq!(told.body["data"], as_shown);
    // Whoever answers 410 wants no more, and no record of it either.
    scene.decided(None).await;
    assert_eq!(scene.deliver_then_wait(0).await, 1);
    assert_eq!((leaving.count(), scene.log(&endpoint, "").await.len()), (1, 1));
    scene.end().await;
}

#[tokio::test]
async fn nothing_but_failures_for_too_long_disables_and_a_replay_brings_what_was_missed() {
    let scene = Scene::with(&[("webhooks.disable_after_s", "7200")]).await;
    let (down, up) = (Receiver::start().await.unwrap(), Receiver::start().await.unwrap());
    let endpoint = scene.endpoint(json!({ "url": down.url, "payload": "full" })).await;
    scene.endpoint(json!({ "url": up.url, "events": ["developer.webhook.disabled"] })).await;
    let fails = || down.answer_with(&[StatusCode::BAD_GATEWAY]);

    fails();
    scene.decided(None).await;
    scene.deliver_then_wait(HOUR_S).await;
    let failing = scene.get(&endpoint.path).await;
    assert_eq!(
        (&failing["failing_since"], &failing["enabled"]),
        (&json!("2026-03-01T12:00:00Z"), &json!(true))
    );
    // One success, and the failures are forgotten.
    scene.deliver_then_wait(HOUR_S).await;
    assert!(scene.get(&endpoint.path).await.get("failing_since").is_none());

    let since = scene.clock.now();
    for _ in 0..4 {
        fails();
        scene.decided(None).await;
    }
    // One at a time to an endpoint that fails, after the first few.
    while scene.get(&endpoint.path).await["enabled"] == true {
        fails();
        assert!(scene.deliver_then_wait(HOUR_S / 2).await > 0);
    }
    let disabled = scene.get(&endpoint.path).await;
    assert_eq!(disabled["disabled_reason"], "failing");
    let (since_text, at) =
        (disabled["failing_since"].as_str().unwrap(), disabled["disabled_at"].as_str().unwrap());
    let (failing_since, disabled_at): (jiff::Timestamp, jiff::Timestamp) =
        (since_text.parse().unwrap(), at.parse().unwrap());
    assert_eq!(disabled_at.duration_since(failing_since), SignedDuration::from_hours(2));

    // What happens meanwhile is on record as failed, and not one request is made.
    let attempts = down.count();
    scene.decided(None).await;
    scene.clock.advance(SignedDuration::from_hours(30));
    while scene.deliverer.deliver_due().await.unwrap() > 0 {}
    assert_eq!(down.count(), attempts);
    assert_eq!(up.delivered()[0].body["data"]["disabled_reason"], "failing");
    let failed = scene.log(&endpoint, "?status=failed").await;
    assert_eq!(failed.len(), 5);
    assert!(failed.iter().all(|one| one["failure_reason"] == "endpoint_disabled"), "{failed:#?}");

    let range = json!({ "since": since, "until": scene.clock.now(), "status": "failed" });
    let replay = format!("{}/replay", endpoint.path);
    let refused = scene.client.post(&replay, &range).await.unwrap();
    assert_eq!((refused.status, &refused.body["error"]["code"]), (409, &json!("invalid_state")));
    let enabled = scene.client.put(&endpoint.path, &json!({ "enabled": true })).await.unwrap().body;
    let cleared = ["failing_since", "disabled_at", "disabled_reason"];
    assert!(
        enabled["enabled"] == true && cleared.iter().all(|name| enabled.get(*name).is_none()),
        "{enabled:#}"
    );
    down.forget_answers();
    assert_eq!(scene.client.post(&replay, &range).await.unwrap().body["deliveries"], 5);
    assert_eq!(scene.deliver_then_wait(0).await, 5);
    assert_eq!(scene.log(&endpoint, "?status=success").await.len(), 6);
    scene.end().await;
}

#[tokio::test]
async fn a_paused_endpoint_gets_what_waited_when_it_is_enabled_in_time() {
    let scene = Scene::new().await;
    let receiver = Receiver::start().await.unwrap();
    let endpoint = scene.endpoint(json!({ "url": receiver.url })).await;
    receiver.answer_with(&[StatusCode::BAD_GATEWAY]);
    scene.decided(None).await;
    scene.deliver_then_wait(10).await;
    let enable = |enabled: bool| {
        let (client, path) = (&scene.client, &endpoint.path);
        async move { client.put(path, &json!({ "enabled": enabled })).await.unwrap().body }
    };
    let paused: Value = enable(false).await;
    assert_eq!((&paused["enabled"], &paused["disabled_reason"]), (&json!(false), &json!("requested")));
    scene.decided(None).await;
    enable(true).await;
    scene.clock.advance(SignedDuration::from_secs(60));
    assert_eq!(scene.deliverer.deliver_due().await.unwrap(), 1);
    assert_eq!(receiver.count(), 2);
    assert_eq!(scene.log(&endpoint, "").await.len(), 1, "its owner wanted nothing meanwhile");
    scene.end().await;
}
