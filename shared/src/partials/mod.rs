//! Where the stages of one verification meet: Redis for the fleet, a map for the standalone.
//! Losing all of it costs time, never a verdict: the sweeper enqueues what is missing.

mod inspection;
mod memory;
mod redis;

pub use self::inspection::{RedisReport, inspect_redis};
pub use self::memory::MemoryPartials;
pub use self::redis::RedisPartials;

use crate::config;
use crate::ids::VerificationId;
use crate::words::Stage;
use std::collections::BTreeMap;

/// Sealed partials by stage.
pub type Sealed = BTreeMap<Stage, Vec<u8>>;

#[derive(Debug, thiserror::Error)]
#[error("partials: {0}")]
pub struct PartialsError(#[from] ::redis::RedisError);

#[expect(clippy::large_enum_variant, reason = "one per process: boxing would only cost an indirection")]
#[derive(Clone)]
pub enum Partials {
    Redis(RedisPartials),
    Memory(MemoryPartials),
}

impl Partials {
    pub async fn open(settings: &config::Redis) -> Result<Self, PartialsError> {
        if settings.url.reveal().is_empty() {
            return Ok(Self::Memory(MemoryPartials::default()));
        }
        Ok(Self::Redis(RedisPartials::connect(settings).await?))
    }

    /// Sets one partial and, in the same atomic step, answers with all of them if `expected` are now in.
    /// Whoever gets them decides; a repeated call for a full set gets them again.
    pub async fn join(
        &self,
        id: VerificationId,
        stage: Stage,
        sealed: Vec<u8>,
        expected: usize,
    ) -> Result<Option<Sealed>, PartialsError> {
        match self {
            Self::Redis(partials) => partials.join(id, stage, sealed, expected).await,
            Self::Memory(partials) => Ok(partials.join(id, stage, sealed, expected)),
        }
    }

    pub async fn get(&self, id: VerificationId) -> Result<Sealed, PartialsError> {
        match self {
            Self::Redis(partials) => partials.get(id).await,
            Self::Memory(partials) => Ok(partials.get(id)),
        }
    }

    /// One stage's result counts no more: it is to run again.
    pub async fn forget(&self, id: VerificationId, stage: Stage) -> Result<(), PartialsError> {
        match self {
            Self::Redis(partials) => partials.forget(id, stage).await,
            Self::Memory(partials) => {
                partials.forget(id, stage);
                Ok(())
            }
        }
    }

    /// The verdict is written: forgets the partials and wakes whoever waits for it.
    /// The wake-up may get lost; waiters also poll.
    pub async fn finish(&self, id: VerificationId) -> Result<(), PartialsError> {
        match self {
            Self::Redis(partials) => partials.finish(id).await,
            Self::Memory(partials) => {
                partials.finish(id);
                Ok(())
            }
        }
    }

    /// Ids of verifications as they are finished.
    pub fn finished(&self) -> tokio::sync::broadcast::Receiver<VerificationId> {
        match self {
            Self::Redis(partials) => partials.finished(),
            Self::Memory(partials) => partials.finished(),
        }
    }

    pub async fn ping(&self) -> Result<(), PartialsError> {
        match self {
            Self::Redis(partials) => partials.ping().await,
            Self::Memory(_) => Ok(()),
        }
    }
}
