//! Endpoints under management, as their receivers see it.

use super::scene::Scene;
use axum::http::StatusCode;
use jiff::SignedDuration;
use serde_json::{Value, json};
use txid_tests::receiver::{Receiver, SignedBy};

const BOTH: SignedBy = SignedBy { txcloud: true, standard: true };
const STANDARD_ALONE: SignedBy = SignedBy { txcloud: false, standard: true };
const NEITHER: SignedBy = SignedBy { txcloud: false, standard: false };

#[tokio::test]
async fn a_test_event_is_marked_signed_and_logged() {
    let scene = Scene::new().await;
    let receiver = Receiver::start().await.unwrap();
    let only = json!({ "url": receiver.url, "events": ["identity.verification.failed"] });
    let endpoint = scene.endpoint(only).await;
    let bystander = scene.endpoint(json!({ "url": receiver.url })).await;
    receiver.answer_with(&[StatusCode::INTERNAL_SERVER_ERROR]);
    let events = [
        ("identity.verification.completed", "verified"),
        ("identity.verification.failed", "failed"),
        ("identity.verification.review", "manual_review"),
        ("identity.verification.error", "error"),
        ("fraud.signal.detected", "failed"),
        ("developer.webhook.disabled", ""),
    ];
    for (number, (event_type, status)) in (0..).zip(events) {
        let test = format!("{}/test", endpoint.path);
        let sent = scene.client.post(&test, &json!({ "event_type": event_type })).await.unwrap();
        assert_eq!((sent.status, &sent.body["status"]), (202, &json!("pending")), "{:#}", sent.body);
        // The first one is tried again, as any other.
        let attempts = if number == 0 { 2 } else { 1 };
        for _ in 0..attempts {
            assert_eq!(scene.deliver_then_wait(70).await, 1);
        }
        let delivered = receiver.delivered().pop().unwrap();
        assert!(delivered.signatures_are_valid(&endpoint.secret));
        assert_eq!(delivered.body["id"], sent.body["event_id"]);
        assert_eq!((&delivered.body["type"], &delivered.body["test"]), (&json!(event_type), &json!(true)));
        assert_eq!(delivered.body["data"]["status"].as_str().unwrap_or_default(), status);
        let logged = &scene.log(&endpoint, "").await[0];
        assert_eq!((&logged["id"], &logged["status"]), (&sent.body["id"], &json!("success")));
        assert_eq!(logged["attempts"].as_array().unwrap().len(), attempts);
        let shown = scene.get(&format!("/v1/developers/events/{}", delivered.event_id)).await;
        assert_eq!(shown["body"], delivered.body);
    }
    assert!(scene.log(&bystander, "").await.is_empty(), "a test concerns one endpoint");
    scene.end().await;
}

#[tokio::test]
async fn while_a_rotation_overlaps_both_secrets_sign() {
    let scene = Scene::new().await;
    let receiver = Receiver::start().await.unwrap();
    let endpoint = scene.endpoint(json!({ "url": receiver.url })).await;
    let rotate = |body: Value| {
        let path = format!("{}/rotate-secret", endpoint.path);
        let client = &scene.client;
        async move {
            let rotated = client.post(&path, &body).await.unwrap();
            assert_eq!(rotated.status, 200, "{:#}", rotated.body);
            rotated.body
        }
    };
    let rotated = rotate(json!({ "overlap_hours": 2 })).await;
    let (old, new) = (endpoint.secret.as_str(), rotated["secret"].as_str().unwrap());
    assert_ne!(old, new);
    assert_eq!(rotated["previous_secret_until"], "2026-03-01T14:00:00Z");
    assert!(scene.get(&endpoint.path).await.get("secret").is_none(), "shown once");

    scene.decided(None).await;
    scene.deliver_then_wait(7_200).await;
    let during = receiver.delivered().pop().unwrap();
    assert_eq!(during.headers["webhook-signature"].to_str().unwrap().split(' ').count(), 2);
    assert_eq!((during.signed_by(old), during.signed_by(new)), (BOTH, STANDARD_ALONE));

    scene.decided(None).await;
    scene.deliver_then_wait(60).await;
    let after = receiver.delivered().pop().unwrap();
    assert_eq!((after.signed_by(old), after.signed_by(new)), (NEITHER, BOTH));
    assert!(after.signatures_are_valid(new), "one signature again");

    // A secret that leaked ends at once.
    let at_once = rotate(json!({ "overlap_hours": 0 })).await;
    scene.decided(None).await;
    scene.deliver_then_wait(0).await;
    let last = receiver.delivered().pop().unwrap();
    assert_eq!(last.signed_by(new), NEITHER);
    assert!(last.signatures_are_valid(at_once["secret"].as_str().unwrap()));
    scene.end().await;
}

#[tokio::test]
async fn a_thin_endpoint_gets_the_same_bytes_each_time_and_nothing_personal() {
    let scene = Scene::new().await;
    let (thin, full) = (Receiver::start().await.unwrap(), Receiver::start().await.unwrap());
    let endpoint = scene.endpoint(json!({ "url": thin.url, "payload": "thin" })).await;
    scene.endpoint(json!({ "url": full.url })).await;
    thin.answer_with(&[StatusCode::BAD_GATEWAY]);
    let id = scene.decided(None).await;
    scene.deliver_then_wait(70).await;
    scene.deliver_then_wait(0).await;

    let full = full.delivered().remove(0);
    let attempts = thin.delivered();
    assert_eq!((attempts.len(), &attempts[0].raw), (2, &attempts[1].raw));
    let sent = &attempts[1];
    assert!(sent.signatures_are_valid(&endpoint.secret));
    assert_eq!(sent.event_id, full.event_id);
    let expected = json!({
        "id": full.event_id,
        "type": "identity.verification.completed",
        "created_at": full.body["created_at"],
        "api_version": "2025-01-01",
        "data": {
            "id": id,
            "object": "identity.verification",
            "status": "verified",
            "created_at": full.body["data"]["created_at"],
            "completed_at": full.body["data"]["completed_at"],
            "reasons": [],
        },
    });
    assert_eq!(sent.body, expected);
    let text = |raw: &[u8]| String::from_utf8(raw.to_vec()).unwrap();
    for personal in ["Amrani", "AE123456", "1990-05-15", "Casablanca", "zmarker-user"] {
        assert!(text(&full.raw).contains(personal) && !text(&sent.raw).contains(personal), "{personal}");
    }

    // Reasons by their codes; their texts stay here.
    let test = format!("{}/test", endpoint.path);
    scene.client.post(&test, &json!({ "event_type": "identity.verification.failed" })).await.unwrap();
    scene.deliver_then_wait(0).await;
    let failed = thin.delivered().pop().unwrap().body;
    let reasons = json!([{ "code": "face_mismatch", "severity": "critical", "check": "face_match" }]);
    assert_eq!((&failed["data"]["reasons"], &failed["test"]), (&reasons, &json!(true)));
    scene.end().await;
}

#[tokio::test]
async fn what_failed_is_found_and_replayed_under_the_same_event_id() {
    let scene = Scene::new().await;
    let receiver = Receiver::start().await.unwrap();
    let endpoint = scene.endpoint(json!({ "url": receiver.url })).await;
    // Before, within and behind the outage.
    for outage in [false, true, true, false] {
        if outage {
            receiver.answer_with(&[StatusCode::SERVICE_UNAVAILABLE; 7]);
        }
        scene.decided(None).await;
        for minutes in [2, 6, 34, 133, 793, 1585, 1] {
            scene.deliver_then_wait(minutes * 60).await;
        }
    }
    let failed = scene.log(&endpoint, "?status=failed").await;
    let good = scene.log(&endpoint, "?status=success").await;
    assert_eq!((failed.len(), good.len()), (2, 2));
    let before = receiver.count();

    let replay = |body: Value| {
        let (client, path) = (&scene.client, format!("{}/replay", endpoint.path));
        async move { client.post(&path, &body).await.unwrap() }
    };
    let (since, until) = ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z");
    let replayed = replay(json!({ "since": since, "until": until, "status": "failed" })).await;
    assert_eq!((replayed.status, &replayed.body["deliveries"]), (202, &json!(2)), "{:#}", replayed.body);
    assert_eq!(replayed.body["has_more"], false);
    let again = replay(json!({ "since": since, "until": until, "status": "failed" })).await;
    assert_eq!(again.body["deliveries"], 0, "they wait already");
    // The first fails once more: its schedule begins anew, so that it is tried again.
    receiver.answer_with(&[StatusCode::SERVICE_UNAVAILABLE]);
    while scene.deliver_then_wait(70).await > 0 {}
    let delivered = receiver.delivered().split_off(before);
    assert_eq!(delivered.len(), 3);
    for delivery in &failed {
        let id = delivery["event_id"].as_str().unwrap();
        let sent: Vec<_> = receiver.delivered().into_iter().filter(|one| one.event_id == id).collect();
        let (first, last) = (&sent[0], sent.last().unwrap());
        assert_eq!((&first.raw, last.status), (&last.raw, StatusCode::OK));
        assert!(first.timestamp < last.timestamp && last.signatures_are_valid(&endpoint.secret));
    }
    assert!(scene.log(&endpoint, "?status=failed").await.is_empty());
    let log = scene.log(&endpoint, "").await;
    let attempts: Vec<usize> = log.iter().map(|one| one["attempts"].as_array().unwrap().len()).collect();
    assert!(attempts.iter().sum::<usize>() == 2 + 14 + 3, "those before the replay stay: {attempts:?}");

    // The range ends before `until`, and without a status everything that ended is sent.
    let first_at = log[3]["created_at"].as_str().unwrap();
    let nothing = replay(json!({ "since": since, "until": first_at })).await;
    assert_eq!(nothing.body["deliveries"], 0);
    let all = replay(json!({ "since": first_at, "until": until })).await;
    assert_eq!(all.body["deliveries"], 4);
    scene.end().await;
}

#[tokio::test]
async fn an_event_is_sent_again_to_everyone_it_went_to() {
    let scene = Scene::new().await;
    let (one, other) = (Receiver::start().await.unwrap(), Receiver::start().await.unwrap());
    let own = Receiver::start().await.unwrap();
    let endpoint = scene.endpoint(json!({ "url": one.url })).await;
    let second = scene.endpoint(json!({ "url": other.url })).await;
    let id = scene.decided(Some(&own.url)).await;
    assert_eq!(scene.deliver_then_wait(100).await, 3);
    let event = one.delivered().remove(0).event_id;
    let resend = format!("/v1/developers/events/{event}/resend");
    scene.client.put(&second.path, &json!({ "enabled": false })).await.unwrap();

    let sent = scene.client.post(&resend, &json!({})).await.unwrap();
    assert_eq!((sent.status, &sent.body["deliveries"]), (202, &json!(2)), "{:#}", sent.body);
    assert_eq!(scene.deliver_then_wait(0).await, 2);
    assert_eq!((one.count(), own.count(), other.count()), (2, 2, 1));
    let delivered = one.delivered();
    assert_eq!((&delivered[0].event_id, &delivered[0].raw), (&delivered[1].event_id, &delivered[1].raw));
    assert!(delivered[0].timestamp < delivered[1].timestamp);
    assert!(delivered[1].signatures_are_valid(&endpoint.secret));

    let shown = scene.get(&format!("/v1/developers/events/{event}")).await;
    assert_eq!((&shown["body"], &shown["type"]), (&delivered[0].body, &delivered[0].body["type"]));
    let deliveries = shown["deliveries"].as_array().unwrap();
    assert_eq!(deliveries.len(), 3);
    assert_eq!(deliveries.iter().filter(|delivery| delivery.get("webhook_id").is_none()).count(), 1);
    let actions = scene.get(&format!("/v1/identity/verifications/{id}/audit")).await;
    assert_eq!(actions["data"].as_array().unwrap().last().unwrap()["action"], "event.resent");

    // With the verification goes the event.
    scene.client.delete(&format!("/v1/identity/verifications/{id}")).await.unwrap();
    for answer in
        [scene.client.post(&resend, &json!({})).await, scene.client.get(&resend.replace("/resend", "")).await]
    {
        assert_eq!(answer.unwrap().body["error"]["code"], "not_found");
    }
    scene.end().await;
}

#[tokio::test]
async fn an_erasure_ends_its_deliveries_and_leaves_the_accounts_own_events_alone() {
    let scene = Scene::new().await;
    let receiver = Receiver::start().await.unwrap();
    let endpoint = scene.endpoint(json!({ "url": receiver.url })).await;
    let id = scene.decided(None).await;
    let test = format!("{}/test", endpoint.path);
    scene.client.post(&test, &json!({ "event_type": "identity.verification.completed" })).await.unwrap();
    let erased = scene.client.delete(&format!("/v1/identity/verifications/{id}")).await.unwrap();
    assert_eq!(erased.status, 200);
    let unsent = scene.log(&endpoint, "?status=failed").await;
    assert_eq!((unsent.len(), &unsent[0]["failure_reason"]), (1, &json!("verification_erased")));
    assert_eq!(scene.deliver_then_wait(0).await, 1);
    assert_eq!(receiver.delivered()[0].body["test"], true);
    // Nothing is left of it that a replay could send.
    let range =
        json!({ "since": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z", "status": "failed" });
    let replayed = scene.client.post(&format!("{}/replay", endpoint.path), &range).await.unwrap();
    assert_eq!(replayed.body["deliveries"], 0);
    scene.end().await;
}

#[tokio::test]
async fn what_waits_follows_the_endpoint_to_its_new_address_and_ends_with_it() {
    let scene = Scene::new().await;
    let (wrong, right) = (Receiver::start().await.unwrap(), Receiver::start().await.unwrap());
    let endpoint = scene.endpoint(json!({ "url": wrong.url })).await;
    wrong.answer_with(&[StatusCode::NOT_FOUND]);
    scene.decided(None).await;
    scene.deliver_then_wait(70).await;
    scene.client.put(&endpoint.path, &json!({ "url": right.url })).await.unwrap();
    scene.deliver_then_wait(0).await;
    assert_eq!((wrong.count(), right.count()), (1, 1));
    assert_eq!(scene.log(&endpoint, "").await[0]["url"], right.url);

    scene.decided(None).await;
    let log = scene.log(&endpoint, "?status=pending").await;
    let event = format!("/v1/developers/events/{}", log[0]["event_id"].as_str().unwrap());
    let deleted = scene.client.delete(&endpoint.path).await.unwrap();
    assert_eq!((deleted.status, &deleted.body["deleted"]), (200, &json!(true)));
    scene.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(scene.deliverer.deliver_due().await.unwrap(), 0);
    assert_eq!(right.count(), 1);
    // The event still tells what became of it.
    let delivery = &scene.get(&event).await["deliveries"][0];
    assert_eq!(
        (&delivery["status"], &delivery["failure_reason"]),
        (&json!("failed"), &json!("endpoint_deleted"))
    );
    let resent = scene.client.post(&format!("{event}/resend"), &json!({})).await.unwrap();
    assert_eq!((resent.status, &resent.body["error"]["code"]), (409, &json!("invalid_state")));
    scene.end().await;
}
