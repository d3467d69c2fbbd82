//! Purges: begun by an operator or by the deletion of a namespace, driven by a worker that reports how far it is.

use headwater_types::{
    NamespaceId,
    limits::{KEY_BYTES_MAX, SHARD_COUNT},
};
use std::sync::Arc;

use super::{State, apply::Stamp, namespaces::no_namespace};
use crate::{
    command::Outcome,
    limits::{BLOCKED_PREFIXES_MAX, PURGES_MAX},
    records::{NamespaceRecord, PurgeRecord},
    refusal::Refusal,
};

impl State {
    /// Begins a purge, and with `block` also refuses what lies below the prefix from now on. While one of the same
    /// prefix is under way, that one is answered.
    pub(super) fn start_purge(
        &mut self,
        stamp: Stamp,
        namespace: NamespaceId,
        prefix: String,
        block: bool,
    ) -> Result<Outcome, Refusal> {
        let record = self.namespaces.get(&namespace).cloned().ok_or_else(|| no_namespace(namespace))?;
        check_prefix(&prefix, block)?;
        let blocked = block.then(|| with_block(&record, &prefix)).transpose()?.flatten();
        let same = |purge: &&Arc<PurgeRecord>| {
            purge.namespace == namespace && purge.prefix == prefix && purge.finished_at.is_none()
        };
        let known = self.purges.values().find(same).map(|purge| PurgeRecord::clone(purge));
        let purge = match known {
            Some(purge) => purge,
            None => self.add_purge(stamp, &record, prefix)?,
        };
        if let Some(blocked) = blocked {
            self.change_namespace(stamp, namespace, |record| record.blocked = blocked);
        }
        Ok(Outcome::Purge(Box::new(purge)))
    }

    /// Ends the refusal of a prefix.
    pub(super) fn unblock(
        &mut self,
        stamp: Stamp,
        namespace: NamespaceId,
        prefix: &str,
    ) -> Result<Outcome, Refusal> {
        let record = self.namespaces.get(&namespace).ok_or_else(|| no_namespace(namespace))?;
        if record.blocked.iter().any(|blocked| blocked == prefix) {
            self.change_namespace(stamp, namespace, |record| record.blocked.retain(|b| b != prefix));
        }
        Ok(Outcome::Done)
    }

    /// Moves a purge forward; it ends when all shards are done. What is behind the record in either count, or comes
    /// after the end, changes nothing.
    pub(super) fn purge_progress(
        &mut self,
        stamp: Stamp,
        id: u64,
        shards_done: u16,
        removed: u64,
    ) -> Result<Outcome, Refusal> {
        if shards_done > SHARD_COUNT {
            return Err(Refusal::invalid(format!("{shards_done} shards are done, there are {SHARD_COUNT}")));
        }
        let purge = self.purges.get_mut(&id);
        let purge = purge.ok_or_else(|| Refusal::not_found(format_args!("purge with id {id}")))?;
        let behind = shards_done < purge.shards_done || removed < purge.removed;
        if !behind && purge.finished_at.is_none() {
            let purge = Arc::make_mut(purge);
            (purge.shards_done, purge.removed) = (shards_done, removed);
            purge.finished_at = (shards_done == SHARD_COUNT).then_some(stamp.at);
        }
        Ok(Outcome::Done)
    }

    /// Adds a purge. Where there are too many, the oldest finished one is forgotten; a purge under way never is.
    pub(super) fn add_purge(
        &mut self,
        stamp: Stamp,
        namespace: &NamespaceRecord,
        prefix: String,
    ) -> Result<PurgeRecord, Refusal> {
        if self.purges.len() >= PURGES_MAX {
            let oldest = self.purges.values().find(|purge| purge.finished_at.is_some());
            let oldest = oldest.ok_or_else(|| Refusal::too_many(PURGES_MAX, "purges under way"))?.id;
            self.purges.remove(&oldest);
        }
        let purge = PurgeRecord {
            id: stamp.index,
            namespace: namespace.id,
            name: namespace.name.clone(),
            prefix,
            created_at: stamp.at,
            shards_done: 0,
            removed: 0,
            finished_at: None,
        };
        self.purges.insert(purge.id, Arc::new(purge.clone()));
        Ok(purge)
    }

    /// The newest purge over the whole of a namespace.
    pub(super) fn purge_of_deleted(&self, id: NamespaceId) -> Option<Box<PurgeRecord>> {
        let whole = |purge: &&Arc<PurgeRecord>| purge.namespace == id && purge.prefix.is_empty();
        self.purges.values().rev().find(whole).map(|purge| Box::new(PurgeRecord::clone(purge)))
    }
}

fn check_prefix(prefix: &str, block: bool) -> Result<(), Refusal> {
    if prefix.len() > KEY_BYTES_MAX || prefix.chars().any(char::is_control) {
        return Err(Refusal::invalid(format!(
            "a prefix to purge has at most {KEY_BYTES_MAX} bytes and no control characters"
        )));
    }
    if block && prefix.is_empty() {
        return Err(Refusal::invalid(
            "a block needs a prefix: to close a whole namespace delete it or revoke its keys",
        ));
    }
    Ok(())
}

/// The blocked prefixes with this one; `None` if one of them covers it already. Those that it covers are left out.
fn with_block(record: &NamespaceRecord, prefix: &str) -> Result<Option<Vec<String>>, Refusal> {
    if record.blocked.iter().any(|blocked| prefix.starts_with(blocked)) {
        return Ok(None);
    }
    let kept = record.blocked.iter().filter(|blocked| !blocked.starts_with(prefix));
    let mut blocked: Vec<String> = kept.cloned().collect();
    if blocked.len() >= BLOCKED_PREFIXES_MAX {
        return Err(Refusal::too_many(BLOCKED_PREFIXES_MAX, "blocked prefixes in a namespace"));
    }
    blocked.push(prefix.to_owned());
    Ok(Some(blocked))
}
