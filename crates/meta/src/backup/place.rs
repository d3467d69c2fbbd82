//! Where the files of a target lie: a directory, or a prefix of an object store.

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, path::Path as ObjectPath};
use std::{fs, io, path::PathBuf, sync::Arc};

use super::{BackupError, BackupName};
use crate::{durable, limits::SNAPSHOT_BYTES_MAX};

/// Largest backup that is read, in bytes: a state that gzip cannot make smaller, and its header.
const BACKUP_BYTES_MAX: u64 = SNAPSHOT_BYTES_MAX as u64 + 64 * 1024;

/// A file of a place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub name: BackupName,
    pub bytes: u64,
}

#[derive(Debug, Clone)]
pub(super) enum Place {
    Directory(PathBuf),
    Objects { store: Arc<dyn ObjectStore>, prefix: ObjectPath },
}

impl Place {
    /// Backups in their order; other files are left out.
    pub(super) async fn list(&self) -> Result<Vec<Found>, BackupError> {
        let mut found = match self {
            Self::Directory(dir) => blocking(dir, list_dir).await?,
            Self::Objects { store, prefix } => {
                let listed = store.list_with_delimiter(Some(prefix)).await?;
                let one = |meta: object_store::ObjectMeta| {
                    let name = meta.location.filename()?.parse().ok()?;
                    Some(Found { name, bytes: meta.size })
                };
                listed.objects.into_iter().filter_map(one).collect()
            }
        };
        found.sort_by_key(|found| found.name);
        Ok(found)
    }

    pub(super) async fn put(&self, name: BackupName, bytes: Vec<u8>) -> Result<(), BackupError> {
        match self {
            Self::Directory(dir) => {
                blocking(dir, move |dir| {
                    fs::create_dir_all(dir)?;
                    durable::replace(&dir.join(name.to_string()), &bytes)
                })
                .await
            }
            Self::Objects { store, prefix } => {
                store.put(&prefix.clone().join(name.to_string()), PutPayload::from(bytes)).await?;
                Ok(())
            }
        }
    }

    pub(super) async fn get(&self, name: BackupName) -> Result<Bytes, BackupError> {
        let missing = || BackupError::Missing(format!("backup {name}"));
        match self {
            Self::Directory(dir) => match blocking(dir, move |dir| read(&dir.join(name.to_string()))).await {
                Err(BackupError::Directory { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                    Err(missing())
                }
                read => read.map(Bytes::from),
            },
            Self::Objects { store, prefix } => {
                match store.get(&prefix.clone().join(name.to_string())).await {
                    Ok(found) => {
                        let mut body = Vec::new();
                        let mut chunks = found.into_stream();
                        while let Some(chunk) = chunks.try_next().await? {
                            if (body.len() + chunk.len()) as u64 > BACKUP_BYTES_MAX {
                                return Err(too_large(name));
                            }
                            body.extend_from_slice(&chunk);
                        }
                        Ok(Bytes::from(body))
                    }
                    Err(object_store::Error::NotFound { .. }) => Err(missing()),
                    Err(e) => Err(e.into()),
                }
            }
        }
    }

    pub(super) async fn delete(&self, name: BackupName) -> Result<(), BackupError> {
        match self {
            Self::Directory(dir) => {
                blocking(dir, move |dir| fs::remove_file(dir.join(name.to_string()))).await
            }
            Self::Objects { store, prefix } => {
                Ok(store.delete(&prefix.clone().join(name.to_string())).await?)
            }
        }
    }
}

fn too_large(name: BackupName) -> BackupError {
    BackupError::Unusable { name: name.to_string(), error: crate::sealed::SealError::TooLarge }
}

fn list_dir(dir: &std::path::Path) -> io::Result<Vec<Found>> {
    let entries = match fs::read_dir(dir) {
        // It is made by the first backup.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if let Some(name) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
            found.push(Found { name, bytes: entry.metadata()?.len() });
        }
    }
    Ok(found)
}

fn read(path: &std::path::Path) -> io::Result<Vec<u8>> {
    let bytes = fs::metadata(path)?.len();
    if bytes > BACKUP_BYTES_MAX {
        return Err(io::Error::other(format!("{bytes} bytes, a backup has at most {BACKUP_BYTES_MAX}")));
    }
    fs::read(path)
}

/// Runs disk work on a thread that may block.
async fn blocking<T: Send + 'static>(
    dir: &std::path::Path,
    work: impl FnOnce(&std::path::Path) -> io::Result<T> + Send + 'static,
) -> Result<T, BackupError> {
    let at = dir.to_owned();
    let done = tokio::task::spawn_blocking(move || work(&at)).await.map_err(io::Error::other);
    done.and_then(|done| done)
        .map_err(|error| BackupError::Directory { what: dir.display().to_string(), error })
}
