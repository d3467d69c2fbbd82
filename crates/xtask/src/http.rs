//! A small HTTP GET over one loopback connection. It speaks HTTP/1.0, so that answers are never chunked and end with
//! the connection.

use anyhow::{Context, bail};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// Limit of each connect, read and write.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Most bytes of an answer, head included.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// A complete answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    headers: Vec<(String, String)>,
    /// The body, whole.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of this name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body, read as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Reads an answer that ended with its connection.
    fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        let end = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .context("the answer has no end of headers")?;
        let head = std::str::from_utf8(&bytes[..end]).context("the answer's head is not UTF-8")?;
        let body = bytes[end + 4..].to_vec();
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.with_context(|| format!("not an HTTP status line: {first:?}"))?;
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        let response = Self { status, headers, body };
        if let Some(length) = response.header("content-length")
            && length.parse() != Ok(response.body.len())
        {
            bail!("the answer was cut at {} of {length} bytes", response.body.len());
        }
        Ok(response)
    }
}

/// GETs `path` (with its query) from `address`. Any status is an answer, not an error.
///
/// # Errors
/// No connection, a time limit, an answer that is cut, too long or not HTTP.
pub fn get(address: SocketAddr, path: &str, authorization: Option<&str>) -> anyhow::Result<Response> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let credentials = authorization.map(|key| format!("Authorization: {key}\r\n")).unwrap_or_default();
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n{credentials}\r\n").as_bytes())?;
    let mut bytes = Vec::new();
    stream.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Response::parse(&bytes).with_context(|| format!("GET http://{address}{path}"))
}

/// Whether `path` answers 200. Whoever does not answer at all is not ready.
pub fn is_ready(address: SocketAddr, path: &str) -> bool {
    get(address, path, None).is_ok_and(|response| response.status == 200)
}

/// The address in an `http://HOST:PORT` URL whose host is an IP address.
///
/// # Errors
/// Not such a URL.
pub fn address_of(url: &str) -> anyhow::Result<SocketAddr> {
    url.strip_prefix("http://")
        .map(|rest| rest.split('/').next().unwrap_or(rest))
        .and_then(|authority| authority.parse().ok())
        .with_context(|| format!("not http://ADDRESS:PORT: {url:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_status_headers_and_body() {
        let response =
            Response::parse(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nLast-Modified: x: y\r\n\r\nhi")
                .unwrap();
        assert_eq!((response.status, response.text().as_str()), (200, "hi"));
        assert_eq!(response.header("last-modified"), Some("x: y"));
        assert_eq!(Response::parse(b"HTTP/1.0 404 Not Found\r\n\r\n").unwrap().status, 404);
    }

    #[test]
    fn refuses_what_is_cut_or_not_http() {
        for bytes in
            ["", "HTTP/1.1 200 OK\r\n", "SSH-2.0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi"]
        {
            assert!(Response::parse(bytes.as_bytes()).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn address_of_a_url() {
        assert_eq!(address_of("http://127.0.0.1:80/x").unwrap(), "127.0.0.1:80".parse().unwrap());
        assert!(address_of("https://127.0.0.1:80").is_err());
    }
}
