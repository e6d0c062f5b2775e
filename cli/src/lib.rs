//! The parts of the txid command that tests use as well.

pub mod accounts;
pub mod admin;
pub mod batch;
pub mod dlq;
pub mod doctor;
pub mod fetching;
pub mod keys;
pub mod models;
pub mod oneshot;
pub mod postgres;
pub mod up;
pub mod verify;
