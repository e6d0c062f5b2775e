//! What a batch leaves: its errors to be mended, and in the end nothing.

use super::batches::{file, lines, open, results, row, show, until, worked_until};
use super::scene::{Scene, answer, jpeg};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::io::Write as _;

#[tokio::test]
async fn a_batch_goes_when_what_its_account_keeps_is_over() {
    let scene = Scene::with(&[("retention.data_days", "30")]).await;
    let store = &scene.services.context.store;
    let id = open(&scene, json!({ "rows": [row("a", 1280), { "custom_id": "bare" }] })).await;
    assert!(show(&scene, &id).await["retained_until"].is_null(), "it has not ended");
    let batch = worked_until(&scene, &id, "completed").await;
    assert_eq!(batch["retained_until"], "2026-03-31T12:00:00Z");

    scene.clock.advance(SignedDuration::from_hours(29 * 24));
    scene.sweeper().expire_batches().await.unwrap();
    assert_eq!(file(&scene, &id, "output").await.lines().count(), 2);

    scene.clock.advance(SignedDuration::from_hours(25));
    scene.sweeper().expire_batches().await.unwrap();
    assert_eq!(scene.get(&format!("/v1/identity/batches/{id}")).await.status, 404);
    scene.until("its rows are removed", async || (scene.count("batches").await == 0).then_some(())).await;
    assert_eq!(scene.count("batch_rows").await, 0);
    assert_eq!(scene.count("verifications WHERE erased_at IS NULL").await, 0);
    assert_eq!(scene.count("audit WHERE action = 'batch.deleted' AND actor = 'retention'").await, 1);
    scene.sweeper().remove_remains().await.unwrap();
    scene.sweeper().expire_uploads().await.unwrap();
    assert_eq!((scene.blobs(), scene.shares()), (0, 0));
    // An account's own time wins.
    store
        .set_retention(
            "first",
            txid_shared::store::Retention { images_s: None, data_s: Some(60) },
            "test",
            jiff::Timestamp::UNIX_EPOCH,
        )
        .await
        .unwrap();
    let id = open(&scene, json!({ "rows": [{ "custom_id": "bare" }] })).await;
    let batch = until(&scene, &id, "completed").await;
    assert_eq!(batch["retained_until"], "2026-03-31T13:01:00Z");
    scene.end().await;
}

#[tokio::test]
async fn pictures_among_the_errors_go_when_pictures_do() {
    let scene = Scene::with(&[("retention.images_days", "2"), ("retention.data_days", "30")]).await;
    let mut wrong = row("wrong", 1280);
    wrong["country"] = json!("XX");
    let id = open(&scene, json!({ "rows": [wrong] })).await;
    let bare = open(&scene, json!({ "rows": [{ "custom_id": "bare" }] })).await;
    until(&scene, &id, "completed").await;
    until(&scene, &bare, "completed").await;
    let steer =
        async |id: &str| answer(scene.post(&format!("/v1/identity/batches/{id}/retry-failed"))).await.status;
    scene.clock.advance(SignedDuration::from_hours(47));
    scene.sweeper().expire_batches().await.unwrap();
    assert!(file(&scene, &id, "errors").await.contains("document_front"));
    scene.clock.advance(SignedDuration::from_hours(2));
    scene.sweeper().expire_batches().await.unwrap();
    assert!(show(&scene, &id).await["files"]["errors"].is_null());
    assert_eq!(steer(&id).await, 409);
    assert_eq!(file(&scene, &id, "output").await.lines().count(), 1, "the rest stays");
    assert!(file(&scene, &bare, "errors").await.contains("bare"), "references are no pictures");
    assert_eq!(steer(&bare).await, 201);
    scene.end().await;
}

#[tokio::test]
async fn rows_that_are_not_verified_leave_no_key() {
    let scene = Scene::new().await;
    let rows = json!([row("a", 1280), row("again", 1280), { "custom_id": "bare" }]);
    let id = open(&scene, json!({ "rows": rows })).await;
    let batch = worked_until(&scene, &id, "completed").await;
    assert_eq!((&batch["counts"]["duplicate"], &batch["counts"]["error"]), (&json!(1), &json!(1)));
    assert_eq!(scene.shares(), 1, "that of the row with a verdict");
    assert_eq!(scene.count("batch_rows WHERE wrapped_key IS NOT NULL").await, 0);
    assert_eq!(scene.count("batch_rows WHERE verification_id IS NOT NULL").await, 1);
    scene.end().await;
}

#[tokio::test]
async fn rows_under_way_expire_with_their_batch() {
    let scene = Scene::with(&[("batches.most_under_way", "2"), ("batches.admissions", "2")]).await;
    let rows: Vec<Value> = (0..3).map(|number| row(&number.to_string(), 1280 + number)).collect();
    let id = open(&scene, json!({ "rows": rows, "expires_in": 60 })).await;
    let two = "rows are under way";
    scene.until(two, async || Some(show(&scene, &id).await).filter(|b| b["counts"]["processing"] == 2)).await;
    scene.clock.advance(SignedDuration::from_secs(61));
    let batch = until(&scene, &id, "expired").await;
    assert_eq!(batch["counts"]["expired"], 3);
    assert_eq!(scene.count("verifications WHERE status = 'expired'").await, 2);
    scene.end().await;
}

fn archive(names: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in names {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

async fn submit(scene: &Scene, manifest: &str, archive: Vec<u8>) -> String {
    let part = |bytes: Vec<u8>| reqwest::multipart::Part::bytes(bytes).file_name("file");
    let defaults = json!({ "country": "FR", "document_type": "passport", "checks": ["ocr"] }).to_string();
    let form = reqwest::multipart::Form::new()
        .part("manifest", part(manifest.as_bytes().to_vec()))
        .part("archive", part(archive))
        .text("defaults", defaults);
    let opened = answer(scene.post("/v1/identity/batches").multipart(form)).await;
    assert_eq!(opened.status, 201, "{:#}", opened.body);
    opened.body["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_errors_of_a_batch_say_where_they_stood_and_are_mended_and_submitted_again() {
    let scene = Scene::new().await;
    let pictures = archive(&[("a.jpg", jpeg(1280, 720)), ("b.jpg", jpeg(1281, 720))]);
    let manifest = "{\"custom_id\":\"good\",\"document_front\":\"zip:a.jpg\"}\n\
        {\"custom_id\":\"wrong\",\"document_front\":\"zip:c.jpg\"}\n\n\
        {\"custom_id\":\"broken\",\"document_front\":\"zip:b.jpg\"\n\
        {\"document_front\":\"zip:b.jpg\"}\n";
    let id = submit(&scene, manifest, pictures.clone()).await;
    let batch = worked_until(&scene, &id, "completed").await;
    assert_eq!(batch["counts"]["error"], 3, "{batch:#}");
    let errors = file(&scene, &id, "errors").await;
    let found = lines(&errors);
    let places: Vec<i64> = found.iter().map(|row| row["_error"]["line"].as_i64().unwrap()).collect();
    assert_eq!(places, [2, 4, 5]);
    assert_eq!(found[0]["document_front"], "zip:c.jpg");
    assert_eq!(found[1]["_error"]["text"], manifest.lines().nth(3).unwrap());
    assert_eq!(found[2]["document_front"], "zip:b.jpg", "what could be read is given back");

    // As it is, nothing is lost of it.
    let again = submit(&scene, &errors, pictures).await;
    until(&scene, &again, "completed").await;
    assert_eq!(lines(&file(&scene, &again, "errors").await)[1]["_error"]["text"], found[1]["_error"]["text"]);

    let mut mended = vec![found[0].clone(), found[2].clone()];
    mended[0]["document_front"] = json!("zip:a.jpg");
    mended[1]["custom_id"] = json!("nameless");
    mended
        .push(serde_json::from_str(&format!("{}}}", found[1]["_error"]["text"].as_str().unwrap())).unwrap());
    let manifest: Vec<String> = mended.iter().map(Value::to_string).collect();
    let pictures = archive(&[("a.jpg", jpeg(1280, 720)), ("b.jpg", jpeg(1281, 720))]);
    let id = submit(&scene, &manifest.join("\n"), pictures).await;
    let batch = worked_until(&scene, &id, "completed").await;
    assert_eq!((&batch["counts"]["error"], &batch["counts"]["total"]), (&json!(0), &json!(3)), "{batch:#}");
    let verified: Vec<Value> =
        results(&scene, &id).await.iter().map(|row| row["custom_id"].clone()).collect();
    assert_eq!(verified, ["wrong", "nameless", "broken"]);
    scene.end().await;
}
