//! An emulator of AWS Elemental MediaLive's "HLS Akamai" output, as an origin sees it.
//!
//! Basic credentials on every request; five-digit counters that start again at 00001 after a restart and overwrite; the
//! destination's query string on every PUT and on the child URIs of the multivariant playlist; chunked or with a length;
//! three retries; DELETE of segments that left the window; playlists gzip'd on request; a backlog burst after an outage.

use anyhow::{Result, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use futures_util::future::try_join_all;
use reqwest::{Body, Client, Method, Response, StatusCode};
use std::{
    collections::VecDeque,
    fmt::Write as _,
    io::Write as _,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// What the operator set up in the output group.
#[derive(Debug, Clone)]
pub struct MediaLiveConfig {
    /// The destination without its last name: `http://host/cache/ns/channel`.
    pub destination: String,
    /// The destination's query string, without `?`.
    pub query: String,
    /// Base name: `base.m3u8`, `base_720p30.m3u8`, `base_720p30_00001.ts`.
    pub base_name: String,
    /// Name modifiers of the outputs.
    pub renditions: Vec<String>,
    /// The password of the Basic credentials; the user is any name.
    pub password: String,
    /// Bodies with Transfer-Encoding instead of Content-Length.
    pub chunked: bool,
    /// Playlists with Content-Encoding: gzip.
    pub gzip: bool,
    /// Segments in a media playlist.
    pub window: usize,
    /// Segment duration, as playlists say it.
    pub segment_seconds: u32,
    /// Pause between two retries.
    pub retry_interval: Duration,
}

/// Retries of one request.
const RETRIES: u32 = 3;

/// The emulator.
#[derive(Debug)]
pub struct MediaLive {
    config: MediaLiveConfig,
    client: Client,
    counter: u32,
    windows: Vec<VecDeque<u32>>,
    failures: AtomicU32,
}

impl MediaLive {
    /// Starts a channel.
    pub fn new(config: MediaLiveConfig) -> Result<Self> {
        let windows = vec![VecDeque::new(); config.renditions.len()];
        let client = Client::builder().timeout(Duration::from_secs(15)).build()?;
        Ok(Self { config, client, counter: 0, windows, failures: AtomicU32::new(0) })
    }

    /// The channel restarts: counters begin again at 00001, names are used again, the window is empty.
    pub fn restart(&mut self) {
        self.counter = 0;
        self.windows.iter_mut().for_each(VecDeque::clear);
    }

    /// Pushes the multivariant playlist.
    pub async fn push_master(&self) -> Result<()> {
        let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:3\n");
        for rendition in &self.config.renditions {
            let query = self.suffix();
            write!(
                text,
                "#EXT-X-STREAM-INF:BANDWIDTH=1000000\n{}_{rendition}.m3u8{query}\n",
                self.config.base_name
            )?;
        }
        let name = format!("{}.m3u8", self.config.base_name);
        self.put_playlist(&name, text).await
    }

    /// Pushes the next segment of every rendition and the playlists that list them, and deletes what left the window.
    /// `segment` makes the bytes from the rendition's index and the counter.
    pub async fn push_segment(&mut self, segment: impl Fn(usize, u32) -> Bytes) -> Result<()> {
        self.push_backlog(1, segment).await
    }

    /// Pushes what was kept during an outage: `count` segments of each rendition at once, then its playlist, which lists
    /// the last of them.
    pub async fn push_backlog(&mut self, count: u32, segment: impl Fn(usize, u32) -> Bytes) -> Result<()> {
        let pushed = self.counter + 1..=self.counter + count;
        self.counter += count;
        for index in 0..self.config.renditions.len() {
            let channel = &*self;
            try_join_all(pushed.clone().map(|counter| {
                let (name, body) = (channel.segment_name(index, counter), segment(index, counter));
                async move { channel.put(&name, body, false).await }
            }))
            .await?;
            let window = &mut self.windows[index];
            window.extend(pushed.clone());
            let gone: Vec<u32> = window.drain(..window.len().saturating_sub(self.config.window)).collect();
            let playlist = self.media_playlist(index)?;
            let name = format!("{}_{}.m3u8", self.config.base_name, self.config.renditions[index]);
            self.put_playlist(&name, playlist).await?;
            for counter in gone {
                self.request(Method::DELETE, &self.segment_name(index, counter), None, false).await?;
            }
        }
        Ok(())
    }

    /// Requests that were answered with an error or not at all, retried ones included.
    pub fn failures(&self) -> u32 {
        self.failures.load(Ordering::Relaxed)
    }

    /// The name of a segment.
    pub fn segment_name(&self, rendition: usize, counter: u32) -> String {
        format!("{}_{}_{counter:05}.ts", self.config.base_name, self.config.renditions[rendition])
    }

    fn media_playlist(&self, index: usize) -> Result<String> {
        let seconds = self.config.segment_seconds;
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:{seconds}\n#EXT-X-MEDIA-SEQUENCE:{}\n",
            // Counters begin at 1, and so do media sequence numbers here.
            self.windows[index].front().unwrap_or(&1)
        );
        for counter in &self.windows[index] {
            write!(text, "#EXTINF:{seconds}.00000,\n{}\n", self.segment_name(index, *counter))?;
        }
        Ok(text)
    }

    async fn put_playlist(&self, name: &str, text: String) -> Result<()> {
        let body = if self.config.gzip {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(text.as_bytes())?;
            encoder.finish()?
        } else {
            text.into_bytes()
        };
        self.put(name, body.into(), self.config.gzip).await
    }

    async fn put(&self, name: &str, body: Bytes, gzip: bool) -> Result<()> {
        self.request(Method::PUT, name, Some(body), gzip).await.map(drop)
    }

    async fn request(
        &self,
        method: Method,
        name: &str,
        body: Option<Bytes>,
        gzip: bool,
    ) -> Result<StatusCode> {
        let mut last = String::new();
        for attempt in 0..=RETRIES {
            if attempt > 0 {
                tokio::time::sleep(self.config.retry_interval).await;
            }
            match self.send(method.clone(), name, body.clone(), gzip).await {
                Ok(response) if response.status().is_success() => return Ok(response.status()),
                Ok(response) => last = response.status().to_string(),
                Err(error) => last = error.to_string(),
            }
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        bail!("{method} {name} failed {} times, at last: {last}", RETRIES + 1)
    }

    async fn send(
        &self,
        method: Method,
        name: &str,
        body: Option<Bytes>,
        gzip: bool,
    ) -> reqwest::Result<Response> {
        let url = format!("{}/{name}{}", self.config.destination, self.suffix());
        let basic = STANDARD.encode(format!("momento:{}", self.config.password));
        let mut request = self.client.request(method, url).header("Authorization", format!("Basic {basic}"));
        if gzip {
            request = request.header("Content-Encoding", "gzip");
        }
        if let Some(body) = body {
            request = if self.config.chunked {
                let pieces: Vec<_> = body.chunks(64 * 1024).map(Bytes::copy_from_slice).collect();
                request.body(Body::wrap_stream(futures_util::stream::iter(
                    pieces.into_iter().map(Ok::<_, std::io::Error>),
                )))
            } else {
                request.body(body)
            };
        }
        request.send().await
    }

    fn suffix(&self) -> String {
        if self.config.query.is_empty() { String::new() } else { format!("?{}", self.config.query) }
    }
}
