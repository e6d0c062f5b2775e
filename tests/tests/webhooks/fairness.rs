//! One slow or dead consumer delays no other.

use super::scene::Scene;
use axum::http::StatusCode;
use futures_util::{StreamExt, stream};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use txid_shared::task::Tasks;
use txid_shared::words::DeliveryStatus;
use txid_tests::receiver::Receiver;

const EVENTS: usize = 1000;

#[tokio::test(flavor = "multi_thread")]
async fn a_good_consumer_has_everything_while_a_slow_one_is_busy_and_a_dead_one_never_answers() {
    // Long enough that nothing sent to the dead one has ended when the good one has everything. Without
    // places of their own the good one would wait for that.
    let scene = Scene::with(&[("webhooks.request_timeout_ms", "50000")]).await;
    // Connections are taken by the kernel and nobody ever reads them.
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let slow = Receiver::slow(Duration::from_secs(2)).await.unwrap();
    let good = Receiver::counting().await.unwrap();
    // The good one last, so that it has no advantage of its place.
    let dead_url = format!("http://{}/hook", dead.local_addr().unwrap());
    let dead_endpoint = scene.endpoint(json!({ "url": dead_url })).await;
    let slow_endpoint = scene.endpoint(json!({ "url": slow.url })).await;
    scene.endpoint(json!({ "url": good.url })).await;
    let tasks = Tasks::new();
    tasks.spawn(scene.deliverer.clone().deliver(tasks.clone()));
    let deciding = stream::iter(0..EVENTS).map(|_| scene.decided(None)).buffer_unordered(32);
    assert_eq!(deciding.count().await, EVENTS);
    let decided = Instant::now();
    let delivered = good.wait_for_count(EVENTS).await;
    let (to_slow, waited) = (slow.count(), decided.elapsed());
    eprintln!("the good consumer had {delivered} events {waited:?} after the last verdict");
    let ended = "SELECT count(*) FROM delivery_attempts WHERE error IS NOT NULL";
    let database = scene.space.database().await.unwrap();
    let ended: i64 = sqlx::query_scalar(ended).fetch_one(&database).await.unwrap();
    assert_eq!(ended, 0, "the good one waited for the dead one");
    assert!(to_slow < EVENTS, "the slow one had {to_slow} by then: nothing was shown");
    for endpoint in [&dead_endpoint, &slow_endpoint] {
        assert!(!scene.log(endpoint, "?status=pending").await.is_empty());
    }
    database.close().await;
    tasks.stop();
    scene.end().await;
}

#[tokio::test]
async fn a_claim_gives_each_consumer_its_places_and_one_to_whom_it_fails() {
    let settings = [("webhooks.endpoint_concurrency", "2"), ("webhooks.concurrency", "6")];
    let scene = Scene::with(&settings).await;
    let (one, other) = (Receiver::start().await.unwrap(), Receiver::start().await.unwrap());
    scene.endpoint(json!({ "url": one.url })).await;
    let failing = scene.endpoint(json!({ "url": other.url })).await;
    let own = Receiver::start().await.unwrap();
    for _ in 0..5 {
        // Each its own address, all of them one host.
        let url = format!("{}?{}", own.url, rand::random::<u32>());
        scene.decided(Some(&url)).await;
    }
    other.answer_with(&[StatusCode::BAD_GATEWAY; 2]);
    assert_eq!(scene.deliver_then_wait(1).await, 6);
    assert_eq!((one.count(), other.count(), own.count()), (2, 2, 2));
    assert_eq!(scene.deliver_then_wait(1).await, 5);
    assert_eq!((one.count(), other.count(), own.count()), (4, 3, 4));
    // It answered: all its places again.
    assert_eq!(scene.deliver_then_wait(1).await, 4);
    assert_eq!((one.count(), other.count(), own.count()), (5, 5, 5));
    let pending = Some(DeliveryStatus::Pending);
    let id = failing.path.rsplit('/').next().unwrap().parse().unwrap();
    let page = txid_shared::store::Page::Newest;
    let waiting = scene.store().deliveries_of(id, pending, page, 10).await.unwrap().unwrap();
    assert_eq!(waiting.len(), 2, "those that failed wait for their time");
    scene.end().await;
}
