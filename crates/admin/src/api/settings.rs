//! Settings of namespaces as clients send them: whole, or as a merge patch (RFC 7396).

use headwater_types::{CorsPolicy, NamespaceSettings, RateLimits};
use serde_json::{Map, Value};

use super::{
    error::{ApiError, ApiResult},
    input::{decode, only},
};

const CORS: &str = "cors";
const RATE_LIMITS: &str = "rate_limits";
/// Lists of [`headwater_types::Rule`].
const RULES: [&str; 2] = ["ttl_rules", "cache_control_rules"];

/// Reads settings; what is left out has its default, what is not a setting is refused.
pub fn parse(given: &Value) -> ApiResult<NamespaceSettings> {
    check_fields(given)?;
    checked(decode("", given)?)
}

/// Settings with a merge patch applied: `null` sets a member back to its default.
pub fn patched(current: &NamespaceSettings, patch: &Value) -> ApiResult<NamespaceSettings> {
    check_fields(patch)?;
    let mut document = to_value(current)?;
    merge(&mut document, patch);
    checked(decode("", &document)?)
}

/// Refuses what voters of an older version would not: all voters have to decide a command alike.
fn checked(settings: NamespaceSettings) -> ApiResult<NamespaceSettings> {
    match settings.cors.refused() {
        Some((field, why)) => Err(ApiError::invalid(&format!("{CORS}.{field}"), why)),
        None => Ok(settings),
    }
}

/// Refuses names that no setting has, at every level.
fn check_fields(given: &Value) -> ApiResult<()> {
    only("", given, fields(&to_value(&NamespaceSettings::default())?).keys())?;
    check_rate_limits(given)?;
    let given = fields(given);
    if let Some(cors) = given.get(CORS).filter(|cors| cors.is_object()) {
        only(CORS, cors, fields(&to_value(&CorsPolicy::default())?).keys())?;
    }
    let rule = ["glob".to_owned(), "value".to_owned()];
    for name in RULES {
        let rules = given.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for (at, element) in rules.iter().enumerate() {
            only(&format!("{name}[{at}]"), element, &rule)?;
        }
    }
    Ok(())
}

/// Refuses names that no rate limit has, in what a namespace or a key is made from.
pub fn check_rate_limits(given: &Value) -> ApiResult<()> {
    match given.get(RATE_LIMITS).filter(|limits| limits.is_object()) {
        Some(limits) => only(RATE_LIMITS, limits, fields(&to_value(&RateLimits::default())?).keys()),
        None => Ok(()),
    }
}

/// RFC 7396, section 2.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

fn to_value(document: &impl serde::Serialize) -> ApiResult<Value> {
    serde_json::to_value(document).map_err(|e| ApiError::invalid("settings", e))
}

fn fields(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn merge_patches_of_the_rfc() {
        // RFC 7396, appendix A.
        for (original, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut target = original.clone();
            merge(&mut target, &patch);
            assert_eq!(target, result, "{original} with {patch}");
        }
    }

    #[test]
    fn every_refusal_names_the_field_and_what_is_allowed() {
        for (given, expected) in [
            (json!({"speling": 1}), &["speling", "is not a field here", "max_object_bytes"][..]),
            (json!({"cors": {"origins": []}}), &["cors.origins", "allowed_origins"]),
            (
                json!({"ttl_rules": [{"glob": "*", "value": 1}, {"glob": "*", "ttl": 1}]}),
                &["ttl_rules[1].ttl", "glob, value"],
            ),
            (json!({"ttl_rules": [{"glob": "*"}]}), &["ttl_rules[0]", "missing field `value`"]),
            (json!({"ttl_rules": ["*"]}), &["ttl_rules[0]", "must be a JSON object"]),
            (json!({"max_object_bytes": "1"}), &["max_object_bytes", "expected u64"]),
            (json!({"max_object_bytes": -1}), &["max_object_bytes", "expected u64"]),
            (json!({"default_ttl": 0}), &["default_ttl", "at least 1"]),
            (json!({"max_ttl": 99_999_999}), &["max_ttl", "more than the allowed"]),
            (json!({"rate_limits": {"requests": 1}}), &["rate_limits.requests", "read_requests_per_s"]),
            (
                json!({"rate_limits": {"read_bytes_per_s": -1}}),
                &["rate_limits.read_bytes_per_s", "expected u64"],
            ),
            (json!({"cors": {"max_age_s": "1"}}), &["cors.max_age_s", "expected u32"]),
            (json!({"cors": 7}), &["cors", "expected struct CorsPolicy"]),
            (json!({"cors": {"allow_credentials": true}}), &["cors.allowed_origins", "`*`"]),
            (json!({"digest": "yes"}), &["digest", "expected a boolean"]),
            (json!([]), &["must be a JSON object"]),
        ] {
            for result in [parse(&given), patched(&NamespaceSettings::default(), &given)] {
                let error = result.unwrap_err();
                assert_eq!(error.code.code(), "invalid_value");
                for part in expected {
                    assert!(error.detail.contains(part), "{:?} does not contain {part:?}", error.detail);
                }
            }
        }
    }

    #[test]
    fn credentials_need_origins_that_are_listed_by_their_names() {
        let listed = json!({"allowed_origins": ["https://a.example"], "allow_credentials": true});
        let current = parse(&json!({"cors": listed})).unwrap();
        assert!(current.cors.allow_credentials);
        for (patch, field) in [
            (json!({"allowed_origins": ["https://a.example", "*"]}), "cors.allowed_origins"),
            (json!({"allowed_origins": null}), "cors.allowed_origins"),
            (json!({"allowed_origins": ["null"]}), "cors.allowed_origins"),
            (json!({"allowed_methods": ["*"]}), "cors.allowed_methods"),
            (json!({"exposed_headers": ["ETag", "*"]}), "cors.exposed_headers"),
        ] {
            let error = patched(&current, &json!({"cors": &patch})).unwrap_err();
            assert!(error.detail.starts_with(field), "{}", error.detail);
            // Without credentials all of them are allowed.
            let mut without = patch.clone();
            without["allow_credentials"] = json!(false);
            assert!(patched(&current, &json!({"cors": without})).is_ok(), "{without}");
        }
        assert!(patched(&current, &json!({"cors": {"allowed_headers": ["*"]}})).is_ok(), "they are echoed");
    }

    #[test]
    fn a_patch_changes_what_it_names_and_null_is_the_default() {
        let current =
            NamespaceSettings { unique_names: true, max_bytes: Some(5), ..NamespaceSettings::default() };
        let patch = json!({"max_bytes": null, "digest": true, "cors": {"max_age_s": 1}});
        let expected = NamespaceSettings {
            unique_names: true,
            digest: true,
            cors: CorsPolicy { max_age_s: 1, ..CorsPolicy::default() },
            ..NamespaceSettings::default()
        };
        assert_eq!(patched(&current, &patch).unwrap(), expected);
        assert_eq!(patched(&current, &json!({})).unwrap(), current);
        let default = NamespaceSettings::default();
        assert_eq!(patched(&current, &json!({"unique_names": null, "max_bytes": null})).unwrap(), default);
    }
}
