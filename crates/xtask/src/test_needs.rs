//! What the tests need beside the Rust toolchain, installed where it is missing: programs by apt-get, a second
//! generation of ffmpeg by pip, browser automation and players by npm.

use crate::{
    install::{self, FFMPEG, NGINX, Program, WRK},
    step,
    workspace::Workspace,
};
use anyhow::Context;
use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

const PROGRAMS: [Program; 9] = [
    FFMPEG,
    NGINX,
    WRK,
    Program { name: "chromium", package: "chromium" },
    Program { name: "ip", package: "iproute2" },
    Program { name: "curl", package: "curl" },
    Program { name: "python3", package: "python3" },
    Program { name: "node", package: "nodejs" },
    Program { name: "npm", package: "npm" },
];

/// Carries a static ffmpeg 9 binary.
const FFMPEG_WHEEL: &str = "imageio-ffmpeg==0.8.1";

/// Name and version of each npm package.
const NODE_PACKAGES: [(&str, &str); 2] = [("hls.js", "1.7.4"), ("playwright-core", "1.65.1")];

/// What the environment of the tests must name.
#[derive(Debug)]
pub struct TestNeeds {
    /// An ffmpeg 9 beside the distribution's own.
    pub ffmpeg9: PathBuf,
    /// A `node_modules` folder with `hls.js` and `playwright-core`.
    pub node_modules: PathBuf,
}

impl TestNeeds {
    /// Installs what is missing. Runs of several checkouts share one folder and take turns.
    ///
    /// # Errors
    /// Something cannot be installed.
    pub fn install(workspace: &Workspace) -> anyhow::Result<Self> {
        install::programs(&PROGRAMS)?;
        let dir = cache_dir(workspace);
        fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
        let turn = File::create(dir.join("lock"))?;
        turn.lock()?;
        let ffmpeg9 = python_ffmpeg(&dir.join(FFMPEG_WHEEL.replace("==", "-")))?;
        let node_modules = node_packages(&dir.join("node"))?;
        Ok(Self { ffmpeg9, node_modules })
    }
}

/// Kept beside other caches of the user, so that a fresh checkout finds it filled.
fn cache_dir(workspace: &Workspace) -> PathBuf {
    let caches = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")));
    caches.map_or_else(
        || workspace.target.join("test-needs"),
        |caches| caches.join("headwater").join("test-needs"),
    )
}

/// The ffmpeg of the wheel, in a Python environment of its own.
fn python_ffmpeg(dir: &Path) -> anyhow::Result<PathBuf> {
    let locate = || {
        let mut python = Command::new(dir.join("bin/python"));
        python.env_remove("IMAGEIO_FFMPEG_EXE");
        python.args(["-c", "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())"]);
        step::output(&mut python).map(|path| PathBuf::from(path.trim()))
    };
    if let Ok(path) = locate() {
        return Ok(path);
    }
    if step::output(Command::new("python3").args(["-c", "import venv, ensurepip"])).is_err() {
        install::packages(&["python3-venv"])?;
    }
    eprintln!("installing by pip: {FFMPEG_WHEEL}");
    step::check(Command::new("python3").args(["-m", "venv", "--clear"]).arg(dir))?;
    let mut pip = Command::new(dir.join("bin/python"));
    step::check(pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", FFMPEG_WHEEL]))?;
    locate()
}

/// The npm packages, without their own downloads of browsers.
fn node_packages(dir: &Path) -> anyhow::Result<PathBuf> {
    let modules = dir.join("node_modules");
    let wanted: Vec<String> = NODE_PACKAGES
        .iter()
        .filter(|(name, version)| installed_version(&modules, name).as_deref() != Some(*version))
        .map(|(name, version)| format!("{name}@{version}"))
        .collect();
    if wanted.is_empty() {
        return Ok(modules);
    }
    fs::create_dir_all(dir)?;
    eprintln!("installing by npm: {}", wanted.join(" "));
    // All of them: npm removes what an installation without a package file does not name.
    let all = NODE_PACKAGES.map(|(name, version)| format!("{name}@{version}"));
    let mut npm = Command::new("npm");
    npm.args([
        "install",
        "--no-save",
        "--no-package-lock",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
        "--prefix",
    ]);
    step::check(npm.arg(dir).args(all).current_dir(dir))?;
    Ok(modules)
}

/// The version in an installed package's `package.json`.
fn installed_version(modules: &Path, name: &str) -> Option<String> {
    let json = fs::read(modules.join(name).join("package.json")).ok()?;
    let package: serde_json::Value = serde_json::from_slice(&json).ok()?;
    package.get("version")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_installed_version() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(installed_version(dir.path(), "hls.js"), None);
        fs::create_dir(dir.path().join("hls.js")).unwrap();
        fs::write(dir.path().join("hls.js/package.json"), r#"{"name":"hls.js","version":"1.2.3"}"#).unwrap();
        assert_eq!(installed_version(dir.path(), "hls.js").as_deref(), Some("1.2.3"));
    }
}
