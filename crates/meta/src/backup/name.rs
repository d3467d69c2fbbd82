//! Names of backups: their order is that of their times, then of their versions.

use headwater_types::UnixMillis;
use std::{fmt, str::FromStr};

/// `meta-<Unix milliseconds, 13 digits>-<version, 20 digits>.backup`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BackupName {
    /// When it was made. Of two backups in one target the later has the larger time, whatever the clocks said.
    pub at: UnixMillis,
    /// The version of the state.
    pub version: u64,
}

impl fmt::Display for BackupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "meta-{:013}-{:020}.backup", self.at.0, self.version)
    }
}

/// It is not the name of a backup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the name of a backup, like meta-1764000000000-00000000000000001234.backup")]
pub struct NotAName(String);

impl FromStr for BackupName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let parsed = || {
            let (at, version) = text.strip_prefix("meta-")?.strip_suffix(".backup")?.split_once('-')?;
            Some(Self { at: UnixMillis(at.parse().ok()?), version: version.parse().ok()? })
        };
        // Only what would be written like this again: no signs, no other widths.
        let name = parsed().filter(|name| name.to_string() == text);
        name.ok_or_else(|| NotAName(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_in_order_and_others_are_not_taken() {
        let name = |at, version| BackupName { at: UnixMillis(at), version };
        let ordered =
            [name(5, 9), name(1_764_000_000_000, 3), name(1_764_000_000_000, 10), name(1_764_000_000_001, 1)];
        let texts: Vec<String> = ordered.iter().map(ToString::to_string).collect();
        assert!(texts.is_sorted(), "{texts:?}");
        for (name, text) in ordered.iter().zip(&texts) {
            assert_eq!(text.parse(), Ok(*name));
        }
        assert_eq!(texts[1], "meta-1764000000000-00000000000000000003.backup");
        for other in
            ["", "meta-1-2.backup", "meta-+764000000000-00000000000000000003.backup", "latest", "x.backup"]
        {
            assert!(other.parse::<BackupName>().is_err(), "{other}");
        }
    }
}
