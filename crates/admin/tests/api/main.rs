//! The admin API over a real voter and storage nodes that only list: every route, every refusal.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, on their own time"
)]

mod access;
mod audit;
mod bodies;
mod cluster;
mod first_step;
mod keys;
mod namespaces;
mod newer_commands;
mod objects;
mod outages;
mod support;
