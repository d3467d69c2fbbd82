//! Serves the admin plane on a listener until it is told to stop, with bounds on what peers can hold on to.

use axum::{Router, body::Body, extract::ConnectInfo};
use http::Request;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
};
use std::{future::Future, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::ServiceExt;

/// How long requests that are under way at the shutdown may take to finish.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// How long to wait after a failed accept: out of file descriptors, most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What connections may hold on to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; one more is closed. Default 1,024.
    pub connections_max: usize,
    /// For the head of a request, and from the connection to its first request. Default 10 s.
    pub header_timeout: Duration,
    /// Between two requests. Default 65 s.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(65),
        }
    }
}

/// Serves `router` until `shutdown` completes, and then what is under way for at most [`DRAIN_TIMEOUT`].
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let mut shutdown = pin!(shutdown);
    let slots = Arc::new(Semaphore::new(limits.connections_max));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
            Some(_ended) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer)) => match slots.clone().try_acquire_owned() {
                Ok(slot) => {
                    let connection = run(stream, peer, router.clone(), limits, graceful.watcher());
                    connections.spawn(async move {
                        connection.await;
                        drop(slot);
                    });
                }
                Err(_) => tracing::debug!(%peer, "an admin connection too many was closed"),
            },
            Err(error) => note_and_wait(error).await,
        }
    }
    drop(listener);
    if timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::debug!("admin requests were cut");
    }
    connections.shutdown().await;
}

async fn note_and_wait(error: io::Error) {
    // The peer gave up before we came to it: says nothing about the next one.
    if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        tracing::warn!(%error, "cannot accept admin connections");
        sleep(ACCEPT_PAUSE).await;
    }
}

/// One connection, until it is closed, idle or told to end.
async fn run(stream: TcpStream, peer: SocketAddr, router: Router, limits: Limits, watcher: Watcher) {
    // Fails only on a connection that is gone already, which the first read will tell.
    let _ = stream.set_nodelay(true);
    let requests = Requests::default();
    let counted = requests.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let (in_flight, router) = (counted.begin(), router.clone());
        async move {
            let response = router.oneshot(request.map(Body::new)).await;
            drop(in_flight);
            response
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.header_timeout);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(limits.header_timeout);
    let connection = watcher.watch(builder.serve_connection(TokioIo::new(stream), service).into_owned());
    tokio::select! {
        result = connection => {
            if let Err(error) = result {
                tracing::debug!(%error, %peer, "an admin connection broke");
            }
        }
        () = requests.none_within(limits) => tracing::debug!(%peer, "an admin connection stood still"),
    }
}

/// The requests of a connection, until each is answered. Whoever takes longer than the idle time to read an answer, which
/// is small here, is cut.
#[derive(Debug, Clone, Default)]
struct Requests(Arc<watch::Sender<Count>>);

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    begun: u64,
    in_flight: usize,
}

impl Requests {
    fn begin(&self) -> InFlight {
        self.0.send_modify(|count| {
            count.begun += 1;
            count.in_flight += 1;
        });
        InFlight(self.clone())
    }

    /// Completes when there was none for as long as there may be.
    async fn none_within(&self, limits: Limits) {
        let mut count = self.0.subscribe();
        loop {
            let limit = match *count.borrow_and_update() {
                Count { begun: 0, .. } => limits.header_timeout,
                Count { in_flight: 0, .. } => limits.idle_timeout,
                Count { .. } => Duration::MAX,
            };
            // The sender is held here: nothing but the time can end this.
            if timeout(limit, count.changed()).await.is_err() {
                return;
            }
        }
    }
}

/// A request in flight.
#[derive(Debug)]
struct InFlight(Requests);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| count.in_flight -= 1);
    }
}
