//! First steps in a cluster: a namespace that must be there, and keys.

use futures_util::StreamExt;
use headwater_types::{ApiKey, NamespaceId, NamespaceName, Rng, UnixMillis};
use std::time::Duration;
use tokio::time::timeout;

use crate::{
    command::{Command, Outcome},
    records::{NamespaceSettings, Permission},
    refusal, secret,
    state::State,
    store::{Applied, MetaError, MetaStore, WatchEvent},
};

/// For each proposal and each read.
const LIMIT: Duration = Duration::from_secs(10);
/// Proposals of a command whose outcome stays unknown.
const ATTEMPTS: usize = 3;

/// Why a first step failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BootstrapError {
    /// The metadata did not answer.
    #[error(transparent)]
    Meta(#[from] MetaError),
    /// The command was refused.
    #[error("refused ({code}): {message}")]
    Refused {
        /// One of [`crate::refusal`].
        code: String,
        /// What was wrong.
        message: String,
    },
    /// The answer was of another kind than the question.
    #[error("unexpected outcome: {0}")]
    Unexpected(String),
}

/// Makes a namespace, or finds the one that has the name. `settings` are those of a new one; one that is there keeps
/// its own.
pub async fn ensure_namespace(
    store: &dyn MetaStore,
    name: NamespaceName,
    settings: NamespaceSettings,
) -> Result<NamespaceId, BootstrapError> {
    let command = Command::CreateNamespace { name: name.clone(), settings };
    let Applied { version, outcome } = propose(store, command).await?;
    match outcome {
        Outcome::Namespace { id, .. } => Ok(id),
        Outcome::Refused { code, .. } if code == refusal::EXISTS => {
            let state = read_at(store, version).await?;
            let record = state.namespace(name.as_str());
            record
                .map(|r| r.id)
                .ok_or_else(|| BootstrapError::Unexpected(format!("{name} exists and does not")))
        }
        other => Err(unexpected(other)),
    }
}

/// Makes a key, valid in `namespace` (none for an admin key) and below `prefix`, until `expires_at`. Only its hash is
/// stored: what is answered is the only copy of the secret.
pub async fn issue_key(
    store: &dyn MetaStore,
    rng: &dyn Rng,
    namespace: Option<NamespaceId>,
    permission: Permission,
    prefix: Option<String>,
    expires_at: Option<UnixMillis>,
) -> Result<ApiKey, BootstrapError> {
    let key = ApiKey::generate(rng);
    let command = Command::CreateKey {
        id: key.id.clone(),
        secret_sha256: secret::hash(&key),
        namespace,
        permission,
        prefix,
        expires_at,
        cidrs: Vec::new(),
        digest: None,
        rate_limits: Default::default(),
    };
    match propose(store, command).await?.outcome {
        Outcome::Key(_) => Ok(key),
        other => Err(unexpected(other)),
    }
}

/// Proposes again while the outcome is unknown, which every command allows.
async fn propose(store: &dyn MetaStore, command: Command) -> Result<Applied, MetaError> {
    let mut result = store.propose(command.clone(), LIMIT).await;
    for _ in 1..ATTEMPTS {
        if !matches!(result, Err(MetaError::Unknown(_))) {
            break;
        }
        result = store.propose(command.clone(), LIMIT).await;
    }
    result
}

/// The state at `version` or later, from a watch: unlike a linearizable read it can be had from every source.
async fn read_at(store: &dyn MetaStore, version: u64) -> Result<State, MetaError> {
    let read = async {
        let mut events = store.watch(0).await?;
        let mut state = State::default();
        while let Some(event) = events.next().await {
            match event? {
                WatchEvent::Snapshot(snapshot) => state = *snapshot,
                WatchEvent::Entry { version, command } => {
                    state.apply(version, &command);
                }
                WatchEvent::Idle { .. } => {}
            }
            if state.version >= version {
                return Ok(state);
            }
        }
        Err(MetaError::Unavailable("the watch ended".to_owned()))
    };
    timeout(LIMIT, read)
        .await
        .unwrap_or_else(|_| Err(MetaError::Unavailable(format!("not at {version} within {LIMIT:?}"))))
}

fn unexpected(outcome: Outcome) -> BootstrapError {
    match outcome {
        Outcome::Refused { code, message } => BootstrapError::Refused { code, message },
        other => BootstrapError::Unexpected(format!("{other:?}")),
    }
}
