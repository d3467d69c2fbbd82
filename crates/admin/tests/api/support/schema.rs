//! Holds every answer against the OpenAPI document: its status, its content type, and every field of its body.

use http::Method;
use serde_json::{Map, Value};
use std::{collections::BTreeSet, sync::LazyLock};

use super::Answer;

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::to_value(headwater_admin::openapi::document()).unwrap());

/// Keywords that say nothing of what is valid.
const WORDS: [&str; 5] = ["description", "format", "title", "example", "default"];

/// Panics where an answer is not one that the document describes. What has no route is not looked at.
pub fn check(method: &Method, path: &str, answer: &Answer) {
    let Some(operation) = operation(&method.as_str().to_lowercase(), path) else { return };
    let at = format!("{method} {path}: {}", answer.status);
    let described = &operation["responses"][answer.status.as_str()];
    assert!(described.is_object(), "{at} is not in the document");
    let content = described["content"].as_object();
    if answer.body.is_empty() {
        assert!(content.is_none(), "{at} has no body");
        return;
    }
    let content_type = answer.header("content-type");
    let schema = content.and_then(|content| content.get(content_type));
    let schema = schema.unwrap_or_else(|| panic!("{at} of type {content_type:?} is not in the document"));
    validate(&schema["schema"], &answer.json(), &at);
}

/// The operation of a path; one that is written out comes before one with a variable part.
fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let parts: Vec<&str> = path.split('/').collect();
    let fits = |template: &str| {
        let template: Vec<&str> = template.split('/').collect();
        let same = |(have, want): (&&str, &&str)| want.starts_with('{') || have == want;
        template.len() == parts.len() && parts.iter().zip(&template).all(same)
    };
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let found =
        paths.iter().filter(|(template, _)| fits(template)).min_by_key(|(t, _)| t.matches('{').count());
    found.and_then(|(_, item)| item.get(method))
}

fn resolved(schema: &Value) -> &Value {
    match schema["$ref"].as_str() {
        Some(reference) => {
            DOCUMENT.pointer(reference.trim_start_matches('#')).expect("a reference that leads")
        }
        None => schema,
    }
}

/// The part of JSON Schema that the document uses; a keyword that it does not use yet is a failure, not a hole.
fn validate(schema: &Value, value: &Value, at: &str) {
    let problems = problems(schema, value, at);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    if let (Some(object), false) = (value.as_object(), is_open(schema)) {
        let names = names(schema);
        let more: Vec<&String> = object.keys().filter(|name| !names.contains(name.as_str())).collect();
        assert!(more.is_empty(), "{at}: {more:?} are not in the document");
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        if let Some(schema) = property(schema, name) {
            validate(schema, value, &format!("{at}.{name}"));
        }
    }
    if let (Some(items), Some(schema)) = (value.as_array(), resolved(schema).get("items")) {
        items.iter().for_each(|item| validate(schema, item, &format!("{at}[]")));
    }
}

fn problems(schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let schema = resolved(schema);
    let mut found = Vec::new();
    for (keyword, wanted) in schema.as_object().into_iter().flatten() {
        let list = || wanted.as_array().unwrap().iter();
        let fits = match keyword.as_str() {
            "type" if wanted.is_array() => list().any(|kind| is_of(value, kind.as_str().unwrap())),
            "type" => is_of(value, wanted.as_str().unwrap()),
            "enum" => list().any(|allowed| allowed == value),
            "required" => list().all(|name| value.get(name.as_str().unwrap()).is_some()),
            "minimum" => value.as_f64().is_none_or(|number| number >= wanted.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= wanted.as_f64().unwrap()),
            "allOf" => list().all(|part| problems(part, value, at).is_empty()),
            "oneOf" => list().filter(|part| problems(part, value, at).is_empty()).count() == 1,
            // Looked at by `validate`.
            "properties" | "items" => true,
            word if WORDS.contains(&word) => true,
            other => panic!("{at}: this test does not know {other:?} yet"),
        };
        if !fits {
            found.push(format!("{at}: {value} is not {keyword} {wanted}"));
        }
    }
    found
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        other => panic!("this test does not know the type {other:?} yet"),
    }
}

/// The schema and what it is put together from.
fn parts(schema: &Value) -> Vec<&Value> {
    let schema = resolved(schema);
    let below = ["allOf", "oneOf"].into_iter().filter_map(|keyword| schema[keyword].as_array()).flatten();
    std::iter::once(schema).chain(below.flat_map(parts)).collect()
}

fn properties(schema: &Value) -> impl Iterator<Item = &Map<String, Value>> {
    parts(schema).into_iter().filter_map(|part| part["properties"].as_object())
}

fn names(schema: &Value) -> BTreeSet<&str> {
    properties(schema).flat_map(|properties| properties.keys().map(String::as_str)).collect()
}

fn property<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    properties(schema).find_map(|properties| properties.get(name))
}

/// Whether it says nothing of what an object has.
fn is_open(schema: &Value) -> bool {
    properties(schema).next().is_none()
}
