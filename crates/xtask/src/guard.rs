//! The guard: a process of its own that outlives a task which is killed, and then stops what the task had started.
//!
//! The task writes `+PID` for each process it starts and `-PID` once it has ended. When the pipe closes, whatever is
//! still noted is stopped, last started first. A process is known by its id and start time, so a reused id is safe.

use crate::{
    process::{self, STOP_LIMIT},
    wait::Deadline,
};
use anyhow::Context;
use std::{
    env, fs,
    io::{self, BufRead, Write},
    os::unix::process::CommandExt,
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::Duration,
};

/// A task's end of the pipe to its guard. Dropping it tells the guard that the task has ended.
#[derive(Debug)]
pub struct Guard {
    pipe: Option<ChildStdin>,
    child: Child,
}

impl Guard {
    /// Starts the guard.
    ///
    /// # Errors
    /// This program cannot be started again.
    pub fn start() -> anyhow::Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .arg("guard")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("start the guard")?;
        let pipe = child.stdin.take();
        Ok(Self { pipe, child })
    }

    /// Notes a process to stop if the task dies.
    ///
    /// # Errors
    /// The guard is gone.
    pub fn note(&mut self, id: u32) -> io::Result<()> {
        self.write(&format!("+{id}\n"))
    }

    /// Forgets a process that has ended.
    ///
    /// # Errors
    /// The guard is gone.
    pub fn forget(&mut self, id: u32) -> io::Result<()> {
        self.write(&format!("-{id}\n"))
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        let pipe = self.pipe.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        pipe.write_all(line.as_bytes())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.pipe = None;
        // It ends once it has read the end of the pipe; how it ended no longer matters.
        let _ = self.child.wait();
    }
}

/// The guard's own life: reads standard input to its end, then stops what is left.
pub fn run() -> anyhow::Result<()> {
    let mut noted = Noted::default();
    for line in io::stdin().lock().lines() {
        noted.apply(&line?, start_time);
    }
    let left = noted.0;
    for running in left.iter().rev() {
        running.stop();
    }
    Ok(())
}

/// The processes to stop, in the order of their start.
#[derive(Debug, Default)]
struct Noted(Vec<Running>);

impl Noted {
    /// Applies one line. `start_time` looks a process up; one that is gone already is not noted.
    fn apply(&mut self, line: &str, start_time: impl Fn(u32) -> Option<u64>) {
        if let Some(id) = line.strip_prefix('+').and_then(|id| id.parse().ok()) {
            self.0.extend(start_time(id).map(|started| Running { id, started }));
        } else if let Some(id) = line.strip_prefix('-').and_then(|id| id.parse::<u32>().ok()) {
            self.0.retain(|running| running.id != id);
        }
    }
}

/// A process, told apart from a later one with the same id.
#[derive(Debug, PartialEq, Eq)]
struct Running {
    id: u32,
    /// In clock ticks since the machine started.
    started: u64,
}

impl Running {
    fn is_alive(&self) -> bool {
        start_time(self.id) == Some(self.started)
    }

    /// As [`process::Process::stop`], for a process that is not this one's child.
    fn stop(&self) {
        if !self.is_alive() || process::terminate(self.id).is_err() {
            return;
        }
        let deadline = Deadline::after(STOP_LIMIT);
        while self.is_alive() {
            if deadline.passed() {
                // Nobody is left to tell if even this fails.
                let _ = process::kill(self.id);
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Field `starttime` of `/proc/PID/stat` (proc(5)), unless the process is gone or only a zombie.
fn start_time(id: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    parse_start_time(&stat)
}

/// The program's name, field 2, is in brackets and may itself contain blanks and brackets: count from the last one.
fn parse_start_time(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(") ")?;
    let mut fields = after_name.split(' ');
    let state = fields.next()?;
    if state == "Z" {
        return None;
    }
    // `state` is field 3 and `starttime` field 22.
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_and_forgets() {
        let mut noted = Noted::default();
        for line in ["+1", "+2", "+3", "-2", "nonsense", "+x", "+4"] {
            noted.apply(line, |id| (id != 4).then_some(u64::from(id) * 10));
        }
        assert_eq!(noted.0, [Running { id: 1, started: 10 }, Running { id: 3, started: 30 }]);
    }

    #[test]
    fn start_time_survives_odd_program_names() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4242 9 9";
        assert_eq!(parse_start_time(stat), Some(4242));
        assert_eq!(parse_start_time(&stat.replace(") S", ") Z")), None);
        assert!(start_time(std::process::id()).is_some());
    }
}
