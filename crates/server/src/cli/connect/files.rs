//! The settings of one place: the environment, the user's file, or a `dev.json`.

use anyhow::{Context, Result};
use serde::Deserialize;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// What a place says.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileSettings {
    pub admin_url: Option<String>,
    pub admin_token: Option<String>,
    pub admin_token_file: Option<PathBuf>,
    pub data_url: Option<String>,
    pub api_key: Option<String>,
    pub api_key_file: Option<PathBuf>,
    pub namespace: Option<String>,
}

impl std::fmt::Debug for FileSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FileSettings({:?}, {:?}, secrets redacted)", self.admin_url, self.data_url)
    }
}

#[derive(Deserialize)]
struct DevJson {
    data_url: String,
    admin_url: String,
    namespace: String,
    encoder_api_key: String,
    admin_token: String,
}

impl FileSettings {
    pub(super) fn of_environment(env: &dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            admin_url: env("HEADWATER_ADMIN_URL"),
            admin_token: env("HEADWATER_ADMIN_TOKEN"),
            admin_token_file: env("HEADWATER_ADMIN_TOKEN_FILE").map(PathBuf::from),
            data_url: env("HEADWATER_DATA_URL"),
            api_key: env("HEADWATER_API_KEY"),
            api_key_file: env("HEADWATER_API_KEY_FILE").map(PathBuf::from),
            namespace: env("HEADWATER_NAMESPACE"),
        }
    }

    pub(super) fn of_user_file(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        // The parser's message would quote the line, and with it a secret.
        let settings: Self = toml::from_str(&text)
            .map_err(|error: toml::de::Error| anyhow::anyhow!("{}: {}", path.display(), error.message()))?;
        let secret = settings.admin_token.is_some() || settings.api_key.is_some();
        let mode = fs::metadata(path).map_or(0, |about| about.permissions().mode());
        if secret && mode & 0o077 != 0 {
            eprintln!("others can read the secrets in {0}: chmod 600 {0}", path.display());
        }
        Ok(settings)
    }

    pub(super) fn of_dev_json(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let dev: DevJson = serde_json::from_str(&text)
            .map_err(|error| anyhow::anyhow!("{} is malformed at line {}", path.display(), error.line()))?;
        Ok(Self {
            admin_url: Some(dev.admin_url),
            admin_token: Some(dev.admin_token),
            data_url: Some(dev.data_url),
            api_key: Some(dev.encoder_api_key),
            namespace: Some(dev.namespace),
            ..Self::default()
        })
    }
}
