//! The end of a verification: decide, write the verdict with its events, wake whoever waits.
//! Worker, sweeper and dead-letter consumer all end a verification here and nowhere else.

use crate::api::{Compared, Event, EventData, ImageInfo, Summary, Verdict, Verification};
use crate::blobs::crypto::{CryptoError, SealingKey};
use crate::clock::Clock;
use crate::likeness::{Likeness, Limits, Lookalikes, Probe};
use crate::partial::Partial;
use crate::partials::Partials;
use crate::policy::{Decision, Looked, Policy, Question, decide, document_key};
use crate::present::present;
use crate::request::SealedRequest;
use crate::sealed::{seal_event, seal_verdict};
use crate::store::{Case, Finish, OutgoingEvent, Store, StoreError};
use crate::telemetry::{Metrics, current_traceparent, set_parent};
use crate::words::{Check, CheckStatus, EventType, ImageRole, Purpose, Stage, Status};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::sync::Arc;
use tracing::Instrument;
use tracing::field::Empty;

/// For the audit trail: who decided.
const ACTOR: &str = "policy";

/// What is needed to end a verification.
#[derive(Clone)]
pub struct Context {
    pub store: Store,
    pub partials: Partials,
    pub lookalikes: Lookalikes,
    pub policy: Arc<Policy>,
    pub clock: Clock,
}

#[derive(Debug, thiserror::Error)]
pub enum ConcludeError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

/// Decides on `partials` (a stage without one counts as unable to run) and tells everyone. `key` is the case's.
/// False: somebody else decided before, or the verification was erased; nothing was written and
/// nothing is sent. Safe to repeat.
pub async fn conclude(
    context: &Context,
    case: &Case,
    key: &SealingKey,
    partials: &BTreeMap<Stage, Partial>,
) -> Result<bool, ConcludeError> {
    let won = case.status == Status::Pending && {
        let span = tracing::info_span!("decide", verification.id = %case.id, verification.status = Empty);
        // Under the stage that completed the set; the sweeper has no span of its own.
        if current_traceparent().is_none() {
            set_parent(&span, case.traceparent.as_deref());
        }
        write_verdict(context, case, key, partials).instrument(span).await?
    };
    over(context, case).await;
    Ok(won)
}

/// The end of a case whose key nobody can open any more: no verdict could be sealed and no event told.
pub async fn give_up(context: &Context, case: &Case) -> Result<bool, ConcludeError> {
    let finish = Finish {
        id: case.id,
        from: Status::Pending,
        status: Status::Error,
        sealed_verdict: None,
        sealed_review: None,
        summary: None,
        events: Vec::new(),
        webhook_url: None,
        traceparent: case.traceparent.clone(),
        now: context.clock.now(),
        actor: "sweeper".to_owned(),
        action: "verification.unreadable",
    };
    let won = context.store.finish(&finish).await?;
    if won {
        Metrics::get().decided(Status::Error, finish.now.duration_since(case.created_at).as_secs_f64());
    }
    over(context, case).await;
    Ok(won)
}

/// Also when another won: it may have died before this, and the partials would stay.
async fn over(context: &Context, case: &Case) {
    if let Err(error) = context.partials.finish(case.id).await {
        tracing::warn!(verification.id = %case.id, %error, "waiters were not woken; they poll");
    }
}

/// The first image that is the same file as one before it.
fn repeated(images: &[ImageInfo]) -> Option<ImageRole> {
    images.iter().enumerate().find_map(|(number, later)| {
        let same = |earlier: &ImageInfo| earlier.sha256 == later.sha256;
        images.iter().take(number).any(same).then_some(later.image)
    })
}

/// Others that are like this one, where that was asked for. It is remembered first, so that of two at once at least
/// one hears of the other.
async fn look(
    context: &Context,
    case: &Case,
    partials: &BTreeMap<Stage, Partial>,
) -> Result<Option<Looked>, ConcludeError> {
    if !case.checks.contains(&Check::Duplicate) {
        return Ok(None);
    }
    let seen = partials.values().map(|partial| partial.likeness.clone());
    let likeness = seen.fold(Likeness::default(), Likeness::and);
    let declared = case.declared.as_ref().map(|declared| declared.country.as_str());
    let account_key = context.store.account_key(case.account_id).await?;
    let document = document_key(partials, declared, &context.policy.rules.ocr)
        .map(|document| account_key.keyed_hash("document", &document));
    let mut compared = Compared {
        verifications: 0,
        document_number: document.is_some(),
        face: likeness.face.is_some(),
        images: likeness.images(),
    };
    let probe = Probe { document, likeness };
    let limits = Limits::from(&context.policy.rules.duplicate);
    let (lookalikes, others) = context.lookalikes.look(case.account_id, case.id, probe, limits).await?;
    compared.verifications = others as u64;
    let noted: Vec<_> =
        lookalikes.iter().map(|other| (other.verification_id, other.alike_in(&limits))).collect();
    context.store.note_lookalikes(case.id, &noted).await?;
    Ok(Some(Looked { lookalikes, compared }))
}

async fn write_verdict(
    context: &Context,
    case: &Case,
    key: &SealingKey,
    partials: &BTreeMap<Stage, Partial>,
) -> Result<bool, ConcludeError> {
    let request = match &case.sealed_request {
        Some(sealed) => SealedRequest::open(key, case.id, sealed)?,
        None => SealedRequest::default(),
    };
    let looked = look(context, case, partials).await?;
    let question = Question {
        checks: &case.checks,
        thresholds: &request.thresholds,
        expected: &request.expected,
        challenges: &request.challenges,
        declared: case.declared.as_ref().map(|declared| (declared.country.as_str(), declared.document_type)),
        repeated: repeated(&case.images),
        looked: looked.as_ref(),
        today: case.created_at.to_zoned(TimeZone::UTC).date(),
    };
    let decision = decide(&question, partials, &context.policy);
    let now = context.clock.now();

    let sealed_verdict = seal_verdict(key, case.id, &decision.verdict)?;
    let (status, summary) = (decision.status, summary(&decision.verdict));
    tracing::Span::current().record("verification.status", status.as_str());
    let events = match case.purpose {
        Purpose::Verification if request.untold => Vec::new(),
        Purpose::Verification => events(key, case, decision, now)?,
        // Whoever asked for a single stage waits for its answer.
        Purpose::Extraction | Purpose::FaceMatch | Purpose::Liveness => Vec::new(),
    };

    let finish = Finish {
        id: case.id,
        from: Status::Pending,
        status,
        sealed_verdict: Some(sealed_verdict),
        sealed_review: None,
        summary: Some(summary),
        events,
        webhook_url: request.webhook_url,
        traceparent: current_traceparent().or_else(|| case.traceparent.clone()),
        now,
        actor: ACTOR.to_owned(),
        action: "verification.decided",
    };
    crate::crash::point("conclude.before_finish");
    let won = context.store.finish(&finish).await?;
    crate::crash::point("conclude.after_finish");
    if won {
        let seconds = now.duration_since(case.created_at).as_secs_f64();
        Metrics::get().decided(status, seconds);
        tracing::info!(
            verification.id = %case.id,
            verification.status = %status,
            verification.duration_s = seconds,
            "verification decided"
        );
    }
    Ok(won)
}

/// Nothing personal: it is not sealed.
fn summary(verdict: &Verdict) -> Summary {
    let mut reasons: Vec<_> = verdict.reasons.iter().map(|reason| reason.code).collect();
    reasons.dedup();
    Summary {
        risk_score: Some(verdict.risk_score),
        checks: verdict.checks.outcomes().map(|outcome| (outcome.check, outcome.status)).collect(),
        reasons,
        similarity: verdict.checks.face_match.as_ref().and_then(|face| face.similarity),
        cpu_ms: verdict.timings.values().map(|timing| f64::from(timing.total_ms)).sum(),
    }
}

fn events(
    key: &SealingKey,
    case: &Case,
    decision: Decision,
    now: jiff::Timestamp,
) -> Result<Vec<OutgoingEvent>, ConcludeError> {
    let fraud = decision.verdict.checks.fraud.as_ref();
    let fraud_detected = fraud.is_some_and(|check| check.outcome.status == CheckStatus::Failed);
    let types =
        decision.status.event().into_iter().chain(fraud_detected.then_some(EventType::FraudSignalDetected));
    let data = EventData::Verification(Box::new(Verification {
        status: decision.status,
        completed_at: Some(now),
        verdict: Some(decision.verdict),
        ..present(case)?
    }));
    types.map(|event_type| Ok(seal_event(key, &Event::new(event_type, data.clone(), now))?)).collect()
}
