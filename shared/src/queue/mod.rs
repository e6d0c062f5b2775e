//! Jobs between scheduler and workers: RabbitMQ for the fleet, channels for the standalone.
//! A consumer holds unacknowledged messages; the caller says by value what becomes of each.

mod acks;
mod memory;
mod rabbitmq;

pub use memory::MemoryQueue;
pub use rabbitmq::RabbitMq;

use crate::config;
use crate::ids::VerificationId;
use crate::words::{Lane, Stage};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The message for one stage of one verification. Ids only: no image, no personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    pub verification_id: VerificationId,
    pub stage: Stage,
    pub lane: Lane,
    pub enqueued_at: Timestamp,
}

/// A job on its way out, with the W3C `traceparent` that its message carries.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub job: Job,
    pub traceparent: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    #[error("broker: {0}")]
    Broker(#[from] lapin::Error),
    #[error("the broker returned the message: no queue `{0}`; run `txid declare`")]
    Unroutable(String),
    #[error("the broker refused the message")]
    Refused,
    #[error("the broker did not confirm within {0:?}")]
    Unconfirmed(std::time::Duration),
}

/// Which queue to take from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    Jobs(Stage, Lane),
    /// What was rejected or delivered too often.
    DeadLetters,
}

impl Source {
    /// Name without the installation's prefix.
    pub fn name(self) -> String {
        match self {
            Self::Jobs(stage, lane) => format!("verify.{stage}.{lane}"),
            Self::DeadLetters => "verify.dead".to_owned(),
        }
    }

    pub fn all() -> impl Iterator<Item = Self> {
        Stage::ALL
            .iter()
            .flat_map(|stage| Lane::ALL.iter().map(|lane| Self::Jobs(*stage, *lane)))
            .chain([Self::DeadLetters])
    }
}

#[derive(Clone, Debug)]
pub enum Queue {
    RabbitMq(RabbitMq),
    Memory(MemoryQueue),
}

/// A stream of messages. `None` from [`Consumer::next`] means that the connection is gone:
/// build a new consumer; messages in hand will be delivered again to somebody.
#[expect(clippy::large_enum_variant, reason = "one per queue: boxing would only cost an indirection")]
pub enum Consumer {
    RabbitMq(rabbitmq::Consumer),
    Memory(memory::Consumer),
}

/// One message in hand.
pub struct Received {
    /// `Err` holds the reason why the message is no job.
    pub job: Result<Job, String>,
    pub body: Vec<u8>,
    pub traceparent: Option<String>,
    /// How often it was delivered before.
    pub redeliveries: u32,
    /// For dead letters: why, and from which queue.
    pub death: Option<Death>,
    handle: Handle,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    pub queue: String,
    /// RabbitMQ's word: `rejected`, `delivery_limit`, `expired`, `maxlen`.
    pub reason: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Ready; those in the hands of consumers are not among them.
    pub messages: u32,
    pub consumers: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueState {
    Missing,
    /// Declared with other arguments than this version and these settings give it: the broker's words.
    Different(String),
    Good(Depth),
}

/// What a broker says about itself.
#[derive(Debug, Clone)]
pub struct BrokerReport {
    /// `None`: it does not say so before the log-in is encrypted.
    pub version: Option<String>,
    /// False: publishes wait, as they do under a memory or disk alarm.
    pub takes_messages: bool,
    pub has_dead_letter_exchange: bool,
    pub queues: Vec<(String, QueueState)>,
}

enum Handle {
    RabbitMq(acks::Ticket),
    Memory(memory::Ticket),
}

impl Queue {
    pub fn open(settings: &config::Broker) -> Self {
        if settings.url.reveal().is_empty() {
            Self::Memory(MemoryQueue::new(settings.delivery_limit))
        } else {
            Self::RabbitMq(RabbitMq::new(settings))
        }
    }

    /// Jobs in memory die with the process, so whoever starts must enqueue what is pending.
    pub const fn is_volatile(&self) -> bool {
        matches!(self, Self::Memory(_))
    }

    /// Creates queues and exchanges. Safe to repeat.
    pub async fn declare(&self) -> Result<(), QueueError> {
        match self {
            Self::RabbitMq(queue) => queue.declare().await,
            Self::Memory(_) => Ok(()),
        }
    }

    /// What stands in a queue. `None`: there is no such queue.
    pub async fn depth(&self, source: Source) -> Result<Option<Depth>, QueueError> {
        match self {
            Self::RabbitMq(queue) => queue.depth(source).await,
            Self::Memory(queue) => Ok(Some(queue.depth(source))),
        }
    }

    /// How the broker and its queues are, changing nothing. `None`: jobs stay in this process.
    pub async fn inspect(&self) -> Result<Option<BrokerReport>, QueueError> {
        match self {
            Self::RabbitMq(queue) => queue.inspect().await.map(Some),
            Self::Memory(_) => Ok(None),
        }
    }

    /// One result per job, in order. `Ok` only when the broker has the message on disk in a queue.
    pub async fn publish(&self, jobs: &[Outgoing]) -> Vec<Result<(), QueueError>> {
        match self {
            Self::RabbitMq(queue) => queue.publish(jobs).await,
            Self::Memory(queue) => jobs.iter().map(|job| queue.publish(job)).collect(),
        }
    }

    /// At most `prefetch` messages are unacknowledged at a time.
    pub async fn consume(&self, source: Source, prefetch: u16) -> Result<Consumer, QueueError> {
        match self {
            Self::RabbitMq(queue) => queue.consume(source, prefetch).await.map(Consumer::RabbitMq),
            Self::Memory(queue) => Ok(Consumer::Memory(queue.consume(source))),
        }
    }

    /// Whether messages wait in it that nobody has in hand; a queue that is not there does not tell, and they may.
    pub async fn has_waiting(&self, source: Source) -> Result<bool, QueueError> {
        Ok(self.depth(source).await?.is_none_or(|depth| depth.messages > 0))
    }

    /// What stands in each queue, by name. Fails where one is not there.
    pub async fn depths(&self) -> Result<Vec<(String, Depth)>, QueueError> {
        match self {
            Self::RabbitMq(queue) => queue.depths().await,
            Self::Memory(queue) => {
                Ok(Source::all().map(|source| (source.name(), queue.depth(source))).collect())
            }
        }
    }

    pub async fn ping(&self) -> Result<(), QueueError> {
        match self {
            Self::RabbitMq(queue) => queue.ping().await,
            Self::Memory(_) => Ok(()),
        }
    }

    /// Closes connections so that the broker gives unacknowledged messages to others at once.
    pub async fn close(&self) {
        if let Self::RabbitMq(queue) = self {
            queue.close().await;
        }
    }
}

impl Consumer {
    /// Cancel-safe.
    pub async fn next(&mut self) -> Option<Received> {
        match self {
            Self::RabbitMq(consumer) => consumer.next().await,
            Self::Memory(consumer) => Some(consumer.next().await),
        }
    }

    /// Takes no more; messages that were prefetched but not handed out go back uncounted.
    pub async fn cancel(self) {
        if let Self::RabbitMq(consumer) = self {
            consumer.cancel().await;
        }
    }
}

impl Received {
    /// Its effect is durable: forget it. False: the connection was lost and it comes again.
    pub async fn acknowledge(self) -> bool {
        match self.handle {
            Handle::RabbitMq(ticket) => ticket.acknowledge().await,
            Handle::Memory(ticket) => {
                ticket.done();
                true
            }
        }
    }

    /// To the dead-letter queue: it will never go well.
    pub async fn dead_letter(self, reason: &str) -> bool {
        match self.handle {
            Handle::RabbitMq(ticket) => ticket.reject().await,
            Handle::Memory(ticket) => {
                ticket.dead_letter(reason);
                true
            }
        }
    }

    /// Back to the queue, and not counted as an attempt (RabbitMQ 4.3; earlier brokers count it).
    pub async fn give_back(self) -> bool {
        match self.handle {
            Handle::RabbitMq(ticket) => ticket.give_back().await,
            Handle::Memory(ticket) => {
                ticket.give_back();
                true
            }
        }
    }
}
