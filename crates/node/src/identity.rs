//! Who this process is: the node's id and its incarnation, kept in `node.json` under an exclusive lock.

use headwater_types::{Incarnation, Member, NodeId};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The format of `node.json` that this build writes and reads.
const FORMAT: u32 = 1;

/// What every format of `node.json` begins with.
#[derive(Deserialize)]
struct AnyDocument {
    format: u32,
}

/// The persisted form of `node.json`, format 1.
#[derive(Serialize, Deserialize)]
struct Document {
    format: u32,
    node_id: NodeId,
    incarnation: Incarnation,
}

/// A node's identity. As long as it lives, no other process can have the data directory.
#[derive(Debug)]
pub struct Identity {
    member: Member,
    _lock: File,
}

/// Why an identity could not be taken.
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
    /// Locks `data_dir` (made if it is not there) and takes the next incarnation of `node`, durably.
    pub fn take(data_dir: &Path, node: NodeId) -> Result<Self, IdentityError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| IdentityError::Io { path, source }
        };
        fs::create_dir_all(data_dir).map_err(io(data_dir))?;
        let lock_path = data_dir.join("lock");
        let lock = File::create(&lock_path).map_err(io(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(IdentityError::InUse(data_dir.to_owned())),
            Err(TryLockError::Error(source)) => return Err(IdentityError::Io { path: lock_path, source }),
        }

        let path = data_dir.join("node.json");
        let before = match fs::read(&path) {
            Ok(bytes) => Some(
                read(&bytes).map_err(|problem| IdentityError::Malformed { path: path.clone(), problem })?,
            ),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(io(&path)(e)),
        };
        if let Some(found) = before.as_ref().map(|d| d.node_id).filter(|id| *id != node) {
            return Err(IdentityError::OtherNode { path: data_dir.to_owned(), found, expected: node });
        }
        let incarnation = Incarnation(before.map_or(0, |d| d.incarnation.0) + 1);
        write_durably(data_dir, &path, &Document { format: FORMAT, node_id: node, incarnation })
            .map_err(io(&path))?;
        Ok(Self { member: Member { node, incarnation }, _lock: lock })
    }

    /// This process, as shard configurations name it.
    pub fn member(&self) -> Member {
        self.member
    }
}

/// The format is looked at first: a later one may say something else about who this is.
fn read(bytes: &[u8]) -> Result<Document, String> {
    let AnyDocument { format } = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    if format != FORMAT {
        return Err(format!("has format {format}, and this version of headwater reads format {FORMAT}"));
    }
    serde_json::from_slice(bytes).map_err(|e| e.to_string())
}

/// Writes beside, syncs, renames, syncs the directory: a crash leaves the old document or the new one.
fn write_durably(dir: &Path, path: &Path, document: &Document) -> io::Result<()> {
    let beside = path.with_extension("json.new");
    let mut file = File::create(&beside)?;
    file.write_all(&serde_json::to_vec_pretty(document)?)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incarnations_count_up_and_the_directory_is_exclusive() {
        let dir = tempfile::tempdir().unwrap();
        let first = Identity::take(dir.path(), NodeId(7)).unwrap();
        assert_eq!(first.member().incarnation, Incarnation(1));
        assert!(matches!(Identity::take(dir.path(), NodeId(7)), Err(IdentityError::InUse(_))));
        drop(first);
        assert!(matches!(Identity::take(dir.path(), NodeId(8)), Err(IdentityError::OtherNode { .. })));
        let second = Identity::take(dir.path(), NodeId(7)).unwrap();
        assert_eq!(second.member().incarnation, Incarnation(2));
        drop(second);
        fs::write(dir.path().join("node.json"), b"{").unwrap();
        assert!(matches!(Identity::take(dir.path(), NodeId(7)), Err(IdentityError::Malformed { .. })));
    }

    #[test]
    fn a_document_of_a_later_format_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        drop(Identity::take(dir.path(), NodeId(7)).unwrap());
        let path = dir.path().join("node.json");
        let now = fs::read_to_string(&path).unwrap();
        for later in [now.replace("\"format\": 1", "\"format\": 2"), r#"{"format": 2, "who": 7}"#.to_owned()]
        {
            assert_ne!(later, now);
            fs::write(&path, &later).unwrap();
            let error = Identity::take(dir.path(), NodeId(7)).unwrap_err();
            assert!(error.to_string().contains("has format 2"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), later);
        }
        fs::write(&path, now).unwrap();
        assert_eq!(Identity::take(dir.path(), NodeId(7)).unwrap().member().incarnation, Incarnation(2));
    }
}
