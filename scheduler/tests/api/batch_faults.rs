//! What can be wrong with a batch, and how it is told: the whole, and line by line.

use super::batches::{file, open, results, row, steer, until};
use super::scene::{Scene, answer, base64, jpeg};
use serde_json::{Value, json};

#[tokio::test]
async fn what_is_wrong_with_a_request_is_named() {
    let scene = Scene::new().await;
    let one = json!([{ "custom_id": "a" }]);
    let nobodys = "upload:upl_01JDC3Z5V00000000000000000";
    for (body, status, param) in [
        (json!({}), 400, "manifest"),
        (json!({ "rows": one, "nmae": "x" }), 400, "nmae"),
        (json!({ "rows": "a" }), 400, "rows"),
        (json!({ "rows": one, "manifest": nobodys }), 400, "rows"),
        (json!({ "manifest": "zip:a" }), 400, "manifest"),
        (json!({ "manifest": "file:/etc/passwd" }), 403, "manifest"),
        (json!({ "manifest": nobodys }), 404, "manifest"),
        (json!({ "rows": one, "archive": nobodys }), 404, "archive"),
        (json!({ "rows": one, "defaults": { "selfie": "x" } }), 400, "defaults.selfie"),
        (json!({ "rows": one, "failure_threshold_percent": 101 }), 400, "failure_threshold_percent"),
        (json!({ "rows": one, "expires_in": 1 }), 400, "expires_in"),
        (json!({ "rows": one, "validate_only": "yes" }), 400, "validate_only"),
    ] {
        let refused = answer(scene.post("/v1/identity/batches").json(&body)).await;
        assert_eq!((refused.status, &refused.body["error"]["param"]), (status, &json!(param)), "{body}");
    }
    assert_eq!(scene.count("batches").await, 0);
    scene.end().await;
}

#[tokio::test]
async fn a_manifest_that_is_none_fails_the_batch() {
    let scene = Scene::new().await;
    // More rows than are written together, so that some were read before.
    let good: String = (0..1200).map(|n| format!("{n},zip:a.jpg,FR\n")).collect();
    let unclosed = format!("custom_id,document_front,country\n{good}\"b,zip:b.jpg,FR\n{good}");
    for (content, told) in
        [("name,country\na,MA\n", "custom_id"), ("\n\n", "no rows"), (unclosed.as_str(), "line 1202")]
    {
        let part = reqwest::multipart::Part::text(content.to_owned()).file_name("manifest.csv");
        let form = reqwest::multipart::Form::new().part("manifest", part);
        let opened = answer(scene.post("/v1/identity/batches").multipart(form)).await;
        assert_eq!(opened.status, 201, "{:#}", opened.body);
        let batch = until(&scene, opened.body["id"].as_str().unwrap(), "failed").await;
        assert!(batch["error"]["message"].as_str().unwrap().contains(told), "{batch:#}");
        assert_eq!(batch["error"]["param"], "manifest");
        assert_eq!(batch["counts"]["total"], 0, "what was read of it goes");
    }
    scene.end().await;
}

/// A picture with one thing changed.
fn with(custom_id: &str, member: &str, value: Value) -> Value {
    let mut row = row(custom_id, 1280);
    row[member] = value;
    row
}

#[tokio::test]
async fn each_fault_is_found_before_the_start_with_its_line() {
    let scene = Scene::with(&[("batches.fetch_timeout_ms", "300")]).await;
    let mut truncated = jpeg(1280, 720);
    truncated.truncate(truncated.len() / 2);
    let faults = [
        (with("country", "country", json!("XX")), "unsupported_country", "country"),
        (with("type", "document_type", json!("voter_id")), "unsupported_document", "document_type"),
        (with("back", "document_type", json!("national_id")), "missing_parameter", "document_back"),
        (with("selfie", "checks", json!(["face_match"])), "missing_parameter", "selfie"),
        (with("check", "checks", json!(["retina"])), "invalid_parameter", "checks"),
        (with("field", "selfy", json!("x")), "invalid_parameter", "selfy"),
        (with("text", "document_front", base64(b"not a picture")), "unsupported_media", "document_front"),
        (with("cut", "document_front", base64(&truncated)), "invalid_document", "document_front"),
        (with("small", "document_front", base64(&jpeg(400, 300))), "image_too_small", "document_front"),
        (with("base64", "document_front", json!("?!")), "invalid_parameter", "document_front"),
        (
            with("upload", "document_front", json!("upload:upl_01JDC3Z5V00000000000000000")),
            "not_found",
            "document_front",
        ),
        (with("zip", "document_front", json!("zip:a.jpg")), "not_found", "document_front"),
        (with("s3", "document_front", json!("s3://elsewhere/a.jpg")), "forbidden", "document_front"),
        (with("file", "document_front", json!("file:/etc/passwd")), "forbidden", "document_front"),
        (with("inside", "document_front", json!("https://127.0.0.1/a.jpg")), "forbidden", "document_front"),
        (with("named", "document_front", json!("https://localhost/a.jpg")), "forbidden", "document_front"),
        (
            with("open", "document_front", json!("http://example.com/a.jpg")),
            "invalid_parameter",
            "document_front",
        ),
        (with("path", "document_front", json!("/etc/passwd")), "invalid_parameter", "document_front"),
        (with("scheme", "document_front", json!("ftp://host/a.jpg")), "invalid_parameter", "document_front"),
        (with("webhook", "webhook_url", json!("https://example.com")), "invalid_parameter", "webhook_url"),
        (with("country", "country", json!("FR")), "invalid_parameter", "custom_id"),
        (json!({ "country": "FR" }), "missing_parameter", "custom_id"),
    ];
    let mut rows = vec![row("good", 1280), row("again", 1280)];
    rows.extend(faults.iter().map(|(row, ..)| row.clone()));
    let id = open(&scene, json!({ "rows": rows, "validate_only": true })).await;
    let batch = until(&scene, &id, "awaiting_confirmation").await;
    let found = &batch["preflight"];
    assert_eq!((&found["rows"], &found["duplicates"]), (&json!(faults.len() + 2), &json!(1)), "{found:#}");
    assert_eq!(found["rows_with_faults"], faults.len());
    for ((_, code, param), shown) in faults.iter().zip(found["first_faults"].as_array().unwrap()) {
        assert_eq!((&shown["code"], &shown["param"]), (&json!(code), &json!(param)), "{shown:#}");
    }
    let shown: Vec<i64> = found["first_faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault["line"].as_i64().unwrap())
        .collect();
    assert_eq!(shown, (3..3 + faults.len() as i64).collect::<Vec<_>>());
    assert_eq!(file(&scene, &id, "preflight").await.lines().count(), faults.len());
    assert_eq!(scene.count("verifications").await, 0);

    assert_eq!(steer(&scene, &id, "confirm").await.status, 200);
    let accepted = "the good row is accepted";
    scene.until(accepted, async || (scene.count("verifications").await == 1).then_some(())).await;
    let states = async || {
        let rows = results(&scene, &id).await;
        let count = |state: &str| rows.iter().filter(|row| row["status"] == state).count();
        (count("processing") == 1 && count("pending") == 0).then_some((count("error"), count("duplicate")))
    };
    assert_eq!(scene.until("the others end", states).await, (faults.len(), 1));
    assert_eq!(steer(&scene, &id, "confirm").await.status, 409);
    scene.end().await;
}
