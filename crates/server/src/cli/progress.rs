//! Progress of long work, on standard error, if that is a terminal.

use anyhow::Result;
use headwater_client::{Admin, api::Purge};
use headwater_types::{Clock, SystemClock};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

use super::{explain::Explained, output::Out, units};

/// How often a job is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// A bar over bytes; without a length it only counts. Hidden with `--json` and where there is no terminal.
pub fn of_bytes(out: &Out, length: Option<u64>) -> ProgressBar {
    let template = match length {
        Some(_) => "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        None => "{spinner} {bytes} {bytes_per_sec}",
    };
    bar(out, length, template)
}

/// A bar over steps of a job.
pub fn of_steps(out: &Out, total: u64, what: &'static str) -> ProgressBar {
    let bar = bar(out, Some(total), "{msg} {wide_bar} {pos}/{len} {eta}");
    bar.set_message(what);
    bar
}

fn bar(out: &Out, length: Option<u64>, template: &str) -> ProgressBar {
    // Standard error draws nothing where it is no terminal.
    let target = if out.json() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(length, target).with_style(style)
}

/// Follows a purge to its end.
pub async fn follow_purge(admin: &Admin, out: &Out, mut purge: Purge) -> Result<Purge> {
    let bar = of_steps(out, purge.shards_total, "removing");
    while purge.finished_at.is_none() {
        bar.set_length(purge.shards_total);
        bar.set_position(purge.shards_done);
        tokio::time::sleep(LOOK).await;
        purge = admin.purge(purge.id).await?;
    }
    bar.finish_and_clear();
    Ok(purge)
}

/// Follows a drain until the node holds no shard; fails if that takes longer than `limit`.
pub async fn follow_drain(admin: &Admin, out: &Out, id: u64, limit: Duration) -> Result<()> {
    let begun = SystemClock::new();
    let mut bar: Option<ProgressBar> = None;
    loop {
        let node = admin.node(id).await?;
        let left = node.shards_insync + node.shards_syncing + node.shards_retiring;
        let bar = bar.get_or_insert_with(|| of_steps(out, left, "moving shards"));
        bar.set_position(bar.length().unwrap_or(left).saturating_sub(left));
        if left == 0 {
            bar.finish_and_clear();
            return Ok(());
        }
        if begun.monotonic() >= limit {
            bar.finish_and_clear();
            let took = units::seconds(limit.as_secs());
            let what = format!("node {id} still holds {left} shards after {took}");
            return Err(Explained::new(what, STILL_DRAINING).into());
        }
        tokio::time::sleep(LOOK.min(limit)).await;
    }
}

const STILL_DRAINING: &str = "The drain goes on: `headwater workers` shows how far it is, --timeout waits longer. Shards \
move to other active nodes of the zone: `headwater cluster nodes` shows whether there are any. \
`headwater cluster activate` takes it back.";
