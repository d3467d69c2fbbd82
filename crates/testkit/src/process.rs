//! A process that ends with its value.

use crate::wait::within;
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

/// A child process whose output goes to a file. Killed (by its id) when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a command with both outputs in `log`, which is appended to.
    pub fn start(command: &mut Command, log: &Path) -> io::Result<Self> {
        let out = File::options().create(true).append(true).open(log)?;
        let child = command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).spawn()?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written so far.
    pub fn output(&self) -> String {
        std::fs::read(&self.log).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
    }

    /// Whether it has ended.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Waits for its end, at most `limit`.
    pub async fn wait(&mut self, limit: Duration) -> io::Result<ExitStatus> {
        let ended = async {
            loop {
                if let Some(status) = self.child.try_wait()? {
                    return Ok(status);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let late = |_| Err(io::Error::new(io::ErrorKind::TimedOut, format!("still running after {limit:?}")));
        within(limit, ended).await.unwrap_or_else(late)
    }

    /// Sends SIGKILL: the process gets no chance to put anything in order.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Sends SIGINT, as Ctrl-C does.
    pub fn interrupt(&self) -> io::Result<()> {
        signal(self.id(), "INT")
    }
}

/// Sends a signal to one process.
pub fn signal(pid: u32, name: &str) -> io::Result<()> {
    let status = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("kill -{name} {pid}: {status}"))) }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; there is nothing more to do about it here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
