//! Specimens: documents of people who do not exist, photographed as people do, genuine or
//! attacked, with exact truth. The same seed gives the same bytes on the same build.
//!
//! A figure measured on generated images must be named as such wherever it is quoted.

pub mod asset;
pub mod attack;
pub mod capture;
mod date;
pub mod demo;
pub mod design;
mod error;
pub mod fixtures;
pub mod geometry;
pub mod jpeg;
mod layout;
pub mod mrz;
pub mod nothing;
pub mod number;
mod pattern;
pub mod person;
pub mod photograph;
mod portrait;
pub mod random;
pub mod raster;
pub mod render;
mod submission;
mod svg;
pub mod things;
pub mod truth;
mod typeset;
mod values;

pub use asset::Assets;
pub use attack::Attack;
pub use capture::{Capture, Condition, Turn};
pub use design::Design;
pub use error::Error;
pub use person::Person;
pub use photograph::Studio;
pub use submission::{Generator, Submission};
pub use truth::{Role, Truth};
