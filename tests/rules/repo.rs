//! The checkout: its root, its text files, and how a broken rule is reported.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Folders that are never part of the product; the same as in `.gitignore`, and git's own.
const SKIPPED: [&str; 5] = [".git", "target", "headwater-data", "node_modules", "__pycache__"];

/// The root of the checkout.
pub fn root() -> PathBuf {
    // At run time: a shared target directory may hold tests that were built in another checkout.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
    Path::new(&package).parent().expect("the package lies in the root").to_owned()
}

/// A text file of the checkout.
pub struct TextFile {
    /// Path from the root, with `/`.
    pub path: String,
    /// What it says.
    pub text: String,
}

impl TextFile {
    /// Whether the name ends so.
    pub fn is(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|e| e == extension)
    }
}

/// Every text file below `root`, in order of paths. Those that are not UTF-8 are left out.
pub fn text_files(root: &Path) -> Vec<TextFile> {
    let mut files = Vec::new();
    collect(root, root, &mut files).expect("the checkout can be read");
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<TextFile>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if !SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
                collect(root, &path, files)?;
            }
        } else if let Ok(text) = fs::read_to_string(&path) {
            let relative = path.strip_prefix(root).expect("it was found below the root");
            files.push(TextFile { path: relative.to_string_lossy().replace('\\', "/"), text });
        }
    }
    Ok(())
}

/// Fails with the list, if there is any.
pub fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
}

#[test]
fn the_checkout_is_found() {
    let files = text_files(&root());
    for path in ["Cargo.toml", "crates/types/src/lib.rs", "tests/rules/repo.rs"] {
        assert!(files.iter().any(|file| file.path == path), "{path} was not found");
    }
    assert!(files.iter().all(|file| !file.path.starts_with("target/")));
}
