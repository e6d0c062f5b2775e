//! The scheduler over real HTTP and a real Postgres; queue and partials in memory, no worker.

#![expect(clippy::unwrap_used, reason = "a test ends where its scene cannot be built")]

mod acceptance;
mod background;
mod bad_input;
mod idempotency;
mod lifecycle;
mod oneshots;
mod reading;
mod scene;
mod sessions;
mod sharing;
mod upgrade;
