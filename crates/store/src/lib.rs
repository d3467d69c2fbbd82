//! One node's storage: the hot tier, and the traits that later tiers implement.

pub mod conformance;
pub mod faulty;
pub mod hot;
pub mod metrics;
pub mod record;
pub mod tier;

pub use faulty::Faulty;
pub use hot::{HotConfig, HotStats, HotTier};
pub use metrics::HotMetrics;
pub use record::Record;
pub use tier::{Inserted, ListRecords, ListedRecord, NamespaceStats, Tier, TierError};
