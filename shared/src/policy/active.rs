//! Active liveness: from what was measured on each frame to whether the challenges were met. Whoever
//! answers, a person or a recording of one, is not asked here: that is for the passive judgement.

use super::{ActiveRules, BlinkRules, TurnRules};
use crate::api::{ActiveLiveness, ChallengeOutcome, FrameEvidence, SameFace};
use crate::partial::{FrameFace, FrameReading, LivenessResult};
use crate::words::{Challenge, ChallengeStatus};

/// A blink is three moments: open, closed, open.
const FEWEST_FRAMES_OF_A_BLINK: usize = 3;

/// A frame that counts.
#[derive(Clone, Copy)]
struct Seen<'a> {
    frame: usize,
    face: &'a FrameFace,
}

/// What was found out about one challenge, before it has a name.
struct Finding {
    status: ChallengeStatus,
    message: &'static str,
    measured: Option<f32>,
    frames: Vec<usize>,
}

pub(super) fn judge(live: &LivenessResult, challenges: &[Challenge], rules: &ActiveRules) -> ActiveLiveness {
    let same_face = same_face(&live.frames, rules);
    let seen = counting(&live.frames, rules);
    let eyes = Eyes::of(&seen, &rules.blink);
    let challenges: Vec<ChallengeOutcome> = challenges
        .iter()
        .map(|challenge| {
            let (found, threshold) = match challenge {
                Challenge::Blink => (eyes.blink(&rules.blink), rules.blink.closed_up_to),
                Challenge::TurnLeft => (turn(&seen, &rules.turn, 1.0), rules.turn.turned_from_degrees),
                Challenge::TurnRight => (turn(&seen, &rules.turn, -1.0), rules.turn.turned_from_degrees),
            };
            let Finding { status, message, measured, frames } = found;
            let message = message.to_owned();
            ChallengeOutcome { challenge: *challenge, status, message, measured, threshold, frames }
        })
        .collect();
    let one_face_each = !live.frames.is_empty() && live.frames.iter().all(|reading| reading.faces == 1);
    let parts = || challenges.iter().map(|outcome| outcome.status).chain([same_face.status]);
    let status = if parts().any(|status| status == ChallengeStatus::Failed) {
        ChallengeStatus::Failed
    } else if one_face_each && parts().all(|status| status == ChallengeStatus::Passed) {
        ChallengeStatus::Passed
    } else {
        ChallengeStatus::Inconclusive
    };
    let evidence = live.frames.iter().enumerate().map(|(frame, reading)| FrameEvidence {
        frame,
        faces: reading.faces,
        face: reading.face,
        eye_openness: eyes.openness(frame),
    });
    let frames = evidence.collect();
    ActiveLiveness { status, challenges, same_face, judged_frame: live.judged_frame, frames }
}

fn same_face(frames: &[FrameReading], rules: &ActiveRules) -> SameFace {
    let faces = frames.iter().filter(|reading| reading.faces == 1).filter_map(|reading| reading.face);
    let similarity = faces.map(|face| face.similarity).reduce(f32::min);
    let status = match similarity {
        Some(least) if least < rules.other_face_below => ChallengeStatus::Failed,
        Some(least) if least >= rules.same_face_similarity => ChallengeStatus::Passed,
        _ => ChallengeStatus::Inconclusive,
    };
    SameFace { status, similarity, threshold: rules.same_face_similarity }
}

/// Frames with one face, large enough to be measured, of whom was judged.
fn counting<'a>(frames: &'a [FrameReading], rules: &ActiveRules) -> Vec<Seen<'a>> {
    let counts = |face: &FrameFace| {
        face.eye_distance_px >= rules.minimum_eye_distance_px && face.similarity >= rules.other_face_below
    };
    let numbered = frames.iter().enumerate().filter(|(_, reading)| reading.faces == 1);
    numbered
        .filter_map(|(frame, reading)| Some(Seen { frame, face: reading.face.as_ref()? }))
        .filter(|seen| counts(seen.face))
        .collect()
}

/// The frames that show both eyes, and how wide these are when open.
struct Eyes<'a> {
    seen: Vec<Seen<'a>>,
    open_ratio: Option<f32>,
}

impl<'a> Eyes<'a> {
    fn of(seen: &[Seen<'a>], rules: &BlinkRules) -> Self {
        let shown = |seen: &&Seen<'a>| seen.face.yaw_degrees.abs() <= rules.eyes_seen_within_degrees;
        let seen: Vec<Seen<'a>> = seen.iter().filter(shown).copied().collect();
        let mut ratios: Vec<f32> = seen.iter().map(|seen| seen.face.eye_aspect_ratio).collect();
        ratios.sort_by(f32::total_cmp);
        // The upper quartile: eyes may be closed on half of the frames, and a single one may be measured wrong.
        let open_ratio = ratios.get(ratios.len().saturating_sub(1) * 3 / 4).copied();
        Self { seen, open_ratio }
    }

    fn relative(&self, face: &FrameFace) -> f32 {
        face.eye_aspect_ratio / self.open_ratio.unwrap_or(f32::INFINITY).max(f32::EPSILON)
    }

    fn openness(&self, frame: usize) -> Option<f32> {
        self.seen.iter().find(|seen| seen.frame == frame).map(|seen| self.relative(seen.face))
    }

    fn blink(&self, rules: &BlinkRules) -> Finding {
        let unclear = |message, measured| Finding {
            status: ChallengeStatus::Inconclusive,
            message,
            measured,
            frames: Vec::new(),
        };
        if self.seen.len() < FEWEST_FRAMES_OF_A_BLINK {
            return unclear("fewer than three frames show the eyes of one face well enough", None);
        }
        if self.open_ratio.is_none_or(|ratio| ratio < rules.minimum_open_ratio) {
            return unclear("no frame shows the eyes wide enough open to tell", None);
        }
        let open = |seen: &&Seen<'_>| self.relative(seen.face) >= rules.open_from;
        let of_open = |value: fn(&FrameFace) -> f32| {
            middle(self.seen.iter().filter(open).map(|seen| value(seen.face)).collect())
        };
        let (pitch, nose) = (of_open(|face| face.pitch_degrees), of_open(|face| face.nose_length));
        let held_alike = |face: &FrameFace| {
            (face.pitch_degrees - pitch).abs() <= rules.pitch_within_degrees
                && (face.nose_length / nose.max(f32::EPSILON) - 1.0).abs() <= rules.nose_length_within
        };
        let alike: Vec<&Seen<'_>> = self.seen.iter().filter(|seen| held_alike(seen.face)).collect();
        let narrowest = alike.iter().map(|seen| self.relative(seen.face)).reduce(f32::min);
        let closed = |face: &FrameFace| self.relative(face) <= rules.closed_up_to;
        for shut in alike.iter().filter(|seen| closed(seen.face)) {
            let before = self.seen.iter().filter(open).rfind(|seen| seen.frame < shut.frame);
            let after = self.seen.iter().filter(open).find(|seen| seen.frame > shut.frame);
            if let (Some(before), Some(after)) = (before, after) {
                return Finding {
                    status: ChallengeStatus::Passed,
                    message: "the eyes are open, closed and open again",
                    measured: narrowest,
                    frames: vec![before.frame, shut.frame, after.frame],
                };
            }
        }
        if alike.iter().any(|seen| closed(seen.face)) {
            return unclear("the eyes close, but no frame before or after shows them open", narrowest);
        }
        if self.seen.iter().any(|seen| closed(seen.face)) {
            return unclear("the eyes narrow only where the head or the picture is tilted", narrowest);
        }
        if !self.seen.iter().all(|seen| open(&seen)) {
            return unclear("the eyes narrow, but do not clearly close", narrowest);
        }
        Finding {
            status: ChallengeStatus::Failed,
            message: "the eyes stay open",
            measured: narrowest,
            frames: Vec::new(),
        }
    }
}

/// `side`: 1 for the person's left, −1 for the right.
fn turn(seen: &[Seen<'_>], rules: &TurnRules, side: f32) -> Finding {
    let to_front = |seen: &Seen<'_>| seen.face.yaw_degrees.abs();
    let facing = seen.iter().min_by(|a, b| to_front(a).total_cmp(&to_front(b)));
    let facing = facing.filter(|seen| to_front(seen) <= rules.facing_within_degrees);
    let turns = |facing: &Seen<'_>| {
        let others = seen.iter().filter(|other| other.frame != facing.frame);
        let yaw = facing.face.yaw_degrees;
        let turns = others.map(move |other| (other.frame, (other.face.yaw_degrees - yaw) * side));
        turns.max_by(|(_, a), (_, b)| a.total_cmp(b))
    };
    let (Some(facing), Some((frame, most))) = (facing, facing.and_then(turns)) else {
        let message = "no frame shows one face, large enough, towards the camera, and another one beside it";
        let frames = Vec::new();
        return Finding { status: ChallengeStatus::Inconclusive, message, measured: None, frames };
    };
    let (status, message) = if most >= rules.turned_from_degrees {
        (ChallengeStatus::Passed, "the head faces the camera and turns to the side asked for")
    } else if most >= rules.inconclusive_from_degrees {
        (ChallengeStatus::Inconclusive, "the head turns, but hardly more than heads do unasked")
    } else if most <= -rules.turned_from_degrees {
        let message = "the head turns to the other side only (a mirrored preview swaps left and right)";
        (ChallengeStatus::Failed, message)
    } else {
        (ChallengeStatus::Failed, "the head does not turn to the side asked for")
    };
    Finding { status, message, measured: Some(most), frames: vec![facing.frame, frame] }
}

fn middle(mut values: Vec<f32>) -> f32 {
    values.sort_by(f32::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
#[path = "active_tests.rs"]
mod tests;
