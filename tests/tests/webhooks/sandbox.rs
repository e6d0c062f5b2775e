//! A test account asks for what at-least-once allows: the same event twice.

use super::scene::Scene;
use jiff::SignedDuration;
use serde_json::json;
use txid_shared::config::Secret;
use txid_tests::fleet::Client;
use txid_tests::receiver::Receiver;

#[tokio::test]
async fn what_arrives_comes_once_more_for_as_long_as_it_was_asked_for() {
    let mut scene = Scene::new().await;
    let new = json!({ "name": "sandbox", "mode": "test",
        "permissions": ["identity:read", "developers:read", "developers:write"] });
    let created = scene.client.post("/v1/developers/keys", &new).await.unwrap();
    let key = Secret::new(created.body["key"].as_str().unwrap());
    scene.client = Client::new(scene.address, &key).unwrap();
    scene.account = scene.store().test_account(scene.account, scene.clock.now()).await.unwrap();
    let receiver = Receiver::start().await.unwrap();
    let endpoint = scene.endpoint(json!({ "url": receiver.url })).await;
    let asked = json!({ "duplicate_webhooks": true, "expires_in": 30 });
    let set = scene.client.post("/v1/developers/sandbox/simulate", &asked).await.unwrap();
    assert_eq!((set.status, &set.body["duplicate_webhooks"]), (200, &json!(true)), "{set:?}");

    scene.decided(None).await;
    assert_eq!(scene.deliverer.deliver_due().await.unwrap(), 1);
    assert_eq!(scene.deliverer.deliver_due().await.unwrap(), 1, "once more, at once");
    assert_eq!(scene.deliverer.deliver_due().await.unwrap(), 0, "and no third time");
    let delivered = receiver.wait_for(2).await;
    assert_eq!(delivered[0].event_id, delivered[1].event_id);
    assert_eq!(delivered[0].raw, delivered[1].raw);
    assert!(delivered.iter().all(|request| request.signatures_are_valid(&endpoint.secret)));
    let log = scene.log(&endpoint, "").await;
    assert_eq!((log.len(), &log[0]["status"]), (1, &json!("success")));
    assert_eq!(log[0]["attempts"].as_array().unwrap().len(), 2);

    scene.clock.advance(SignedDuration::from_secs(31));
    scene.decided(None).await;
    assert_eq!(scene.deliverer.deliver_due().await.unwrap(), 1);
    assert_eq!(scene.deliverer.deliver_due().await.unwrap(), 0, "it has ended");
    scene.end().await;
}
