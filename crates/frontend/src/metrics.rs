//! What is counted on the data plane. Labels are namespaces and fixed words, never keys.

use hashbrown::HashMap;
use headwater_telemetry::LATENCY_BUCKETS;
use parking_lot::RwLock;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use std::{cell::RefCell, sync::Arc, time::Duration};

/// Labels of a request. A request of no known namespace has an empty one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RequestLabels {
    /// Namespaces are bounded by the metadata: only known ones become labels.
    pub namespace: Arc<str>,
    /// playlist, media, key, other; empty where no object was named.
    pub class: &'static str,
    /// get, head, put, delete, list, options, other.
    pub verb: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// Where the bytes came from: hot, near, arriving; empty where none did.
    pub tier: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LatencyLabels {
    class: &'static str,
    verb: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct NamespaceLabel {
    pub namespace: Arc<str>,
}

type Latencies = Family<LatencyLabels, Histogram, fn() -> Histogram>;

/// What requests of the same labels count in: found by one look-up, as a look-up costs as much as a small answer.
#[derive(Debug)]
struct Series {
    requests: Counter,
    first_byte: Histogram,
    total: Histogram,
    bytes_in: Counter,
    bytes_out: Counter,
}

/// What a thread counted in last.
struct LastSeries {
    /// Of which metrics; kept, so that no others come to be at its address.
    of: SeriesByLabels,
    labels: RequestLabels,
    series: Arc<Series>,
}

thread_local! {
    static LAST_SERIES: RefCell<Option<LastSeries>> = const { RefCell::new(None) };
}

type SeriesByLabels = Arc<RwLock<HashMap<RequestLabels, Arc<Series>>>>;

/// The metrics of a frontend. Clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// As many as there are label sets in `requests`.
    series: SeriesByLabels,
    requests: Family<RequestLabels, Counter>,
    first_byte: Latencies,
    total: Latencies,
    bytes_in: Family<NamespaceLabel, Counter>,
    bytes_out: Family<NamespaceLabel, Counter>,
    pub(crate) ingest_used: Gauge,
    pub(crate) ingest_refused: Counter,
    pub(crate) near_bytes: Gauge,
    pub(crate) recoded_bytes: Gauge,
    pub(crate) recoded: Counter,
    pub(crate) hedges: Counter,
    pub(crate) absorbed: Counter,
    pub(crate) overwritten: Family<NamespaceLabel, Counter>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let latencies = || Latencies::new_with_constructor(|| Histogram::new(LATENCY_BUCKETS));
        Self {
            series: Arc::default(),
            requests: Family::default(),
            first_byte: latencies(),
            total: latencies(),
            bytes_in: Family::default(),
            bytes_out: Family::default(),
            ingest_used: Gauge::default(),
            ingest_refused: Counter::default(),
            near_bytes: Gauge::default(),
            recoded_bytes: Gauge::default(),
            recoded: Counter::default(),
            hedges: Counter::default(),
            absorbed: Counter::default(),
            overwritten: Family::default(),
        }
    }

    /// Names them in `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("http_requests", "Requests answered", self.requests.clone());
        registry.register_with_unit(
            "http_first_byte",
            "Time to the first byte of the answer",
            Unit::Seconds,
            self.first_byte.clone(),
        );
        registry.register_with_unit(
            "http_request",
            "Time to the last byte of the answer",
            Unit::Seconds,
            self.total.clone(),
        );
        registry.register("http_received_bytes", "Bytes of request bodies", self.bytes_in.clone());
        registry.register("http_sent_bytes", "Bytes of response bodies", self.bytes_out.clone());
        registry.register(
            "ingest_reserved_bytes",
            "Bytes of the ingest budget in use",
            self.ingest_used.clone(),
        );
        registry.register(
            "ingest_refused",
            "PUTs that were refused for want of ingest budget",
            self.ingest_refused.clone(),
        );
        registry.register(
            "near_cache_bytes",
            "Bytes of bodies of other processes' nodes that are kept for the next readers",
            self.near_bytes.clone(),
        );
        registry.register(
            "recoded_playlists_bytes",
            "Bytes of playlists that are kept in another content coding than the stored one",
            self.recoded_bytes.clone(),
        );
        registry.register(
            "playlists_recoded",
            "Versions of playlists that were compressed or decompressed for readers",
            self.recoded.clone(),
        );
        registry.register("read_hedges", "Reads that asked a second member", self.hedges.clone());
        registry.register(
            "writes_absorbed",
            "Writes that succeeded after a failed attempt",
            self.absorbed.clone(),
        );
        registry.register(
            "media_overwritten",
            "PUTs that replaced media, which caches may still serve as it was",
            self.overwritten.clone(),
        );
    }

    /// A request was answered, in all its bytes or in part.
    pub(crate) fn answered(&self, labels: &RequestLabels, bytes_in: u64, bytes_out: u64, times: Times) {
        self.with_series(labels, |series| {
            series.requests.inc();
            series.first_byte.observe(times.first_byte.as_secs_f64());
            series.total.observe(times.total.as_secs_f64());
            series.bytes_in.inc_by(bytes_in);
            series.bytes_out.inc_by(bytes_out);
        });
    }

    /// Calls `count` with the series of these labels. Requests of the same labels come in rows: the last series of a
    /// thread is found without a lock and without hashing.
    fn with_series(&self, labels: &RequestLabels, count: impl FnOnce(&Series)) {
        LAST_SERIES.with_borrow_mut(|last| {
            if !last
                .as_ref()
                .is_some_and(|last| Arc::ptr_eq(&last.of, &self.series) && last.labels == *labels)
            {
                let (of, labels) = (self.series.clone(), labels.clone());
                *last = Some(LastSeries { series: self.series(&labels), of, labels });
            }
            if let Some(last) = last {
                count(&last.series);
            }
        });
    }

    fn series(&self, labels: &RequestLabels) -> Arc<Series> {
        if let Some(series) = self.series.read().get(labels) {
            return series.clone();
        }
        let latency = LatencyLabels { class: labels.class, verb: labels.verb };
        let bytes = NamespaceLabel { namespace: labels.namespace.clone() };
        let series = Arc::new(Series {
            requests: self.requests.get_or_create_owned(labels),
            first_byte: self.first_byte.get_or_create_owned(&latency),
            total: self.total.get_or_create_owned(&latency),
            bytes_in: self.bytes_in.get_or_create_owned(&bytes),
            bytes_out: self.bytes_out.get_or_create_owned(&bytes),
        });
        self.series.write().insert(labels.clone(), series.clone());
        series
    }
}

/// How long a request took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub first_byte: Duration,
    pub total: Duration,
}
