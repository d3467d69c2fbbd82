//! The programs that these tests need and that `cargo xtask test` installs. One that is missing fails the test.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The distribution's ffmpeg.
pub fn ffmpeg5() -> PathBuf {
    program("ffmpeg")
}

/// A static ffmpeg 9: `HEADWATER_TEST_FFMPEG9`, else the one that an earlier `cargo xtask test` installed.
pub fn ffmpeg9() -> PathBuf {
    let given = env::var_os("HEADWATER_TEST_FFMPEG9").map(PathBuf::from);
    let installed = || {
        let libraries = entries(&installed_needs().join("python/lib"));
        let python = libraries.into_iter().find(|path| begins(path, "python3"))?;
        let binaries = python.join("site-packages/imageio_ffmpeg/binaries");
        entries(&binaries).into_iter().find(|path| begins(path, "ffmpeg-"))
    };
    existing("ffmpeg 9", given.or_else(installed))
}

/// An S3 server: `HEADWATER_TEST_MOTO_SERVER`, else the one that an earlier `cargo xtask test` installed.
pub fn moto_server() -> PathBuf {
    let given = env::var_os("HEADWATER_TEST_MOTO_SERVER").map(PathBuf::from);
    existing("moto_server", given.or_else(|| Some(installed_needs().join("python/bin/moto_server"))))
}

/// A Python with `openapi-spec-validator`: `HEADWATER_TEST_PYTHON`, else the one of an earlier `cargo xtask test`.
pub fn python() -> PathBuf {
    let given = env::var_os("HEADWATER_TEST_PYTHON").map(PathBuf::from);
    existing("python", given.or_else(|| Some(installed_needs().join("python/bin/python"))))
}

/// A `node_modules` folder with `playwright-core`: `HEADWATER_TEST_NODE_MODULES`, else the installed one.
pub fn node_modules() -> PathBuf {
    let given = env::var_os("HEADWATER_TEST_NODE_MODULES").map(PathBuf::from);
    let modules = given.unwrap_or_else(|| installed_needs().join("node/node_modules"));
    existing("playwright-core", Some(modules.join("playwright-core")));
    modules
}

/// Shaka Packager, one of the packages in [`node_modules`].
pub fn shaka_packager() -> PathBuf {
    let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let binary = format!("shaka-packager/bin/packager-linux-{machine}");
    existing("shaka-packager", Some(node_modules().join(binary)))
}

/// A program on the search path, or where servers are, which the search path of a user may lack.
pub fn program(name: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    let found = folders.map(|folder| folder.join(name)).find(|file| file.is_file());
    existing(name, found)
}

fn existing(what: &str, path: Option<PathBuf>) -> PathBuf {
    match path {
        Some(path) if path.exists() => path,
        other => {
            panic!("{what} is not installed (looked at {other:?}): run `cargo xtask test`, which installs it")
        }
    }
}

/// Where `cargo xtask test` installs: beside other caches of the user.
fn installed_needs() -> PathBuf {
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let caches = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    caches.unwrap_or_default().join("headwater/test-needs")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = std::fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = read.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

fn begins(path: &Path, prefix: &str) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix))
}
