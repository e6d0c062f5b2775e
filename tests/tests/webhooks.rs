//! Deliveries on a clock of the test's own: the schedule, the identity of the event, the signatures.

#![expect(clippy::unwrap_used, reason = "a test ends where its scene cannot be built")]

use axum::http::StatusCode;
use jiff::SignedDuration;
use std::collections::BTreeSet;
use txid_shared::clock::{Clock, MockClock};
use txid_tests::fleet::{Client, Role, Space};
use txid_tests::receiver::Receiver;
use txid_worker::webhooks::Deliverer;

struct Scene {
    space: Space,
    receiver: Receiver,
    secret: txid_shared::config::Secret,
    clock: MockClock,
    deliverer: Deliverer,
}

/// One decided verification whose event waits to be delivered.
async fn scene() -> Scene {
    let space = Space::new().await.unwrap();
    let receiver = Receiver::start().await.unwrap();
    let (key, secret) = space.account(Some(&receiver.url)).await.unwrap();
    let scheduler = space.node(Role::Scheduler).unwrap();
    let _worker = space.node(Role::StubWorker).unwrap();
    let client = space.client(&scheduler, &key).unwrap();
    let id = client.submit(&Client::submission()).await.unwrap();
    client.decided(&id).await.unwrap();

    let clock = MockClock::at(jiff::Timestamp::now());
    let services = space.services().await.unwrap();
    let settings = space.config().unwrap().webhooks;
    let deliverer = Deliverer::new(services.context.store, Clock::Mock(clock.clone()), &settings).unwrap();
    Scene { space, receiver, secret, clock, deliverer }
}

impl Scene {
    async fn attempts(&self) -> Vec<(i32, Option<i32>)> {
        let pool = self.space.database().await.unwrap();
        let query = "SELECT attempt, status_code FROM delivery_attempts ORDER BY attempt";
        sqlx::query_as(query).fetch_all(&pool).await.unwrap()
    }

    async fn delivery(&self) -> (String, i32, bool) {
        let pool = self.space.database().await.unwrap();
        let query = "SELECT state, deliveries.attempts, enabled FROM deliveries JOIN endpoints ON endpoint_id = endpoints.id";
        sqlx::query_as(query).fetch_one(&pool).await.unwrap()
    }
}

#[tokio::test]
async fn a_receiver_that_fails_twice_gets_the_same_event_again_freshly_signed() {
    let scene = scene().await;
    scene.receiver.answer_with(&[StatusCode::INTERNAL_SERVER_ERROR, StatusCode::BAD_REQUEST]);
    assert_eq!(scene.deliverer.deliver_due().await.unwrap(), 1);
    assert_eq!(scene.deliverer.deliver_due().await.unwrap(), 0, "not due before a minute has passed");
    scene.clock.advance(SignedDuration::from_secs(67));
    assert_eq!(scene.deliverer.deliver_due().await.unwrap(), 1);
    scene.clock.advance(SignedDuration::from_secs(331));
    assert_eq!(scene.deliverer.deliver_due().await.unwrap(), 1);
    scene.clock.advance(SignedDuration::from_hours(48));
    assert_eq!(scene.deliverer.deliver_due().await.unwrap(), 0, "delivered is delivered");

    let delivered = scene.receiver.delivered();
    assert_eq!(delivered.len(), 3);
    assert!(delivered.iter().all(|one| one.signatures_are_valid(scene.secret.reveal())));
    assert_eq!(delivered.iter().map(|one| &one.event_id).collect::<BTreeSet<_>>().len(), 1);
    assert_eq!(delivered.iter().map(|one| &one.timestamp).collect::<BTreeSet<_>>().len(), 3);
    assert_eq!(delivered.iter().map(|one| &one.raw).collect::<BTreeSet<_>>().len(), 1, "the same bytes");
    assert_eq!(delivered[0].body["type"], "identity.verification.completed");
    assert_eq!(scene.attempts().await, [(1, Some(500)), (2, Some(400)), (3, Some(200))]);
    assert_eq!(scene.delivery().await, ("succeeded".to_owned(), 3, true));
    scene.space.remove().await.unwrap();
}

#[tokio::test]
async fn after_the_seventh_failure_the_delivery_is_kept_as_failed() {
    let scene = scene().await;
    scene.receiver.answer_with(&[StatusCode::SERVICE_UNAVAILABLE; 7]);
    // Longer than each wait with its jitter: 1 m, 5 m, 30 m, 2 h, 12 h, 24 h.
    for minutes in [0, 2, 6, 34, 133, 793, 1585] {
        scene.clock.advance(SignedDuration::from_mins(minutes));
        assert_eq!(scene.deliverer.deliver_due().await.unwrap(), 1);
    }
    scene.clock.advance(SignedDuration::from_hours(240));
    assert_eq!(scene.deliverer.deliver_due().await.unwrap(), 0);
    assert_eq!(scene.delivery().await, ("failed".to_owned(), 7, true));
    scene.space.remove().await.unwrap();
}

#[tokio::test]
async fn gone_disables_the_endpoint_at_once() {
    let scene = scene().await;
    scene.receiver.answer_with(&[StatusCode::GONE]);
    scene.deliverer.deliver_due().await.unwrap();
    assert_eq!(scene.delivery().await, ("failed".to_owned(), 1, false));
    scene.space.remove().await.unwrap();
}

#[tokio::test]
async fn an_address_inside_the_network_is_never_connected_to() {
    let mut scene = scene().await;
    let mut settings = scene.space.config().unwrap().webhooks;
    settings.allow_networks.clear();
    let store = scene.space.services().await.unwrap().context.store;
    scene.deliverer = Deliverer::new(store, Clock::Mock(scene.clock.clone()), &settings).unwrap();
    assert_eq!(scene.deliverer.deliver_due().await.unwrap(), 1);
    assert!(scene.receiver.delivered().is_empty());
    let pool = scene.space.database().await.unwrap();
    let (error,): (String,) =
        sqlx::query_as("SELECT error FROM delivery_attempts").fetch_one(&pool).await.unwrap();
    assert!(error.contains("not allowed"), "{error}");
    pool.close().await;
    scene.space.remove().await.unwrap();
}
