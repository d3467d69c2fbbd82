//! A slow link: a relay on loopback that delivers late what some processes send.

use std::{
    fs, io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    task::JoinHandle,
    time::Instant,
};

/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;
/// Reads under way in one direction: more than a test sends within the delay.
const ON_THE_WAY: usize = 1024;

/// Forwards connections to one address. Ends with its value.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    /// Process ids.
    slow_processes: Vec<u32>,
    accepted: AtomicUsize,
    /// Slow connections that are open.
    slow: AtomicUsize,
}

impl Relay {
    /// Listens, and forwards to `to`. What the `slow` processes send arrives late by `delay`. Answers are not delayed, and
    /// neither are other processes.
    pub async fn start(to: SocketAddr, delay: Duration, slow: Vec<u32>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let state = Arc::new(State { slow_processes: slow, ..State::default() });
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, to, delay, state.clone()));
        Ok(Self { address, state, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it has accepted.
    pub fn accepted(&self) -> usize {
        self.state.accepted.load(SeqCst)
    }

    /// How many slow connections are open, to their ends behind the relay.
    pub fn slow(&self) -> usize {
        self.state.slow.load(SeqCst)
    }
}

/// Whether `process` holds the socket of the connection from `local` to `remote`, as `/proc` says.
fn holds(process: u32, local: SocketAddr, remote: SocketAddr) -> io::Result<bool> {
    let ends = [local, remote].map(|address| {
        let SocketAddr::V4(address) = address else { return String::new() };
        // Both in hexadecimal: the address as the bytes lie in memory, the port as a number.
        format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port())
    });
    let sockets = fs::read_to_string("/proc/net/tcp")?;
    let inode = sockets.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        (fields.get(1..3)? == ends).then(|| fields.get(9).copied()).flatten()
    });
    let Some(inode) = inode else { return Ok(false) };
    let socket = format!("socket:[{inode}]");
    Ok(fs::read_dir(format!("/proc/{process}/fd"))?
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|target| target.as_os_str() == socket.as_str()))
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Counts a slow connection while it lives.
struct Slow(Arc<State>);

impl Slow {
    fn new(state: Arc<State>) -> Self {
        state.slow.fetch_add(1, SeqCst);
        Self(state)
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.0.slow.fetch_sub(1, SeqCst);
    }
}

async fn accept(listener: TcpListener, to: SocketAddr, delay: Duration, state: Arc<State>) {
    let Ok(here) = listener.local_addr() else { return };
    while let Ok((from, peer)) = listener.accept().await {
        // A process that has ended holds nothing.
        let is_slow = state.slow_processes.iter().any(|process| holds(*process, peer, here).unwrap_or(false));
        let delay = if is_slow { delay } else { Duration::ZERO };
        state.accepted.fetch_add(1, SeqCst);
        let state = state.clone();
        tokio::spawn(async move {
            // Whoever connected sees the end of the connection if there is nobody behind it.
            let Ok(to) = TcpStream::connect(to).await else { return };
            let no_delay = [&from, &to].map(|stream| stream.set_nodelay(true));
            if no_delay.iter().any(Result::is_err) {
                return;
            }
            let _slow = is_slow.then(|| Slow::new(state));
            let ((from_read, from_write), (to_read, to_write)) = (from.into_split(), to.into_split());
            tokio::join!(carry(from_read, to_write, delay), carry(to_read, from_write, Duration::ZERO));
        });
    }
}

/// Carries one direction to its end, which comes as late as the bytes do.
#[expect(clippy::disallowed_methods, reason = "a link between real processes")]
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) {
    let (sender, mut on_the_way) = mpsc::channel::<(Instant, Vec<u8>)>(ON_THE_WAY);
    let reading = async move {
        let mut buffer = vec![0; READ_BYTES];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            if sender.send((Instant::now() + delay, buffer[..read].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let writing = async move {
        while let Some((due, bytes)) = on_the_way.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        // It may be closed already.
        let _ = to.shutdown().await;
    };
    tokio::join!(reading, writing);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Stopwatch, until};

    const DELAY: Duration = Duration::from_secs(1);
    const SOON: Duration = Duration::from_secs(30);

    /// Sends a byte through the relay and waits for its echo.
    async fn echo(relay: &Relay) -> Duration {
        let mut conn = TcpStream::connect(relay.address()).await.unwrap();
        let watch = Stopwatch::start();
        conn.write_all(b"x").await.unwrap();
        let mut byte = [0];
        conn.read_exact(&mut byte).await.unwrap();
        assert_eq!(&byte, b"x");
        conn.shutdown().await.unwrap();
        assert_eq!(conn.read(&mut byte).await.unwrap(), 0, "the end comes through");
        watch.elapsed()
    }

    #[tokio::test]
    async fn what_a_slow_process_sends_arrives_late() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((conn, _)) = listener.accept().await {
                let (mut read, mut write) = conn.into_split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            }
        });
        let slow = Relay::start(address, DELAY, vec![std::process::id()]).await.unwrap();
        assert!(echo(&slow).await >= DELAY);
        // Process 1 is another one.
        let fast = Relay::start(address, DELAY, vec![1]).await.unwrap();
        let mut conn = TcpStream::connect(fast.address()).await.unwrap();
        conn.write_all(b"x").await.unwrap();
        conn.read_exact(&mut [0]).await.unwrap();
        assert_eq!((slow.accepted(), fast.accepted(), fast.slow()), (1, 1, 0));
    }

    #[tokio::test]
    async fn slow_connections_count_from_their_connection_behind_it_to_their_end() {
        let until_slow = async |relay: &Relay, count: usize| {
            let what = format!("{count} connections are slow");
            until(&what, SOON, || async { (relay.slow() == count).then_some(()) }).await;
        };
        let slow = vec![std::process::id()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let relay = Relay::start(address, DELAY, slow.clone()).await.unwrap();
        let ends = (TcpStream::connect(relay.address()).await.unwrap(), listener.accept().await);
        until_slow(&relay, 1).await;
        drop(ends);
        until_slow(&relay, 0).await;
        drop(listener);

        let nobody = Relay::start(address, DELAY, slow).await.unwrap();
        let mut refused = TcpStream::connect(nobody.address()).await.unwrap();
        let end = refused.read(&mut [0]).await;
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
        assert_eq!((nobody.accepted(), nobody.slow()), (1, 0), "there is nobody behind it");
    }
}
