//! What a test of a webhook endpoint sends: shaped like the real thing, and about nobody.

use jiff::Timestamp;
use std::collections::BTreeMap;
use txid_shared::api::{
    Batch, CheckOutcome, Checks, Counts, EventData, ExpiredSession, ExtractedData, FaceMatchCheck,
    FraudCheck, FraudSignals, LivenessCheck, LivenessSignals, OcrCheck, PolicyUsed, Reason, RiskFactor,
    Verdict, Verification, Webhook,
};
use txid_shared::ids::{BatchId, SessionId, VerificationId};
use txid_shared::words::{
    BatchStatus, Check, CheckStatus, DisabledReason, DocumentType, EventType, ReasonCode, RiskLevel,
    SessionStatus, Severity, Status,
};
use uuid::Uuid;

/// `webhook` is the endpoint that is tested: it is what an event about an endpoint tells of.
pub(crate) fn sample(event_type: EventType, webhook: &Webhook, now: Timestamp) -> EventData {
    let (status, spoiled) = match event_type {
        EventType::WebhookDisabled => {
            return EventData::Webhook(Box::new(Webhook {
                enabled: false,
                disabled_at: Some(now),
                disabled_reason: Some(DisabledReason::Failing),
                ..webhook.clone()
            }));
        }
        EventType::SessionExpired => {
            return EventData::Session(Box::new(ExpiredSession {
                // No session has it.
                id: SessionId::from_uuid(Uuid::nil()),
                object: ExpiredSession::OBJECT.to_owned(),
                status: SessionStatus::Expired,
                country: "MA".to_owned(),
                document_type: DocumentType::NationalId,
                checks: Check::DEFAULT.to_vec(),
                uploaded: Vec::new(),
                metadata: [("test".to_owned(), true.into())].into_iter().collect(),
                created_at: now,
                expires_at: now,
            }));
        }
        EventType::BatchCompleted => {
            let counts = Counts { total: 1, verified: 1, ..Counts::default() };
            return EventData::Batch(Box::new(Batch {
                // No batch has it.
                id: BatchId::from_uuid(Uuid::nil()),
                object: Batch::OBJECT.to_owned(),
                status: BatchStatus::Completed,
                name: None,
                metadata: [("test".to_owned(), true.into())].into_iter().collect(),
                counts,
                rows_per_second: 0.0,
                timestamps: BTreeMap::new(),
                created_at: now,
                expires_at: now,
                retained_until: None,
                preflight: None,
                files: None,
                error: None,
                retry_of: None,
            }));
        }
        EventType::VerificationCompleted => (Status::Verified, None),
        EventType::VerificationFailed => {
            (Status::Failed, Some((Check::FaceMatch, CheckStatus::Failed, ReasonCode::FaceMismatch, 300)))
        }
        EventType::VerificationReview => (
            Status::ManualReview,
            Some((Check::Liveness, CheckStatus::Inconclusive, ReasonCode::ImageQualityTooLow, 0)),
        ),
        EventType::VerificationError => {
            (Status::Error, Some((Check::Ocr, CheckStatus::Error, ReasonCode::CheckError, 0)))
        }
        EventType::FraudSignalDetected => {
            (Status::Failed, Some((Check::Fraud, CheckStatus::Failed, ReasonCode::FraudDetected, 400)))
        }
    };
    EventData::Verification(Box::new(Verification {
        // No verification has it.
        id: VerificationId::from_uuid(Uuid::nil()),
        object: Verification::OBJECT.to_owned(),
        status,
        country: "MA".to_owned(),
        document_type: DocumentType::NationalId,
        created_at: now,
        completed_at: Some(now),
        expires_at: None,
        retry_of: None,
        review: None,
        metadata: [("test".to_owned(), true.into())].into_iter().collect(),
        images: Vec::new(),
        verdict: Some(verdict(spoiled)),
    }))
}

/// A clean verdict, but for the one check that is said to be spoiled.
fn verdict(spoiled: Option<(Check, CheckStatus, ReasonCode, u32)>) -> Verdict {
    let outcome = |check| {
        let found = spoiled.filter(|(of, ..)| *of == check);
        let (status, reasons) = found.map_or((CheckStatus::Passed, Vec::new()), |(_, status, code, _)| {
            (status, vec![reason(check, code)])
        });
        let confidence = matches!(status, CheckStatus::Passed | CheckStatus::Failed).then_some(0.95);
        CheckOutcome { check, status, confidence, reasons }
    };
    let is = |check| spoiled.is_some_and(|(of, ..)| of == check);
    let risk_score = spoiled.map_or(0, |(.., weight)| weight);
    let face_match = FaceMatchCheck {
        outcome: outcome(Check::FaceMatch),
        similarity: Some(if is(Check::FaceMatch) { 0.21 } else { 0.92 }),
        threshold: 0.8,
    };
    let liveness = LivenessCheck {
        outcome: outcome(Check::Liveness),
        active: None,
        signals: LivenessSignals {
            is_live: (!is(Check::Liveness)).then_some(true),
            spoof_type: None,
            quality_score: if is(Check::Liveness) { 0.2 } else { 0.95 },
            spoof_probability: (!is(Check::Liveness)).then_some(0.02),
        },
    };
    let fraud_score = if is(Check::Fraud) { risk_score } else { 0 };
    let fraud = FraudCheck {
        outcome: outcome(Check::Fraud),
        risk_score: fraud_score,
        risk_level: RiskLevel::of(fraud_score),
        signals: FraudSignals { tampering: is(Check::Fraud), ..FraudSignals::default() },
        measurements: Vec::new(),
    };
    let ocr = OcrCheck { outcome: outcome(Check::Ocr), missing_fields: Vec::new() };
    let factor =
        |(_, _, code, weight): (_, _, ReasonCode, u32)| RiskFactor { code: code.to_string(), weight };
    Verdict {
        checks: Checks {
            ocr: Some(ocr),
            face_match: Some(face_match),
            liveness: Some(liveness),
            fraud: Some(fraud),
            ..Checks::default()
        },
        extracted_data: (!is(Check::Ocr)).then(extracted),
        reasons: spoiled.iter().map(|(check, _, code, _)| reason(*check, *code)).collect(),
        risk_score,
        risk_level: RiskLevel::of(risk_score),
        risk_factors: spoiled.filter(|(.., weight)| *weight > 0).map(factor).into_iter().collect(),
        policy: PolicyUsed { version: "test".to_owned(), digest: String::new() },
        models: BTreeMap::new(),
        timings: BTreeMap::new(),
    }
}

fn extracted() -> ExtractedData {
    let fields = [
        ("full_name", "Test Sample"),
        ("first_name", "Test"),
        ("last_name", "Sample"),
        ("date_of_birth", "1990-01-01"),
        ("document_number", "TEST000000"),
        ("expiry_date", "2099-12-31"),
    ];
    let named = fields.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    ExtractedData { fields: named.collect(), ..ExtractedData::default() }
}

fn reason(check: Check, code: ReasonCode) -> Reason {
    Reason {
        code,
        severity: Severity::Critical,
        check,
        message: "A sample reason of a test event.".to_owned(),
        user_message: "This is a test.".to_owned(),
        score: None,
        threshold: None,
        retryable: true,
        evidence: None,
    }
}
