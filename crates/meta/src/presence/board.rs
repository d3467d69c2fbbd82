//! The last report of each role, and when keys last granted a request.

use headwater_types::{Clock, Incarnation, KeyId, NamespaceId, UnixMillis};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use super::{
    keys_used::{self, KeysUsed},
    shares::Shares,
    usage::{over_quota, usage},
};
use crate::{
    limits::{
        REPORT_EVERY, REPORT_KEYS_MAX, REPORT_SPACES_MAX, REPORT_STALE, REPORTER_BYTES_MAX, REPORTERS_MAX,
    },
    state::State,
    store::{Guidance, MetaError, NodeReport, Presence, Report, Reporter, SpaceReport, Usage},
};

/// How long a role that is gone is still shown, so that one sees that it is.
const FORGET_AFTER: Duration = Duration::from_secs(10 * 60);

#[derive(Debug, Clone)]
struct Seen {
    version: u64,
    node: Option<NodeReport>,
    seq: u64,
    spaces: Vec<SpaceReport>,
    at: Duration,
}

impl Seen {
    /// Reports of a node come in the order of its processes, and of their numbers within one.
    fn order(&self) -> Option<(Incarnation, u64)> {
        self.node.map(|node| (node.member.incarnation, self.seq))
    }
}

/// What a voter knows of the cluster while it leads.
#[derive(Debug, Clone)]
pub struct Lead {
    /// Its term.
    pub term: u64,
    /// What it has applied.
    pub state: Arc<State>,
}

/// The voter whose board this is.
pub trait Led: Send + Sync + fmt::Debug + 'static {
    /// What it has applied.
    fn state(&self) -> Arc<State>;
    /// What it knows as the leader; `None` unless a quorum confirmed lately that it is.
    fn lead(&self) -> Option<Lead>;
}

/// The last verdict on quotas: made anew now and then, not for each of many frontends.
#[derive(Debug, Default)]
struct Quotas {
    judged: Option<Duration>,
    over: Vec<NamespaceId>,
}

/// What roles reported to this voter. A new voter starts without, but for the times of keys.
pub struct PresenceBoard {
    clock: Arc<dyn Clock>,
    path: Option<PathBuf>,
    seen: Mutex<BTreeMap<String, Seen>>,
    pub(super) keys: Mutex<KeysUsed>,
    shares: Mutex<Shares>,
    quotas: Mutex<Quotas>,
    voter: OnceLock<Box<dyn Led>>,
}

impl fmt::Debug for PresenceBoard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresenceBoard").finish_non_exhaustive()
    }
}

/// What an earlier process left: a board without a clock yet.
#[derive(Debug)]
pub struct BoardFile {
    path: PathBuf,
    keys: KeysUsed,
}

impl BoardFile {
    /// The board that goes on from it.
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> PresenceBoard {
        PresenceBoard { path: Some(self.path), keys: Mutex::new(self.keys), ..PresenceBoard::empty(clock) }
    }
}

impl PresenceBoard {
    /// Nobody has reported, and nothing outlives the process.
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self::empty(clock))
    }

    fn empty(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            path: None,
            seen: Mutex::default(),
            keys: Mutex::default(),
            shares: Mutex::default(),
            quotas: Mutex::default(),
            voter: OnceLock::new(),
        }
    }

    /// Names the voter whose board this is, once. Without it there is neither guidance nor usage.
    pub fn belong_to(&self, voter: Box<dyn Led>) {
        // A second one would be a mistake of the caller, and changes nothing.
        let _ = self.voter.set(voter);
    }

    /// Reads what an earlier process left in `dir`. Blocks on the disk.
    pub fn open(dir: &Path) -> io::Result<BoardFile> {
        std::fs::create_dir_all(dir)?;
        let path = dir.join(keys_used::FILE);
        Ok(BoardFile { keys: KeysUsed::load(&path), path })
    }

    /// Takes a report; answers what the voter wants of the role, if it leads.
    ///
    /// # Errors
    /// [`MetaError::Invalid`] where it is larger than it may be, [`MetaError::Unavailable`] for a new reporter past
    /// [`REPORTERS_MAX`]. A report of an older process than one before, or an older one of the same, is ignored.
    pub fn record(&self, report: Report) -> Result<Option<Guidance>, MetaError> {
        check(&report)?;
        let now = self.clock.monotonic();
        {
            let mut seen = self.seen.lock();
            if !seen.contains_key(&report.reporter) && seen.len() >= REPORTERS_MAX {
                seen.retain(|_, last| now.saturating_sub(last.at) < REPORT_STALE);
                if seen.len() >= REPORTERS_MAX {
                    return Err(MetaError::Unavailable(format!("{REPORTERS_MAX} roles report already")));
                }
            }
            let now_seen = Seen {
                version: report.version,
                node: report.node,
                seq: report.seq,
                spaces: report.spaces.clone(),
                at: now,
            };
            let last = seen.get(&report.reporter).and_then(Seen::order);
            if last.is_some() && last > now_seen.order() {
                return Ok(None);
            }
            seen.insert(report.reporter.clone(), now_seen);
        }
        let guidance = self.guide(&report, now);
        self.keys.lock().note(report.keys_used);
        Ok(guidance)
    }

    fn guide(&self, report: &Report, now: Duration) -> Option<Guidance> {
        let Lead { term, state } = self.voter.get()?.lead()?;
        let shares = self.shares.lock().decide(&state, term, report);
        // A node refuses nothing by quota: the frontends do, before a body is read.
        let over_quota = if report.node.is_some() { Vec::new() } else { self.over_quota(&state, now) };
        Some(Guidance { term, shares, over_quota })
    }

    fn over_quota(&self, state: &State, now: Duration) -> Vec<NamespaceId> {
        let mut quotas = self.quotas.lock();
        if quotas.judged.is_none_or(|at| now.saturating_sub(at) >= REPORT_EVERY / 2) {
            *quotas = Quotas { judged: Some(now), over: over_quota(state, &self.usage(state, now)) };
        }
        quotas.over.clone()
    }

    /// What namespaces hold by the nodes that report.
    fn usage(&self, state: &State, now: Duration) -> BTreeMap<NamespaceId, Usage> {
        let seen = self.seen.lock();
        let fresh = seen.values().filter(|last| now.saturating_sub(last.at) < REPORT_STALE);
        usage(state, fresh.filter_map(|last| Some((last.node?.member.node, &*last.spaces))))
    }

    /// What is known, by name, and when these keys were last used. A role that has been silent for ten minutes is not in
    /// it any more.
    pub fn presence(&self, keys: &[KeyId]) -> Presence {
        let now = self.clock.monotonic();
        let mut seen = self.seen.lock();
        seen.retain(|_, last| now.saturating_sub(last.at) < FORGET_AFTER);
        let reporter = |(name, last): (&String, &Seen)| Reporter {
            name: name.clone(),
            version: last.version,
            node: last.node,
            ago: now.saturating_sub(last.at),
        };
        let reporters = seen.iter().map(reporter).collect();
        drop(seen);
        let usage = self.voter.get().map(|voter| self.usage(&voter.state(), now)).unwrap_or_default();
        let known = self.keys.lock();
        let used = |key: &KeyId| Some((key.clone(), *known.times().get(key)?));
        Presence { reporters, keys_used: keys.iter().filter_map(used).collect(), usage }
    }

    /// When keys last granted a request.
    pub fn keys_used(&self) -> BTreeMap<KeyId, UnixMillis> {
        self.keys.lock().times().clone()
    }

    /// Writes the keys' times to their file, if any changed. Blocks on the disk.
    pub fn save(&self) {
        let Some(path) = &self.path else { return };
        let Some(document) = self.keys.lock().changed() else { return };
        if let Err(error) = keys_used::write(path, &document) {
            tracing::warn!(%error, path = %path.display(), "when keys were last used could not be saved");
        }
    }
}

fn check(report: &Report) -> Result<(), MetaError> {
    let (name, keys) = (&report.reporter, report.keys_used.len());
    if name.is_empty() || name.len() > REPORTER_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(MetaError::Invalid(format!(
            "a reporter's name has 1 to {REPORTER_BYTES_MAX} bytes and no control characters"
        )));
    }
    if keys > REPORT_KEYS_MAX {
        return Err(MetaError::Invalid(format!("a report of {keys} keys, at most {REPORT_KEYS_MAX}")));
    }
    let spaces = report.spaces.len();
    if spaces > REPORT_SPACES_MAX {
        return Err(MetaError::Invalid(format!(
            "a report of {spaces} namespaces, at most {REPORT_SPACES_MAX}"
        )));
    }
    Ok(())
}
