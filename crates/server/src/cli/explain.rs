//! Errors that say what to do next.

use headwater_client::Error;

/// An error with what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Explained {
    message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// The stable code, if the cluster answered with one.
    pub code: Option<String>,
    /// The HTTP status, if the cluster answered.
    pub status: Option<u16>,
    /// For the operator's logs.
    pub request_id: Option<String>,
}

/// What was asked.
#[derive(Debug, Clone)]
pub enum Plane {
    /// The admin plane.
    Admin {
        /// Where it was looked for.
        url: String,
    },
    /// The data plane.
    Data {
        /// Where it was looked for.
        url: String,
        /// In which namespace.
        namespace: String,
    },
}

impl Explained {
    /// What was wrong, and what to do next.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: Some(hint.into()), code: None, status: None, request_id: None }
    }
}

impl Plane {
    /// Adds to an error of the SDK what it means here. Other errors stay as they are.
    pub fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        let Some(cause) = error.downcast_ref::<Error>() else { return error };
        let message = match cause {
            Error::Transport(_) if cause.is_connect() => format!("nothing answers at {}", self.url()),
            // The innermost cause says what happened; the outer ones repeat the URL, query included.
            Error::Transport(transport) => format!("{}: {}", self.url(), innermost(transport)),
            other => other.to_string(),
        };
        let request_id = match cause {
            Error::Refused { request_id, .. } if !request_id.is_empty() => Some(request_id.clone()),
            _ => None,
        };
        let (code, status) = (cause.code().map(str::to_owned), cause.status().map(|status| status.as_u16()));
        Explained { message, hint: self.hint(cause), code, status, request_id }.into()
    }

    fn url(&self) -> &str {
        match self {
            Self::Admin { url } | Self::Data { url, .. } => url,
        }
    }

    fn hint(&self, error: &Error) -> Option<String> {
        match error {
            _ if error.is_connect() => Some(self.not_there()),
            Error::Timeout { .. } => Some(
                "The connection stands and nothing comes: the process may be overloaded or stopped. \
                 Its admin address answers /healthz and /readyz."
                    .into(),
            ),
            Error::Answer(_) => Some(self.another_plane()),
            Error::Refused { status, code, .. } => self.refused(status.as_u16(), code),
            Error::Transport(_) => Some(self.lost().into()),
            Error::Url(_) => None,
        }
    }

    /// The connection was lost on the way.
    fn lost(&self) -> &'static str {
        match self {
            Self::Admin { .. } => {
                "If this was to change something, it may or may not have been done: look before you do it again. A key that \
                 was made and whose secret nobody has is in `headwater key list`: revoke it."
            }
            Self::Data { .. } => "A write may or may not be stored; sending it again is safe.",
        }
    }

    fn not_there(&self) -> String {
        match self {
            Self::Admin { .. } => "Is it running? `headwater dev` starts a cluster here; \
                --admin-url or HEADWATER_ADMIN_URL says where another one is."
                .into(),
            Self::Data { .. } => "Is it running? `headwater dev` starts a cluster here; \
                --data-url or HEADWATER_DATA_URL says where another one is."
                .into(),
        }
    }

    fn another_plane(&self) -> String {
        let (what, flag) = match self {
            Self::Admin { .. } => ("an admin plane", "--admin-url"),
            Self::Data { .. } => ("a data plane", "--data-url"),
        };
        format!("Is {} {what}? The two planes have ports of their own; {flag} says which.", self.url())
    }

    fn refused(&self, status: u16, code: &str) -> Option<String> {
        let hint = match (self, status, code) {
            (Self::Admin { .. }, 401, _) => {
                "The admin token is unknown, revoked or expired. The first start of a cluster writes one into its \
                 credentials file (`headwater dev`: headwater-data/dev.json); `headwater key create --admin` makes more. \
                 Give it by HEADWATER_ADMIN_TOKEN or --admin-token-file."
            }
            (Self::Admin { .. }, 403, _) => {
                "The admin plane takes keys that `headwater key create --admin` made, not those of a namespace, and each \
                 only from the addresses that it is limited to."
            }
            (Self::Data { namespace, .. }, 401, _) => {
                return Some(format!(
                    "The API key is unknown, revoked or expired. `headwater key list {namespace}` shows what there is, \
                     `headwater key create {namespace}` makes one; give it by HEADWATER_API_KEY or --key-file."
                ));
            }
            (Self::Data { namespace, .. }, 403, _) => {
                return Some(format!(
                    "The key is valid, but not for this: look at its permission, prefix and addresses with \
                     `headwater key list {namespace}`."
                ));
            }
            (Self::Admin { .. }, 503, "metadata_unavailable") => {
                "Nothing was changed. Reading and writing objects goes on without the metadata; namespaces, keys and the \
                 cluster cannot be changed until a majority of its voters runs. `headwater cluster meta status` asks \
                 them, --stale reads what was known last; a leader that died is replaced within seconds."
            }
            (_, 503, "metadata_stale") => {
                "This frontend has not heard the metadata for longer than its auth_max_staleness_s: ask another one."
            }
            (Self::Admin { .. }, 503, "outcome_unknown") => {
                "It may or may not have been done: look before you do it again."
            }
            (Self::Data { .. }, 503, "outcome_unknown") => {
                "It may or may not be stored; sending it again is safe."
            }
            (_, 503, "overloaded" | "unavailable") => "Nothing was done; try again in a moment.",
            (Self::Admin { .. }, 404, "not_found") => {
                "`headwater ns list` shows the namespaces there are, `headwater key list` their keys, \
                 `headwater cluster nodes` the nodes, `headwater workers --all` the purges."
            }
            (Self::Admin { .. }, 404 | 405, "") => return Some(self.another_plane()),
            (_, 409, "exists") => {
                "Choose another name, or change what is there: `headwater ns update --help`."
            }
            (_, 409, "not_empty") => "--force removes what is in it, too.",
            (_, 409, "capacity") => {
                "`headwater size --help` says how hot capacity is computed; \
                `headwater cluster status` shows what the zones have."
            }
            (Self::Admin { .. }, 412, _) => {
                "Somebody changed it meanwhile: look at it again, then repeat the change."
            }
            (_, 413, _) => "`headwater ns update NAMESPACE --max-object SIZE` allows larger objects.",
            (_, 429, _) => "A rate limit is configured for this: wait, or have it raised.",
            (_, 507, _) => {
                "The namespace's quota is used up: `headwater ns show` has it, `headwater ns update` raises it."
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_client::StatusCode;

    fn refused(status: u16, code: &str) -> anyhow::Error {
        let error = Error::Refused {
            status: StatusCode::from_u16(status).unwrap(),
            code: code.into(),
            detail: "why".into(),
            request_id: "r1".into(),
            retry_after: None,
        };
        error.into()
    }

    #[test]
    fn refusals_say_what_to_do() {
        let admin = Plane::Admin { url: "http://a".into() };
        let data = Plane::Data { url: "http://d".into(), namespace: "live".into() };
        for (plane, status, code, expected) in [
            (&admin, 401, "unauthorized", "credentials file"),
            (&admin, 403, "forbidden", "key create --admin"),
            (&admin, 403, "forbidden", "addresses"),
            (&admin, 404, "not_found", "cluster nodes"),
            (&admin, 503, "metadata_unavailable", "--stale"),
            (&data, 503, "metadata_stale", "another one"),
            (&admin, 503, "metadata_unavailable", "Reading and writing objects goes on"),
            (&admin, 503, "outcome_unknown", "look before"),
            (&admin, 404, "", "ports of their own"),
            (&admin, 409, "not_empty", "--force"),
            (&admin, 412, "precondition_failed", "meanwhile"),
            (&data, 401, "unauthorized", "key list live"),
            (&data, 403, "forbidden", "permission, prefix"),
            (&data, 503, "outcome_unknown", "is safe"),
            (&data, 429, "rate_limited", "rate limit"),
            (&data, 507, "quota_exceeded", "quota"),
        ] {
            let error = plane.explain(refused(status, code));
            let explained = error.downcast_ref::<Explained>().unwrap();
            let hint = explained.hint.as_deref().unwrap_or_default();
            assert!(hint.contains(expected), "{status} {code}: {hint:?}");
            assert_eq!((explained.status, explained.request_id.as_deref()), (Some(status), Some("r1")));
            assert!(explained.message.contains("why"));
        }
    }
}
