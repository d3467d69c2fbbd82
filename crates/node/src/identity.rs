//! Who this process is: the node's id, its data directory's and its own, and the incarnation that the metadata gave it.
//!
//! `node.json` in the data directory keeps what outlives a process, under an exclusive lock.

#[cfg(test)]
mod tests;

use headwater_meta::Registration;
use headwater_types::{DiskId, Incarnation, NodeId, Nonce, Rng, ZoneName};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The format of `node.json` that this build writes. It reads the one before, too.
const FORMAT: u32 = 2;
/// The format of builds that counted incarnations in the file.
const FORMAT_COUNTED: u32 = 1;

/// What every format of `node.json` begins with, and whose it is.
#[derive(Deserialize)]
struct AnyDocument {
    format: u32,
}

/// What is read of format 1. Its incarnation was counted by the node, so it says nothing about who is registered.
#[derive(Deserialize)]
struct CountedDocument {
    node_id: NodeId,
}

/// The persisted form of `node.json`, format 2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Document {
    format: u32,
    node_id: NodeId,
    /// Drawn when the directory was first used.
    disk_id: DiskId,
    /// The last one that the metadata gave to a process with this directory; `None`: none yet.
    incarnation: Option<Incarnation>,
}

/// A node's identity. As long as it lives, no other process can have the data directory.
#[derive(Debug)]
pub struct Identity {
    dir: PathBuf,
    document: Document,
    nonce: Nonce,
    _lock: File,
}

/// Why an identity could not be taken or kept.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Another process has the directory.
    #[error("{0} is in use by another process")]
    InUse(PathBuf),
    /// The directory belongs to another node.
    #[error("{path} belongs to node {found}, not to node {expected}")]
    OtherNode {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        found: NodeId,
        /// Who asked.
        expected: NodeId,
    },
    /// `node.json` cannot be read.
    #[error("{path}: {problem}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Reading or writing failed.
    #[error("{path}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Identity {
    /// Locks `data_dir` (made if it is not there) for a process of `node`, and draws the process's nonce. A directory
    /// that has no disk id yet gets one, durably. Blocks on the disk.
    pub fn take(data_dir: &Path, node: NodeId, rng: &dyn Rng) -> Result<Self, IdentityError> {
        fs::create_dir_all(data_dir).map_err(|source| io_error(data_dir, source))?;
        let lock_path = data_dir.join("lock");
        let lock = File::create(&lock_path).map_err(|source| io_error(&lock_path, source))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(IdentityError::InUse(data_dir.to_owned())),
            Err(TryLockError::Error(source)) => return Err(io_error(&lock_path, source)),
        }

        let path = data_dir.join("node.json");
        let found = match fs::read(&path) {
            Ok(bytes) => Some(
                Found::read(&bytes)
                    .map_err(|problem| IdentityError::Malformed { path: path.clone(), problem })?,
            ),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(io_error(&path, e)),
        };
        if let Some(found) = found.as_ref().map(Found::node).filter(|id| *id != node) {
            return Err(IdentityError::OtherNode { path: data_dir.to_owned(), found, expected: node });
        }
        let document = match found {
            Some(Found::Current(document)) => document,
            Some(Found::Counted(_)) | None => {
                let new =
                    Document { format: FORMAT, node_id: node, disk_id: DiskId::draw(rng), incarnation: None };
                new.write(data_dir)?;
                new
            }
        };
        Ok(Self { dir: data_dir.to_owned(), document, nonce: Nonce::draw(rng), _lock: lock })
    }

    /// What this process registers with. Whom it follows is filled in by [`crate::register`].
    pub fn registration(&self, zone: ZoneName, address: String, hot_capacity_bytes: u64) -> Registration {
        Registration {
            id: self.document.node_id,
            disk_id: self.document.disk_id,
            nonce: self.nonce,
            follows: None,
            zone,
            address,
            hot_capacity_bytes,
        }
    }

    /// Keeps the incarnation that the metadata gave to this process, durably: to be called before it serves. Blocks on
    /// the disk.
    pub fn registered(&mut self, incarnation: Incarnation) -> Result<(), IdentityError> {
        let document = Document { incarnation: Some(incarnation), ..self.document.clone() };
        document.write(&self.dir)?;
        self.document = document;
        Ok(())
    }
}

/// What `node.json` says.
enum Found {
    Current(Document),
    Counted(CountedDocument),
}

impl Found {
    /// The format is looked at first: a later one may say something else about who this is.
    fn read(bytes: &[u8]) -> Result<Self, String> {
        let AnyDocument { format } = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        let read = match format {
            FORMAT => serde_json::from_slice(bytes).map(Self::Current),
            FORMAT_COUNTED => serde_json::from_slice(bytes).map(Self::Counted),
            _ => {
                return Err(format!(
                    "has format {format}, and this version of headwater reads formats {FORMAT_COUNTED} and {FORMAT}"
                ));
            }
        };
        read.map_err(|e| e.to_string())
    }

    fn node(&self) -> NodeId {
        match self {
            Self::Current(document) => document.node_id,
            Self::Counted(document) => document.node_id,
        }
    }
}

impl Document {
    /// Writes beside, syncs, renames, syncs the directory: a crash leaves the old document or the new one.
    fn write(&self, dir: &Path) -> Result<(), IdentityError> {
        let path = dir.join("node.json");
        let write = || {
            let beside = path.with_extension("json.new");
            let mut file = File::create(&beside)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.sync_all()?;
            fs::rename(&beside, &path)?;
            File::open(dir)?.sync_all()
        };
        write().map_err(|source| io_error(&path, source))
    }
}

fn io_error(path: &Path, source: io::Error) -> IdentityError {
    IdentityError::Io { path: path.to_owned(), source }
}
