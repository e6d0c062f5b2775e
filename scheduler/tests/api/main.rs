//! The scheduler over real HTTP and a real Postgres; queue and partials in memory, no worker.

#![expect(clippy::unwrap_used, reason = "a test ends where its scene cannot be built")]

mod acceptance;
mod background;
mod bad_input;
mod lifecycle;
mod reading;
mod scene;
mod sharing;
mod webhooks;
