//! The accept loop at the raw socket: what clients see, good and bad ones.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests are not tests to clippy"
)]

mod bodies;
mod deadlines;
mod framing;
mod http2;
mod lingering;
mod raw_http2;
mod shutdown;
mod support;
