//! Every answer about a key, refusals of conditional writes included, fits one order, through whichever zone it came.

use headwater_meta::NamespaceSettings;
use headwater_testkit::{
    HistoryLoad, InProcessConfig,
    history::{Call, Outcome},
};
use std::time::Duration;

use crate::origin::Origin;

/// Commits between the nodes take up to so long.
const SLOW: Duration = Duration::from_millis(40);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(crate) async fn conditional_writes_and_reads_through_both_zones_are_linearizable() {
    for seed in 1..=2 {
        let config = InProcessConfig { slow_links: Some((seed, SLOW)), ..InProcessConfig::default() };
        let origin = Origin::with(config, NamespaceSettings::default()).await;
        let urls = [0, 1].map(|at| format!("http://{}/cache/live", origin.cluster.addresses[at]));
        let load = HistoryLoad { urls, api_key: origin.keys.encoder.clone(), seed, keys: 12 };
        let history = load.run().await.unwrap();
        let refused = history.count(|_, outcome| outcome == Outcome::Refused);
        let created =
            history.count(|call, outcome| matches!(call, Call::Create(_)) && outcome == Outcome::Done);
        assert!(refused >= 40 && created >= 5, "seed {seed}: {refused} refused, {created} created");
        history.check().unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        origin.cluster.stop().await;
    }
}
