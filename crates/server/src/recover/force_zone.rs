//! `headwater cluster force-zone`: what is left of a two-zone site goes on with the voter of one zone, when the quorum is
//! lost for good.

use anyhow::{Result, bail};
use clap::Args;
use headwater_meta::{
    State,
    offline::{self, Fenced, Offline},
};
use headwater_types::{UnixMillis, ZoneName};
use serde::Serialize;
use std::{
    collections::BTreeSet,
    io::{self, BufRead, Write},
    path::PathBuf,
};

use super::{blocking, date, print};
use crate::roles::system;

/// Arguments of `headwater cluster force-zone`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  headwater cluster force-zone --data-dir /var/lib/headwater/meta --zone a --id 11 --address meta-11.example:9000"
)]
pub struct ForceZoneArgs {
    /// The data directory of the voter that is left, stopped. What is in it is kept aside in it, never deleted.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// The zone that goes on. The other one is fenced: its nodes take no part until an operator lets them.
    #[arg(long, value_parser = ZoneName::parse)]
    zone: ZoneName,
    /// A new id for the voter, never used before.
    #[arg(long)]
    id: u64,
    /// Where other voters will reach it.
    #[arg(long, value_name = "HOST:PORT")]
    address: String,
    /// Do not ask; the value must be the zone again.
    #[arg(long, value_name = "ZONE")]
    yes_i_know: Option<String>,
}

/// What will be done, and what could be lost by it.
#[derive(Debug)]
pub(super) struct Plan {
    state: State,
    pub(super) zone: ZoneName,
    /// `None`: there is no node in another zone.
    pub(super) fenced: Option<ZoneName>,
    pub(super) shards: Fenced,
    voter: Option<u64>,
    /// The other voters of the group.
    pub(super) others: Vec<u64>,
    last: u64,
    /// Entries of which this voter does not know whether they were committed. They are kept.
    pub(super) unconfirmed: u64,
    last_at: Option<UnixMillis>,
}

#[derive(Debug, Serialize)]
struct Forced {
    zone: ZoneName,
    fenced: Option<ZoneName>,
    /// The directory with what was there before.
    before: PathBuf,
    id: u64,
    /// At which the new group begins.
    version: u64,
    shards_moved: usize,
    shards_unavailable: Vec<u16>,
    other_voters: Vec<u64>,
}

/// Runs it.
pub async fn force_zone(args: ForceZoneArgs, json: bool) -> Result<()> {
    let dir = args.data_dir.clone();
    let left = blocking(move || offline::read(&dir)).await??;
    let now = system().0.unix_millis();
    let plan = plan(left, &args.zone, now)?;
    eprintln!("{}", warning(&plan));
    let sure = match &args.yes_i_know {
        Some(typed) => typed == args.zone.as_str(),
        None => confirm(&plan.zone, &mut io::stdin().lock(), &mut io::stderr())?,
    };
    if !sure {
        bail!("not confirmed: nothing was changed");
    }
    let Plan { state, zone, fenced, shards, others, .. } = plan;
    let (dir, id, address) = (args.data_dir, args.id, args.address.clone());
    let (version, before) = blocking(move || offline::replace(&dir, id, &address, state, now)).await??;
    let shards_unavailable = shards.stuck.iter().map(|shard| shard.get()).collect();
    let forced = Forced {
        zone,
        fenced,
        before,
        id,
        version,
        shards_moved: shards.moved,
        shards_unavailable,
        other_voters: others,
    };
    print(json, &forced, || text(&forced, &args.address))
}

/// Takes the other zone out of what the voter has.
pub(super) fn plan(left: Offline, zone: &ZoneName, now: UnixMillis) -> Result<Plan> {
    let Offline { mut state, voter, committed, last, last_at, members, .. } = left;
    let zones: BTreeSet<ZoneName> = state.nodes.values().map(|node| node.zone.clone()).collect();
    let named = || zones.iter().map(ZoneName::as_str).collect::<Vec<_>>().join(", ");
    if !zones.contains(zone) {
        bail!("no storage node stands in zone {zone}; there are nodes in: {}", named());
    }
    let mut other = zones.iter().filter(|other| *other != zone);
    let fenced = other.next().cloned();
    if other.next().is_some() {
        bail!("one zone of two can be fenced; there are nodes in: {}", named());
    }
    let shards = fenced.as_ref().map(|fenced| offline::fence(&mut state, fenced, now)).unwrap_or_default();
    let others = members.iter().filter(|m| m.voter && Some(m.id) != voter).map(|m| m.id).collect();
    let unconfirmed = last.saturating_sub(committed);
    Ok(Plan { state, zone: zone.clone(), fenced, shards, voter, others, last, unconfirmed, last_at })
}

/// Names what could be lost.
pub(super) fn warning(plan: &Plan) -> String {
    let Plan { zone, shards, others, last, unconfirmed, .. } = plan;
    let voter = plan.voter.map_or_else(|| "?".to_owned(), |id| id.to_string());
    let since = match plan.last_at {
        Some(at) => format!("after its last change of {}", date(at)),
        None => format!("after its entry {last}"),
    };
    let mut lines = vec![format!("Voter {voter} has the metadata up to entry {last}. What could be lost:")];
    match others.as_slice() {
        [] => lines.push("- nothing of the metadata: it was the only voter".to_owned()),
        others => lines.push(format!(
            "- changes that only voters {others:?} had, {since}: namespaces, settings, and API keys. \
             A key that was made since is gone; a key that was REVOKED since works again: revoke it again"
        )),
    }
    if *unconfirmed > 0 {
        lines.push(format!(
            "- nothing, but changed: the last {unconfirmed} entries may never have been acknowledged, and are kept"
        ));
    }
    match &plan.fenced {
        None => lines.push(format!("No node stands outside of zone {zone}: nothing is fenced.")),
        Some(fenced) => {
            if !shards.stuck.is_empty() {
                let ids: Vec<String> = shards.stuck.iter().map(ToString::to_string).collect();
                lines.push(format!(
                    "- {} shards have their only in-sync member in zone {fenced}: they stay unavailable, and what was \
                     acknowledged there is lost if that zone is: {}",
                    ids.len(),
                    ids.join(", ")
                ));
            }
            lines.push(format!(
                "Zone {fenced} is fenced and zone {zone} goes on with {} shards in one copy.",
                shards.moved
            ));
        }
    }
    lines.push(match others.as_slice() {
        [] => "No other voter is replaced.".to_owned(),
        others => format!(
            "Voters {others:?} are replaced: if one of them can still start, do not go on, or make sure that it never \
             starts again"
        ),
    });
    lines.join("\n")
}

/// Asks twice.
pub(super) fn confirm(zone: &ZoneName, input: &mut impl BufRead, output: &mut impl Write) -> Result<bool> {
    let mut ask = |question: &str, expected: &str| -> Result<bool> {
        write!(output, "{question} ")?;
        output.flush()?;
        let mut line = String::new();
        input.read_line(&mut line)?;
        Ok(line.trim() == expected)
    };
    Ok(ask("Type the name of the zone that goes on:", zone.as_str())?
        && ask("Is the other zone's part of the metadata lost for good? Type yes:", "yes")?)
}

fn text(forced: &Forced, address: &str) -> String {
    let Forced { zone, before, id, version, .. } = forced;
    format!(
        "zone {zone} goes on: a new group of one voter, {id} at {address}, begins at version {version}
what was there before is in {before}
next: 1. never start a voter of the group before again
      2. start the voter: headwater meta, with id = {id} and this data_dir
      3. point the frontends and nodes at {address}, add voters",
        before = before.display(),
    )
}
