//! What goes over HTTP: the contract's objects as types. OpenAPI is generated from them.

mod error;
mod event;
mod verification;

pub use error::*;
pub use event::*;
pub use verification::*;
