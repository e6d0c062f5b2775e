//! From the developed picture to the file that arrives.

use super::scene::Shot;
use crate::geometry::Homography;
use crate::{Error, jpeg};
use image::imageops;

/// A messenger on the way: it shrinks and saves, and the next one saves again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Of the longer edge.
    pub longest_px: u32,
    pub qualities: [u8; 2],
}

/// A file, and where the flat side's pixels are in its picture.
#[derive(Debug, Clone)]
pub struct Saved {
    pub jpeg: Vec<u8>,
    pub width_px: u32,
    pub height_px: u32,
    /// What it was saved with last.
    pub jpeg_quality: u8,
    pub to_image: Homography,
}

pub(super) fn saved(shot: &Shot, camera_quality: u8, sent: Option<Sent>) -> Result<Saved, Error> {
    let pixels = shot.frame.to_rgb();
    let (mut width_px, mut height_px) = pixels.dimensions();
    let mut file = jpeg::encode(&pixels, camera_quality)?;
    let mut to_image = shot.to_image;
    let mut jpeg_quality = camera_quality;
    if let Some(Sent { longest_px, qualities }) = sent {
        let factor = f64::from(longest_px) / f64::from(width_px.max(height_px));
        if factor < 1.0 {
            let size = |px: u32| (f64::from(px) * factor).round().max(1.0) as u32;
            let arrived = jpeg::decode(&file)?;
            let small =
                imageops::resize(&arrived, size(width_px), size(height_px), imageops::FilterType::Triangle);
            // Rounding to whole pixels stretches the two axes by a trifle.
            let (x, y) = (
                f64::from(small.width()) / f64::from(width_px),
                f64::from(small.height()) / f64::from(height_px),
            );
            to_image = to_image.then(Homography::new([x, 0.0, 0.0, 0.0, y, 0.0, 0.0, 0.0, 1.0]));
            (width_px, height_px) = small.dimensions();
            file = jpeg::encode(&small, qualities[0])?;
        }
        file = jpeg::encode(&jpeg::decode(&file)?, qualities[1])?;
        jpeg_quality = qualities[1];
    }
    Ok(Saved { jpeg: file, width_px, height_px, jpeg_quality, to_image })
}
