//! `POST /v1/identity/liveness`: one picture, or frames of somebody who was asked to do something.

use crate::scene::{Answer, Scene, answer, base64, jpeg};
use futures_util::future::join;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use txid_shared::partial::{
    FrameFace, FrameReading, LivenessOutcome, LivenessResult, QualityIssue, StageResult,
};

const PATH: &str = "/v1/identity/liveness";

fn result(outcome: LivenessOutcome, frames: Vec<FrameReading>) -> StageResult {
    let issues = vec![QualityIssue::new("x", "", 0.1)];
    let judged_frame = (!frames.is_empty()).then_some(0);
    StageResult::Liveness(LivenessResult {
        outcome,
        quality_score: 0.8,
        face: None,
        issues,
        frames,
        judged_frame,
    })
}

fn judged(spoof_probability: f32) -> LivenessOutcome {
    LivenessOutcome::Judged { spoof_probability, spoof_type: None }
}

/// A call whose stage finds `result`.
async fn call(scene: &Scene, request: reqwest::RequestBuilder, result: StageResult) -> Answer {
    let finding = async {
        let id = scene.only_verification().await;
        scene.stage_finds(id, result).await;
    };
    join(answer(request), finding).await.0
}

fn error(answer: &Answer) -> (u16, &str, &str) {
    let error = &answer.body["error"];
    (answer.status, error["code"].as_str().unwrap_or("none"), error["param"].as_str().unwrap_or("none"))
}

fn face(eye_aspect_ratio: f32, yaw_degrees: f32) -> FrameReading {
    let face = FrameFace {
        eye_aspect_ratio,
        yaw_degrees,
        pitch_degrees: -3.0,
        nose_length: 0.6,
        eye_distance_px: 100.0,
        similarity: 0.99,
        quality_score: 0.9,
    };
    FrameReading { faces: 1, face: Some(face) }
}

fn frames(count: u32) -> Vec<Value> {
    (0..count).map(|number| base64(&jpeg(320 + number, 240))).collect()
}

#[tokio::test]
async fn one_picture_is_live_or_not_or_it_cannot_be_told() {
    let unclear = LivenessOutcome::Inconclusive { why: "the face is too small".to_owned() };
    let expected = [(judged(0.02), json!(true)), (judged(0.98), json!(false)), (unclear, Value::Null)];
    for (outcome, is_live) in expected {
        let scene = Scene::new().await;
        let body = json!({ "image": base64(&jpeg(640, 640)) });
        let answer = call(&scene, scene.post(PATH).json(&body), result(outcome, Vec::new())).await;
        assert_eq!((answer.status, &answer.body["is_live"]), (200, &is_live), "{:#}", answer.body);
        assert_eq!((&answer.body["mode"], answer.body.get("active")), (&json!("passive"), None));
        scene.end().await;
    }
}

#[tokio::test]
async fn challenges_are_answered_one_by_one_with_what_was_measured() {
    let scene = Scene::new().await;
    let body =
        json!({ "mode": "active", "frames": frames(4), "challenges": ["blink", "turn_left", "turn_right"] });
    let found = vec![face(0.30, 1.0), face(0.19, 1.0), face(0.30, 2.0), face(0.31, 25.0)];
    let answer = call(&scene, scene.post(PATH).json(&body), result(judged(0.02), found)).await;
    assert_eq!((answer.status, &answer.body["is_live"]), (200, &json!(false)), "{:#}", answer.body);
    let active = &answer.body["active"];
    let of = |number: usize, key: &str| &active["challenges"][number][key];
    assert_eq!((of(0, "type"), of(0, "status")), (&json!("blink"), &json!("passed")));
    assert_eq!(of(0, "frames"), &json!([0, 1, 2]));
    assert!((of(0, "measured").as_f64().unwrap() - 0.19 / 0.30).abs() < 0.01, "{active:#}");
    assert_eq!((of(1, "status"), of(1, "measured")), (&json!("passed"), &json!(24.0)));
    assert_eq!((of(2, "status"), of(2, "threshold")), (&json!("failed"), &json!(15.0)));
    assert_eq!((&active["status"], &active["same_face"]["status"]), (&json!("failed"), &json!("passed")));
    assert_eq!((&active["judged_frame"], active["frames"].as_array().unwrap().len()), (&json!(0), 4));
    assert_eq!(active["frames"][3]["face"]["yaw_degrees"], 25.0);
    assert_eq!(answer.body["reasons"][0]["code"], "liveness_failed");
    assert!((answer.body["spoof_probability"].as_f64().unwrap() - 0.02).abs() < 1e-6);

    // Frames have no address of their own, and go with the call.
    let id = answer.body["id"].as_str().unwrap();
    assert_eq!(scene.blobs(), 4);
    let picture = scene.get(&format!("/v1/identity/documents/doc_{}", &id[4..])).await;
    assert_eq!(picture.status, 404);
    let erase = scene.request(reqwest::Method::DELETE, &format!("/v1/identity/verifications/{id}"));
    assert_eq!(crate::scene::answer(erase.bearer_auth(scene.key.reveal())).await.status, 200);
    assert_eq!(scene.blobs(), 0);
    scene.end().await;
}

#[tokio::test]
async fn frames_as_parts_of_a_form_are_active_and_ask_for_a_blink() {
    let scene = Scene::new().await;
    let part = |number: u32| Part::bytes(jpeg(320 + number, 240)).file_name(format!("{number}.jpg"));
    let form = (0..3).fold(Form::new(), |form, number| form.part("frames", part(number)));
    let found = vec![face(0.30, 1.0), face(0.19, 1.0), face(0.30, 2.0)];
    let answer = call(&scene, scene.post(PATH).multipart(form), result(judged(0.02), found)).await;
    assert_eq!((answer.status, &answer.body["is_live"]), (200, &json!(true)), "{:#}", answer.body);
    assert_eq!((&answer.body["mode"], &answer.body["reasons"]), (&json!("active"), &json!([])));
    assert_eq!(answer.body["active"]["challenges"][0]["type"], "blink");
    scene.end().await;
}

#[tokio::test]
async fn missing_and_several_faces_are_a_result_with_reasons_in_active_mode() {
    let scene = Scene::new().await;
    let nobody = FrameReading { faces: 0, face: None };
    let two = FrameReading { faces: 2, ..face(0.3, 0.0) };
    let body = json!({ "frames": frames(4) });
    let found = vec![face(0.3, 0.0), nobody, two, face(0.3, 0.0)];
    let answer = call(&scene, scene.post(PATH).json(&body), result(judged(0.02), found)).await;
    assert_eq!((answer.status, &answer.body["is_live"]), (200, &Value::Null), "{:#}", answer.body);
    let reasons = answer.body["reasons"].as_array().unwrap();
    let told =
        |code: &str| reasons.iter().find(|reason| reason["code"] == code).unwrap()["message"].to_string();
    assert!(
        told("face_not_detected").contains("[1]") && told("multiple_faces").contains("[2]"),
        "{reasons:?}"
    );
    scene.end().await;

    let scene = Scene::new().await;
    let body = json!({ "image": base64(&jpeg(640, 640)) });
    let answer =
        call(&scene, scene.post(PATH).json(&body), result(LivenessOutcome::NoFace, Vec::new())).await;
    assert_eq!(error(&answer).1, "face_not_detected", "passive: there is nothing to give");
    scene.end().await;
}

#[tokio::test]
async fn wrong_active_calls_name_what_is_wrong_and_store_nothing() {
    let scene = Scene::new().await;
    let picture = base64(&jpeg(640, 640));
    let with = |number: usize, wrong: Value| {
        let mut frames = frames(3);
        frames[number] = wrong;
        json!({ "frames": frames })
    };
    let large: Vec<Value> = (0..5).map(|number| base64(&jpeg(4000, 2600 + number))).collect();
    let wrong = [
        (json!({}), 400, "missing_parameter", "image"),
        (json!({ "mode": "active" }), 400, "missing_parameter", "frames"),
        (json!({ "mode": "active", "image": picture }), 400, "missing_parameter", "frames"),
        (json!({ "mode": "lively", "image": picture }), 400, "invalid_parameter", "mode"),
        (json!({ "mode": "passive", "frames": frames(2) }), 400, "invalid_parameter", "frames"),
        (json!({ "image": picture, "challenges": ["blink"] }), 400, "invalid_parameter", "challenges"),
        (json!({ "frames": frames(1) }), 400, "invalid_parameter", "frames"),
        (json!({ "frames": frames(17) }), 400, "invalid_parameter", "frames"),
        (json!({ "frames": [] }), 400, "missing_parameter", "frames"),
        (json!({ "frames": picture }), 400, "invalid_parameter", "frames"),
        (json!({ "frames": frames(2), "challenges": ["smile"] }), 400, "invalid_parameter", "challenges"),
        (json!({ "frames": frames(2), "challenges": [] }), 400, "invalid_parameter", "challenges"),
        (with(1, json!("!")), 400, "invalid_parameter", "frames[1]"),
        (with(2, base64(&jpeg(100, 100))), 422, "image_too_small", "frames[2]"),
        (with(0, base64(b"GIF89a")), 422, "unsupported_media", "frames[0]"),
        (with(1, base64(&jpeg(320, 240)[..200])), 422, "invalid_document", "frames[1]"),
        (json!({ "frames": large }), 422, "image_too_large", "frames"),
    ];
    for (body, status, code, param) in wrong {
        let answer = answer(scene.post(PATH).json(&body)).await;
        let text = body.to_string().chars().take(120).collect::<String>();
        assert_eq!(error(&answer), (status, code, param), "{text}");
    }
    scene.assert_nothing_stored().await;
    scene.end().await;
}
