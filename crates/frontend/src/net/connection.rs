//! One connection from its first byte to its last.

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use headwater_types::Clock;
use hyper::{
    rt::Executor,
    server::conn::{http1, http2},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulConnection,
};
use std::{fmt::Display, future::Future, net::SocketAddr, pin::pin, sync::Arc};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    acceptor::NetStream,
    activity::Activity,
    config::NetConfig,
    handler::Handler,
    info::{ConnInfo, ConnectionId, Protocol},
    io::ConnIo,
    linger::linger,
    lingering::{Lingering, Reason},
    metrics::{Counted, Deadline, NetMetrics},
    order::Accepted,
    service::ConnService,
    sniff::{SniffError, sniff},
    stream_tasks::StreamTasks,
};

/// The largest read buffer of an HTTP/1 connection.
const READ_BUFFER_BYTES_MAX: usize = 64 * 1024;

/// What the connections of a listener share.
#[derive(Debug)]
pub(super) struct Shared<H> {
    pub(super) handler: H,
    pub(super) config: NetConfig,
    pub(super) metrics: NetMetrics,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tasks: Tasks,
    pub(super) lingering: Arc<Lingering>,
    /// No further requests.
    pub(super) shutdown: CancellationToken,
}

/// Runs tasks that the shutdown waits for, and that it can cut.
#[derive(Debug, Clone, Default)]
pub(super) struct Tasks {
    pub(super) tracker: TaskTracker,
    /// Everything ends now.
    pub(super) abort: CancellationToken,
}

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        let abort = self.abort.clone();
        self.tracker.spawn(async move { abort.run_until_cancelled(task).await });
    }
}

/// Serves a connection until it is closed. `slot` is free again once the connection is served no more: while it lingers,
/// another one may have the slot.
pub(super) async fn run<S: NetStream, H: Handler>(
    shared: Arc<Shared<H>>,
    accepted: Accepted<S>,
    peer: SocketAddr,
    id: ConnectionId,
    slot: OwnedSemaphorePermit,
) {
    let config = &shared.config;
    let sniffed = tokio::select! {
        biased;
        sniffed = sniff(&accepted, config) => sniffed,
        // It has asked for nothing yet.
        () = shared.shutdown.cancelled() => return,
    };
    let (protocol, read, place) = match sniffed {
        Ok(sniffed) => sniffed,
        Err(SniffError::Expired(deadline)) => return shared.metrics.count_deadline(deadline),
        Err(SniffError::Gone) => return,
    };
    shared.metrics.count_protocol(protocol);

    let stream = accepted.stream();
    drop(accepted);
    let activity = Arc::new(Activity::new(shared.clock.clone(), protocol, config));
    if protocol == Protocol::Http1
        && let Some(place) = place
    {
        activity.first_request(place);
    }
    let info = Arc::new(ConnInfo::new(id, peer, protocol));
    let io = ConnIo::new(stream.clone(), read, protocol, activity.clone(), info.body_phase.clone());
    let service = ConnService {
        handler: shared.handler.clone(),
        info,
        activity: activity.clone(),
        header_count_max: config.header_count_max,
    };
    let io = TokioIo::new(io);
    let end = match protocol {
        Protocol::Http1 => drive(http1(config).serve_connection(io, service), &activity, &shared, id).await,
        Protocol::Http2 => {
            let (clock, stalled) = (shared.clock.clone(), shared.metrics.stalled.clone());
            let tasks = StreamTasks::new(shared.tasks.clone(), config.write_stall_timeout, clock, stalled);
            let builder = http2(config, tasks);
            drive(builder.serve_connection(io, service), &activity, &shared, id).await
        }
    };
    if end == End::Expired {
        return;
    }
    // hyper's side of the stream is dropped with its connection.
    let Some(stream) = Arc::into_inner(stream).filter(|_| !activity.is_peer_done()) else { return };
    drop(slot);
    let reason = if activity.has_left_unread() { Reason::Unread } else { Reason::Ended };
    close(&shared, stream.into_inner(), reason).await;
}

/// Closes a connection whose peer may still be sending.
async fn close<S: NetStream, H>(shared: &Shared<H>, mut stream: S, reason: Reason) {
    let Some(place) = shared.lingering.enter(reason) else { return };
    let _counted = Counted::new(&shared.metrics.lingering);
    let (discarded, end) = linger(&mut stream, &shared.config.linger, &place).await;
    shared.metrics.count_linger_end(end);
    if discarded > 0 {
        shared.metrics.lingered.inc();
    }
}

/// How the service of a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// By its last answer, by the peer or by an error.
    Served,
    /// A deadline has passed: there is no answer that the peer should still read.
    Expired,
}

/// Lets hyper run until the connection ends or a deadline passes. When the process shuts down, or no request has come for
/// too long, hyper ends it after what is in flight.
async fn drive<C, H>(connection: C, activity: &Activity, shared: &Shared<H>, id: ConnectionId) -> End
where
    C: GracefulConnection<Error: Display>,
{
    let mut connection = pin!(connection);
    // In a set, which looks at them when one of them wakes and not at each event of the connection.
    let mut ends = FuturesUnordered::<BoxFuture<'_, Option<Deadline>>>::new();
    ends.push(Box::pin(async { Some(activity.expired().await) }));
    let shutdown = &shared.shutdown;
    ends.push(Box::pin(async {
        shutdown.cancelled().await;
        None
    }));
    let mut is_closing = false;
    loop {
        let end = tokio::select! {
            biased;
            result = connection.as_mut() => {
                if let Err(error) = result {
                    // The peer may have sent more than hyper has read.
                    activity.leave_unread();
                    tracing::debug!(connection = %id, %error, "connection ended");
                }
                return End::Served;
            }
            Some(end) = ends.next() => end,
        };
        if let Some(deadline) = end {
            shared.metrics.count_deadline(deadline);
            if is_closing || deadline != Deadline::Idle {
                tracing::debug!(connection = %id, deadline = deadline.as_str(), "connection closed");
                return End::Expired;
            }
            ends.push(Box::pin(async { Some(activity.expired().await) }));
        }
        is_closing = true;
        activity.begin_closing();
        connection.as_mut().graceful_shutdown();
    }
}

fn http1(config: &NetConfig) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // Encoders close right after the last chunk, without reading the answer: what they sent is to be stored.
        .half_close(true)
        // `Activity` has deadlines of its own: hyper's would end idle connections after the header's limit too.
        .header_read_timeout(None)
        .max_headers(config.header_count_max)
        .max_header_size(config.header_bytes_max)
        // Every connection that receives a body has one: no budget counts them, so they must be small.
        .max_buf_size(READ_BUFFER_BYTES_MAX.max(config.header_bytes_max));
    builder
}

fn http2(config: &NetConfig, tasks: StreamTasks) -> http2::Builder<StreamTasks> {
    let limits = &config.http2;
    let mut builder = http2::Builder::new(tasks);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.concurrent_streams_max)
        .max_pending_accept_reset_streams(limits.pending_reset_streams_max)
        .max_local_error_reset_streams(limits.local_error_reset_streams_max)
        .initial_stream_window_size(limits.stream_window_bytes)
        .initial_connection_window_size(limits.connection_window_bytes)
        .max_frame_size(limits.frame_bytes_max)
        .max_send_buf_size(limits.send_buffer_bytes_max)
        // It refuses what is as large as its limit.
        .max_header_list_size(u32::try_from(config.header_bytes_max + 1).unwrap_or(u32::MAX))
        .keep_alive_interval(limits.ping_interval)
        .keep_alive_timeout(limits.ping_timeout);
    builder
}
