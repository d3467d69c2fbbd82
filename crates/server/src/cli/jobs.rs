//! `headwater workers`: what is being worked on.

use anyhow::Result;
use clap::Args;
use headwater_client::{
    Admin,
    api::{Cluster, MoveCounts, Node, Purge},
};
use serde::Serialize;
use std::time::Duration;

use super::{
    connect::{AdminArgs, ReadArgs},
    output::{Cell, Out, OutputArgs},
    units::parse_duration,
};

/// Options of `headwater workers`.
#[derive(Debug, Args)]
pub struct WorkersOptions {
    /// List jobs that have ended, too.
    #[arg(long)]
    all: bool,
    /// List again and again, until there is nothing left to do.
    #[arg(long, value_name = "INTERVAL", num_args = 0..=1, default_missing_value = "2s", value_parser = parse_duration)]
    watch: Option<Duration>,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    connection: AdminArgs,
}

pub const WORKERS_HELP: &str = "Examples:
  headwater workers
  headwater workers --all --json
  headwater workers --watch";

/// What is being worked on.
#[derive(Debug, Serialize)]
struct Work {
    purges: Vec<Purge>,
    moves: MoveCounts,
    draining: Vec<Node>,
}

/// Runs it.
pub async fn run(options: WorkersOptions) -> Result<()> {
    let out = Out::new(&options.output);
    let (admin, plane) = options.connection.connect()?;
    let admin = options.read.of(&admin);
    loop {
        let work = look(&admin, options.all).await.map_err(|error| plane.explain(error))?;
        out.show(&work, table)?;
        match options.watch {
            Some(interval) if !work.is_done() => tokio::time::sleep(interval).await,
            _ => return Ok(()),
        }
    }
}

async fn look(admin: &Admin, all: bool) -> Result<Work> {
    let Cluster { moves, .. } = admin.cluster().await?;
    let mut purges = admin.purges().all().await?;
    purges.retain(|purge| all || purge.finished_at.is_none());
    let mut draining = admin.nodes().all().await?;
    draining.retain(|node| node.state == "draining");
    Ok(Work { purges, moves, draining })
}

fn left(node: &Node) -> u64 {
    node.shards_insync + node.shards_syncing + node.shards_retiring
}

impl Work {
    fn is_done(&self) -> bool {
        let purged = self.purges.iter().all(|purge| purge.finished_at.is_some());
        purged && self.moves.planned == 0 && self.draining.iter().all(|node| left(node) == 0)
    }
}

fn table(out: &Out, work: &Work) -> String {
    let purge = |purge: &Purge| {
        let percent = (purge.shards_done * 100).checked_div(purge.shards_total).unwrap_or(100);
        let progress = match purge.finished_at {
            Some(_) => Cell::judged("done", true),
            None => format!("{percent} %, {} of {} shards", purge.shards_done, purge.shards_total).into(),
        };
        let what = format!("{}/{} ({} removed)", purge.namespace, purge.prefix, purge.removed);
        vec![format!("purge {}", purge.id).into(), what.into(), progress, Cell::from(&*purge.created_at)]
    };
    let mut rows: Vec<Vec<Cell>> = work.purges.iter().map(purge).collect();
    rows.extend(work.draining.iter().map(|node| {
        let progress = match left(node) {
            0 => Cell::judged("done", true),
            shards => format!("{shards} shards left").into(),
        };
        vec![
            format!("drain {}", node.id).into(),
            format!("zone {}", node.zone).into(),
            progress,
            Cell::none(),
        ]
    }));
    if work.moves.planned > 0 {
        let progress = format!("{} planned, {} under way", work.moves.planned, work.moves.under_way);
        rows.push(vec!["moves".into(), "shards".into(), progress.into(), Cell::none()]);
    }
    if rows.is_empty() {
        return "nothing to do".into();
    }
    out.table(&["JOB", "WHAT", "PROGRESS", "SINCE"], rows)
}
