//! Receive loop, check stages on real models, webhook delivery.

pub mod health;
pub mod inference;
pub mod jobs;
pub mod service;
pub mod stages;
pub mod webhooks;
