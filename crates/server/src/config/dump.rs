//! A role's configuration as it is in effect, without its secrets.

use serde::Serialize;
use serde_json::Value;
use std::path::Path;

use super::{ConfigError, FrontendReady, MetaReady, NodeReady};

/// Whose configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A metadata voter.
    Meta,
    /// A storage node.
    Node,
    /// An HTTP frontend.
    Frontend,
}

/// What stands in the place of a secret.
const REDACTED: &str = "(redacted)";
/// Endings of the names of secrets.
const SECRET_NAMES: [&str; 6] = ["secret", "token", "password", "api_key", "access_key", "secret_key"];

/// Reads and validates a role's file and answers with what is in effect: defaults, the file, and the environment.
pub fn dump(role: Role, path: &Path) -> Result<Value, ConfigError> {
    match role {
        Role::Meta => MetaReady::effective(path),
        Role::Node => NodeReady::effective(path),
        Role::Frontend => FrontendReady::effective(path),
    }
}

/// The low form of a configuration without its secrets.
pub(super) fn redacted(low: &impl Serialize) -> Result<Value, ConfigError> {
    let mut value = serde_json::to_value(low).map_err(|e| ConfigError::Unreadable(e.to_string()))?;
    redact(&mut value);
    Ok(value)
}

fn redact(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| match value {
            Value::String(secret) if SECRET_NAMES.iter().any(|ending| name.ends_with(ending)) => {
                *secret = REDACTED.to_owned();
            }
            value => redact(value),
        }),
        Value::Array(items) => items.iter_mut().for_each(redact),
        Value::String(text) => redact_user_info(text),
        _ => {}
    }
}

/// `scheme://user:password@host` without user and password.
fn redact_user_info(text: &mut String) {
    let Some((scheme, rest)) = text.split_once("://") else { return };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if let Some((user_info, _)) = authority.rsplit_once('@') {
        *text = format!("{scheme}://{REDACTED}@{}", &rest[user_info.len() + 1..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_left_out_wherever_they_stand() {
        let low = json!({
            "admin_token": "a", "s3": [{"secret_access_key": "b", "bucket": "kept"}], "token_file": "kept",
            "otlp_endpoint": "http://me:c@host:1/p?q=@", "plain": "http://host/@", "id": 1, "none_token": null,
        });
        assert_eq!(
            redacted(&low).unwrap(),
            json!({
                "admin_token": REDACTED, "s3": [{"secret_access_key": REDACTED, "bucket": "kept"}],
                "token_file": "kept", "otlp_endpoint": "http://(redacted)@host:1/p?q=@", "plain": "http://host/@",
                "id": 1, "none_token": null,
            })
        );
    }
}
