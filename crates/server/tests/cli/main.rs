//! The client commands as a process, against a server that answers by a script.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a failed expectation is a failed test")]

mod fake;
mod local;
mod remote;
