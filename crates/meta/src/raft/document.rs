//! Persisted values as JSON documents with a format number.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The newest encoding of persisted values that this build writes and reads.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct DocumentRef<'a, T> {
    format: u32,
    value: &'a T,
}

#[derive(Deserialize)]
struct Document<T> {
    value: T,
}

#[derive(Deserialize)]
struct Header {
    format: u32,
}

/// A persisted value that cannot be read: damaged, or written by a newer build.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DocumentError {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("format {0} is newer than {FORMAT}: this build is too old for the data")]
    Newer(u32),
}

pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, DocumentError> {
    Ok(serde_json::to_vec(&DocumentRef { format: FORMAT, value })?)
}

pub(crate) fn decode<T: DeserializeOwned>(document: &[u8]) -> Result<T, DocumentError> {
    let Header { format } = serde_json::from_slice(document)?;
    if format > FORMAT {
        return Err(DocumentError::Newer(format));
    }
    Ok(serde_json::from_slice::<Document<T>>(document)?.value)
}
