//! What the end-to-end tests, the demo and the benchmarks share: a fleet of real processes on real
//! services, a webhook receiver, stub stages.

pub mod fleet;
pub mod pictures;
pub mod receiver;
pub mod stubs;
