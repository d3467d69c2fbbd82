//! The numbers of the transport, in one place. Both ends of a connection use the same ones.

use headwater_types::limits::CHUNK_BYTES;
use std::time::Duration;

/// Largest HTTP/2 frame. The default of 16 KiB costs a third of the throughput of large bodies.
pub const FRAME_BYTES_MAX: u32 = 256 * 1024;
/// Bytes of one body that may be on their way unread.
pub const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// Bytes of all bodies of a connection that may be on their way unread. Far above what its streams take together: a
/// player that reads slowly must hold up its own body only, never the others of the connection.
pub const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024 * 1024;
/// Calls at once on one connection. Followed bodies and held reads stay open for long.
pub const STREAMS_PER_CONNECTION_MAX: u32 = 4096;
/// Calls that their caller has given up before the server took them up. Past it the connection is closed, and with it
/// every other call: a burst of hedged reads must not do that.
pub const PENDING_RESETS_MAX: usize = 4096;

/// Connections of a client to one address for large bodies; one more carries small messages.
pub const BULK_CONNECTIONS: usize = 4;
/// How long a connection may take to open.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A quiet connection is probed this often.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// A probe that is not answered for so long closes the connection.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Largest message of a GET's answer that is collected before it is read: a header, which takes a few KiB, or a chunk
/// beside fields of a newer version. Plain chunks are not collected.
pub const COLLECTED_BYTES_MAX: usize = CHUNK_BYTES + 64 * 1024;

/// How long the first message of a streamed write may take, once its call is open.
pub const HEADER_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long the reply to a streamed write is waited for, beyond the time that the write has: the node's own answer
/// at the deadline says more than ours.
pub const REPLY_GRACE: Duration = Duration::from_secs(1);
/// How long a committed body may pause between two pieces.
pub const BODY_IDLE_MAX: Duration = Duration::from_secs(30);
/// How long a beacon may take.
pub const BEACON_DEADLINE: Duration = Duration::from_secs(1);
/// How long a member may take to stop reads: it waits for the configuration, which is on its way to it.
pub const STOP_READS_DEADLINE: Duration = Duration::from_secs(2);
