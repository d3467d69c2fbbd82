//! Where the project's binaries are: beside the running test.

use std::path::PathBuf;

/// The path of a binary of this workspace, built with the profile of the running test.
///
/// # Panics
/// If it has not been built: `cargo build --workspace --bins` does that, and `cargo xtask test` before the tests.
pub fn binary(name: &str) -> PathBuf {
    let exe = std::env::current_exe().expect("the test knows its own path");
    let profile = exe.parent().and_then(|deps| deps.parent()).expect("tests run from target/<profile>/deps");
    let path = profile.join(name);
    assert!(path.exists(), "{} is not built: run `cargo build --workspace --bins` first", path.display());
    path
}
