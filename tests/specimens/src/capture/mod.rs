//! From the flat side to what a phone or scanner makes of it.
//!
//! `photo` and `flat_scan` are the plain captures on which fixtures, demo and benchmarks rest; they
//! never change. The conditions are a model of how customers photograph, one trouble each, and
//! `random`, a mixture of them.

mod clutter;
mod condition;
mod delivery;
mod hand;
mod optics;
mod phone;
mod room;
mod scene;
mod sensor;
mod stage;
mod surface;

pub use condition::Condition;
pub use delivery::{Saved, Sent};
pub use optics::{Glare, Shadow};
pub use phone::{Hand, Phone, Sensor};
pub use scene::{Scene, Shot, Support};
pub use stage::{Flat, Stage};
pub use surface::Ground;

use crate::Error;
use crate::random::Random;
use serde::{Deserialize, Serialize};

/// How the pictures were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    pub kind: CaptureKind,
    pub turn: Turn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureKind {
    /// By a phone, on a desk, 2464×1632.
    Photo,
    /// On a flatbed scanner, 1900×1300 for a card.
    FlatScan,
    /// By a phone, as this condition has it.
    Phone(Condition),
}

/// Clockwise turn of the finished picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    Upright,
    Right,
    UpsideDown,
    Left,
}

impl Turn {
    pub const fn quarters(self) -> u8 {
        match self {
            Self::Upright => 0,
            Self::Right => 1,
            Self::UpsideDown => 2,
            Self::Left => 3,
        }
    }

    /// Clockwise degrees: 0, 90, 180 or 270.
    pub const fn by(degrees: u16) -> Option<Self> {
        match degrees {
            0 => Some(Self::Upright),
            90 => Some(Self::Right),
            180 => Some(Self::UpsideDown),
            270 => Some(Self::Left),
            _ => None,
        }
    }

    /// As likely one as the other.
    pub fn any(random: &mut Random) -> Self {
        let all = [Self::Upright, Self::Right, Self::UpsideDown, Self::Left];
        random.pick(&all).copied().unwrap_or(Self::Upright)
    }

    pub const fn degrees(self) -> u16 {
        self.quarters() as u16 * 90
    }
}

impl Capture {
    pub const PHOTO: Self = Self { kind: CaptureKind::Photo, turn: Turn::Upright };
    pub const FLAT_SCAN: Self = Self { kind: CaptureKind::FlatScan, turn: Turn::Upright };

    pub const fn turned(self, turn: Turn) -> Self {
        Self { turn, ..self }
    }

    /// By a phone under a condition.
    pub const fn under(condition: Condition) -> Self {
        Self { kind: CaptureKind::Phone(condition), turn: Turn::Upright }
    }

    /// `photo`, `flat_scan` and every condition, upright.
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::PHOTO, Self::FLAT_SCAN].into_iter().chain(Condition::ALL.iter().copied().map(Self::under))
    }

    /// Whether its pictures may show a second document.
    pub const fn shows_two(self) -> bool {
        matches!(self.kind, CaptureKind::Phone(Condition::TwoDocuments | Condition::Random))
    }

    pub const fn name(self) -> &'static str {
        match self.kind {
            CaptureKind::Photo => "photo",
            CaptureKind::FlatScan => "flat_scan",
            CaptureKind::Phone(condition) => condition.name(),
        }
    }

    /// The scene that a seed draws.
    pub fn scene(self, random: &mut Random) -> Scene {
        match self.kind {
            CaptureKind::Photo => Scene::photo(random),
            CaptureKind::FlatScan => Scene::flat_scan(random),
            CaptureKind::Phone(condition) => condition.scene(random),
        }
    }
}

impl std::str::FromStr for Capture {
    type Err = Error;

    fn from_str(given: &str) -> Result<Self, Error> {
        Self::all()
            .find(|capture| capture.name() == given)
            .ok_or_else(|| Error::Unknown { kind: "capture", given: given.to_owned() })
    }
}
