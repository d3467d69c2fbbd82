//! Serves the admin plane on a listener until it is told to stop.

use axum::Router;
use std::{future::Future, io, net::SocketAddr, time::Duration};
use tokio::{net::TcpListener, sync::oneshot, time::sleep};

/// How long requests that are under way at the shutdown may take to finish.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves `router` until `shutdown` completes, and then what is under way for at most [`DRAIN_TIMEOUT`].
///
/// # Errors
/// Those of the listener.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (stopping, stopped) = oneshot::channel();
    let begin = async move {
        shutdown.await;
        // Nobody waits any more only if the server has ended by itself.
        let _ = stopping.send(());
    };
    let deadline = async move {
        // An error says that the server dropped `begin`, so that it is about to end by itself.
        let _ = stopped.await;
        sleep(DRAIN_TIMEOUT).await;
    };
    tokio::select! {
        result = axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).with_graceful_shutdown(begin) => result,
        () = deadline => Ok(()),
    }
}
