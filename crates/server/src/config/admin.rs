//! `[admin]`: the admin API of a role.

use headwater_admin::{BootstrapToken, api::auth::BOOTSTRAP_TOKEN_BYTES_MIN};
use serde::{Deserialize, Serialize};
use std::{fs, path::PathBuf};

use super::{ConfigError, value};

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AdminLow {
    token: Option<String>,
    token_file: Option<PathBuf>,
    audit_file: Option<PathBuf>,
}

// Not derived: the token must not get into a log.
impl std::fmt::Debug for AdminLow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (token_file, audit_file) = (&self.token_file, &self.audit_file);
        write!(f, "AdminLow {{ token_file: {token_file:?}, audit_file: {audit_file:?}, .. }}")
    }
}

/// The admin API of a role, ready to be built.
#[derive(Debug, Default)]
pub struct AdminReady {
    /// A token that is valid beside the admin keys.
    pub bootstrap_token: Option<BootstrapToken>,
    /// Where changes are written down, beside the log.
    pub audit_file: Option<PathBuf>,
}

impl AdminLow {
    pub fn ready(self) -> Result<AdminReady, ConfigError> {
        let redacted = "(not shown)";
        let (key, token) = match (self.token, self.token_file) {
            (Some(_), Some(_)) => {
                return Err(value("admin.token", redacted, "either admin.token or admin.token_file"));
            }
            (Some(token), None) => ("admin.token", Some(token)),
            (None, Some(path)) => {
                let shown = path.display();
                let read = fs::read_to_string(&path);
                let text = read.map_err(|e| {
                    value("admin.token_file", shown, format!("a file that can be read ({e})"))
                })?;
                ("admin.token_file", Some(text))
            }
            (None, None) => ("admin.token", None),
        };
        let checked = |token: String| {
            let allowed = format!("at least {BOOTSTRAP_TOKEN_BYTES_MIN} visible ASCII characters");
            BootstrapToken::new(&token).ok_or_else(|| value(key, redacted, allowed))
        };
        Ok(AdminReady { bootstrap_token: token.map(checked).transpose()?, audit_file: self.audit_file })
    }
}
