//! The HTTP contract, sentence by sentence, over real sockets and the whole in-process cluster: `docs/http.md`.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod addressing;
mod connections;
mod credentials;
mod delete_list_cors;
mod edges;
mod get;
mod memory;
mod origin;
mod put;
mod read_while_write;
mod sdk;
