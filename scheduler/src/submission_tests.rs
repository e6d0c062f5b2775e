use super::*;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::io::Cursor;

fn picture_bytes(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image::RgbImage::new(width, height).write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}

fn good() -> Value {
    let picture = STANDARD.encode(picture_bytes(1280, 720));
    json!({
        "document_front": picture, "document_back": picture, "selfie": picture,
        "country": "MA", "document_type": "cin",
    })
}

fn parse(request: &Value) -> Result<Submission, ApiError> {
    Submission::parse(&Form::from_json(request.to_string().as_bytes())?)
}

/// `good()` with one field set (or removed by null), and what is refused about it.
fn refusal(field: &str, value: Value) -> (ErrorCode, Option<String>) {
    let mut request = good();
    request[field] = value;
    let error = parse(&request).expect_err("should be refused");
    (error.code, error.param)
}

fn about(code: ErrorCode, param: &str) -> (ErrorCode, Option<String>) {
    (code, Some(param.to_owned()))
}

#[test]
fn defaults_are_the_four_checks_and_a_waiting_caller() {
    let submission = parse(&good()).unwrap();
    assert_eq!(submission.declared.unwrap().document_type, DocumentType::NationalId);
    assert_eq!(submission.checks, Check::DEFAULT);
    assert_eq!(submission.stages, Stage::ALL);
    assert_eq!(submission.mode, Mode::Sync);
    assert_eq!(submission.images.len(), 3);
}

#[test]
fn two_checks_of_one_stage_run_it_once() {
    let mut request = good();
    request["checks"] = json!(["data_validation", "ocr", "ocr", "age_verification"]);
    let submission = parse(&request).unwrap();
    assert_eq!(submission.checks, [Check::DataValidation, Check::Ocr, Check::AgeVerification]);
    assert_eq!(submission.stages, [Stage::Ocr]);
}

#[test]
fn countries_and_documents_outside_the_table_are_refused() {
    assert_eq!(refusal("country", json!("XX")), about(ErrorCode::UnsupportedCountry, "country"));
    assert_eq!(refusal("country", Value::Null), about(ErrorCode::MissingParameter, "country"));
    assert_eq!(
        refusal("document_type", json!("voter_id")),
        about(ErrorCode::UnsupportedDocument, "document_type")
    );
    assert_eq!(
        refusal("document_type", json!("library")),
        about(ErrorCode::UnsupportedDocument, "document_type")
    );
}

#[test]
fn what_a_check_or_document_needs_is_asked_for_by_name() {
    assert_eq!(refusal("document_back", Value::Null), about(ErrorCode::MissingParameter, "document_back"));
    assert_eq!(refusal("selfie", Value::Null), about(ErrorCode::MissingParameter, "selfie"));
    assert_eq!(refusal("document_front", json!("")), about(ErrorCode::MissingParameter, "document_front"));
    let mut passport = good();
    passport["document_type"] = json!("passport");
    passport["document_back"] = Value::Null;
    passport["selfie"] = Value::Null;
    passport["checks"] = json!(["ocr", "fraud"]);
    assert_eq!(parse(&passport).unwrap().images.len(), 1);
}

#[test]
fn options_are_checked_by_name_and_range() {
    let invalid = |field: &str, value, param: &str| {
        assert_eq!(refusal(field, value), about(ErrorCode::InvalidParameter, param));
    };
    invalid("checks", json!(["duplicates"]), "checks");
    invalid("checks", json!(["retina"]), "checks");
    invalid("checks", json!([]), "checks");
    invalid("checks", json!("ocr"), "checks");
    invalid("mode", json!("later"), "mode");
    invalid("webhook_url", json!("ftp://example.com/"), "webhook_url");
    invalid("webhook_url", json!("/relative"), "webhook_url");
    invalid("webhook_url", json!("https://user:secret@example.com/"), "webhook_url");
    invalid("thresholds", json!({"face_match": 1.5}), "thresholds.face_match");
    invalid("thresholds", json!({"minimum_age": 18.5}), "thresholds.minimum_age");
    invalid("thresholds", json!({"face": 0.5}), "thresholds.face");
    invalid("thresholds", json!([]), "thresholds");
    invalid("expected", json!({"full_name": 5}), "expected");
    invalid("metadata", json!("text"), "metadata");
    invalid("metadata", json!({"note": "x".repeat(17_000)}), "metadata");
    invalid("metadata", json!({"note": ["a\0b"]}), "metadata");
    invalid("selfie", json!("not base64!"), "selfie");
    invalid("selfie", json!("data:image/jpeg,abc"), "selfie");
    invalid("selfy", json!("x"), "selfy");
}

#[test]
fn a_data_url_and_wrapped_lines_give_the_same_bytes() {
    let bytes = picture_bytes(640, 480);
    let encoded = STANDARD.encode(&bytes);
    let wrapped: Vec<&str> = encoded.as_bytes().chunks(76).map(|l| std::str::from_utf8(l).unwrap()).collect();
    for text in [
        encoded.clone(),
        encoded.trim_end_matches('=').to_owned(),
        format!("data:image/jpeg;base64,{encoded}"),
        wrapped.join("\r\n"),
    ] {
        assert_eq!(decode("selfie", &text).unwrap(), bytes);
    }
}

#[test]
fn a_huge_text_is_refused_before_it_is_decoded() {
    let text = "!".repeat(15 * 1024 * 1024);
    assert_eq!(decode("selfie", &text).unwrap_err().code, ErrorCode::ImageTooLarge);
}

#[test]
fn form_parts_may_spell_checks_in_three_ways() {
    for values in [vec!["ocr", "fraud"], vec!["ocr, fraud"], vec![r#"["ocr","fraud"]"#]] {
        let mut form = Form::default();
        for value in values {
            form.add("checks".into(), Given::Text(value.to_owned()));
        }
        assert_eq!(named_checks(&form).unwrap(), [Check::Ocr, Check::Fraud]);
    }
}
