//! A fleet of real processes on real services, isolated by schema, broker prefix and key space.

mod client;
mod node;
mod services;

pub use client::Client;
pub use node::{Node, Role, binary};
pub use services::{PrivateBroker, Space};
