//! The length of source files.

use crate::repo;

/// Lines of the longest source file. A file that grows past it has more than one subject.
const LINES_MAX: usize = 500;

#[test]
fn no_source_file_is_too_long() {
    let files = repo::text_files(&repo::root());
    let sources: Vec<_> =
        files.iter().filter(|file| file.is("rs")).map(|f| (f.path.as_str(), &*f.text)).collect();
    assert!(sources.len() > 20, "only {} source files were found", sources.len());
    repo::assert_none(&too_long(&sources));
}

fn too_long(sources: &[(&str, &str)]) -> Vec<String> {
    let lines = sources.iter().map(|(path, text)| (path, text.lines().count()));
    lines
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(path, lines)| format!("{path}: {lines} lines, allowed are {LINES_MAX}"))
        .collect()
}

#[test]
fn the_limit_and_one_past() {
    let at = "\n".repeat(LINES_MAX);
    let past = "\n".repeat(LINES_MAX + 1);
    assert_eq!(too_long(&[("at.rs", &at), ("past.rs", &past)]), ["past.rs: 501 lines, allowed are 500"]);
}
