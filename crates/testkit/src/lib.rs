//! Clusters, encoder emulators and raw sockets for tests.
//!
//! [`InProcess`] composes the roles inside the test; [`Dev`] and [`Cluster`] run the real binaries. Whatever is started is
//! stopped when its value is dropped, by process id.

pub mod binary;
pub mod cluster;
pub mod dev;
pub mod history;
pub mod history_load;
pub mod hosts;
pub mod in_process;
pub mod logs;
pub mod medialive;
pub mod process;
pub mod raw;
pub mod relay;
pub mod slow_links;
pub mod wait;

pub use cluster::{Cluster, ClusterProcess};
pub use dev::Dev;
pub use history::History;
pub use history_load::HistoryLoad;
pub use hosts::Hosts;
pub use in_process::{InProcess, InProcessConfig};
pub use medialive::{MediaLive, MediaLiveConfig};
pub use process::Process;
pub use raw::{RawConn, RawResponse};
pub use relay::Relay;
pub use wait::{Stopwatch, until, within};
