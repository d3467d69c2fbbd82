//! Installing Debian packages for the programs that are missing.

use crate::step;
use anyhow::{Context, bail};
use std::{env, path::PathBuf, process::Command};

/// A program and the Debian package that brings it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// Looked up in `PATH`.
    pub name: &'static str,
    /// Installed when it is not there.
    pub package: &'static str,
}

/// Encoder and prober.
pub const FFMPEG: Program = Program { name: "ffmpeg", package: "ffmpeg" };
/// Web server to measure against, CDN stand-in.
pub const NGINX: Program = Program { name: "nginx", package: "nginx-light" };
/// Load generator.
pub const WRK: Program = Program { name: "wrk", package: "wrk" };
/// Pins programs to cores.
pub const TASKSET: Program = Program { name: "taskset", package: "util-linux" };

/// Where a program is. The `sbin` folders are looked at too: not every user has them in `PATH`.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Installs the packages of the programs that are missing, saying which. Nothing is missing: nothing is done.
///
/// # Errors
/// There is no `apt-get`, or it fails.
pub fn programs(wanted: &[Program]) -> anyhow::Result<()> {
    let missing: Vec<&str> =
        wanted.iter().filter(|program| find(program.name).is_none()).map(|program| program.package).collect();
    packages(&missing)
}

/// Installs these packages, saying so.
///
/// # Errors
/// There is no `apt-get`, or it fails.
pub fn packages(names: &[&str]) -> anyhow::Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    if find("apt-get").is_none() {
        bail!("missing, and there is no apt-get to install them with: {}", names.join(" "));
    }
    eprintln!("installing by apt-get: {}", names.join(" "));
    step::check(apt_get().arg("update").arg("-qq")).context("package lists")?;
    step::check(apt_get().args(["install", "--yes", "--no-install-recommends", "-qq"]).args(names))
}

/// `apt-get` without questions, through sudo unless this is root.
fn apt_get() -> Command {
    let command = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"];
    let sudo: &[&str] = if rustix::process::geteuid().is_root() { &[] } else { &["sudo"] };
    let mut words = sudo.iter().chain(&command);
    let mut apt = Command::new(words.next().unwrap_or(&"env"));
    apt.args(words);
    // A fresh machine may still be installing updates by itself, and a mirror may be busy.
    apt.args(["-o", "DPkg::Lock::Timeout=600", "-o", "Acquire::Retries=5"]);
    apt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_in_the_path_only() {
        assert!(find("sh").is_some());
        assert!(find("no-such-program-here").is_none());
        programs(&[Program { name: "sh", package: "dash" }]).unwrap();
    }
}
