//! What an encoder says about an object besides its bytes.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Stored response headers and user metadata, bounded by `limits`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// Content-Type as it is answered.
    pub content_type: Arc<str>,
    /// Content-Encoding as it was sent.
    pub content_encoding: Option<String>,
    /// Cache-Control as it was sent; without it the answer's is chosen by class.
    pub cache_control: Option<String>,
    /// `x-headwater-meta-*` headers: full lower-case name and value.
    pub user_meta: Vec<(String, String)>,
}

impl Attributes {
    /// Bytes that these take, for memory accounting.
    pub fn heap_bytes(&self) -> usize {
        let option = |value: &Option<String>| value.as_ref().map_or(0, String::len);
        let pairs: usize = self.user_meta.iter().map(|(n, v)| n.len() + v.len() + 48).sum();
        self.content_type.len() + option(&self.content_encoding) + option(&self.cache_control) + pairs
    }
}
