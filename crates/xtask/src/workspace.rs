//! Where the workspace and its built binaries are, and building them.

use crate::step;
use anyhow::Context;
use serde::Deserialize;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// What `cargo metadata` says about this workspace.
#[derive(Debug, Deserialize)]
pub struct Workspace {
    /// The folder with the root `Cargo.toml`.
    #[serde(rename = "workspace_root")]
    pub root: PathBuf,
    /// Where cargo builds, whatever decided it (environment, configuration or the default).
    #[serde(rename = "target_directory")]
    pub target: PathBuf,
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// How binaries are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Quick to build; what tests use.
    Dev,
    /// Optimised; what measurements and demos use.
    Release,
}

impl Workspace {
    /// Asks cargo.
    ///
    /// # Errors
    /// Not inside the workspace, or cargo fails.
    pub fn find() -> anyhow::Result<Self> {
        let json = step::output(step::cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
        serde_json::from_str(&json).context("output of cargo metadata")
    }

    /// Cargo in the workspace's root.
    pub fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = step::cargo();
        command.current_dir(&self.root).args(arguments);
        command
    }

    /// The names of the test binaries in the `tests` folders of all packages.
    pub fn test_targets(&self) -> impl Iterator<Item = &str> {
        let targets = self.packages.iter().flat_map(|package| &package.targets);
        targets
            .filter(|target| target.kind.iter().any(|kind| kind == "test"))
            .map(|target| target.name.as_str())
    }

    /// Builds a binary and gives its path.
    ///
    /// # Errors
    /// It does not build.
    pub fn build(&self, package: &str, binary: &str, profile: Profile) -> anyhow::Result<PathBuf> {
        let mut build = self.cargo(&["build", "--package", package, "--bin", binary]);
        let folder = match profile {
            Profile::Dev => "debug",
            Profile::Release => {
                build.arg("--release");
                "release"
            }
        };
        eprintln!("building {binary} ({folder})");
        step::check(&mut build)?;
        Ok(self.target.join(folder).join(binary))
    }
}

/// The server's binary: the given one, else built now.
///
/// # Errors
/// There is no such file, or it does not build.
pub fn headwater(given: Option<&Path>, profile: Profile) -> anyhow::Result<PathBuf> {
    match given {
        Some(path) => path.canonicalize().with_context(|| format!("--headwater {}", path.display())),
        None => Workspace::find()?.build("headwater-server", "headwater", profile),
    }
}
