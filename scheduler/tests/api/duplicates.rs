//! The `duplicate` check: whom it finds, whom it does not, and that an erasure ends it. What the models would see is
//! written by hand.

use super::batches::{file, open, show, until};
use super::scene::{Scene, answer, base64, jpeg};
use reqwest::Method;
use serde_json::{Value, json};
use txid_shared::ids::VerificationId;
use txid_shared::likeness::{FaceCode, Front, Likeness, PerceptualHash};
use txid_shared::partial::{
    FaceMatchOutcome, FaceMatchResult, Field, FieldSource, OcrResult, Partial, StageResult,
};
use txid_shared::words::ImageRole;

/// Who is on the pictures, and what number the document has.
#[derive(Clone, Copy)]
struct Seen {
    number: &'static str,
    face: [f32; 4],
    front: u64,
}

const AMINA: [f32; 4] = [1.0, 0.0, 0.0, 0.0];
const BADR: [f32; 4] = [0.0, 1.0, 0.0, 0.0];

fn partials(seen: Seen) -> [Partial; 2] {
    let read = |value: &str| Field {
        value: value.to_owned(),
        raw: value.to_owned(),
        confidence: 0.99,
        source: FieldSource::Mrz,
        image: ImageRole::DocumentFront,
        polygon: [[0.0; 2]; 4],
    };
    let fields = [("full_name", "A B"), ("date_of_birth", "1990-01-01"), ("document_number", seen.number)];
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), read(value))).collect();
    let ocr = OcrResult { readable: true, fields, ..OcrResult::default() };
    let outcome = FaceMatchOutcome::Compared { similarity: 0.95, cosine: 0.8, confidence: 0.9 };
    let face = FaceMatchResult { outcome, faces: Vec::new(), issues: Vec::new() };
    let whole = PerceptualHash([seen.front; 4]);
    let likeness = Likeness {
        front: Some(Front { whole, portrait: whole }),
        selfie: None,
        face: Some(FaceCode::new("m", &seen.face)),
    };
    [Partial::of(StageResult::Ocr(ocr)), Partial { likeness, ..Partial::of(StageResult::FaceMatch(face)) }]
}

fn request(width: u32) -> Value {
    json!({
        "document_front": base64(&jpeg(width, 720)), "document_back": base64(&jpeg(width, 721)),
        "selfie": base64(&jpeg(640, 640)), "country": "MA", "document_type": "national_id",
        "checks": ["duplicate"], "mode": "async",
    })
}

async fn submitted(scene: &Scene) -> VerificationId {
    let created = answer(scene.post("/v1/identity/verify").json(&request(1280))).await;
    assert_eq!(created.status, 201, "{:#}", created.body);
    created.body["id"].as_str().unwrap().parse().unwrap()
}

async fn ends(scene: &Scene, id: VerificationId, seen: Seen) {
    for partial in partials(seen) {
        scene.stage_leaves(id, partial).await;
    }
}

async fn shown(scene: &Scene, id: VerificationId) -> Value {
    scene.get(&format!("/v1/identity/verifications/{id}")).await.body
}

async fn verified(scene: &Scene, seen: Seen) -> (VerificationId, Value) {
    let id = submitted(scene).await;
    ends(scene, id, seen).await;
    (id, shown(scene, id).await)
}

fn findings(shown: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let matches = shown["checks"]["duplicate"]["matches"].as_array().unwrap();
    matches.iter().map(|found| (text(&found["verification_id"]), text(&found["finding"]))).collect()
}

const FIRST: Seen = Seen { number: "AE123456", face: AMINA, front: 0 };

#[tokio::test]
async fn one_document_with_two_faces_and_one_face_with_two_documents_need_a_person() {
    let scene = Scene::new().await;
    let (first, alone) = verified(&scene, FIRST).await;
    assert_eq!((&alone["status"], findings(&alone).len()), (&json!("verified"), 0), "{alone:#}");
    assert_eq!(alone["checks"]["duplicate"]["compared"]["verifications"], 0);
    assert!(alone["extracted_data"].is_null(), "nobody asked for fields");

    let (_, again) = verified(&scene, FIRST).await;
    assert_eq!(findings(&again), [(first.to_string(), "resubmission".to_owned())]);
    assert_eq!((&again["status"], &again["risk_score"]), (&json!("verified"), &json!(0)));
    assert_eq!(again["reasons"][0]["code"], "duplicate_detected");

    let (_, borrowed) = verified(&scene, Seen { face: BADR, front: u64::MAX, ..FIRST }).await;
    assert_eq!(borrowed["status"], "manual_review");
    assert!(findings(&borrowed).iter().all(|(_, finding)| finding == "document_of_another_face"));
    let (_, second) = verified(&scene, Seen { number: "BK777777", front: u64::MAX >> 1 << 1, ..FIRST }).await;
    assert_eq!(second["status"], "manual_review");
    assert!(second["risk_score"].as_u64().unwrap() >= 300, "{second:#}");
    let found = findings(&second);
    assert!(found.contains(&(first.to_string(), "face_with_another_document".to_owned())), "{found:?}");
}

#[tokio::test]
async fn what_a_verification_tries_again_is_no_duplicate_of_it() {
    let scene = Scene::new().await;
    let mut body = request(1280);
    body["checks"] = json!(["ocr", "duplicate"]);
    let created = answer(scene.post("/v1/identity/verify").json(&body)).await;
    let first: VerificationId = created.body["id"].as_str().unwrap().parse().unwrap();
    let [mut ocr, face] = partials(FIRST);
    if let StageResult::Ocr(read) = &mut ocr.result {
        let mut expiry = read.fields["date_of_birth"].clone();
        expiry.value = "2001-01-01".to_owned();
        read.fields.insert("expiry_date".to_owned(), expiry);
    }
    scene.stage_leaves(first, ocr).await;
    scene.stage_leaves(first, face).await;
    assert_eq!(shown(&scene, first).await["status"], "failed");
    let retried = answer(scene.post(&format!("/v1/identity/verifications/{first}/retry"))).await;
    assert!(retried.status < 300, "{:#}", retried.body);
    let again: VerificationId = retried.body["id"].as_str().unwrap().parse().unwrap();
    ends(&scene, again, FIRST).await;
    assert_eq!(findings(&shown(&scene, again).await), []);
    assert_eq!(shown(&scene, again).await["checks"]["duplicate"]["compared"]["verifications"], 1);
}

#[tokio::test]
async fn of_two_at_once_at_least_one_hears_of_the_other() {
    let scene = Scene::new().await;
    for round in 0..10u64 {
        let number = ["R0", "R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8", "R9"][round as usize];
        let seen = Seen { number, face: AMINA, front: round.wrapping_mul(0x9e37_79b9_7f4a_7c15) };
        let (a, b) = (submitted(&scene).await, submitted(&scene).await);
        tokio::join!(ends(&scene, a, seen), ends(&scene, b, seen));
        let (of_a, of_b) = (findings(&shown(&scene, a).await), findings(&shown(&scene, b).await));
        let heard = |found: &[(String, String)], other: VerificationId| {
            found.iter().any(|(id, finding)| *id == other.to_string() && finding == "resubmission")
        };
        assert!(heard(&of_a, b) || heard(&of_b, a), "round {round}: {of_a:?} {of_b:?}");
    }
}

#[tokio::test]
async fn an_erasure_takes_the_likeness_along_and_other_accounts_find_nothing() {
    let scene = Scene::new().await;
    let (first, _) = verified(&scene, FIRST).await;
    let (second, _) = verified(&scene, FIRST).await;
    assert_eq!((scene.count("likenesses").await, scene.count("lookalikes").await), (2, 1));
    let stored: (Vec<u8>, Vec<u8>) = sqlx::query_as("SELECT document, sealed FROM likenesses LIMIT 1")
        .fetch_one(&scene.database)
        .await
        .unwrap();
    for bytes in [&stored.0, &stored.1] {
        assert!(!bytes.windows(6).any(|window| window == b"123456"), "the number is readable");
    }
    for id in [first, second] {
        let path = format!("/v1/identity/verifications/{id}");
        let erased = scene.request(Method::DELETE, &path).bearer_auth(scene.key.reveal());
        assert!(answer(erased).await.status < 300);
    }
    assert_eq!((scene.count("likenesses").await, scene.count("lookalikes").await), (0, 0));
    let (_, third) = verified(&scene, FIRST).await;
    assert_eq!(findings(&third), [], "the process still had it in memory");

    let stranger = scene.key_of_another_account().await;
    let theirs = scene.request(Method::POST, "/v1/identity/verify").bearer_auth(stranger.reveal());
    let theirs = answer(theirs.json(&request(1280))).await;
    let id: VerificationId = theirs.body["id"].as_str().unwrap().parse().unwrap();
    ends(&scene, id, FIRST).await;
    let path = format!("/v1/identity/verifications/{id}");
    let theirs = answer(scene.request(Method::GET, &path).bearer_auth(stranger.reveal())).await;
    assert_eq!(findings(&theirs.body), []);
}

#[tokio::test]
async fn only_who_asks_for_the_check_leaves_a_likeness() {
    let scene = Scene::new().await;
    let mut plain = request(1280);
    plain["checks"] = json!(["ocr", "face_match"]);
    let created = answer(scene.post("/v1/identity/verify").json(&plain)).await;
    ends(&scene, created.body["id"].as_str().unwrap().parse().unwrap(), FIRST).await;
    assert_eq!(scene.count("likenesses").await, 0);
}

#[tokio::test]
async fn a_batch_tells_its_lookalikes_in_groups_and_what_the_account_has_already() {
    let scene = Scene::new().await;
    let (outside, _) = verified(&scene, FIRST).await;
    let row = |custom_id: &str, width: u32| {
        let mut row = request(width);
        row.as_object_mut().unwrap().remove("mode");
        row["custom_id"] = json!(custom_id);
        row
    };
    let rows = json!([row("same", 1281), row("other", 1282), row("same file", 1281), row("known", 1280)]);
    let id = open(&scene, json!({ "rows": rows, "validate_only": true })).await;
    let batch = until(&scene, &id, "awaiting_confirmation").await;
    assert_eq!(
        (&batch["preflight"]["duplicates"], &batch["preflight"]["known_to_account"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(super::batches::steer(&scene, &id, "confirm").await.status, 200);

    let decide_and_look = async || {
        let pending: Vec<(uuid::Uuid, Value)> =
            sqlx::query_as("SELECT id, images FROM verifications WHERE status = 'pending'")
                .fetch_all(&scene.database)
                .await
                .unwrap();
        for (id, images) in pending {
            let other = images[0]["width_px"] == 1282;
            let seen = Seen { number: "CC1", face: BADR, front: u64::MAX };
            ends(&scene, VerificationId::from_uuid(id), if other { seen } else { FIRST }).await;
        }
        Some(show(&scene, &id).await).filter(|batch| batch["status"] == "completed")
    };
    let batch = scene.until("batch completed", decide_and_look).await;
    assert_eq!(batch["files"]["duplicates"]["rows"], 1);
    let group: Value = serde_json::from_str(file(&scene, &id, "duplicates").await.trim()).unwrap();
    let names: Vec<_> =
        group["rows"].as_array().unwrap().iter().map(|row| row["custom_id"].clone()).collect();
    assert_eq!(names, ["same", "same file", "known"]);
    assert_eq!(group["others"], json!([outside]));
    assert_eq!(group["alike_in"], json!(["document", "face", "file", "image"]));
}
