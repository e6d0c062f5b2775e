//! The demo's submissions: what the product has to say to each.

use crate::{Attack, Capture, Design, Error, Generator, Submission};
use serde::Serialize;

/// What a verdict must be for the demo to count as right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Demand {
    /// Any of these statuses.
    pub statuses: &'static [&'static str],
    /// At least one of these reason codes; none may be given where empty.
    pub reasons: &'static [&'static str],
}

#[derive(Debug, Clone)]
pub struct DemoSubmission {
    /// For people: `genuine`, `other person's selfie` …
    pub name: &'static str,
    pub country: &'static str,
    pub document_type: &'static str,
    pub submission: Submission,
    pub demand: Demand,
}

const CASES: [(&str, Attack, Demand); 5] = [
    ("genuine", Attack::None, Demand { statuses: &["verified"], reasons: &[] }),
    (
        "other person's selfie",
        Attack::OtherPersonsSelfie,
        Demand { statuses: &["failed"], reasons: &["face_mismatch"] },
    ),
    (
        "screen recapture",
        Attack::ScreenRecapture,
        Demand { statuses: &["failed", "manual_review"], reasons: &["fraud_detected"] },
    ),
    (
        "edited date",
        Attack::EditedDate,
        Demand { statuses: &["failed", "manual_review"], reasons: &["fraud_detected", "data_inconsistency"] },
    ),
    (
        "blurred",
        Attack::Blurred,
        Demand {
            statuses: &["failed", "manual_review"],
            reasons: &["document_unreadable", "image_quality_too_low"],
        },
    ),
];

/// Five Moroccan identity cards of five people: genuine, somebody else's selfie, photographed from
/// a display, with an edited date, and blurred. The same `seed` gives the same files.
pub fn submissions(generator: &Generator, seed: u64) -> Result<Vec<DemoSubmission>, Error> {
    let design = Design::named("mar_national_id_2020")?;
    CASES
        .iter()
        .zip(seed..)
        .map(|((name, attack, demand), seed)| {
            let person = generator.person(&design.issuer, seed)?;
            Ok(DemoSubmission {
                name,
                country: "MA",
                document_type: "national_id",
                submission: generator.submission(&person, &design, Capture::PHOTO, *attack, seed)?,
                demand: *demand,
            })
        })
        .collect()
}
