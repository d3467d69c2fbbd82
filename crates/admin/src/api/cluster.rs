//! `/v1/cluster`: the cluster as a whole, and fences of zones.

use axum::{Json, extract::State as Shared};
use headwater_meta::{Command, NodeState, Presence, State};
use headwater_types::{
    NodeId, ZoneName,
    api::{Cluster, MoveCounts, ShardCounts, Watcher, Zone},
};
use std::{collections::BTreeMap, sync::Arc};

use super::{
    AdminApi,
    auth::Caller,
    convert,
    error::{ApiError, ApiResult},
    input::{NoQuery, Params, Segments},
    meta_members,
    metadata::{Change, SOFT_LIMIT},
    nodes::{heard, is_alive, millis},
    paging::StaleQuery,
};
use headwater_types::ErrorCode;

/// The cluster as a whole.
#[utoipa::path(get, path = "/v1/cluster", tag = "cluster", operation_id = "get_cluster", params(StaleQuery),
    responses((status = 200, description = "The cluster", body = Cluster)))]
pub async fn show(
    Shared(api): Shared<Arc<AdminApi>>,
    Params(query): Params<StaleQuery>,
) -> ApiResult<Json<Cluster>> {
    let state = api.read(query.stale).await?;
    Ok(document(&api, &state).await)
}

/// Fences a zone: it takes no part, and every shard that has an in-sync member elsewhere goes on without it. For a zone
/// that is lost or cut off; at most one is fenced at a time.
#[utoipa::path(post, path = "/v1/cluster/zones/{zone}/fence", tag = "cluster", operation_id = "fence_zone",
    params(("zone" = String, Path, description = "Its name")),
    responses((status = 200, description = "It is fenced", body = Cluster),
        (status = 409, description = "`conflict`: another zone is fenced")))]
pub async fn fence(
    Shared(api): Shared<Arc<AdminApi>>,
    caller: Caller,
    Segments(name): Segments<String>,
    Params(NoQuery {}): Params<NoQuery>,
) -> ApiResult<Json<Cluster>> {
    let state = api.read(false).await?;
    let zone = known(&state, &name)?;
    let fenced = fenced(&state);
    match fenced {
        Some(other) if other != zone => {
            let detail = format!("zone {other} is fenced; at most one zone is at a time");
            Err(ApiError::new(ErrorCode::Conflict, detail))
        }
        _ => set_verdict(&api, &caller, "zone.fence", fenced, Some(zone)).await,
    }
}

/// Ends the fence of a zone: its nodes catch up and take part again.
#[utoipa::path(delete, path = "/v1/cluster/zones/{zone}/fence", tag = "cluster", operation_id = "unfence_zone",
    params(("zone" = String, Path, description = "Its name")),
    responses((status = 200, description = "It is not fenced", body = Cluster)))]
pub async fn unfence(
    Shared(api): Shared<Arc<AdminApi>>,
    caller: Caller,
    Segments(name): Segments<String>,
    Params(NoQuery {}): Params<NoQuery>,
) -> ApiResult<Json<Cluster>> {
    let state = api.read(false).await?;
    let zone = known(&state, &name)?;
    match fenced(&state) {
        Some(fenced) if fenced == zone => set_verdict(&api, &caller, "zone.unfence", Some(zone), None).await,
        _ => Ok(document(&api, &state).await),
    }
}

/// A zone that has nodes, or that is fenced.
fn known(state: &State, name: &str) -> ApiResult<ZoneName> {
    let zone = ZoneName::parse(name).map_err(|e| ApiError::new(ErrorCode::NotFound, e.to_string()))?;
    let has_nodes = state.nodes.values().any(|node| node.zone == zone);
    if has_nodes || fenced(state).as_ref() == Some(&zone) {
        Ok(zone)
    } else {
        Err(ApiError::absent(format_args!("zone {zone}: no node stands in it")))
    }
}

fn fenced(state: &State) -> Option<ZoneName> {
    state.zone_verdict.as_ref().map(|verdict| verdict.fenced.clone())
}

async fn set_verdict(
    api: &AdminApi,
    caller: &Caller,
    action: &'static str,
    expect: Option<ZoneName>,
    fenced: Option<ZoneName>,
) -> ApiResult<Json<Cluster>> {
    let target = fenced.as_ref().or(expect.as_ref()).map(ToString::to_string).unwrap_or_default();
    let change =
        Change { action, target, before: convert::audited(&expect), after: convert::audited(&fenced) };
    let applied = api.change(caller, change, Command::SetZoneVerdict { expect, fenced }).await?;
    let state = api.shown(applied.version).await?;
    Ok(document(api, &state).await)
}

/// The cluster, also where no voter says who takes part: a change that was made must not be answered as a failure, and
/// a stale read needs no voter.
async fn document(api: &AdminApi, state: &State) -> Json<Cluster> {
    let (membership, presence) = tokio::join!(meta_members::membership(api, SOFT_LIMIT), api.presence());
    let membership = membership.ok();
    let watchers = presence.reporters.iter().filter(|reporter| is_alive(reporter)).map(|reporter| Watcher {
        name: reporter.name.clone(),
        metadata_version: reporter.version,
        heard_ms_ago: millis(reporter.ago),
    });
    Json(Cluster {
        id: membership.as_ref().map_or_else(|| api.cache.cluster(), |membership| membership.cluster.clone()),
        version: state.version,
        meta: membership.as_ref().map(meta_members::document),
        zones: zones(state, &presence),
        fenced_zone: fenced(state).map(|zone| zone.to_string()),
        shards: shard_counts(state),
        watchers: watchers.collect(),
        moves: moves(state),
    })
}

fn zones(state: &State, presence: &Presence) -> Vec<Zone> {
    let mut zones: BTreeMap<&ZoneName, Zone> = BTreeMap::new();
    for node in state.nodes.values() {
        let empty = || Zone { name: node.zone.to_string(), nodes: 0, alive: 0, hot_capacity_bytes: 0 };
        let zone = zones.entry(&node.zone).or_insert_with(empty);
        zone.nodes += 1;
        zone.alive += u64::from(heard(presence, node.id).is_some_and(is_alive));
        zone.hot_capacity_bytes = zone.hot_capacity_bytes.saturating_add(node.hot_capacity_bytes);
    }
    zones.into_values().collect()
}

fn shard_counts(state: &State) -> ShardCounts {
    let count = |wanted: &dyn Fn(&headwater_meta::ShardEntry) -> bool| {
        state.shards.values().filter(|entry| wanted(entry)).count() as u64
    };
    ShardCounts {
        total: state.shards.len() as u64,
        healthy: count(&|entry| !convert::is_degraded(entry)),
        degraded: count(&convert::is_degraded),
        syncing: count(&|entry| !entry.syncing.is_empty()),
    }
}

/// Shards that are on their way, and those with a member that is to leave them.
fn moves(state: &State) -> MoveCounts {
    let draining = |id: NodeId| state.nodes.get(&id).is_none_or(|node| node.state == NodeState::Draining);
    let mut moves = MoveCounts::default();
    for entry in state.shards.values() {
        let under_way = !entry.syncing.is_empty() || !entry.retiring.is_empty();
        moves.under_way += u64::from(under_way);
        moves.planned += u64::from(under_way || entry.insync.iter().any(|member| draining(member.node)));
    }
    moves
}
