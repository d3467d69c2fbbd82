//! Who may do what: allowed if any valid credential grants it.

#[cfg(test)]
mod tests;

use headwater_meta::KeyRecord;
use headwater_types::{NamespaceId, signing::SigningKeyId};
use std::sync::Arc;

use crate::{
    credentials::{
        check::{Checked, Checker},
        presented,
    },
    query::Query,
};

/// What a request wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action<'a> {
    /// GET of a key.
    Get(&'a str),
    /// HEAD of a key.
    Head(&'a str),
    /// PUT of a key.
    Put(&'a str),
    /// POST of a key.
    Post(&'a str),
    /// DELETE of a key.
    Delete(&'a str),
    /// LIST of names that begin with a prefix.
    List(&'a str),
}

impl<'a> Action<'a> {
    /// The verb as viewer tokens name it, and the name that it is about.
    fn parts(self) -> (&'static str, &'a str) {
        match self {
            Self::Get(name) => ("GET", name),
            Self::Head(name) => ("HEAD", name),
            Self::Put(name) => ("PUT", name),
            Self::Post(name) => ("POST", name),
            Self::Delete(name) => ("DELETE", name),
            Self::List(name) => ("LIST", name),
        }
    }

    /// Whether it changes nothing.
    pub fn reads(self) -> bool {
        matches!(self, Self::Get(_) | Self::Head(_) | Self::List(_))
    }
}

/// What a valid credential allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Right {
    /// That of an API key, however it was presented.
    Key {
        record: Arc<KeyRecord>,
        /// Whether the key may be used from where the client is.
        from_here: bool,
    },
    /// That of a viewer token or a signed URL.
    Signed(Signed),
}

/// What a signing key has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signed {
    pub kid: SigningKeyId,
    pub namespace: NamespaceId,
    /// Empty: all of the namespace.
    pub prefix: String,
    pub verbs: Vec<String>,
}

/// Which credential granted: what the access log says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Grant {
    Key(Arc<KeyRecord>),
    Signed(SigningKeyId),
}

/// Why no credential granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No valid credential was presented: 401. `stale`: a Digest answer was right but for the age of its nonce.
    Unauthorized { stale: bool },
    /// Valid ones were, none grants it: 403.
    Forbidden,
}

/// Tries all that the request presents until one grants. Where there is no namespace of that name, whoever has a valid
/// key of another learns no more than that it does not grant this.
pub(crate) fn authorize(
    checker: Checker<'_>,
    query: Query<'_>,
    action: Action<'_>,
) -> Result<Grant, Refusal> {
    let namespace = checker.policy.map(|policy| policy.id());
    // The usual request repeats what its connection presented before: nothing more is looked at where that grants.
    if let Some(right) = checker.recalled()
        && namespace.is_some_and(|id| right.grants(id, action))
    {
        return Ok(right.into_grant());
    }
    let (mut valid, mut stale) = (false, false);
    for credential in presented(&checker.parts.headers, query) {
        match checker.check(credential) {
            Checked::Valid(right) if namespace.is_some_and(|id| right.grants(id, action)) => {
                return Ok(right.into_grant());
            }
            Checked::Valid(_) => valid = true,
            Checked::Stale => stale = true,
            Checked::Invalid => {}
        }
    }
    Err(if valid { Refusal::Forbidden } else { Refusal::Unauthorized { stale } })
}

impl Right {
    fn grants(&self, namespace: NamespaceId, action: Action<'_>) -> bool {
        let (verb, name) = action.parts();
        match self {
            Self::Key { record, from_here } => {
                let permission = record.permission;
                let permitted = if action.reads() { permission.reads() } else { permission.writes() };
                let covered = || record.prefix.as_deref().is_none_or(|prefix| covers(prefix, name));
                record.namespace == Some(namespace) && permitted && *from_here && covered()
            }
            Self::Signed(signed) => {
                let covered = || signed.prefix.is_empty() || covers(&signed.prefix, name);
                signed.namespace == namespace && signed.verbs.iter().any(|v| v == verb) && covered()
            }
        }
    }

    fn into_grant(self) -> Grant {
        match self {
            Self::Key { record, .. } => Grant::Key(record),
            Self::Signed(signed) => Grant::Signed(signed.kid),
        }
    }
}

/// Whether `name` lies below `prefix`. A prefix ends at a `/`, written or not: `live` covers `live/a`, not `live2`.
fn covers(prefix: &str, name: &str) -> bool {
    match name.strip_prefix(prefix) {
        Some(rest) => !prefix.is_empty() && (prefix.ends_with('/') || rest.starts_with('/')),
        None => false,
    }
}
