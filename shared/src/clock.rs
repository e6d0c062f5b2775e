//! Time as a parameter, so that a test can let two hours pass in an instant.

use jiff::{SignedDuration, Timestamp};
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Clone, Debug, Default)]
pub enum Clock {
    #[default]
    System,
    Mock(MockClock),
}

impl Clock {
    /// Microsecond precision, which is what Postgres keeps.
    pub fn now(&self) -> Timestamp {
        let now = match self {
            Self::System => Timestamp::now(),
            Self::Mock(mock) => mock.now(),
        };
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }
}

/// Stands still until it is told to move.
#[derive(Clone, Debug)]
pub struct MockClock(Arc<Mutex<Timestamp>>);

impl MockClock {
    pub fn at(start: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(start)))
    }

    pub fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn advance(&self, by: SignedDuration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.saturating_add(by).unwrap_or(*now);
    }
}
