//! Erasure where something stands in its way: rows that come back, keys that were made before, an object store that
//! does not remove. `tests/tests/erasure.rs` does the same to a fleet with a dump of its database.

use crate::scene::{Answer, Scene, answer, base64, jpeg, passport};
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use std::path::PathBuf;
use txid_shared::ids::VerificationId;
use txid_shared::store::StoreError;
use txid_shared::words::{Stage, Status};

const TABLES: [&str; 5] = ["verifications", "events", "deliveries", "idempotency", "sessions"];

fn path(id: VerificationId) -> String {
    format!("/v1/identity/verifications/{id}")
}

async fn delete(scene: &Scene, id: VerificationId) -> Answer {
    answer(scene.request(Method::DELETE, &path(id)).bearer_auth(scene.key.reveal())).await
}

fn code(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.body["error"]["code"].as_str().unwrap_or_default())
}

async fn execute(scene: &Scene, statement: String) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&scene.database).await.unwrap();
}

/// What a backup would hold, beside the tables.
async fn back_up(scene: &Scene) {
    for table in TABLES {
        execute(scene, format!("CREATE TABLE kept_{table} AS TABLE {table}")).await;
    }
}

async fn restore(scene: &Scene) {
    let truncate = format!("TRUNCATE {} CASCADE", TABLES.join(", "));
    execute(scene, truncate).await;
    for table in TABLES {
        execute(scene, format!("INSERT INTO {table} SELECT * FROM kept_{table}")).await;
    }
}

async fn remaining(scene: &Scene) -> (i64, i64) {
    (scene.count("verifications WHERE remains").await, scene.count("sessions WHERE remains").await)
}

/// Puts a folder where a verification's key share is, so that it cannot be removed, and gives the share back.
struct Obstacle {
    share: PathBuf,
    aside: PathBuf,
}

impl Obstacle {
    fn before(scene: &Scene, id: VerificationId) -> Self {
        let share = scene.folder().join(format!("keys/{}/{id}", scene.account));
        let aside = share.with_extension("aside");
        std::fs::rename(&share, &aside).unwrap();
        std::fs::create_dir(&share).unwrap();
        Self { share, aside }
    }

    fn give_way(self) {
        std::fs::remove_dir(&self.share).unwrap();
        std::fs::rename(&self.aside, &self.share).unwrap();
    }
}

#[tokio::test]
async fn rows_that_a_backup_brings_back_open_nothing_and_disturb_nobody() {
    let scene = Scene::new().await;
    let keyed = |body: Value| {
        answer(scene.post("/v1/identity/verify").header("Idempotency-Key", "order-2026-000001").json(&body))
    };
    let mut body = passport();
    body["mode"] = json!("async");
    let asked = keyed(body.clone()).await;
    let gone: VerificationId = asked.body["id"].as_str().unwrap().parse().unwrap();
    let kept = scene.accepted(&passport()).await;
    for id in [gone, kept] {
        scene.stage_ends(id, Stage::Ocr).await;
    }
    let pending = scene.accepted(&passport()).await;
    let shown = scene.get(&path(kept)).await.body;
    back_up(&scene).await;
    for id in [gone, pending] {
        assert_eq!(delete(&scene, id).await.status, 200);
    }
    assert_eq!(scene.shares(), 1);
    restore(&scene).await;

    let store = &scene.services.context.store;
    for id in [gone, pending] {
        let case = scene.case(id).await;
        assert!(case.wrapped_key.is_some(), "the database's half is back");
        assert!(matches!(store.data_key(&case).await, Err(StoreError::ShareGone)));
    }
    assert_eq!(code(&scene.get(&path(gone)).await), (404, "not_found"));
    assert_eq!(code(&keyed(body).await), (404, "not_found"), "its answer is not given again");
    assert_eq!(scene.get(&path(kept)).await.body, shown);
    let list = scene.get("/v1/identity/verifications").await.body;
    let listed: Vec<&Value> = list["data"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    // Of the pending one nothing was sealed that is shown.
    assert_eq!(listed, [&json!(pending), &json!(kept)], "{list:#}");
    let events: Vec<(uuid::Uuid,)> = sqlx::query_as("SELECT id FROM events WHERE verification_id = $1")
        .bind(gone.uuid())
        .fetch_all(&scene.database)
        .await
        .unwrap();
    let event = txid_shared::ids::EventId::from_uuid(events[0].0);
    assert_eq!(code(&scene.get(&format!("/v1/developers/events/{event}")).await), (404, "not_found"));

    // What cannot be decided ends, and does not keep what can be from its end.
    let other = scene.accepted(&passport()).await;
    scene.partial_is_in(other, Stage::Ocr).await;
    for _ in 0..=scene.config.sweeper.rounds {
        scene.clock.advance(SignedDuration::from_hours(2));
        execute(&scene, "DELETE FROM outbox".to_owned()).await;
        scene.sweeper().sweep().await.unwrap();
    }
    assert_ne!(scene.case(other).await.status, Status::Pending);
    assert_eq!(scene.case(pending).await.status, Status::Error);
    assert_eq!(delete(&scene, gone).await.status, 200, "and what came back can be erased again");
    scene.end().await;
}

#[tokio::test]
async fn what_was_accepted_before_there_were_shares_still_opens_and_is_erased() {
    let scene = Scene::new().await;
    let id = scene.accepted_before_shares().await;
    let other = scene.accepted(&passport()).await;
    let firsts: Vec<(i32,)> = sqlx::query_as("SELECT get_byte(wrapped_key, 0) FROM verifications ORDER BY 1")
        .fetch_all(&scene.database)
        .await
        .unwrap();
    assert_eq!(firsts, [(1,), (2,)], "the mark of each format");
    assert_eq!(scene.shares(), 1);
    for id in [id, other] {
        scene.stage_ends(id, Stage::Ocr).await;
        let shown = scene.get(&path(id)).await;
        assert_eq!(shown.status, 200);
        assert!(shown.body["checks"].is_object(), "{:#}", shown.body);
        assert_eq!(delete(&scene, id).await.status, 200);
        assert_eq!(code(&scene.get(&path(id)).await), (404, "not_found"));
    }
    assert_eq!((scene.shares(), remaining(&scene).await), (0, (0, 0)));
    scene.end().await;
}

#[tokio::test]
async fn what_the_object_store_does_not_remove_is_removed_later_and_holds_up_no_other() {
    let scene = Scene::new().await;
    let (first, second) = (scene.accepted(&passport()).await, scene.accepted(&passport()).await);
    let obstacles = [first, second].map(|id| (id, Obstacle::before(&scene, id)));
    for (id, _) in &obstacles {
        assert_eq!(delete(&scene, *id).await.status, 200);
        assert_eq!(code(&scene.get(&path(*id)).await), (404, "not_found"), "unreadable at once all the same");
    }
    assert_eq!(remaining(&scene).await, (2, 0), "noted with the erasure, so that no crash forgets it");
    let [(_, first_obstacle), (_, second_obstacle)] = obstacles;
    second_obstacle.give_way();
    scene.sweeper().remove_remains().await.unwrap();
    assert_eq!(remaining(&scene).await, (1, 0), "the first is still in the way of itself only");
    first_obstacle.give_way();
    assert_eq!((scene.shares(), scene.blobs()), (1, 1));
    scene.sweeper().remove_remains().await.unwrap();
    assert_eq!((remaining(&scene).await, scene.shares(), scene.blobs()), ((0, 0), 0, 0));
    scene.end().await;
}

#[tokio::test]
async fn a_session_that_cannot_be_opened_expires_and_what_it_leaves_is_removed_in_the_end() {
    let scene = Scene::new().await;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        let body = json!({ "country": "FR", "document_type": "passport", "checks": ["ocr"], "expires_in": 60,
            "webhook_url": "https://example.com/expired" });
        let opened = answer(scene.post("/v1/identity/sessions").json(&body)).await;
        let id = opened.body["id"].as_str().unwrap().to_owned();
        let front = json!({ "side": "front", "image": base64(&jpeg(1280, 720)) });
        let upload = scene.post(&format!("/v1/identity/sessions/{id}/documents")).json(&front);
        assert_eq!(answer(upload).await.status, 201);
        sessions.push(id);
    }
    assert_eq!((scene.blobs(), scene.shares()), (3, 3));
    let ids: Vec<(uuid::Uuid,)> = sqlx::query_as("SELECT verification_id FROM sessions ORDER BY id")
        .fetch_all(&scene.database)
        .await
        .unwrap();
    // The first to expire.
    let damage = "UPDATE sessions SET wrapped_key = '\\x02ff', expires_at = expires_at - interval '1 s'
        WHERE id = (SELECT min(id::text)::uuid FROM sessions)";
    execute(&scene, damage.to_owned()).await;
    scene.clock.advance(SignedDuration::from_secs(61));

    scene.sweeper().expire_sessions().await.unwrap();
    for id in &sessions {
        assert_eq!(scene.get(&format!("/v1/identity/sessions/{id}")).await.body["status"], "expired");
    }
    assert_eq!(scene.count("events WHERE type = 'identity.session.expired'").await, 3);
    assert_eq!(scene.count("deliveries").await, 2, "where the first wanted to be told nobody knows");
    assert_eq!(remaining(&scene).await, (0, 3));
    let obstacle = Obstacle::before(&scene, VerificationId::from_uuid(ids[1].0));
    scene.sweeper().remove_remains().await.unwrap();
    assert_eq!(remaining(&scene).await, (0, 1));
    obstacle.give_way();
    assert_eq!((scene.blobs(), scene.shares()), (1, 1));
    scene.sweeper().remove_remains().await.unwrap();
    assert_eq!((remaining(&scene).await, scene.blobs(), scene.shares()), ((0, 0), 0, 0));
    scene.end().await;
}
