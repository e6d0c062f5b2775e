//! The words of the fleet as types, and the seams to RabbitMQ, Redis, Postgres and the object store.

pub mod ids;
pub mod partial;
pub mod words;
