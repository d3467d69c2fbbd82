//! Persisted values as JSON documents with a format number.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// The newest encoding of persisted values that this build writes and reads.
///
/// 1: a term could have several leaders, so an entry's id named its leader beside its term.
/// 2: it names the term alone, and a vote says for whom it is.
const FORMAT: u32 = 2;
const FORMAT_LEADERS_OF_A_TERM: u32 = 1;

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
    if format <= FORMAT_LEADERS_OF_A_TERM {
        let Document { mut value } = serde_json::from_slice::<Document<Value>>(document)?;
        one_leader_a_term(&mut value);
        return Ok(serde_json::from_value(value)?);
    }
    Ok(serde_json::from_slice::<Document<T>>(document)?.value)
}

/// Rewrites what format 1 says of leaders as format 2 does. Commands stand in their entries as text and are not touched.
fn one_leader_a_term(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let is_vote = fields.contains_key("committed");
            for (name, field) in fields {
                match (name.as_str(), field["term"].as_u64(), field["node_id"].as_u64()) {
                    ("leader_id", Some(term), Some(node)) if is_vote => {
                        *field = serde_json::json!({ "term": term, "voted_for": node });
                    }
                    ("leader_id", Some(term), Some(_)) => *field = term.into(),
                    _ => one_leader_a_term(field),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(one_leader_a_term),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::types::{Entry, LogId, Vote};
    use openraft::{CommittedLeaderId, EntryPayload};

    #[test]
    fn what_format_1_says_of_leaders_is_read() {
        let vote = br#"{"format":1,"value":{"leader_id":{"term":7,"node_id":3},"committed":true}}"#;
        assert_eq!(decode::<Vote>(vote).unwrap(), Vote::new_committed(7, 3));
        let last = LogId::new(CommittedLeaderId::new(7, 3), 42);
        let id = br#"{"format":1,"value":{"leader_id":{"term":7,"node_id":3},"index":42}}"#;
        assert_eq!(decode::<Option<LogId>>(id).unwrap(), Some(last));
        let entry = br#"{"format":1,"value":{"log_id":{"leader_id":{"term":7,"node_id":3},"index":42},"payload":{"Normal":"{\"leader_id\":{\"term\":1,\"node_id\":1}}"}}}"#;
        let entry: Entry = decode(entry).unwrap();
        assert_eq!(entry.log_id, last);
        let EntryPayload::Normal(command) = entry.payload else { panic!("{:?}", entry.payload) };
        assert_eq!(command.to_bytes(), r#"{"leader_id":{"term":1,"node_id":1}}"#);
    }

    #[test]
    fn what_is_written_is_read_and_what_is_newer_is_refused() {
        let vote = Vote::new(9, 2);
        assert_eq!(decode::<Vote>(&encode(&vote).unwrap()).unwrap(), vote);
        assert!(matches!(decode::<u64>(br#"{"format":3,"value":1}"#), Err(DocumentError::Newer(3))));
    }
}
