//! Puts the checks together: status, reasons in order of weight, a risk score that adds up.

use super::{Looked, Policy, Rules, Thresholds, age, data, duplicate, face, fraud, reading};
use crate::api::{
    AgeVerificationCheck, CheckOutcome, Checks, DataValidationCheck, DuplicateCheck, FaceMatchCheck,
    FraudCheck, FraudSignals, LivenessCheck, LivenessSignals, OcrCheck, PolicyUsed, Reason, RiskFactor,
    Verdict,
};
use crate::partial::{OcrResult, Partial, StageResult, Unable};
use crate::words::{
    Challenge, Check, CheckStatus, DocumentType, ImageRole, ReasonCode, RiskLevel, Severity, Stage, Status,
};
use jiff::civil::Date;
use std::collections::BTreeMap;

/// What the caller asked, as far as it bears on the verdict.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    pub checks: &'a [Check],
    pub thresholds: &'a Thresholds,
    /// Field name → value the caller expects on the document.
    pub expected: &'a BTreeMap<String, String>,
    /// What the person on the frames was asked to do.
    pub challenges: &'a [Challenge],
    /// Country (ISO 3166-1 alpha-2) and kind of document that the caller says it is; `None` where
    /// nobody said.
    pub declared: Option<(&'a str, DocumentType)>,
    /// An image that is the same file as one before it: one file cannot be the front, the back and
    /// the person.
    pub repeated: Option<ImageRole>,
    /// What was found to be like it; `None` where nobody looked.
    pub looked: Option<&'a Looked>,
    /// The day the verification was accepted (UTC), so that a replay tomorrow decides the same.
    pub today: Date,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    pub status: Status,
    pub verdict: Verdict,
}

/// Pure. Every stage that `question.checks` needs should have its partial; a missing one counts as unable.
pub fn decide(question: &Question<'_>, partials: &BTreeMap<Stage, Partial>, policy: &Policy) -> Decision {
    let rules = &policy.rules;
    let mut findings = Findings::new(rules);
    let mut checks = Checks::default();
    let ocr = match partials.get(&Stage::Ocr).map(|partial| &partial.result) {
        Some(StageResult::Ocr(ocr)) => Some(ocr),
        _ => None,
    };
    for check in question.checks {
        let result = partials.get(&check.stage()).map(|partial| &partial.result);
        answer(*check, result, ocr, question, rules, &mut findings, &mut checks);
    }

    let (risk_score, risk_factors) = findings.risk();
    let status = status(&checks, risk_score, rules.risk.review_from);
    let mut reasons: Vec<Reason> = checks.outcomes().flat_map(|outcome| outcome.reasons.clone()).collect();
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.severity));
    let verdict = Verdict {
        extracted_data: ocr.filter(|_| asks_for_fields(question.checks)).map(reading::extracted_data),
        checks,
        reasons,
        risk_score,
        risk_level: RiskLevel::of(risk_score),
        risk_factors,
        policy: PolicyUsed { version: rules.version.clone(), digest: policy.digest.clone() },
        models: partials.values().flat_map(|partial| partial.models.clone()).collect(),
        timings: partials.iter().map(|(stage, partial)| (*stage, partial.timing)).collect(),
    };
    Decision { status, verdict }
}

fn asks_for_fields(checks: &[Check]) -> bool {
    checks.iter().any(|check| *check != Check::Duplicate && check.stage() == Stage::Ocr)
}

fn answer(
    check: Check,
    result: Option<&StageResult>,
    ocr: Option<&OcrResult>,
    question: &Question<'_>,
    rules: &Rules,
    findings: &mut Findings,
    checks: &mut Checks,
) {
    let Question { thresholds, expected, challenges, declared, repeated, today, .. } = question;
    match (check, result) {
        (Check::Ocr, Some(StageResult::Ocr(ocr))) => {
            checks.ocr = Some(reading::check(ocr, &rules.ocr, *declared, *repeated, *today, findings));
        }
        (Check::DataValidation, Some(StageResult::Ocr(ocr))) => {
            checks.data_validation = Some(data::check(ocr, expected, *today, findings));
        }
        (Check::AgeVerification, Some(StageResult::Ocr(ocr))) => {
            checks.age_verification = Some(age::check(ocr, &rules.age_verification, thresholds, *today));
        }
        (Check::FaceMatch, Some(StageResult::FaceMatch(face))) => {
            checks.face_match = Some(face::face_match(face, &rules.face_match, thresholds, findings));
        }
        (Check::Liveness, Some(StageResult::Liveness(live))) => {
            checks.liveness = Some(face::liveness(live, &rules.liveness, thresholds, challenges, findings));
        }
        (Check::Fraud, Some(StageResult::Fraud(fraud))) => {
            checks.fraud = Some(fraud::check(fraud, ocr, &rules.fraud, findings));
        }
        (Check::Duplicate, Some(StageResult::Ocr(_))) if question.looked.is_some() => {
            checks.duplicate =
                question.looked.map(|looked| duplicate::check(looked, &rules.duplicate, findings));
        }
        (_, other) => {
            let unable = match other {
                Some(StageResult::Unable(unable)) => Some(unable),
                _ => None,
            };
            unable_to_check(check, unable, question, rules, checks);
        }
    }
}

fn unable_to_check(
    check: Check,
    unable: Option<&Unable>,
    question: &Question<'_>,
    rules: &Rules,
    checks: &mut Checks,
) {
    let message = unable.map_or("the stage left no result".to_owned(), |unable| {
        format!("the check could not run: {}: {}", unable.class, unable.message)
    });
    let sorry = "We could not check this right now. Please try again.";
    let outcome = CheckOutcome {
        check,
        status: CheckStatus::Error,
        confidence: None,
        reasons: vec![reason(ReasonCode::CheckError, Severity::Critical, check, &message, sorry)],
    };
    match check {
        Check::Ocr => {
            checks.ocr = Some(OcrCheck { outcome, missing_fields: rules.ocr.required_fields.clone() })
        }
        Check::FaceMatch => {
            let threshold = question.thresholds.face_match.unwrap_or(rules.face_match.similarity);
            checks.face_match = Some(FaceMatchCheck { outcome, similarity: None, threshold });
        }
        Check::Liveness => {
            let signals = LivenessSignals {
                is_live: None,
                spoof_type: None,
                quality_score: 0.0,
                spoof_probability: None,
            };
            checks.liveness = Some(LivenessCheck { outcome, signals, active: None });
        }
        Check::Fraud => {
            checks.fraud = Some(FraudCheck {
                outcome,
                risk_score: 0,
                risk_level: RiskLevel::Low,
                signals: FraudSignals::default(),
                measurements: Vec::new(),
            });
        }
        Check::DataValidation => {
            checks.data_validation =
                Some(DataValidationCheck { outcome, comparisons: Vec::new(), expected: Vec::new() });
        }
        Check::AgeVerification => {
            let minimum_age_years =
                question.thresholds.minimum_age.unwrap_or(rules.age_verification.minimum_age_years);
            checks.age_verification =
                Some(AgeVerificationCheck { outcome, age_years: None, minimum_age_years });
        }
        Check::Duplicate => checks.duplicate = Some(DuplicateCheck::of_nothing(outcome)),
    }
}

/// A judgement outweighs an error, an error outweighs doubt, doubt and risk outweigh a pass.
fn status(checks: &Checks, risk_score: u32, review_from: u32) -> Status {
    let any = |wanted| checks.outcomes().any(|outcome| outcome.status == wanted);
    if any(CheckStatus::Failed) {
        Status::Failed
    } else if any(CheckStatus::Error) {
        Status::Error
    } else if any(CheckStatus::Inconclusive) || risk_score >= review_from {
        Status::ManualReview
    } else {
        Status::Verified
    }
}

/// A reason of a retryable kind without score, threshold or evidence; callers add what they have.
pub(super) fn reason(
    code: ReasonCode,
    severity: Severity,
    check: Check,
    message: &str,
    user_message: &str,
) -> Reason {
    Reason {
        code,
        severity,
        check,
        message: message.to_owned(),
        user_message: user_message.to_owned(),
        score: None,
        threshold: None,
        retryable: true,
        evidence: None,
    }
}

/// Collects the contributions to the risk score while the checks are answered.
pub(super) struct Findings<'a> {
    rules: &'a Rules,
    factors: Vec<RiskFactor>,
    document_fraud: u32,
}

/// The scale's end: what goes beyond is cut off the last factor, so that the factors still add up.
const HIGHEST_RISK: u32 = 1000;

impl<'a> Findings<'a> {
    pub(super) fn new(rules: &'a Rules) -> Self {
        Self { rules, factors: Vec::new(), document_fraud: 0 }
    }

    /// One factor per code; a second finding of the same kind can only raise it.
    fn add(&mut self, code: &str, weight: u32) -> u32 {
        if let Some(known) = self.factors.iter_mut().find(|factor| factor.code == code) {
            let raised = weight.saturating_sub(known.weight);
            known.weight += raised;
            return raised;
        }
        self.factors.push(RiskFactor { code: code.to_owned(), weight });
        weight
    }

    pub(super) fn face_mismatch(&mut self, strength: f32) {
        self.add("face_mismatch", self.rules.risk.face_mismatch.weight(strength));
    }

    pub(super) fn liveness_failed(&mut self, strength: f32) {
        self.add("liveness_failed", self.rules.risk.liveness_failed.weight(strength));
    }

    pub(super) fn data_inconsistency(&mut self, strength: f32, code: &str) {
        self.add(code, self.rules.risk.data_inconsistency.weight(strength));
    }

    pub(super) fn duplicate(&mut self, strength: f32, code: &str) {
        self.add(code, self.rules.risk.duplicate.weight(strength));
    }

    pub(super) fn document_fraud(&mut self, code: &str, score: f32, certain: bool) {
        let rule =
            if certain { self.rules.risk.document_fraud } else { self.rules.risk.document_fraud_suspected };
        self.document_fraud += self.add(code, rule.weight(score));
    }

    pub(super) fn document_fraud_score(&self) -> u32 {
        self.document_fraud.min(HIGHEST_RISK)
    }

    pub(super) fn risk(mut self) -> (u32, Vec<RiskFactor>) {
        let mut score = 0;
        for factor in &mut self.factors {
            factor.weight = factor.weight.min(HIGHEST_RISK - score);
            score += factor.weight;
        }
        self.factors.retain(|factor| factor.weight > 0);
        (score, self.factors)
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
