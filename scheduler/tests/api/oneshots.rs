//! Calls for one stage, validation, and the pictures that were sent.

use crate::scene::{Answer, Scene, answer, base64, jpeg};
use futures_util::future::join;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use txid_shared::partial::{FaceMatchOutcome, FaceMatchResult, Field, FieldSource, OcrResult, StageResult};
use txid_shared::words::ImageRole;

/// A call whose one stage finds `result`.
async fn call(scene: &Scene, path: &str, body: &Value, result: StageResult) -> Answer {
    let finding = async {
        let id = scene.only_verification().await;
        scene.stage_finds(id, result).await;
    };
    join(answer(scene.post(path).json(body)), finding).await.0
}

fn code(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.body["error"]["code"].as_str().unwrap_or("none"))
}

fn document() -> Value {
    json!({ "document_front": base64(&jpeg(1280, 720)), "country": "FR", "document_type": "passport" })
}

#[tokio::test]
async fn an_extraction_shows_what_was_read_and_is_no_verification() {
    let scene = Scene::new().await;
    let field = Field {
        value: "1990-05-15".to_owned(),
        raw: "15 05 1990".to_owned(),
        confidence: 0.97,
        source: FieldSource::Visual,
        image: ImageRole::DocumentFront,
        polygon: [[0.0; 2]; 4],
    };
    let fields = BTreeMap::from([("date_of_birth".to_owned(), field)]);
    let read = OcrResult { readable: true, fields, ..OcrResult::default() };
    let answer = call(&scene, "/v1/identity/extract", &document(), StageResult::Ocr(read)).await;
    assert_eq!(
        (answer.status, &answer.body["object"]),
        (200, &json!("identity.extraction")),
        "{:#}",
        answer.body
    );
    assert_eq!(answer.body["extracted_data"]["date_of_birth"], "1990-05-15");
    assert_eq!(scene.count("events").await, 0, "nobody is told");
    let path = format!("/v1/identity/verifications/{}", answer.body["id"].as_str().unwrap());
    assert_eq!(scene.get(&path).await.status, 404);
    assert_eq!(scene.get("/v1/identity/verifications").await.body["data"], json!([]));
    let erased =
        crate::scene::answer(scene.request(Method::DELETE, &path).bearer_auth(scene.key.reveal())).await;
    assert_eq!((erased.status, scene.blobs()), (200, 0));
    scene.end().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error_of_the_call() {
    let scene = Scene::new().await;
    let nothing = StageResult::Ocr(OcrResult::default());
    let answer = call(&scene, "/v1/identity/extract", &document(), nothing).await;
    assert_eq!(code(&answer), (422, "document_unreadable"));
    assert!(answer.body["error"]["message"].as_str().unwrap().contains("no text"));
    scene.end().await;
}

fn two_faces() -> Value {
    json!({ "image_1": base64(&jpeg(400, 400)), "image_2": base64(&jpeg(401, 400)) })
}

async fn compared(outcome: FaceMatchOutcome, body: &Value) -> Answer {
    let scene = Scene::new().await;
    let result = StageResult::FaceMatch(FaceMatchResult { outcome, faces: Vec::new(), issues: Vec::new() });
    let answer = call(&scene, "/v1/identity/face-match", body, result).await;
    scene.end().await;
    answer
}

#[tokio::test]
async fn faces_are_compared_against_the_threshold_asked_for() {
    let alike = || FaceMatchOutcome::Compared { similarity: 0.85, cosine: 0.5, confidence: 0.9 };
    let answer = compared(alike(), &two_faces()).await;
    assert_eq!((answer.status, &answer.body["match"]), (200, &json!(true)), "{:#}", answer.body);
    assert!((answer.body["threshold"].as_f64().unwrap() - 0.8).abs() < 1e-6);
    let mut strict = two_faces();
    strict["threshold"] = json!(0.9);
    let answer = compared(alike(), &strict).await;
    assert_eq!(answer.body["match"], false);
    assert_eq!(answer.body["reasons"][0]["code"], "face_mismatch");
}

#[tokio::test]
async fn no_face_several_faces_and_poor_faces_are_errors_that_name_the_field() {
    let none = FaceMatchOutcome::NoFace { image: ImageRole::DocumentFront };
    let answer = compared(none, &two_faces()).await;
    assert_eq!(code(&answer), (422, "face_not_detected"));
    assert!(answer.body["error"]["message"].as_str().unwrap().contains("`image_1`"));
    let several = FaceMatchOutcome::SeveralFaces { image: ImageRole::Selfie, count: 2 };
    let answer = compared(several, &two_faces()).await;
    assert_eq!(code(&answer), (422, "multiple_faces"));
    assert!(answer.body["error"]["message"].as_str().unwrap().contains("`image_2`"));
    let poor = FaceMatchOutcome::Compared { similarity: 0.9, cosine: 0.6, confidence: 0.01 };
    assert_eq!(code(&compared(poor, &two_faces()).await), (422, "image_quality_too_low"));
}

#[tokio::test]
async fn a_stage_that_does_not_come_in_time_is_told_so_and_may_be_asked_again() {
    let scene = Scene::with(&[("server.sync_wait_ms", "50")]).await;
    let answer = answer(scene.post("/v1/identity/extract").json(&document())).await;
    assert_eq!(code(&answer), (503, "service_unavailable"));
    assert!(answer.headers.contains_key("retry-after"));
    scene.end().await;
}

#[tokio::test]
async fn wrong_calls_name_what_is_wrong() {
    let scene = Scene::new().await;
    let picture = base64(&jpeg(1280, 720));
    let wrong = [
        ("extract", json!({}), "missing_parameter", "document_front"),
        (
            "extract",
            json!({ "document_front": picture, "country": "FR" }),
            "missing_parameter",
            "document_type",
        ),
        ("face-match", json!({ "image_1": picture }), "missing_parameter", "image_2"),
        (
            "face-match",
            json!({ "image_1": picture, "image_2": picture, "threshold": 7 }),
            "invalid_parameter",
            "threshold",
        ),
        ("liveness", json!({ "image": "!" }), "invalid_parameter", "image"),
        ("validate", json!({ "image": picture, "side": "left" }), "invalid_parameter", "side"),
    ];
    for (path, body, code, param) in wrong {
        let answer = answer(scene.post(&format!("/v1/identity/{path}")).json(&body)).await;
        let error = &answer.body["error"];
        assert_eq!(
            (answer.status, &error["code"], &error["param"]),
            (400, &json!(code), &json!(param)),
            "{path}"
        );
    }
    scene.assert_nothing_stored().await;
    scene.end().await;
}

#[tokio::test]
async fn validation_needs_no_worker_and_says_what_to_do() {
    let scene = Scene::new().await;
    let body = json!({ "image": base64(&jpeg(900, 600)), "side": "front" });
    let answer = answer(scene.post("/v1/identity/validate").json(&body)).await;
    assert_eq!((answer.status, &answer.body["valid"]), (200, &json!(false)), "{:#}", answer.body);
    let codes: Vec<&str> =
        answer.body["issues"].as_array().unwrap().iter().filter_map(|issue| issue["code"].as_str()).collect();
    assert!(codes.contains(&"too_dark") && codes.contains(&"low_resolution"), "{codes:?}");
    assert!(!answer.body["recommendations"].as_array().unwrap().is_empty());
    scene.assert_nothing_stored().await;
    scene.end().await;
}

#[tokio::test]
async fn a_picture_can_be_fetched_by_a_signed_address_until_its_time_is_over() {
    let scene = Scene::new().await;
    let id = scene.accepted(&crate::scene::passport()).await;
    let document = id.document(ImageRole::DocumentFront);
    let shown = scene.get(&format!("/v1/identity/documents/{document}")).await;
    assert_eq!((shown.status, &shown.body["verification_id"]), (200, &json!(id.to_string())));
    let none = id.document(ImageRole::Selfie);
    assert_eq!(scene.get(&format!("/v1/identity/documents/{none}")).await.status, 404);

    let given = scene.get(&format!("/v1/identity/documents/{document}/download")).await;
    let url = given.body["url"].as_str().unwrap().to_owned();
    let path = url.strip_prefix(&format!("http://{}", scene.address)).unwrap();
    let fetched = scene.request(Method::GET, path).send().await.unwrap();
    assert_eq!(fetched.status().as_u16(), 200);
    assert_eq!(fetched.headers()["content-type"], "image/jpeg");
    assert_eq!(fetched.bytes().await.unwrap(), jpeg(1280, 720));

    let forged = path.replace("token=A", "token=B").replace(&document.to_string(), &none.to_string());
    assert_eq!(code(&answer(scene.request(Method::GET, &forged)).await), (401, "unauthorized"));
    let stranger = scene.key_of_another_account().await;
    let theirs = scene.request(Method::GET, &format!("/v1/identity/documents/{document}/download"));
    assert_eq!(answer(theirs.bearer_auth(stranger.reveal())).await.status, 404);
    scene.clock.advance(jiff::SignedDuration::from_mins(31));
    assert_eq!(code(&answer(scene.request(Method::GET, path)).await), (403, "forbidden"));
    scene.end().await;
}
