//! The admin plane: health, readiness, metrics, version and the watch page, on a listener of its own.

mod assets;
mod problem;
mod router;
mod security;
pub mod serve;
pub mod state;

pub use router::router;
pub use serve::serve;
pub use state::AdminState;
