//! `headwater size`.

use anyhow::Result;
use clap::Args;

use super::{
    output::{Cell, Out, OutputArgs},
    units::{self, parse_bitrate, parse_duration, parse_seconds},
};
use crate::size::{DvrWindow, Input, Plan, Prices, Rendition, plan};

/// A DVR window that is always shown.
const HOUR_S: u64 = 3600;
/// Renditions of a ladder.
const RENDITIONS_MAX: usize = 32;

/// Options of `headwater size`.
#[derive(Debug, Args)]
#[command(after_help = SIZE_HELP, after_long_help = SIZE_LONG_HELP)]
pub struct SizeOptions {
    /// Bit rates of the renditions.
    #[arg(long, value_name = "BITRATE,...", value_delimiter = ',', required = true, value_parser = parse_bitrate)]
    profile: Vec<u64>,
    /// Duration of a segment.
    #[arg(long, value_name = "DURATION", default_value = "2.5", value_parser = segment)]
    segment: f64,
    /// How much of the live edge each zone keeps in memory.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = parse_seconds)]
    hot: u64,
    /// How far viewers can go back; several with commas. One hour is always shown beside them.
    #[arg(long, value_name = "DURATION,...", value_delimiter = ',', default_value = "7d", value_parser = parse_seconds)]
    dvr: Vec<u64>,
    /// Channels with this ladder.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    channels: u64,
    /// Viewers that read from the frontends without a CDN between.
    #[arg(long, value_name = "COUNT", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=1_000_000_000))]
    viewers: u64,
    /// Storage nodes in all zones.
    #[arg(long, value_name = "COUNT", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    nodes: u64,
    /// Dollars for a GiB in S3 for a month. The default is an assumption: look at your own prices.
    #[arg(long, value_name = "USD", default_value_t = 0.023, value_parser = price)]
    s3_gib_month: f64,
    /// Dollars for a thousand PUTs. The default is an assumption: look at your own prices.
    #[arg(long, value_name = "USD", default_value_t = 0.005, value_parser = price)]
    s3_thousand_puts: f64,
    #[command(flatten)]
    pub output: OutputArgs,
}

const SIZE_HELP: &str = "Examples:
  headwater size --profile 2500k,1500k,750k --segment 2.5 --hot 5m --dvr 7d
  headwater size --profile 6M,3M,1.5M,800k --segment 4 --hot 10m --dvr 1d,14d --channels 20 --viewers 5000";
const SIZE_LONG_HELP: &str = "\
How it is computed:
  object      bit rate x segment / 8
  size class  object + 10 % (container, audio, peaks), to the nearest 50 KiB
              (below 250 KiB the nearest 10, below 50 KiB the nearest 1), never below the object
  hot         size classes x segments of the hot window x channels, + 5 % (segments that are arriving,
              playlists, bookkeeping), up to the next 10 MiB; for each zone
  ingest      rate x (4 s failover pause + one segment) x 2, over all frontends
  disk        size classes x segments of the window x channels, + 9 % of volumes; for each zone
  S3          the same bytes once, in packs of 64 MiB, and one pack a node every 10 min;
              nothing for windows up to 15 min

Examples:
  headwater size --profile 2500k,1500k,750k --segment 2.5 --hot 5m --dvr 7d
  headwater size --profile 6M,3M,1.5M,800k --segment 4 --hot 10m --dvr 1d,14d --channels 20 --viewers 5000";

fn segment(text: &str) -> Result<f64, String> {
    let seconds = parse_duration(text)?.as_secs_f64();
    if (0.1..=60.0).contains(&seconds) {
        Ok(seconds)
    } else {
        Err(format!("{text:?} is not allowed: 0.1 to 60 seconds"))
    }
}

fn price(text: &str) -> Result<f64, String> {
    let price = text.parse::<f64>().ok().filter(|price| (0.0..=1e6).contains(price));
    price.ok_or_else(|| format!("{text:?} is no price: a number of dollars, 0 to 1000000"))
}

/// Runs it.
pub fn run(options: &SizeOptions) -> Result<()> {
    if options.profile.len() > RENDITIONS_MAX {
        anyhow::bail!("--profile has {} renditions, allowed are {RENDITIONS_MAX}", options.profile.len());
    }
    let mut dvr_s = options.dvr.clone();
    dvr_s.push(HOUR_S);
    dvr_s.sort_unstable();
    dvr_s.dedup();
    let plan = plan(&Input {
        bitrates: options.profile.clone(),
        segment_s: options.segment,
        hot_s: options.hot,
        dvr_s,
        channels: options.channels,
        viewers: options.viewers,
        nodes: options.nodes,
        prices: Prices { gib_month: options.s3_gib_month, thousand_puts: options.s3_thousand_puts },
    });
    Out::new(&options.output).show(&plan, |out, plan| human(out, plan, options))
}

fn human(out: &Out, plan: &Plan, options: &SizeOptions) -> String {
    let row = |rendition: &Rendition| {
        vec![
            units::bits_per_second(rendition.bitrate_bps as f64).into(),
            units::bytes(rendition.object_bytes).into(),
            format!("{} KiB", rendition.class_bytes >> 10).into(),
        ]
    };
    let ladder = out.table(&["RENDITION", "OBJECT", "SIZE CLASS"], plan.renditions.iter().map(row).collect());
    let bandwidth = &plan.bandwidth;
    let rate = units::bits_per_second;
    let hot = format!(
        "{} for {} in each zone ({} segments, {} exactly)",
        units::bytes(plan.hot_capacity_bytes),
        units::seconds(options.hot),
        plan.hot_segments,
        units::bytes(plan.hot_bytes_exact)
    );
    let mut pairs = vec![
        ("channels", Cell::from(options.channels.to_string())),
        ("hot capacity", hot.into()),
        ("ingest budget", format!("{} over all frontends", units::bytes(plan.ingest_budget_bytes)).into()),
        ("ingest", rate(bandwidth.ingest_bps).into()),
        ("between zones", rate(bandwidth.replication_bps).into()),
        (
            "to a CDN",
            format!("{} for each shield that reads everything", rate(bandwidth.one_reader_bps)).into(),
        ),
    ];
    if options.viewers > 0 {
        let viewers =
            format!("{} to {}, each with the best rendition", rate(bandwidth.viewers_bps), options.viewers);
        pairs.push(("to viewers", viewers.into()));
    }
    let dvr = dvr(out, plan);
    format!("{ladder}\n\n{}\n\n{dvr}", out.pairs(pairs))
}

fn dvr(out: &Out, plan: &Plan) -> String {
    let row = |dvr: &DvrWindow| {
        let month = dvr.s3_storage_usd_per_month + dvr.s3_puts_usd_per_month;
        vec![
            units::seconds(dvr.window_s).into(),
            units::bytes(dvr.disk_bytes_per_zone).into(),
            units::bytes(dvr.s3_bytes).into(),
            dvr.s3_packs.to_string().into(),
            dvr.s3_puts_per_day.to_string().into(),
            Cell::from(format!("${month:.2}")),
        ]
    };
    let header = ["DVR", "DISK OF A ZONE", "S3", "PACKS", "PUTS A DAY", "S3 A MONTH"];
    out.table(&header, plan.dvr.iter().map(row).collect())
}
