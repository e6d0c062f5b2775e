//! What a condition adds to a scene: things around the document, light, lens, sensor, delivery.

use super::delivery::Sent;
use super::optics::{Glare, Shadow};
use super::scene::bounds;
use super::surface::Ground;
use crate::geometry::{Box2, Homography};

#[derive(Debug, Clone, PartialEq)]
pub struct Phone {
    pub ground: Ground,
    /// How many other objects lie around the document.
    pub objects: usize,
    pub hand: Option<Hand>,
    /// A room instead of the ground, out of focus by this much: Gaussian, 1/520 of the picture's width.
    pub room: Option<f64>,
    /// A second document lies beside the first.
    pub second_document: bool,
    /// Share of the document's bounds that is outside the picture, to the left (negative) or right,
    /// and above (negative) or below.
    pub outside: [f64; 2],
    /// How high the document lies above the ground, mm: sets its shadow.
    pub lift_mm: f64,
    pub glare: Vec<Glare>,
    pub shadow: Option<Shadow>,
    /// Way of the picture on the sensor while it was exposed, pixels.
    pub motion_px: [f64; 2],
    /// Radius of the disc that a point becomes, pixels.
    pub defocus_px: f64,
    pub sensor: Sensor,
    pub sent: Option<Sent>,
}

/// Skin, and how it holds the document.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hand {
    /// RGB, 0..255
    pub skin: [u8; 3],
    /// The edge that it comes from, in quarter turns clockwise from the top.
    pub edge: u8,
    /// Along that edge, 0..1.
    pub along: f64,
    /// What it covers of the document, mm from the edge.
    pub cover_mm: f64,
    /// In the air, the thumb in front and the hand behind; else fingers press it onto the ground.
    pub in_air: bool,
}

/// From light to the developed picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sensor {
    /// Electrons that fill a pixel at the exposure's gain: the fewer, the more noise.
    pub full_well: f64,
    /// Standard deviation of reading, share of the full well.
    pub read_noise: f64,
    /// Light that reaches the corners less than the middle, share.
    pub vignetting: f64,
    /// Red is this much larger than green and blue smaller, share.
    pub aberration: f64,
    /// What white balance left, gains of red and blue.
    pub cast: [f64; 2],
    /// Smoothing against noise, 0..1; above 0.5 it smears fine print.
    pub denoise: f64,
    /// Of the unsharp mask: amount and radius in pixels.
    pub sharpen: [f64; 2],
    /// Of the tone curve, 0 (none) .. 1.
    pub contrast: f64,
    /// 1 leaves colours as they are.
    pub saturation: f64,
}

impl Phone {
    /// Moves a whole placement until the demanded share is outside the picture.
    pub(super) fn cut(&self, placed: Homography, whole: Box2, size: [f64; 2]) -> Homography {
        let seen = bounds(&placed, whole);
        let way = |share: f64, low: f64, high: f64, end: f64| match share {
            s if s > 0.0 => end + s * (high - low) - high,
            s if s < 0.0 => s * (high - low) - low,
            _ => 0.0,
        };
        placed.then(Homography::translation(
            way(self.outside[0], seen.left, seen.right, size[0]),
            way(self.outside[1], seen.top, seen.bottom, size[1]),
        ))
    }

    /// What is out of the ordinary, for the truth: names of conditions.
    pub fn troubles(&self) -> Vec<String> {
        let [across, along] = self.motion_px;
        [
            ("clutter", self.objects > 0),
            ("held", self.room.is_some()),
            ("glare", !self.glare.is_empty()),
            ("shadow", self.shadow.is_some()),
            ("motion", across.hypot(along) > 1.0),
            ("defocus", self.defocus_px > 1.0),
            ("low_light", self.sensor.full_well < 1500.0),
            ("messenger", self.sent.is_some()),
            ("partial", self.outside != [0.0; 2]),
            ("two_documents", self.second_document),
        ]
        .into_iter()
        .filter(|(_, present)| *present)
        .map(|(name, _)| name.to_owned())
        .collect()
    }
}
