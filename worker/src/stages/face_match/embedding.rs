//! MobileFaceNet: 192 numbers that are close for pictures of the same person.

use crate::inference::{Engine, InferenceError, Model};
use crate::stages::faces::Face;
use txid_imaging::{RgbImage, Similarity, warp_similarity};

const INPUT_PX: u32 = 112;

/// Where the five points lie in the aligned 112×112 crop (the ArcFace template that the model was
/// trained on): right eye, left eye, nose, right and left corner of the mouth.
const TEMPLATE: [[f32; 2]; 5] =
    [[38.29, 51.70], [73.53, 51.50], [56.03, 71.74], [41.55, 92.37], [70.73, 92.20]];

/// Unit length. The crop and its mirror image are embedded and added: 0.9935 instead of 0.9913 on
/// LFW (see MODELS.md).
pub(in crate::stages) fn embed(
    engine: &mut Engine,
    picture: &RgbImage,
    face: &Face,
) -> Result<Vec<f32>, InferenceError> {
    let crop = aligned(picture, face);
    let side = INPUT_PX as usize;
    let value = |value: &u8| (f32::from(*value) - 127.5) / 128.0;
    let mut input = Vec::with_capacity(2 * side * side * 3);
    input.extend(crop.as_raw().iter().map(value));
    for row in crop.as_raw().chunks_exact(side * 3) {
        input.extend(row.chunks_exact(3).rev().flatten().map(value));
    }
    engine.run(Model::FaceEmbedding, &[2, side, side, 3], &input, |outputs| {
        let both = outputs.named("embeddings")?.data;
        let (crop, mirrored) = both.split_at(both.len() / 2);
        let sum: Vec<f32> = crop.iter().zip(mirrored).map(|(a, b)| a + b).collect();
        let length = sum.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-6);
        Ok(sum.into_iter().map(|value| value / length).collect())
    })
}

/// Of two unit vectors, −1..1.
pub(in crate::stages) fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>().clamp(-1.0, 1.0)
}

fn aligned(picture: &RgbImage, face: &Face) -> RgbImage {
    // Fitted from the picture to the template and inverted, as the model's training did it: the
    // least-squares fit is not symmetric.
    let map = Similarity::fit(&face.mesh.five_points(), &TEMPLATE)
        .and_then(|to_template| to_template.inverse())
        .unwrap_or_else(|| face.square(1.2, INPUT_PX));
    warp_similarity(picture, &map, INPUT_PX)
}
