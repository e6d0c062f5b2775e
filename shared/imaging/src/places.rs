//! Where in a picture a defect is. Polygons are in pixels of the picture that was measured.

use crate::{GrayImage, sharpness};
use txid_shared::partial::Polygon;

/// Side of the cells that are glare or not.
const GLARE_CELL_PX: u32 = 12;
/// Burnt-out: as `Exposure::bright`; of a cell at least so much.
const BURNT_OUT: u8 = 251;
const BURNT_OUT_SHARE: f32 = 0.35;
/// Cells that touch, at least, for a reflection.
const LEAST_CELLS: usize = 2;
/// Side of the tiles whose sharpness is measured.
const BLUR_TILE_PX: u32 = 96;
/// Standard deviation of luminance below which a tile has nothing that could be sharp, in values of 0..255.
const LEAST_CONTRAST: f32 = 9.0;
/// As many are named, the worst first.
const MOST_PLACES: usize = 8;

fn rectangle(left: u32, top: u32, right: u32, bottom: u32) -> Polygon {
    let [left, top, right, bottom] = [left, top, right, bottom].map(|value| value as f32);
    [[left, top], [right, top], [right, bottom], [left, bottom]]
}

/// The boxes around patches of burnt-out pixels, the largest first.
pub(crate) fn burnt_out(picture: &GrayImage) -> Vec<Polygon> {
    let (width, height) = picture.dimensions();
    let (columns, rows) = (width.div_ceil(GLARE_CELL_PX), height.div_ceil(GLARE_CELL_PX));
    let mut burnt = vec![0u32; (columns * rows) as usize];
    for (x, y, _) in picture.enumerate_pixels().filter(|(_, _, pixel)| pixel.0[0] >= BURNT_OUT) {
        if let Some(cell) = burnt.get_mut((y / GLARE_CELL_PX * columns + x / GLARE_CELL_PX) as usize) {
            *cell += 1;
        }
    }
    let least = (BURNT_OUT_SHARE * (GLARE_CELL_PX * GLARE_CELL_PX) as f32) as u32;
    let mut waiting: Vec<bool> = burnt.iter().map(|count| *count >= least).collect();
    let mut take = |column: u32, row: u32| {
        waiting.get_mut((row * columns + column) as usize).is_some_and(std::mem::take)
    };
    let mut patches: Vec<(usize, Polygon)> = Vec::new();
    for (column, row) in (0..rows).flat_map(|row| (0..columns).map(move |column| (column, row))) {
        if !take(column, row) {
            continue;
        }
        let (mut open, mut cells) = (vec![(column, row)], 0);
        let (mut left, mut top, mut right, mut bottom) = (column, row, column, row);
        while let Some((x, y)) = open.pop() {
            cells += 1;
            (left, top, right, bottom) = (left.min(x), top.min(y), right.max(x), bottom.max(y));
            for (x, y) in [(x.wrapping_sub(1), y), (x + 1, y), (x, y.wrapping_sub(1)), (x, y + 1)] {
                if x < columns && y < rows && take(x, y) {
                    open.push((x, y));
                }
            }
        }
        let end = |cell: u32, length: u32| ((cell + 1) * GLARE_CELL_PX).min(length);
        let (right, bottom) = (end(right, width), end(bottom, height));
        patches.push((cells, rectangle(left * GLARE_CELL_PX, top * GLARE_CELL_PX, right, bottom)));
    }
    patches.retain(|(cells, _)| *cells >= LEAST_CELLS);
    patches.sort_by_key(|(cells, _)| std::cmp::Reverse(*cells));
    patches.truncate(MOST_PLACES);
    patches.into_iter().map(|(_, place)| place).collect()
}

/// The tiles that have contrast and are not as sharp as `least` (`sharpness`), the least sharp first.
pub(crate) fn blurred(picture: &GrayImage, least: f32) -> Vec<Polygon> {
    let (width, height) = picture.dimensions();
    let mut tiles: Vec<(f32, Polygon)> = Vec::new();
    for top in (0..height).step_by(BLUR_TILE_PX as usize) {
        for left in (0..width).step_by(BLUR_TILE_PX as usize) {
            let (right, bottom) = ((left + BLUR_TILE_PX).min(width), (top + BLUR_TILE_PX).min(height));
            if right - left < BLUR_TILE_PX / 2 || bottom - top < BLUR_TILE_PX / 2 {
                continue;
            }
            let tile = image::imageops::crop_imm(picture, left, top, right - left, bottom - top).to_image();
            let contrast = crate::exposure(&tile).contrast * 255.0;
            let sharp = sharpness(&tile, BLUR_TILE_PX);
            if contrast >= LEAST_CONTRAST && sharp < least {
                tiles.push((sharp, rectangle(left, top, right, bottom)));
            }
        }
    }
    tiles.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    tiles.truncate(MOST_PLACES);
    tiles.into_iter().map(|(_, place)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resize_grey;
    use image::Luma;

    #[test]
    fn a_reflection_is_boxed_where_it_is() {
        let picture = GrayImage::from_fn(480, 360, |x, y| {
            let glare = (200..280).contains(&x) && (96..150).contains(&y);
            Luma([if glare { 255 } else { 120 + ((x + y) % 20) as u8 }])
        });
        let places = burnt_out(&picture);
        let [[left, top], _, [right, bottom], _] = places[0];
        assert_eq!(places.len(), 1, "{places:?}");
        assert!((left - 200.0).abs() <= 12.0 && (top - 96.0).abs() <= 12.0, "{places:?}");
        assert!((right - 280.0).abs() <= 12.0 && (bottom - 150.0).abs() <= 12.0, "{places:?}");
    }

    #[test]
    fn only_the_half_out_of_focus_is_named() {
        let squares = |x: u32, y: u32| Luma([if (x / 4 + y / 4).is_multiple_of(2) { 60 } else { 200 }]);
        let sharp = GrayImage::from_fn(480, 384, squares);
        let waves =
            GrayImage::from_fn(480, 384, |x, _| Luma([(128.0 + 90.0 * (x as f32 / 30.0).sin()) as u8]));
        let soft = resize_grey(&resize_grey(&waves, 60, 48).unwrap(), 480, 384).unwrap();
        let picture = GrayImage::from_fn(480, 384, |x, y| {
            if x < 192 { *soft.get_pixel(x, y) } else { *sharp.get_pixel(x, y) }
        });
        let places = blurred(&picture, 0.04);
        assert!(!places.is_empty() && places.iter().all(|place| place[1][0] <= 192.0), "{places:?}");
    }
}
