//! Machine-readable zones by ICAO 9303: TD1, TD2, TD3, MRV-A and MRV-B.
//!
//! `layout` says what may stand where, `emissions` are the recogniser's probabilities, `lattice` turns them into
//! probabilities per position, `solve` finds the likeliest zone that satisfies the check digits,
//! `decode` puts it together and tells each correction, `fields` reads the result.

mod alphabet;
mod corrections;
mod decode;
mod doubts;
mod emissions;
pub mod fields;
mod heights;
mod lattice;
mod layout;
mod names;
mod pitch;
mod solve;

pub use corrections::undo;
pub use decode::{Decoded, LineSignal, decode, looks_like_mrz};
pub use emissions::Emissions;
pub use layout::{Part, dimensions, part as part_place};

#[cfg(test)]
mod tests;
