//! Each thing that can be wrong with a request: the contract's code, status and `param`, and nothing
//! stored.

use super::scene::{Answer, Scene, answer, base64, card, encoded, jpeg};
use serde_json::{Value, json};
use txid_shared::store::NewKey;
use txid_shared::words::Permission;

/// Status, code, param.
fn refusal(answer: &Answer) -> (u16, &str, &str) {
    let error = &answer.body["error"];
    let request_id = answer.headers["x-request-id"].to_str().unwrap();
    assert_eq!(error["request_id"], request_id, "{:#}", answer.body);
    assert!(!error["message"].as_str().unwrap().is_empty());
    assert!(error["type"].as_str().unwrap().ends_with("_error"));
    (answer.status, error["code"].as_str().unwrap(), error["param"].as_str().unwrap_or("-"))
}

fn card_with(field: &str, value: Value) -> Value {
    let mut body = card();
    body[field] = value;
    body
}

#[tokio::test]
async fn bad_images_are_refused_by_name_and_leave_nothing_behind() {
    let scene = Scene::new().await;
    let good = jpeg(1280, 720);
    let mut bomb = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    bomb.extend_from_slice(&50_000u32.to_be_bytes());
    bomb.extend_from_slice(&50_000u32.to_be_bytes());
    bomb.extend_from_slice(&[8, 2, 0, 0, 0, 0, 0, 0, 0]);
    let mut eleven_megabytes = good.clone();
    eleven_megabytes.resize(11 * 1024 * 1024, 0);
    let png = encoded(1280, 720, image::ImageFormat::Png);
    for (what, bytes, expected) in [
        ("a truncated JPEG", &good[..good.len() / 2], (422, "invalid_document")),
        ("a truncated PNG", &png[..png.len() / 2], (422, "invalid_document")),
        ("a PNG bomb", &bomb[..], (422, "image_too_large")),
        ("a text", b"I am a text named .jpg".as_slice(), (422, "unsupported_media")),
        ("11 MB", &eleven_megabytes[..], (422, "image_too_large")),
        ("400×300", &jpeg(400, 300)[..], (422, "image_too_small")),
    ] {
        for field in ["document_front", "document_back"] {
            let answer = scene.verify(&card_with(field, base64(bytes))).await;
            assert_eq!(refusal(&answer), (expected.0, expected.1, field), "{what}");
        }
    }
    let answer = scene.verify(&card_with("selfie", base64(&jpeg(100, 100)))).await;
    assert_eq!(refusal(&answer), (422, "image_too_small", "selfie"));
    scene.assert_nothing_stored().await;
    scene.end().await;
}

#[tokio::test]
async fn the_same_bad_images_are_refused_as_form_parts() {
    let scene = Scene::new().await;
    let form = |name: &str, bytes: Vec<u8>| {
        let part = |bytes| reqwest::multipart::Part::bytes(bytes).file_name("front.jpg");
        let mut form = reqwest::multipart::Form::new()
            .text("country", "MA")
            .text("document_type", "national_id")
            .text("checks", "ocr,fraud");
        for field in ["document_front", "document_back"] {
            form = form.part(field, part(if field == name { bytes.clone() } else { jpeg(1280, 720) }));
        }
        scene.post("/v1/identity/verify").multipart(form)
    };
    let text = answer(form("document_front", b"I am a text named .jpg".to_vec())).await;
    assert_eq!(refusal(&text), (422, "unsupported_media", "document_front"));
    let large = answer(form("document_back", vec![0xFF; 11 * 1024 * 1024])).await;
    assert_eq!(refusal(&large), (422, "image_too_large", "document_back"));
    let small = answer(form("document_back", jpeg(400, 300))).await;
    assert_eq!(refusal(&small), (422, "image_too_small", "document_back"));
    scene.assert_nothing_stored().await;
    scene.end().await;
}

#[tokio::test]
async fn countries_documents_and_missing_sides_are_named() {
    let scene = Scene::new().await;
    for (field, value, expected) in [
        ("country", json!("XX"), (422, "unsupported_country", "country")),
        ("document_type", json!("voter_id"), (422, "unsupported_document", "document_type")),
        ("document_back", Value::Null, (400, "missing_parameter", "document_back")),
        ("selfie", Value::Null, (400, "missing_parameter", "selfie")),
        ("document_front", Value::Null, (400, "missing_parameter", "document_front")),
        ("country", Value::Null, (400, "missing_parameter", "country")),
        ("checks", json!(["duplicates"]), (400, "invalid_parameter", "checks")),
        ("webhook_url", json!("file:///etc/passwd"), (400, "invalid_parameter", "webhook_url")),
        ("thresholds", json!({"face_match": 2}), (400, "invalid_parameter", "thresholds.face_match")),
        ("metadata", json!([1]), (400, "invalid_parameter", "metadata")),
        ("documentfront", json!("x"), (400, "invalid_parameter", "documentfront")),
    ] {
        let answer = scene.verify(&card_with(field, value)).await;
        assert_eq!(refusal(&answer), expected, "{field}");
    }
    scene.assert_nothing_stored().await;
    scene.end().await;
}

#[tokio::test]
async fn keys_without_the_right_are_refused_before_the_body_is_looked_at() {
    let scene = Scene::new().await;
    let send = |key: Option<String>| {
        let request = scene.request(reqwest::Method::POST, "/v1/identity/verify").json(&json!({"x": 1}));
        answer(match key {
            Some(key) => request.bearer_auth(key),
            None => request,
        })
    };
    assert_eq!(refusal(&send(None).await), (401, "unauthorized", "-"));
    assert_eq!(refusal(&send(Some("txc_live_wrong".to_owned())).await), (401, "unauthorized", "-"));
    let reader = scene.key_with(&[Permission::IdentityRead]).await;
    assert_eq!(refusal(&send(Some(reader.reveal().to_owned())).await), (403, "forbidden", "-"));

    let (store, now) = (&scene.services.context.store, scene.services.context.clock.now());
    let all = NewKey { permissions: Permission::ALL.to_vec(), ..NewKey::default() };
    let revoked = store.create_api_key(scene.account, &all, "test", now).await.unwrap();
    let key = revoked.secret.reveal().to_owned();
    // It works until it is revoked, and not once more: nothing remembers it.
    assert_eq!(refusal(&send(Some(key.clone())).await).1, "invalid_parameter");
    assert!(store.revoke_api_key(revoked.id, "test", now).await.unwrap());
    assert_eq!(refusal(&send(Some(key)).await), (401, "key_revoked", "-"));

    let expiry = Some(now + jiff::SignedDuration::from_secs(60));
    let expiring = NewKey { expires_at: expiry, ..all };
    let expiring = store.create_api_key(scene.account, &expiring, "test", now).await.unwrap();
    let key = expiring.secret.reveal().to_owned();
    assert_eq!(refusal(&send(Some(key.clone())).await).1, "invalid_parameter");
    scene.clock.advance(jiff::SignedDuration::from_secs(60));
    assert_eq!(refusal(&send(Some(key)).await), (401, "key_expired", "-"));
    scene.assert_nothing_stored().await;
    scene.end().await;
}

#[tokio::test]
async fn whatever_goes_wrong_has_the_error_body() {
    let scene = Scene::new().await;
    let verify = || scene.post("/v1/identity/verify");
    let malformed =
        answer(verify().body("{\"country\": Mohammed}").header("content-type", "application/json")).await;
    assert_eq!(refusal(&malformed), (400, "invalid_request", "-"));
    let message = malformed.body["error"]["message"].as_str().unwrap();
    assert!(message.contains("line 1, column 13") && !message.contains("Mohammed"), "{message}");
    let other = answer(verify().body("x").header("content-type", "text/plain")).await;
    assert_eq!(refusal(&other), (415, "invalid_request", "-"));
    let broken = answer(verify().body("x").header("content-type", "multipart/form-data")).await;
    assert_eq!(refusal(&broken), (400, "invalid_request", "-"));
    let huge =
        answer(verify().body(vec![b' '; 46 * 1024 * 1024]).header("content-type", "application/json")).await;
    assert_eq!(refusal(&huge), (413, "image_too_large", "-"));
    assert_eq!(refusal(&scene.get("/v1/nothing").await), (404, "not_found", "-"));
    let wrong_method = answer(scene.request(reqwest::Method::DELETE, "/v1/identity/verify")).await;
    assert_eq!(refusal(&wrong_method), (405, "invalid_request", "-"));

    // The caller's own id comes back; one that is not fit for a header line does not.
    let own = answer(verify().json(&json!({})).header("x-request-id", "order-7")).await;
    assert_eq!(own.headers["x-request-id"], "order-7");
    let unfit = answer(verify().json(&json!({})).header("x-request-id", "x".repeat(300))).await;
    assert!(unfit.headers["x-request-id"].to_str().unwrap().starts_with("req_"));
    scene.assert_nothing_stored().await;
    scene.end().await;
}

#[tokio::test]
async fn low_resolution_is_refused_only_on_request() {
    let scene = Scene::new().await;
    let mut body = card_with("document_front", base64(&jpeg(800, 600)));
    body["thresholds"] = json!({ "reject_low_resolution": true });
    assert_eq!(refusal(&scene.verify(&body).await), (422, "image_too_small", "document_front"));
    scene.assert_nothing_stored().await;
    body["thresholds"] = json!({});
    scene.accepted(&body).await;
    scene.end().await;
}
