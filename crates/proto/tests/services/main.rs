//! The services as their callers see them: one list of scenarios, run directly and over gRPC on loopback, and what
//! only the wire adds to it.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests may")]

mod convert;
mod fake;
mod harness;
mod relay;
mod scenarios;
mod trace;
mod wire;
