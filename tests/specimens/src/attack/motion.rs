//! A hand that moved and a lens that did not focus.

use crate::capture::Shot;
use crate::random::Random;
use crate::raster::Axis;

/// Defocus of 13 to 17 px and a movement of 50 to 70 px: more than the height of the largest
/// letters (about 40 px in a capture), so that nothing can be read.
pub(super) fn blurred(mut shot: Shot, random: &mut Random) -> Shot {
    let sigma = random.between(13.0, 17.0);
    let length = random.integer(50, 70) as usize | 1;
    shot.frame =
        shot.frame.blurred_coarsely(sigma).convolved(&vec![1.0 / length as f32; length], Axis::Horizontal);
    shot
}
