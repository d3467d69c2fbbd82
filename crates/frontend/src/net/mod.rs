//! Connections: our own accept loop under the router, with every deadline and bound that a port open to the world
//! needs, and a close that lets a client read its refusal.

mod acceptor;
mod activity;
mod body_phase;
mod body_scan;
mod checks;
mod config;
mod connection;
mod frame_scan;
mod handler;
mod head_scan;
mod idle_body;
mod info;
mod io;
mod linger;
mod lingering;
mod metrics;
mod order;
mod request_body;
mod request_scan;
mod response_body;
mod server;
mod service;
mod sniff;
mod stream_tasks;

pub use acceptor::{Acceptor, NetStream};
pub use body_phase::{BodyPhase, Receiving};
pub use config::{Http2Config, LingerConfig, NetConfig, NetConfigError};
pub use handler::Handler;
pub use idle_body::{IdleBody, ReadError, with_idle_timeout};
pub use info::{ConnInfo, ConnectionId, Protocol};
pub use linger::LingerEnd;
pub use metrics::{Deadline, NetMetrics};
pub use order::Place;
pub use server::{Drained, serve};
