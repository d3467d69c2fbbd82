//! `/v1/nodes`.

use axum::{Json, extract::State as Shared, http::StatusCode, response::IntoResponse};
use headwater_meta::{Command, NodeRecord, NodeState, Presence, Reporter, State, limits::REPORT_STALE};
use headwater_types::{
    Member, NodeId,
    api::{Node, Page},
};
use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use super::{
    AdminApi,
    auth::Caller,
    convert,
    error::{ApiError, ApiResult},
    input::{NoQuery, Params, Segments},
    metadata::Change,
    paging::{self, Paging, StaleQuery},
};

/// Lists nodes in the order of their ids. They register by themselves when they start; there is no call for it.
#[utoipa::path(get, path = "/v1/nodes", tag = "nodes", operation_id = "list_nodes", params(Paging),
    responses((status = 200, description = "A page", body = Page<Node>)))]
pub async fn list(
    Shared(api): Shared<Arc<AdminApi>>,
    Params(query): Params<Paging>,
) -> ApiResult<Json<Page<Node>>> {
    let limit = paging::limit(query.limit)?;
    let after = paging::number_cursor(query.cursor.as_deref())?;
    let after = after.map_or(Bound::Unbounded, |id| Bound::Excluded(NodeId(id)));
    let state = api.read(query.stale).await?;
    let (presence, roles) = (api.presence().await, Roles::of(&state));
    let records = state.nodes.range((after, Bound::Unbounded));
    let items = records.map(|(id, record)| (id.to_string(), node(record, &presence, &roles)));
    Ok(Json(paging::page(items, limit)))
}

/// A node.
#[utoipa::path(get, path = "/v1/nodes/{id}", tag = "nodes", operation_id = "get_node",
    params(("id" = u64, Path, description = "Its id"), StaleQuery),
    responses((status = 200, description = "The node", body = Node)))]
pub async fn show(
    Shared(api): Shared<Arc<AdminApi>>,
    Segments(id): Segments<u64>,
    Params(query): Params<StaleQuery>,
) -> ApiResult<Json<Node>> {
    let state = api.read(query.stale).await?;
    document(&api, &state, id).await
}

/// Drains a node: its shards move to others of its zone, as far as there are any. It is not checked that these have room;
/// `GET` shows how far it is.
#[utoipa::path(post, path = "/v1/nodes/{id}/drain", tag = "nodes", operation_id = "drain_node",
    params(("id" = u64, Path, description = "Its id")),
    responses((status = 200, description = "It is draining", body = Node)))]
pub async fn drain(
    Shared(api): Shared<Arc<AdminApi>>,
    caller: Caller,
    Segments(id): Segments<u64>,
    Params(NoQuery {}): Params<NoQuery>,
) -> ApiResult<Json<Node>> {
    set_state(&api, &caller, id, NodeState::Draining, "node.drain").await
}

/// Ends a drain: the node holds shards again.
#[utoipa::path(post, path = "/v1/nodes/{id}/activate", tag = "nodes", operation_id = "activate_node",
    params(("id" = u64, Path, description = "Its id")),
    responses((status = 200, description = "It is active", body = Node)))]
pub async fn activate(
    Shared(api): Shared<Arc<AdminApi>>,
    caller: Caller,
    Segments(id): Segments<u64>,
    Params(NoQuery {}): Params<NoQuery>,
) -> ApiResult<Json<Node>> {
    set_state(&api, &caller, id, NodeState::Active, "node.activate").await
}

/// Forgets a node for ever; its id is never used again. Refused while a shard names it: drain it first. Repeating it is
/// safe.
#[utoipa::path(delete, path = "/v1/nodes/{id}", tag = "nodes", operation_id = "remove_node",
    params(("id" = u64, Path, description = "Its id")),
    responses((status = 204, description = "Removed"),
        (status = 409, description = "`conflict`: shards still name it")))]
pub async fn remove(
    Shared(api): Shared<Arc<AdminApi>>,
    caller: Caller,
    Segments(id): Segments<u64>,
    Params(NoQuery {}): Params<NoQuery>,
) -> ApiResult {
    let state = api.read(false).await?;
    let node = NodeId(id);
    let before = match find(&state, id) {
        Ok(record) => convert::audited(record),
        // Sent again, as after a lost answer.
        Err(_) if state.removed_nodes.contains(&node) => None,
        Err(absent) => return Err(absent),
    };
    let change = Change { action: "node.remove", target: id.to_string(), before, after: None };
    let applied = api.change(&caller, change, Command::RemoveNode { node }).await?;
    api.shown(applied.version).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn set_state(
    api: &AdminApi,
    caller: &Caller,
    id: u64,
    wanted: NodeState,
    action: &'static str,
) -> ApiResult<Json<Node>> {
    let state = api.read(false).await?;
    let record = find(&state, id)?;
    let change = Change {
        action,
        target: id.to_string(),
        before: convert::audited(record),
        after: convert::audited(&NodeRecord { state: wanted, ..record.clone() }),
    };
    let command = Command::SetNodeState { node: record.id, state: wanted };
    let applied = api.change(caller, change, command).await?;
    let state = api.shown(applied.version).await?;
    document(api, &state, id).await
}

fn find(state: &State, id: u64) -> ApiResult<&NodeRecord> {
    state.nodes.get(&NodeId(id)).ok_or_else(|| ApiError::absent(format_args!("node {id}")))
}

async fn document(api: &AdminApi, state: &State, id: u64) -> ApiResult<Json<Node>> {
    let record = find(state, id)?;
    Ok(Json(node(record, &api.presence().await, &Roles::of(state))))
}

fn node(record: &NodeRecord, presence: &Presence, roles: &Roles) -> Node {
    let reporter = heard(presence, record.id);
    let report = reporter.and_then(|reporter| reporter.node);
    let shards = roles.0.get(&record.id).copied().unwrap_or_default();
    Node {
        id: record.id.0,
        incarnation: record.incarnation.0,
        disk_id: record.process.as_ref().map(|process| process.disk_id.to_string()),
        zone: record.zone.to_string(),
        address: record.address.clone(),
        state: match record.state {
            NodeState::Active => "active",
            NodeState::Draining => "draining",
        }
        .to_owned(),
        alive: reporter.is_some_and(is_alive),
        heard_ms_ago: reporter.map(|reporter| millis(reporter.ago)),
        metadata_version: reporter.map(|reporter| reporter.version),
        hot_bytes: report.map(|report| report.hot_bytes),
        hot_capacity_bytes: report.map_or(record.hot_capacity_bytes, |report| report.hot_capacity_bytes),
        shards_head: shards.head,
        shards_insync: shards.insync,
        shards_syncing: shards.syncing,
        shards_retiring: shards.retiring,
    }
}

/// The last report of a node, from the newest of its processes that were heard.
pub fn heard(presence: &Presence, node: NodeId) -> Option<&Reporter> {
    let reports =
        presence.reporters.iter().filter(|reporter| reporter.node.is_some_and(|r| r.member.node == node));
    reports.min_by_key(|reporter| reporter.ago)
}

/// Whether a role was heard of lately.
pub fn is_alive(reporter: &Reporter) -> bool {
    reporter.ago <= REPORT_STALE
}

/// Whole milliseconds.
pub fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// How many shards name a node, by what they name it as.
#[derive(Debug, Clone, Copy, Default)]
struct ShardRoles {
    head: u64,
    insync: u64,
    syncing: u64,
    retiring: u64,
}

/// That of every node.
#[derive(Debug, Default)]
struct Roles(BTreeMap<NodeId, ShardRoles>);

impl Roles {
    fn of(state: &State) -> Self {
        let mut roles = Self::default();
        for entry in state.shards.values() {
            roles.count(&[entry.head], |shards| shards.head += 1);
            roles.count(&entry.insync, |shards| shards.insync += 1);
            roles.count(&entry.syncing, |shards| shards.syncing += 1);
            roles.count(&entry.retiring, |shards| shards.retiring += 1);
        }
        roles
    }

    fn count(&mut self, members: &[Member], add: impl Fn(&mut ShardRoles)) {
        for member in members {
            add(self.0.entry(member.node).or_default());
        }
    }
}
