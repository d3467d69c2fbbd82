use super::*;
use serde_json::Value;
use std::{collections::BTreeSet, fs, path::Path};

use crate::api::routes;

/// Renews the page, if it is set.
const UPDATE: &str = "HEADWATER_UPDATE_DOCS";

fn json() -> Value {
    serde_json::to_value(document()).unwrap()
}

fn operations_of(document: &Value) -> impl Iterator<Item = (String, String, &Value)> {
    document["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
        item.as_object()
            .unwrap()
            .iter()
            .map(move |(method, operation)| (method.clone(), path.clone(), operation))
    })
}

#[test]
fn the_document_has_every_route_and_no_other() {
    let json = json();
    assert_eq!(json["openapi"], "3.1.0");
    let described: BTreeSet<_> = operations_of(&json).map(|(method, path, _)| (method, path)).collect();
    let served: BTreeSet<_> =
        routes::table().into_iter().map(|(method, path, _)| (method.to_owned(), path.to_owned())).collect();
    assert_eq!(described, served);
    assert!(served.len() > 30, "{}", served.len());
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|value| walk(value, found));
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
            _ => {}
        }
    }
    let json = json();
    let mut references = Vec::new();
    walk(&json, &mut references);
    assert!(references.len() > 50, "{}", references.len());
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("a local reference");
        assert!(json.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

#[test]
fn operations_are_complete() {
    let json = json();
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations_of(&json) {
        let at = format!("{method} {path}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{at}: its id is taken");
        assert!(operation["summary"].as_str().is_some_and(|words| words.len() > 5), "{at} has no words");
        assert!(operation["security"][0]["token"].is_array(), "{at} needs no token");
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let named: BTreeSet<_> = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| format!("{{{}}}", parameter["name"].as_str().unwrap()))
            .collect();
        let in_path: BTreeSet<_> =
            path.split('/').filter(|part| part.starts_with('{')).map(str::to_owned).collect();
        assert_eq!(named, in_path, "{at}");
        for parameter in &parameters {
            assert!(
                parameter["description"].as_str().is_some_and(|words| !words.is_empty()),
                "{at}: {parameter}"
            );
        }
        for (status, answer) in operation["responses"].as_object().unwrap() {
            assert!(!answer["description"].as_str().unwrap().is_empty(), "{at} {status}");
            let is_problem = answer["content"]["application/problem+json"].is_object();
            assert_eq!(is_problem, status.starts_with(['4', '5']), "{at} {status}");
        }
        assert_eq!(operation["requestBody"].is_object(), operation["responses"]["413"].is_object(), "{at}");
    }
    assert_eq!(json["components"]["securitySchemes"]["token"]["scheme"], "bearer");
}

#[test]
fn the_page_is_generated_from_the_document() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/admin-api.md");
    if std::env::var_os(UPDATE).is_some() {
        fs::write(&path, markdown()).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == markdown(),
        "docs/admin-api.md is not what is generated: run `{UPDATE}=1 cargo nextest run -p headwater-admin page_is_generated`"
    );
}

#[test]
fn every_link_of_the_page_leads_to_a_heading_of_it() {
    let page = markdown();
    let anchor = |heading: &str| heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    let headings: BTreeSet<_> = page.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
    let links: BTreeSet<&str> =
        page.split("](#").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
    assert!(links.len() > 20, "{links:?}");
    for link in links {
        assert!(headings.contains(link), "#{link} is no heading");
    }
}
