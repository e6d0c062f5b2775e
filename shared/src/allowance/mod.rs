//! How much a caller may ask for: calls per minute and day, and calls under way at once. Counted in Redis
//! for the fleet, so that it holds over all schedulers, and in a map for the standalone.
//!
//! Windows are fixed: minutes and days of UTC. Within one of them an allowance is never exceeded; around
//! the end of one, twice of it fits into the length of a window. Losing the counters costs nobody
//! anything but a fresh window.

mod memory;
mod redis;

pub use self::memory::MemoryAllowance;
pub use self::redis::RedisAllowance;

use crate::config;
use crate::ids::{AccountId, KeyId, RequestId};
use crate::words::Plan;
use jiff::Timestamp;
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
pub enum AllowanceError {
    #[error("allowance: {0}")]
    Redis(#[from] ::redis::RedisError),
    #[error("allowance: Redis does not answer")]
    Silent,
}

/// What the counter of a limit belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    Account,
    Key(KeyId),
    /// Method and route, such as `POST /v1/identity/verify`; of one account.
    Endpoint(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    Minute,
    Day,
}

/// So many calls in each window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    pub scope: Scope,
    pub per: Per,
    pub calls: u32,
}

/// All that a call has to fit into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    pub account: AccountId,
    /// Calls under way at once.
    pub concurrent: Option<u32>,
    pub limits: Vec<Limit>,
}

/// A limit and what its window holds by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub limit: Limit,
    pub used: u32,
    pub resets_at: Timestamp,
}

/// A call under way. It counts until it is given back, or until its lease ends: nobody gives back what a
/// killed scheduler holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    pub(crate) account: AccountId,
    pub(crate) call: RequestId,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Counted. The slot is there where calls at once are limited.
    Admitted(Option<Slot>),
    /// Not counted. Which of the standings has no room left; `None`: too many calls at once.
    Refused(Option<usize>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub decision: Decision,
    /// As in the terms, this call included where it was admitted.
    pub standings: Vec<Standing>,
}

/// What stands without taking anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    pub standings: Vec<Standing>,
    /// Calls under way; 0 where they are not limited.
    pub under_way: u32,
}

impl Plan {
    pub const fn per_minute(self) -> Option<u32> {
        match self {
            Self::Free => Some(60),
            Self::Starter => Some(300),
            Self::Growth => Some(1_000),
            Self::Enterprise => None,
        }
    }

    pub const fn per_day(self) -> Option<u32> {
        match self {
            Self::Free => Some(1_000),
            Self::Starter => Some(10_000),
            Self::Growth => Some(100_000),
            Self::Enterprise => None,
        }
    }

    pub const fn concurrent(self) -> Option<u32> {
        match self {
            Self::Free => Some(10),
            Self::Starter => Some(50),
            Self::Growth => Some(100),
            Self::Enterprise => None,
        }
    }
}

impl Per {
    pub const fn seconds(self) -> u32 {
        match self {
            Self::Minute => 60,
            Self::Day => 86_400,
        }
    }

    /// Which window of its kind `now` lies in, counted from the Unix epoch.
    fn window(self, now: Timestamp) -> i64 {
        now.as_second().div_euclid(i64::from(self.seconds()))
    }

    pub fn resets_at(self, now: Timestamp) -> Timestamp {
        let end = (self.window(now) + 1) * i64::from(self.seconds());
        Timestamp::from_second(end).unwrap_or(now)
    }
}

impl Limit {
    /// Without the window, unique within the account.
    fn name(&self) -> String {
        match &self.scope {
            Scope::Account => format!("account:{}", self.per.seconds()),
            Scope::Key(id) => format!("{id}:{}", self.per.seconds()),
            Scope::Endpoint(endpoint) => format!("{endpoint}:{}", self.per.seconds()),
        }
    }

    fn standing(&self, used: u32, now: Timestamp) -> Standing {
        Standing { limit: self.clone(), used, resets_at: self.per.resets_at(now) }
    }
}

impl Standing {
    pub fn remaining(&self) -> u32 {
        self.limit.calls.saturating_sub(self.used)
    }
}

impl Terms {
    /// Whoever has no limit at all needs no counter.
    pub fn are_unlimited(&self) -> bool {
        self.concurrent.is_none() && self.limits.is_empty()
    }

    /// With nothing used.
    pub fn unused(&self, now: Timestamp) -> Vec<Standing> {
        self.limits.iter().map(|limit| limit.standing(0, now)).collect()
    }
}

#[derive(Clone)]
pub enum Allowance {
    Redis(RedisAllowance),
    Memory(MemoryAllowance),
}

impl Allowance {
    /// Connects at first use. `lease`: how long a call may be under way without being given back.
    pub fn open(settings: &config::Redis, lease: Duration) -> Result<Self, AllowanceError> {
        if settings.url.reveal().is_empty() {
            return Ok(Self::Memory(MemoryAllowance::new(lease)));
        }
        Ok(Self::Redis(RedisAllowance::open(settings, lease)?))
    }

    /// Counts a call in all windows, or in none where one of them has no room left.
    pub async fn take(&self, terms: &Terms, now: Timestamp) -> Result<Taken, AllowanceError> {
        let call = RequestId::generate();
        let counted = match self {
            Self::Redis(allowance) => allowance.take(terms, Some(call), now).await?,
            Self::Memory(allowance) => allowance.take(terms, Some(call), now),
        };
        let slot = || terms.concurrent.map(|_| Slot { account: terms.account, call });
        let decision = match counted.refused {
            None => Decision::Admitted(slot()),
            Some(full) => Decision::Refused(full),
        };
        Ok(Taken { decision, standings: counted.standings(terms, now) })
    }

    pub async fn look(&self, terms: &Terms, now: Timestamp) -> Result<Look, AllowanceError> {
        let counted = match self {
            Self::Redis(allowance) => allowance.take(terms, None, now).await?,
            Self::Memory(allowance) => allowance.take(terms, None, now),
        };
        Ok(Look { under_way: counted.under_way, standings: counted.standings(terms, now) })
    }

    pub async fn give_back(&self, slot: &Slot) -> Result<(), AllowanceError> {
        match self {
            Self::Redis(allowance) => allowance.give_back(slot).await,
            Self::Memory(allowance) => {
                allowance.give_back(slot);
                Ok(())
            }
        }
    }
}

/// What the counters say after one atomic step.
struct Counted {
    /// `Some(None)`: too many at once; `Some(Some(n))`: limit number n is used up.
    refused: Option<Option<usize>>,
    under_way: u32,
    used: Vec<u32>,
}

impl Counted {
    fn standings(&self, terms: &Terms, now: Timestamp) -> Vec<Standing> {
        terms.limits.iter().zip(&self.used).map(|(limit, used)| limit.standing(*used, now)).collect()
    }
}

#[cfg(test)]
mod tests;
