//! What an operator does to a running installation: migrate again, go forward, go back.

use super::scene::{Scene, card};
use txid_shared::store::Store;

#[tokio::test]
async fn migrating_again_changes_nothing_and_two_at_once_do_not_collide() {
    let scene = Scene::new().await;
    let id = scene.accepted(&card()).await;
    let settings = &scene.config.database;
    let (one, other) = tokio::join!(Store::migrate(settings), Store::migrate(settings));
    one.unwrap();
    other.unwrap();
    assert_eq!(scene.get(&format!("/v1/identity/verifications/{id}")).await.status, 200);
    scene.end().await;
}

#[tokio::test]
async fn an_older_version_still_migrates_and_serves_what_a_newer_one_has_migrated() {
    let scene = Scene::new().await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (99999999999999, 'of a newer version', true, '', 0)",
    )
    .execute(&scene.database)
    .await
    .unwrap();
    Store::migrate(&scene.config.database).await.unwrap();
    assert_eq!(scene.get("/readyz").await.status, 200);
    scene.end().await;
}
