//! Flags for the settings of a namespace, as the document that the admin plane takes.

use anyhow::{Context, Result};
use clap::Args;
use headwater_types::RateLimits;
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
    /// TTL for the keys that a glob matches (`*` is any run of characters, `/` included, and `?` one character), first match wins; may be repeated
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
    #[command(flatten)]
    rates: RateArgs,
    /// A live playlist that is older than this is shown as stale, like 30s
    #[arg(long, value_name = "DURATION", value_parser = parse_seconds)]
    stale_after: Option<u64>,
    /// Cache-Control for the keys that a glob matches, with the globs of `--ttl-rule`; the first match wins; may be repeated
    #[arg(long, value_name = "GLOB=VALUE", value_parser = cache_rule)]
    cache_control_rule: Vec<Value>,
    /// Origin whose pages may use this namespace, or `*`; may be repeated
    #[arg(long, value_name = "ORIGIN")]
    cors_origin: Vec<String>,
    /// Pages of the allowed origins may send credentials; only with origins that are listed, without `*`
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    cors_allow_credentials: Option<bool>,
    /// Names are never used again, so that segments may be cached as immutable
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    unique_names: Option<bool>,
    /// Readers may follow any object but a playlist while it arrives
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

/// Rate limits, of each frontend. What is not given is not touched.
#[derive(Debug, Clone, Default, Args)]
pub struct RateArgs {
    /// Most GET, HEAD and LIST in a second at each frontend, or `none`
    #[arg(long, value_name = "COUNT", value_parser = count_or_none)]
    read_requests_per_s: Option<Limit>,
    /// Most bytes sent in a second by each frontend, like 100MiB, or `none`
    #[arg(long, value_name = "SIZE", value_parser = bytes_or_none)]
    read_bytes_per_s: Option<Limit>,
    /// Most PUT, POST and DELETE in a second at each frontend, or `none`
    #[arg(long, value_name = "COUNT", value_parser = count_or_none)]
    write_requests_per_s: Option<Limit>,
    /// Most bytes received in a second by each frontend, like 10MiB, or `none`
    #[arg(long, value_name = "SIZE", value_parser = bytes_or_none)]
    write_bytes_per_s: Option<Limit>,
}

impl RateArgs {
    /// What was given, by its name in the document.
    fn given(&self) -> impl Iterator<Item = (&'static str, Limit)> {
        [
            ("read_requests_per_s", self.read_requests_per_s),
            ("read_bytes_per_s", self.read_bytes_per_s),
            ("write_requests_per_s", self.write_requests_per_s),
            ("write_bytes_per_s", self.write_bytes_per_s),
        ]
        .into_iter()
        .filter_map(|(name, limit)| Some((name, limit?)))
    }

    /// As the limits of a new key.
    pub fn limits(&self) -> RateLimits {
        let value = |limit: Option<Limit>| limit.and_then(|Limit(value)| value);
        RateLimits {
            read_requests_per_s: value(self.read_requests_per_s),
            read_bytes_per_s: value(self.read_bytes_per_s),
            write_requests_per_s: value(self.write_requests_per_s),
            write_bytes_per_s: value(self.write_bytes_per_s),
        }
    }
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

/// A setting that has members of its own.
fn member<'a>(document: &'a mut Map<String, Value>, name: &str) -> Result<&'a mut Map<String, Value>> {
    let value = document.entry(name).or_insert_with(|| json!({}));
    value.as_object_mut().with_context(|| format!("{name} in the file of --settings is no object"))
}

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
        set("stale_after", self.stale_after.map(Value::from));
        set("cache_control_rules", list(&self.cache_control_rule));
        set("unique_names", self.unique_names.map(Value::from));
        set("read_while_write", self.read_while_write.map(Value::from));
        set("write_deadline_ms", self.write_deadline.map(|d| json!(d.as_millis() as u64)));
        set("ignore_deletes", self.ignore_deletes.map(Value::from));
        set("digest", self.digest.map(Value::from));
        if !self.cors_origin.is_empty() {
            member(&mut document, "cors")?.insert("allowed_origins".into(), json!(self.cors_origin));
        }
        if let Some(allowed) = self.cors_allow_credentials {
            member(&mut document, "cors")?.insert("allow_credentials".into(), json!(allowed));
        }
        for (name, Limit(value)) in self.rates.given() {
            member(&mut document, "rate_limits")?.insert(name.to_owned(), value.into());
        }
        Ok(document)
    }
}
