//! HTTP/1.1 at the raw socket: what is sent is written byte by byte, what comes back is parsed strictly.

use anyhow::{Context, Result, bail};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(15);

/// A connection.
#[derive(Debug)]
pub struct RawConn {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// A response.
#[derive(Debug, Clone)]
pub struct RawResponse {
    /// The status code.
    pub status: u16,
    /// Names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// The decoded body.
    pub body: Vec<u8>,
}

impl RawResponse {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The `code` of a problem document.
    pub fn code(&self) -> String {
        let json: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        json["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl RawConn {
    /// Connects to `host:port`.
    pub async fn connect(address: &str) -> Result<Self> {
        let stream = timeout(LIMIT, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        Ok(Self { stream, unread: Vec::new() })
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        timeout(LIMIT, self.stream.write_all(bytes.as_ref())).await.context("sending took too long")??;
        Ok(())
    }

    /// Half-closes: nothing more will be sent.
    pub async fn finish(&mut self) -> Result<()> {
        Ok(self.stream.shutdown().await?)
    }

    /// Reads the head of a response: status and headers.
    pub async fn head(&mut self) -> Result<(u16, Vec<(String, String)>)> {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|w| w == b"\r\n\r\n") {
                break at;
            }
            self.fill().await.context("the connection ended before a whole response head")?;
        };
        let head: Vec<u8> = self.unread.drain(..end + 4).collect();
        let head = String::from_utf8(head)?;
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().and_then(|l| l.split(' ').nth(1)).context("no status")?.parse()?;
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        Ok((status, lines.filter_map(header).collect()))
    }

    /// Reads one final response to a request other than HEAD; interim ones (1xx) are passed over.
    pub async fn response(&mut self) -> Result<RawResponse> {
        loop {
            let (status, headers) = self.head().await?;
            if (100..200).contains(&status) {
                continue;
            }
            let find = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
            let body = if status == 204 || status == 304 {
                Vec::new()
            } else if find("transfer-encoding").is_some_and(|v| v.contains("chunked")) {
                self.chunked().await?
            } else if let Some(length) = find("content-length") {
                self.exactly(length.parse()?).await?
            } else {
                self.rest().await?
            };
            return Ok(RawResponse { status, headers, body });
        }
    }

    /// Sends and reads one response.
    pub async fn exchange(&mut self, bytes: impl AsRef<[u8]>) -> Result<RawResponse> {
        self.send(bytes).await?;
        self.response().await
    }

    /// Reads one chunk of a chunked body; empty at its end.
    pub async fn chunk(&mut self) -> Result<Vec<u8>> {
        let line = loop {
            if let Some(at) = self.unread.windows(2).position(|w| w == b"\r\n") {
                break self.unread.drain(..at + 2).collect::<Vec<u8>>();
            }
            self.fill().await.context("the connection ended inside a chunked body")?;
        };
        let text = std::str::from_utf8(&line)?.trim();
        let size = usize::from_str_radix(text.split(';').next().unwrap_or_default(), 16)?;
        let chunk = self.exactly(size + 2).await?;
        Ok(chunk[..size].to_vec())
    }

    async fn chunked(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let chunk = self.chunk().await?;
            if chunk.is_empty() {
                return Ok(body);
            }
            body.extend(chunk);
        }
    }

    /// Reads exactly so many bytes.
    pub async fn exactly(&mut self, count: usize) -> Result<Vec<u8>> {
        while self.unread.len() < count {
            self.fill()
                .await
                .with_context(|| format!("the connection ended {} bytes early", count - self.unread.len()))?;
        }
        Ok(self.unread.drain(..count).collect())
    }

    /// Reads to the end of the connection.
    pub async fn rest(&mut self) -> Result<Vec<u8>> {
        while timeout(LIMIT, self.stream.read_buf(&mut self.unread)).await.context("no end in time")?? > 0 {}
        Ok(std::mem::take(&mut self.unread))
    }

    /// Whether the peer ends the connection, without another byte, within `limit`. A reset counts as an end.
    pub async fn is_closed_within(&mut self, limit: Duration) -> bool {
        let mut byte = [0];
        match timeout(limit, self.stream.read(&mut byte)).await {
            Ok(Ok(read)) => read == 0 && self.unread.is_empty(),
            Ok(Err(_)) => self.unread.is_empty(),
            Err(_) => false,
        }
    }

    /// Whether nothing comes for `limit`, not even the end. What comes is kept for the next read.
    pub async fn is_silent_for(&mut self, limit: Duration) -> bool {
        self.unread.is_empty() && timeout(limit, self.stream.read_buf(&mut self.unread)).await.is_err()
    }

    async fn fill(&mut self) -> Result<()> {
        let read = timeout(LIMIT, self.stream.read_buf(&mut self.unread))
            .await
            .context("nothing came in time")??;
        if read == 0 {
            bail!("end of the connection; unread: {:?}", String::from_utf8_lossy(&self.unread));
        }
        Ok(())
    }
}
