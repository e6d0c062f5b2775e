//! A date retyped in the saved picture.

use crate::design::Design;
use crate::geometry::{Box2, Homography, Polygon};
use crate::person::{Date, Person};
use crate::random::Random;
use crate::raster::Frame;
use crate::render::{PrintedText, Renderer};
use crate::submission::CapturedSide;
use crate::truth::{Forgery, Role, Truth};
use crate::typeset::arabic_digits;
use crate::{Error, jpeg};
use image::{GrayImage, RgbImage};

/// Older (to pass as adult) or valid for longer: what such edits are made for.
const EDITS: [(&str, i32); 2] = [("date_of_birth", -1), ("expiry_date", 1)];

/// Opens the front's file, wipes a date, types another one in a similar letter, and saves. The
/// patch was a file of its own before (another JPEG history, other grid) and has no sensor noise.
pub(super) fn date(
    renderer: &Renderer,
    design: &Design,
    person: &Person,
    sides: &mut [CapturedSide],
    truth: &mut Truth,
    random: &mut Random,
) -> Result<(), Error> {
    let needs = |needs| Error::NotApplicable { attack: "edited_date", needs, design: design.name.clone() };
    let side = sides.iter_mut().find(|s| s.role == Role::DocumentFront).ok_or_else(|| needs("a front"))?;
    let print_of =
        |field: &str| side.side.texts.iter().find(|t| t.id.strip_prefix("field.") == Some(field)).cloned();
    let edits: Vec<_> = EDITS.iter().filter_map(|edit| Some((*edit, print_of(edit.0)?))).collect();
    let ((field, direction), printed) =
        random.pick(&edits).cloned().ok_or_else(|| needs("a printed date"))?;
    let genuine = if field == "expiry_date" { person.expiry_date } else { person.date_of_birth };
    let mut forged = other_date(genuine, direction, random).printed(&design.date_pattern);
    if printed.text.contains(|c| matches!(c, '٠'..='٩')) {
        forged = arabic_digits(&forged);
    }
    let mut picture = jpeg::decode(&side.jpeg)?;
    let area = printed.ink.grown(printed.font_px * 0.18);
    let polygon = side.to_image.polygon(area);
    let patch_at = bounds(&polygon, &picture);
    let patch = patch(&picture, patch_at, renderer, &printed, area, side.to_image, &forged, random)?;
    image::imageops::replace(&mut picture, &patch, i64::from(patch_at[0]), i64::from(patch_at[1]));
    let quality = random.integer(89, 91) as u8;
    side.jpeg = jpeg::encode(&picture, quality)?;

    for image in truth.images.iter_mut().filter(|i| i.image == Role::DocumentFront) {
        image.jpeg_quality = Some(quality);
    }
    for print in truth.fields.get_mut(field).into_iter().flat_map(|f| &mut f.prints) {
        if print.image == Role::DocumentFront {
            print.text.clone_from(&forged);
        }
    }
    truth.forgeries.push(Forgery {
        kind: "edited_date".to_owned(),
        image: Role::DocumentFront,
        polygon: Some(polygon),
        field: Some(field.to_owned()),
        genuine_text: Some(printed.text),
        forged_text: Some(forged),
    });
    Ok(())
}

fn other_date(genuine: Date, direction: i32, random: &mut Random) -> Date {
    let years = random.integer(3, 7) as i32 * direction;
    Date {
        year: genuine.year.saturating_add_signed(years as i16),
        month: genuine.month,
        day: if random.chance(0.5) { genuine.day } else { (genuine.day % 28) + 1 },
    }
}

/// Left, top, width, height of the pixels that the polygon touches.
fn bounds(polygon: &Polygon, picture: &RgbImage) -> [u32; 4] {
    let extent = |axis: usize, size: u32| {
        let (low, high) = polygon
            .iter()
            .filter_map(|p| p.get(axis))
            .fold((f32::MAX, f32::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
        let low = (low.floor().max(0.0) as u32).min(size.saturating_sub(1));
        (low, (high.ceil().max(0.0) as u32).min(size) - low)
    };
    let (left, width) = extent(0, picture.width());
    let (top, height) = extent(1, picture.height());
    [left, top, width, height]
}

#[expect(clippy::too_many_arguments, reason = "one internal call, each argument a different thing")]
fn patch(
    picture: &RgbImage,
    [left, top, width, height]: [u32; 4],
    renderer: &Renderer,
    printed: &PrintedText,
    area: Box2,
    to_image: Homography,
    text: &str,
    random: &mut Random,
) -> Result<RgbImage, Error> {
    let (mask, ink) = renderer.type_line(text, printed)?;
    let whole = Frame::from_rgb(picture);
    let from_image = to_image.inverse();
    let colour = darkest(&whole, printed.ink, to_image);
    let strength = random.between(0.93, 1.0) as f32;
    let typed = Frame::from_fn(width as usize, height as usize, |x, y| {
        let at = [f64::from(left) + x as f64, f64::from(top) + y as f64];
        let point = from_image.apply(at);
        let inside = (point[0] - area.left)
            .min(area.right - point[0])
            .min(point[1] - area.top)
            .min(area.bottom - point[1]);
        let original = whole.at(at[0] as isize, at[1] as isize);
        if inside <= 0.0 {
            return original;
        }
        // Wiped: each column runs smoothly from just above the date to just below it.
        let share = ((point[1] - area.top) / area.height()).clamp(0.0, 1.0) as f32;
        let edge = |y: f64| averaged(&whole, to_image, [point[0], y], printed.font_px * 0.06);
        let (above, below) = (edge(area.top), edge(area.bottom));
        let feather = (inside / 3.0).min(1.0) as f32;
        // Typed: same left end and baseline as what stood there.
        let on_mask = [ink.left + point[0] - printed.ink.left, ink.bottom + point[1] - printed.ink.bottom];
        let cover = coverage(&mask, on_mask) * strength;
        std::array::from_fn(|c| {
            let wiped = above[c] + (below[c] - above[c]) * share;
            let written = wiped + (colour[c] - wiped) * cover;
            original[c] + (written - original[c]) * feather
        })
    });
    // The patch's own history: saved once by itself, on a grid that starts at its own corner.
    jpeg::decode(&jpeg::encode(&typed.to_rgb(), random.integer(68, 80) as u8)?)
}

/// Mean of a short horizontal run, so that single noisy pixels do not smear into stripes.
fn averaged(picture: &Frame, to_image: Homography, [x, y]: [f64; 2], step: f64) -> [f32; 3] {
    let mut sum = [0.0; 3];
    for i in -3..=3 {
        let value = picture.bilinear(to_image.apply([x + f64::from(i) * step, y]));
        sum.iter_mut().zip(value).for_each(|(s, v)| *s += v / 7.0);
    }
    sum
}

/// The ink's colour as a forger would pick it with the pipette: the dark end of what is there.
fn darkest(picture: &Frame, ink: Box2, to_image: Homography) -> [f32; 3] {
    let mut colours: Vec<[f32; 3]> = Vec::new();
    for row in 0..24 {
        for column in 0..160 {
            let x = ink.left + ink.width() * (f64::from(column) + 0.5) / 160.0;
            let y = ink.top + ink.height() * (f64::from(row) + 0.5) / 24.0;
            colours.push(picture.bilinear(to_image.apply([x, y])));
        }
    }
    colours.sort_by(|a, b| a.iter().sum::<f32>().total_cmp(&b.iter().sum()));
    colours.get(colours.len() / 12).copied().unwrap_or_default()
}

fn coverage(mask: &GrayImage, [x, y]: [f64; 2]) -> f32 {
    let (left, top) = ((x - 0.5).floor(), (y - 0.5).floor());
    let (fx, fy) = ((x - 0.5 - left) as f32, (y - 0.5 - top) as f32);
    let get = |dx: f64, dy: f64| {
        let (x, y) = (left + dx, top + dy);
        if x < 0.0 || y < 0.0 {
            return 0.0;
        }
        mask.get_pixel_checked(x as u32, y as u32).map_or(0.0, |p| f32::from(p.0[0]) / 255.0)
    };
    let above = get(0.0, 0.0) + (get(1.0, 0.0) - get(0.0, 0.0)) * fx;
    let below = get(0.0, 1.0) + (get(1.0, 1.0) - get(0.0, 1.0)) * fx;
    above + (below - above) * fy
}
