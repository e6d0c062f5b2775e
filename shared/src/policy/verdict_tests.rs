use super::*;
use crate::partial::{
    Agreement, Barcode, BarcodeContent, BarcodeFormat, CheckDigit, FaceMatchOutcome, FaceMatchResult, Field,
    FieldCheck, FieldComparison, FieldSource, FraudKind, FraudResult, FraudSignal, LivenessOutcome,
    LivenessResult, Mrz, MrzFormat, OcrResult, SideReading,
};
use jiff::civil::date;

const POLYGON: crate::partial::Polygon = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];

fn partial(result: StageResult) -> Partial {
    Partial::of(result)
}

fn field(value: &str) -> Field {
    Field {
        value: value.to_owned(),
        raw: value.to_owned(),
        confidence: 0.98,
        source: FieldSource::Visual,
        image: ImageRole::DocumentFront,
        polygon: POLYGON,
    }
}

fn good_ocr() -> OcrResult {
    let fields = [
        ("full_name", "Mohammed El Amrani"),
        ("date_of_birth", "1990-05-15"),
        ("document_number", "AE123456"),
        ("expiry_date", "2028-05-14"),
        ("issue_date", "2018-05-15"),
    ];
    OcrResult {
        readable: true,
        fields: fields.iter().map(|(name, value)| ((*name).to_owned(), field(value))).collect(),
        ..OcrResult::default()
    }
}

fn face(outcome: FaceMatchOutcome) -> StageResult {
    StageResult::FaceMatch(FaceMatchResult { outcome, faces: Vec::new(), issues: Vec::new() })
}

fn live(outcome: LivenessOutcome) -> StageResult {
    StageResult::Liveness(LivenessResult {
        outcome,
        quality_score: 0.9,
        face: None,
        issues: Vec::new(),
        frames: Vec::new(),
        judged_frame: None,
    })
}

fn signal(kind: FraudKind, score: f32) -> FraudSignal {
    FraudSignal { kind, score, image: ImageRole::DocumentFront, message: "seen".to_owned(), evidence: None }
}

/// A flawless submission, changed by `change`.
fn decided(change: impl FnOnce(&mut BTreeMap<Stage, Partial>)) -> Decision {
    decided_with(&Check::DEFAULT, &Thresholds::default(), &BTreeMap::new(), change)
}

fn decided_with(
    checks: &[Check],
    thresholds: &Thresholds,
    expected: &BTreeMap<String, String>,
    change: impl FnOnce(&mut BTreeMap<Stage, Partial>),
) -> Decision {
    let same = FaceMatchOutcome::Compared { similarity: 0.92, cosine: 0.6, confidence: 0.95 };
    let mut partials = BTreeMap::from([
        (Stage::Ocr, partial(StageResult::Ocr(good_ocr()))),
        (Stage::FaceMatch, partial(face(same))),
        (
            Stage::Liveness,
            partial(live(LivenessOutcome::Judged { spoof_probability: 0.02, spoof_type: None })),
        ),
        (Stage::Fraud, partial(StageResult::Fraud(FraudResult::default()))),
    ]);
    change(&mut partials);
    let question = Question {
        checks,
        thresholds,
        expected,
        challenges: &[],
        declared: None,
        repeated: None,
        looked: None,
        today: date(2026, 11, 22),
    };
    decided_on(&question, &partials)
}

fn decided_on(question: &Question<'_>, partials: &BTreeMap<Stage, Partial>) -> Decision {
    let decision = decide(question, partials, &Policy::default());
    let sum: u32 = decision.verdict.risk_factors.iter().map(|factor| factor.weight).sum();
    assert_eq!(sum, decision.verdict.risk_score, "the factors must add up");
    decision
}

fn with_ocr(change: impl FnOnce(&mut OcrResult)) -> Decision {
    decided(|partials| {
        let mut ocr = good_ocr();
        change(&mut ocr);
        partials.insert(Stage::Ocr, partial(StageResult::Ocr(ocr)));
    })
}

fn codes(decision: &Decision) -> Vec<ReasonCode> {
    decision.verdict.reasons.iter().map(|reason| reason.code).collect()
}

#[test]
fn a_flawless_submission_is_verified_without_reasons_or_risk() {
    let decision = decided(|_| {});
    assert_eq!(decision.status, Status::Verified);
    assert!(decision.verdict.reasons.is_empty());
    assert_eq!(decision.verdict.risk_score, 0);
}

#[test]
fn another_face_fails_and_says_so_with_score_and_threshold() {
    let decision = decided(|partials| {
        let other = FaceMatchOutcome::Compared { similarity: 0.1, cosine: 0.0, confidence: 0.9 };
        partials.insert(Stage::FaceMatch, partial(face(other)));
    });
    assert_eq!(decision.status, Status::Failed);
    assert_eq!(codes(&decision), [ReasonCode::FaceMismatch]);
    assert_eq!(decision.verdict.reasons[0].threshold, Some(0.80));
    assert!((200..=400).contains(&decision.verdict.risk_score));
}

#[test]
fn a_missing_face_and_several_faces_are_never_a_match() {
    for outcome in [
        FaceMatchOutcome::NoFace { image: ImageRole::Selfie },
        FaceMatchOutcome::SeveralFaces { image: ImageRole::Selfie, count: 2 },
    ] {
        let decision = decided(|partials| {
            partials.insert(Stage::FaceMatch, partial(face(outcome)));
        });
        assert_eq!(decision.status, Status::Failed);
        assert_eq!(decision.verdict.checks.face_match.unwrap().similarity, None);
    }
}

#[test]
fn what_cannot_be_judged_goes_to_a_person() {
    let decision = decided(|partials| {
        partials.insert(
            Stage::Liveness,
            partial(live(LivenessOutcome::Inconclusive { why: "small".to_owned() })),
        );
    });
    assert_eq!(decision.status, Status::ManualReview);
    let liveness = decision.verdict.checks.liveness.unwrap();
    assert_eq!((liveness.outcome.status, liveness.signals.is_live), (CheckStatus::Inconclusive, None));
}

#[test]
fn a_stage_that_could_not_run_is_an_error_unless_another_failed() {
    let unable = |stage| {
        partial(StageResult::Unable(Unable {
            stage,
            class: "deadline_exceeded".to_owned(),
            message: "longer than 20 s".to_owned(),
        }))
    };
    let decision = decided(|partials| {
        partials.insert(Stage::Ocr, unable(Stage::Ocr));
    });
    assert_eq!(decision.status, Status::Error);
    assert_eq!(codes(&decision), [ReasonCode::CheckError]);
    let decision = decided(|partials| {
        partials.insert(Stage::Ocr, unable(Stage::Ocr));
        partials
            .insert(Stage::FaceMatch, partial(face(FaceMatchOutcome::NoFace { image: ImageRole::Selfie })));
    });
    assert_eq!(decision.status, Status::Failed);
    assert_eq!(decided(|partials| partials.clear()).status, Status::Error);
}

#[test]
fn an_unreadable_document_fails_and_a_half_read_one_goes_to_a_person() {
    assert_eq!(with_ocr(|ocr| *ocr = OcrResult::default()).status, Status::Failed);
    let half = with_ocr(|ocr| {
        ocr.fields.remove("document_number");
    });
    assert_eq!(half.status, Status::ManualReview);
    assert_eq!(half.verdict.checks.ocr.unwrap().missing_fields, ["document_number"]);
}

#[test]
fn an_expired_document_fails_from_the_day_after() {
    let on = |expiry: &str| {
        with_ocr(|ocr| {
            ocr.fields.insert("expiry_date".to_owned(), field(expiry));
        })
    };
    assert_eq!(on("2026-11-22").status, Status::Verified);
    let expired = on("2026-11-21");
    assert_eq!(expired.status, Status::Failed);
    assert_eq!(codes(&expired), [ReasonCode::DocumentExpired]);
}

#[test]
fn fraud_is_graded_and_explained() {
    let with = |kind, score| {
        decided(|partials| {
            let fraud = FraudResult { signals: vec![signal(kind, score)], issues: Vec::new() };
            partials.insert(Stage::Fraud, partial(StageResult::Fraud(fraud)));
        })
    };
    assert_eq!(with(FraudKind::ScreenMoire, 0.49).status, Status::Verified);
    assert_eq!(with(FraudKind::ScreenMoire, 0.6).status, Status::ManualReview);
    let certain = with(FraudKind::ScreenMoire, 0.9);
    assert_eq!(certain.status, Status::Failed);
    let fraud = certain.verdict.checks.fraud.unwrap();
    assert!(fraud.signals.screen_capture && !fraud.signals.tampering);
    assert!((300..=500).contains(&fraud.risk_score));
    // Editing software alone never fails anybody.
    assert_eq!(with(FraudKind::EditorMetadata, 1.0).status, Status::ManualReview);
}

#[test]
fn a_date_that_differs_from_a_valid_mrz_is_tampering() {
    let mrz = |valid| Mrz {
        format: MrzFormat::Td1,
        lines: Vec::new(),
        raw_lines: Vec::new(),
        check_digits: vec![CheckDigit { field: "composite".to_owned(), printed: '1', computed: '1', valid }],
        corrections: Vec::new(),
        ambiguities: Vec::new(),
        valid,
        confidence: 0.9,
        image: ImageRole::DocumentBack,
        polygon: POLYGON,
    };
    let conflict = FieldComparison {
        field: "date_of_birth".to_owned(),
        mrz: Some("1990-05-15".to_owned()),
        visual: Some("1996-05-15".to_owned()),
        barcode: None,
        outcome: Agreement::Conflict,
    };
    let decision = with_ocr(|ocr| {
        ocr.mrz = Some(mrz(true));
        ocr.comparisons = vec![conflict.clone()];
    });
    assert_eq!(decision.status, Status::Failed);
    assert!(decision.verdict.checks.fraud.unwrap().signals.tampering);
    // No reason may repeat what was read.
    assert!(decision.verdict.reasons.iter().all(|reason| !reason.message.contains("1990")));

    let doubtful = with_ocr(|ocr| {
        ocr.mrz = Some(mrz(false));
        ocr.comparisons = vec![conflict];
    });
    assert_eq!(doubtful.status, Status::ManualReview, "a doubtful MRZ accuses nobody");
}

#[test]
fn a_date_that_differs_from_a_barcode_is_tampering() {
    let sources = [FieldSource::Barcode, FieldSource::Visual];
    let values = [(sources[0], "1990-05-15".to_owned()), (sources[1], "1996-05-15".to_owned())];
    let (format, content) = (BarcodeFormat::Pdf417, BarcodeContent::Aamva);
    let decision = with_ocr(|ocr| {
        ocr.barcodes =
            vec![Barcode { format, image: ImageRole::DocumentBack, polygon: POLYGON, content, bytes: 300 }];
        ocr.comparisons = vec![FieldComparison::new("date_of_birth", values, Agreement::Conflict)];
    });
    assert_eq!(decision.status, Status::Failed);
    let fraud = decision.verdict.checks.fraud.unwrap();
    assert!(fraud.signals.tampering);
    assert_eq!(fraud.measurements[0].kind, FraudKind::BarcodeConflict);
}

#[test]
fn the_callers_thresholds_and_expectations_count() {
    let stricter = Thresholds { face_match: Some(0.95), ..Thresholds::default() };
    assert_eq!(decided_with(&Check::DEFAULT, &stricter, &BTreeMap::new(), |_| {}).status, Status::Failed);

    let checks = [Check::DataValidation, Check::AgeVerification];
    let expected = |name: &str| BTreeMap::from([("full_name".to_owned(), name.to_owned())]);
    let status = |name| decided_with(&checks, &Thresholds::default(), &expected(name), |_| {}).status;
    assert_eq!(status("EL AMRANI Mohammed"), Status::Verified);
    assert_eq!(status("Somebody Else"), Status::Failed);

    let older = Thresholds { minimum_age: Some(40), ..Thresholds::default() };
    let decision = decided_with(&checks, &older, &BTreeMap::new(), |_| {});
    assert_eq!((decision.status, codes(&decision)), (Status::Failed, vec![ReasonCode::Underage]));
}

#[test]
fn the_risk_score_never_leaves_its_scale() {
    let decision = decided(|partials| {
        let kinds = [FraudKind::LocalEdit, FraudKind::ScreenMoire, FraudKind::GreyCopy];
        let signals = kinds.into_iter().map(|kind| signal(kind, 1.0)).collect();
        partials
            .insert(Stage::Fraud, partial(StageResult::Fraud(FraudResult { signals, issues: Vec::new() })));
        let other = FaceMatchOutcome::Compared { similarity: 0.0, cosine: -0.1, confidence: 0.9 };
        partials.insert(Stage::FaceMatch, partial(face(other)));
    });
    assert_eq!((decision.verdict.risk_score, decision.verdict.risk_level), (1000, RiskLevel::Critical));
}

#[test]
fn only_the_checks_asked_for_are_answered() {
    let decision = decided_with(&[Check::FaceMatch], &Thresholds::default(), &BTreeMap::new(), |_| {});
    assert_eq!(decision.verdict.checks.outcomes().count(), 1);
    assert!(decision.verdict.extracted_data.is_none());
}

/// A flawless reading of a document of which this was read, declared as that.
fn declared(country: &str, document: DocumentType, read: &[(&str, &str)], lines_of_back: usize) -> Decision {
    let mut ocr = good_ocr();
    for (name, value) in read {
        ocr.fields.insert((*name).to_owned(), field(value));
    }
    ocr.sides.push(SideReading {
        image: ImageRole::DocumentBack,
        document: None,
        rotation_degrees: 0,
        text_lines: lines_of_back,
        confidence: 0.9,
        issues: Vec::new(),
    });
    let question = Question {
        checks: &[Check::Ocr],
        thresholds: &Thresholds::default(),
        expected: &BTreeMap::new(),
        challenges: &[],
        declared: Some((country, document)),
        repeated: None,
        looked: None,
        today: date(2026, 11, 22),
    };
    decided_on(&question, &BTreeMap::from([(Stage::Ocr, partial(StageResult::Ocr(ocr)))]))
}

#[test]
fn another_document_than_declared_is_never_verified() {
    let card = [("document_code", "I"), ("issuing_country", "MAR")];
    let passport = [("document_code", "P"), ("issuing_country", "MAR")];
    for (country, document, read) in [
        ("FR", DocumentType::NationalId, &card[..]),
        ("MA", DocumentType::DrivingLicense, &card),
        ("MA", DocumentType::Passport, &card),
        ("MA", DocumentType::Passport, &[]),
        ("FR", DocumentType::Passport, &passport),
        ("MA", DocumentType::NationalId, &passport),
    ] {
        let decision = declared(country, document, read, 9);
        assert_eq!(decision.status, Status::ManualReview, "{country} {document} {read:?}");
        assert_eq!(codes(&decision), [ReasonCode::DataInconsistency], "{country} {document} {read:?}");
    }
    assert_eq!(declared("MA", DocumentType::NationalId, &card, 9).status, Status::Verified);
    assert_eq!(declared("MA", DocumentType::Passport, &passport, 9).status, Status::Verified);
    assert_eq!(declared("KE", DocumentType::NationalId, &[], 9).status, Status::Verified);
}

#[test]
fn a_back_without_print_is_none() {
    let decision = declared("MA", DocumentType::NationalId, &[], 0);
    assert_eq!(decision.status, Status::ManualReview);
    assert_eq!(codes(&decision), [ReasonCode::DocumentUnreadable]);
}

#[test]
fn one_file_in_two_roles_is_not_verified() {
    let question = Question {
        checks: &[Check::Ocr],
        thresholds: &Thresholds::default(),
        expected: &BTreeMap::new(),
        challenges: &[],
        declared: None,
        repeated: Some(ImageRole::DocumentBack),
        looked: None,
        today: date(2026, 11, 22),
    };
    let ocr = BTreeMap::from([(Stage::Ocr, partial(StageResult::Ocr(good_ocr())))]);
    let decision = decided_on(&question, &ocr);
    assert_eq!(decision.status, Status::ManualReview);
    assert_eq!(codes(&decision), [ReasonCode::DataInconsistency]);
}

#[test]
fn a_selfie_cut_out_of_the_document_is_not_verified() {
    let decision = decided(|partials| {
        let same = FaceMatchOutcome::Compared { similarity: 0.999, cosine: 0.99, confidence: 0.95 };
        partials.insert(Stage::FaceMatch, partial(face(same)));
    });
    assert_eq!(decision.status, Status::ManualReview);
    assert_eq!(codes(&decision), [ReasonCode::FraudDetected]);
}

#[test]
fn a_number_that_contradicts_itself_goes_to_a_person() {
    let with_check = |rule: &'static str, holds| {
        let change = move |partials: &mut BTreeMap<Stage, Partial>| {
            let mut ocr = good_ocr();
            ocr.field_checks = vec![FieldCheck::new("document_number", rule, holds, None)];
            partials.insert(Stage::Ocr, partial(StageResult::Ocr(ocr)));
        };
        let checks = [Check::Ocr, Check::DataValidation];
        decided_with(&checks, &Thresholds::default(), &BTreeMap::new(), change)
    };
    assert_eq!(with_check("check_digit", true).status, Status::Verified);
    assert_eq!(with_check("pattern", false).status, Status::Verified, "the form alone accuses nobody");
    let doubtful = with_check("check_digit", false);
    assert_eq!(
        (doubtful.status, codes(&doubtful)),
        (Status::ManualReview, vec![ReasonCode::DataInconsistency])
    );
}
