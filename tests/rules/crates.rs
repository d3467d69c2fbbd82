//! The direction of dependencies between crates.

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};
use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use crate::repo;

/// Every package of the workspace and what it may use, dev-dependencies included. Names without `headwater-`.
const MAY_USE: [(&str, &[&str]); 16] = [
    ("types", &[]),
    ("proto", &["types"]),
    ("ring", &["types"]),
    ("media", &["types"]),
    ("store", &["types"]),
    ("telemetry", &["types"]),
    ("meta", &["types", "proto", "ring"]),
    ("node", &["types", "proto", "store", "telemetry", "meta", "media"]),
    ("client", &["types"]),
    ("frontend", &["types", "proto", "ring", "media", "telemetry", "meta"]),
    ("admin", &["types", "proto", "telemetry", "meta"]),
    ("server", ALL_BUT_SERVER),
    ("testkit", ALL_BUT_SERVER),
    ("tests", ALL_BUT_SERVER),
    ("benches", ALL_BUT_SERVER),
    ("xtask", &["types"]),
];

const ALL_BUT_SERVER: &[&str] = &[
    "types",
    "proto",
    "ring",
    "media",
    "store",
    "telemetry",
    "meta",
    "node",
    "client",
    "frontend",
    "admin",
    "testkit",
];

/// What may not be reached through any number of crates, dev-dependencies not counted: (from, to).
const NEVER_REACHES: [(&str, &str); 9] = [
    ("headwater-types", "tokio"),
    ("headwater-types", "tonic"),
    ("headwater-ring", "tokio"),
    ("headwater-ring", "tonic"),
    ("headwater-media", "tokio"),
    ("headwater-media", "tonic"),
    ("headwater-node", "headwater-frontend"),
    ("headwater-frontend", "headwater-node"),
    ("headwater-frontend", "headwater-store"),
];

/// The resolved graph for this machine's target: other platforms' packages may not have been downloaded.
fn metadata() -> Metadata {
    let version = Command::new("rustc").arg("-vV").output().expect("rustc runs");
    let version = String::from_utf8(version.stdout).expect("rustc speaks UTF-8");
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host");
    MetadataCommand::new()
        .manifest_path(repo::root().join("Cargo.toml"))
        .other_options(vec!["--filter-platform".to_owned(), host.to_owned()])
        .exec()
        .expect("cargo metadata answers")
}

#[test]
fn crates_use_only_what_the_table_allows() {
    let metadata = metadata();
    let table: BTreeMap<&str, &[&str]> = MAY_USE.into();
    let mut violations = Vec::new();
    let mut seen = BTreeSet::new();
    for package in metadata.workspace_packages() {
        let Some(name) = package.name.strip_prefix("headwater-") else {
            violations.push(format!("{}: its name does not begin with headwater-", package.name));
            continue;
        };
        seen.insert(name);
        let Some(allowed) = table.get(name) else {
            violations.push(format!("{name}: not in the table of tests/rules/crates.rs"));
            continue;
        };
        for dependency in &package.dependencies {
            let Some(used) = dependency.name.strip_prefix("headwater-") else { continue };
            if !allowed.contains(&used) {
                violations.push(format!("{name} must not use {used} ({} dependency)", dependency.kind));
            }
        }
    }
    let missing = table.keys().filter(|name| !seen.contains(*name));
    violations.extend(missing.map(|name| format!("{name}: in the table, but not in the workspace")));
    repo::assert_none(&violations);
}

#[test]
fn pure_crates_stay_pure_and_roles_stay_apart() {
    let metadata = metadata();
    let names: BTreeMap<&PackageId, &str> =
        metadata.packages.iter().map(|package| (&package.id, package.name.as_str())).collect();
    let mut violations = Vec::new();
    for (from, to) in NEVER_REACHES {
        assert!(names.values().any(|name| *name == from), "{from} is not in the graph");
        assert!(names.values().any(|name| *name == to), "{to} is not in the graph: is the rule still meant?");
        if let Some(path) = path_between(&metadata, &names, from, to) {
            violations.push(format!("{from} reaches {to}: {}", path.join(" -> ")));
        }
    }
    repo::assert_none(&violations);
}

#[test]
fn a_path_through_other_crates_is_found() {
    let metadata = metadata();
    let names: BTreeMap<&PackageId, &str> =
        metadata.packages.iter().map(|package| (&package.id, package.name.as_str())).collect();
    let path = path_between(&metadata, &names, "headwater-server", "headwater-types").expect("it is there");
    assert_eq!((path.first(), path.last()), (Some(&"headwater-server"), Some(&"headwater-types")));
    let through = path_between(&metadata, &names, "headwater-meta", "http").expect("through tonic");
    assert!(through.len() > 2, "{through:?}");
}

/// A path of normal and build dependencies.
fn path_between<'a>(
    metadata: &'a Metadata,
    names: &BTreeMap<&'a PackageId, &'a str>,
    from: &str,
    to: &str,
) -> Option<Vec<&'a str>> {
    let resolve = metadata.resolve.as_ref().expect("the graph is resolved");
    let edges: BTreeMap<&PackageId, Vec<&PackageId>> = resolve
        .nodes
        .iter()
        .map(|node| {
            let used = node
                .deps
                .iter()
                .filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development));
            (&node.id, used.map(|dep| &dep.pkg).collect())
        })
        .collect();
    let start = *names.iter().find(|(_, name)| **name == from)?.0;
    let mut came_from: BTreeMap<&PackageId, &PackageId> = BTreeMap::new();
    let mut queue = vec![start];
    while let Some(id) = queue.pop() {
        if names[id] == to {
            let mut path = vec![id];
            while let Some(before) = came_from.get(path[path.len() - 1]) {
                path.push(before);
            }
            return Some(path.into_iter().rev().map(|id| names[id]).collect());
        }
        for next in &edges[id] {
            if *next != start && !came_from.contains_key(next) {
                came_from.insert(next, id);
                queue.push(next);
            }
        }
    }
    None
}
