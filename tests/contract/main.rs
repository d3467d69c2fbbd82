//! The HTTP contract, sentence by sentence, over real sockets and the whole in-process cluster: `docs/http.md`.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod addressing;
mod arriving_ranges;
mod connections;
mod credentials;
mod delete_cors;
mod edges;
mod encodings;
mod get;
mod gstreamer;
mod health;
mod history;
mod http2;
mod listing;
mod memory;
mod origin;
mod over_grpc;
mod overlapping;
mod put;
mod put_headers;
mod read_while_write;
mod sdk;
