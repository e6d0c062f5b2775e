//! The customer's own page holds: its JSON samples against real answers.

use serde_json::{Value, json};
use txid_tests::fleet::{Client, Role, Space};

/// The samples of `verify-user-identity.md`, as written there.
const OCR: &str = r#"{"extracted_data": {"full_name": "Mohammed El Amrani", "first_name": "Mohammed",
    "last_name": "El Amrani", "date_of_birth": "1990-05-15", "document_number": "AE123456",
    "nationality": "Moroccan", "gender": "M", "expiry_date": "2028-05-14", "issue_date": "2018-05-15",
    "address": "123 Rue Mohammed V, Casablanca"}}"#;
const FACE_MATCH: &str = r#"{"checks": {"face_match": {"status": "passed", "similarity": 0.92, "threshold": 0.80, "confidence": 0.95}}}"#;
const LIVENESS: &str = r#"{"checks": {"liveness": {"status": "passed", "confidence": 0.98,
    "signals": {"is_live": true, "spoof_type": null, "quality_score": 0.95}}}}"#;
const FRAUD: &str = r#"{"checks": {"fraud": {"status": "passed", "risk_score": 120, "risk_level": "low",
    "signals": {"tampering": false, "photoshop": false, "screen_capture": false, "printed_copy": false}}}}"#;

/// Every key of the sample is in the answer with a value of the same kind.
fn holds(sample: &Value, answer: &Value, path: &str) {
    match sample {
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = format!("{path}.{key}");
                holds(value, answer.get(key).unwrap_or_else(|| panic!("{path} is missing")), &path);
            }
        }
        Value::String(_) => assert!(answer.is_string(), "{path}: {answer}"),
        Value::Number(_) => assert!(answer.is_number(), "{path}: {answer}"),
        Value::Bool(_) => assert!(answer.is_boolean(), "{path}: {answer}"),
        Value::Null => assert!(answer.is_null() || answer.is_string(), "{path}: {answer}"),
        Value::Array(_) => assert!(answer.is_array(), "{path}: {answer}"),
    }
}

#[tokio::test]
async fn the_samples_of_the_page_are_answers_of_ours() {
    let space = Space::new().await.unwrap();
    let (key, _) = space.account(None).await.unwrap();
    let scheduler = space.node(Role::Scheduler).unwrap();
    let _worker = space.node(Role::StubWorker).unwrap();
    let client = space.client(&scheduler, &key).unwrap();

    // The page's own request: no mode, so it waits; metadata comes back.
    let mut body = Client::submission();
    body.as_object_mut().unwrap().remove("mode");
    body["checks"] = json!(["ocr", "face_match", "liveness", "fraud"]);
    body["metadata"] = json!({ "user_id": "u-1", "source": "mobile_app" });
    let answer = client.post("/v1/identity/verify", &body).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let verification = answer.body;
    assert!(verification["id"].as_str().unwrap().starts_with("ver_"));
    assert_eq!(verification["status"], "verified");
    assert_eq!(verification["metadata"], body["metadata"]);
    for sample in [OCR, FACE_MATCH, LIVENESS, FRAUD] {
        holds(&serde_json::from_str(sample).unwrap(), &verification, "");
    }
    // What the stub read and measured is what the sample shows, so values can be compared, too.
    assert_eq!(verification["extracted_data"]["full_name"], "Mohammed El Amrani");
    assert_eq!(verification["extracted_data"]["nationality"], "Moroccan");
    let face = &verification["checks"]["face_match"];
    assert_eq!((face["similarity"].as_f64(), face["threshold"].as_f64()), (Some(0.92), Some(0.8)));
    assert_eq!(verification["checks"]["fraud"]["risk_level"], "low");
    assert_eq!(verification, client.verification(verification["id"].as_str().unwrap()).await.unwrap());
    space.remove().await.unwrap();
}
