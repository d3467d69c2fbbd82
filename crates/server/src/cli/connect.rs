//! Where the cluster is and what may be done there: flags, then the environment, then the user's file, then a `dev.json`.
//!
//! A secret that stands in a file is sent only to the URL that stands beside it, so that naming another host does not hand
//! it over.

mod files;

use anyhow::{Context, Result};
use clap::Args;
use headwater_client::{Admin, Client};
use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use self::files::FileSettings;
use super::explain::{Explained, Plane};

/// A secret of the command line. Its `Debug` does not show it.
#[derive(Clone)]
pub struct Secret(String);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(redacted)")
    }
}

/// Where the admin plane is.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Connection")]
pub struct AdminArgs {
    /// Admin plane, like http://127.0.0.1:8081 [env: HEADWATER_ADMIN_URL]
    #[arg(long, global = true, value_name = "URL")]
    pub admin_url: Option<String>,
    /// Admin token; better in the environment or a file, where other users do not see it [env: HEADWATER_ADMIN_TOKEN]
    #[arg(long, global = true, value_name = "TOKEN", conflicts_with = "admin_token_file")]
    pub admin_token: Option<Secret>,
    /// File with nothing but the admin token, or with the JSON of `headwater key create --admin`
    #[arg(long, global = true, value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,
}

/// How the admin plane is read.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct ReadArgs {
    /// What the process that answers has, as it is; also while the metadata has no quorum
    #[arg(long)]
    pub stale: bool,
}

impl ReadArgs {
    /// The client to read with.
    pub fn of(self, admin: &Admin) -> Admin {
        admin.clone().stale(self.stale)
    }
}

/// Where the data plane is.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Connection")]
pub struct DataArgs {
    /// Data plane, like http://127.0.0.1:8080 [env: HEADWATER_DATA_URL]
    #[arg(long, global = true, value_name = "URL")]
    pub data_url: Option<String>,
    /// API key; better in the environment or a file, where other users do not see it [env: HEADWATER_API_KEY]
    #[arg(
        long = "key",
        alias = "api-key",
        global = true,
        value_name = "API_KEY",
        conflicts_with = "key_file"
    )]
    pub key: Option<Secret>,
    /// File with nothing but the API key, or with the JSON of `headwater key create`
    #[arg(long, global = true, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// Namespace [env: HEADWATER_NAMESPACE]
    #[arg(short, long, global = true, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
}

/// Everything besides flags that settings can come from.
pub struct Surroundings<'a> {
    /// The environment.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The user's file, if it is there.
    pub user_file: Option<PathBuf>,
    /// The `dev.json` of a `headwater dev` that was started here, if it is there.
    pub dev_file: Option<PathBuf>,
}

/// One place that settings were found in.
#[derive(Debug, Default)]
struct Layer {
    name: String,
    settings: FileSettings,
    is_file: bool,
}

/// What was found for one plane.
pub struct Found {
    url: String,
    secret: Option<String>,
    /// To be said to the user.
    note: Option<String>,
}

impl AdminArgs {
    /// A client of the admin plane, and what to say when it fails.
    pub fn connect(&self) -> Result<(Admin, Plane)> {
        let found = with_surroundings(|around| self.resolve(around))?;
        found.tell();
        let plane = Plane::Admin { url: found.url.clone() };
        let token = found.secret.ok_or_else(|| missing("no admin token was given", TOKEN_HINT))?;
        let admin = Admin::new(&found.url, &token).map_err(|e| plane.explain(e.into()))?;
        Ok((admin, plane))
    }

    /// Finds URL and token.
    fn resolve(&self, around: &Surroundings) -> Result<Found> {
        let flags = FileSettings {
            admin_url: self.admin_url.clone(),
            admin_token: self.admin_token.clone().map(|secret| secret.0),
            admin_token_file: self.admin_token_file.clone(),
            ..FileSettings::default()
        };
        let layers = around.layers(flags)?;
        let url = first(&layers, |s| s.admin_url.clone())
            .ok_or_else(|| missing("it is not known where the admin plane is", ADMIN_URL_HINT))?;
        secret(&layers, url, |s| &s.admin_url, |s| (s.admin_token.clone(), s.admin_token_file.clone()))
    }
}

impl DataArgs {
    /// A client of the data plane, and what to say when it fails.
    pub fn connect(&self) -> Result<(Client, Plane)> {
        let (found, namespace) = with_surroundings(|around| self.resolve(around))?;
        found.tell();
        let namespace = namespace.ok_or_else(|| missing("no namespace was given", NAMESPACE_HINT))?;
        let key = found.secret.ok_or_else(|| missing("no API key was given", KEY_HINT))?;
        let plane = Plane::Data { url: found.url.clone(), namespace: namespace.clone() };
        let client = Client::new(&found.url, &namespace, &key).map_err(|e| plane.explain(e.into()))?;
        Ok((client, plane))
    }

    /// Where the data plane is, for signing: no key is needed for that.
    pub fn data_url(&self) -> Result<String> {
        with_surroundings(|around| Ok(self.resolve(around)?.0.url))
    }

    /// The namespace that was given, wherever.
    pub fn namespace(&self) -> Result<String> {
        let flags = FileSettings { namespace: self.namespace.clone(), ..FileSettings::default() };
        let layers = with_surroundings(|around| around.layers(flags))?;
        let found = first(&layers, |s| s.namespace.clone());
        Ok(found.ok_or_else(|| missing("no namespace was given", NAMESPACE_HINT))?.0)
    }

    fn resolve(&self, around: &Surroundings) -> Result<(Found, Option<String>)> {
        let flags = FileSettings {
            data_url: self.data_url.clone(),
            api_key: self.key.clone().map(|secret| secret.0),
            api_key_file: self.key_file.clone(),
            namespace: self.namespace.clone(),
            ..FileSettings::default()
        };
        let layers = around.layers(flags)?;
        let namespace = first(&layers, |s| s.namespace.clone()).map(|(namespace, _)| namespace);
        let url = first(&layers, |s| s.data_url.clone())
            .ok_or_else(|| missing("it is not known where the data plane is", DATA_URL_HINT))?;
        let found = secret(&layers, url, |s| &s.data_url, |s| (s.api_key.clone(), s.api_key_file.clone()))?;
        Ok((found, namespace))
    }
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Found({}, secret redacted)", self.url)
    }
}

impl Found {
    fn tell(&self) {
        if let Some(note) = &self.note {
            eprintln!("{note}");
        }
    }
}

impl Surroundings<'_> {
    fn layers(&self, flags: FileSettings) -> Result<Vec<Layer>> {
        let mut layers = vec![
            Layer { name: "the command line".into(), settings: flags, is_file: false },
            Layer {
                name: "the environment".into(),
                settings: FileSettings::of_environment(self.env),
                is_file: false,
            },
        ];
        if let Some(path) = &self.user_file {
            let settings = FileSettings::of_user_file(path)?;
            layers.push(Layer { name: path.display().to_string(), settings, is_file: true });
        }
        if let Some(path) = &self.dev_file {
            let settings = FileSettings::of_dev_json(path)?;
            layers.push(Layer { name: path.display().to_string(), settings, is_file: true });
        }
        Ok(layers)
    }
}

/// The first layer that has it.
fn first<T>(layers: &[Layer], get: impl Fn(&FileSettings) -> Option<T>) -> Option<(T, &Layer)> {
    layers.iter().find_map(|layer| Some((get(&layer.settings)?, layer)))
}

/// The secret that goes with a URL.
fn secret(
    layers: &[Layer],
    (url, from): (String, &Layer),
    url_of: impl Fn(&FileSettings) -> &Option<String>,
    secret_of: impl Fn(&FileSettings) -> (Option<String>, Option<PathBuf>),
) -> Result<Found> {
    let same = |other: &str| other.trim_end_matches('/') == url.trim_end_matches('/');
    let usable = |layer: &&Layer| !layer.is_file || url_of(&layer.settings).as_deref().is_none_or(same);
    let mut used = None;
    for layer in layers.iter().filter(usable) {
        let value = match secret_of(&layer.settings) {
            (Some(value), _) => value,
            (None, Some(file)) => read_secret(&file)?,
            (None, None) => continue,
        };
        used = Some((value, layer));
        break;
    }
    let dev = |layer: &Layer| layer.is_file && layer.name.ends_with("dev.json");
    let by_dev = [Some(from), used.as_ref().map(|(_, layer)| *layer)].into_iter().flatten().find(|l| dev(l));
    let note =
        by_dev.map(|layer| format!("using {} of the `headwater dev` that was started here", layer.name));
    Ok(Found { url, secret: used.map(|(value, _)| value), note })
}

/// A secret alone in a file, or in the document that its making answered.
fn read_secret(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    if !text.trim_start().starts_with('{') {
        return Ok(text.trim().to_owned());
    }
    let document: serde_json::Value =
        serde_json::from_str(&text).with_context(|| format!("{} is malformed", path.display()))?;
    let key = document.get("api_key").and_then(|key| key.as_str());
    key.map(str::to_owned).with_context(|| format!("{} has no api_key", path.display()))
}

fn with_surroundings<T>(then: impl FnOnce(&Surroundings) -> Result<T>) -> Result<T> {
    let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let there = |path: PathBuf| path.is_file().then_some(path);
    let home = || Some(PathBuf::from(env("HOME")?).join(".config"));
    let config = env("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home);
    then(&Surroundings {
        env: &env,
        user_file: config.map(|dir| dir.join("headwater/config.toml")).and_then(there),
        dev_file: there("headwater-data/dev.json".into()),
    })
}

const ADMIN_URL_HINT: &str = "Say it by --admin-url, HEADWATER_ADMIN_URL or admin_url in \
~/.config/headwater/config.toml; or run this where `headwater dev` was started.";
const DATA_URL_HINT: &str = "Say it by --data-url, HEADWATER_DATA_URL or data_url in \
~/.config/headwater/config.toml; or run this where `headwater dev` was started.";
const TOKEN_HINT: &str = "Give it by HEADWATER_ADMIN_TOKEN, --admin-token-file or admin_token in \
~/.config/headwater/config.toml. The first start of a cluster writes one into its credentials file (`headwater dev`: \
headwater-data/dev.json); `headwater key create --admin` makes more.";
const KEY_HINT: &str = "Give it by HEADWATER_API_KEY, --key-file or api_key in ~/.config/headwater/config.toml. \
`headwater key create NAMESPACE` makes one.";
const NAMESPACE_HINT: &str =
    "Say it by --namespace or HEADWATER_NAMESPACE. `headwater ns list` shows what there is.";

fn missing(what: &str, hint: &str) -> anyhow::Error {
    Explained::new(what, hint).into()
}

#[cfg(test)]
mod tests;
