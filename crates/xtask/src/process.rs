//! One child process: its log, whether it still runs, and ending it by its id within a bound.

use crate::wait::Deadline;
use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::OpenOptions,
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

/// How long a process may take to end by itself before it is killed.
pub const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A child process whose output goes to a file.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`, with no input and with its output added to `log`. It gets a process group of its own, so that
    /// Ctrl-C in a terminal reaches only the task, which then stops its processes in order.
    ///
    /// # Errors
    /// The log cannot be opened or the program not started.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let open = || OpenOptions::new().create(true).append(true).open(log);
        let output = open().with_context(|| format!("open {}", log.display()))?;
        let errors = output.try_clone()?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .with_context(|| format!("start {name}: {}", command.get_program().display()))?;
        Ok(Self { name: name.to_owned(), child, log: log.to_owned() })
    }

    /// The name it was started by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// What it wrote last.
    pub fn last_lines(&self, count: usize) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }

    /// Asks it to end (SIGTERM), waits up to [`STOP_LIMIT`] and then kills it. Says whether it ended by itself.
    ///
    /// # Errors
    /// The operating system refuses; the process may then still run.
    pub fn stop(&mut self) -> io::Result<bool> {
        if self.ended()?.is_some() {
            return Ok(true);
        }
        terminate(self.id())?;
        let deadline = Deadline::after(STOP_LIMIT);
        while self.ended()?.is_none() {
            if deadline.passed() {
                self.child.kill()?;
                self.child.wait()?;
                return Ok(false);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(true)
    }
}

/// Sends SIGTERM to a process id.
///
/// # Errors
/// There is no such process, or it is not ours.
pub fn terminate(id: u32) -> io::Result<()> {
    signal(id, Signal::TERM)
}

/// Sends SIGKILL to a process id.
///
/// # Errors
/// There is no such process, or it is not ours.
pub fn kill(id: u32) -> io::Result<()> {
    signal(id, Signal::KILL)
}

fn signal(id: u32, signal: Signal) -> io::Result<()> {
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(kill_process(pid, signal)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_by_signal_and_keeps_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let mut shell = Command::new("sh");
        let mut process =
            Process::start("shell", shell.args(["-c", "echo one; echo two; exec sleep 60"]), &log).unwrap();
        let deadline = Deadline::after(Duration::from_secs(10));
        while process.last_lines(1) != "two" {
            assert!(!deadline.passed(), "no output");
            thread::sleep(Duration::from_millis(5));
        }
        assert!(process.ended().unwrap().is_none());
        assert!(process.stop().unwrap());
        assert!(process.stop().unwrap(), "stopping twice is harmless");
        assert_eq!(process.last_lines(9), "one\ntwo");
    }
}
