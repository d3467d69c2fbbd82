//! The quick run: interleaved rounds of closed loops over all servers, then live traffic on each.

use crate::{
    headwater,
    live::{self, Load},
    nginx, put,
    report::{Report, Scenario},
    target::{Kind, Target},
    wrk,
};
use anyhow::{Context, bail};
use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc};

/// Options of `headwater-bench quick`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The `headwater` binary, built optimised.
    #[arg(long, value_name = "PATH")]
    headwater: PathBuf,
    /// The `xtask` binary, which starts the cluster.
    #[arg(long, value_name = "PATH")]
    xtask: PathBuf,
    /// The `headwater` binary of an earlier build, to measure beside this one.
    #[arg(long, value_name = "PATH")]
    before: Option<PathBuf>,
    /// Also write the results here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fail where a ratio is below its floor.
    #[arg(long)]
    check: bool,
    /// Rounds of each closed loop.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds of each measurement with wrk.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Live renditions.
    #[arg(long, default_value_t = 120, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1000))]
    renditions: usize,
    /// Viewers of each live rendition.
    #[arg(long, default_value_t = 3, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=10))]
    viewers: usize,
    /// Seconds of live traffic.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..=600))]
    live_seconds: u64,
}

/// Measures and prints.
///
/// # Errors
/// A server does not start, a request fails, or with `--check` a ratio is below its floor.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let mut targets = vec![nginx::start().await?, headwater::dev(Kind::Dev, &options.headwater).await?];
    if let Some(before) = &options.before {
        targets.push(headwater::dev(Kind::DevBefore, before).await?);
    }
    targets.push(headwater::cluster(Kind::Cluster, &options.xtask, &options.headwater).await?);
    if let Some(before) = &options.before {
        targets.push(headwater::cluster(Kind::ClusterBefore, &options.xtask, before).await?);
    }
    let rates = closed_loops(&targets, options.rounds, options.seconds).await?;
    let load = Load {
        renditions: options.renditions,
        viewers_per_rendition: options.viewers,
        segment_bytes: Scenario::Put500K.bytes(),
        seconds: options.live_seconds,
    };
    let mut live = Vec::new();
    for target in &targets {
        eprintln!("live traffic: {}", target.kind);
        let latencies =
            live::run(target, load).await.with_context(|| format!("{}: live traffic", target.kind))?;
        live.push((target.kind, latencies));
    }
    let report = Report::new(rates, load, live);
    print!("{}", report.table());
    if let Some(path) = &options.json {
        fs::write(path, serde_json::to_vec_pretty(&report)?)
            .with_context(|| format!("write {}", path.display()))?;
    }
    if report.error_count() > 0 {
        bail!("{} requests of the live traffic failed", report.error_count());
    }
    if options.check && report.is_below_floor() {
        bail!("a ratio is below its floor");
    }
    Ok(())
}

/// One round goes over every server before the next begins, so that a machine that slows down slows them all.
async fn closed_loops(
    targets: &[Target],
    rounds: u32,
    seconds: u32,
) -> anyhow::Result<BTreeMap<(Scenario, Kind), Vec<f64>>> {
    let large: Arc<[u8]> = vec![0x47; Scenario::Get500K.bytes()].into();
    let small = vec![0x47; Scenario::Get4K.bytes()];
    for target in targets {
        target.prepare("large.ts", &large).await?;
        target.prepare("small.ts", &small).await?;
    }
    let mut rates: BTreeMap<_, Vec<f64>> = BTreeMap::new();
    for scenario in [Scenario::Get500K, Scenario::Get4K, Scenario::Put500K] {
        for round in 1..=rounds {
            for target in targets {
                eprintln!("{}, round {round} of {rounds}: {}", scenario.title(), target.kind);
                let rate = match scenario {
                    Scenario::Get500K => wrk::get(target, "large.ts", seconds).await?,
                    Scenario::Get4K => wrk::get(target, "small.ts", seconds).await?,
                    Scenario::Put500K => put::closed_loop(target, &large).await?,
                };
                rates.entry((scenario, target.kind)).or_default().push(rate);
            }
        }
    }
    Ok(rates)
}
