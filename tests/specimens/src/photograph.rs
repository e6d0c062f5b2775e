//! Any flat thing photographed: the way from pixels to a file and its truth without a design.

use crate::Error;
use crate::asset::Assets;
use crate::capture::{Capture, CaptureKind, Flat, Saved, Stage};
use crate::geometry::{Box2, Polygon};
use crate::random::Random;
use crate::truth::is_cut_off;
use serde::Serialize;

/// Takes pictures. Shared by reference among threads.
#[derive(Debug, Clone)]
pub struct Studio {
    stage: Stage,
}

/// A finished picture.
#[derive(Debug, Clone)]
pub struct Taken {
    pub jpeg: Vec<u8>,
    pub truth: TakenTruth,
}

/// What was photographed, and how. Written beside the picture.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TakenTruth {
    /// Corners of the flat picture, clockwise from its top left one, in pixels of the photograph;
    /// absent where no document is in it.
    pub document: Option<Polygon>,
    /// A corner lies outside the photograph.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cut_off: bool,
    pub capture: String,
    /// What of the conditions was drawn, by their names; `random` draws several.
    pub troubles: Vec<String>,
    pub seed: u64,
    pub width_px: u32,
    pub height_px: u32,
    pub rotation_degrees: u16,
    pub jpeg_quality: u8,
    /// From pixels of the flat picture to pixels of the photograph, row-major 3×3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_image: Option<[f64; 9]>,
}

impl Studio {
    pub fn new(assets: &Assets) -> Self {
        Self { stage: Stage::new(assets) }
    }

    pub const fn stage(&self) -> &Stage {
        &self.stage
    }

    /// `name` tells the pictures of one seed apart: its file's name, for example. `second` is what
    /// lies beside it where the condition asks for a second document.
    pub fn photograph(
        &self,
        flat: Flat<'_>,
        second: Option<Flat<'_>>,
        capture: Capture,
        seed: u64,
        name: &str,
    ) -> Result<Taken, Error> {
        let (saved, troubles) = self.taken(Some(flat), second, capture, seed, name)?;
        let document = saved.to_image.polygon(Box2::of_picture(flat.pixels));
        let mut truth = truth(&saved, troubles, capture, seed);
        truth.cut_off = is_cut_off(&document, saved.width_px, saved.height_px);
        truth.document = Some(document);
        truth.to_image = Some(saved.to_image.rows());
        Ok(Taken { jpeg: saved.jpeg, truth })
    }

    /// The same of something that is no document: `flat`, or only the surroundings.
    pub fn without_document(
        &self,
        flat: Option<Flat<'_>>,
        capture: Capture,
        seed: u64,
        name: &str,
    ) -> Result<Taken, Error> {
        let (saved, troubles) = self.taken(flat, None, capture, seed, name)?;
        let truth = truth(&saved, troubles, capture, seed);
        Ok(Taken { jpeg: saved.jpeg, truth })
    }

    /// A room in focus.
    pub fn room(&self, capture: Capture, seed: u64) -> Result<Taken, Error> {
        let mut scene = capture.scene(&mut Random::stream(seed, "scene/room"));
        scene.phone.iter_mut().for_each(|phone| phone.room = Some(0.0));
        let shot = self.stage.shot(&scene, None, None, &mut Random::stream(seed, "support/room"))?;
        let exposed = scene.exposed(shot, &mut Random::stream(seed, "sensor/room"));
        let saved = scene.saved(&exposed.turned(capture.turn))?;
        let truth = truth(&saved, Vec::new(), capture, seed);
        Ok(Taken { jpeg: saved.jpeg, truth })
    }

    fn taken(
        &self,
        flat: Option<Flat<'_>>,
        second: Option<Flat<'_>>,
        capture: Capture,
        seed: u64,
        name: &str,
    ) -> Result<(Saved, Vec<String>), Error> {
        let stream = |purpose: &str| Random::stream(seed, &format!("{purpose}/{name}"));
        let scene = capture.scene(&mut stream("scene"));
        let (mut surface, mut sensor) = (stream("support"), stream("sensor"));
        let shot = match (capture.kind, flat) {
            (CaptureKind::Photo | CaptureKind::FlatScan, Some(flat)) => {
                scene.plain_shot(flat.pixels, flat.corner_radius_px, &mut surface)
            }
            _ => self.stage.shot(&scene, flat, second, &mut surface)?,
        };
        let saved = scene.saved(&scene.exposed(shot, &mut sensor).turned(capture.turn))?;
        let troubles = scene.phone.as_ref().map_or_else(Vec::new, crate::capture::Phone::troubles);
        Ok((saved, troubles))
    }
}

fn truth(saved: &Saved, troubles: Vec<String>, capture: Capture, seed: u64) -> TakenTruth {
    TakenTruth {
        document: None,
        cut_off: false,
        capture: capture.name().to_owned(),
        troubles,
        seed,
        width_px: saved.width_px,
        height_px: saved.height_px,
        rotation_degrees: capture.turn.degrees(),
        jpeg_quality: saved.jpeg_quality,
        to_image: None,
    }
}
