//! Accepts verifications over HTTP and enqueues one job per stage: API, outbox relay, sweeper and
//! dead-letter consumer. It knows no model and no pixel.

mod batches;
mod dead_letters;
mod fixtures;
mod form;
mod frames;
mod http;
mod images;
mod measure;
mod relay;
mod request_log;
mod sample;
mod service;
mod submission;
mod sweeper;
mod waiters;

pub use http::openapi::openapi;
pub use relay::Relay;
pub use service::{LAST_WORK, StartError, start};
pub use sweeper::Sweeper;
