//! Batches from the manifest to the files; what a worker would find is written by hand.

use super::scene::{Answer, Scene, answer, base64, jpeg};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use txid_shared::ids::VerificationId;
use txid_shared::words::Stage;

pub(crate) async fn open(scene: &Scene, body: Value) -> String {
    let opened = answer(scene.post("/v1/identity/batches").json(&body)).await;
    assert_eq!(opened.status, 201, "{:#}", opened.body);
    opened.body["id"].as_str().unwrap().to_owned()
}

pub(crate) async fn show(scene: &Scene, id: &str) -> Value {
    let shown = scene.get(&format!("/v1/identity/batches/{id}")).await;
    assert_eq!(shown.status, 200, "{:#}", shown.body);
    let counts = shown.body["counts"].as_object().unwrap();
    let parts: i64 =
        counts.iter().filter(|(name, _)| *name != "total").map(|(_, n)| n.as_i64().unwrap()).sum();
    assert_eq!(counts["total"].as_i64().unwrap(), parts, "{counts:?}");
    shown.body
}

pub(crate) async fn until(scene: &Scene, id: &str, status: &str) -> Value {
    let what = format!("batch {status}");
    scene.until(&what, async || Some(show(scene, id).await).filter(|batch| batch["status"] == status)).await
}

pub(crate) async fn steer(scene: &Scene, id: &str, what: &str) -> Answer {
    answer(scene.post(&format!("/v1/identity/batches/{id}/{what}"))).await
}

pub(crate) async fn results(scene: &Scene, id: &str) -> Vec<Value> {
    let page = scene.get(&format!("/v1/identity/batches/{id}/results?limit=1000")).await;
    assert_eq!(page.status, 200, "{:#}", page.body);
    page.body["data"].as_array().unwrap().clone()
}

pub(crate) async fn file(scene: &Scene, id: &str, file: &str) -> String {
    let path = format!("/v1/identity/batches/{id}/files/{file}");
    let response = scene.request(Method::GET, &path).bearer_auth(scene.key.reveal()).send().await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    response.text().await.unwrap()
}

/// A passport of its own: the picture's size makes it another document.
pub(crate) fn row(custom_id: &str, width: u32) -> Value {
    json!({ "custom_id": custom_id, "document_front": base64(&jpeg(width, 720)), "country": "FR",
            "document_type": "passport", "checks": ["ocr"] })
}

/// What workers would do: every verification of the batch that is accepted gets its stage's result.
pub(crate) async fn work(scene: &Scene) -> usize {
    let pending: Vec<(uuid::Uuid,)> = sqlx::query_as("SELECT id FROM verifications WHERE status = 'pending'")
        .fetch_all(&scene.database)
        .await
        .unwrap();
    for (id,) in &pending {
        scene.stage_ends(VerificationId::from_uuid(*id), Stage::Ocr).await;
    }
    pending.len()
}

pub(crate) async fn worked_until(scene: &Scene, id: &str, status: &str) -> Value {
    let work_and_look = async || {
        work(scene).await;
        Some(show(scene, id).await).filter(|batch| batch["status"] == status)
    };
    scene.until(&format!("batch {status}"), work_and_look).await
}

pub(crate) fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn each_row_ends_in_one_line_and_the_end_is_told_once() {
    let scene = Scene::new().await;
    let hook = json!({ "url": "https://example.com/hook" });
    assert_eq!(answer(scene.post("/v1/developers/webhooks").json(&hook)).await.status, 201);
    let rows =
        json!([row("a", 1280), row("b", 1281), row("again", 1280), row("a", 1282), { "custom_id": "bare" }]);
    let body = json!({ "name": "June", "metadata": { "branch": 7 }, "rows": rows });
    let id = open(&scene, body).await;
    let batch = worked_until(&scene, &id, "completed").await;
    // Nothing is read from a black picture: a person looks at it.
    let counts = json!({ "total": 5, "pending": 0, "processing": 0, "verified": 0, "failed": 2,
        "manual_review": 0, "error": 2, "cancelled": 0, "expired": 0, "duplicate": 1 });
    assert_eq!(batch["counts"], counts);
    assert_eq!((&batch["name"], &batch["metadata"]), (&json!("June"), &json!({ "branch": 7 })));
    for status in ["validating", "queued", "in_progress", "finalizing", "completed"] {
        assert!(batch["timestamps"][status].is_string(), "{status} has no time: {batch:#}");
    }

    let found = results(&scene, &id).await;
    let of = |at: usize, member: &str| found[at][member].clone();
    assert_eq!(found.iter().map(|row| row["line"].as_i64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(of(0, "verification")["id"], of(0, "verification_id"));
    assert_eq!((of(2, "status"), of(2, "duplicate_of")), (json!("duplicate"), json!("a")));
    assert_eq!((of(3, "status"), of(3, "error")["param"].clone()), (json!("error"), json!("custom_id")));
    assert!(of(3, "error")["message"].as_str().unwrap().contains("line 1"));
    assert_eq!(of(4, "error")["code"], "missing_parameter");

    let output = file(&scene, &id, "output").await;
    assert_eq!(lines(&output).len(), 5);
    assert_eq!(batch["files"]["output"]["sha256"], txid_shared::sha256_hex(output.as_bytes()));
    assert_eq!(batch["files"]["output"]["rows"], 5);
    let by_id: BTreeMap<String, Value> = lines(&output)
        .into_iter()
        .filter(|line| line["line"] != 4)
        .map(|line| (line["custom_id"].as_str().unwrap().to_owned(), line))
        .collect();
    assert_eq!(by_id["b"]["reasons"], of(1, "outcome")["reasons"]);
    let errors = lines(&file(&scene, &id, "errors").await);
    assert_eq!(errors.iter().map(|row| row["custom_id"].clone()).collect::<Vec<_>>(), ["a", "bare"]);
    let manifest: Value = serde_json::from_str(&file(&scene, &id, "manifest").await).unwrap();
    assert_eq!(manifest["files"]["errors"]["rows"], 2);
    let table = file(&scene, &id, "output?format=csv").await;
    let mut reader = csv::Reader::from_reader(table.trim_start_matches('\u{feff}').as_bytes());
    assert_eq!(reader.records().map(|record| record.unwrap().len()).collect::<Vec<_>>(), [18; 5]);

    let told: Vec<(String,)> = sqlx::query_as(
        "SELECT events.type FROM deliveries JOIN events ON events.id = deliveries.event_id ORDER BY 1",
    )
    .fetch_all(&scene.database)
    .await
    .unwrap();
    assert_eq!(told, [("identity.batch.completed".to_owned(),)]);
    assert_eq!(scene.count("batch_rows WHERE wrapped_key IS NOT NULL").await, 0);
    scene.end().await;
}

#[tokio::test]
async fn a_paused_batch_begins_nothing_and_goes_on() {
    let scene = Scene::with(&[("batches.admissions", "1"), ("batches.most_under_way", "1")]).await;
    let rows: Vec<Value> = (0..6).map(|number| row(&number.to_string(), 1280 + number)).collect();
    let id = open(&scene, json!({ "rows": rows })).await;
    let one = "a row is under way";
    scene.until(one, async || Some(show(&scene, &id).await).filter(|b| b["counts"]["processing"] == 1)).await;
    assert_eq!(steer(&scene, &id, "pause").await.status, 200);
    assert_eq!(steer(&scene, &id, "pause").await.body["error"]["code"], "invalid_state");
    // What is under way ends, and nothing follows.
    let settled = async || {
        work(&scene).await;
        Some(show(&scene, &id).await).filter(|batch| batch["counts"]["processing"] == 0)
    };
    let paused = scene.until("the row under way ends", settled).await;
    assert_eq!((&paused["status"], &paused["counts"]["pending"]), (&json!("paused"), &json!(5)));
    assert_eq!(scene.count("verifications").await, 1);
    assert_eq!(steer(&scene, &id, "resume").await.status, 200);
    let ended = worked_until(&scene, &id, "completed").await;
    assert_eq!(ended["counts"]["failed"], 6);
    assert_eq!(scene.count("verifications").await, 6);
    scene.end().await;
}

#[tokio::test]
async fn a_cancelled_batch_takes_its_rows_back_and_they_can_be_submitted_again() {
    let scene = Scene::with(&[("batches.most_under_way", "2"), ("batches.admissions", "2")]).await;
    let rows: Vec<Value> = (0..5).map(|number| row(&number.to_string(), 1280 + number)).collect();
    let id = open(&scene, json!({ "rows": rows })).await;
    let two = "rows are under way";
    scene.until(two, async || Some(show(&scene, &id).await).filter(|b| b["counts"]["processing"] == 2)).await;
    assert_eq!(steer(&scene, &id, "retry-failed").await.status, 409);
    assert!(
        ["cancelling", "cancelled"]
            .contains(&steer(&scene, &id, "cancel").await.body["status"].as_str().unwrap())
    );
    let batch = until(&scene, &id, "cancelled").await;
    assert_eq!(batch["counts"]["cancelled"], 5);
    let again = steer(&scene, &id, "retry-failed").await;
    assert_eq!((again.status, &again.body["retry_of"]), (201, &json!(id)));
    let again = worked_until(&scene, again.body["id"].as_str().unwrap(), "completed").await;
    assert_eq!((&again["counts"]["total"], &again["counts"]["failed"]), (&json!(5), &json!(5)));
    assert_eq!(steer(&scene, again["id"].as_str().unwrap(), "retry-failed").await.status, 409);
    scene.end().await;
}

#[tokio::test]
async fn too_many_failures_end_a_batch_and_time_does_too() {
    let scene = Scene::with(&[("batches.admissions", "2")]).await;
    // As many as mean anything, then one that is right.
    let mut rows: Vec<Value> = (0..20).map(|number| json!({ "custom_id": number.to_string() })).collect();
    rows.push(row("good", 1280));
    let id = open(&scene, json!({ "rows": rows, "failure_threshold_percent": 50 })).await;
    let batch = worked_until(&scene, &id, "failed").await;
    assert_eq!(batch["error"]["param"], "failure_threshold_percent");
    assert_eq!(batch["counts"]["error"], 20, "{batch:#}");

    let id = open(&scene, json!({ "rows": [row("a", 1280)], "validate_only": true, "expires_in": 60 })).await;
    until(&scene, &id, "awaiting_confirmation").await;
    scene.clock.advance(jiff::SignedDuration::from_secs(61));
    let batch = until(&scene, &id, "expired").await;
    assert_eq!(batch["counts"]["expired"], 1);
    scene.end().await;
}

#[tokio::test]
async fn a_manifest_comes_as_a_table_or_in_an_archive() {
    let scene = Scene::new().await;
    let (mut zip, name) = (zip::ZipWriter::new(std::io::Cursor::new(Vec::new())), "kyc/manifest.csv");
    let options = zip::write::SimpleFileOptions::default();
    for (entry, bytes) in [("kyc/a.jpg", jpeg(1280, 720)), ("kyc/b.jpg", jpeg(1281, 720))] {
        zip.start_file(entry, options).unwrap();
        zip.write_all(&bytes).unwrap();
    }
    zip.start_file(name, options).unwrap();
    // The folder of all entries may be left out, as after `zip -r kyc.zip kyc/`.
    let table =
        "custom_id,document_front,checks\na,zip:a.jpg,ocr\nb,zip:kyc/b.jpg,ocr\nc,zip:../../c.jpg,ocr\n";
    zip.write_all(table.as_bytes()).unwrap();
    let archive = zip.finish().unwrap().into_inner();

    let upload = answer(scene.post("/v1/identity/uploads")).await;
    let url = upload.body["url"].as_str().unwrap().split_once("/v1/").unwrap().1.to_owned();
    let put = |body: Vec<u8>| answer(scene.request(Method::PUT, &format!("/v1/{url}")).body(body));
    let pending = format!("upload:{}", upload.body["id"].as_str().unwrap());
    let early = answer(scene.post("/v1/identity/batches").json(&json!({ "manifest": pending }))).await;
    assert_eq!((early.status, &early.body["error"]["code"]), (409, &json!("invalid_state")));
    assert_eq!(put(Vec::new()).await.status, 400);
    let stored = put(archive.clone()).await;
    assert_eq!(stored.body["sha256"], txid_shared::sha256_hex(&archive));
    assert_eq!(put(archive).await.status, 409);
    let forged = url.replace("token=", "token=A");
    let forged = answer(scene.request(Method::PUT, &format!("/v1/{forged}")).body("x")).await;
    assert_eq!(forged.status, 401);

    let defaults = json!({ "country": "FR", "document_type": "passport" });
    let id = open(&scene, json!({ "manifest": pending, "defaults": defaults })).await;
    let batch = worked_until(&scene, &id, "completed").await;
    assert_eq!((&batch["counts"]["failed"], &batch["counts"]["error"]), (&json!(2), &json!(1)), "{batch:#}");
    let missing = &results(&scene, &id).await[2]["error"];
    assert_eq!((&missing["code"], &missing["param"]), (&json!("not_found"), &json!("document_front")));
    scene.end().await;
}

#[tokio::test]
async fn a_batch_that_is_submitted_twice_is_one_batch() {
    let scene = Scene::new().await;
    let body = json!({ "rows": [row("a", 1280)] });
    let submit = |body: Value| {
        answer(scene.post("/v1/identity/batches").header("Idempotency-Key", "june-2026-a").json(&body))
    };
    let both = tokio::join!(submit(body.clone()), submit(body.clone()));
    let again = submit(body.clone()).await;
    for one in [&both.0, &both.1, &again] {
        assert!(
            one.status == 201 || one.body["error"]["code"] == "idempotency_in_progress",
            "{:#}",
            one.body
        );
    }
    assert_eq!(again.headers["idempotent-replayed"], "true");
    let other = submit(json!({ "rows": [row("b", 1280)] })).await;
    assert_eq!(other.body["error"]["code"], "idempotency_key_conflict");
    assert_eq!(scene.count("batches").await, 1);
    scene.end().await;
}

#[tokio::test]
async fn deleting_a_batch_erases_what_it_held() {
    let scene = Scene::new().await;
    let id = open(&scene, json!({ "rows": [row("a", 1280), row("b", 1281)] })).await;
    let path = format!("/v1/identity/batches/{id}");
    let delete = async || answer(scene.request(Method::DELETE, &path).bearer_auth(scene.key.reveal())).await;
    assert_eq!(delete().await.status, 409);
    worked_until(&scene, &id, "completed").await;
    let deleted = delete().await;
    assert_eq!((deleted.status, &deleted.body["deleted"]), (200, &json!(true)));
    assert_eq!(scene.get(&path).await.status, 404);
    scene.until("rows are removed", async || (scene.count("batches").await == 0).then_some(())).await;
    assert_eq!(scene.count("batch_rows").await, 0);
    assert_eq!(scene.count("verifications WHERE erased_at IS NULL").await, 0);
    scene.end().await;
}

#[tokio::test]
async fn another_scheduler_goes_on_where_one_died_and_no_row_is_verified_twice() {
    let scene = Scene::new().await;
    let rows: Vec<Value> = (0..3).map(|number| row(&number.to_string(), 1280 + number)).collect();
    let id = open(&scene, json!({ "rows": rows })).await;
    let accepted = "all are accepted";
    scene.until(accepted, async || (scene.count("verifications").await == 3).then_some(())).await;
    // As it stands when a scheduler dies between a row's reservation and its acceptance.
    let forget =
        "DELETE FROM outbox; DELETE FROM verifications WHERE id = (SELECT verification_id FROM batch_rows
        WHERE number = 2); UPDATE batches SET lease_token = gen_random_uuid(), lease_until = '2020-01-01'";
    let before: Vec<(uuid::Uuid,)> = sqlx::query_as("SELECT verification_id FROM batch_rows ORDER BY number")
        .fetch_all(&scene.database)
        .await
        .unwrap();
    sqlx::raw_sql(forget).execute(&scene.database).await.unwrap();
    let batch = worked_until(&scene, &id, "completed").await;
    assert_eq!(batch["counts"]["failed"], 3);
    let after: Vec<(uuid::Uuid,)> = sqlx::query_as("SELECT verification_id FROM batch_rows ORDER BY number")
        .fetch_all(&scene.database)
        .await
        .unwrap();
    assert_eq!(before, after);
    assert_eq!(scene.count("verifications").await, 3);
    scene.end().await;
}
