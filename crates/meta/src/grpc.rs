//! The metadata over gRPC: a service for any [`crate::MetaStore`], and a client that is one.

mod client;
mod convert;
mod heartbeats;
mod service;
#[cfg(test)]
mod tests;

pub use client::MetaGrpcClient;
pub use heartbeats::{Heartbeats, NodeReport, Seen};
pub use service::{MetaService, meta_service};
