//! The arithmetic of capacity: from a ladder of renditions to object sizes, memory, disk, S3 and bandwidth.
//!
//! Pure functions; `docs/capacity.md` explains each rule with its numbers.

mod cold;

pub use cold::{Cold, DvrWindow, Prices};

use serde::Serialize;

/// Added to what bit rate and duration give: container, audio beside the named bit rate, and peaks of the encoder.
pub const OBJECT_HEADROOM_PERCENT: u64 = 10;
/// Added to the hot capacity: segments that are arriving, playlists, init segments and what the tier keeps of each object.
pub const HOT_HEADROOM_PERCENT: u64 = 5;
/// Hot capacities are rounded up to a multiple of this.
pub const HOT_STEP_BYTES: u64 = 10 << 20;
/// The longest that a write waits in a failover: a zone is lost, and the metadata leader with it.
pub const FAILOVER_PAUSE_S: f64 = 4.0;
/// The ingest budget is this many times what arrives in a failover pause and a segment.
pub const INGEST_FACTOR: f64 = 2.0;

const KIB: u64 = 1 << 10;

/// What is to be computed.
#[derive(Debug, Clone)]
pub struct Input {
    /// Bits per second of each rendition.
    pub bitrates: Vec<u64>,
    /// Seconds of a segment.
    pub segment_s: f64,
    /// Seconds that a zone keeps in memory.
    pub hot_s: u64,
    /// Seconds of each DVR window.
    pub dvr_s: Vec<u64>,
    /// Channels with this ladder.
    pub channels: u64,
    /// Viewers that read from the frontends without a CDN between.
    pub viewers: u64,
    /// Storage nodes in all zones.
    pub nodes: u64,
    /// What S3 costs.
    pub prices: Prices,
}

/// What was computed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// Each rendition of the ladder.
    pub renditions: Vec<Rendition>,
    /// Segments of a rendition that a zone keeps in memory.
    pub hot_segments: u64,
    /// Size classes times segments times channels.
    pub hot_bytes_exact: u64,
    /// The same with its headroom, rounded up: the namespace's `hot_capacity_bytes`.
    pub hot_capacity_bytes: u64,
    /// Memory for writes that are not answered yet, over all frontends: their `ingest_budget_bytes`.
    pub ingest_budget_bytes: u64,
    /// Network.
    pub bandwidth: Bandwidth,
    /// Disk and S3 for each DVR window, in order of length.
    pub dvr: Vec<DvrWindow>,
}

/// One rendition.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rendition {
    /// Bits per second.
    pub bitrate_bps: u64,
    /// Bytes of a segment by bit rate and duration alone.
    pub object_bytes: u64,
    /// Bytes to plan a segment with.
    pub class_bytes: u64,
}

/// Bits per second, all channels together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bandwidth {
    /// From the encoders to the frontends.
    pub ingest_bps: f64,
    /// Between the zones: every object is copied once.
    pub replication_bps: f64,
    /// To one reader of everything, like the shield of a CDN.
    pub one_reader_bps: f64,
    /// To the viewers, each with the best rendition of a channel.
    pub viewers_bps: f64,
}

/// Computes everything.
pub fn plan(input: &Input) -> Plan {
    let renditions: Vec<Rendition> =
        input.bitrates.iter().map(|bps| rendition(*bps, input.segment_s)).collect();
    let ladder_bytes: u64 = renditions.iter().map(|r| r.class_bytes).sum();
    let all = |window_s: u64| {
        segments(window_s, input.segment_s).saturating_mul(ladder_bytes).saturating_mul(input.channels)
    };
    let hot_bytes_exact = all(input.hot_s);
    let ingest_bps = ladder_bytes as f64 * 8.0 / input.segment_s * input.channels as f64;
    let best = renditions.iter().map(|r| r.class_bytes).max().unwrap_or_default();
    let budget = ingest_bps / 8.0 * (FAILOVER_PAUSE_S + input.segment_s) * INGEST_FACTOR;
    let cold = Cold { nodes: input.nodes, prices: input.prices, written_bytes_per_day: all(86_400) };
    Plan {
        hot_segments: segments(input.hot_s, input.segment_s),
        hot_bytes_exact,
        hot_capacity_bytes: hot_capacity(hot_bytes_exact),
        ingest_budget_bytes: budget.ceil() as u64,
        bandwidth: Bandwidth {
            ingest_bps,
            replication_bps: ingest_bps,
            one_reader_bps: ingest_bps,
            viewers_bps: best as f64 * 8.0 / input.segment_s * input.viewers as f64,
        },
        dvr: input.dvr_s.iter().map(|window_s| cold.window(*window_s, all(*window_s))).collect(),
        renditions,
    }
}

fn rendition(bitrate_bps: u64, segment_s: f64) -> Rendition {
    let object_bytes = (bitrate_bps as f64 * segment_s / 8.0).ceil() as u64;
    Rendition { bitrate_bps, object_bytes, class_bytes: class_bytes(object_bytes) }
}

/// The size to plan an object with: [`OBJECT_HEADROOM_PERCENT`] more, rounded to the nearest 50 KiB (below 250 KiB to the
/// nearest 10, below 50 KiB to the nearest 1), and never less than the object itself.
pub fn class_bytes(object_bytes: u64) -> u64 {
    let with_headroom = object_bytes.saturating_mul(100 + OBJECT_HEADROOM_PERCENT) / 100;
    let step = match with_headroom / KIB {
        0..50 => KIB,
        50..250 => 10 * KIB,
        _ => 50 * KIB,
    };
    let nearest = with_headroom.saturating_add(step / 2) / step * step;
    nearest.max(object_bytes.div_ceil(KIB) * KIB)
}

/// Segments that overlap a window.
fn segments(window_s: u64, segment_s: f64) -> u64 {
    (window_s as f64 / segment_s).ceil() as u64
}

/// What a zone's hot capacity has to be for this many bytes.
pub fn hot_capacity(exact_bytes: u64) -> u64 {
    let with_headroom = exact_bytes.saturating_add(exact_bytes / 100 * HOT_HEADROOM_PERCENT);
    with_headroom.div_ceil(HOT_STEP_BYTES).saturating_mul(HOT_STEP_BYTES)
}

#[cfg(test)]
mod tests;
