//! Who may do what: allowed if any valid credential grants it.

use headwater_meta::KeyRecord;
use headwater_types::NamespaceId;
use std::sync::Arc;

/// What a request wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action<'a> {
    /// GET or HEAD of a key.
    Read(&'a str),
    /// PUT, POST or DELETE of a key.
    Write(&'a str),
    /// LIST of names that begin with a prefix.
    List(&'a str),
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// This key grants it.
    Granted(Arc<KeyRecord>),
    /// No valid credential was presented: 401.
    Unauthorized,
    /// Valid ones were, none grants it: 403.
    Forbidden,
}

/// Decides from the records of the credentials that are valid. `namespace` is `None` where there is none of that name:
/// whoever has a valid key of another learns no more than that it does not grant this.
pub(crate) fn decide(
    namespace: Option<NamespaceId>,
    action: Action<'_>,
    valid: impl IntoIterator<Item = Arc<KeyRecord>>,
) -> Decision {
    let mut decision = Decision::Unauthorized;
    for record in valid {
        if allows(&record, namespace, action) {
            return Decision::Granted(record);
        }
        decision = Decision::Forbidden;
    }
    decision
}

/// Whether a valid key grants the action in this namespace.
pub(crate) fn allows(record: &KeyRecord, namespace: Option<NamespaceId>, action: Action<'_>) -> bool {
    namespace.is_some() && record.namespace == namespace && grants(record, action)
}

/// Whether a key of the right namespace covers the action.
fn grants(record: &KeyRecord, action: Action<'_>) -> bool {
    let (permitted, name) = match action {
        Action::Read(key) => (record.permission.reads(), key),
        Action::Write(key) => (record.permission.writes(), key),
        Action::List(prefix) => (record.permission.reads(), prefix),
    };
    permitted && record.prefix.as_deref().is_none_or(|prefix| covers(prefix, name))
}

/// Whether `name` lies below `prefix`. A prefix ends at a `/`, written or not: `live` covers `live/a`, not `live2`.
fn covers(prefix: &str, name: &str) -> bool {
    match name.strip_prefix(prefix) {
        Some(rest) => !prefix.is_empty() && (prefix.ends_with('/') || rest.starts_with('/')),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_meta::Permission;
    use headwater_types::{KeyId, UnixMillis};

    const HERE: NamespaceId = NamespaceId(1);
    const ELSEWHERE: NamespaceId = NamespaceId(2);

    fn key(namespace: Option<NamespaceId>, permission: Permission, prefix: Option<&str>) -> Arc<KeyRecord> {
        Arc::new(KeyRecord {
            id: KeyId("id".into()),
            secret_sha256: String::new(),
            namespace,
            permission,
            prefix: prefix.map(str::to_owned),
            created_at: UnixMillis(0),
            expires_at: None,
            version: 1,
        })
    }

    /// Every combination of permission, namespace, prefix and action, against the rule told a second time as a table.
    #[test]
    fn every_combination_of_one_key() {
        let names =
            [("live/a.ts", true), ("live/", true), ("live", false), ("live2/a.ts", false), ("a.ts", false)];
        for permission in
            [Permission::ReadOnly, Permission::WriteOnly, Permission::ReadWrite, Permission::Admin]
        {
            for owner in [Some(HERE), Some(ELSEWHERE), None] {
                for prefix in [None, Some("live/"), Some("live")] {
                    for (name, below) in names {
                        for action in [Action::Read(name), Action::Write(name), Action::List(name)] {
                            let permitted = matches!(
                                (permission, action),
                                (Permission::ReadWrite, _)
                                    | (Permission::ReadOnly, Action::Read(_) | Action::List(_))
                                    | (Permission::WriteOnly, Action::Write(_))
                            );
                            let want = permitted && owner == Some(HERE) && (prefix.is_none() || below);
                            let decision = decide(Some(HERE), action, [key(owner, permission, prefix)]);
                            let got = matches!(decision, Decision::Granted(_));
                            assert_eq!(got, want, "{permission:?} {owner:?} {prefix:?} {action:?}");
                            assert_ne!(decision, Decision::Unauthorized);
                            let unknown = decide(None, action, [key(owner, permission, prefix)]);
                            assert_eq!(unknown, Decision::Forbidden);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn any_key_that_grants_is_enough_and_none_is_unauthorised() {
        let action = Action::Write("a");
        let reader = key(Some(HERE), Permission::ReadOnly, None);
        let stranger = key(Some(ELSEWHERE), Permission::ReadWrite, None);
        let writer = key(Some(HERE), Permission::WriteOnly, None);
        assert_eq!(decide(Some(HERE), action, []), Decision::Unauthorized);
        assert_eq!(decide(None, action, []), Decision::Unauthorized);
        assert_eq!(decide(Some(HERE), action, [reader.clone(), stranger.clone()]), Decision::Forbidden);
        let all = [reader, stranger, writer.clone()];
        assert_eq!(decide(Some(HERE), action, all), Decision::Granted(writer));
        let empty_prefix = key(Some(HERE), Permission::ReadWrite, Some(""));
        assert_eq!(decide(Some(HERE), action, [empty_prefix]), Decision::Forbidden);
    }
}
