//! A connection's bytes as the HTTP parser sees them: header blocks one at a time, input acknowledged at once while a
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
    head_scan::{HeadScan, Scanned},
    info::Protocol,
};

/// Stands in for a header block with a bare LF: the parser answers it with its own 400.
const REFUSED_HEAD: Bytes = Bytes::from_static(b"\0\r\n\r\n");

/// The IO object that is given to hyper. The stream is shared with the driver, which closes it when hyper is through;
/// they never use it at the same time.
#[derive(Debug)]
pub(super) struct ConnIo<S> {
    stream: Arc<Mutex<S>>,
    activity: Arc<Activity>,
    body_phase: BodyPhase,
    /// Read from the stream, not yet by the parser.
    stash: Bytes,
    /// HTTP/1, until a header block was refused.
    scan: Option<HeadScan>,
    /// Input came that may still wait for its acknowledgement.
    unacknowledged: bool,
    stalled: bool,
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
            Protocol::Http1 => Some(HeadScan::default()),
            Protocol::Http2 => None,
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

    /// How many of `bytes` the parser may have now. Where a header block ends, it gets no more until it has taken up
    /// the request, so that the begin of the next one is known. `None`: the header block is refused.
    fn admit(&mut self, bytes: &[u8]) -> Option<usize> {
        let Some(scan) = &mut self.scan else { return Some(bytes.len()) };
        if bytes.is_empty() || !self.activity.received() {
            return Some(bytes.len());
        }
        match scan.feed(bytes) {
            Scanned::More => Some(bytes.len()),
            Scanned::End(at) => Some(at),
            Scanned::BareLf => None,
        }
    }

    fn refuse_head(&mut self) {
        self.scan = None;
        self.stash = REFUSED_HEAD;
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
                    this.refuse_head();
                }
            }
        }
        let offered = this.stash.slice(..this.stash.len().min(buf.remaining()));
        let admitted = this.admit(&offered).unwrap_or_else(|| {
            this.refuse_head();
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
