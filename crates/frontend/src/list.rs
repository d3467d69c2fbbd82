//! LIST: the names of a namespace, asked of the members of all shards and merged.

mod query;

use futures_util::{StreamExt, stream::FuturesUnordered};
use headwater_proto::{
    ListReply, ListRequest, Storage, StorageError,
    listing::{ListPage, merge},
};
use headwater_types::{Epoch, NodeId, ShardId, rfc3339};
use http::{HeaderValue, Response, header};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    answer::Tier, handle::Allowed, problem::Problem, read::unavailable, response_body::ResponseBody,
    retry::Retry,
};
pub(crate) use query::Listing;

/// The shards that one node is asked about.
struct Part {
    storage: Arc<dyn Storage>,
    shards: Vec<(ShardId, Epoch)>,
}

/// Answers a listing.
pub(crate) async fn list(request: Allowed<'_>, listing: Listing) -> Result<Response<ResponseBody>, Problem> {
    let replies = ask_all(request, &listing).await?;
    let page = merge(replies, listing.limit);
    let mut response = Response::new(ResponseBody::whole(document(&page).into()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Asks a member of every shard, one call a node, and others where one does not answer, until all shards are covered or
/// the read budget is spent. A page that lacks a shard would say that its objects are gone.
async fn ask_all(request: Allowed<'_>, listing: &Listing) -> Result<Vec<ListReply>, Problem> {
    let frontend = request.frontend;
    let budget = frontend.config.read_budget;
    let started = frontend.clock.monotonic();
    let left = || budget.saturating_sub(frontend.clock.monotonic().saturating_sub(started));
    let mut replies = Vec::new();
    let mut open: Vec<ShardId> = ShardId::all().collect();
    let mut retry = Retry::default();
    for round in 0.. {
        let (parts, mut unanswered) = plan(request, &open, round);
        let mut calls: FuturesUnordered<_> =
            parts.into_iter().map(|part| ask(request, listing, part, left())).collect();
        let mut failure = None;
        while let Some((part, outcome)) = calls.next().await {
            match outcome {
                Ok(reply) => replies.push(reply),
                Err(error) => {
                    tracing::debug!(%error, shards = part.shards.len(), "a node did not list its shards");
                    unanswered.extend(part.shards.iter().map(|(shard, _)| *shard));
                    failure = Some(error);
                }
            }
        }
        drop(calls);
        if unanswered.is_empty() {
            return Ok(replies);
        }
        open = unanswered;
        if left().is_zero() {
            break;
        }
        retry.pause(failure.as_ref(), &frontend.routes, &*frontend.rng, left()).await;
    }
    tracing::warn!(shards = open.len(), "a listing was given up: not every shard answered in time");
    Err(unavailable())
}

/// Which node is asked about which shards: the nearest member first, in later rounds the others in turn. Shards that
/// the map does not know are left over.
fn plan(request: Allowed<'_>, open: &[ShardId], round: usize) -> (Vec<Part>, Vec<ShardId>) {
    let mut parts: BTreeMap<NodeId, Part> = BTreeMap::new();
    let mut unknown = Vec::new();
    for shard in open {
        let Some(route) = request.frontend.routes.get(*shard) else {
            unknown.push(*shard);
            continue;
        };
        let target = &route.readers[round % route.readers.len()];
        let part = parts
            .entry(target.member.node)
            .or_insert_with(|| Part { storage: target.storage.clone(), shards: Vec::new() });
        part.shards.push((*shard, route.epoch));
    }
    (parts.into_values().collect(), unknown)
}

async fn ask(
    request: Allowed<'_>,
    listing: &Listing,
    part: Part,
    left: Duration,
) -> (Part, Result<ListReply, StorageError>) {
    // One that does not answer must leave time to ask another.
    let limit = request.frontend.config.silent_after.min(left);
    let list = ListRequest {
        namespace: request.policy.id(),
        shards: part.shards.clone(),
        prefix: listing.prefix.clone(),
        fold: listing.fold,
        after: listing.after.clone(),
        limit: listing.limit,
        request_id: request.id,
        remaining: limit,
    };
    let outcome = tokio::time::timeout(limit, part.storage.list(list)).await;
    let outcome = outcome.unwrap_or_else(|_| Err(StorageError::Unavailable("no answer in time".into())));
    (part, outcome)
}

#[derive(serde::Serialize)]
struct Document<'a> {
    objects: Vec<Object<'a>>,
    prefixes: Vec<&'a str>,
    cursor: Option<String>,
}

#[derive(serde::Serialize)]
struct Object<'a> {
    name: &'a str,
    size: u64,
    etag: String,
    content_type: &'a str,
    last_modified: String,
    expires_at: String,
    tier: &'static str,
}

fn document(page: &ListPage) -> Vec<u8> {
    let mut document = Document { objects: Vec::new(), prefixes: Vec::new(), cursor: None };
    for entry in &page.entries {
        match &entry.meta {
            None => document.prefixes.push(&entry.name),
            Some(meta) => document.objects.push(Object {
                name: &entry.name,
                size: meta.size,
                etag: meta.digest.to_etag(),
                content_type: &meta.attributes.content_type,
                last_modified: rfc3339::format(meta.stored_at),
                expires_at: rfc3339::format(meta.expires_at),
                tier: Tier::Hot.as_str(),
            }),
        }
    }
    if page.more {
        document.cursor = page.entries.last().map(|entry| query::to_cursor(&entry.name));
    }
    serde_json::to_vec(&document).unwrap_or_default()
}
