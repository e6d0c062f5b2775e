//! A hand that moved and a lens that did not focus.

use crate::capture::Shot;
use crate::random::Random;
use crate::raster::Axis;

/// Defocus of 17 to 21 px and a movement of 60 to 90 px: more than the height of the largest
/// letters (about 40 px in a capture), so that nothing can be read.
pub(super) fn blurred(mut shot: Shot, random: &mut Random) -> Shot {
    let sigma = random.between(17.0, 21.0);
    let length = random.integer(60, 90) as usize | 1;
    shot.frame =
        shot.frame.blurred_coarsely(sigma).convolved(&vec![1.0 / length as f32; length], Axis::Horizontal);
    shot
}
