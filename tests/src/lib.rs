//! What the end-to-end tests, the demo and the benchmarks share: a fleet of real processes on real
//! services, a webhook receiver, stub stages.

pub mod bulk;
pub mod collector;
pub mod dump;
pub mod fleet;
pub mod pictures;
pub mod prometheus;
pub mod proxy;
pub mod receiver;
pub mod scoreboard;
pub mod stubs;
pub mod upgrade;
