//! Everything that is read back.

use super::scene::{Scene, answer, passport};
use serde_json::json;
use txid_shared::ids::DocumentId;
use txid_shared::words::Permission;

#[tokio::test]
async fn another_accounts_verification_does_not_exist() {
    let scene = Scene::new().await;
    let id = scene.accepted(&passport()).await;
    let path = format!("/v1/identity/verifications/{id}");
    let own = scene.get(&path).await;
    assert_eq!(
        (own.status, &own.body["status"], &own.body["object"]),
        (200, &json!("pending"), &json!("identity.verification"))
    );
    assert!(own.body.get("checks").is_none());

    let stranger = scene.key_of_another_account().await;
    let get = |path: &str, key: &str| answer(scene.request(reqwest::Method::GET, path).bearer_auth(key));
    let theirs = get(&path, stranger.reveal()).await;
    assert_eq!((theirs.status, &theirs.body["error"]["code"]), (404, &json!("not_found")));
    assert_eq!(get("/v1/identity/verifications/ver_nonsense", stranger.reveal()).await.status, 404);
    let writer = scene.key_with(&[Permission::IdentityWrite]).await;
    assert_eq!(get(&path, writer.reveal()).await.status, 403);
    scene.end().await;
}

#[tokio::test]
async fn evidence_is_opened_for_its_own_account_only() {
    let scene = Scene::new().await;
    let id = scene.accepted(&passport()).await;
    let key = scene.services.context.store.data_key(&scene.case(id).await).await.unwrap();
    let crop = DocumentId::generate();
    scene
        .services
        .blobs
        .put(&key, &format!("{}/{id}/evidence/{crop}", scene.account), b"a crop")
        .await
        .unwrap();
    let path = format!("/v1/identity/verifications/{id}/evidence/{crop}");
    let get = |path: &str, key: &str| {
        let request = scene.request(reqwest::Method::GET, path).bearer_auth(key);
        async move { request.send().await.unwrap() }
    };
    let own = get(&path, scene.key.reveal()).await;
    assert_eq!(own.headers()["content-type"], "image/jpeg");
    assert_eq!(own.headers()["cache-control"], "no-store");
    assert_eq!(own.bytes().await.unwrap(), b"a crop".as_slice());
    let stranger = scene.key_of_another_account().await;
    assert_eq!(get(&path, stranger.reveal()).await.status(), 404);
    let absent = format!("/v1/identity/verifications/{id}/evidence/{}", DocumentId::generate());
    assert_eq!(get(&absent, scene.key.reveal()).await.status(), 404);
    // Not a way to read the images themselves.
    let selfie = format!("/v1/identity/verifications/{id}/evidence/..%2Fdocument_front");
    assert_eq!(get(&selfie, scene.key.reveal()).await.status(), 404);
    scene.end().await;
}

#[tokio::test]
async fn a_webhook_secret_is_shown_once() {
    let scene = Scene::new().await;
    let create = |body| answer(scene.post("/v1/developers/webhooks").json(&body));
    let created =
        create(json!({"url": "https://example.com/hook", "events": ["fraud.signal.detected"]})).await;
    assert_eq!(created.status, 201, "{:#}", created.body);
    assert!(created.body["secret"].as_str().unwrap().starts_with("whsec_"));
    let listed = scene.get("/v1/developers/webhooks").await;
    assert_eq!(listed.body["data"][0]["id"], created.body["id"]);
    assert_eq!(listed.body["data"][0]["events"], json!(["fraud.signal.detected"]));
    assert!(listed.body["data"][0].get("secret").is_none());
    assert_eq!(create(json!({"url": "gopher://x"})).await.body["error"]["param"], "url");
    assert_eq!(create(json!({"url": "https://x", "events": ["all"]})).await.body["error"]["param"], "events");
    assert_eq!(create(json!({})).await.body["error"]["code"], "missing_parameter");
    scene.end().await;
}

#[tokio::test]
async fn health_documents_and_the_description_answer() {
    let scene = Scene::new().await;
    let open = |path: &str| answer(scene.request(reqwest::Method::GET, path));
    assert_eq!(open("/healthz").await.status, 200);
    let ready = open("/readyz").await;
    assert_eq!((ready.status, &ready.body["ready"]), (200, &json!(true)), "{:#}", ready.body);
    assert_eq!(open("/metrics").await.status, 200);
    assert_eq!(open("/openapi.json").await.body["info"]["title"], "TXCloud Identity");
    assert_eq!(open("/docs/").await.status, 200);
    let documents = scene.get("/v1/identity/supported-documents").await;
    let morocco = &documents.body["data"][0];
    assert_eq!(morocco["country"], "MA");
    assert_eq!(
        morocco["documents"][0],
        json!({"document_type": "national_id", "back_required": true, "status": "beta"})
    );

    // A database that nobody migrated is not ready.
    sqlx::query("DELETE FROM _sqlx_migrations").execute(&scene.database).await.unwrap();
    let fresh = Scene::new().await;
    sqlx::query("DELETE FROM _sqlx_migrations").execute(&fresh.database).await.unwrap();
    let unready = answer(fresh.request(reqwest::Method::GET, "/readyz")).await;
    assert_eq!((unready.status, &unready.body["migrated"]), (503, &json!(false)));
    fresh.end().await;
    scene.end().await;
}
