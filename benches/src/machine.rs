//! The two cores: one for whichever server is under load, one for the load itself.

use anyhow::{Context, ensure};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::{fs, path::PathBuf, process::Command};

/// All servers run here.
pub const SERVER_CORE: usize = 0;
/// This program and `wrk` run here.
const CLIENT_CORE: usize = 1;

/// Moves this process, and what it starts from now on, to the client's core.
///
/// # Errors
/// The machine does not give both cores.
pub fn pin_to_client_core() -> anyhow::Result<()> {
    let allowed = sched_getaffinity(None).context("read the cores")?;
    ensure!(allowed.is_set(SERVER_CORE) && allowed.is_set(CLIENT_CORE), "cores 0 and 1 are needed");
    let mut client = CpuSet::new();
    client.set(CLIENT_CORE);
    sched_setaffinity(None, &client).context("move to the client's core")
}

/// A command that runs on the servers' core.
pub fn on_server_core(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.arg("--cpu-list").arg(SERVER_CORE.to_string()).arg(program);
    command
}

/// Where files are in memory, for every server alike; the usual temporary folder where there is no such place.
pub fn memory_folder() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { std::env::temp_dir() }
}

/// The processor's name, for the report.
pub fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name =
        info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
    name.unwrap_or("unknown").to_owned()
}
