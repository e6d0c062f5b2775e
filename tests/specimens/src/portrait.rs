//! Cuts a portrait as documents have it out of a photograph.

use crate::asset::Photograph;
use crate::design::PortraitPlace;
use crate::geometry::Box2;
use crate::raster;
use image::RgbImage;

/// Share of a portrait's height from crown to chin (ICAO 9303-3, 3.4: 70 to 80 % of the vertical
/// dimension; 68 % keeps the cut inside our photographs).
const HEAD_SHARE: f64 = 0.68;
/// Free space above the crown, as a share of the portrait's height.
const CROWN_SHARE: f64 = 0.09;

/// Prints the portrait on `onto` (coordinates in its pixels); returns where the head is.
pub(crate) fn paste(onto: &mut RgbImage, photograph: &Photograph, place: &PortraitPlace) -> Box2 {
    let head = photograph.head;
    // Photograph pixels per pixel of the print.
    let ratio = head.height() / (HEAD_SHARE * place.height);
    let left = (head.left + head.right) / 2.0 - place.width / 2.0 * ratio;
    let top = head.top - CROWN_SHARE * place.height * ratio;
    let area = place.area();
    for y in area.top.max(0.0) as u32..(area.bottom as u32).min(onto.height()) {
        for x in area.left.max(0.0) as u32..(area.right as u32).min(onto.width()) {
            let (u, v) = (f64::from(x) + 0.5 - area.left, f64::from(y) + 0.5 - area.top);
            let from = [left + u * ratio - 0.5, top + v * ratio - 0.5];
            let mut colour = raster::sample(&photograph.pixels, from);
            let ground = [226.0, 229.0, 232.0];
            let holder = holder_share(from, head);
            let grey = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2];
            let edge = (u.min(area.width() - u).min(v).min(area.height() - v) / 3.0).clamp(0.0, 1.0);
            let opacity = (place.opacity * edge) as f32;
            let Some(pixel) = onto.get_pixel_mut_checked(x, y) else { continue };
            for (channel, (value, plain)) in pixel.0.iter_mut().zip(colour.iter_mut().zip(ground)) {
                let toned = grey + (*value - grey) * place.saturation as f32;
                let cut = plain + (toned - plain) * holder;
                *channel = (f32::from(*channel) * (1.0 - opacity) + cut * opacity + 0.5) as u8;
            }
        }
    }
    let place_of = |x: f64, y: f64| [area.left + (x - left) / ratio, area.top + (y - top) / ratio];
    let ([l, t], [r, b]) = (place_of(head.left, head.top), place_of(head.right, head.bottom));
    Box2 { left: l, top: t, right: r, bottom: b }
}

/// 1 on the holder, 0 on what stood behind: an ellipse around the head joined with the shoulders,
/// with a soft edge. Documents want a plain background, and our photographs have flags.
fn holder_share([x, y]: [f64; 2], head: Box2) -> f32 {
    let (cx, cy) = ((head.left + head.right) / 2.0, (head.top + head.bottom) / 2.0);
    let ellipse = ((x - cx) / (head.width() * 0.525)).powi(2) + ((y - cy) / (head.height() * 0.545)).powi(2);
    let ellipse = (ellipse.sqrt() - 1.0) * head.width() * 0.6;
    // The shoulders fall away from the neck below the chin.
    let below = y - (head.bottom - head.height() * 0.06);
    let half = head.width() * 0.34 + below.max(0.0) * 3.2;
    let shoulders = if below > 0.0 { (x - cx).abs() - half } else { f64::INFINITY };
    let distance = ellipse.min(shoulders);
    (0.5 - distance / (head.width() * 0.08)).clamp(0.0, 1.0) as f32
}
