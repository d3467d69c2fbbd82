//! The HTTP data plane: addressing, credentials, PUT, GET, DELETE, LIST.
//!
//! A frontend keeps no state that matters: it answers from its watched copy of the metadata and from the storage
//! nodes of a key's shard. Any number of them may stand side by side.

pub mod config;
pub mod frontend;
pub mod metrics;
mod near_cache;
pub mod net;

mod access_log;
mod answer;
mod authorize;
mod cache_control;
mod client_address;
mod conditions;
mod cors;
mod credentials;
mod dates;
mod delete;
mod encoding;
mod get;
mod handle;
mod health;
mod hedge;
mod ingest;
mod key_use;
mod list;
mod overwrites;
mod policy;
mod problem;
mod put;
mod put_request;
mod query;
mod quotas;
mod rates;
mod read;
mod recent;
mod request_body;
mod response_body;
mod retry;
mod routes;
mod target;
mod verified;
mod write;

pub use config::{FrontendConfig, UPLOAD_OVERHEAD_BYTES};
pub use frontend::{Frontend, FrontendParts};
pub use metrics::Metrics;
