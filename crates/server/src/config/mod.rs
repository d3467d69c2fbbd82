//! Configuration of the roles: defaults, then the TOML file, then `HEADWATER_<ROLE>__<KEY>` from the environment.
//!
//! Read into a low form (what the file says), then validated into a ready form (what the role is built from). Every error
//! names the key, what was given and what is allowed.

mod admin;
mod backup;
mod bytes;
mod dump;
mod frontend;
mod http;
mod log;
mod meta;
mod node;

pub use admin::AdminReady;
pub use backup::BackupReady;
pub use bytes::parse_bytes;
pub use dump::{Role, dump};
pub use frontend::FrontendReady;
pub use http::HttpReady;
pub use log::AccessLogTarget;
pub use meta::MetaReady;
pub use node::NodeReady;

use ::config::{Config, Environment, File, FileFormat};
use serde::de::DeserializeOwned;
use std::{net::SocketAddr, path::Path};

/// Why a configuration was refused. The process ends with code 64.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read, has an unknown key or a value of the wrong type.
    #[error("{0}")]
    Unreadable(String),
    /// A value is not allowed.
    #[error("{key} = {given:?} is not allowed: {allowed}")]
    Value {
        /// The key.
        key: &'static str,
        /// What was given.
        given: String,
        /// What is allowed.
        allowed: String,
    },
}

/// Reads the low form of a role's configuration.
fn read<T: DeserializeOwned>(role: &str, path: &Path) -> Result<T, ConfigError> {
    let prefix = format!("HEADWATER_{}", role.to_uppercase());
    let environment = Environment::with_prefix(&prefix)
        .prefix_separator("__")
        .separator("__")
        .list_separator(",")
        .with_list_parse_key("meta")
        .with_list_parse_key("join")
        .with_list_parse_key("trusted_proxies")
        .try_parsing(true);
    let unreadable = |e: ::config::ConfigError| ConfigError::Unreadable(format!("{}: {e}", path.display()));
    Config::builder()
        .add_source(File::from(path).format(FileFormat::Toml))
        .add_source(environment)
        .build()
        .and_then(Config::try_deserialize)
        .map_err(unreadable)
}

fn value(key: &'static str, given: impl ToString, allowed: impl ToString) -> ConfigError {
    ConfigError::Value { key, given: given.to_string(), allowed: allowed.to_string() }
}

fn socket(key: &'static str, given: &str) -> Result<SocketAddr, ConfigError> {
    given.parse().map_err(|_| value(key, given, "an address and port, like 127.0.0.1:8080 or [::]:8080"))
}

fn host_port(key: &'static str, given: &str) -> Result<String, ConfigError> {
    let port =
        given.rsplit_once(':').filter(|(host, _)| !host.is_empty()).and_then(|(_, p)| p.parse::<u16>().ok());
    match port {
        Some(1..) => Ok(given.to_owned()),
        _ => Err(value(key, given, "host:port, as other processes reach it")),
    }
}

fn voters(given: &[String]) -> Result<Vec<String>, ConfigError> {
    if given.is_empty() {
        return Err(value("meta", "[]", "at least one metadata voter as host:port"));
    }
    given.iter().map(|address| host_port("meta", address)).collect()
}

fn id(given: u64) -> Result<u64, ConfigError> {
    if given == 0 {
        Err(value("id", given, "a number of at least 1, never used for another member"))
    } else {
        Ok(given)
    }
}

#[cfg(test)]
mod tests;
