//! Receive loop, check stages on real models, webhook delivery.

pub mod imaging;
pub mod inference;
pub mod stages;
