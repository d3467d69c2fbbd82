//! Every crate and every folder at the top says what it is for.

use std::{fs, path::Path};

use crate::repo;

/// Where a package's `//!` may stand.
const ROOT_FILES: [&str; 2] = ["src/lib.rs", "src/main.rs"];

#[test]
fn every_crate_and_top_level_folder_is_described() {
    let root = repo::root();
    let files = repo::text_files(&root);
    let folders = |depth: usize| {
        let parents = files.iter().filter_map(move |file| {
            let parts: Vec<&str> = file.path.split('/').collect();
            (parts.len() > depth && !parts[0].starts_with('.')).then(|| parts[..depth].join("/"))
        });
        parents.collect::<std::collections::BTreeSet<_>>()
    };
    // `crates` itself needs no words: each crate has its own.
    let top = folders(1).into_iter().filter(|folder| folder != "crates");
    let crates = folders(2).into_iter().filter(|folder| folder.starts_with("crates/"));
    let all: Vec<String> = top.chain(crates).collect();
    assert!(all.iter().any(|folder| folder == "crates/types") && all.iter().any(|folder| folder == "proto"));
    let violations: Vec<String> = all
        .iter()
        .filter(|folder| !is_described(&root.join(folder)))
        .map(|folder| format!("{folder}: has neither a README.md nor a root file that begins with `//! `"))
        .collect();
    repo::assert_none(&violations);
}

/// A heading or a first line of documentation, of at least ten characters: a placeholder says nothing.
fn is_described(folder: &Path) -> bool {
    let says = |file: &str, start: &str| {
        let first_line = fs::read_to_string(folder.join(file)).unwrap_or_default();
        let first_line = first_line.lines().next().unwrap_or_default();
        first_line.strip_prefix(start).is_some_and(|words| words.trim().len() >= 10)
    };
    says("README.md", "# ") || ROOT_FILES.iter().any(|file| says(file, "//! "))
}

#[test]
fn a_folder_without_words_is_not_described() {
    let folder = tempfile::tempdir().unwrap();
    assert!(!is_described(folder.path()));
    fs::create_dir(folder.path().join("src")).unwrap();
    for (text, described) in
        [("", false), ("//! x\n", false), ("mod a;\n", false), ("//! What it owns.\n", true)]
    {
        fs::write(folder.path().join("src/lib.rs"), text).unwrap();
        assert_eq!(is_described(folder.path()), described, "{text:?}");
    }
}
