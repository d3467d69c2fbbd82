//! End to end: the real binaries with real encoders, players and failures of processes.

// Helpers of tests are outside of what clippy takes for tests.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod backups;
mod capacity;
mod cli;
mod cluster;
mod collector;
mod decoded;
mod demo;
mod digest;
mod draining;
mod encoder;
mod encoders;
mod force_zone;
mod huge_pages;
mod identity;
mod load;
mod manifest;
mod medialive;
mod memory;
mod needs;
mod openapi;
mod packager;
mod partition;
mod players;
mod playlists;
mod restart;
mod secrets;
mod stored;
mod traces;
mod voters;
mod voters_replaced;
