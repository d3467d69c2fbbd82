//! The SDK against a server that answers by a script: retries, bodies, the routes of the admin plane.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a failed expectation is a failed test")]

mod admin;
mod fake;
mod retries;
