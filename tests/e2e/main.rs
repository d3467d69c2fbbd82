//! End to end: the real binaries with real encoders, players and failures of processes.

// Helpers of tests are outside of what clippy takes for tests.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod backups;
mod capacity;
mod cli;
mod cluster;
mod collector;
mod conditional_writes;
mod content_types;
mod cors;
mod decoded;
mod demo;
mod digest;
mod draining;
mod early_refusals;
mod encoder;
mod encoders;
mod force_zone;
mod huge_pages;
mod identity;
mod ladders;
mod load;
mod manifest;
mod medialive;
mod memory;
mod moves;
mod needs;
mod openapi;
mod packager;
mod partition;
mod players;
mod playlists;
mod proxies;
mod restart;
mod secrets;
mod shard_map;
mod stored;
mod traces;
mod voters;
mod voters_replaced;
