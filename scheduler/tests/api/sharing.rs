//! Statements that serve several callers: each hears about its own row, and a row is written once.

use super::scene::Scene;
use txid_shared::ids::{EventId, VerificationId};
use txid_shared::store::{Acceptance, Declared, Finish, OutgoingEvent, Retention};
use txid_shared::words::{Check, DocumentType, EventType, Lane, Purpose, Stage, Status};

fn acceptance(scene: &Scene) -> Acceptance {
    Acceptance {
        id: VerificationId::generate(),
        account_id: scene.account,
        lane: Lane::Interactive,
        purpose: Purpose::Verification,
        declared: Some(Declared { country: "MA".to_owned(), document_type: DocumentType::Passport }),
        checks: vec![Check::Ocr, Check::Fraud],
        stages: vec![Stage::Ocr, Stage::Fraud],
        metadata: serde_json::Map::new(),
        images: Vec::new(),
        wrapped_key: vec![1],
        sealed_request: vec![2],
        traceparent: None,
        created_at: jiff::Timestamp::UNIX_EPOCH,
        retry_of: None,
        actor: "test".to_owned(),
        claim: None,
        answer: None,
        session_id: None,
        retention: Retention::default(),
    }
}

fn verdict(id: VerificationId, sealed: &[u8]) -> Finish {
    let event = OutgoingEvent {
        id: EventId::generate(),
        event_type: EventType::VerificationCompleted,
        sealed_body: sealed.to_vec(),
    };
    Finish {
        id,
        from: Status::Pending,
        status: Status::Verified,
        sealed_verdict: Some(sealed.to_vec()),
        sealed_review: None,
        summary: None,
        events: vec![event],
        webhook_url: Some("https://example.com/hook".to_owned()),
        traceparent: None,
        now: jiff::Timestamp::UNIX_EPOCH,
        actor: "test".to_owned(),
        action: "verification.decided",
    }
}

#[tokio::test]
async fn a_refused_row_is_refused_alone() {
    let scene = Scene::new().await;
    let store = &scene.services.context.store;
    let (one, other) = (acceptance(&scene), acceptance(&scene));
    let (first, again, third) = tokio::join!(store.accept(&one), store.accept(&one), store.accept(&other));
    assert!(first.is_ok() && again.is_err() && third.is_ok(), "{first:?} {again:?} {third:?}");
    assert_eq!((scene.count("verifications").await, scene.count("audit").await), (2, 2));
    let (found, missing) = tokio::join!(store.case(one.id), store.case(VerificationId::generate()));
    let found = found.unwrap().unwrap();
    assert_eq!((found.id, found.checks, found.stages), (one.id, one.checks, one.stages));
    assert!(missing.unwrap().is_none());
    scene.end().await;
}

#[tokio::test]
async fn of_two_verdicts_at_once_one_is_written_and_told() {
    let scene = Scene::new().await;
    let store = &scene.services.context.store;
    let (case, other) = (acceptance(&scene), acceptance(&scene));
    store.accept(&case).await.unwrap();
    store.accept(&other).await.unwrap();
    let (first, second, third) = (verdict(case.id, b"1"), verdict(case.id, b"2"), verdict(other.id, b"3"));
    let (first, second, third) =
        tokio::join!(store.finish(&first), store.finish(&second), store.finish(&third));
    assert!(first.unwrap() != second.unwrap() && third.unwrap());
    for (table, rows) in [("events", 2), ("deliveries", 2)] {
        assert_eq!(scene.count(table).await, rows, "{table}");
    }
    let mismatched: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM events JOIN verifications ON verifications.id = verification_id
         WHERE sealed_body <> sealed_verdict",
    )
    .fetch_one(&scene.database)
    .await
    .unwrap();
    assert_eq!(mismatched, 0, "an event tells of another verdict");
    let late = verdict(case.id, b"4");
    assert!(!store.finish(&late).await.unwrap());
    scene.end().await;
}
