//! Reads and changes of the metadata on behalf of a request, each with a limit, and why one failed.

use headwater_meta::{Applied, Command, MetaError, NamespaceRecord, Outcome, Presence, State, refusal};
use headwater_types::{ErrorCode, KeyId, UnixMillis, rfc3339};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::timeout;
use tracing::Instrument;

use super::{
    AdminApi,
    auth::Caller,
    error::{ApiError, ApiResult},
};
use headwater_types::api::AuditEntry;

/// For each read and each change of the metadata.
pub const LIMIT: Duration = Duration::from_secs(5);
/// For what an answer can do without: who takes part, and what roles last reported.
pub(super) const SOFT_LIMIT: Duration = Duration::from_secs(1);

/// A change as the audit log tells it.
#[derive(Debug, Clone)]
pub struct Change {
    /// What, such as `namespace.update`.
    pub action: &'static str,
    /// Of what.
    pub target: String,
    /// As it was, without secrets.
    pub before: Option<Value>,
    /// As it will be, without secrets.
    pub after: Option<Value>,
}

impl AdminApi {
    /// The state as of now, confirmed by a quorum; with `stale`, this process's copy as it is.
    pub(crate) async fn read(&self, stale: bool) -> ApiResult<Arc<State>> {
        if stale {
            return Ok(self.cache.state());
        }
        match self.cache.linearizable(&*self.store, LIMIT).await {
            Ok(state) => Ok(state),
            Err(error) => Err(self.unavailable(&error).await),
        }
    }

    /// Makes a change and writes it to the audit log, whether or not the client waits for it. A refusal is an error, as
    /// the state machine words it.
    pub(crate) async fn change(
        &self,
        caller: &Caller,
        change: Change,
        command: Command,
    ) -> ApiResult<Applied> {
        let (api, caller) = (self.clone(), caller.clone());
        to_its_end(async move {
            match api.store.propose(command, LIMIT).await {
                Ok(Applied { outcome: Outcome::Refused { code, message }, .. }) => {
                    Err(refused(&code, message))
                }
                Ok(applied) => {
                    api.record(&caller, change, "").await;
                    Ok(applied)
                }
                Err(error) => Err(api.failed(&caller, change, error).await),
            }
        })
        .await
    }

    /// Why a change failed; one that may have happened goes to the audit log as `<action>.unknown`.
    pub(crate) async fn failed(&self, caller: &Caller, change: Change, error: MetaError) -> ApiError {
        match error {
            MetaError::Unavailable(_) => self.unavailable(&error).await,
            MetaError::Unknown(why) => {
                let again = again(change.action);
                self.record(caller, change, ".unknown").await;
                let detail = format!("the change may or may not have been made ({why}); {again}");
                ApiError::new(ErrorCode::OutcomeUnknown, detail)
            }
            MetaError::Invalid(why) => {
                tracing::error!(%why, action = change.action, "the metadata and this build do not understand each other");
                ApiError::new(ErrorCode::Internal, "the metadata did not understand the change; see the log")
            }
        }
    }

    /// Writes a change to the audit log.
    pub(crate) async fn record(&self, caller: &Caller, change: Change, suffix: &str) {
        let entry = AuditEntry {
            at: rfc3339::format(self.clock.unix_millis()),
            who: caller.who.clone(),
            client: caller.client.map(|address| address.to_string()),
            action: format!("{}{suffix}", change.action),
            target: change.target,
            before: change.before,
            after: change.after,
            request_id: caller.request_id.to_string(),
        };
        self.audit.record(entry).await;
    }

    /// The copy, once it shows `version`.
    pub(crate) async fn shown(&self, version: u64) -> ApiResult<Arc<State>> {
        match timeout(LIMIT, self.cache.wait_for(version)).await {
            Ok(()) => Ok(self.cache.state()),
            Err(_) => Err(ApiError::new(
                ErrorCode::OutcomeUnknown,
                format!(
                    "the change was made (version {version}), but this process does not see it yet; read it again"
                ),
            )),
        }
    }

    /// What roles last reported; nothing where the metadata does not say.
    pub(crate) async fn presence(&self) -> Presence {
        self.known_presence(&[]).await.unwrap_or_default()
    }

    /// When keys, a page of them at most, last granted a request, where that is known.
    pub(crate) async fn keys_used(&self, keys: &[KeyId]) -> BTreeMap<KeyId, UnixMillis> {
        self.known_presence(keys).await.unwrap_or_default().keys_used
    }

    /// What roles last reported; `None` where the metadata does not say.
    pub(crate) async fn known_presence(&self, keys: &[KeyId]) -> Option<Presence> {
        timeout(SOFT_LIMIT, self.store.presence(keys)).await.ok()?.ok()
    }

    async fn unavailable(&self, error: &MetaError) -> ApiError {
        let membership = timeout(SOFT_LIMIT, self.store.membership()).await;
        let need = match membership.map(|answer| answer.map(|membership| membership.voters().count())) {
            Ok(Ok(voters)) if voters > 0 => format!("{} of {voters} voters", voters / 2 + 1),
            _ => "most of the voters".to_owned(),
        };
        ApiError::new(
            ErrorCode::MetadataUnavailable,
            format!(
                "no quorum of the metadata answers: the data plane goes on; changes and current reads need {need} \
                 (reads with stale=true answer from this process's copy); {error}"
            ),
        )
    }
}

/// Runs a change in a task of its own: a client that goes away drops its request, which must not drop what stands
/// between a change and its entry in the audit log.
pub(super) async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = ApiResult<T>> + Send + 'static,
) -> ApiResult<T> {
    tokio::spawn(work.in_current_span()).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a change did not come to its end");
        Err(ApiError::new(ErrorCode::Internal, "the change did not come to its end; see the log"))
    })
}

/// What to do after a change that may have been made.
fn again(action: &str) -> &'static str {
    match action {
        "key.create" | "signing_key.create" => {
            "list the keys before you send it again: one whose secret nobody has should be revoked"
        }
        "namespace.delete" => {
            "look at the namespace before you send it again: one that was made anew with this name would be deleted"
        }
        "namespace.create" => {
            "look at the namespace before you send it again: if it is there, it may be the one that you asked for"
        }
        "purge.start" => {
            "look at the purges before you send it again: if it has ended since, another one also takes what was stored meanwhile"
        }
        _ => "send it again: it is safe",
    }
}

/// The error for a refusal of the state machine, in its words.
pub(crate) fn refused(code: &str, message: String) -> ApiError {
    let code = match code {
        refusal::EXISTS => ErrorCode::Exists,
        refusal::NOT_FOUND => ErrorCode::NotFound,
        refusal::VERSION_MISMATCH => ErrorCode::PreconditionFailed,
        refusal::INVALID => ErrorCode::InvalidValue,
        refusal::TOO_MANY => ErrorCode::TooMany,
        refusal::UNKNOWN_COMMAND => ErrorCode::NotSupported,
        refusal::CAPACITY => ErrorCode::Capacity,
        _ => ErrorCode::Conflict,
    };
    ApiError::new(code, message)
}

/// An answer of another kind than the question: a bug.
pub(crate) fn unexpected(outcome: &Outcome) -> ApiError {
    // Not the outcome itself: it may hold a secret.
    let kind = match outcome {
        Outcome::Namespace { .. } => "namespace",
        Outcome::Key(_) => "key",
        Outcome::SigningKey(_) => "signing key",
        Outcome::Purge(_) => "purge",
        Outcome::Registered { .. } => "registered processes",
        Outcome::Done => "done",
        Outcome::Refused { .. } => "refused",
    };
    tracing::error!(kind, "the metadata answered another question");
    ApiError::new(ErrorCode::Internal, "the metadata gave an unexpected answer; see the log")
}

/// A namespace by the name in the path.
pub(crate) fn namespace<'a>(state: &'a State, name: &str) -> ApiResult<&'a Arc<NamespaceRecord>> {
    state.namespace(name).ok_or_else(|| {
        let name: String = name.chars().take(64).collect();
        ApiError::absent(format_args!("namespace {name:?}"))
    })
}
