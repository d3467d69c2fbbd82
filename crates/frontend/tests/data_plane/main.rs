//! The data plane as clients see it, over a small storage in memory whose faults the tests choose.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, on their own time"
)]

mod access_log;
mod credentials;
mod encodings;
mod failures;
mod listing;
mod near;
mod rates;
mod reads;
mod support;
mod writes;
