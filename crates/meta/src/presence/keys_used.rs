//! When keys last granted a request: in memory, and in a small file that is written at most once a minute.

use headwater_types::{KeyId, UnixMillis};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::{sync::watch, time::timeout};

use super::PresenceBoard;
use crate::{limits::KEYS_USED_MAX, watch::Progress};

pub(super) const FILE: &str = "keys-used.json";
/// How often it is written at most.
const SAVE_EVERY: Duration = Duration::from_secs(60);
/// The encoding of the file.
const FORMAT: u32 = 1;
/// Past the bound, so many are forgotten at once.
const FORGOTTEN: usize = KEYS_USED_MAX / 10;

#[derive(Serialize, Deserialize)]
struct Document {
    format: u32,
    keys_used: BTreeMap<KeyId, UnixMillis>,
}

/// The newest time of each key, at most [`KEYS_USED_MAX`].
#[derive(Debug, Default)]
pub(super) struct KeysUsed {
    times: BTreeMap<KeyId, UnixMillis>,
    changed: bool,
}

impl KeysUsed {
    /// From the file. One that is damaged or newer is left alone until the next save: the times are no more than a
    /// help for operators.
    pub(super) fn load(path: &Path) -> Self {
        let document: Option<Document> =
            fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let times = document.filter(|d| d.format <= FORMAT).map(|d| d.keys_used).unwrap_or_default();
        Self { times, changed: false }
    }

    /// Takes times; the newest of each key stays.
    pub(super) fn note(&mut self, keys: Vec<(KeyId, UnixMillis)>) {
        for (key, at) in keys {
            let known = self.times.get(&key);
            if known.is_none_or(|known| *known < at) {
                self.times.insert(key, at);
                self.changed = true;
            }
        }
        if self.times.len() > KEYS_USED_MAX {
            let mut all: Vec<(UnixMillis, KeyId)> =
                self.times.iter().map(|(key, at)| (*at, key.clone())).collect();
            all.sort_unstable();
            let too_many = all.len() - KEYS_USED_MAX + FORGOTTEN;
            for (_, key) in all.iter().take(too_many) {
                self.times.remove(key);
            }
        }
    }

    pub(super) fn times(&self) -> &BTreeMap<KeyId, UnixMillis> {
        &self.times
    }

    /// What is to be written, if anything changed since this was asked last.
    pub(super) fn changed(&mut self) -> Option<Vec<u8>> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        serde_json::to_vec(&Document { format: FORMAT, keys_used: self.times.clone() }).ok()
    }
}

/// Replaces the file whole or not at all. Not synced: a crash of the machine may take the last minute.
pub(super) fn write(path: &Path, document: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("json.tmp");
    let mut file = File::create(&beside)?;
    file.write_all(document)?;
    fs::rename(&beside, path)
}

/// Saves a board every minute until its voter ends.
pub(crate) async fn keep(board: Arc<PresenceBoard>, mut progress: watch::Receiver<Progress>) {
    loop {
        let ended = progress.wait_for(|now| !now.open);
        if timeout(SAVE_EVERY, ended).await.is_ok() {
            return;
        }
        let board = board.clone();
        // It logs by itself what fails.
        let _ = tokio::task::spawn_blocking(move || board.save()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_past_the_bound() {
        let used = |range: std::ops::Range<usize>, at| {
            range.map(|n| (KeyId(format!("k{n:06}").into()), UnixMillis(at))).collect::<Vec<_>>()
        };
        let mut keys = KeysUsed::default();
        keys.note(used(0..KEYS_USED_MAX, 1));
        assert_eq!(keys.times().len(), KEYS_USED_MAX, "at the bound");
        keys.note(used(KEYS_USED_MAX..KEYS_USED_MAX + 1, 2));
        assert_eq!(keys.times().len(), KEYS_USED_MAX - FORGOTTEN);
        assert!(keys.times().values().any(|at| *at == UnixMillis(2)), "the newest stays");
    }
}
