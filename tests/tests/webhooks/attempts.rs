//! Deliveries on a clock of the test's own: the schedule, the identity of the event, the signatures.

use super::scene::{Endpoint, Scene};
use axum::http::StatusCode;
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use txid_shared::clock::Clock;
use txid_tests::receiver::Receiver;
use txid_worker::webhooks::Deliverer;

/// One decided verification whose event waits to be delivered to `receiver`.
async fn waiting() -> (Scene, Receiver, Endpoint) {
    let scene = Scene::new().await;
    let receiver = Receiver::start().await.unwrap();
    let endpoint = scene.endpoint(json!({ "url": receiver.url })).await;
    scene.decided(None).await;
    (scene, receiver, endpoint)
}

/// The one delivery in the log, and whether its endpoint is enabled.
async fn delivery(scene: &Scene, endpoint: &Endpoint) -> (Value, bool) {
    let mut log = scene.log(endpoint, "").await;
    assert_eq!(log.len(), 1);
    (log.remove(0), scene.get(&endpoint.path).await["enabled"] == true)
}

#[tokio::test]
async fn a_receiver_that_fails_twice_gets_the_same_event_again_freshly_signed() {
    let (scene, receiver, endpoint) = waiting().await;
    receiver.answer_with(&[StatusCode::INTERNAL_SERVER_ERROR, StatusCode::BAD_REQUEST]);
    assert_eq!(scene.deliverer.deliver_due().await.unwrap(), 1);
    assert_eq!(scene.deliverer.deliver_due().await.unwrap(), 0, "not due before a minute has passed");
    scene.clock.advance(SignedDuration::from_secs(67));
    assert_eq!(scene.deliverer.deliver_due().await.unwrap(), 1);
    scene.clock.advance(SignedDuration::from_secs(331));
    assert_eq!(scene.deliverer.deliver_due().await.unwrap(), 1);
    scene.clock.advance(SignedDuration::from_hours(48));
    assert_eq!(scene.deliverer.deliver_due().await.unwrap(), 0, "delivered is delivered");

    let delivered = receiver.delivered();
    assert_eq!(delivered.len(), 3);
    assert!(delivered.iter().all(|one| one.signatures_are_valid(&endpoint.secret)));
    assert_eq!(delivered.iter().map(|one| &one.event_id).collect::<BTreeSet<_>>().len(), 1);
    assert_eq!(delivered.iter().map(|one| &one.timestamp).collect::<BTreeSet<_>>().len(), 3);
    assert_eq!(delivered.iter().map(|one| &one.raw).collect::<BTreeSet<_>>().len(), 1, "the same bytes");
    assert_eq!(delivered[0].body["type"], "identity.verification.completed");
    let (logged, enabled) = delivery(&scene, &endpoint).await;
    assert_eq!((&logged["status"], enabled), (&json!("success"), true));
    let codes: Vec<&Value> =
        logged["attempts"].as_array().unwrap().iter().map(|attempt| &attempt["status_code"]).collect();
    assert_eq!(codes, [500, 400, 200]);
    scene.end().await;
}

#[tokio::test]
async fn after_the_seventh_failure_the_delivery_is_kept_as_failed() {
    let (scene, receiver, endpoint) = waiting().await;
    receiver.answer_with(&[StatusCode::SERVICE_UNAVAILABLE; 7]);
    // Longer than each wait with its jitter: 1 m, 5 m, 30 m, 2 h, 12 h, 24 h.
    for minutes in [0, 2, 6, 34, 133, 793, 1585] {
        scene.clock.advance(SignedDuration::from_mins(minutes));
        assert_eq!(scene.deliverer.deliver_due().await.unwrap(), 1);
    }
    scene.clock.advance(SignedDuration::from_hours(240));
    assert_eq!(scene.deliverer.deliver_due().await.unwrap(), 0);
    let (logged, enabled) = delivery(&scene, &endpoint).await;
    assert_eq!(
        (&logged["status"], &logged["failure_reason"]),
        (&json!("failed"), &json!("attempts_exhausted"))
    );
    assert_eq!((logged["attempts"].as_array().unwrap().len(), enabled), (7, true));
    scene.end().await;
}

#[tokio::test]
async fn an_address_inside_the_network_is_never_connected_to() {
    let (mut scene, receiver, endpoint) = waiting().await;
    let mut settings = scene.space.config().unwrap().webhooks;
    settings.allow_networks.clear();
    scene.deliverer =
        Deliverer::new(scene.store().clone(), Clock::Mock(scene.clock.clone()), &settings).unwrap();
    assert_eq!(scene.deliverer.deliver_due().await.unwrap(), 1);
    assert!(receiver.delivered().is_empty());
    let (logged, _) = delivery(&scene, &endpoint).await;
    let error = logged["attempts"][0]["error"].as_str().unwrap();
    assert!(error.contains("not allowed"), "{error}");
    scene.end().await;
}

#[tokio::test]
async fn what_a_request_named_itself_is_signed_with_the_accounts_secret() {
    let scene = Scene::new().await;
    let receiver = Receiver::start().await.unwrap();
    scene.decided(Some(&receiver.url)).await;
    assert_eq!(scene.deliverer.deliver_due().await.unwrap(), 1);
    let delivered = receiver.delivered();
    assert!(delivered[0].signatures_are_valid(scene.account_secret.reveal()));
    scene.end().await;
}
