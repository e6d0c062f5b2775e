//! What a customer does with a verification after submitting it.

use super::scene::{Answer, Scene, answer, base64, jpeg, passport};
use reqwest::Method;
use serde_json::{Value, json};
use txid_shared::ids::VerificationId;
use txid_shared::store::Chain;
use txid_shared::words::{ImageRole, Permission, Stage};

fn path(id: VerificationId, action: &str) -> String {
    format!("/v1/identity/verifications/{id}{action}")
}

fn code(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.body["error"]["code"].as_str().unwrap_or_default())
}

fn ids(answer: &Answer) -> Vec<String> {
    let data = answer.body["data"].as_array().unwrap_or_else(|| panic!("{:#}", answer.body));
    data.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

/// Sets a status as if the policy had decided so.
async fn decide(scene: &Scene, id: VerificationId, status: &str) {
    scene.stage_ends(id, Stage::Ocr).await;
    sqlx::query("UPDATE verifications SET status = $2 WHERE id = $1")
        .bind(id.uuid())
        .bind(status)
        .execute(&scene.database)
        .await
        .unwrap();
}

#[tokio::test]
async fn lists_are_walked_both_ways_and_filtered() {
    let scene = Scene::new().await;
    let mut made = Vec::new();
    for number in 0..5 {
        let mut body = passport();
        body["metadata"] = json!({ "order": number, "kind": if number % 2 == 0 { "even" } else { "odd" } });
        made.push(scene.accepted(&body).await.to_string());
        scene.clock.advance(jiff::SignedDuration::from_secs(60));
    }
    made.reverse();
    let list = |query: &str| {
        let path = format!("/v1/identity/verifications?{query}");
        async {
            let path = path;
            scene.get(&path).await
        }
    };

    let first = list("limit=2").await;
    assert_eq!((first.status, ids(&first), &first.body["has_more"]), (200, made[..2].to_vec(), &json!(true)));
    assert_eq!(first.body["next_cursor"], made[1]);
    let last = list(&format!("limit=3&starting_after={}", made[1])).await;
    assert_eq!((ids(&last), &last.body["has_more"]), (made[2..].to_vec(), &json!(false)));
    assert!(last.body.get("next_cursor").is_none());
    // Back: the two just before, in the same order.
    let back = list(&format!("limit=2&ending_before={}", made[4])).await;
    assert_eq!((ids(&back), &back.body["has_more"]), (made[2..4].to_vec(), &json!(true)));
    assert_eq!(back.body["next_cursor"], made[2]);

    assert_eq!(ids(&list("metadata[kind]=even").await).len(), 3);
    assert_eq!(ids(&list("metadata%5Bkind%5D=even&metadata%5Border%5D=4").await), made[..1]);
    assert_eq!(ids(&list("country=fr&document_type=passport&status=pending").await).len(), 5);
    assert_eq!(ids(&list("country=MA").await).len(), 0);
    let id: VerificationId = made[0].parse().unwrap();
    decide(&scene, id, "failed").await;
    assert_eq!(ids(&list("status=rejected").await), made[..1]);
    assert_eq!(list("status=rejected").await.body["data"][0]["checks"]["ocr"]["status"], "failed");
    let (before, after) = ("created_before=2026-03-01T12:01:30Z", "created_after=2026-03-01T12:01:30Z");
    assert_eq!((ids(&list(before).await), ids(&list(after).await)), (made[3..].to_vec(), made[..3].to_vec()));

    for wrong in [
        "limit=0",
        "limit=101",
        "limit=x",
        "status=lost",
        "created_after=yesterday",
        "sort=up",
        "starting_after=ver_x",
        "limit=1&limit=2",
        "country=%00",
    ] {
        assert_eq!(code(&list(wrong).await), (400, "invalid_parameter"), "{wrong}");
    }
    let both = format!("starting_after={}&ending_before={}", made[0], made[1]);
    assert_eq!(code(&list(&both).await), (400, "invalid_parameter"));
    let stranger = scene.key_of_another_account().await;
    let theirs = scene.request(Method::GET, "/v1/identity/verifications").bearer_auth(stranger.reveal());
    assert_eq!(ids(&answer(theirs).await).len(), 0);
    scene.end().await;
}

#[tokio::test]
async fn only_what_is_pending_is_cancelled_and_its_late_verdict_changes_nothing() {
    let scene = Scene::new().await;
    let id = scene.accepted(&passport()).await;
    let cancelled = answer(scene.post(&path(id, "/cancel"))).await;
    assert_eq!((cancelled.status, &cancelled.body["status"]), (200, &json!("cancelled")));
    assert!(cancelled.body["completed_at"].is_string());
    assert_eq!(code(&answer(scene.post(&path(id, "/cancel"))).await), (409, "invalid_state"));
    scene.stage_ends(id, Stage::Ocr).await;
    assert_eq!(scene.get(&path(id, "")).await.body, cancelled.body);
    assert_eq!(scene.count("events").await, 0);
    let absent = VerificationId::generate();
    assert_eq!(code(&answer(scene.post(&path(absent, "/cancel"))).await), (404, "not_found"));
    scene.end().await;
}

#[tokio::test]
async fn a_review_decides_once_is_told_and_is_sealed() {
    let scene = Scene::new().await;
    let mut body = passport();
    body["webhook_url"] = json!("https://example.com/hook");
    let id = scene.accepted(&body).await;
    let review = json!({ "decision": "verified", "reason": "the name is a MARKER", "reviewer": "Amina" });
    let post = |body: &Value| answer(scene.post(&path(id, "/review")).json(body));
    assert_eq!(code(&post(&review).await), (409, "invalid_state"));
    decide(&scene, id, "manual_review").await;
    for (field, wrong) in
        [("decision", json!("pending")), ("decision", Value::Null), ("reason", json!("x".repeat(3000)))]
    {
        let mut body = review.clone();
        body[field] = wrong;
        let refused = post(&body).await;
        assert_eq!((refused.status, &refused.body["error"]["param"]), (400, &json!(field)));
    }
    let (one, other) = tokio::join!(post(&review), post(&review));
    let (decided, late) = if one.status == 200 { (one, other) } else { (other, one) };
    assert_eq!(code(&late), (409, "invalid_state"));
    assert_eq!((decided.status, &decided.body["status"]), (200, &json!("verified")));
    assert_eq!(decided.body["review"]["reviewer"], "Amina");
    assert_eq!(scene.get(&path(id, "")).await.body, decided.body);
    let told: Vec<String> = sqlx::query_scalar("SELECT type FROM events ORDER BY created_at, id")
        .fetch_all(&scene.database)
        .await
        .unwrap();
    assert_eq!(told.last().map(String::as_str), Some("identity.verification.completed"));
    let row: String = sqlx::query_scalar(
        "SELECT concat(v::text, (SELECT string_agg(a::text, ' ') FROM audit a)) FROM verifications v",
    )
    .fetch_one(&scene.database)
    .await
    .unwrap();
    assert!(
        !row.contains("MARKER") && !row.contains("Amina") && row.contains("verification.reviewed"),
        "{row}"
    );
    scene.end().await;
}

#[tokio::test]
async fn a_retry_is_a_new_verification_with_the_same_or_new_pictures() {
    let scene = Scene::new().await;
    let mut body = passport();
    body["expected"] = json!({ "full_name": "Zmarker" });
    let id = scene.accepted(&body).await;
    let retry = |body: Value| answer(scene.post(&path(id, "/retry")).json(&body));
    assert_eq!(code(&retry(json!({ "mode": "async" })).await), (409, "invalid_state"));
    decide(&scene, id, "failed").await;
    let failed = scene.get(&path(id, "")).await.body;

    let again = retry(json!({ "mode": "async" })).await;
    assert_eq!((again.status, &again.body["status"]), (201, &json!("pending")), "{:#}", again.body);
    let new: VerificationId = again.body["id"].as_str().unwrap().parse().unwrap();
    assert_ne!(new, id);
    let shown = scene.get(&path(new, "")).await.body;
    assert_eq!((&shown["retry_of"], &shown["images"]), (&json!(id), &failed["images"]));
    let case = scene.case(new).await;
    let key = scene.services.context.store.data_key(&case).await.unwrap();
    let name = format!("{}/{new}/document_front", scene.account);
    assert_eq!(scene.services.blobs.get(&key, &name).await.unwrap(), jpeg(1280, 720));
    // The one before is as it was.
    assert_eq!(scene.get(&path(id, "")).await.body, failed);

    let other = retry(json!({ "mode": "async", "document_front": base64(&jpeg(1300, 800)) })).await;
    let other: VerificationId = other.body["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(scene.case(other).await.images[0].width_px, 1300);
    let refused = retry(json!({ "document_front": base64(b"no picture at all") })).await;
    assert_eq!(code(&refused), (422, "unsupported_media"));
    assert_eq!(code(&retry(json!({ "country": "MA" })).await), (400, "invalid_parameter"));
    scene.end().await;
}

#[tokio::test]
async fn an_erased_verification_is_gone_and_its_trail_tells_no_more_than_that() {
    let scene = Scene::new().await;
    let mut body = passport();
    body["metadata"] = json!({ "note": "zmarker-metadata" });
    body["expected"] = json!({ "full_name": "zmarker-expected" });
    body["webhook_url"] = json!("https://example.com/zmarker-hook");
    let id = scene.accepted(&body).await;
    let kept = scene.accepted(&passport()).await;
    decide(&scene, id, "failed").await;
    let key = scene.services.context.store.data_key(&scene.case(id).await).await.unwrap();
    assert_eq!(scene.blobs(), 2);

    let erased = answer(scene.request(Method::DELETE, &path(id, "")).bearer_auth(scene.key.reveal())).await;
    assert_eq!(erased.body, json!({ "id": id, "object": "identity.verification", "deleted": true }));
    let again = answer(scene.request(Method::DELETE, &path(id, "")).bearer_auth(scene.key.reveal())).await;
    assert_eq!(code(&again), (404, "not_found"));
    assert_eq!(code(&scene.get(&path(id, "")).await), (404, "not_found"));
    assert_eq!(ids(&scene.get("/v1/identity/verifications").await), [kept.to_string()]);
    assert_eq!(code(&answer(scene.post(&path(id, "/retry"))).await), (404, "not_found"));

    assert_eq!((scene.blobs(), scene.shares()), (1, 1));
    // Not even with the data key, had somebody kept it, is anything left to open in the rows.
    type Sealed = (Option<Vec<u8>>, Option<Vec<u8>>, Vec<u8>);
    let rows: Vec<Sealed> = sqlx::query_as(
        "SELECT v.sealed_verdict, v.wrapped_key, e.sealed_body FROM verifications v JOIN events e ON e.verification_id = v.id
         WHERE v.id = $1",
    )
    .bind(id.uuid())
    .fetch_all(&scene.database)
    .await
    .unwrap();
    assert!(!rows.is_empty());
    for (verdict, wrapped, body) in rows {
        assert!(verdict.is_none() && wrapped.is_none() && key.open("x", &body).is_err() && body.is_empty());
    }
    let dump: String = sqlx::query_scalar(
        "SELECT concat((SELECT string_agg(v::text, ' ') FROM verifications v), (SELECT string_agg(a::text, ' ') FROM audit a))",
    )
    .fetch_one(&scene.database)
    .await
    .unwrap();
    assert!(!dump.contains("zmarker"), "{dump}");
    let undelivered: i64 = sqlx::query_scalar("SELECT count(*) FROM deliveries WHERE state = 'pending'")
        .fetch_one(&scene.database)
        .await
        .unwrap();
    assert_eq!(undelivered, 0);
    let trail = scene.get(&path(id, "/audit")).await;
    let actions: Vec<&str> = trail.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions, ["verification.accepted", "verification.decided", "verification.erased"]);

    let writer = scene.key_with(&[Permission::IdentityRead]).await;
    let forbidden = scene.request(Method::DELETE, &path(kept, "")).bearer_auth(writer.reveal());
    assert_eq!(code(&answer(forbidden).await), (403, "forbidden"));
    let stranger = scene.key_of_another_account().await;
    let theirs = scene.request(Method::DELETE, &path(kept, "")).bearer_auth(stranger.reveal());
    assert_eq!(code(&answer(theirs).await), (404, "not_found"));
    scene.end().await;
}

#[tokio::test]
async fn a_pending_verification_that_is_erased_never_gets_a_verdict() {
    let scene = Scene::new().await;
    let id = scene.accepted(&passport()).await;
    let case = scene.case(id).await;
    let key = scene.services.context.store.data_key(&case).await.unwrap();
    let erased = answer(scene.request(Method::DELETE, &path(id, "")).bearer_auth(scene.key.reveal())).await;
    assert_eq!(erased.status, 200);
    // A worker that had opened the case before comes too late.
    let (context, partials) = (&scene.services.context, std::collections::BTreeMap::new());
    assert!(!txid_shared::conclude::conclude(context, &case, &key, &partials).await.unwrap());
    assert_eq!((scene.count("events").await, scene.count("outbox").await), (0, 0));
    scene.end().await;
}

#[tokio::test]
async fn a_changed_or_removed_audit_entry_shows() {
    let scene = Scene::new().await;
    let store = &scene.services.context.store;
    for _ in 0..3 {
        scene.accepted(&passport()).await;
    }
    assert_eq!(store.verify_audit().await.unwrap(), Chain::Whole { linked: 0, unlinked: 3 });
    assert_eq!((store.link_audit().await.unwrap(), store.link_audit().await.unwrap()), (3, 0));
    scene.accepted(&passport()).await;
    assert_eq!(store.link_audit().await.unwrap(), 1);
    assert_eq!(store.verify_audit().await.unwrap(), Chain::Whole { linked: 4, unlinked: 0 });

    let change = "UPDATE audit SET actor = 'nobody' WHERE link = 2";
    for forbidden in [change, "DELETE FROM audit WHERE link = 2", "UPDATE audit SET link = NULL"] {
        let error = sqlx::query(forbidden).execute(&scene.database).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{error}");
    }
    // Who may alter the table may silence its triggers; the chain still tells.
    sqlx::query("ALTER TABLE audit DISABLE TRIGGER ALL").execute(&scene.database).await.unwrap();
    sqlx::query(change).execute(&scene.database).await.unwrap();
    assert_eq!(store.verify_audit().await.unwrap(), Chain::Broken { link: 2, why: "an entry was changed" });
    sqlx::query("DELETE FROM audit WHERE link = 2").execute(&scene.database).await.unwrap();
    assert_eq!(store.verify_audit().await.unwrap(), Chain::Broken { link: 2, why: "an entry is missing" });
    scene.end().await;
}

#[tokio::test]
async fn what_an_account_keeps_for_a_time_goes_when_it_is_over_pictures_first() {
    let scene = Scene::with(&[("retention.images_days", "2"), ("retention.data_days", "30")]).await;
    let id = scene.accepted(&passport()).await;
    scene.stage_ends(id, Stage::Ocr).await;
    let path = format!("/v1/identity/verifications/{id}");
    assert_eq!(scene.get(&path).await.body["expires_at"], "2026-03-31T12:00:00Z");
    scene.sweeper().expire_verifications().await.unwrap();
    assert_eq!(scene.blobs(), 1);

    scene.clock.advance(jiff::SignedDuration::from_hours(49));
    scene.sweeper().expire_verifications().await.unwrap();
    let shown = scene.get(&path).await;
    assert_eq!((shown.status, scene.blobs()), (200, 0), "the verdict stays, the pictures are gone");
    assert!(shown.body["checks"].is_object(), "and with it the key that opens it");
    let content =
        scene.get(&format!("/v1/identity/documents/{}", id.document(ImageRole::DocumentFront))).await;
    assert_eq!(content.status, 200, "what was known of them stays as well");

    scene.clock.advance(jiff::SignedDuration::from_hours(28 * 24));
    scene.sweeper().expire_verifications().await.unwrap();
    assert_eq!(scene.get(&path).await.status, 404);
    let keyless: (bool,) = sqlx::query_as("SELECT wrapped_key IS NULL FROM verifications WHERE id = $1")
        .bind(id.uuid())
        .fetch_one(&scene.database)
        .await
        .unwrap();
    assert!(keyless.0, "the data key is destroyed");
    scene.sweeper().remove_remains().await.unwrap();
    assert_eq!(scene.shares(), 0, "both halves of it");
    scene.end().await;
}

#[tokio::test]
async fn an_audit_entry_that_was_put_in_between_shows() {
    let scene = Scene::new().await;
    let store = &scene.services.context.store;
    for _ in 0..3 {
        scene.accepted(&passport()).await;
    }
    store.link_audit().await.unwrap();
    let truncated = sqlx::query("TRUNCATE audit").execute(&scene.database).await.unwrap_err();
    assert!(truncated.to_string().contains("append-only"), "{truncated}");
    // Whoever inserts it can make room in the chain, and even give it the hash of its place.
    let forge = "ALTER TABLE audit DISABLE TRIGGER ALL;
        UPDATE audit SET link = -link WHERE link >= 2;
        UPDATE audit SET link = 1 - link WHERE link < 0;
        INSERT INTO audit (account_id, verification_id, at, actor, action, details, link, hash)
        SELECT account_id, verification_id, at, 'key_x', 'verification.reviewed', '{}', 2,
          (SELECT hash FROM audit WHERE link = 3) FROM audit WHERE link = 1;";
    sqlx::raw_sql(forge).execute(&scene.database).await.unwrap();
    assert_eq!(store.verify_audit().await.unwrap(), Chain::Broken { link: 2, why: "an entry was changed" });
    scene.end().await;
}
