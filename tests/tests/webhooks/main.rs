//! Webhooks from the API to the receiver: attempts, management, and consumers that do not delay each other.

#![expect(clippy::unwrap_used, reason = "a test ends where its scene cannot be built")]

mod attempts;
mod disabling;
mod fairness;
mod managing;
mod sandbox;
mod scene;
