//! The processes of a task: started one by one, watched, and stopped in reverse order however the task ends.

use crate::{guard::Guard, http, process::Process, stop::Stop, wait::wait_for};
use anyhow::{bail, ensure};
use std::{net::SocketAddr, path::Path, process::Command, time::Duration};

/// How long a process may take until it is ready.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// How much of a dead process' log is shown.
const LOG_LINES: usize = 20;

/// Child processes in the order of their start.
#[derive(Debug)]
pub struct Fleet {
    processes: Vec<Process>,
    guard: Guard,
}

impl Fleet {
    /// No processes yet.
    ///
    /// # Errors
    /// The guard cannot be started.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self { processes: Vec::new(), guard: Guard::start()? })
    }

    /// Starts one more process and gives its id.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(&mut self, name: &str, command: &mut Command, log: &Path) -> anyhow::Result<u32> {
        let process = Process::start(name, command, log)?;
        let id = process.id();
        self.processes.push(process);
        self.guard.note(id)?;
        Ok(id)
    }

    /// Waits until `/readyz` at each of these addresses answers 200.
    ///
    /// # Errors
    /// A process died, a limit passed or a stop was requested.
    pub fn wait_ready(&mut self, what: &str, admin: &[SocketAddr], stop: &Stop) -> anyhow::Result<()> {
        self.wait_for(what, READY_LIMIT, stop, || {
            Ok(admin.iter().all(|&address| http::is_ready(address, "/readyz")).then_some(()))
        })
    }

    /// Waits for a condition, and ends early if a process dies meanwhile.
    ///
    /// # Errors
    /// The condition's, a process died, the limit passed or a stop was requested.
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        limit: Duration,
        stop: &Stop,
        mut condition: impl FnMut() -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        wait_for(what, limit, stop, || {
            let dead = self.take_dead()?;
            if !dead.is_empty() {
                bail!("while waiting for {what}: {}", dead.join("\n"));
            }
            condition()
        })
    }

    /// Forgets the processes that ended by themselves and describes each with the end of its log.
    ///
    /// # Errors
    /// The operating system does not say.
    pub fn take_dead(&mut self) -> anyhow::Result<Vec<String>> {
        let mut dead = Vec::new();
        for at in (0..self.processes.len()).rev() {
            if let Some(status) = self.processes[at].ended()? {
                let process = self.processes.remove(at);
                self.guard.forget(process.id())?;
                dead.push(format!(
                    "{} ended with {status}:\n{}",
                    process.name(),
                    process.last_lines(LOG_LINES)
                ));
            }
        }
        Ok(dead)
    }

    /// Whether no process is left.
    pub fn is_empty(&self) -> bool {
        self.processes.is_empty()
    }
}

impl Fleet {
    /// Stops every process.
    ///
    /// # Errors
    /// One did not end by itself.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let killed = self.stop_all();
        ensure!(killed.is_empty(), "{}", killed.join("\n"));
        Ok(())
    }

    /// What went wrong.
    fn stop_all(&mut self) -> Vec<String> {
        let mut wrong = Vec::new();
        while let Some(mut process) = self.processes.pop() {
            match process.stop() {
                Ok(true) => {}
                Ok(false) => wrong.push(format!("{} did not end by itself and was killed", process.name())),
                Err(error) => wrong.push(format!("{}: {error}", process.name())),
            }
            // Should the guard be gone, there is nothing to tell it.
            let _ = self.guard.forget(process.id());
        }
        wrong
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for wrong in self.stop_all() {
            eprintln!("{wrong}");
        }
    }
}
