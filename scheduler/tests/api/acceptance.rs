//! What an accepted request leaves behind, and how its caller learns the end.

use super::scene::{Scene, answer, base64, card, jpeg, passport};
use serde_json::json;
use txid_shared::request::SealedRequest;
use txid_shared::words::{Stage, Status};

#[tokio::test]
async fn an_accepted_request_is_stored_whole_and_sealed() {
    let scene = Scene::new().await;
    let mut body = card();
    body["expected"] = json!({ "full_name": "Mohammed El Amrani" });
    body["webhook_url"] = json!("https://example.com/hook?token=secret");
    let id = scene.accepted(&body).await;

    let case = scene.case(id).await;
    assert_eq!(case.status, Status::Pending);
    assert_eq!(case.stages, Stage::ALL);
    assert_eq!(case.metadata["user_id"], "u-1");
    assert_eq!((case.images[2].width_px, case.images[2].height_px), (640, 640));
    let key = scene.services.context.store.data_key(&case).await.unwrap();
    let request = SealedRequest::open(&key, id, case.sealed_request.as_ref().unwrap()).unwrap();
    assert_eq!(request.expected["full_name"], "Mohammed El Amrani");
    assert_eq!(request.webhook_url.as_deref(), Some("https://example.com/hook?token=secret"));

    assert_eq!(scene.blobs(), 3);
    let name = format!("{}/{id}/selfie", scene.account);
    assert_eq!(scene.services.blobs.get(&key, &name).await.unwrap(), jpeg(640, 640));
    // Neither name nor secret stands readable in the row.
    let row: String = sqlx::query_scalar("SELECT verifications::text FROM verifications")
        .fetch_one(&scene.database)
        .await
        .unwrap();
    assert!(row.contains("u-1") && !row.contains("Amrani") && !row.contains("token"), "{row}");
    assert_eq!(scene.count("audit").await, 1);
    scene.end().await;
}

#[tokio::test]
async fn form_parts_mean_the_same_as_json() {
    let scene = Scene::new().await;
    let file =
        |bytes| reqwest::multipart::Part::bytes(bytes).file_name("x.jpg").mime_str("image/jpeg").unwrap();
    let form = reqwest::multipart::Form::new()
        .part("document_front", file(jpeg(1280, 720)))
        .part("document_back", file(jpeg(1280, 721)))
        .part("selfie", file(jpeg(640, 640)))
        .text("country", "MA")
        .text("document_type", "cin")
        .text("checks", "ocr")
        .text("checks", "face_match")
        .text("mode", "async")
        .text("metadata", r#"{"user_id":"u-1"}"#)
        .text("thresholds", r#"{"face_match":0.9}"#);
    let by_form = answer(scene.post("/v1/identity/verify").multipart(form)).await;
    assert_eq!(by_form.status, 201, "{:#}", by_form.body);
    let mut body = card();
    body["checks"] = json!(["ocr", "face_match"]);
    body["thresholds"] = json!({ "face_match": 0.9 });
    body["selfie"] = json!(format!("data:image/jpeg;base64,{}", base64(&jpeg(640, 640)).as_str().unwrap()));
    let by_json = scene.case(scene.accepted(&body).await).await;
    let by_form = scene.case(by_form.body["id"].as_str().unwrap().parse().unwrap()).await;
    assert_eq!(by_form.images, by_json.images);
    assert_eq!(by_form.checks, by_json.checks);
    assert_eq!(by_form.metadata, by_json.metadata);
    assert_eq!(by_form.declared, by_json.declared);
    scene.end().await;
}

#[tokio::test]
async fn a_caller_who_waits_gets_the_verdict() {
    let scene = Scene::new().await;
    let body = passport();
    let worker = async {
        // The job arrives once the relay has published it.
        let source = txid_shared::queue::Source::Jobs(Stage::Ocr, txid_shared::words::Lane::Interactive);
        let mut jobs = scene.services.queue.consume(source, 1).await.unwrap();
        let received = jobs.next().await.unwrap();
        let job = received.job.clone().unwrap();
        scene.stage_ends(job.verification_id, job.stage).await;
        received.acknowledge().await;
        job.verification_id
    };
    let (answer, id) = tokio::join!(scene.verify(&body), worker);
    assert_eq!(answer.status, 200, "{:#}", answer.body);
    assert_eq!(answer.body["id"], id.to_string());
    // Nothing was readable on the picture.
    assert_eq!(answer.body["status"], "failed");
    assert_eq!(answer.body["checks"]["ocr"]["status"], "failed");
    assert_eq!(scene.get(&format!("/v1/identity/verifications/{id}")).await.body, answer.body);
    scene.end().await;
}

#[tokio::test]
async fn a_caller_whose_time_is_up_gets_202_and_the_verification_goes_on() {
    let scene = Scene::with(&[("server.sync_wait_ms", "20")]).await;
    let answer = scene.verify(&passport()).await;
    assert_eq!(answer.status, 202, "{:#}", answer.body);
    assert_eq!(answer.body["status"], "pending");
    let id = answer.body["id"].as_str().unwrap().parse().unwrap();
    scene.stage_ends(id, Stage::Ocr).await;
    assert_eq!(scene.get(&format!("/v1/identity/verifications/{id}")).await.body["status"], "failed");
    scene.end().await;
}

#[tokio::test]
async fn a_lost_wake_up_costs_half_a_second_not_the_verdict() {
    let scene = Scene::new().await;
    let body = passport();
    let worker = async {
        let source = txid_shared::queue::Source::Jobs(Stage::Ocr, txid_shared::words::Lane::Interactive);
        let mut jobs = scene.services.queue.consume(source, 1).await.unwrap();
        let received = jobs.next().await.unwrap();
        // Decided behind the back of the partials, so that nobody is woken.
        sqlx::query("UPDATE verifications SET status = 'error'").execute(&scene.database).await.unwrap();
        received.acknowledge().await;
    };
    let (answer, ()) = tokio::join!(scene.verify(&body), worker);
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("error")));
    scene.end().await;
}

#[tokio::test]
async fn a_request_that_cannot_be_stored_leaves_no_images() {
    let scene = Scene::new().await;
    let key = scene.key.reveal().to_owned();
    // The account's key is loaded and the images are written before the row is.
    sqlx::query("ALTER TABLE outbox RENAME TO outbox_away").execute(&scene.database).await.unwrap();
    let refused = answer(scene.post("/v1/identity/verify").bearer_auth(key).json(&passport())).await;
    assert_eq!(refused.status, 503, "{:#}", refused.body);
    assert_eq!(refused.body["error"]["code"], "service_unavailable");
    assert_eq!(refused.headers["retry-after"], "5");
    sqlx::query("ALTER TABLE outbox_away RENAME TO outbox").execute(&scene.database).await.unwrap();
    scene.assert_nothing_stored().await;
    scene.end().await;
}
