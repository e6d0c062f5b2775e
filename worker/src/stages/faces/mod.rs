//! Finding faces and the points in them, for `face_match` and `liveness`.

mod blazeface;
mod mesh;
mod quality;
mod shape;

pub use blazeface::Detection;
pub use mesh::Mesh;
pub use quality::FaceQuality;

use crate::inference::{Engine, InferenceError};
use txid_imaging::{ImageError, RgbImage, Similarity};
use txid_shared::partial::{FaceFound, Polygon};
use txid_shared::words::ImageRole;

/// A detection that the mesh model confirms.
#[derive(Debug, Clone)]
pub struct Face {
    pub detection: Detection,
    pub mesh: Mesh,
}

/// The mesh model calls it a face from here on (its own sigmoid; faces give more than 0.99, the
/// patterns that BlazeFace mistakes for one mostly less than 0.1).
const MIN_PRESENCE: f32 = 0.5;

/// Upright detections from here on end the search over rotations. BlazeFace scores the four
/// photographs of the tests 0.93..0.96 upright and at most 0.72 when lying on the side.
const CERTAIN_SCORE: f32 = 0.80;

/// Side of the surroundings of a face, in sides of its box: as large as faces are in portraits.
const SURROUNDINGS: f32 = 2.5;

/// A face this much larger than all others is the one that is meant (side of the box).
const DOMINANT_SIZE: f32 = 1.6;

impl Face {
    /// Distance between the centres of the eyes in pixels of the original.
    pub fn eye_distance_px(&self) -> f32 {
        let [right, left, ..] = self.mesh.five_points();
        (left[0] - right[0]).hypot(left[1] - right[1])
    }

    /// A square of `scale` times the detector's box, turned upright by the line of the eyes: maps
    /// `side` target pixels to the picture.
    pub fn square(&self, scale: f32, side: u32) -> Similarity {
        self.detection.square(scale, side)
    }

    pub fn found(&self, image: ImageRole) -> FaceFound {
        let map = self.square(1.0, 1);
        let polygon: Polygon =
            [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]].map(|corner| map.apply(corner));
        FaceFound { image, score: self.detection.score, polygon, eye_distance_px: self.eye_distance_px() }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum FaceError {
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Inference(#[from] InferenceError),
}

/// The faces of a picture, largest first, whichever of the four ways it is turned. Looks closer
/// at faces that the whole frame shows but faintly (the points of such a find lie beside the face),
/// and in overlapping quarters where it shows none.
pub fn find(engine: &mut Engine, picture: &RgbImage) -> Result<Vec<Face>, FaceError> {
    let whole = [0.0, 0.0, picture.width() as f32, picture.height() as f32];
    let faces = find_in(engine, picture, whole)?;
    if !faces.is_empty() {
        let closer = faces.into_iter().map(|face| looked_at_closer(engine, picture, face));
        return Ok(largest_first(closer.collect::<Result<_, _>>()?));
    }
    let mut best: Vec<Face> = Vec::new();
    for quarter in quarters(picture) {
        best.extend(find_in(engine, picture, quarter)?);
    }
    // Quarters overlap: the same face may have been found in two.
    best.sort_by(|a, b| b.detection.score.total_cmp(&a.detection.score));
    let mut distinct: Vec<Face> = Vec::new();
    for face in best {
        if distinct.iter().all(|known| known.detection.overlap(&face.detection) < 0.3) {
            distinct.push(face);
        }
    }
    Ok(largest_first(distinct))
}

/// The face as seen in a frame of its own surroundings, where that shows it more clearly.
fn looked_at_closer(engine: &mut Engine, picture: &RgbImage, face: Face) -> Result<Face, FaceError> {
    if face.detection.score >= CERTAIN_SCORE {
        return Ok(face);
    }
    let side = face.detection.side() * SURROUNDINGS;
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let [x, y] = face.detection.centre;
    let (left, top) = ((x - side / 2.0).max(0.0), (y - side / 2.0).max(0.0));
    let region = [left, top, side.min(width - left), side.min(height - top)];
    let clearer = find_in(engine, picture, region)?.into_iter().filter(|closer| {
        closer.detection.overlap(&face.detection) > 0.3 && closer.detection.score > face.detection.score
    });
    Ok(clearer.max_by(|a, b| a.detection.score.total_cmp(&b.detection.score)).unwrap_or(face))
}

/// How many faces compete with the largest one: 1 where it is clearly the one that is meant.
pub fn comparable(faces: &[Face]) -> usize {
    let Some(largest) = faces.first() else { return 0 };
    faces.iter().filter(|face| face.detection.side() * DOMINANT_SIZE > largest.detection.side()).count()
}

fn find_in(engine: &mut Engine, picture: &RgbImage, region: [f32; 4]) -> Result<Vec<Face>, FaceError> {
    let frame = blazeface::Frame::of(picture, region)?;
    let detections = frame.detect(engine, 0)?;
    let upright = confirmed(engine, picture, detections)?;
    if upright.iter().any(|face| face.detection.score >= CERTAIN_SCORE) {
        return Ok(largest_first(upright));
    }
    let mut best = upright;
    for quarter_turns in 1..4 {
        let detections = frame.detect(engine, quarter_turns)?;
        let turned = confirmed(engine, picture, detections)?;
        if top_score(&turned) > top_score(&best) {
            best = turned;
        }
    }
    Ok(largest_first(best))
}

fn confirmed(
    engine: &mut Engine,
    picture: &RgbImage,
    detections: Vec<Detection>,
) -> Result<Vec<Face>, FaceError> {
    let mut faces = Vec::new();
    // More than a few faces are a crowd: enough to say "several".
    for detection in detections.into_iter().take(4) {
        let mesh = mesh::run(engine, picture, &detection)?;
        if mesh.presence >= MIN_PRESENCE {
            faces.push(Face { detection, mesh });
        }
    }
    Ok(faces)
}

fn top_score(faces: &[Face]) -> f32 {
    faces.iter().map(|face| face.detection.score).fold(0.0, f32::max)
}

fn largest_first(mut faces: Vec<Face>) -> Vec<Face> {
    faces.sort_by(|a, b| b.detection.side().total_cmp(&a.detection.side()));
    faces
}

/// Four tiles of 5/8 of each side: a face of up to a quarter of the frame lies whole in one.
fn quarters(picture: &RgbImage) -> [[f32; 4]; 4] {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let (tile_width, tile_height) = (width * 0.625, height * 0.625);
    let (left, top) = (width - tile_width, height - tile_height);
    [[0.0, 0.0], [left, 0.0], [0.0, top], [left, top]].map(|[x, y]| [x, y, tile_width, tile_height])
}
