//! The metadata over gRPC: a service for any [`crate::MetaStore`], a client that is one, and the calls of voters to each
//! other.

mod client;
mod convert;
mod peer_client;
mod peer_service;
mod service;
#[cfg(test)]
mod tests;
mod voters;

pub use client::MetaGrpcClient;
pub use peer_client::GrpcPeers;
pub use peer_service::{PeerService, peer_service};
pub use service::{MetaService, meta_service};
