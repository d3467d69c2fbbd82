//! The accept loop and the shutdown.

use headwater_types::Clock;
use std::{io, sync::Arc, time::Duration};
use tokio::{sync::Semaphore, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    acceptor::Acceptor,
    config::{NetConfig, NetConfigError},
    connection::{self, Shared, Tasks},
    handler::Handler,
    info::ConnectionId,
    lingering::Lingering,
    metrics::{Counted, NetMetrics},
    order::Unread,
};

/// Pause after a failed accept: file descriptors come back as connections end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Failed accepts are logged at most this often.
const ACCEPT_LOG_INTERVAL: Duration = Duration::from_secs(1);

/// How a shutdown went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were served still after `drain_timeout` and were cut. Those that lingered do not count.
    pub cut: usize,
}

/// Accepts connections and serves them with `handler`: HTTP/1.1 and 1.0, and HTTP/2 by prior knowledge, on one port.
///
/// Handlers are told of the [`ConnInfo`](super::ConnInfo). They need not check TRACE, CONNECT, framing or header limits
/// ([`Handler::refuse`] gets those), nor set `Connection: close` after a body that they left unread. A handler goes on when
/// an HTTP/1 client closes after its request, since encoders do so without waiting for the answer; it is dropped when an
/// HTTP/2 stream is reset, or at the end of a shutdown.
///
/// When `shutdown` is cancelled, the listener closes, idle connections end, and the others end after what is in flight
/// (`Connection: close`, GOAWAY). What is left after `drain_timeout` is cut. Returns when all connections are closed.
///
/// # Errors
/// Only for a configuration that is out of range. Failed accepts are counted, logged and tried again.
pub async fn serve<A: Acceptor, H: Handler>(
    mut acceptor: A,
    handler: H,
    config: NetConfig,
    metrics: NetMetrics,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
) -> Result<Drained, NetConfigError> {
    config.validate()?;
    let slots = Arc::new(Semaphore::new(config.connections_max));
    let tasks = Tasks::default();
    let lingering = Arc::new(Lingering::new(config.linger.connections_max));
    let shared = Arc::new(Shared { handler, config, metrics, clock, tasks, lingering, shutdown });
    let mut failures = AcceptFailures::default();
    let mut connections = JoinSet::new();
    let unread = Unread::new();
    let mut next_id = 0;
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.shutdown.cancelled() => break,
            accepted = acceptor.accept() => accepted,
            Some(_ended) = connections.join_next() => continue,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if let Some(pause) = failures.note(&error, &shared) {
                    shared.shutdown.run_until_cancelled(tokio::time::sleep(pause)).await;
                }
                continue;
            }
        };
        shared.metrics.accepted.inc();
        let Ok(slot) = slots.clone().try_acquire_owned() else {
            shared.metrics.refused.inc();
            continue;
        };
        next_id += 1;
        let id = ConnectionId(next_id);
        let open = Counted::new(&shared.metrics.open);
        let connection = connection::run(shared.clone(), unread.accepted(id, stream), peer, id, slot);
        connections.spawn(async move {
            connection.await;
            drop(open);
        });
    }

    drop(acceptor);
    let Tasks { tracker, abort } = &shared.tasks;
    tracker.close();
    let mut cut = 0;
    let drained = async {
        while connections.join_next().await.is_some() {}
        tracker.wait().await;
    };
    if timeout(shared.config.drain_timeout, drained).await.is_err() {
        cut = shared.config.connections_max - slots.available_permits();
        abort.cancel();
        connections.shutdown().await;
        tracker.wait().await;
    }
    Ok(Drained { cut })
}

/// Failed accepts, logged sparingly.
#[derive(Default)]
struct AcceptFailures {
    unlogged: u64,
    logged_at: Option<Duration>,
}

impl AcceptFailures {
    /// How long to wait before the next accept, if at all.
    fn note(&mut self, error: &io::Error, shared: &Shared<impl Handler>) -> Option<Duration> {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        // The peer gave up before we came to it: says nothing about the next one.
        if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
            return None;
        }
        shared.metrics.accept_errors.inc();
        self.unlogged += 1;
        let now = shared.clock.monotonic();
        if self.logged_at.is_none_or(|at| now.saturating_sub(at) >= ACCEPT_LOG_INTERVAL) {
            tracing::warn!(%error, failures = self.unlogged, "cannot accept connections");
            self.unlogged = 0;
            self.logged_at = Some(now);
        }
        Some(ACCEPT_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_types::SystemClock;
    use std::net::SocketAddr;
    use tokio::net::{TcpListener, TcpStream};

    /// Has no file descriptors left for the first few accepts.
    struct Exhausted {
        failures: usize,
        inner: TcpListener,
    }

    impl Acceptor for Exhausted {
        type Stream = TcpStream;

        async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
            if self.failures > 0 {
                self.failures -= 1;
                // EMFILE
                return Err(io::Error::from_raw_os_error(24));
            }
            Acceptor::accept(&mut self.inner).await
        }
    }

    #[tokio::test]
    async fn a_failed_accept_waits_a_little_and_the_next_one_is_served() {
        let inner = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = inner.local_addr().unwrap();
        let (metrics, shutdown) = (NetMetrics::default(), CancellationToken::new());
        let clock = Arc::new(SystemClock::new());
        let server = tokio::spawn(serve(
            Exhausted { failures: 2, inner },
            axum::Router::new(),
            NetConfig::default(),
            metrics.clone(),
            clock.clone(),
            shutdown.clone(),
        ));
        let before = clock.monotonic();
        let _client = TcpStream::connect(address).await.unwrap();
        while metrics.open() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(clock.monotonic() - before >= ACCEPT_PAUSE);
        assert_eq!(metrics.accept_errors.get(), 2);
        shutdown.cancel();
        assert_eq!(server.await.unwrap(), Ok(Drained { cut: 0 }));
    }
}
