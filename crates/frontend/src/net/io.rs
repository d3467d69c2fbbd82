//! A connection's bytes as the HTTP parser sees them: header blocks and bodies one at a time, input acknowledged at once while a
//! body is received, and every event told to the connection's activity.

use bytes::{Buf, Bytes};
use parking_lot::Mutex;
use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    acceptor::NetStream,
    activity::Activity,
    body_phase::BodyPhase,
    frame_scan::FrameScan,
    info::Protocol,
    request_scan::{RequestScan, Scanned},
};

/// Stands in for input that is refused: the parser answers a header block with its own 400, and fails in a body.
const REFUSED: Bytes = Bytes::from_static(b"\0\r\n\r\n");

/// The IO object that is given to hyper. The stream is shared with the driver, which closes it when hyper is through;
/// they never use it at the same time.
#[derive(Debug)]
pub(super) struct ConnIo<S> {
    stream: Arc<Mutex<S>>,
    activity: Arc<Activity>,
    body_phase: BodyPhase,
    /// Read from the stream, not yet by the parser.
    stash: Bytes,
    scan: Scan,
    /// Input came that may still wait for its acknowledgement.
    unacknowledged: bool,
    stalled: bool,
}

/// What is looked at in the input.
#[derive(Debug)]
enum Scan {
    Http1(RequestScan),
    Http2(FrameScan),
    /// Nothing any more: something was refused, which ends the connection.
    Refused,
}

impl<S: NetStream> ConnIo<S> {
    /// Over `stream`, of which `read` was read already.
    pub(super) fn new(
        stream: Arc<Mutex<S>>,
        read: Bytes,
        protocol: Protocol,
        activity: Arc<Activity>,
        body_phase: BodyPhase,
    ) -> Self {
        let scan = match protocol {
            Protocol::Http1 => Scan::Http1(RequestScan::default()),
            Protocol::Http2 => Scan::Http2(FrameScan::new()),
        };
        Self { stream, activity, body_phase, stash: read, scan, unacknowledged: true, stalled: false }
    }

    /// Reads from the stream.
    fn poll_receive(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let mut stream = self.stream.lock();
        let polled = Pin::new(&mut *stream).poll_read(cx, buf);
        let received = buf.filled().len() - before;
        self.unacknowledged |= received > 0;
        // Also when nothing came now: what came last was the header, before it was known that a body follows.
        if self.unacknowledged && self.body_phase.is_receiving() {
            self.unacknowledged = false;
            stream.acknowledge_now();
        }
        drop(stream);
        let result = ready!(polled);
        if result.is_err() || (received == 0 && buf.remaining() > 0) {
            self.activity.peer_done();
        }
        Poll::Ready(result)
    }

    /// How many of `bytes` the parser may have now. Where a header block or body ends, it gets no more until it has taken
    /// that up, so that the begin of the next request is known. `None`: they are refused.
    fn admit(&mut self, bytes: &[u8]) -> Option<usize> {
        if bytes.is_empty() {
            return Some(0);
        }
        match &mut self.scan {
            Scan::Http1(scan) => {
                if scan.is_in_head() {
                    self.activity.received_head(bytes);
                }
                match scan.feed(bytes) {
                    Scanned::More => Some(bytes.len()),
                    Scanned::End(at) => Some(at),
                    Scanned::Refused => None,
                }
            }
            Scan::Http2(scan) => {
                let (was_open, before) = (scan.is_open(), scan.begun());
                scan.feed(bytes);
                match scan.is_open() {
                    true if scan.begun() != before => self.activity.header_begins(),
                    false if was_open => self.activity.header_ended(),
                    _ => {}
                }
                Some(bytes.len())
            }
            Scan::Refused => Some(bytes.len()),
        }
    }

    fn refuse(&mut self) {
        self.activity.leave_unread();
        self.scan = Scan::Refused;
        self.stash = REFUSED;
    }

    fn note_write(&mut self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &polled {
            Poll::Pending if !self.stalled => {
                self.stalled = true;
                self.activity.write_stalled();
            }
            Poll::Ready(Ok(_)) if self.stalled => {
                self.stalled = false;
                self.activity.write_resumed();
            }
            Poll::Ready(Err(_)) => self.activity.peer_done(),
            _ => {}
        }
        polled
    }
}

impl<S: NetStream> AsyncRead for ConnIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.stash.is_empty() {
            let before = buf.filled().len();
            ready!(this.poll_receive(cx, buf))?;
            let end = buf.filled().len();
            let admitted = this.admit(&buf.filled()[before..]);
            match admitted {
                Some(admitted) => {
                    let keep = before + admitted;
                    this.stash = Bytes::copy_from_slice(&buf.filled()[keep..end]);
                    buf.set_filled(keep);
                    return Poll::Ready(Ok(()));
                }
                None => {
                    buf.set_filled(before);
                    this.refuse();
                }
            }
        }
        let offered = this.stash.slice(..this.stash.len().min(buf.remaining()));
        let admitted = this.admit(&offered).unwrap_or_else(|| {
            this.refuse();
            this.stash.len().min(buf.remaining())
        });
        buf.put_slice(&this.stash[..admitted]);
        this.stash.advance(admitted);
        Poll::Ready(Ok(()))
    }
}

impl<S: NetStream> AsyncWrite for ConnIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut *self.stream.lock()).poll_write(cx, bytes);
        self.note_write(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut *self.stream.lock()).poll_write_vectored(cx, slices);
        self.note_write(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.lock().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream.lock()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream.lock()).poll_shutdown(cx)
    }
}
