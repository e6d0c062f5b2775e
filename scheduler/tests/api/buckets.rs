//! Manifests and pictures in a bucket that the operator opened, through as much of S3 as reading needs.

use super::batches::{open, results, row, worked_until};
use super::scene::{Scene, answer, jpeg};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

type Objects = Arc<HashMap<&'static str, Vec<u8>>>;

/// Objects under `bucket/key`, for who signs; and what was asked for.
#[derive(Clone)]
struct Bucket {
    objects: Objects,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Bucket {
    /// Where it listens, until the test ends.
    async fn listening(&self) -> String {
        let router = Router::new().route("/{*key}", get(object)).with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        txid_shared::task::Tasks::new().spawn(axum::serve(listener, router).into_future());
        format!("http://{address}")
    }
}

async fn object(State(bucket): State<Bucket>, Path(key): Path<String>, headers: HeaderMap) -> Response {
    let signed = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !signed.starts_with("AWS4-HMAC-SHA256 Credential=reader/") {
        return StatusCode::FORBIDDEN.into_response();
    }
    let found = bucket.objects.get(key.as_str()).cloned();
    bucket.asked.lock().unwrap().push(key);
    match found {
        Some(bytes) => {
            let head = [("etag", "\"1\""), ("last-modified", "Sun, 01 Mar 2026 12:00:00 GMT")];
            (head, bytes).into_response()
        }
        None => (StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>").into_response(),
    }
}

fn picture(custom_id: &str, place: &str) -> Value {
    let mut row = row(custom_id, 1280);
    row["document_front"] = json!(place);
    row
}

#[tokio::test]
async fn what_is_in_an_opened_bucket_is_read_and_nothing_beside_it() {
    let rows = [
        picture("a", "s3://kyc/in/a.jpg"),
        picture("missing", "s3://kyc/in/none.jpg"),
        picture("beside", "s3://kyc/other/b.jpg"),
        picture("up", "s3://kyc/in/../other/b.jpg"),
        picture("elsewhere", "s3://secret/in/a.jpg"),
    ];
    let manifest = rows.map(|row| row.to_string()).join("\n").into_bytes();
    let objects = [
        ("kyc/in/people.jsonl", manifest),
        ("kyc/in/a.jpg", jpeg(1280, 720)),
        ("kyc/other/b.jpg", jpeg(1281, 720)),
        ("secret/in/a.jpg", jpeg(1282, 720)),
    ];
    let bucket = Bucket { objects: Arc::new(HashMap::from(objects)), asked: Arc::default() };
    let buckets = format!(
        "[{{ url = \"s3://kyc/in\", endpoint = \"{}\", access_key_id = \"reader\", secret_access_key = \"x\" }}]",
        bucket.listening().await
    );
    let scene = Scene::with(&[("batches.buckets", &buckets)]).await;

    // At once, before there is a batch.
    for (body, status, code, param) in [
        (json!({ "manifest": "s3://kyc/in/none.jsonl" }), 404, "not_found", "manifest"),
        (json!({ "manifest": "s3://kyc/other/b.jpg" }), 403, "forbidden", "manifest"),
        (json!({ "manifest": "s3://secret/in/a.jpg" }), 403, "forbidden", "manifest"),
        (
            json!({ "manifest": "s3://kyc/in/people.jsonl", "archive": "s3://kyc/in/a.zip" }),
            400,
            "invalid_parameter",
            "archive",
        ),
    ] {
        let refused = answer(scene.post("/v1/identity/batches").json(&body)).await;
        let error = &refused.body["error"];
        assert_eq!((refused.status, &error["code"], &error["param"]), (status, &json!(code), &json!(param)));
    }
    assert_eq!(scene.count("batches").await, 0);

    let id = open(&scene, json!({ "manifest": "s3://kyc/in/people.jsonl" })).await;
    let batch = worked_until(&scene, &id, "completed").await;
    assert_eq!((&batch["counts"]["failed"], &batch["counts"]["error"]), (&json!(1), &json!(4)), "{batch:#}");
    let found = results(&scene, &id).await;
    assert!(found[0]["verification"]["id"].is_string(), "{:#}", found[0]);
    let codes: Vec<&str> = found[1..].iter().map(|row| row["error"]["code"].as_str().unwrap()).collect();
    assert_eq!(codes[..2], ["not_found", "forbidden"]);
    assert_eq!(codes[3], "forbidden");
    assert!(found[1..].iter().all(|row| row["error"]["param"] == "document_front"), "{found:#?}");
    let asked = bucket.asked.lock().unwrap().clone();
    assert!(asked.iter().all(|key| key.starts_with("kyc/in/") && !key.contains("..")), "{asked:?}");
    scene.end().await;
}
