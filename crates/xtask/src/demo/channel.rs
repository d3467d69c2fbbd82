//! The channel as a player sees it: its playlists, its newest segments, and how old the live edge is.

use super::ladder::{CHANNEL, LADDER, MULTIVARIANT, Rendition};
use crate::http::{self, Response};
use anyhow::{Context, bail};
use headwater_types::{Clock, SystemClock};
use std::{net::SocketAddr, time::Duration};

/// A channel on a server, read with a player's key.
#[derive(Debug)]
pub struct Channel<'a> {
    pub server: SocketAddr,
    pub namespace: &'a str,
    pub key: &'a str,
    pub clock: &'a SystemClock,
}

impl Channel<'_> {
    /// Whether the multivariant playlist names every rendition and each can be read down to its newest segment.
    pub fn plays(&self) -> bool {
        let Ok(multivariant) = self.get(MULTIVARIANT) else { return false };
        let text = multivariant.text();
        LADDER.iter().all(|rendition| {
            entries(&text).any(|uri| without_query(uri) == rendition.playlist())
                && self.newest_segment(rendition).is_ok()
        })
    }

    /// Bytes of the newest segment of a rendition.
    ///
    /// # Errors
    /// The playlist or the segment cannot be read, or is empty.
    pub fn newest_segment(&self, rendition: &Rendition) -> anyhow::Result<usize> {
        let playlist = self.get(&rendition.playlist())?.text();
        let segment = entries(&playlist).last().context("the playlist lists nothing")?;
        let bytes = self.get(segment)?.body.len();
        if bytes == 0 {
            bail!("{segment} is empty");
        }
        Ok(bytes)
    }

    /// How long ago a rendition's playlist changed, to the second that HTTP dates have.
    ///
    /// # Errors
    /// It cannot be read or carries no date.
    pub fn live_edge_age(&self, rendition: &Rendition) -> anyhow::Result<Duration> {
        let playlist = self.get(&rendition.playlist())?;
        let date = playlist.header("last-modified").context("no Last-Modified")?;
        let changed = httpdate::parse_http_date(date).with_context(|| format!("Last-Modified: {date}"))?;
        Ok(self.clock.unix_millis().to_system_time().duration_since(changed).unwrap_or_default())
    }

    /// A file of the channel.
    fn get(&self, file: &str) -> anyhow::Result<Response> {
        let path = format!("/cache/{}/{CHANNEL}/{file}", self.namespace);
        let response = http::get(self.server, &path, Some(self.key))?;
        if response.status != 200 {
            bail!("GET {path}: {}", response.status);
        }
        Ok(response)
    }
}

/// The URIs of a playlist's entries.
fn entries(playlist: &str) -> impl Iterator<Item = &str> {
    playlist.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// A URI without its query.
fn without_query(uri: &str) -> &str {
    uri.split('?').next().unwrap_or(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_the_lines_that_are_no_tags() {
        let playlist = "#EXTM3U\r\n#EXTINF:2,\r\na_1.ts\r\n\r\n#EXTINF:2,\na_2.ts?x=1\n";
        assert_eq!(entries(playlist).map(without_query).collect::<Vec<_>>(), ["a_1.ts", "a_2.ts"]);
    }
}
