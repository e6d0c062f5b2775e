//! `Idempotency-Key`: what is sent again is not made again.

use crate::scene::{Answer, Scene, answer, card, passport};
use futures_util::future::join_all;
use serde_json::{Value, json};
use txid_shared::words::Stage;

const KEY: &str = "order-2026-000001";

async fn verify(scene: &Scene, key: &str, body: &Value) -> Answer {
    answer(scene.post("/v1/identity/verify").header("Idempotency-Key", key).json(body)).await
}

fn asynchronous(mut body: Value) -> Value {
    body["mode"] = json!("async");
    body
}

#[tokio::test]
async fn the_same_request_gets_the_same_bytes_and_the_first_request_id() {
    let scene = Scene::new().await;
    let body = asynchronous(card());
    let post = || scene.post("/v1/identity/verify").header("Idempotency-Key", KEY).json(&body);
    let first = post().send().await.unwrap();
    let again = post().header("X-Request-ID", "req_second").send().await.unwrap();
    assert_eq!((first.status(), again.status()), (201.try_into().unwrap(), 201.try_into().unwrap()));
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert!(first.headers().get("idempotent-replayed").is_none());
    assert_eq!(first.headers()["x-request-id"], again.headers()["x-request-id"]);
    assert_eq!(first.bytes().await.unwrap(), again.bytes().await.unwrap());
    assert_eq!((scene.count("verifications").await, scene.count("audit").await), (1, 1));
    assert_eq!(scene.blobs(), 3, "the second request's images are gone");
    scene.end().await;
}

#[tokio::test]
async fn another_body_conflicts_and_another_key_of_the_account_does_not() {
    let scene = Scene::new().await;
    let body = asynchronous(passport());
    assert_eq!(verify(&scene, KEY, &body).await.status, 201);
    let mut other = body.clone();
    other["metadata"] = json!({ "user_id": "u-2" });
    let conflict = verify(&scene, KEY, &other).await;
    assert_eq!((conflict.status, &conflict.body["error"]["code"]), (409, &json!("idempotency_key_conflict")));
    assert_eq!(conflict.body["error"]["type"], "idempotency_error");
    let someone = scene.key_with(txid_shared::words::Permission::ALL).await;
    let theirs = scene.request(reqwest::Method::POST, "/v1/identity/verify").bearer_auth(someone.reveal());
    assert_eq!(answer(theirs.header("Idempotency-Key", KEY).json(&other)).await.status, 201);
    assert_eq!(scene.count("verifications").await, 2);
    scene.end().await;
}

#[tokio::test]
async fn what_was_refused_before_it_began_leaves_no_record() {
    let scene = Scene::new().await;
    let mut wrong = asynchronous(passport());
    wrong["country"] = json!("XX");
    assert_eq!(verify(&scene, KEY, &wrong).await.status, 422);
    assert_eq!(scene.count("idempotency").await, 0);
    assert_eq!(verify(&scene, KEY, &asynchronous(passport())).await.status, 201);
    for unfit in ["short", "with spaces in it", &"x".repeat(256)] {
        let refused = verify(&scene, unfit, &asynchronous(passport())).await;
        assert_eq!((refused.status, &refused.body["error"]["param"]), (400, &json!("Idempotency-Key")));
    }
    scene.end().await;
}

#[tokio::test]
async fn fifty_at_once_make_one_verification() {
    let scene = Scene::new().await;
    let body = asynchronous(passport());
    let answers = join_all((0..50).map(|_| verify(&scene, KEY, &body))).await;
    let made = answers.iter().filter(|a| a.status == 201 && !a.headers.contains_key("idempotent-replayed"));
    assert_eq!(made.count(), 1);
    let ids: std::collections::BTreeSet<String> = answers
        .iter()
        .filter(|answer| answer.status == 201)
        .map(|answer| answer.body["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    for other in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!((other.status, &other.body["error"]["code"]), (409, &json!("idempotency_in_progress")));
        assert!(other.headers.contains_key("retry-after"));
    }
    assert_eq!((scene.count("verifications").await, scene.count("idempotency").await), (1, 1));
    assert_eq!((scene.count("audit").await, scene.blobs()), (1, 1));
    scene.end().await;
}

#[tokio::test]
async fn a_synchronous_call_is_in_progress_until_it_is_decided_and_then_repeats_its_verdict() {
    let scene = Scene::new().await;
    let body = passport();
    let waiting = verify(&scene, KEY, &body);
    let meanwhile = async {
        let id = scene.only_verification().await;
        let busy = verify(&scene, KEY, &body).await;
        assert_eq!((busy.status, &busy.body["error"]["code"]), (409, &json!("idempotency_in_progress")));
        scene.stage_ends(id, Stage::Ocr).await;
    };
    let (first, ()) = futures_util::future::join(waiting, meanwhile).await;
    assert_eq!(first.status, 200, "{:#}", first.body);
    let again = verify(&scene, KEY, &body).await;
    assert_eq!((again.status, again.body), (200, first.body));
    scene.end().await;
}

#[tokio::test]
async fn a_caller_who_did_not_wait_gets_the_verdict_when_he_asks_again() {
    let scene = Scene::new().await;
    let body = passport();
    let hung_up = tokio::select! {
        _ = verify(&scene, KEY, &body) => None,
        id = scene.only_verification() => Some(id),
    };
    let id = hung_up.expect("no stage runs, so nobody answers");
    scene.stage_ends(id, Stage::Ocr).await;
    let again = verify(&scene, KEY, &body).await;
    assert_eq!((again.status, &again.body["id"]), (200, &json!(id.to_string())));
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(scene.count("verifications").await, 1);
    scene.end().await;
}

#[tokio::test]
async fn after_a_day_a_key_is_free_again_and_an_erased_answer_stays_erased() {
    let scene = Scene::new().await;
    let body = asynchronous(passport());
    let first = verify(&scene, KEY, &body).await;
    let path = format!("/v1/identity/verifications/{}", first.body["id"].as_str().unwrap());
    let gone = scene.request(reqwest::Method::DELETE, &path).bearer_auth(scene.key.reveal());
    assert_eq!(answer(gone).await.status, 200);
    let again = verify(&scene, KEY, &body).await;
    assert_eq!((again.status, &again.body["error"]["code"]), (404, &json!("not_found")));
    scene.clock.advance(jiff::SignedDuration::from_hours(25));
    let fresh = verify(&scene, KEY, &body).await;
    assert_eq!(fresh.status, 201);
    assert_ne!(fresh.body["id"], first.body["id"]);
    assert_eq!(scene.count("idempotency").await, 1);
    scene.end().await;
}
