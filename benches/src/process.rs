//! A server that is measured: started with its output in a file, stopped by its id when dropped.

use crate::machine;
use anyhow::{Context, bail};
use headwater_types::{Clock, SystemClock};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::{self, File},
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    thread,
    time::Duration,
};

/// A cluster stops its processes one by one, each with a limit of its own.
const STOP_LIMIT: Duration = Duration::from_secs(60);
const START_LIMIT: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(20);

/// A running server on the servers' core.
#[derive(Debug)]
pub struct Server {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts a program in a process group of its own, so that Ctrl-C reaches it only through this program.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(
        name: &'static str,
        program: &Path,
        arguments: impl IntoIterator<Item = impl AsRef<std::ffi::OsStr>>,
        log: &Path,
    ) -> anyhow::Result<Self> {
        let output = File::create(log).with_context(|| format!("create {}", log.display()))?;
        let errors = output.try_clone()?;
        let mut command = machine::on_server_core(program);
        command.args(arguments).stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0);
        let child = command.spawn().with_context(|| format!("start {name}"))?;
        Ok(Self { name, child, log: log.to_owned() })
    }

    /// Polls `condition` until it gives a value.
    ///
    /// # Errors
    /// The server ended, or a limit passed; with the end of its log.
    pub async fn wait_for<T>(&mut self, condition: impl AsyncFn() -> Option<T>) -> anyhow::Result<T> {
        let clock = SystemClock::new();
        loop {
            if let Some(value) = condition().await {
                return Ok(value);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}:\n{}", self.name, self.log_end());
            }
            if clock.monotonic() > START_LIMIT {
                bail!("{} is not ready after {} s:\n{}", self.name, START_LIMIT.as_secs(), self.log_end());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn log_end(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn stop(&mut self) -> io::Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let clock = SystemClock::new();
        while self.child.try_wait()?.is_none() {
            if clock.monotonic() > STOP_LIMIT {
                self.child.kill()?;
                self.child.wait()?;
                break;
            }
            thread::sleep(POLL);
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("stop {}: {error}", self.name);
        }
    }
}
