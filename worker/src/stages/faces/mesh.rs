//! The 468-point face mesh (192×192), cut from the full-resolution picture.

use super::Detection;
use crate::inference::{Engine, InferenceError, Model};
use txid_imaging::{RgbImage, warp_similarity};

const INPUT_PX: u32 = 192;
/// The model wants this much around the detector's box.
const CROP_SCALE: f32 = 1.5;
const POINTS: usize = 468;

/// Coordinates are pixels of the upright original.
#[derive(Debug, Clone)]
pub struct Mesh {
    /// How sure the model is that the crop holds a face, 0..1.
    pub presence: f32,
    points: Vec<[f32; 2]>,
    /// The same points in pixels of the model's crop, which is levelled by the eyes; z grows away from
    /// the camera, on about the scale of x.
    pub(super) shape: Vec<[f32; 3]>,
}

impl Mesh {
    /// Right eye (left in the picture), left eye, nose tip, right and left corner of the mouth.
    pub fn five_points(&self) -> [[f32; 2]; 5] {
        let middle = |a: usize, b: usize| {
            let ([ax, ay], [bx, by]) = (self.point(a), self.point(b));
            [(ax + bx) / 2.0, (ay + by) / 2.0]
        };
        [middle(33, 133), middle(362, 263), self.point(4), self.point(61), self.point(291)]
    }

    /// How far the nose lies off the middle between the outer corners of the eyes, along their
    /// line, in eye distances: about 0 seen from the front, 0.3 and more in half profile.
    pub fn yaw(&self) -> f32 {
        let (right, left, nose) = (self.point(33), self.point(263), self.point(4));
        let across = [left[0] - right[0], left[1] - right[1]];
        let norm = across[0] * across[0] + across[1] * across[1];
        let from_middle = [nose[0] - (left[0] + right[0]) / 2.0, nose[1] - (left[1] + right[1]) / 2.0];
        (across[0] * from_middle[0] + across[1] * from_middle[1]) / norm.max(1e-6)
    }

    fn point(&self, index: usize) -> [f32; 2] {
        self.points.get(index).copied().unwrap_or_default()
    }
}

pub(super) fn run(
    engine: &mut Engine,
    picture: &RgbImage,
    detection: &Detection,
) -> Result<Mesh, InferenceError> {
    let map = detection.square(CROP_SCALE, INPUT_PX);
    let crop = warp_similarity(picture, &map, INPUT_PX);
    let input: Vec<f32> = crop.as_raw().iter().map(|&value| f32::from(value) / 255.0).collect();
    let side = INPUT_PX as usize;
    engine.run(Model::FaceMesh, &[1, side, side, 3], &input, |outputs| {
        let presence = outputs.named("face")?.data.first().copied().unwrap_or(0.0);
        let triples = outputs.named("mesh")?.data.chunks_exact(3).take(POINTS);
        let shape: Vec<[f32; 3]> = triples.filter_map(|point| point.try_into().ok()).collect();
        let points = shape.iter().map(|&[x, y, _]| map.apply([x, y])).collect();
        Ok(Mesh { presence, points, shape })
    })
}
