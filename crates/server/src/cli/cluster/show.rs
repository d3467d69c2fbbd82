//! The cluster for people.

use headwater_client::api::{Cluster, MetaGroup, MetaMember, Node, Shard, Watcher, Zone};

use crate::cli::{
    output::{Cell, Out},
    units,
};

pub(super) fn cluster(out: &Out, cluster: &Cluster) -> String {
    let shards = &cluster.shards;
    let whole = shards.degraded == 0 && shards.total > 0;
    let counts = format!(
        "{} of {} healthy, {} degraded, {} with a member that is catching up",
        shards.healthy, shards.total, shards.degraded, shards.syncing
    );
    let moves = format!("{} planned, {} under way", cluster.moves.planned, cluster.moves.under_way);
    let head = out.pairs(vec![
        ("cluster", Cell::from(&*cluster.id)),
        ("metadata version", cluster.version.to_string().into()),
        ("shards", Cell::judged(counts, whole)),
        ("moves", moves.into()),
        ("fenced zone", cluster.fenced_zone.as_ref().map_or_else(Cell::none, |z| Cell::judged(z, false))),
    ]);
    let zone = |zone: &Zone| {
        let alive = format!("{} of {}", zone.alive, zone.nodes);
        let all = zone.alive == zone.nodes;
        vec![Cell::from(&*zone.name), Cell::judged(alive, all), units::bytes(zone.hot_capacity_bytes).into()]
    };
    let zones = out.table(&["ZONE", "NODES ALIVE", "HOT CAPACITY"], cluster.zones.iter().map(zone).collect());
    let watcher = |watcher: &Watcher| {
        let behind = cluster.version.saturating_sub(watcher.metadata_version);
        vec![
            Cell::from(&*watcher.name),
            watcher.metadata_version.to_string().into(),
            behind.to_string().into(),
            units::millis(watcher.heard_ms_ago).into(),
        ]
    };
    let watchers = cluster.watchers.iter().map(watcher).collect();
    let watchers = out.table(&["FOLLOWER", "VERSION", "BEHIND", "HEARD"], watchers);
    let no_voter = || out.pairs(vec![("metadata group", Cell::judged("no voter answers", false))]);
    let group = cluster.meta.as_ref().map_or_else(no_voter, |group| meta(out, group));
    [head, zones, group, watchers].join("\n\n")
}

pub(super) fn meta(out: &Out, group: &MetaGroup) -> String {
    let leader = group.leader.map_or_else(|| Cell::judged("none", false), |id| id.to_string().into());
    let head = out.pairs(vec![
        ("leader", leader),
        ("term", group.term.to_string().into()),
        ("quorum answered", Cell::maybe(group.quorum_ms_ago.map(|ms| format!("{} ago", units::millis(ms))))),
    ]);
    let row = |member: &MetaMember| {
        let role = match (Some(member.id) == group.leader, member.voter) {
            (true, _) => "leader",
            (_, true) => "voter",
            _ => "learner",
        };
        vec![member.id.to_string().into(), Cell::from(&*member.address), role.into(), Cell::maybe(member.lag)]
    };
    let members = out.table(&["META", "ADDRESS", "ROLE", "LAG"], group.members.iter().map(row).collect());
    format!("{head}\n\n{members}")
}

pub(super) fn nodes(out: &Out, nodes: &[Node]) -> String {
    let header =
        ["NODE", "ZONE", "ADDRESS", "STATE", "HEARD", "HOT", "HEADS", "IN SYNC", "SYNCING", "LEAVING"];
    let row = |node: &Node| {
        let state = if node.alive { node.state.as_str() } else { "silent" };
        let capacity = units::bytes(node.hot_capacity_bytes);
        vec![
            node.id.to_string().into(),
            Cell::from(&*node.zone),
            Cell::from(&*node.address),
            Cell::judged(state, node.alive && node.state == "active"),
            Cell::maybe(node.heard_ms_ago.map(units::millis)),
            node.hot_bytes
                .map_or(capacity.clone(), |used| format!("{} of {capacity}", units::bytes(used)))
                .into(),
            node.shards_head.to_string().into(),
            node.shards_insync.to_string().into(),
            node.shards_syncing.to_string().into(),
            node.shards_retiring.to_string().into(),
        ]
    };
    out.table(&header, nodes.iter().map(row).collect())
}

pub(super) fn shards(out: &Out, shards: &[Shard]) -> String {
    let row = |shard: &Shard| {
        vec![
            shard.id.to_string().into(),
            shard.epoch.to_string().into(),
            Cell::judged(&shard.state, shard.state == "healthy"),
            shard.head.to_string().into(),
            members(&shard.insync),
            members(&shard.syncing),
            members(&shard.retiring),
        ]
    };
    let header = ["SHARD", "EPOCH", "STATE", "HEAD", "IN SYNC", "SYNCING", "LEAVING"];
    out.table(&header, shards.iter().map(row).collect())
}

fn members(ids: &[u64]) -> Cell {
    match ids {
        [] => Cell::none(),
        ids => ids.iter().map(u64::to_string).collect::<Vec<_>>().join(" ").into(),
    }
}
