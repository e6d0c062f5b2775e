//! The parts of the txid command that tests use as well.

pub mod fetching;
pub mod models;
pub mod postgres;
