//! How a head is held and how wide its eyes are open, from the mesh.

use super::Mesh;

/// Outer and inner corner, then points of the upper and the lower lid that face each other.
struct EyePoints {
    corners: [usize; 2],
    lids: [[usize; 2]; 3],
}

const RIGHT_EYE: EyePoints = EyePoints { corners: [33, 133], lids: [[160, 144], [159, 145], [158, 153]] };
const LEFT_EYE: EyePoints = EyePoints { corners: [263, 362], lids: [[387, 373], [386, 374], [385, 380]] };

/// The same point of the right and the left half of the face: corners of the eyes and of the mouth, temples,
/// cheeks, jaw. Their mean bears a single wrong one.
const HALVES: [[usize; 2]; 8] =
    [[33, 263], [133, 362], [61, 291], [234, 454], [127, 356], [93, 323], [50, 280], [58, 288]];
const CHIN: usize = 152;
const FOREHEAD: usize = 10;
const NOSE_BRIDGE: usize = 168;
const NOSE_BASE: usize = 2;

impl Mesh {
    /// Height of an eye's opening over its width, mean of both eyes (Soukupová and Čech 2016, with three pairs
    /// of lid points). Falls as well where head or picture is tilted, and differs between people.
    pub fn eye_aspect_ratio(&self) -> f32 {
        let of = |eye: &EyePoints| {
            let [outer, inner] = eye.corners;
            let height: f32 = eye.lids.iter().map(|&[upper, lower]| self.flat(upper, lower)).sum();
            height / eye.lids.len() as f32 / self.flat(outer, inner).max(1e-3)
        };
        (of(&RIGHT_EYE) + of(&LEFT_EYE)) / 2.0
    }

    /// 0 towards the camera; positive turned to the person's own left, which is to the right in a
    /// picture that is not mirrored. Photographs taken at 15 and 45 degrees give 12 and 40.
    pub fn yaw_degrees(&self) -> f32 {
        let across = HALVES.iter().map(|&[right, left]| unit(self.between(right, left)));
        let [x, y, z] = across.fold([0.0; 3], |[x, y, z], [dx, dy, dz]| [x + dx, y + dy, z + dz]);
        z.atan2(x.hypot(y)).to_degrees()
    }

    /// Positive with the chin up. Its zero is that of the model and not of any person: compare frames.
    pub fn pitch_degrees(&self) -> f32 {
        let [x, y, z] = self.between(CHIN, FOREHEAD);
        z.atan2(x.hypot(y)).to_degrees()
    }

    /// Length of the nose over the distance between the outer corners of the eyes, as the picture shows
    /// them: foreshortened where the head or a flat picture of it is tilted.
    pub fn nose_length(&self) -> f32 {
        let [right, left] = [RIGHT_EYE.corners[0], LEFT_EYE.corners[0]];
        self.flat(NOSE_BRIDGE, NOSE_BASE) / self.flat(right, left).max(1e-3)
    }

    fn between(&self, from: usize, to: usize) -> [f32; 3] {
        let at = |index: usize| self.shape.get(index).copied().unwrap_or_default();
        let ([ax, ay, az], [bx, by, bz]) = (at(from), at(to));
        [bx - ax, by - ay, bz - az]
    }

    /// Distance in the picture, without depth.
    fn flat(&self, a: usize, b: usize) -> f32 {
        let [x, y, _] = self.between(a, b);
        x.hypot(y)
    }
}

fn unit([x, y, z]: [f32; 3]) -> [f32; 3] {
    let length = (x * x + y * y + z * z).sqrt().max(1e-6);
    [x / length, y / length, z / length]
}
