//! HTTP/2 frame by frame: clients that no library lets one be.

use super::support::{PATIENCE, Server, config};
use headwater_frontend::net::{Deadline, Http2Config, NetConfig};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const SHORT: Duration = Duration::from_millis(150);

const MAGIC: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

const NO_ERROR: u32 = 0;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    /// The code of a RST_STREAM, or of a GOAWAY.
    fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn settings(payload: &[u8]) -> Vec<u8> {
    [MAGIC, &frame(SETTINGS, 0, 0, payload)].concat()
}

/// The header block of a GET (RFC 7541: three of the static table by index, the path literally).
fn block(path: &str) -> Vec<u8> {
    let path_bytes = u8::try_from(path.len()).unwrap();
    [&[0x82, 0x86, 0x04, path_bytes], path.as_bytes(), &[0x41, 1, b'a']].concat()
}

/// The header block of a PUT, whose method is not in the static table.
fn put_block(path: &str) -> Vec<u8> {
    [&[0x02, 3, b'P', b'U', b'T'], &block(path)[1..]].concat()
}

fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(path))
}

struct RawHttp2(TcpStream);

impl RawHttp2 {
    async fn connect(server: &Server, first: impl AsRef<[u8]>) -> Self {
        let mut client = Self(TcpStream::connect(server.address).await.unwrap());
        client.send(first).await;
        client
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    async fn read(&mut self) -> Frame {
        let mut header = [0; 9];
        self.0.read_exact(&mut header).await.unwrap();
        let [a, b, c, kind, flags, stream @ ..] = header;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.0.read_exact(&mut payload).await.unwrap();
        Frame { kind, flags, stream: u32::from_be_bytes(stream), payload }
    }

    /// The next frame of this kind that is no acknowledgement, past all others.
    async fn next(&mut self, kind: u8) -> Frame {
        let next = async {
            loop {
                let frame = self.read().await;
                if frame.kind == kind && (frame.flags & ACK == 0 || !matches!(kind, SETTINGS | PING)) {
                    return frame;
                }
            }
        };
        timeout(PATIENCE, next).await.unwrap()
    }

    /// Whether the connection still answers.
    async fn ping(&mut self) {
        self.send(frame(PING, 0, 0, &[5; 8])).await;
        let pong = async { while self.read().await.kind != PING {} };
        timeout(PATIENCE, pong).await.unwrap();
    }

    async fn ends(mut self) {
        let rest = async { while self.0.read_u8().await.is_ok() {} };
        timeout(PATIENCE, rest).await.unwrap();
    }
}

#[tokio::test]
async fn a_header_block_that_does_not_end_ends_the_connection_whatever_else_goes_on() {
    let server = Server::start(NetConfig { header_read_timeout: SHORT, ..config() }).await;
    let open = frame(HEADERS, 0, 3, &block("/ok"));
    let cut = get(3, "/ok");
    for begin in [
        MAGIC.to_vec(),
        settings(&[])[..MAGIC.len() + 3].to_vec(),
        [settings(&[]), open.clone()].concat(),
        [settings(&[]), cut[..cut.len() - 1].to_vec()].concat(),
        [settings(&[]), get(1, "/slow"), open.clone()].concat(),
        [settings(&[]), open, frame(CONTINUATION, 0, 3, &[])].concat(),
    ] {
        RawHttp2::connect(&server, begin).await.ends().await;
    }
    server.until_open(0).await;
    assert_eq!(server.metrics.expired(Deadline::Header), 6);
}

#[tokio::test]
async fn a_connection_whose_preface_is_whole_may_wait_for_its_first_request() {
    let server = Server::start(NetConfig { header_read_timeout: SHORT, ..config() }).await;
    let mut client = RawHttp2::connect(&server, settings(&[])).await;
    client.next(SETTINGS).await;
    let ended = timeout(2 * SHORT, client.next(GOAWAY)).await;
    assert!(ended.is_err(), "it was closed");
    client.send(get(1, "/ok")).await;
    assert_eq!(client.next(DATA).await.payload, b"ok");
}

#[tokio::test]
async fn a_reader_that_leaves_its_window_closed_loses_its_stream_and_no_other() {
    let server = Server::start(NetConfig { write_stall_timeout: SHORT, ..config() }).await;
    // INITIAL_WINDOW_SIZE is 0.
    let mut client = RawHttp2::connect(&server, settings(&[0, 4, 0, 0, 0, 0])).await;
    client.send([get(1, "/slow"), get(3, "/big"), get(5, "/ok")].concat()).await;
    server.routes.slow_begun.notified().await;
    let mut ended = Vec::new();
    for _ in 0..2 {
        let reset = client.next(RST_STREAM).await;
        assert_eq!(reset.code(), CANCEL);
        ended.push(reset.stream);
    }
    ended.sort_unstable();
    assert_eq!(ended, [3, 5]);
    assert_eq!(server.metrics.stalled(), 2);
    client.ping().await;

    // The one whose handler took longer than the limit is answered.
    server.routes.slow_go.notify_one();
    client.send(frame(8, 0, 1, &100u32.to_be_bytes())).await;
    assert_eq!(client.next(DATA).await.payload, b"slow");
    assert_eq!(server.metrics.expired(Deadline::Write), 0);
}

#[tokio::test]
async fn a_refused_body_ends_its_stream_without_an_error_and_gives_its_window_back() {
    const PIECE: usize = 16 * 1024;
    let server = Server::start(config()).await;
    let mut client = RawHttp2::connect(&server, settings(&[])).await;
    client.next(SETTINGS).await;
    let window = Http2Config::default();
    // Each client takes no notice of the end, as far as its stream's window goes; all together are past that of the
    // connection.
    let pieces = window.stream_window_bytes as usize / PIECE;
    let streams = 2 * window.connection_window_bytes / window.stream_window_bytes;
    let mut given_back = 0;
    for stream in (1..).step_by(2).take(streams as usize) {
        client.send(frame(HEADERS, END_HEADERS, stream, &put_block("/refuse"))).await;
        let refusal = client.next(DATA).await;
        assert_eq!((refusal.stream, refusal.payload.as_slice()), (stream, &b"no such key"[..]));
        assert_eq!(refusal.flags & END_STREAM, END_STREAM, "the answer is whole");
        let reset = client.next(RST_STREAM).await;
        assert_eq!((reset.stream, reset.code()), (stream, NO_ERROR));
        for _ in 0..pieces {
            client.send(frame(DATA, 0, stream, &[0; PIECE])).await;
        }
        client.send(frame(PING, 0, 0, &[5; 8])).await;
        let pong = async {
            loop {
                let frame = client.read().await;
                match frame.kind {
                    PING => return,
                    WINDOW_UPDATE if frame.stream == 0 => given_back += frame.code(),
                    GOAWAY => panic!("{}", frame.code()),
                    _ => {}
                }
            }
        };
        timeout(PATIENCE, pong).await.unwrap();
    }
    assert!(given_back >= window.connection_window_bytes, "{given_back}");
    client.send(get(1001, "/ok")).await;
    assert_eq!(client.next(DATA).await.payload, b"ok");
}

#[tokio::test]
async fn streams_that_are_reset_before_they_are_taken_up_end_the_connection_past_the_cap() {
    let cap = Http2Config::default().pending_reset_streams_max;
    for (resets, over) in [(cap, false), (cap + 1, true)] {
        let server = Server::start(config()).await;
        let flood = (0..resets).flat_map(|n| {
            let stream = u32::try_from(2 * n + 1).unwrap();
            [get(stream, "/ok"), frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())].concat()
        });
        // In one write, so that they come together.
        let all: Vec<u8> = settings(&[]).into_iter().chain(flood).collect();
        let mut client = RawHttp2::connect(&server, all).await;
        if over {
            assert_eq!(client.next(GOAWAY).await.code(), ENHANCE_YOUR_CALM);
        } else {
            client.ping().await;
        }
    }
}

#[tokio::test]
async fn one_stream_too_many_is_refused_alone() {
    let http2 = Http2Config { concurrent_streams_max: 2, ..Http2Config::default() };
    let server = Server::start(NetConfig { http2, ..config() }).await;
    let mut client = RawHttp2::connect(&server, settings(&[])).await;
    client.send([get(1, "/slow"), get(3, "/slow"), get(5, "/ok")].concat()).await;
    let refused = client.next(RST_STREAM).await;
    assert_eq!((refused.stream, refused.code()), (5, REFUSED_STREAM));
    for _ in 0..2 {
        server.routes.slow_go.notify_one();
        assert_eq!(client.next(DATA).await.payload, b"slow");
    }
    client.send(get(7, "/ok")).await;
    assert_eq!(client.next(DATA).await.payload, b"ok");
}
