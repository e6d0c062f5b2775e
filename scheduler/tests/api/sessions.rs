//! Sessions: opened by a backend, filled by a phone, completed by the backend.

use crate::scene::{Answer, Scene, answer, base64, jpeg};
use futures_util::future::join;
use reqwest::Method;
use serde_json::{Value, json};
use txid_shared::words::{ImageRole, Stage};

async fn open(scene: &Scene, body: Value) -> Value {
    let opened = answer(scene.post("/v1/identity/sessions").json(&body)).await;
    assert_eq!(opened.status, 201, "{:#}", opened.body);
    opened.body
}

fn national_id() -> Value {
    json!({ "country": "MA", "document_type": "cin", "checks": ["ocr", "face_match"], "metadata": { "user_id": "u-1" } })
}

fn path(session: &Value, rest: &str) -> String {
    format!("/v1/identity/sessions/{}{rest}", session["id"].as_str().unwrap())
}

/// With the client token alone, as a phone does it.
async fn upload(scene: &Scene, session: &Value, body: &Value) -> Answer {
    let token = session["client_token"].as_str().unwrap();
    answer(scene.request(Method::POST, &path(session, "/documents")).bearer_auth(token).json(body)).await
}

async fn complete(scene: &Scene, session: &Value, body: &Value) -> Answer {
    answer(scene.post(&path(session, "/complete")).json(body)).await
}

#[tokio::test]
async fn a_phone_uploads_without_an_api_key_and_the_backend_completes() {
    let scene = Scene::new().await;
    let session = open(&scene, national_id()).await;
    assert_eq!((&session["status"], &session["object"]), (&json!("pending"), &json!("identity.session")));
    assert_eq!(session["missing"], json!(["document_front", "document_back", "selfie"]));

    let front =
        upload(&scene, &session, &json!({ "side": "front", "image": base64(&jpeg(1280, 720)) })).await;
    assert_eq!(front.status, 201, "{:#}", front.body);
    assert!(front.body["quality"]["issues"].is_array() && front.body["quality"]["valid"].is_boolean());
    assert_eq!(front.body["side"], "document_front");
    // The other naming, and the other way to name it.
    let back =
        upload(&scene, &session, &json!({ "type": "document_back", "image": base64(&jpeg(1280, 721)) }))
            .await;
    assert_eq!(back.body["session"]["missing"], json!(["selfie"]));

    let missing = complete(&scene, &session, &json!({})).await;
    let error = &missing.body["error"];
    assert_eq!(
        (missing.status, &error["code"], &error["param"]),
        (409, &json!("invalid_state"), &json!("selfie"))
    );

    // As `curl -T` does it: no header at all.
    let address = session["upload_urls"]["selfie"].as_str().unwrap();
    let address = address.strip_prefix(&format!("http://{}", scene.address)).unwrap();
    let selfie = answer(scene.request(Method::PUT, address).body(jpeg(640, 640))).await;
    assert_eq!((selfie.status, &selfie.body["session"]["status"]), (201, &json!("ready")));

    let deciding = async {
        let id = scene.only_verification().await;
        scene.stage_ends(id, Stage::Ocr).await;
        scene.stage_ends(id, Stage::FaceMatch).await;
        id
    };
    let (completed, id) = join(complete(&scene, &session, &json!({})), deciding).await;
    assert_eq!(
        (completed.status, &completed.body["id"]),
        (200, &json!(id.to_string())),
        "{:#}",
        completed.body
    );
    assert_eq!(completed.body["metadata"], json!({ "user_id": "u-1" }));
    assert_eq!(completed.body["images"].as_array().unwrap().len(), 3);

    let again = complete(&scene, &session, &json!({})).await;
    assert_eq!((again.status, &again.body), (200, &completed.body));
    let shown = scene.get(&path(&session, "")).await;
    assert_eq!(
        (&shown.body["status"], &shown.body["verification_id"]),
        (&json!("completed"), &json!(id.to_string()))
    );
    let late = upload(&scene, &session, &json!({ "side": "front", "image": base64(&jpeg(1280, 720)) })).await;
    assert_eq!((late.status, &late.body["error"]["code"]), (409, &json!("invalid_state")));
    scene.end().await;
}

#[tokio::test]
async fn a_second_picture_of_a_side_replaces_the_first() {
    let scene = Scene::new().await;
    let session =
        open(&scene, json!({ "country": "FR", "document_type": "passport", "checks": ["ocr"] })).await;
    for width in [1280, 1600] {
        let body = json!({ "side": "front", "image": base64(&jpeg(width, 900)) });
        assert_eq!(upload(&scene, &session, &body).await.status, 201);
    }
    assert_eq!(scene.blobs(), 1);
    let accepted = complete(&scene, &session, &json!({ "mode": "async" })).await;
    assert_eq!((accepted.status, &accepted.body["status"]), (201, &json!("pending")));
    let id = scene.only_verification().await;
    let case = scene.case(id).await;
    assert_eq!((case.images.len(), case.images[0].width_px), (1, 1600));
    let key = scene.services.context.store.data_key(&case).await.unwrap();
    let name = format!("{}/{id}/{}", scene.account, ImageRole::DocumentFront);
    assert_eq!(scene.services.blobs.get(&key, &name).await.unwrap(), jpeg(1600, 900));
    scene.end().await;
}

#[tokio::test]
async fn a_client_token_is_for_its_own_session_and_for_nothing_else() {
    let scene = Scene::new().await;
    let (mine, other) = (open(&scene, national_id()).await, open(&scene, national_id()).await);
    let token = mine["client_token"].as_str().unwrap();
    let with_token = |method: Method, path: &str| scene.request(method, path).bearer_auth(token);
    assert_eq!(answer(with_token(Method::GET, &path(&mine, ""))).await.status, 200);
    assert_eq!(answer(with_token(Method::GET, &path(&other, ""))).await.status, 404);
    for (method, path) in [
        (Method::POST, path(&mine, "/complete")),
        (Method::GET, "/v1/identity/verifications".to_owned()),
        (Method::POST, "/v1/identity/sessions".to_owned()),
    ] {
        assert_eq!(answer(with_token(method, &path)).await.status, 401, "{path}");
    }
    let unknown = scene.request(Method::GET, &path(&mine, "")).bearer_auth("cst_nobody");
    assert_eq!(answer(unknown).await.status, 401);
    let stranger = scene.key_of_another_account().await;
    let theirs = scene.request(Method::GET, &path(&mine, "")).bearer_auth(stranger.reveal());
    assert_eq!(answer(theirs).await.status, 404);
    scene.end().await;
}

#[tokio::test]
async fn an_expired_session_takes_nothing_and_its_uploads_are_gone() {
    let scene = Scene::new().await;
    let mut body = national_id();
    body["expires_in"] = json!(60);
    body["webhook_url"] = json!("https://example.com/expired");
    let session = open(&scene, body).await;
    let front = json!({ "side": "front", "image": base64(&jpeg(1280, 720)) });
    assert_eq!(upload(&scene, &session, &front).await.status, 201);
    scene.clock.advance(jiff::SignedDuration::from_secs(61));
    assert_eq!(upload(&scene, &session, &front).await.status, 409);
    for _ in 0..2 {
        scene.sweeper().expire_sessions().await.unwrap();
    }
    scene.sweeper().remove_remains().await.unwrap();
    let shown = scene.get(&path(&session, "")).await;
    assert_eq!((&shown.body["status"], scene.blobs(), scene.shares()), (&json!("expired"), 0, 0));
    let told: Vec<(String, String)> = sqlx::query_as(
        "SELECT events.type, deliveries.url FROM events JOIN deliveries ON deliveries.event_id = events.id",
    )
    .fetch_all(&scene.database)
    .await
    .unwrap();
    let expected = ("identity.session.expired".to_owned(), "https://example.com/expired".to_owned());
    assert_eq!(told, [expected], "once, though the sweeper came twice");
    assert_eq!(complete(&scene, &session, &json!({})).await.status, 409);
    scene.end().await;
}

#[tokio::test]
async fn of_two_completions_at_once_one_verification_comes() {
    let scene = Scene::new().await;
    let session =
        open(&scene, json!({ "country": "FR", "document_type": "passport", "checks": ["ocr"] })).await;
    upload(&scene, &session, &json!({ "side": "front", "image": base64(&jpeg(1280, 720)) })).await;
    let mode = json!({ "mode": "async" });
    let (one, two) = join(complete(&scene, &session, &mode), complete(&scene, &session, &mode)).await;
    assert_eq!(one.body["id"], two.body["id"]);
    assert_eq!(scene.count("verifications").await, 1);
    scene.end().await;
}

#[tokio::test]
async fn wrong_sessions_are_refused_by_name() {
    let scene = Scene::new().await;
    let wrong = [
        (json!({ "document_type": "passport" }), 400, "missing_parameter", "country"),
        (
            json!({ "country": "FR", "document_type": "voter_id" }),
            422,
            "unsupported_document",
            "document_type",
        ),
        (
            json!({ "country": "FR", "document_type": "passport", "expires_in": 5 }),
            400,
            "invalid_parameter",
            "expires_in",
        ),
        (
            json!({ "country": "FR", "document_type": "passport", "checks": ["x"] }),
            400,
            "invalid_parameter",
            "checks",
        ),
    ];
    for (body, status, code, param) in wrong {
        let refused = answer(scene.post("/v1/identity/sessions").json(&body)).await;
        let error = &refused.body["error"];
        assert_eq!((refused.status, &error["code"], &error["param"]), (status, &json!(code), &json!(param)));
    }
    assert_eq!(scene.count("sessions").await, 0);
    scene.end().await;
}
