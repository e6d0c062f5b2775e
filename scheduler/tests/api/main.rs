//! The scheduler over real HTTP and a real Postgres; queue and partials in memory, no worker.

#![expect(clippy::unwrap_used, reason = "a test ends where its scene cannot be built")]

mod acceptance;
mod background;
mod bad_input;
mod batch_faults;
mod batch_leftovers;
mod batches;
mod buckets;
mod duplicates;
mod erasure;
mod idempotency;
mod keys;
mod lifecycle;
mod limits;
mod liveness;
mod oneshots;
mod reading;
mod repeats;
mod requests;
mod sandbox;
mod scene;
mod sessions;
mod sharing;
mod strangers;
mod upgrade;
mod vocabulary;
mod webhooks;
