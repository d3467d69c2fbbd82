//! Backups of the metadata in a directory or in S3: what a group is founded from when all its voters are lost.
//!
//! A backup is a file of [`crate::sealed`] in gzip. The leader writes one every few minutes ([`run`]), and
//! `headwater backup` on demand. Only unconditional PUT, GET, LIST and DELETE are asked of the object store.
//!
//! It holds key hashes and signing secrets: the bucket must be private. Files of a directory have mode 0600.

mod metrics;
mod name;
mod place;
mod target;
#[cfg(test)]
mod tests;
mod worker;

pub use metrics::BackupMetrics;
pub use name::BackupName;
pub use target::{BackupInfo, LoadedBackup, Target};
pub use worker::{EVERY_DEFAULT, Leading, run};

use crate::sealed::SealError;

/// Backups that are kept unless told otherwise: a day of one every 10 minutes.
pub const KEEP_DEFAULT: usize = 144;

/// Why a backup was not written or read.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The target is not one.
    #[error("{given:?} is no target for backups: {allowed}")]
    Target {
        /// What was given.
        given: String,
        /// What is allowed, or what is missing.
        allowed: String,
    },
    /// The directory cannot be read or written.
    #[error("{what}: {error}")]
    Directory {
        /// Where.
        what: String,
        /// Why.
        error: std::io::Error,
    },
    /// The object store did not do it.
    #[error("object store: {0}")]
    Store(#[from] object_store::Error),
    /// There is no backup, or not the one that was asked for.
    #[error("there is no {0}")]
    Missing(String),
    /// It is damaged or from a newer build.
    #[error("backup {name}: {error}")]
    Unusable {
        /// Which one.
        name: String,
        /// What is wrong with it.
        error: SealError,
    },
}
