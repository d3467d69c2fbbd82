//! The services over gRPC: clients that implement the traits, adaptors that serve them, and the transport settings
//! that both ends share.

mod checked;
mod framing;
mod get_answer;
mod get_body;
mod get_parser;
pub mod limits;
mod outgoing;
mod piece;
mod pool;
mod replication_client;
mod replication_server;
mod reply_body;
mod storage_client;
mod storage_server;
mod storage_service;
mod transport;
mod upload;

pub use replication_client::ReplicationClient;
pub use replication_server::{ReplicationService, replication_service};
pub use storage_client::StorageClient;
pub use storage_service::{StorageService, storage_service};
pub use transport::{AddressError, channel, endpoint, incoming, server_builder};
