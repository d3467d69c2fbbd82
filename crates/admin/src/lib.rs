//! The admin plane: health, readiness, metrics, version, the watch page and the admin API, on a listener of its own.

pub mod api;
mod assets;
pub mod audit;
pub mod openapi;
mod problem;
mod router;
mod security;
pub mod serve;
pub mod state;

pub use api::{AdminApi, BootstrapToken};
pub use audit::AuditLog;
pub use router::router;
pub use serve::serve;
pub use state::AdminState;
