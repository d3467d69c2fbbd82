//! `Record::cost` against the memory that records really take. Alone in its process, as it looks at the whole of it.

#![cfg(target_os = "linux")]

use headwater_store::{HotConfig, HotTier, conformance::Sample};
use headwater_types::{SystemClock, UnixMillis};
use std::{sync::Arc, time::Duration};

const RECORDS: u64 = 100_000;

/// Anonymous memory of this process in bytes (`/proc/self/status`, in kB there).
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or_else(|| panic!("no RssAnon in {status:?}")) * 1024
}

#[test]
fn the_cost_of_records_is_about_the_memory_they_take() {
    for (body, key) in [
        (0, "s"),
        (100, "live/channel-one/480p30/segment_"),
        (4000, "a/rather/long/name/".repeat(8).as_str()),
    ] {
        let tier = HotTier::new(HotConfig::with_capacity(u64::MAX), Arc::new(SystemClock::new()));
        let before = resident_bytes();
        for n in 0..RECORDS {
            let sample = Sample::new(&format!("{key}{n}"), n).at(UnixMillis(n)).ttl(Duration::MAX);
            tier.insert_now(sample.body(vec![1; body]).build()).unwrap_or_else(|error| panic!("{error}"));
        }
        let took = (resident_bytes() - before) / RECORDS;
        let counted = tier.used_bytes() / RECORDS;
        assert!(took * 100 < counted * 115, "a record takes {took} bytes and counts as {counted}");
        assert!(took * 100 > counted * 85, "a record takes {took} bytes and counts as {counted}");
        // Kept, so that the next one does not find freed memory to use.
        std::mem::forget(tier);
    }
}
