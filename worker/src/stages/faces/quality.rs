//! How far a face carries a judgement.

use super::Face;
use txid_imaging::{Exposure, RgbImage, exposure, luminance, sharpness, warp_similarity};
use txid_shared::partial::QualityIssue;

/// Side of the square around the face that is measured.
const MEASURED_PX: u32 = 160;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FaceQuality {
    pub eye_distance_px: f32,
    /// See `imaging::sharpness`, of the face at 160 px.
    pub sharpness: f32,
    pub exposure: Exposure,
    /// 0 from the front; absolute value of `Mesh::yaw`.
    pub yaw: f32,
}

/// 0 at `low` and below, 1 at `high` and above.
fn ramp(value: f32, low: f32, high: f32) -> f32 {
    ((value - low) / (high - low)).clamp(0.0, 1.0)
}

impl FaceQuality {
    pub fn of(picture: &RgbImage, face: &Face) -> Self {
        let crop = warp_similarity(picture, &face.square(1.0, MEASURED_PX), MEASURED_PX);
        let grey = luminance(&crop);
        Self {
            eye_distance_px: face.eye_distance_px(),
            sharpness: sharpness(&grey, MEASURED_PX),
            exposure: exposure(&grey),
            yaw: face.mesh.yaw().abs(),
        }
    }

    pub fn size_score(&self) -> f32 {
        // 112 px of aligned face hold 35 px between the eyes: below that the crop is enlarged.
        ramp(self.eye_distance_px, 10.0, 35.0)
    }

    pub fn sharpness_score(&self) -> f32 {
        ramp(self.sharpness, SHARPNESS.0, SHARPNESS.1)
    }

    pub fn exposure_score(&self) -> f32 {
        let Exposure { mean, dark, bright, contrast } = self.exposure;
        let lit = ramp(mean, 0.08, 0.22).min(ramp(1.0 - mean, 0.05, 0.15));
        let clipped = ramp(0.7 - dark, 0.0, 0.3).min(ramp(0.5 - bright, 0.0, 0.3));
        lit.min(clipped).min(ramp(contrast, 0.02, 0.08))
    }

    pub fn pose_score(&self) -> f32 {
        1.0 - ramp(self.yaw, 0.18, 0.45)
    }

    /// All four together, 0..1; one bad property is enough for a low score.
    pub fn score(&self) -> f32 {
        let scores = [self.size_score(), self.sharpness_score(), self.exposure_score(), self.pose_score()];
        let worst = scores.into_iter().fold(1.0, f32::min);
        let product: f32 = scores.into_iter().product();
        (worst * product).sqrt()
    }

    pub fn issues(&self) -> Vec<QualityIssue> {
        let dark = self.exposure.mean < 0.4;
        let exposure = if dark {
            ("too_dark", "the face is too dark")
        } else {
            ("too_bright", "the face is too bright")
        };
        [
            ("low_resolution", "the face is small", self.size_score()),
            ("blurred", "the face is not in focus", self.sharpness_score()),
            (exposure.0, exposure.1, self.exposure_score()),
            ("turned_away", "the face does not look into the camera", self.pose_score()),
        ]
        .into_iter()
        .filter(|(_, _, score)| *score < 0.5)
        .map(|(code, message, score)| QualityIssue::new(code, message, 1.0 - score))
        .collect()
    }
}

/// Unusable and good, measured: see MODELS.md.
const SHARPNESS: (f32, f32) = (0.002, 0.02);
