//! What a fraudster (or a careless customer) does, each in its own file. An attack acts at one or
//! more of three moments: on the printed side, on the light before the sensor, on the saved file.

mod copy;
mod edit;
mod editor;
mod motion;
mod screen;

use crate::capture::{Scene, Shot};
use crate::design::Design;
use crate::person::Person;
use crate::random::Random;
use crate::raster::Frame;
use crate::render::RenderedSide;
use crate::submission::CapturedSide;
use crate::truth::{Forgery, Truth};
use crate::{Error, Generator};
use serde::{Deserialize, Serialize};

macro_rules! attacks {
    ($($(#[$meta:meta])* $variant:ident => $name:literal),+ $(,)?) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Attack { $($(#[$meta])* $variant),+ }

        impl Attack {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

attacks! {
    /// Genuine document, genuine holder.
    None => "none",
    /// A genuine document with the selfie of somebody else.
    OtherPersonsSelfie => "other_persons_selfie",
    /// Both sides photographed from a display.
    ScreenRecapture => "screen_recapture",
    /// The saved picture of the front opened in an editor, a date retyped, saved again. The MRZ
    /// still says the truth.
    EditedDate => "edited_date",
    /// Not fraud: the camera moved, nothing can be read.
    Blurred => "blurred",
    /// A photocopy photographed instead of the document.
    GreyCopy => "grey_copy",
    /// Nothing changed, but the files come out of an image editor and say so.
    EditorMetadata => "editor_metadata",
    /// Not fraud: sent through a messenger, which shrinks, recompresses and strips metadata.
    Messenger => "messenger",
}

impl std::str::FromStr for Attack {
    type Err = Error;

    fn from_str(given: &str) -> Result<Self, Error> {
        Self::ALL
            .iter()
            .copied()
            .find(|attack| attack.name() == given)
            .ok_or_else(|| Error::Unknown { kind: "attack", given: given.to_owned() })
    }
}

/// Before the camera: what is printed, and the scene that it lies in.
pub(crate) fn print(attack: Attack, side: &mut RenderedSide, scene: &mut Scene, random: &mut Random) {
    if attack == Attack::GreyCopy {
        copy::photocopied(side, scene, random);
    }
}

/// Between the scene and the sensor.
pub(crate) fn light(attack: Attack, shot: Shot, scene: &Scene, random: &mut Random) -> Shot {
    match attack {
        Attack::ScreenRecapture => screen::recaptured(shot, scene, random),
        Attack::Blurred => motion::blurred(shot, random),
        _ => shot,
    }
}

/// A display that shows `picture`, photographed.
pub(crate) fn screen_of(picture: &Frame, random: &mut Random) -> Frame {
    screen::display(picture, 1.0, random).0
}

/// On the saved files.
pub(crate) fn edit(
    attack: Attack,
    generator: &Generator,
    design: &Design,
    person: &Person,
    sides: &mut [CapturedSide],
    truth: &mut Truth,
    seed: u64,
) -> Result<(), Error> {
    let mut random = Random::stream(seed, "edit");
    match attack {
        Attack::EditedDate => edit::date(generator.renderer(), design, person, sides, truth, &mut random),
        Attack::EditorMetadata => {
            sides.iter_mut().for_each(|side| side.jpeg = editor::marked(&side.jpeg, &mut random));
            Ok(())
        }
        Attack::Messenger => editor::sent(sides, truth, &mut random),
        _ => Ok(()),
    }
}

/// Forgeries that concern whole pictures; an edit of a part records itself.
pub(crate) fn forgeries(attack: Attack, sides: &[CapturedSide]) -> Vec<Forgery> {
    match attack {
        Attack::ScreenRecapture | Attack::GreyCopy | Attack::EditorMetadata => sides
            .iter()
            .map(|side| Forgery {
                kind: attack.name().to_owned(),
                image: side.role,
                polygon: None,
                field: None,
                genuine_text: None,
                forged_text: None,
            })
            .collect(),
        Attack::OtherPersonsSelfie => vec![Forgery {
            kind: attack.name().to_owned(),
            image: crate::truth::Role::Selfie,
            polygon: None,
            field: None,
            genuine_text: None,
            forged_text: None,
        }],
        Attack::None | Attack::EditedDate | Attack::Blurred | Attack::Messenger => Vec::new(),
    }
}
