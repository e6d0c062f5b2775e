//! Where the camera stands, what the card lies on, light, optics, sensor. The pictures of `photo` and
//! `flat_scan` are made here; what the conditions add is in `phone`.

use super::delivery::{self, Saved};
use super::phone::Phone;
use super::{Turn, sensor};
use crate::Error;
use crate::geometry::{Box2, Homography};
use crate::random::Random;
use crate::raster::{self, Frame, Relief};
use image::RgbImage;

/// What lies under the document.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Support {
    Desk {
        /// RGB, 0..255
        colour: [f32; 3],
        /// Strength of the grain, in values of 0..255.
        grain: f32,
    },
    /// The document lies on (or is printed on) something evenly of this colour and casts no shadow.
    Even { colour: [f32; 3] },
}

/// Everything that decides a capture.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    pub width_px: usize,
    pub height_px: usize,
    pub support: Support,
    /// Share of the picture's width (or height, if that comes first) that the document fills.
    pub fill: f64,
    pub tilt_x: f64,
    pub tilt_y: f64,
    pub roll: f64,
    /// From the camera to the document, in widths of the document.
    pub distance: f64,
    /// Of the document's centre from the picture's centre, in shares of the free space.
    pub offset: [f64; 2],
    /// Brightness changes by this share from one edge of the picture to the other.
    pub light_gradient: f64,
    pub light_direction: f64,
    pub exposure: f64,
    /// Gains of red, green, blue.
    pub white_balance: [f64; 3],
    /// Gaussian, in pixels.
    pub blur_px: f64,
    /// Noise at mid-grey, standard deviation in values of 0..255.
    pub noise: f64,
    pub jpeg_quality: u8,
    /// All that a condition adds; `light_gradient` and what follows it but the quality are then
    /// those of the sensor in there.
    pub phone: Option<Phone>,
}

const DESKS: [[f32; 3]; 6] = [
    [151.0, 112.0, 78.0],
    [92.0, 66.0, 50.0],
    [186.0, 178.0, 166.0],
    [70.0, 76.0, 84.0],
    [120.0, 128.0, 122.0],
    [176.0, 146.0, 110.0],
];

impl Scene {
    pub(super) fn photo(random: &mut Random) -> Self {
        let degrees = std::f64::consts::PI / 180.0;
        let warmth = random.between(-0.035, 0.035);
        Self {
            width_px: 2464,
            height_px: 1632,
            support: Support::Desk {
                colour: random.pick(&DESKS).copied().unwrap_or([128.0; 3]),
                grain: random.between(5.0, 14.0) as f32,
            },
            fill: random.between(0.66, 0.85),
            tilt_x: random.between(-14.0, 14.0) * degrees,
            tilt_y: random.between(-12.0, 12.0) * degrees,
            roll: random.between(-5.0, 5.0) * degrees,
            distance: 1.5,
            offset: [random.between(-0.6, 0.6), random.between(-0.6, 0.6)],
            light_gradient: random.between(0.08, 0.28),
            light_direction: random.between(0.0, std::f64::consts::TAU),
            exposure: random.between(0.92, 1.04),
            white_balance: [1.0 + warmth, 1.0, 1.0 - warmth],
            blur_px: random.between(0.5, 1.0),
            noise: random.between(1.6, 3.4),
            jpeg_quality: random.integer(85, 92) as u8,
            phone: None,
        }
    }

    pub(super) fn flat_scan(random: &mut Random) -> Self {
        Self {
            width_px: 1900,
            height_px: 1300,
            support: Support::Even { colour: [244.0, 245.0, 243.0] },
            fill: 0.9,
            tilt_x: 0.0,
            tilt_y: 0.0,
            roll: random.between(-0.02, 0.02),
            distance: 1.5,
            offset: [random.between(-0.8, 0.8), random.between(-0.8, 0.8)],
            light_gradient: 0.01,
            light_direction: 0.0,
            exposure: 1.0,
            white_balance: [1.0; 3],
            blur_px: random.between(0.4, 0.6),
            noise: 1.0,
            jpeg_quality: random.integer(88, 92) as u8,
            phone: None,
        }
    }

    /// From pixels of something flat, `w` × `h` pixels large, to pixels of the picture.
    pub fn placed(&self, [w, h]: [f64; 2]) -> Homography {
        let (width, height) = (self.width_px as f64, self.height_px as f64);
        let centred = Homography::translation(-w / 2.0, -h / 2.0)
            .then(Homography::rotation(self.roll))
            .then(Homography::tilted_camera(self.tilt_x, self.tilt_y, self.distance * w));
        let whole = Box2 { left: 0.0, top: 0.0, right: w, bottom: h };
        let bounds = bounds(&centred, whole);
        let scale = (self.fill * width / bounds.width()).min(0.93 * height / bounds.height());
        let free = [width - bounds.width() * scale, height - bounds.height() * scale];
        let middle = [(bounds.left + bounds.right) / 2.0 * scale, (bounds.top + bounds.bottom) / 2.0 * scale];
        let placed = centred.then(Homography::scale(scale)).then(Homography::translation(
            width / 2.0 - middle[0] + self.offset[0] * free[0] / 2.0 * 0.85,
            height / 2.0 - middle[1] + self.offset[1] * free[1] / 2.0 * 0.85,
        ));
        match &self.phone {
            Some(phone) => phone.cut(placed, whole, [width, height]),
            None => placed,
        }
    }

    /// Optics and sensor.
    pub fn exposed(&self, shot: Shot, random: &mut Random) -> Shot {
        match &self.phone {
            Some(phone) => Shot { frame: sensor::exposed(shot.frame, self, phone, random), ..shot },
            None => shot.exposed(self.blur_px, self.noise, random),
        }
    }

    /// The file that arrives.
    pub fn saved(&self, shot: &Shot) -> Result<Saved, Error> {
        let sent = self.phone.as_ref().and_then(|phone| phone.sent);
        delivery::saved(shot, self.jpeg_quality, sent)
    }

    /// The light that reaches the lens; optics and sensor follow in `exposed`. Of a scene without a
    /// phone; `Stage::shot` draws the others.
    pub fn plain_shot(&self, side: &RgbImage, radius: f64, random: &mut Random) -> Shot {
        let (w, h) = (f64::from(side.width()), f64::from(side.height()));
        let to_image = self.placed([w, h]);
        let from_image = to_image.inverse();
        let support = self.support_surface(random);
        let casts_shadow = matches!(self.support, Support::Desk { .. });
        let (sin, cos) = self.light_direction.sin_cos();
        let frame = Frame::from_fn(self.width_px, self.height_px, |x, y| {
            let point = from_image.apply([x as f64, y as f64]);
            // Signed distance to the rounded rectangle, in pixels of the side.
            let outside = distance(point, [w, h], radius);
            let coverage = (0.5 - outside).clamp(0.0, 1.0) as f32;
            let mut colour = [0.0; 3];
            if coverage < 1.0 {
                colour = support.at(x as f64, y as f64);
                if casts_shadow {
                    let shade = distance([point[0] - 9.0 * cos, point[1] - 9.0 * sin], [w, h], radius);
                    let dark = 1.0 - 0.5 * (-(shade.max(0.0) / 16.0)).exp() as f32;
                    colour = colour.map(|v| v * dark);
                }
            }
            if coverage > 0.0 {
                let printed = raster::sample(side, [point[0] - 0.5, point[1] - 0.5]);
                colour.iter_mut().zip(printed).for_each(|(c, p)| *c += (p - *c) * coverage);
            }
            colour
        });
        let mut shot = Shot { frame, to_image };
        self.light(&mut shot.frame);
        shot
    }

    fn light(&self, frame: &mut Frame) {
        let (sin, cos) = self.light_direction.sin_cos();
        let (width, height) = (frame.width as f64, frame.height as f64);
        let gains = self.white_balance.map(|gain| gain * self.exposure);
        for (number, pixel) in frame.values.chunks_exact_mut(3).enumerate() {
            let x = (number % self.width_px) as f64 / width - 0.5;
            let y = (number / self.width_px) as f64 / height - 0.5;
            let light = 1.0 + self.light_gradient * (x * cos + y * sin)
                - self.light_gradient * 0.35 * (x * x + y * y);
            pixel.iter_mut().zip(gains).for_each(|(value, gain)| *value *= (gain * light) as f32);
        }
    }

    fn support_surface(&self, random: &mut Random) -> Surface {
        let (width, height) = (self.width_px, self.height_px);
        match self.support {
            Support::Desk { colour, grain } => Surface {
                colour,
                grain,
                broad: Relief::new(width, height, [700.0, 520.0], random),
                streaks: Relief::new(width, height, [260.0, 9.0], random),
                fine: Relief::new(width, height, [34.0, 2.6], random),
            },
            Support::Even { colour } => Surface {
                colour,
                grain: 0.0,
                broad: Relief::new(1, 1, [4096.0; 2], random),
                streaks: Relief::new(1, 1, [4096.0; 2], random),
                fine: Relief::new(1, 1, [4096.0; 2], random),
            },
        }
    }
}

struct Surface {
    colour: [f32; 3],
    grain: f32,
    broad: Relief,
    streaks: Relief,
    fine: Relief,
}

impl Surface {
    fn at(&self, x: f64, y: f64) -> [f32; 3] {
        if self.grain == 0.0 {
            return self.colour;
        }
        let relief = 0.9 * self.broad.at(x, y) + 0.8 * self.streaks.at(x, y) + 0.5 * self.fine.at(x, y);
        self.colour.map(|value| value + relief * self.grain * (0.5 + value / 255.0))
    }
}

/// A picture that is being taken, and where the side's pixels are in it.
#[derive(Debug, Clone)]
pub struct Shot {
    pub frame: Frame,
    /// From pixels of the rendered side to pixels of the picture.
    pub to_image: Homography,
}

impl Shot {
    /// Optics and sensor: blur, then noise that grows with the light, a part of it shared by the
    /// three colours (what demosaicing leaves).
    pub fn exposed(mut self, blur_px: f64, noise: f64, random: &mut Random) -> Self {
        self.frame = self.frame.blurred(blur_px);
        let table: Vec<f32> = (0..4096).map(|_| random.gaussian() as f32).collect();
        let normal = |bits: u64| table.get((bits & 4095) as usize).copied().unwrap_or_default();
        for pixel in self.frame.pixels_mut() {
            let bits = random.next_u64();
            let shared = normal(bits);
            for (channel, value) in pixel.iter_mut().enumerate() {
                let own = normal(bits >> (12 * (channel + 1)));
                let strength = noise as f32 * (0.45 + (*value).max(0.0) / 235.0).sqrt();
                *value += strength * (0.8 * shared + 0.5 * own);
            }
        }
        self
    }

    pub fn turned(self, turn: Turn) -> Self {
        let (w, h) = (self.frame.width as f64, self.frame.height as f64);
        let back = match turn {
            Turn::Upright => Homography::translation(0.0, 0.0),
            Turn::Right => Homography::translation(h, 0.0),
            Turn::UpsideDown => Homography::translation(w, h),
            Turn::Left => Homography::translation(0.0, w),
        };
        let quarter = f64::from(turn.quarters()) * std::f64::consts::FRAC_PI_2;
        Self {
            frame: self.frame.rotated(turn.quarters()),
            to_image: self.to_image.then(Homography::rotation(quarter)).then(back),
        }
    }
}

pub(super) fn distance([x, y]: [f64; 2], [w, h]: [f64; 2], radius: f64) -> f64 {
    let dx = (x - w / 2.0).abs() - (w / 2.0 - radius);
    let dy = (y - h / 2.0).abs() - (h / 2.0 - radius);
    let (ox, oy) = (dx.max(0.0), dy.max(0.0));
    // Not `hypot`: there is nothing to overflow, and this runs for every pixel.
    (ox * ox + oy * oy).sqrt() + dx.max(dy).min(0.0) - radius
}

pub(super) fn bounds(map: &Homography, of: Box2) -> Box2 {
    let corners = of.corners().map(|corner| map.apply(corner));
    corners
        .iter()
        .fold(Box2 { left: f64::MAX, top: f64::MAX, right: f64::MIN, bottom: f64::MIN }, |all, [x, y]| {
            all.union(Box2 { left: *x, top: *y, right: *x, bottom: *y })
        })
}
