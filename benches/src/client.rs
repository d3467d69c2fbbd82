//! A cheap HTTP/1.1 client: one kept connection, requests one after the other, bodies counted instead of kept.

use anyhow::{Context, bail, ensure};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

/// Limit of a whole exchange. Longer than a server's own write deadline.
const TIMEOUT: Duration = Duration::from_secs(20);
const READ_BUFFER_BYTES: usize = 64 * 1024;
const MAX_LINE_BYTES: u64 = 8 * 1024;
const MAX_HEADERS: usize = 100;

/// A connection that is opened when it is first needed and again after the server closed it.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    /// `Host` and `Authorization`, as sent.
    fixed: String,
    stream: Option<BufReader<TcpStream>>,
}

/// How the end of a body is known (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
}

/// The head of an answer, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    status: u16,
    framing: Framing,
    close: bool,
}

impl Connection {
    /// Not yet opened.
    pub fn new(address: SocketAddr, authorization: &str) -> Self {
        let fixed = format!("Host: {address}\r\nAuthorization: {authorization}\r\n");
        Self { address, fixed, stream: None }
    }

    /// GETs an object and gives its length.
    ///
    /// # Errors
    /// Anything but a complete 200.
    pub async fn get(&mut self, path: &str) -> anyhow::Result<usize> {
        let (status, length) = self.exchange("GET", path, None, None).await?;
        ensure!(status == 200, "status {status}");
        Ok(length)
    }

    /// GETs a text.
    ///
    /// # Errors
    /// Anything but a complete 200 with UTF-8.
    pub async fn get_text(&mut self, path: &str) -> anyhow::Result<String> {
        let mut body = Vec::new();
        let (status, _) = self.exchange("GET", path, None, Some(&mut body)).await?;
        ensure!(status == 200, "status {status}");
        String::from_utf8(body).context("not UTF-8")
    }

    /// PUTs an object.
    ///
    /// # Errors
    /// Anything but 201 or 204.
    pub async fn put(&mut self, path: &str, body: &[u8]) -> anyhow::Result<()> {
        let (status, _) = self.exchange("PUT", path, Some(body), None).await?;
        ensure!(matches!(status, 201 | 204), "status {status}");
        Ok(())
    }

    /// One request and its answer: status and body length. After an error the connection is closed.
    async fn exchange(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&[u8]>,
        keep: Option<&mut Vec<u8>>,
    ) -> anyhow::Result<(u16, usize)> {
        let (status, length, stream) =
            timeout(TIMEOUT, self.attempt(method, path, body, keep)).await.context("timed out")??;
        self.stream = stream;
        Ok((status, length))
    }

    /// Takes the connection, and gives it back where it may be used again.
    async fn attempt(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&[u8]>,
        keep: Option<&mut Vec<u8>>,
    ) -> anyhow::Result<(u16, usize, Option<BufReader<TcpStream>>)> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(self.address).await.context("connect")?;
                stream.set_nodelay(true)?;
                BufReader::with_capacity(READ_BUFFER_BYTES, stream)
            }
        };
        let length = body.map(|body| format!("Content-Length: {}\r\n", body.len())).unwrap_or_default();
        let request = format!("{method} {path} HTTP/1.1\r\n{}{length}\r\n", self.fixed);
        stream.get_mut().write_all(request.as_bytes()).await.context("send")?;
        if let Some(body) = body {
            stream.get_mut().write_all(body).await.context("send the body")?;
        }
        let head = read_head(&mut stream).await?;
        let length = match head.framing {
            Framing::Length(length) => {
                read_exactly(&mut stream, length, keep).await?;
                length
            }
            Framing::Chunked => read_chunks(&mut stream, keep).await?,
        };
        Ok((head.status, length, (!head.close).then_some(stream)))
    }
}

async fn read_head<R: AsyncBufReadExt + Unpin>(stream: &mut R) -> anyhow::Result<Head> {
    let first = read_line(stream).await?;
    let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status: u16 = status.with_context(|| format!("not a status line: {first:?}"))?;
    let mut framing = matches!(status, 204 | 304).then_some(Framing::Length(0));
    let mut close = false;
    for _ in 0..MAX_HEADERS {
        let line = read_line(stream).await?;
        if line.is_empty() {
            let framing = framing.context("an answer without a length")?;
            return Ok(Head { status, framing, close });
        }
        let (name, value) = line.split_once(':').context("not a header")?;
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => framing = framing.or(Some(Framing::Length(value.parse()?))),
            "transfer-encoding" => framing = Some(Framing::Chunked),
            "connection" => close = value.eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    bail!("more than {MAX_HEADERS} headers")
}

/// A line without its end.
async fn read_line<R: AsyncBufReadExt + Unpin>(stream: &mut R) -> anyhow::Result<String> {
    let mut line = Vec::new();
    stream.take(MAX_LINE_BYTES).read_until(b'\n', &mut line).await?;
    let text = line.strip_suffix(b"\n").context("the connection ended, or a line is too long")?;
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    Ok(String::from_utf8_lossy(text).into_owned())
}

/// Reads `length` bytes, and keeps them if asked to.
async fn read_exactly<R: AsyncBufReadExt + Unpin>(
    stream: &mut R,
    length: usize,
    mut keep: Option<&mut Vec<u8>>,
) -> anyhow::Result<()> {
    let mut left = length;
    while left > 0 {
        let have = stream.fill_buf().await?;
        ensure!(!have.is_empty(), "the body was cut {left} bytes before its end");
        let used = have.len().min(left);
        if let Some(keep) = keep.as_deref_mut() {
            keep.extend_from_slice(&have[..used]);
        }
        stream.consume(used);
        left -= used;
    }
    Ok(())
}

/// Reads a chunked body (RFC 9112 section 7.1) and gives its length.
async fn read_chunks<R: AsyncBufReadExt + Unpin>(
    stream: &mut R,
    mut keep: Option<&mut Vec<u8>>,
) -> anyhow::Result<usize> {
    let mut total = 0;
    loop {
        let line = read_line(stream).await?;
        let size = line.split(';').next().unwrap_or(&line).trim();
        let size = usize::from_str_radix(size, 16).with_context(|| format!("not a chunk size: {line:?}"))?;
        if size == 0 {
            // Trailers, up to the empty line.
            for _ in 0..MAX_HEADERS {
                if read_line(stream).await?.is_empty() {
                    return Ok(total);
                }
            }
            bail!("more than {MAX_HEADERS} trailers");
        }
        read_exactly(stream, size, keep.as_deref_mut()).await?;
        ensure!(read_line(stream).await?.is_empty(), "a chunk longer than its size");
        total += size;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(mut answer: &[u8]) -> anyhow::Result<(Head, Vec<u8>)> {
        let mut body = Vec::new();
        let head = read_head(&mut answer).await?;
        match head.framing {
            Framing::Length(length) => read_exactly(&mut answer, length, Some(&mut body)).await?,
            Framing::Chunked => drop(read_chunks(&mut answer, Some(&mut body)).await?),
        }
        assert!(answer.is_empty(), "the next answer would begin here");
        Ok((head, body))
    }

    #[tokio::test]
    async fn reads_by_length_by_chunks_and_without_a_body() {
        let (head, body) = read(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await.unwrap();
        assert_eq!((head.status, head.close, body.as_slice()), (200, false, b"hello".as_slice()));

        let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nA: b\r\n\r\n";
        assert_eq!(read(chunked).await.unwrap().1, b"hello");

        let (head, body) = read(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await.unwrap();
        assert_eq!((head.status, head.close, body.len()), (204, true, 0));
    }

    #[tokio::test]
    async fn refuses_what_is_cut_or_has_no_length() {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhell\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n",
            "nonsense\r\n\r\n",
            "",
        ] {
            assert!(read(answer.as_bytes()).await.is_err(), "{answer:?}");
        }
    }
}
