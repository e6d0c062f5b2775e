//! The words of the fleet, one per thing. The same spelling serves the wire, SQL, metrics and logs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A word that is not in the list it should come from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a {kind}; known: {known}")]
pub struct UnknownWord {
    pub kind: &'static str,
    pub given: String,
    pub known: String,
}

// Words are `tt`, not `literal`: utoipa reads names of the wire only from bare tokens.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident ($kind:literal) { $($(#[$vmeta:meta])* $variant:ident => $word:tt $(| $alias:tt)*),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $word $(, alias = $alias)*)] $variant),+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownWord;

            fn from_str(given: &str) -> Result<Self, UnknownWord> {
                match given {
                    $($word $(| $alias)* => Ok(Self::$variant),)+
                    _ => Err(UnknownWord {
                        kind: $kind,
                        given: given.chars().take(64).collect(),
                        known: Self::ALL.iter().map(|w| w.as_str()).collect::<Vec<_>>().join(", "),
                    }),
                }
            }
        }
    };
}

mod batch;
mod liveness;
pub use batch::{BatchFile, BatchStatus, RowState};
pub use liveness::{Challenge, ChallengeStatus, LivenessMode};

words! {
    /// What a customer asks for.
    Check("check") {
        Ocr => "ocr",
        FaceMatch => "face_match",
        Liveness => "liveness",
        Fraud => "fraud",
        DataValidation => "data_validation",
        AgeVerification => "age_verification",
        /// Was the document, the picture or the face seen before under this account?
        Duplicate => "duplicate",
    }
}

words! {
    /// One unit of work of a verification: what a job on the broker asks a worker to run.
    Stage("stage") {
        Ocr => "ocr",
        FaceMatch => "face_match",
        Liveness => "liveness",
        Fraud => "fraud",
    }
}

words! {
    /// Two queues per stage, so that a batch never stands in front of a person who waits.
    Lane("lane") {
        Interactive => "interactive",
        Batch => "batch",
    }
}

words! {
    /// What a row of work is for. All but a verification are calls for the result of a single stage.
    Purpose("purpose") {
        Verification => "verification",
        Extraction => "extraction",
        FaceMatch => "face_match",
        Liveness => "liveness",
    }
}

words! {
    /// Where a verification stands. Everything but `pending` is terminal,
    /// except that a review turns `manual_review` into `verified` or `failed`.
    Status("status") {
        Pending => "pending",
        Verified => "verified",
        /// Checked, and not good.
        Failed => "failed" | "rejected",
        ManualReview => "manual_review" | "review",
        Cancelled => "cancelled",
        Expired => "expired",
        /// We could not check; retryable.
        Error => "error",
    }
}

words! {
    /// Where a session stands.
    SessionStatus("session status") {
        /// A picture is missing.
        Pending => "pending",
        /// May be completed.
        Ready => "ready",
        Completed => "completed",
        Expired => "expired",
    }
}

words! {
    /// How one check ended.
    CheckStatus("check status") {
        Passed => "passed",
        Failed => "failed",
        Skipped => "skipped",
        /// The input cannot carry a judgement; never read as passed.
        Inconclusive => "inconclusive",
        Error => "error",
    }
}

words! {
    DocumentType("document type") {
        NationalId => "national_id" | "cin" | "cni" | "emirates_id" | "nin",
        Passport => "passport",
        DrivingLicense => "driving_license" | "permit",
        ResidencePermit => "residence_permit" | "residence_card" | "iqama",
        VoterId => "voter_id",
    }
}

words! {
    /// Which picture of a submission.
    ImageRole("image") {
        DocumentFront => "document_front" | "front",
        DocumentBack => "document_back" | "back",
        Selfie => "selfie",
    }
}

words! {
    Severity("severity") {
        Info => "info",
        Warning => "warning",
        Critical => "critical",
    }
}

words! {
    RiskLevel("risk level") {
        Low => "low",
        Medium => "medium",
        High => "high",
        Critical => "critical",
    }
}

words! {
    /// Why a stage reached the customer's result.
    ReasonCode("reason") {
        DocumentExpired => "document_expired",
        DocumentUnreadable => "document_unreadable",
        FaceNotDetected => "face_not_detected",
        MultipleFaces => "multiple_faces",
        FaceMismatch => "face_mismatch",
        LivenessFailed => "liveness_failed",
        FraudDetected => "fraud_detected",
        ImageQualityTooLow => "image_quality_too_low",
        /// Ours: two sources on the document, or the document and `expected`, contradict each other.
        DataInconsistency => "data_inconsistency",
        /// Ours: the holder is younger than the policy's `minimum_age_years`.
        Underage => "underage",
        /// Ours: document, picture or face were seen before under this account.
        DuplicateDetected => "duplicate_detected",
        /// Ours: the check could not run after its attempts.
        CheckError => "check_error",
    }
}

words! {
    /// What it comes down to that another verification is like this one.
    DuplicateFinding("finding") {
        /// The same person with the same document once more.
        Resubmission => "resubmission",
        /// The same document, and another person's face.
        DocumentOfAnotherFace => "document_of_another_face",
        /// The same face, and another document.
        FaceWithAnotherDocument => "face_with_another_document",
        /// The same document; a face is not known.
        SameDocument => "same_document",
        /// The same face; a document's number is not known.
        SameFace => "same_face",
        /// The same picture, and neither the same document nor the same face.
        SameImage => "same_image",
    }
}

words! {
    Permission("permission") {
        IdentityRead => "identity:read",
        IdentityWrite => "identity:write",
        DevelopersRead => "developers:read",
        DevelopersWrite => "developers:write",
    }
}

words! {
    /// What an account has agreed on; its figures are in `allowance`.
    Plan("plan") {
        Free => "free",
        Starter => "starter",
        Growth => "growth",
        Enterprise => "enterprise",
    }
}

words! {
    /// Whose data a key opens: the account's, or that of its twin for tests.
    KeyMode("key mode") {
        Live => "live",
        Test => "test",
    }
}

words! {
    EventType("event type") {
        VerificationCompleted => "identity.verification.completed",
        VerificationFailed => "identity.verification.failed",
        VerificationReview => "identity.verification.review",
        VerificationError => "identity.verification.error",
        FraudSignalDetected => "fraud.signal.detected",
        /// Nobody completed it in time.
        SessionExpired => "identity.session.expired",
        /// However it ended; its status tells.
        BatchCompleted => "identity.batch.completed",
        /// Told to the account's other endpoints.
        WebhookDisabled => "developer.webhook.disabled",
    }
}

words! {
    /// What of an event an endpoint is sent.
    Payload("payload") {
        Full => "full",
        /// Ids, status and reasons' codes; no personal data.
        Thin => "thin",
    }
}

words! {
    /// Why an endpoint is disabled.
    DisabledReason("reason for being disabled") {
        /// By its owner.
        Requested => "requested",
        /// Nothing but failures for `webhooks.disable_after_s`.
        Failing => "failing",
        /// It answered 410 Gone.
        Gone => "gone",
    }
}

words! {
    /// Where a delivery stands. In Postgres success is spelt `succeeded`.
    DeliveryStatus("delivery status") {
        Pending => "pending",
        Success => "success" | "succeeded",
        Failed => "failed",
    }
}

words! {
    /// Why a delivery is not tried any more.
    DeliveryFailure("delivery failure") {
        AttemptsExhausted => "attempts_exhausted",
        /// The consumer answered 410 Gone.
        Gone => "gone",
        EndpointDisabled => "endpoint_disabled",
        EndpointDeleted => "endpoint_deleted",
        VerificationErased => "verification_erased",
    }
}

impl Check {
    /// The stage that has to run for this check; three checks are read off the OCR result.
    pub const fn stage(self) -> Stage {
        match self {
            Self::Ocr | Self::DataValidation | Self::AgeVerification | Self::Duplicate => Stage::Ocr,
            Self::FaceMatch => Stage::FaceMatch,
            Self::Liveness => Stage::Liveness,
            Self::Fraud => Stage::Fraud,
        }
    }

    pub const fn needs_selfie(self) -> bool {
        matches!(self, Self::FaceMatch | Self::Liveness)
    }

    /// What is checked where the customer names nothing.
    pub const DEFAULT: [Self; 4] = [Self::Ocr, Self::FaceMatch, Self::Liveness, Self::Fraud];
}

impl Status {
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Pending)
    }

    /// The event that tells the customer; states a customer brought about himself are not told.
    pub const fn event(self) -> Option<EventType> {
        match self {
            Self::Verified => Some(EventType::VerificationCompleted),
            Self::Failed => Some(EventType::VerificationFailed),
            Self::ManualReview => Some(EventType::VerificationReview),
            Self::Error => Some(EventType::VerificationError),
            Self::Pending | Self::Cancelled | Self::Expired => None,
        }
    }
}

impl RiskLevel {
    /// The contract's bands: 0..=400 low, 401..=600 medium, 601..=800 high, 801..=1000 critical.
    pub const fn of(risk_score: u32) -> Self {
        match risk_score {
            0..=400 => Self::Low,
            401..=600 => Self::Medium,
            601..=800 => Self::High,
            _ => Self::Critical,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_are_taken_and_answers_are_canonical() {
        assert_eq!("cin".parse::<DocumentType>().map(DocumentType::as_str), Ok("national_id"));
        assert_eq!("iqama".parse::<DocumentType>().map(DocumentType::as_str), Ok("residence_permit"));
        assert_eq!("rejected".parse::<Status>().map(Status::as_str), Ok("failed"));
        assert_eq!(serde_json::to_string(&DocumentType::NationalId).unwrap(), "\"national_id\"");
    }

    #[test]
    fn an_unknown_word_names_the_known_ones() {
        let error = "retina".parse::<Check>().unwrap_err().to_string();
        assert!(error.contains("retina") && error.contains("face_match"), "{error}");
    }
}
