//! The Rust SDK of Headwater: the data plane over HTTP.
