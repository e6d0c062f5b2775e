//! Fixtures of the sandbox: for each reason that a picture can bring about, one submission that does, and what the
//! product has to say to it. They are data that travel the real pipeline; nobody looks at their names there.

use crate::attack::screen_of;
use crate::person::{Date, Person};
use crate::random::Random;
use crate::raster::Frame;
use crate::truth::Role;
use crate::{Attack, Capture, Design, Error, Generator, Submission, jpeg};
use image::{Rgb, RgbImage, imageops};
use serde::Serialize;

/// The file beside the pictures that lists them.
pub const CATALOGUE: &str = "fixtures.json";

/// One submission and what is expected of it, as the catalogue has it.
#[derive(Debug, Clone, Serialize)]
pub struct Fixture {
    pub id: &'static str,
    pub description: &'static str,
    pub country: &'static str,
    pub document_type: &'static str,
    /// Empty: those that are checked where nobody names any.
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    pub checks: &'static [&'static str],
    pub expected: Expected,
    #[serde(skip)]
    made: Made,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Expected {
    pub status: &'static str,
    /// All reason codes of the verdict.
    pub reasons: &'static [&'static str],
}

#[derive(Debug, Clone, Copy)]
struct Made {
    design: &'static str,
    seed: u64,
    attack: Attack,
    holder: Holder,
    selfie: Selfie,
    sides: Sides,
}

#[derive(Debug, Clone, Copy)]
enum Holder {
    Adult,
    Child,
    /// Whose document ended years ago.
    Expired,
}

#[derive(Debug, Clone, Copy)]
enum Selfie {
    /// As the attack leaves it.
    Taken,
    Absent,
    /// A bare wall.
    Wall,
    /// The holder and somebody else, head by head.
    Together,
    /// A display that shows the holder.
    Display,
    OutOfFocus,
}

#[derive(Debug, Clone, Copy)]
enum Sides {
    All,
    /// The front alone, as of a document that has no back.
    Front,
}

const CARD: &str = "mar_national_id_2020";
const USUAL: Made = Made {
    design: CARD,
    seed: 2026,
    attack: Attack::None,
    holder: Holder::Adult,
    selfie: Selfie::Taken,
    sides: Sides::All,
};

const fn card(
    id: &'static str,
    description: &'static str,
    status: &'static str,
    reasons: &'static [&'static str],
    made: Made,
) -> Fixture {
    let expected = Expected { status, reasons };
    Fixture { id, description, country: "MA", document_type: "national_id", checks: &[], expected, made }
}

/// `check_error` is not among them: no picture keeps a check from running.
pub const FIXTURES: &[Fixture] = &[
    card("genuine", "A genuine card and its holder's selfie", "verified", &[], USUAL),
    Fixture {
        document_type: "passport",
        ..card(
            "genuine_passport",
            "A genuine passport and its holder's selfie",
            "verified",
            &[],
            Made { design: "mar_passport", ..USUAL },
        )
    },
    card(
        "document_expired",
        "The card expired years ago",
        "failed",
        &["document_expired"],
        Made { holder: Holder::Expired, ..USUAL },
    ),
    card(
        "document_unreadable",
        "Both sides out of focus and moved",
        "failed",
        &["document_unreadable", "image_quality_too_low"],
        Made { attack: Attack::Blurred, seed: 2030, ..USUAL },
    ),
    card(
        "face_not_detected",
        "The selfie shows a bare wall",
        "failed",
        &["face_not_detected"],
        Made { selfie: Selfie::Wall, ..USUAL },
    ),
    card(
        "multiple_faces",
        "Two people on the selfie",
        "failed",
        &["multiple_faces"],
        Made { selfie: Selfie::Together, ..USUAL },
    ),
    card(
        "face_mismatch",
        "Somebody else's selfie",
        "failed",
        &["face_mismatch"],
        Made { attack: Attack::OtherPersonsSelfie, ..USUAL },
    ),
    card(
        "liveness_failed",
        "The selfie was taken of a display",
        "failed",
        &["liveness_failed"],
        Made { selfie: Selfie::Display, ..USUAL },
    ),
    card(
        "fraud_screen",
        "Both sides photographed from a display",
        "failed",
        &["fraud_detected"],
        Made { attack: Attack::ScreenRecapture, ..USUAL },
    ),
    card(
        "fraud_copy",
        "A photocopy instead of the card",
        "failed",
        &["fraud_detected"],
        Made { attack: Attack::GreyCopy, ..USUAL },
    ),
    card(
        "fraud_edited",
        "A date on the front was retyped in an editor",
        "failed",
        &["fraud_detected"],
        Made { attack: Attack::EditedDate, ..USUAL },
    ),
    card(
        "image_quality_too_low",
        "The selfie is out of focus",
        "manual_review",
        &["image_quality_too_low"],
        Made { selfie: Selfie::OutOfFocus, ..USUAL },
    ),
    Fixture {
        document_type: "passport",
        checks: &["ocr"],
        ..card(
            "data_inconsistency",
            "A card that is said to be a passport",
            "manual_review",
            &["data_inconsistency"],
            Made { selfie: Selfie::Absent, sides: Sides::Front, ..USUAL },
        )
    },
    Fixture {
        checks: &["ocr", "age_verification"],
        ..card(
            "underage",
            "A genuine card of a child",
            "failed",
            &["underage"],
            Made { holder: Holder::Child, selfie: Selfie::Absent, ..USUAL },
        )
    },
];

impl Fixture {
    /// Its pictures. The same bytes each time on the same build.
    pub fn images(&self, generator: &Generator) -> Result<Vec<(Role, Vec<u8>)>, Error> {
        let Made { seed, attack, sides, .. } = self.made;
        let design = Design::named(self.made.design)?;
        let person = self.person(generator, &design)?;
        let made = |attack| generator.submission(&person, &design, Capture::PHOTO, attack, seed);
        let submission = made(attack)?;
        let selfie = self.selfie(&submission, || made(Attack::OtherPersonsSelfie))?;
        let back = submission.back.filter(|_| matches!(sides, Sides::All));
        let images = [
            (Role::DocumentFront, Some(submission.front)),
            (Role::DocumentBack, back),
            (Role::Selfie, selfie),
        ];
        Ok(images.into_iter().filter_map(|(role, bytes)| Some((role, bytes?))).collect())
    }

    fn person(&self, generator: &Generator, design: &Design) -> Result<Person, Error> {
        let mut person = generator.person(&design.issuer, self.made.seed)?;
        let year = |date: Date, year: u16| Date { year, ..date };
        // Valid for as long as there is any use for them.
        let (born, issued) = match self.made.holder {
            Holder::Adult => (1985, 2025),
            Holder::Child => (2021, 2025),
            Holder::Expired => (1985, 2011),
        };
        person.date_of_birth = year(person.date_of_birth, born);
        person.issue_date = year(person.issue_date, issued);
        person.expiry_date = person.issue_date.plus_years(10);
        Ok(person)
    }

    fn selfie(
        &self,
        submission: &Submission,
        with_somebody_else: impl Fn() -> Result<Submission, Error>,
    ) -> Result<Option<Vec<u8>>, Error> {
        let taken = submission.selfie.clone();
        let Some(own) = &taken else { return Ok(None) };
        let changed = match self.made.selfie {
            Selfie::Taken => return Ok(taken),
            Selfie::Absent => return Ok(None),
            Selfie::Wall => wall(),
            Selfie::Together => {
                let other = with_somebody_else()?;
                let (high, other_high) = (head_px(submission), head_px(&other));
                let other = jpeg::decode(&other.selfie.unwrap_or_default())?;
                together(&jpeg::decode(own)?, &other, high / other_high)
            }
            Selfie::Display => {
                let mut random = Random::stream(self.made.seed, "display");
                screen_of(&Frame::from_rgb(&jpeg::decode(own)?), &mut random).to_rgb()
            }
            Selfie::OutOfFocus => Frame::from_rgb(&jpeg::decode(own)?).blurred_coarsely(6.0).to_rgb(),
        };
        jpeg::encode(&changed, SELFIE_QUALITY).map(Some)
    }
}

/// Below 75 it would not be looked at for liveness.
const SELFIE_QUALITY: u8 = 92;

fn wall() -> RgbImage {
    RgbImage::from_fn(960, 1280, |x, y| {
        let light = 150.0 + 40.0 * f64::from(y) / 1280.0 - 25.0 * f64::from(x) / 960.0;
        Rgb([light as u8, (light * 0.97) as u8, (light * 0.91) as u8])
    })
}

/// From crown to chin on the selfie.
fn head_px(submission: &Submission) -> f64 {
    let faces = submission.truth.faces.iter().filter(|face| face.image == Role::Selfie);
    faces.map(|face| f64::from(face.head[2][1] - face.head[0][1])).fold(1.0, f64::max)
}

/// Side by side, the second enlarged by `factor`, so that neither head is the smaller one.
fn together(one: &RgbImage, other: &RgbImage, factor: f64) -> RgbImage {
    let size = |px: u32| (f64::from(px) * factor).round() as u32;
    let other =
        imageops::resize(other, size(other.width()), size(other.height()), imageops::FilterType::Triangle);
    let mut both = RgbImage::new(one.width() + other.width(), one.height().max(other.height()));
    imageops::replace(&mut both, one, 0, 0);
    imageops::replace(&mut both, &other, i64::from(one.width()), 0);
    both
}
