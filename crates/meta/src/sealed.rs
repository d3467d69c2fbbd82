//! A state in a file by itself: what a copy on disk and a backup are.
//!
//! # Format
//! One line of JSON, the header, then the document of the state ([`State::encode`]), plain or in gzip. The header has
//! `headwater` (always `metadata`), `format`, `encoding` (`plain` or `gzip`), `at` (when it was written, Unix
//! milliseconds), `version` (of the state), `cluster` (its name, empty where it is not known), `bytes` and `sha256` of
//! what follows the line, as it stands there. Unknown header fields are ignored; a newer format is refused.
//!
//! It holds key hashes and signing secrets: whoever can read it can sign URLs.

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use headwater_types::UnixMillis;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::{self, Read, Write};

use crate::{limits::SNAPSHOT_BYTES_MAX, state::State};

/// The newest format that this build writes and reads.
pub const SEALED_FORMAT: u32 = 1;
/// Longest header line, in bytes.
const HEADER_BYTES_MAX: usize = 4096;
const KIND: &str = "metadata";

/// A state and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The state.
    pub state: State,
    /// When it was written.
    pub at: UnixMillis,
    /// The cluster's name; empty where it is not known.
    pub cluster: String,
}

/// How the document stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Encoding {
    /// As it is.
    Plain,
    /// In gzip.
    Gzip,
}

/// Why a file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// It is something else, or its beginning is damaged.
    #[error("no metadata of headwater: {0}")]
    Foreign(String),
    /// A newer build wrote it.
    #[error("format {0} is newer than {SEALED_FORMAT}, the newest one that this build reads")]
    Newer(u32),
    /// Some of it is missing, or something was added.
    #[error("{have} bytes follow the header, which says {want}")]
    Length {
        /// Bytes that are there.
        have: u64,
        /// Bytes that were written.
        want: u64,
    },
    /// Bytes have changed.
    #[error("the checksum does not match: it is damaged")]
    Checksum,
    /// It passes the bound of a state.
    #[error("the state has more than {SNAPSHOT_BYTES_MAX} bytes")]
    TooLarge,
    /// The document cannot be read or written.
    #[error("the state in it: {0}")]
    Document(String),
}

#[derive(Serialize, Deserialize)]
struct Header {
    headwater: String,
    format: u32,
    encoding: Encoding,
    at: UnixMillis,
    version: u64,
    #[serde(default)]
    cluster: String,
    bytes: u64,
    sha256: String,
}

/// What stays the same in every format.
#[derive(Deserialize)]
struct Kind {
    headwater: String,
    format: u32,
}

/// The bytes of a file.
pub(crate) fn seal(
    state: &State,
    at: UnixMillis,
    cluster: &str,
    encoding: Encoding,
) -> Result<Vec<u8>, SealError> {
    let document = state.encode().map_err(|e| SealError::Document(e.to_string()))?;
    if document.len() > SNAPSHOT_BYTES_MAX {
        return Err(SealError::TooLarge);
    }
    let body = match encoding {
        Encoding::Plain => document,
        Encoding::Gzip => compress(&document).map_err(|e| SealError::Document(e.to_string()))?,
    };
    let header = Header {
        headwater: KIND.to_owned(),
        format: SEALED_FORMAT,
        encoding,
        at,
        version: state.version,
        cluster: cluster.to_owned(),
        bytes: body.len() as u64,
        sha256: sha256(&body),
    };
    let mut sealed = serde_json::to_vec(&header).map_err(|e| SealError::Document(e.to_string()))?;
    sealed.push(b'\n');
    sealed.extend_from_slice(&body);
    Ok(sealed)
}

/// Reads what [`seal`] wrote. Everything is checked before anything is answered.
pub(crate) fn open(bytes: &[u8]) -> Result<Sealed, SealError> {
    let foreign = |e: serde_json::Error| SealError::Foreign(e.to_string());
    let line = bytes.iter().take(HEADER_BYTES_MAX).position(|byte| *byte == b'\n');
    let line = line.ok_or_else(|| SealError::Foreign("it does not begin with a header".to_owned()))?;
    let (header, body) = (&bytes[..line], &bytes[line + 1..]);
    let Kind { headwater, format } = serde_json::from_slice(header).map_err(foreign)?;
    if headwater != KIND {
        return Err(SealError::Foreign(format!("it holds {headwater:?}")));
    }
    if format > SEALED_FORMAT {
        return Err(SealError::Newer(format));
    }
    let header: Header = serde_json::from_slice(header).map_err(foreign)?;
    if header.bytes != body.len() as u64 {
        return Err(SealError::Length { have: body.len() as u64, want: header.bytes });
    }
    if header.sha256 != sha256(body) {
        return Err(SealError::Checksum);
    }
    let state = match header.encoding {
        Encoding::Plain => State::decode(body),
        Encoding::Gzip => State::decode(&expand(body)?),
    };
    let state = state.map_err(|e| SealError::Document(e.to_string()))?;
    if state.version != header.version {
        let (said, is) = (header.version, state.version);
        return Err(SealError::Document(format!("it is at version {is}, its header says {said}")));
    }
    Ok(Sealed { state, at: header.at, cluster: header.cluster })
}

fn compress(document: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(document)?;
    encoder.finish()
}

/// Never more than the bound in memory, whatever a small file claims to hold.
fn expand(body: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut document = Vec::new();
    let limit = SNAPSHOT_BYTES_MAX as u64 + 1;
    let read = GzDecoder::new(body).take(limit).read_to_end(&mut document);
    let read = read.map_err(|e| SealError::Document(e.to_string()))?;
    if read > SNAPSHOT_BYTES_MAX { Err(SealError::TooLarge) } else { Ok(document) }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        State { version: 7, ..State::default() }
    }

    fn sealed(encoding: Encoding) -> Vec<u8> {
        seal(&state(), UnixMillis(5), "blue", encoding).unwrap()
    }

    #[test]
    fn both_encodings_come_back() {
        for encoding in [Encoding::Plain, Encoding::Gzip] {
            let read = open(&sealed(encoding)).unwrap();
            assert_eq!(read, Sealed { state: state(), at: UnixMillis(5), cluster: "blue".to_owned() });
        }
    }

    #[test]
    fn no_damage_is_taken_for_a_state() {
        for encoding in [Encoding::Plain, Encoding::Gzip] {
            let good = sealed(encoding);
            for len in 0..good.len() {
                assert!(open(&good[..len]).is_err(), "cut to {len}");
            }
            for at in 0..good.len() {
                let mut bad = good.clone();
                bad[at] ^= 0x10;
                // A flipped bit in the header may change what is only told: the time and the cluster.
                if let Ok(read) = open(&bad) {
                    assert_eq!(read.state, state(), "flipped at {at}");
                }
            }
            let longer = [good.as_slice(), b"x"].concat();
            assert!(matches!(open(&longer), Err(SealError::Length { .. })));
        }
    }

    #[test]
    fn what_is_newer_or_something_else_is_named() {
        let text = String::from_utf8(sealed(Encoding::Plain)).unwrap();
        let newer = text.replacen("\"format\":1", "\"format\":2", 1);
        assert!(matches!(open(newer.as_bytes()), Err(SealError::Newer(2))));
        let newer_state = text.replacen("{\"format\":1,\"state\"", "{\"format\":9,\"state\"", 1);
        assert!(matches!(open(newer_state.as_bytes()), Err(SealError::Checksum)));
        for foreign in ["", "\n", "hello\nthere", "{\"headwater\":\"cheese\",\"format\":1}\n"] {
            assert!(matches!(open(foreign.as_bytes()), Err(SealError::Foreign(_))), "{foreign:?}");
        }
    }

    #[test]
    fn a_small_file_that_expands_past_the_bound_is_refused() {
        let huge = compress(&vec![b' '; SNAPSHOT_BYTES_MAX + 1]).unwrap();
        assert!(matches!(expand(&huge), Err(SealError::TooLarge)));
        let most = compress(&vec![b' '; SNAPSHOT_BYTES_MAX]).unwrap();
        assert_eq!(expand(&most).unwrap().len(), SNAPSHOT_BYTES_MAX);
    }
}
