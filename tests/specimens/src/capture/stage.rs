//! Everything before the lens: ground or room, other objects, the document, hands, and the light on
//! them.

use super::optics::GAMMA;
use super::scene::{Scene, Shot, Support, distance};
use super::surface::Ground;
use super::{clutter, hand, room};
use crate::asset::Assets;
use crate::geometry::{Box2, Homography, Point};
use crate::random::Random;
use crate::raster::{self, Frame};
use crate::{Error, svg};
use image::RgbImage;
use resvg::tiny_skia::Pixmap;
use resvg::usvg::fontdb;
use std::sync::Arc;

/// A flat thing to photograph: the printed side of a document, a card, a sheet.
#[derive(Debug, Clone, Copy)]
pub struct Flat<'a> {
    pub pixels: &'a RgbImage,
    pub width_mm: f64,
    pub corner_radius_px: f64,
}

impl<'a> Flat<'a> {
    /// An identity document, its size told by its proportions: ID-1 is 85.6 × 53.98 mm, ID-3
    /// 125 × 88 mm (ISO/IEC 7810).
    pub fn document(pixels: &'a RgbImage, corner_radius_px: f64) -> Self {
        let aspect = f64::from(pixels.width()) / f64::from(pixels.height().max(1));
        let width_mm = match aspect {
            a if a >= 1.5 => 85.6,
            a if a >= 1.0 => 125.0,
            // Upright.
            a if a > 0.66 => 88.0,
            _ => 54.0,
        };
        Self { pixels, width_mm, corner_radius_px }
    }

    fn size(&self) -> [f64; 2] {
        [f64::from(self.pixels.width()), f64::from(self.pixels.height())]
    }
}

/// Draws scenes of conditions. Shared among threads.
#[derive(Debug, Clone)]
pub struct Stage {
    fonts: Arc<fontdb::Database>,
}

/// Pixels of the texture of ground and objects at most.
const TEXTURE_PX: f64 = 4.5e6;

/// A flat thing's place in the picture.
struct Placed<'a> {
    pixels: std::borrow::Cow<'a, RgbImage>,
    /// From the picture to the thing's pixels as given.
    from_image: Homography,
    /// Pixels as given per pixel of `pixels`.
    reduction: f64,
    size: [f64; 2],
    radius: f64,
    /// Picture pixels per pixel as given, about.
    scale: f64,
    mm_per_px: f64,
}

impl Placed<'_> {
    fn new<'a>(flat: &Flat<'a>, to_image: Homography) -> Placed<'a> {
        let [w, h] = flat.size();
        let corners = Box2 { left: 0.0, top: 0.0, right: w, bottom: h }.corners().map(|c| to_image.apply(c));
        let area: f64 = (0..4)
            .map(|i| (corners[i], corners[(i + 1) % 4]))
            .map(|([ax, ay], [bx, by])| (ax * by - bx * ay) / 2.0)
            .sum();
        let scale = (area.abs() / (w * h)).sqrt();
        let (pixels, reduction) = reduced(flat.pixels, scale);
        Placed {
            pixels,
            from_image: to_image.inverse(),
            reduction,
            size: [w, h],
            radius: flat.corner_radius_px,
            scale,
            mm_per_px: flat.width_mm / w,
        }
    }

    /// Colour and how much of it covers what is below.
    #[inline]
    fn at(&self, image: Point) -> ([f32; 3], f32) {
        let point = self.from_image.apply(image);
        let coverage = (0.5 - distance(point, self.size, self.radius) * self.scale).clamp(0.0, 1.0) as f32;
        if coverage <= 0.0 {
            return ([0.0; 3], 0.0);
        }
        (raster::sample(&self.pixels, point.map(|v| v / self.reduction - 0.5)), coverage)
    }

    /// Light that its shadow leaves on the ground.
    #[inline]
    fn shade(&self, image: Point, (sin, cos): (f64, f64), lift_mm: f64) -> f32 {
        let [x, y] = self.from_image.apply(image);
        let lift = lift_mm / self.mm_per_px;
        let away = distance([x - lift * 0.6 * cos, y - lift * 0.6 * sin], self.size, self.radius);
        1.0 - 0.48 * (-(away.max(0.0) / lift)).exp() as f32
    }
}

/// Halved until a pixel of the picture sees at most 1.6 pixels of it, so that nothing aliases.
fn reduced(pixels: &RgbImage, scale: f64) -> (std::borrow::Cow<'_, RgbImage>, f64) {
    let mut factor = 1.0;
    while scale * factor < 0.62 {
        factor *= 2.0;
    }
    if factor <= 1.0 {
        return (std::borrow::Cow::Borrowed(pixels), 1.0);
    }
    let size = |px: u32| (f64::from(px) / factor).round().max(1.0) as u32;
    let small = image::imageops::thumbnail(pixels, size(pixels.width()), size(pixels.height()));
    let reduction = f64::from(pixels.width()) / f64::from(small.width());
    (std::borrow::Cow::Owned(small), reduction)
}

impl Stage {
    pub fn new(assets: &Assets) -> Self {
        Self { fonts: Arc::clone(&assets.fonts) }
    }

    /// The light that reaches the lens in a scene of a condition; `flat` is absent where only its
    /// surroundings are wanted.
    pub fn shot(
        &self,
        scene: &Scene,
        flat: Option<Flat<'_>>,
        second: Option<Flat<'_>>,
        random: &mut Random,
    ) -> Result<Shot, Error> {
        let Some(phone) = &scene.phone else {
            return Err(Error::Unknown { kind: "condition", given: "none".to_owned() });
        };
        let blank = RgbImage::new(200, 126);
        let size_of = flat.unwrap_or(Flat { pixels: &blank, width_mm: 85.6, corner_radius_px: 0.0 });
        let [w, h] = size_of.size();
        let mm_per_px = size_of.width_mm / w;
        let size_mm = [w * mm_per_px, h * mm_per_px];
        let to_image = scene.placed([w, h]);
        let from_mm =
            Homography::scale(1.0 / mm_per_px).then(Homography::translation(w / 2.0, h / 2.0)).then(to_image);
        let to_mm = from_mm.inverse();
        let picture = [scene.width_px as f64, scene.height_px as f64];
        let first = flat.map(|flat| Placed::new(&flat, to_image));
        let second = second
            .filter(|_| phone.second_document)
            .map(|flat| Placed::new(&flat, beside(&flat, size_mm, picture, random).then(from_mm)));
        let (under_hand, over_hand) =
            phone.hand.map_or_else(Default::default, |hand| hand::drawn(&hand, size_mm));
        let under = if let Some(blur) = phone.room {
            self.backdrop(blur, picture, &to_mm, &under_hand, random)?
        } else {
            let ground = match scene.support {
                Support::Even { colour } => Ground::even(colour),
                Support::Desk { .. } => phone.ground,
            };
            self.ground(&ground, phone.objects, picture, &to_mm, size_mm, random)?
        };
        let over = match over_hand.is_empty() {
            true => None,
            false => Some(Sheet::new(&self.fonts, &over_hand, seen(picture, &to_mm, size_mm[0]), 2.0e6)?),
        };
        let below = |image: Point| -> [f32; 3] {
            match &under {
                Under::Room { behind, hand } => {
                    let factor = behind.width as f64 / picture[0];
                    let mut colour = behind.bilinear(image.map(|v| v * factor - 0.5));
                    if let Some(hand) = hand {
                        hand.over(to_mm.apply(image), &mut colour);
                    }
                    colour
                }
                Under::Ground { painted, area, per_mm } => {
                    let [x, y] = to_mm.apply(image);
                    painted.bilinear([(x - area.left) * per_mm - 0.5, (y - area.top) * per_mm - 0.5])
                }
            }
        };
        let lit = scene.light_direction.sin_cos();
        let aspect = picture[1] / picture[0];
        let exposure = scene.exposure as f32;
        let mut frame = Frame::from_fn(scene.width_px, scene.height_px, |x, y| {
            let image = [x as f64 + 0.5, y as f64 + 0.5];
            let drawn = first.as_ref().map_or(([0.0; 3], 0.0), |first| first.at(image));
            let mut colour = drawn.0;
            if drawn.1 < 1.0 {
                let mut base = below(image);
                if phone.room.is_none() {
                    for placed in first.iter().chain(&second) {
                        let shade = placed.shade(image, lit, phone.lift_mm);
                        base = base.map(|v| v * shade);
                    }
                }
                if let Some(second) = &second {
                    let (other, coverage) = second.at(image);
                    mix(&mut base, other, coverage);
                }
                mix(&mut base, drawn.0, drawn.1);
                colour = base;
            }
            if let Some(over) = &over {
                over.over(to_mm.apply(image), &mut colour);
            }
            // Light on all of it, and what the lens keeps of it towards the corners.
            let (u, v) = (image[0] / picture[0] - 0.5, (image[1] / picture[1] - 0.5) * aspect);
            let mut light = 1.0 + scene.light_gradient * (u * lit.1 + v * lit.0);
            if let Some(shadow) = &phone.shadow {
                light *= shadow.left(u, v, aspect);
            }
            let gain = (light.max(0.0) as f32 * exposure).powf((1.0 / GAMMA) as f32);
            colour.map(|value| value * gain)
        });
        if !phone.glare.is_empty() {
            let from_image = to_image.inverse();
            for (number, pixel) in frame.values.chunks_exact_mut(3).enumerate() {
                let (x, y) = (number % scene.width_px, number / scene.width_px);
                let at = from_image.apply([x as f64 + 0.5, y as f64 + 0.5]).map(|v| v / w);
                let added: f64 = phone.glare.iter().map(|glare| glare.at(at)).sum();
                if added > 0.002 {
                    for value in pixel {
                        let linear = (f64::from(*value) / 255.0).powf(GAMMA) + added * scene.exposure;
                        *value = (255.0 * linear.powf(1.0 / GAMMA)) as f32;
                    }
                }
            }
        }
        Ok(Shot { frame, to_image })
    }

    fn backdrop(
        &self,
        blur: f64,
        picture: [f64; 2],
        to_mm: &Homography,
        hand: &str,
        random: &mut Random,
    ) -> Result<Under, Error> {
        let width = if blur > 1.0 { 520 } else { 2080 };
        let height = (f64::from(width) * picture[1] / picture[0]).round().max(1.0) as u32;
        let body = room::drawn(picture[1] / picture[0], random);
        let view = [0.0, 0.0, 400.0, 400.0 * picture[1] / picture[0]];
        let pixmap = svg::drawn(&self.fonts, &body, view, (width, height))?;
        let behind = Frame::from_fn(pixmap.width() as usize, pixmap.height() as usize, |x, y| {
            pixel(&pixmap, x as isize, y as isize).map_or([128.0; 3], |[r, g, b, _]| [r, g, b])
        })
        .blurred(blur);
        let hand = match hand.is_empty() {
            true => None,
            false => Some(Sheet::new(&self.fonts, hand, seen(picture, to_mm, 85.6), 2.0e6)?),
        };
        Ok(Under::Room { behind, hand })
    }

    fn ground(
        &self,
        ground: &Ground,
        objects: usize,
        picture: [f64; 2],
        to_mm: &Homography,
        size_mm: [f64; 2],
        random: &mut Random,
    ) -> Result<Under, Error> {
        let area = seen(picture, to_mm, size_mm[0]);
        let per_mm = (TEXTURE_PX / (area.width() * area.height())).sqrt().min(24.0);
        let (width, height) =
            ((area.width() * per_mm).ceil() as usize + 1, (area.height() * per_mm).ceil() as usize + 1);
        let of_texture = Homography::scale(1.0 / per_mm).then(Homography::translation(area.left, area.top));
        let mut painted = ground.painted(width, height, &of_texture, random);
        if objects > 0 {
            let body = clutter::scattered(objects, size_mm, picture[1] / picture[0], random);
            let view = [area.left, area.top, width as f64 / per_mm, height as f64 / per_mm];
            let drawn = svg::drawn(&self.fonts, &body, view, (width as u32, height as u32))?;
            lay(&mut painted, &drawn, per_mm);
        }
        Ok(Under::Ground { painted, area, per_mm })
    }
}

enum Under {
    Room { behind: Frame, hand: Option<Sheet> },
    Ground { painted: Frame, area: Box2, per_mm: f64 },
}

/// A drawing with transparency in the document's plane.
struct Sheet {
    pixmap: Pixmap,
    area: Box2,
    per_mm: f64,
}

impl Sheet {
    fn new(fonts: &Arc<fontdb::Database>, body: &str, area: Box2, most_px: f64) -> Result<Self, Error> {
        let per_mm = (most_px / (area.width() * area.height())).sqrt().min(16.0);
        let size = ((area.width() * per_mm).ceil() as u32 + 1, (area.height() * per_mm).ceil() as u32 + 1);
        let view = [area.left, area.top, f64::from(size.0) / per_mm, f64::from(size.1) / per_mm];
        Ok(Self { pixmap: svg::drawn(fonts, body, view, size)?, area, per_mm })
    }

    /// Puts what is drawn at `mm` over `colour`.
    #[inline]
    fn over(&self, [x, y]: Point, colour: &mut [f32; 3]) {
        let (u, v) = ((x - self.area.left) * self.per_mm - 0.5, (y - self.area.top) * self.per_mm - 0.5);
        let (left, top) = (u.floor(), v.floor());
        let (fu, fv) = ((u - left) as f32, (v - top) as f32);
        let (left, top) = (left as isize, top as isize);
        let mut sum = [0.0_f32; 4];
        for (dy, wy) in [(0, 1.0 - fv), (1, fv)] {
            for (dx, wx) in [(0, 1.0 - fu), (1, fu)] {
                let Some(ink) = pixel(&self.pixmap, left + dx, top + dy) else { continue };
                sum.iter_mut().zip(ink).for_each(|(s, v)| *s += v * wx * wy);
            }
        }
        let rest = 1.0 - sum[3] / 255.0;
        colour.iter_mut().zip(sum).for_each(|(c, ink)| *c = *c * rest + ink);
    }
}

/// Premultiplied red, green, blue, and alpha, 0..255.
#[inline]
fn pixel(pixmap: &Pixmap, x: isize, y: isize) -> Option<[f32; 4]> {
    let (x, y) = (u32::try_from(x).ok()?, u32::try_from(y).ok()?);
    let ink = pixmap.pixel(x, y)?;
    Some([ink.red(), ink.green(), ink.blue(), ink.alpha()].map(f32::from))
}

/// Objects onto the ground, with a soft shadow around them.
fn lay(ground: &mut Frame, drawn: &Pixmap, per_mm: f64) {
    let (width, height) = (ground.width, ground.height);
    let small = Frame::from_fn(width.div_ceil(8), height.div_ceil(8), |x, y| {
        [pixel(drawn, x as isize * 8 + 4, y as isize * 8 + 4).map_or(0.0, |p| p[3] / 255.0); 3]
    })
    .blurred((2.6 * per_mm / 8.0).max(0.3));
    let shift = 1.6 * per_mm;
    for (number, value) in ground.values.chunks_exact_mut(3).enumerate() {
        let (x, y) = (number % width, number / width);
        let at = [(x as f64 - shift) / 8.0 - 0.5, (y as f64 - shift) / 8.0 - 0.5];
        let shade = 1.0 - 0.42 * small.bilinear(at)[0];
        let [r, g, b, a] = pixel(drawn, x as isize, y as isize).unwrap_or_default();
        let rest = (1.0 - a / 255.0) * shade;
        value.iter_mut().zip([r, g, b]).for_each(|(v, ink)| *v = *v * rest + ink);
    }
}

/// Where a second document lies: to millimetres of the first one's plane.
fn beside(flat: &Flat<'_>, [w, h]: [f64; 2], picture: [f64; 2], random: &mut Random) -> Homography {
    let size = flat.size();
    let per_px = flat.width_mm / size[0];
    let gap = random.between(4.0, 18.0);
    let to_the_right = picture[0] > picture[1];
    let (own_w, own_h) = (size[0] * per_px, size[1] * per_px);
    let [x, y] = match to_the_right {
        true => [(w + own_w) / 2.0 + gap, random.between(-0.1, 0.35) * h],
        false => [random.between(-0.1, 0.2) * w, (h + own_h) / 2.0 + gap],
    };
    Homography::translation(-size[0] / 2.0, -size[1] / 2.0)
        .then(Homography::scale(per_px))
        .then(Homography::rotation(random.between(-0.14, 0.14)))
        .then(Homography::translation(x, y))
}

/// What the picture shows of the document's plane, mm; at most six widths of the document to any
/// side (what lies further is near the horizon).
fn seen(picture: [f64; 2], to_mm: &Homography, width_mm: f64) -> Box2 {
    let corners = Box2 { left: 0.0, top: 0.0, right: picture[0], bottom: picture[1] }.corners();
    let far = 6.0 * width_mm;
    corners
        .iter()
        .map(|corner| to_mm.apply(*corner).map(|v| v.clamp(-far, far)))
        .fold(Box2 { left: -width_mm, top: -width_mm, right: width_mm, bottom: width_mm }, |all, [x, y]| {
            all.union(Box2 { left: x, top: y, right: x, bottom: y })
        })
}

#[inline]
fn mix(below: &mut [f32; 3], above: [f32; 3], coverage: f32) {
    below.iter_mut().zip(above).for_each(|(b, a)| *b += (a - *b) * coverage);
}
