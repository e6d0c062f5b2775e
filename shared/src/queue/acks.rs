//! Acknowledgements of one consumer. While several messages are in hand they gather for a moment, and one
//! frame then speaks for all up to a tag where nothing before it is open: a quorum queue writes each frame
//! to its log. A message that is not done is never spoken for.

use futures_util::future::join_all;
use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicNackOptions, BasicRejectOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

const GATHER: Duration = Duration::from_millis(5);

pub(super) struct Acks {
    channel: Channel,
    tags: Mutex<Tags>,
}

/// Delivery tags count up from 1 on each channel.
#[derive(Default)]
struct Tags {
    /// Taken and not settled.
    in_hand: BTreeSet<u64>,
    /// Of these, the ones whose effect is durable, with who wants to know that it was said.
    done: BTreeMap<u64, oneshot::Sender<bool>>,
    /// A task writes them and will look again before it ends.
    writing: bool,
}

/// One frame, and whom it speaks for.
struct Frame {
    tag: u64,
    multiple: bool,
    answers: Vec<oneshot::Sender<bool>>,
}

impl Tags {
    fn frames(&mut self) -> Vec<Frame> {
        let mut done = std::mem::take(&mut self.done);
        self.in_hand.retain(|tag| !done.contains_key(tag));
        let behind = self.in_hand.first().map(|open| done.split_off(open)).unwrap_or_default();
        let together = done.last_key_value().map(|(tag, _)| *tag);
        let together =
            together.map(|tag| Frame { tag, multiple: true, answers: done.into_values().collect() });
        let alone =
            behind.into_iter().map(|(tag, answer)| Frame { tag, multiple: false, answers: vec![answer] });
        together.into_iter().chain(alone).collect()
    }
}

impl Acks {
    pub(super) fn new(channel: Channel) -> Arc<Self> {
        Arc::new(Self { channel, tags: Mutex::default() })
    }

    fn tags(&self) -> MutexGuard<'_, Tags> {
        self.tags.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// In the order of the tags.
    pub(super) fn taken(self: &Arc<Self>, tag: u64) -> Ticket {
        self.tags().in_hand.insert(tag);
        Ticket { acks: self.clone(), tag }
    }

    async fn write_all(self: Arc<Self>) {
        loop {
            // Others are in hand: some of them will soon be done, too.
            let several = self.tags().in_hand.len() > 1;
            if several {
                tokio::time::sleep(GATHER).await;
            }
            let frames = {
                let mut tags = self.tags();
                if tags.done.is_empty() {
                    tags.writing = false;
                    return;
                }
                tags.frames()
            };
            join_all(frames.into_iter().map(|frame| self.write(frame))).await;
        }
    }

    async fn write(&self, frame: Frame) {
        let options = BasicAckOptions { multiple: frame.multiple };
        let written = self.channel.basic_ack(frame.tag, options).await.is_ok();
        for answer in frame.answers {
            let _ = answer.send(written);
        }
    }
}

/// A message in hand. Keeps the channel open that it must be settled on.
pub(super) struct Ticket {
    acks: Arc<Acks>,
    tag: u64,
}

impl Ticket {
    pub(super) async fn acknowledge(self) -> bool {
        let (answer, written) = oneshot::channel();
        let start = {
            let mut tags = self.acks.tags();
            tags.done.insert(self.tag, answer);
            !std::mem::replace(&mut tags.writing, true)
        };
        if start {
            #[expect(
                clippy::disallowed_methods,
                reason = "ends with its acknowledgements, which are waited for"
            )]
            tokio::spawn(self.acks.clone().write_all());
        }
        written.await.unwrap_or(false)
    }

    pub(super) async fn reject(self) -> bool {
        let options = BasicRejectOptions { requeue: false };
        let written = self.acks.channel.basic_reject(self.tag, options).await.is_ok();
        self.settled();
        written
    }

    pub(super) async fn give_back(self) -> bool {
        let options = BasicNackOptions { requeue: true, multiple: false };
        let written = self.acks.channel.basic_nack(self.tag, options).await.is_ok();
        self.settled();
        written
    }

    /// Only after it was written: until then an acknowledgement must not speak for it.
    fn settled(&self) {
        self.acks.tags().in_hand.remove(&self.tag);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said when of `in_hand` the `done` are done: tag, and whether for all before it.
    fn said(in_hand: &[u64], done: &[u64]) -> Vec<(u64, bool, usize)> {
        let done = done.iter().map(|tag| (*tag, oneshot::channel().0)).collect();
        let mut tags = Tags { in_hand: in_hand.iter().copied().collect(), done, writing: true };
        tags.frames().iter().map(|frame| (frame.tag, frame.multiple, frame.answers.len())).collect()
    }

    #[test]
    fn one_frame_speaks_for_all_before_the_first_open_message() {
        assert_eq!(said(&[4], &[4]), [(4, true, 1)]);
        assert_eq!(said(&[4, 5, 6], &[4, 5, 6]), [(6, true, 3)]);
        assert_eq!(said(&[4, 5, 6, 7, 8], &[4, 5, 7]), [(5, true, 2), (7, false, 1)]);
        assert_eq!(said(&[4, 5, 6], &[5, 6]), [(5, false, 1), (6, false, 1)]);
    }

    #[test]
    fn what_was_said_is_not_in_hand_any_more() {
        let done = [2, 3].into_iter().map(|tag| (tag, oneshot::channel().0)).collect();
        let mut tags = Tags { in_hand: [1, 2, 3].into_iter().collect(), done, writing: true };
        drop(tags.frames());
        assert_eq!(tags.in_hand.into_iter().collect::<Vec<_>>(), [1]);
        assert!(tags.done.is_empty());
    }
}
