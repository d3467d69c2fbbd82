//! Flags for the settings of a namespace, as the document that the admin plane takes.

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Map, Value, json};
use std::{fs, path::PathBuf, time::Duration};

use super::units::{parse_duration, parse_seconds};
use crate::config::parse_bytes;

/// Settings of a namespace. What is not given is not touched.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Settings")]
pub struct SettingsArgs {
    /// TTL of objects that no rule matches and whose PUT says none, like 1h
    #[arg(long, value_name = "DURATION", value_parser = parse_seconds)]
    default_ttl: Option<u64>,
    /// Largest TTL that a PUT may ask for, like 14d
    #[arg(long, value_name = "DURATION", value_parser = parse_seconds)]
    max_ttl: Option<u64>,
    /// TTL for the keys that a pattern matches, first match wins; may be repeated
    #[arg(long, value_name = "GLOB=DURATION", value_parser = ttl_rule)]
    ttl_rule: Vec<Value>,
    /// Largest object, like 10MiB
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    max_object: Option<u64>,
    /// What one zone keeps in memory for this namespace, like 200MiB, or `none` for what the nodes have
    #[arg(long, value_name = "SIZE", value_parser = bytes_or_none)]
    hot_capacity: Option<Limit>,
    /// Most bytes of live objects, or `none`
    #[arg(long, value_name = "SIZE", value_parser = bytes_or_none)]
    max_bytes: Option<Limit>,
    /// Most live objects, or `none`
    #[arg(long, value_name = "COUNT", value_parser = count_or_none)]
    max_objects: Option<Limit>,
    /// Cache-Control for the keys that a pattern matches, first match wins; may be repeated
    #[arg(long, value_name = "GLOB=VALUE", value_parser = cache_rule)]
    cache_control_rule: Vec<Value>,
    /// Origin whose pages may use this namespace, or `*`; may be repeated
    #[arg(long, value_name = "ORIGIN")]
    cors_origin: Vec<String>,
    /// Names are never used again, so that segments may be cached as immutable
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    unique_names: Option<bool>,
    /// Readers may follow media while it arrives
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    read_while_write: Option<bool>,
    /// How long a write is retried behind its PUT, like 10s
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    write_deadline: Option<Duration>,
    /// Answer DELETE with 204 and keep everything until its TTL
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    ignore_deletes: Option<bool>,
    /// Offer Digest authentication instead of Basic, for keys that have it
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    digest: Option<bool>,
    /// JSON file with settings, as `ns show --json` prints them; flags come on top
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
}

/// A number, or none at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limit(Option<u64>);

fn bytes_or_none(text: &str) -> Result<Limit, String> {
    if text == "none" { Ok(Limit(None)) } else { parse_bytes(text).map(|bytes| Limit(Some(bytes))) }
}

fn count_or_none(text: &str) -> Result<Limit, String> {
    if text == "none" {
        return Ok(Limit(None));
    }
    let count = text.parse().map_err(|_| format!("{text:?} is neither a count nor `none`"))?;
    Ok(Limit(Some(count)))
}

fn ttl_rule(text: &str) -> Result<Value, String> {
    let (glob, ttl) = rule(text)?;
    Ok(json!({"glob": glob, "value": parse_seconds(ttl)?}))
}

fn cache_rule(text: &str) -> Result<Value, String> {
    let (glob, value) = rule(text)?;
    Ok(json!({"glob": glob, "value": value}))
}

/// At the first `=`: values of Cache-Control have some of their own.
fn rule(text: &str) -> Result<(&str, &str), String> {
    let parts = text.split_once('=').filter(|(glob, value)| !glob.is_empty() && !value.is_empty());
    parts.ok_or_else(|| format!("{text:?} is no rule: a pattern, `=` and a value are, like **/*.m3u8=30s"))
}

/// What `ns show --json` prints besides the settings.
const NOT_SETTINGS: [&str; 7] = ["name", "id", "version", "created_at", "updated_at", "usage", "blocked"];

impl SettingsArgs {
    /// The document: only what was given.
    pub fn document(&self) -> Result<Map<String, Value>> {
        let mut document = match &self.settings {
            Some(path) => {
                let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
                let read: Map<String, Value> = serde_json::from_str(&text)
                    .with_context(|| format!("{} is no JSON object", path.display()))?;
                read.into_iter().filter(|(name, _)| !NOT_SETTINGS.contains(&name.as_str())).collect()
            }
            None => Map::new(),
        };
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                document.insert(name.to_owned(), value);
            }
        };
        let limit = |limit: Option<Limit>| limit.map(|Limit(value)| value.into());
        let list = |rules: &[Value]| (!rules.is_empty()).then(|| Value::from(rules.to_vec()));
        set("default_ttl", self.default_ttl.map(Value::from));
        set("max_ttl", self.max_ttl.map(Value::from));
        set("ttl_rules", list(&self.ttl_rule));
        set("max_object_bytes", self.max_object.map(Value::from));
        set("hot_capacity_bytes", limit(self.hot_capacity));
        set("max_bytes", limit(self.max_bytes));
        set("max_objects", limit(self.max_objects));
        set("cache_control_rules", list(&self.cache_control_rule));
        set("unique_names", self.unique_names.map(Value::from));
        set("read_while_write", self.read_while_write.map(Value::from));
        set("write_deadline_ms", self.write_deadline.map(|d| json!(d.as_millis() as u64)));
        set("ignore_deletes", self.ignore_deletes.map(Value::from));
        set("digest", self.digest.map(Value::from));
        if !self.cors_origin.is_empty() {
            let cors = document.entry("cors").or_insert_with(|| json!({}));
            match cors.as_object_mut() {
                Some(cors) => drop(cors.insert("allowed_origins".into(), json!(self.cors_origin))),
                None => bail!("cors in the file of --settings is no object"),
            }
        }
        Ok(document)
    }
}
