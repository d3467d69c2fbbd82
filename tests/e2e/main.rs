//! End to end: the real binaries with real encoders, players and failures of processes.

mod cluster;
mod decoded;
mod encoder;
mod encoders;
mod manifest;
mod medialive;
mod memory;
mod needs;
mod players;
mod restart;
mod stored;
