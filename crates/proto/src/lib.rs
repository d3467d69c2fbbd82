//! The wire protocol of Headwater and the service traits that roles talk through.
//!
//! A role is used through a trait ([`Storage`], [`Replication`]): within one process the call is direct and bodies stay
//! `Bytes`, between processes a gRPC client implements the same trait. What comes off the wire is checked once, when it
//! is turned into a domain type.

/// The generated messages and services of `proto/headwater/v1`.
#[allow(missing_docs, clippy::all)]
pub mod v1 {
    tonic::include_proto!("headwater.v1");
}

mod convert;
pub mod directory;
pub mod error;
pub mod grpc;
pub mod listing;
pub mod replication;
pub mod storage;
pub mod trace;

pub use directory::{Directory, GrpcDirectory, LocalDirectory};
pub use error::{ConvertError, StorageError};
pub use replication::{
    Replicate, ReplicateBegin, ReplicateCommit, Replication, ReplicationPieces, StopReads,
};
pub use storage::{
    Arriving, Began, BodyEnd, BodyPiece, BodyPieces, DeleteReply, DeleteRequest, Follow, GetReply,
    GetRequest, HeadReply, HeadRequest, ListEntry, ListReply, ListRequest, ObjectBody, Preconditions,
    PutReply, PutRequest, Storage,
};
