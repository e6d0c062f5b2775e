//! The conditions under which customers photograph, each drawing its scene from the seed.

use super::delivery::Sent;
use super::optics::{Glare, Shadow};
use super::phone::{Hand, Phone, Sensor};
use super::scene::{Scene, Support};
use super::surface::Ground;
use crate::Error;
use crate::random::Random;
use serde::{Deserialize, Serialize};
use std::f64::consts::{PI, TAU};

macro_rules! conditions {
    ($($(#[$meta:meta])* $variant:ident => $name:literal),+ $(,)?) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Condition { $($(#[$meta])* $variant),+ }

        impl Condition {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

conditions! {
    /// A careful customer: nothing but the document on a desk, tilt up to 8°.
    Desk => "desk",
    /// Tilt of 20 to 35°.
    Perspective => "perspective",
    /// Among pens, cups, papers, cables; every third time fingers hold an edge.
    Clutter => "clutter",
    /// One to three lamps or windows reflected in the document.
    Glare => "glare",
    /// The phone's or an arm's shadow across.
    Shadow => "shadow",
    /// The hand moved: 0.12 to 0.35 % of the picture's longer edge.
    Motion => "motion",
    /// Out of focus: a point becomes a disc of 0.06 to 0.15 % of the longer edge as radius.
    Defocus => "defocus",
    /// Little light: noise, and the smear of what phones do against it.
    LowLight => "low_light",
    /// Shrunk to 1280 or 1600 pixels and saved twice more, quality 60 to 75.
    Messenger => "messenger",
    /// The document is 560 to 680 pixels wide in the picture.
    Small => "small",
    /// In a hand before a room out of focus.
    Held => "held",
    /// A corner or a side, 4 to 15 % of the document, outside the picture.
    Partial => "partial",
    /// A second document beside it; the truth is the first one's.
    TwoDocuments => "two_documents",
    /// A mixture of all of these as customers would send them.
    Random => "random",
}

impl std::str::FromStr for Condition {
    type Err = Error;

    fn from_str(given: &str) -> Result<Self, Error> {
        Self::ALL
            .iter()
            .copied()
            .find(|condition| condition.name() == given)
            .ok_or_else(|| Error::Unknown { kind: "condition", given: given.to_owned() })
    }
}

/// Pictures as phones save them, and crops of them; 4.0 to 12.2 megapixels.
const SIZES: [(usize, usize); 7] =
    [(4032, 3024), (3024, 4032), (3264, 2448), (2448, 3264), (3264, 1836), (2464, 1632), (2464, 1848)];

const SKINS: [[u8; 3]; 6] =
    [[236, 196, 170], [224, 176, 144], [198, 146, 112], [166, 116, 84], [124, 84, 60], [88, 60, 46]];

impl Condition {
    pub(super) fn scene(self, random: &mut Random) -> Scene {
        let mut scene = ordinary(random);
        match self {
            Self::Desk => {}
            Self::Perspective => scene.tilt(random.between(20.0, 35.0), random),
            Self::Clutter => scene.clutter(random),
            Self::Glare => scene.glare(random.integer(1, 3), random),
            Self::Shadow => scene.shadow(random),
            Self::Motion => scene.motion(random.between(0.0012, 0.0035), random),
            Self::Defocus => scene.defocus(random.between(0.0006, 0.0015)),
            Self::LowLight => scene.low_light(random),
            Self::Messenger => scene.messenger(random),
            Self::Small => scene.small(random),
            Self::Held => scene.held(random),
            Self::Partial => scene.partial(random),
            Self::TwoDocuments => scene.two_documents(random),
            Self::Random => scene.mixture(random),
        }
        scene
    }
}

/// A phone of these years in good light over an empty table.
fn ordinary(random: &mut Random) -> Scene {
    let (width_px, height_px) = random.pick(&SIZES).copied().unwrap_or((2464, 1632));
    let portrait = height_px > width_px;
    let fill = if portrait { random.between(0.78, 0.94) } else { random.between(0.50, 0.84) };
    // A main camera's picture is 1.33 to 1.45 times as wide as it is far away (24 to 26 mm as on
    // 35 mm film); people also zoom and crop.
    let longer = width_px.max(height_px) as f64 / width_px as f64;
    let distance = random.between(0.69, 0.75) * longer / fill * random.between(1.0, 1.5);
    let mut scene = Scene {
        width_px,
        height_px,
        support: Support::Desk { colour: [128.0; 3], grain: 0.0 },
        fill,
        tilt_x: 0.0,
        tilt_y: 0.0,
        roll: random.between(-7.0, 7.0) * PI / 180.0,
        distance,
        offset: [random.between(-0.7, 0.7), random.between(-0.7, 0.7)],
        light_gradient: random.between(0.05, 0.35),
        light_direction: random.between(0.0, TAU),
        exposure: random.between(0.80, 1.02),
        white_balance: [1.0; 3],
        blur_px: random.between(0.45, 0.85),
        noise: 0.0,
        jpeg_quality: random.integer(82, 94) as u8,
        phone: Some(Phone {
            ground: Ground::drawn(random),
            objects: 0,
            hand: None,
            room: None,
            second_document: false,
            outside: [0.0; 2],
            lift_mm: random.between(0.5, 2.2),
            glare: Vec::new(),
            shadow: None,
            motion_px: [0.0; 2],
            defocus_px: 0.0,
            sensor: Sensor {
                full_well: random.between(3000.0, 12000.0),
                read_noise: random.between(0.0008, 0.002),
                vignetting: random.between(0.08, 0.30),
                aberration: random.between(0.0, 0.000_35),
                cast: [random.between(0.94, 1.07), random.between(0.93, 1.06)],
                denoise: random.between(0.1, 0.35),
                sharpen: [random.between(0.35, 1.0), random.between(0.9, 1.7)],
                contrast: random.between(0.05, 0.35),
                saturation: random.between(0.95, 1.18),
            },
            sent: None,
        }),
    };
    scene.tilt(random.between(0.0, 8.0), random);
    scene
}

impl Scene {
    fn longer_px(&self) -> f64 {
        self.width_px.max(self.height_px) as f64
    }

    fn adjust(&mut self, change: impl FnOnce(&mut Phone)) {
        if let Some(phone) = &mut self.phone {
            change(phone);
        }
    }

    /// The camera leans by so many degrees, to any side.
    fn tilt(&mut self, degrees: f64, random: &mut Random) {
        let towards = random.between(0.0, TAU);
        self.tilt_x = degrees * towards.cos() * PI / 180.0;
        self.tilt_y = degrees * towards.sin() * PI / 180.0;
        // Far off a leaning plane runs behind the camera: step back as people do.
        self.distance = self.distance.max(0.9 + degrees / 60.0);
    }

    fn clutter(&mut self, random: &mut Random) {
        self.tilt(random.between(0.0, 15.0), random);
        self.roll = random.between(-16.0, 16.0) * PI / 180.0;
        self.fill = self.fill.min(random.between(0.42, 0.72));
        let objects = random.integer(4, 9) as usize;
        let hand = random.chance(0.34).then(|| hand(false, random));
        self.adjust(|phone| (phone.objects, phone.hand) = (objects, hand));
    }

    fn glare(&mut self, count: i64, random: &mut Random) {
        let glare = (0..count).map(|_| Glare::drawn(random, 0.66)).collect();
        self.adjust(|phone| phone.glare = glare);
    }

    fn shadow(&mut self, random: &mut Random) {
        let shadow = Shadow::drawn(random);
        self.exposure = self.exposure.max(0.95);
        self.adjust(|phone| phone.shadow = Some(shadow));
    }

    fn motion(&mut self, share: f64, random: &mut Random) {
        let (way, length) = (random.between(0.0, TAU), share * self.longer_px());
        self.adjust(|phone| phone.motion_px = [length * way.cos(), length * way.sin()]);
    }

    fn defocus(&mut self, share: f64) {
        let radius = share * self.longer_px();
        self.adjust(|phone| phone.defocus_px = radius);
    }

    fn low_light(&mut self, random: &mut Random) {
        self.exposure = random.between(0.42, 0.72);
        let (well, read) = (random.between(140.0, 520.0), random.between(0.006, 0.014));
        let (denoise, red, blue) =
            (random.between(0.55, 1.0), random.between(1.0, 1.16), random.between(0.80, 0.98));
        self.motion(random.between(0.0, 0.001), random);
        self.adjust(|phone| {
            phone.sensor =
                Sensor { full_well: well, read_noise: read, denoise, cast: [red, blue], ..phone.sensor };
        });
    }

    fn messenger(&mut self, random: &mut Random) {
        let longest_px = if random.chance(0.5) { 1600 } else { 1280 };
        let qualities = [random.integer(60, 75) as u8, random.integer(60, 75) as u8];
        self.fill = self.fill.max(0.62);
        self.adjust(|phone| phone.sent = Some(Sent { longest_px, qualities }));
    }

    fn small(&mut self, random: &mut Random) {
        let upright = self.height_px > self.width_px;
        (self.width_px, self.height_px) = if upright { (1632, 2464) } else { (2464, 1632) };
        let share = random.between(560.0, 680.0) / self.width_px as f64;
        // As a zoom would show it: further away, the picture's angle unchanged.
        self.distance = (self.distance * self.fill / share).min(6.0);
        self.fill = share;
        let objects = random.integer(0, 5) as usize;
        self.adjust(|phone| phone.objects = objects);
    }

    fn held(&mut self, random: &mut Random) {
        self.tilt(random.between(2.0, 16.0), random);
        self.roll = random.between(-12.0, 12.0) * PI / 180.0;
        self.fill = self.fill.min(random.between(0.5, 0.8));
        self.offset = [random.between(-0.5, 0.5), random.between(-0.5, 0.5)];
        let (hand, blur) = (hand(true, random), random.between(3.5, 9.0));
        self.adjust(|phone| (phone.room, phone.hand) = (Some(blur), Some(hand)));
    }

    fn partial(&mut self, random: &mut Random) {
        let mut share = || random.between(0.04, 0.15) * if random.chance(0.5) { 1.0 } else { -1.0 };
        let (across, down) = (share(), share());
        let outside = match random.integer(0, 2) {
            0 => [across, 0.0],
            1 => [0.0, down],
            _ => [across, down],
        };
        self.adjust(|phone| phone.outside = outside);
    }

    fn two_documents(&mut self, random: &mut Random) {
        // Room for two of a size, one above or beside the other.
        self.fill = random.between(0.40, 0.47);
        self.distance = self.distance.max(1.8);
        self.offset = [random.between(-0.9, -0.5), random.between(-0.9, -0.5)];
        self.adjust(|phone| phone.second_document = true);
    }

    /// Shares by judgement, not counted: no public tally of customers' uploads is known to us.
    fn mixture(&mut self, random: &mut Random) {
        match random.integer(0, 99) {
            0..=17 => self.held(random),
            18..=49 => self.clutter(random),
            50..=54 => self.small(random),
            55..=57 => self.two_documents(random),
            58..=60 => self.partial(random),
            _ => {}
        }
        if random.chance(0.35) {
            self.tilt(random.between(8.0, 27.0), random);
        }
        if random.chance(0.22) {
            self.glare(random.integer(1, 2), random);
        }
        if random.chance(0.25) {
            self.shadow(random);
        }
        match random.integer(0, 99) {
            0..=9 => self.motion(random.between(0.0006, 0.0025), random),
            10..=18 => self.defocus(random.between(0.0004, 0.0011)),
            19..=30 => self.low_light(random),
            _ => {}
        }
        let small = self.fill < 0.35;
        if !small && random.chance(0.22) {
            self.messenger(random);
        }
    }
}

fn hand(in_air: bool, random: &mut Random) -> Hand {
    // From the top much is allowed, there are titles; at the other edges fields and MRZ begin
    // two to five millimetres inside.
    let edge = *random.pick(&[0, 1, 1, 2, 3, 3]).unwrap_or(&1);
    let cover_mm = if edge == 0 { random.between(2.0, 7.0) } else { random.between(0.8, 2.8) };
    Hand {
        skin: random.pick(&SKINS).copied().unwrap_or([198, 146, 112]),
        edge,
        along: random.between(0.3, 0.7),
        cover_mm,
        in_air,
    }
}
