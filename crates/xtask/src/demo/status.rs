//! The demo's status line: renditions with the age of their live edge, and what the server counts.

use super::{channel::Channel, ladder::LADDER};
use crate::{http, metrics::Scrape};
use std::net::SocketAddr;

/// One line about the channel and the server. What cannot be read is shown as `-`.
pub fn line(channel: &Channel<'_>, admin: SocketAddr, admin_token: &str) -> String {
    let renditions = LADDER.iter().map(|rendition| {
        let age = channel.live_edge_age(rendition).ok();
        format!("{} {}", rendition.name, shown(age.map(|age| format!("{} s", age.as_secs()))))
    });
    let renditions = renditions.collect::<Vec<_>>().join(", ");
    let metrics = http::get(admin, "/metrics", Some(&format!("Bearer {admin_token}")));
    let scrape =
        metrics.ok().filter(|answer| answer.status == 200).map(|answer| Scrape::parse(&answer.text()));
    format!("live edge: {renditions} | {}", counters(&scrape.unwrap_or_default()))
}

/// Bytes in and out and the share of reads that memory answered.
fn counters(scrape: &Scrape) -> String {
    let received = scrape.sum("headwater_http_received_bytes_total", &[]);
    let sent = scrape.sum("headwater_http_sent_bytes_total", &[]);
    let reads = |labels: &[(&str, &str)]| scrape.sum("headwater_http_requests_total", labels);
    let hot = reads(&[("verb", "get"), ("tier", "hot")]).zip(reads(&[("verb", "get")]));
    let hot = hot.filter(|(_, all)| *all > 0.0).map(|(hot, all)| format!("{:.1} %", 100.0 * hot / all));
    format!("in {}, out {}, hot {}", shown(received.map(bytes)), shown(sent.map(bytes)), shown(hot))
}

fn shown(value: Option<String>) -> String {
    value.unwrap_or_else(|| "-".to_owned())
}

/// A number of bytes for people.
fn bytes(count: f64) -> String {
    let mut scaled = count;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if scaled < 1024.0 {
            return format!("{scaled:.0} {unit}");
        }
        scaled /= 1024.0;
    }
    format!("{scaled:.1} TiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_is_there() {
        assert_eq!(counters(&Scrape::default()), "in -, out -, hot -");
        let scrape = Scrape::parse(
            "headwater_http_received_bytes_total{class=\"segment\"} 1023\n\
             headwater_http_sent_bytes_total{class=\"segment\"} 1572864\n\
             headwater_http_requests_total{verb=\"get\",tier=\"hot\"} 3\n\
             headwater_http_requests_total{verb=\"get\",tier=\"disk\"} 1\n\
             headwater_http_requests_total{verb=\"put\",tier=\"hot\"} 7\n",
        );
        assert_eq!(counters(&scrape), "in 1023 B, out 2 MiB, hot 75.0 %");
    }
}
