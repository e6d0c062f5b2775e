//! Pictures without an identity document. Whatever a reader finds in them, it invented.

use crate::asset::Assets;
use crate::capture::{Capture, Condition, Flat, Turn};
use crate::design::PortraitPlace;
use crate::photograph::{Studio, Taken, TakenTruth};
use crate::random::Random;
use crate::things::{self, Drawing, Kind};
use crate::{Error, portrait, svg};
use image::RgbImage;
use serde::Serialize;

/// Written beside the picture; `document` is `null`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NothingTruth {
    pub kind: Kind,
    #[serde(flatten)]
    pub taken: TakenTruth,
}

/// Draws and photographs them. Shared by reference among threads.
#[derive(Debug)]
pub struct Nothing {
    assets: Assets,
    studio: Studio,
}

/// Pixels per millimetre of a drawn card; larger sheets are drawn within `MOST_PX`.
const PER_MM: f64 = 23.4;
const MOST_PX: f64 = 5.0e6;

impl Nothing {
    pub fn new(assets: Assets) -> Self {
        Self { studio: Studio::new(&assets), assets }
    }

    /// All kinds in turn: the same number gives the same kind, the seed all else.
    pub fn numbered(&self, number: u64, seed: u64) -> Result<(Vec<u8>, NothingTruth), Error> {
        let kind = Kind::ALL.get((number % Kind::ALL.len() as u64) as usize).copied().unwrap_or(Kind::Desk);
        self.picture(kind, seed)
    }

    /// A JPEG file and its truth.
    pub fn picture(&self, kind: Kind, seed: u64) -> Result<(Vec<u8>, NothingTruth), Error> {
        let mut random = Random::stream(seed, kind.name());
        let turn = if random.chance(0.7) { Turn::Upright } else { Turn::any(&mut random) };
        let mut under = |conditions: &[Condition]| {
            let condition = random.pick(conditions).copied().unwrap_or(Condition::Desk);
            Capture::under(condition).turned(turn)
        };
        let Taken { jpeg, truth: taken } = match kind {
            // In focus, so that its edges are there to be mistaken for a document's.
            Kind::Room => self.studio.room(Capture::under(Condition::Desk).turned(turn), seed)?,
            Kind::Desk => {
                let capture = under(&[Condition::Clutter, Condition::Clutter, Condition::Desk]);
                self.studio.without_document(None, capture, seed, kind.name())?
            }
            _ => {
                let capture = under(&[
                    Condition::Desk,
                    Condition::Random,
                    Condition::Random,
                    Condition::Clutter,
                    Condition::Held,
                    Condition::Perspective,
                    Condition::Glare,
                ]);
                let drawing = things::drawing(kind, &mut Random::stream(seed, "thing"));
                let (pixels, per_mm) = self.drawn(&drawing, seed)?;
                let flat = Flat {
                    pixels: &pixels,
                    width_mm: drawing.width_mm,
                    corner_radius_px: drawing.corner_mm * per_mm,
                };
                self.studio.without_document(Some(flat), capture, seed, kind.name())?
            }
        };
        Ok((jpeg, NothingTruth { kind, taken }))
    }

    fn drawn(&self, drawing: &Drawing, seed: u64) -> Result<(RgbImage, f64), Error> {
        let size = [drawing.width_mm, drawing.height_mm];
        let per_mm = (MOST_PX / (size[0] * size[1])).sqrt().min(PER_MM);
        let px = size.map(|mm| (mm * per_mm).round().max(1.0) as u32);
        let mut pixels = self.pixels(&drawing.body, size, (px[0], px[1]))?;
        if let Some(place) = drawing.portrait {
            let photographs: Vec<_> = self.assets.photographs.iter().filter(|p| p.portrait).collect();
            if let Some(photograph) = Random::stream(seed, "portrait").pick(&photographs) {
                let area = place.scaled(per_mm);
                let place = PortraitPlace {
                    x: area.left,
                    y: area.top,
                    width: area.width(),
                    height: area.height(),
                    opacity: 1.0,
                    saturation: 1.0,
                };
                portrait::paste(&mut pixels, photograph, &place);
            }
        }
        Ok((pixels, per_mm))
    }

    fn pixels(&self, body: &str, [width, height]: [f64; 2], px: (u32, u32)) -> Result<RgbImage, Error> {
        let pixmap = svg::drawn(&self.assets.fonts, body, [0.0, 0.0, width, height], px)?;
        Ok(RgbImage::from_fn(px.0, px.1, |x, y| {
            let ink = pixmap.pixel(x, y);
            image::Rgb(ink.map_or([255; 3], |p| {
                // Whatever is not drawn on is white paper.
                [p.red(), p.green(), p.blue()].map(|v| v.saturating_add(255 - p.alpha()))
            }))
        }))
    }
}
