//! The standalone's queue. Jobs die with the process; the outbox and the sweeper bring them back.

use super::{Death, Depth, Handle, Job, Outgoing, QueueError, Received, Source};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

#[derive(Clone, Debug)]
pub struct MemoryQueue {
    lines: Arc<Mutex<HashMap<Source, Arc<Line>>>>,
    delivery_limit: u32,
}

#[derive(Debug, Default)]
struct Line {
    waiting: Mutex<VecDeque<Waiting>>,
    arrived: Notify,
}

#[derive(Debug, Clone)]
struct Waiting {
    job: Job,
    traceparent: Option<String>,
    redeliveries: u32,
    death: Option<Death>,
}

pub struct Consumer {
    queue: MemoryQueue,
    source: Source,
    line: Arc<Line>,
}

/// A message in hand. Dropped without a word (a panic, a lost task) it is delivered again.
pub(super) struct Ticket {
    queue: MemoryQueue,
    source: Source,
    waiting: Option<Waiting>,
}

impl MemoryQueue {
    pub fn new(delivery_limit: u32) -> Self {
        Self { lines: Arc::default(), delivery_limit }
    }

    fn line(&self, source: Source) -> Arc<Line> {
        locked(&self.lines).entry(source).or_default().clone()
    }

    pub(super) fn publish(&self, outgoing: &Outgoing) -> Result<(), QueueError> {
        let source = Source::Jobs(outgoing.job.stage, outgoing.job.lane);
        let (job, traceparent) = (outgoing.job.clone(), outgoing.traceparent.clone());
        self.push(source, Waiting { job, traceparent, redeliveries: 0, death: None });
        Ok(())
    }

    fn push(&self, source: Source, waiting: Waiting) {
        let line = self.line(source);
        locked(&line.waiting).push_back(waiting);
        line.arrived.notify_one();
    }

    fn dead_letter(&self, source: Source, mut waiting: Waiting, reason: &str) {
        waiting.death = Some(Death { queue: source.name(), reason: reason.to_owned() });
        self.push(Source::DeadLetters, waiting);
    }

    /// Whoever holds a line besides the map takes from it.
    pub(super) fn depth(&self, source: Source) -> Depth {
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let lines = locked(&self.lines);
        lines.get(&source).map_or_else(Depth::default, |line| Depth {
            messages: number(locked(&line.waiting).len()),
            consumers: number(Arc::strong_count(line).saturating_sub(1)),
        })
    }

    pub(super) fn consume(&self, source: Source) -> Consumer {
        Consumer { queue: self.clone(), source, line: self.line(source) }
    }
}

impl Consumer {
    pub(super) async fn next(&mut self) -> Received {
        loop {
            let arrived = self.line.arrived.notified();
            let first = locked(&self.line.waiting).pop_front();
            if let Some(waiting) = first {
                if !locked(&self.line.waiting).is_empty() {
                    self.line.arrived.notify_one();
                }
                return Received {
                    job: Ok(waiting.job.clone()),
                    body: serde_json::to_vec(&waiting.job).unwrap_or_default(),
                    traceparent: waiting.traceparent.clone(),
                    redeliveries: waiting.redeliveries,
                    death: waiting.death.clone(),
                    handle: Handle::Memory(Ticket {
                        queue: self.queue.clone(),
                        source: self.source,
                        waiting: Some(waiting),
                    }),
                };
            }
            arrived.await;
        }
    }
}

impl Ticket {
    pub(super) fn done(mut self) {
        self.waiting = None;
    }

    pub(super) fn dead_letter(mut self, reason: &str) {
        if let Some(waiting) = self.waiting.take() {
            self.queue.dead_letter(self.source, waiting, reason);
        }
    }

    pub(super) fn give_back(mut self) {
        if let Some(waiting) = self.waiting.take() {
            self.queue.push(self.source, waiting);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(mut waiting) = self.waiting.take() {
            waiting.redeliveries += 1;
            if waiting.redeliveries > self.queue.delivery_limit && self.source != Source::DeadLetters {
                self.queue.dead_letter(self.source, waiting, "delivery_limit");
            } else {
                self.queue.push(self.source, waiting);
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::VerificationId;
    use crate::words::{Lane, Stage};

    fn outgoing() -> Outgoing {
        let job = Job {
            verification_id: VerificationId::generate(),
            stage: Stage::Ocr,
            lane: Lane::Interactive,
            enqueued_at: jiff::Timestamp::UNIX_EPOCH,
        };
        Outgoing { job, traceparent: None }
    }

    #[tokio::test]
    async fn a_dropped_message_comes_again_until_the_limit_then_dies() {
        let queue = MemoryQueue::new(2);
        let sent = outgoing();
        queue.publish(&sent).unwrap();
        let mut consumer = queue.consume(Source::Jobs(Stage::Ocr, Lane::Interactive));
        for expected in 0..=2 {
            assert_eq!(consumer.next().await.redeliveries, expected);
        }
        let dead = queue.consume(Source::DeadLetters).next().await;
        assert_eq!(dead.job, Ok(sent.job));
        assert_eq!(dead.death.map(|death| death.reason).as_deref(), Some("delivery_limit"));
    }

    #[tokio::test]
    async fn giving_back_costs_no_attempt() {
        let queue = MemoryQueue::new(2);
        queue.publish(&outgoing()).unwrap();
        let mut consumer = queue.consume(Source::Jobs(Stage::Ocr, Lane::Interactive));
        consumer.next().await.give_back().await;
        let again = consumer.next().await;
        assert_eq!(again.redeliveries, 0);
        again.acknowledge().await;
        assert!(locked(&consumer.line.waiting).is_empty());
    }
}
