//! Disk and S3 for a window of DVR.

use serde::Serialize;

/// Volumes take up to this much more than the objects in them: they go as whole files, when their bucket has passed.
pub const VOLUME_OVERHEAD_PERCENT: u64 = 9;
/// Bytes of a pack.
pub const PACK_BYTES: u64 = 64 << 20;
/// A node packs what waits at least this often: one pack a node more for each interval.
pub const PACK_INTERVAL_S: u64 = 600;
/// What lives shorter than this is not packed.
pub const COLD_AFTER_S: u64 = 900;
/// Days of a month of costs.
const DAYS_PER_MONTH: f64 = 30.0;
const GIB: f64 = (1u64 << 30) as f64;

/// What S3 costs, in dollars.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Prices {
    /// A GiB for a month.
    pub gib_month: f64,
    /// A thousand PUTs.
    pub thousand_puts: f64,
}

/// What is written and packed.
#[derive(Debug, Clone, Copy)]
pub struct Cold {
    /// Storage nodes in all zones.
    pub nodes: u64,
    /// What S3 costs.
    pub prices: Prices,
    /// Bytes that all channels write in a day.
    pub written_bytes_per_day: u64,
}

/// A DVR window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DvrWindow {
    /// Its length in seconds.
    pub window_s: u64,
    /// Bytes of all objects in it, one copy.
    pub bytes: u64,
    /// Disk of each zone, if it keeps the whole window there.
    pub disk_bytes_per_zone: u64,
    /// Bytes in S3; 0 for windows that are too short to be packed.
    pub s3_bytes: u64,
    /// Packs in S3.
    pub s3_packs: u64,
    /// PUTs a day.
    pub s3_puts_per_day: u64,
    /// Dollars a month for what is kept there.
    pub s3_storage_usd_per_month: f64,
    /// Dollars a month for PUTs.
    pub s3_puts_usd_per_month: f64,
}

impl Cold {
    /// Disk and S3 of a window with this many bytes.
    pub fn window(&self, window_s: u64, bytes: u64) -> DvrWindow {
        let packed = window_s > COLD_AFTER_S;
        let puts_per_day = if packed { self.puts(86_400, self.written_bytes_per_day) } else { 0 };
        let s3_bytes = if packed { bytes } else { 0 };
        DvrWindow {
            window_s,
            bytes,
            disk_bytes_per_zone: bytes.saturating_add(bytes / 100 * VOLUME_OVERHEAD_PERCENT),
            s3_bytes,
            s3_packs: if packed { self.puts(window_s, bytes) } else { 0 },
            s3_puts_per_day: puts_per_day,
            s3_storage_usd_per_month: s3_bytes as f64 / GIB * self.prices.gib_month,
            s3_puts_usd_per_month: puts_per_day as f64 / 1000.0 * self.prices.thousand_puts * DAYS_PER_MONTH,
        }
    }

    /// Packs of some time: full ones by bytes, and one mixed pack a node and interval.
    fn puts(&self, seconds: u64, bytes: u64) -> u64 {
        let mixed = self.nodes.saturating_mul(seconds.div_ceil(PACK_INTERVAL_S));
        bytes.div_ceil(PACK_BYTES).saturating_add(mixed)
    }
}
