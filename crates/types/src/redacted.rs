//! Text that no `Debug` shows.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A secret inside of something that is printed. Serialized as the text that it is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Redacted(pub String);

impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_and_json_all() {
        let secret = Redacted("verysecret".into());
        assert_eq!(format!("{secret:?}"), "(redacted)");
        let json = serde_json::to_string(&secret).unwrap();
        assert_eq!(json, "\"verysecret\"");
        assert_eq!(serde_json::from_str::<Redacted>(&json).unwrap(), secret);
    }
}
