//! What goes over HTTP: the contract's objects as types. OpenAPI is generated from them.

mod active;
mod batch;
mod duplicate;
mod error;
mod event;
mod request;
mod session;
mod verification;
mod webhook;

pub use active::*;
pub use batch::*;
pub use duplicate::*;
pub use error::*;
pub use event::*;
pub use request::*;
pub use session::ExpiredSession;
pub use verification::*;
pub use webhook::*;
