//! What a namespace's settings may be.

use headwater_types::limits::{OBJECT_BYTES_MAX, STALE_AFTER_SECONDS_MAX};

use crate::{
    limits::{SETTINGS_LIST_MAX, SETTINGS_TEXT_BYTES_MAX, WRITE_DEADLINE_MS_MAX},
    records::{NamespaceSettings, Rule},
    refusal::{INVALID, Refusal},
};

/// Checks settings against the limits; names the first one that is not allowed.
pub(super) fn check(settings: &NamespaceSettings) -> Result<(), Refusal> {
    let cors = &settings.cors;
    let max_ttl = settings.max_ttl;
    ensure(settings.default_ttl <= max_ttl, || {
        format!("default_ttl {} is more than max_ttl {}", settings.default_ttl.as_secs(), max_ttl.as_secs())
    })?;
    ensure((1..=OBJECT_BYTES_MAX).contains(&settings.max_object_bytes), || {
        format!("max_object_bytes {} is not within 1 to {OBJECT_BYTES_MAX}", settings.max_object_bytes)
    })?;
    ensure((1..=WRITE_DEADLINE_MS_MAX).contains(&settings.write_deadline_ms), || {
        format!("write_deadline_ms {} is not within 1 to {WRITE_DEADLINE_MS_MAX}", settings.write_deadline_ms)
    })?;
    for (field, quota) in [("max_bytes", settings.max_bytes), ("max_objects", settings.max_objects)] {
        ensure(quota != Some(0), || format!("{field} is at least 1; leave it out for no quota"))?;
    }
    if let Some((field, why)) = settings.rate_limits.refused() {
        return Err(Refusal::invalid(format!("rate_limits.{field} {why}")));
    }
    ensure((1..=STALE_AFTER_SECONDS_MAX).contains(&settings.stale_after), || {
        format!("stale_after {} is not within 1 to {STALE_AFTER_SECONDS_MAX}", settings.stale_after)
    })?;
    globs("ttl_rules", &settings.ttl_rules)?;
    let longest = settings.ttl_rules.iter().map(|rule| rule.value).max();
    ensure(longest.is_none_or(|ttl| ttl <= max_ttl), || {
        format!("a TTL of ttl_rules is more than max_ttl {}", max_ttl.as_secs())
    })?;
    globs("cache_control_rules", &settings.cache_control_rules)?;
    texts("cache_control_rules", settings.cache_control_rules.iter().map(|rule| &rule.value))?;
    texts("cors.allowed_origins", cors.allowed_origins.iter())?;
    texts("cors.allowed_methods", cors.allowed_methods.iter())?;
    texts("cors.allowed_headers", cors.allowed_headers.iter())?;
    texts("cors.exposed_headers", cors.exposed_headers.iter())?;
    match cors.refused() {
        Some((field, why)) => Err(Refusal::invalid(format!("cors.{field} {why}"))),
        None => Ok(()),
    }
}

fn globs<T>(field: &str, rules: &[Rule<T>]) -> Result<(), Refusal> {
    texts(field, rules.iter().map(|rule| &rule.glob))
}

/// At most `SETTINGS_LIST_MAX` texts of 1 to `SETTINGS_TEXT_BYTES_MAX` bytes without control characters, as most of
/// them end up in HTTP headers.
fn texts<'a>(field: &str, list: impl ExactSizeIterator<Item = &'a String>) -> Result<(), Refusal> {
    ensure(list.len() <= SETTINGS_LIST_MAX, || {
        format!("{field} has {} entries, at most {SETTINGS_LIST_MAX} are allowed", list.len())
    })?;
    let allowed = |text: &String| {
        (1..=SETTINGS_TEXT_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
    };
    for text in list {
        ensure(allowed(text), || {
            format!(
                "an entry of {field} is not of 1 to {SETTINGS_TEXT_BYTES_MAX} bytes without control characters"
            )
        })?;
    }
    Ok(())
}

fn ensure(holds: bool, message: impl FnOnce() -> String) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(Refusal::new(INVALID, message())) }
}
