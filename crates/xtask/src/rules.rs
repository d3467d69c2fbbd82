//! House rules that no compiler checks: which crate may use which, what opens a file, how long a file may be, and that
//! links between documents lead somewhere.

use crate::{step, workspace::Workspace};
use anyhow::bail;
use std::{fs, path::Path, process::Command};

/// Lines of a Rust file, tests included.
const MAX_LINES: usize = 600;

/// `(package, what it must not depend on)`. Dependencies of tests are free.
const FORBIDDEN: [(&str, &str); 12] = [
    ("headwater-node", "headwater-frontend"),
    ("headwater-frontend", "headwater-node"),
    ("headwater-frontend", "headwater-store"),
    ("headwater-admin", "headwater-store"),
    ("headwater-admin", "headwater-node"),
    ("headwater-testkit", "headwater-server"),
    ("headwater-types", "tokio"),
    ("headwater-types", "tonic"),
    ("headwater-ring", "tokio"),
    ("headwater-ring", "tonic"),
    ("headwater-media", "tokio"),
    ("headwater-media", "tonic"),
];

/// Checks all rules.
///
/// # Errors
/// Names every violation.
pub fn check(workspace: &Workspace) -> anyhow::Result<()> {
    let mut found = directions(workspace);
    for file in files(&workspace.root)? {
        // A file that is deleted but not yet committed is still listed.
        let Ok(text) = fs::read_to_string(workspace.root.join(&file)) else { continue };
        match Path::new(&file).extension().and_then(|extension| extension.to_str()) {
            Some("rs") => found.extend(source(&file, &text).map(|what| format!("{file}: {what}"))),
            Some("md") => found
                .extend(dead_links(&workspace.root.join(&file), &text).map(|link| format!("{file}: {link}"))),
            _ => {}
        }
    }
    if !found.is_empty() {
        bail!("house rules:\n{}", found.join("\n"));
    }
    Ok(())
}

/// The files of the work tree that git does not ignore.
fn files(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut git = Command::new("git");
    git.current_dir(root).args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    Ok(step::output(&mut git)?.lines().map(str::to_owned).collect())
}

/// Dependencies that point the wrong way.
fn directions(workspace: &Workspace) -> Vec<String> {
    let mut found = Vec::new();
    for package in &workspace.packages {
        for dependency in package.dependencies.iter().filter(|dependency| dependency.kind.is_none()) {
            let forbidden = FORBIDDEN.contains(&(package.name.as_str(), dependency.name.as_str()));
            if forbidden || dependency.name == "headwater-server" {
                found.push(format!("{} must not depend on {}", package.name, dependency.name));
            }
        }
    }
    found
}

/// What is wrong with a Rust file. One that holds only another's tests needs no opening.
fn source(file: &str, text: &str) -> impl Iterator<Item = String> {
    let lines = text.lines().count();
    let long = (lines > MAX_LINES).then(|| format!("{lines} lines, more than {MAX_LINES}: split it"));
    let opening = (!text.starts_with("//!") && !file.ends_with("/tests.rs"))
        .then(|| "does not open with `//!` saying what it owns".to_owned());
    let ignored = text.contains(concat!("#[", "ignore")).then(|| "an ignored test".to_owned());
    [long, opening, ignored].into_iter().flatten()
}

/// Relative links of a Markdown file that lead nowhere.
fn dead_links(file: &Path, text: &str) -> impl Iterator<Item = String> {
    let folder = file.parent().unwrap_or(Path::new("")).to_owned();
    links(text)
        .filter(move |target| !folder.join(target).exists())
        .map(|target| format!("the link to {target} leads nowhere"))
}

/// The targets of inline links, without those to other hosts, to headings, and their fragments.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.split('#').next().unwrap_or(target))
        .filter(|target| !target.is_empty() && !target.contains(':') && !target.contains(' '))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::{Dependency, Package};

    #[test]
    fn a_file_at_the_limit_and_one_past() {
        let at_limit = "//! x\n".repeat(MAX_LINES);
        assert_eq!(source("a/b.rs", &at_limit).count(), 0);
        assert_eq!(source("a/b.rs", &format!("{at_limit}//\n")).count(), 1);
        let ignored = concat!("use std::fs;\n#[", "ignore]\n");
        assert_eq!(source("a/b.rs", ignored).count(), 2);
        assert_eq!(source("a/tests.rs", ignored).count(), 1);
    }

    #[test]
    fn links_that_lead_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("there.md"), "").unwrap();
        let text = "[a](there.md#part) [b](gone.md) [c](https://example.org/x) [d](#here)";
        let dead: Vec<String> = dead_links(&dir.path().join("file.md"), text).collect();
        assert_eq!(dead, ["the link to gone.md leads nowhere"]);
    }

    #[test]
    fn directions_spare_dependencies_of_tests() {
        let package = |name: &str, on: &str, kind: Option<&str>| Package {
            name: name.to_owned(),
            dependencies: vec![Dependency { name: on.to_owned(), kind: kind.map(str::to_owned) }],
        };
        let workspace = Workspace {
            root: "".into(),
            target: "".into(),
            packages: vec![
                package("headwater-ring", "tokio", None),
                package("headwater-ring", "tokio", Some("dev")),
                package("headwater-node", "headwater-store", None),
                package("tests", "headwater-server", None),
            ],
        };
        assert_eq!(
            directions(&workspace),
            ["headwater-ring must not depend on tokio", "tests must not depend on headwater-server"]
        );
    }
}
