//! Metrics of the tiers, read from their own counts at each scrape.

use headwater_types::ZoneName;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};
use std::{fmt, sync::Arc};

use crate::hot::{HotStats, HotTier};

/// Metrics of the hot tiers of a process, each labelled with its node's `zone`; the names below get the registry's prefix.
///
/// - `hot_bytes`, `hot_capacity_bytes`: bytes in use and the most that they may be, overhead included.
/// - `hot_records`, `hot_tombstones`: what is held.
/// - `hot_evictions_total{class}`: records that had to go before their time. `class` is `playlist`, `media`, `key` or
///   `other`.
/// - `hot_expired_total`: records that left when their time had passed.
/// - `hot_refused_total`: records for which there was no room though nothing else was left to evict.
#[derive(Debug)]
pub struct HotMetrics {
    tiers: Vec<(ZoneName, Arc<HotTier>)>,
}

impl HotMetrics {
    /// The metrics of the tiers of these zones.
    pub fn new(tiers: Vec<(ZoneName, Arc<HotTier>)>) -> Self {
        Self { tiers }
    }

    /// Has them answered by a registry.
    pub fn register(self, registry: &mut Registry) {
        registry.register_collector(Box::new(self));
    }
}

/// A count of a tier: its name, its help and how it is read.
type Count = (&'static str, &'static str, fn(&HotStats) -> u64);

const GAUGES: [Count; 4] = [
    ("hot_bytes", "Bytes in use in the hot tier", |stats| stats.used_bytes),
    ("hot_capacity_bytes", "The most bytes that the hot tier may use", |stats| stats.capacity_bytes),
    ("hot_records", "Records in the hot tier", HotStats::records),
    ("hot_tombstones", "Tombstones in the hot tier", |stats| stats.tombstones),
];
const COUNTERS: [Count; 2] = [
    ("hot_expired", "Records that left the hot tier when their time had passed", |stats| stats.expired),
    ("hot_refused", "Records that the hot tier had no room for", |stats| stats.refused),
];

impl Collector for HotMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let stats: Vec<_> = self.tiers.iter().map(|(zone, tier)| (zone.as_str(), tier.stats())).collect();
        for (name, help, read) in GAUGES {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (zone, stats) in &stats {
                ConstGauge::new(read(stats)).encode(family.encode_family(&[("zone", *zone)])?)?;
            }
        }
        for (name, help, read) in COUNTERS {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (zone, stats) in &stats {
                ConstCounter::new(read(stats)).encode(family.encode_family(&[("zone", *zone)])?)?;
            }
        }
        let help = "Records that left the hot tier before their time";
        let mut family = encoder.encode_descriptor("hot_evictions", help, None, MetricType::Counter)?;
        for (zone, stats) in &stats {
            for (class, counts) in stats.by_class.iter() {
                let labels = [("zone", *zone), ("class", class.as_str())];
                ConstCounter::new(counts.evicted).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HotConfig, conformance::Sample};
    use headwater_types::{ManualClock, MediaClass, UnixMillis};
    use std::time::Duration;

    #[test]
    fn a_scrape_shows_the_counts() {
        let clock = Arc::new(ManualClock::new(UnixMillis(1_000_000)));
        let sample = |key| Sample::new(key, 1).at(UnixMillis(1_000_000)).ttl(Duration::from_secs(1));
        let cost = sample("a").build().cost();
        let tier = Arc::new(HotTier::new(HotConfig::with_capacity(cost * 2), clock));
        for key in ["a", "b", "c"] {
            tier.insert_now(sample(key).class(MediaClass::Media).build()).unwrap();
        }
        tier.insert_now(sample("big").body(vec![0; 10_000]).build()).unwrap();
        tier.insert_now(sample("b").seq(2).tombstone().build()).unwrap();
        tier.insert_now(sample("c").seq(2).class(MediaClass::Playlist).build()).unwrap();
        tier.remove_now(&sample("b").build().object, sample("b").seq(2).build().meta.version);
        tier.insert_now(sample("d").build()).unwrap();
        tier.expire(UnixMillis(1_001_000));
        tier.insert_now(sample("e").tombstone().build()).unwrap();

        let mut registry = Registry::with_prefix("headwater");
        HotMetrics::new(vec![(ZoneName::parse("a").unwrap(), Arc::clone(&tier))]).register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            &format!("headwater_hot_bytes{{zone=\"a\"}} {}", tier.used_bytes()),
            &format!("headwater_hot_capacity_bytes{{zone=\"a\"}} {}", cost * 2),
            "headwater_hot_records{zone=\"a\"} 0",
            "headwater_hot_tombstones{zone=\"a\"} 1",
            "headwater_hot_expired_total{zone=\"a\"} 2",
            "headwater_hot_refused_total{zone=\"a\"} 1",
            "headwater_hot_evictions_total{zone=\"a\",class=\"media\"} 1",
            "headwater_hot_evictions_total{zone=\"a\",class=\"playlist\"} 0",
        ] {
            assert!(text.lines().any(|l| l == line), "no line {line:?} in\n{text}");
        }
    }
}
