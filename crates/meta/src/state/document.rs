//! The state as a JSON document with a format number: what snapshots and watches carry.

use serde::{Deserialize, Serialize};

use super::State;
use crate::store::MetaError;

/// The newest encoding of the state that this build writes and reads.
pub const STATE_FORMAT: u32 = 1;

#[derive(Serialize)]
struct DocumentRef<'a> {
    format: u32,
    state: &'a State,
}

#[derive(Deserialize)]
struct Document {
    state: State,
}

#[derive(Deserialize)]
struct Header {
    format: u32,
}

impl State {
    /// The document of this state: the same bytes for the same state.
    pub fn encode(&self) -> Result<Vec<u8>, MetaError> {
        let document = DocumentRef { format: STATE_FORMAT, state: self };
        serde_json::to_vec(&document).map_err(|e| MetaError::Invalid(format!("state: {e}")))
    }

    /// Reads a document. Unknown fields are ignored; a newer format is an error.
    pub fn decode(document: &[u8]) -> Result<Self, MetaError> {
        let invalid = |e: serde_json::Error| MetaError::Invalid(format!("state: {e}"));
        let header: Header = serde_json::from_slice(document).map_err(invalid)?;
        if header.format > STATE_FORMAT {
            let format = header.format;
            return Err(MetaError::Invalid(format!("state format {format} is newer than {STATE_FORMAT}")));
        }
        let document: Document = serde_json::from_slice(document).map_err(invalid)?;
        Ok(document.state)
    }
}
