//! From a message to its effect: receive, run the stage, join, decide. The stage knows none of this.

mod case;
mod receive;
mod run;

pub use receive::{Receiver, Settings};
pub use run::Runner;

/// What becomes of a message, told by value; the receive loop does it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Settlement {
    /// Its effect is durable somewhere that the next step reads.
    Acknowledge,
    /// It can never go well.
    DeadLetter(&'static str),
    /// Not now, not here; no attempt burned.
    GiveBack,
}
