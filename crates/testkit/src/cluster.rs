//! The process cluster that `cargo xtask cluster` starts.

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    binary::binary,
    process::{Process, signal},
    wait::until,
};

/// A cluster of real processes on loopback.
#[derive(Debug)]
pub struct Cluster {
    runner: Process,
    /// By role and id.
    restarted: Vec<(String, u64, Process)>,
    dir: PathBuf,
    /// What `cluster.json` says.
    pub info: ClusterInfo,
}

/// The document `cluster.json`.
#[derive(Debug, Clone, Deserialize)]
pub struct ClusterInfo {
    /// Data planes of the frontends.
    pub data_urls: Vec<String>,
    /// Admin plane of the first frontend.
    pub admin_url: String,
    /// The namespace.
    pub namespace: String,
    /// May read and write.
    pub encoder_api_key: String,
    /// May read.
    pub player_api_key: String,
    /// May do everything on the admin plane.
    pub admin_token: String,
    /// The processes.
    pub processes: Vec<ClusterProcess>,
}

/// One process of a cluster.
#[derive(Debug, Clone, Deserialize)]
pub struct ClusterProcess {
    /// `meta`, `node` or `frontend`.
    pub role: String,
    /// Its id within the role.
    pub id: u64,
    /// Its process id at the start.
    pub pid: u32,
    /// Where it listens.
    pub addresses: ClusterAddresses,
    /// Starts it again by hand.
    pub command: Vec<String>,
}

/// Where a process of a cluster listens, as `host:port`.
#[derive(Debug, Clone, Deserialize)]
pub struct ClusterAddresses {
    /// The data plane of a frontend, gRPC of the others.
    pub listen: String,
    /// Health and metrics.
    pub admin: String,
}

impl Cluster {
    /// Starts one and waits until it is ready. `extra` are arguments of `cargo xtask cluster`.
    pub async fn start(dir: &Path, extra: &[&str]) -> Result<Self> {
        Self::start_with(dir, extra, &[]).await
    }

    /// The same, with more in the environment of every process.
    pub async fn start_with(dir: &Path, extra: &[&str], variables: &[(&str, &str)]) -> Result<Self> {
        let log = dir.join("cluster.log");
        let mut command = Command::new(binary("xtask"));
        // Built before the tests: building it now would wait for whoever else builds.
        command.arg("cluster").arg("--headwater").arg(binary("headwater")).arg("--dir").arg(dir).args(extra);
        command.envs(variables.iter().copied());
        let mut runner = Process::start(&mut command, &log)?;
        let document = dir.join("cluster.json");
        let started = until("cluster.json is written", Duration::from_secs(60), || {
            let ended = runner.try_wait();
            let there = document.exists();
            async move {
                match ended {
                    Ok(None) if there => Some(Ok(())),
                    Ok(None) => None,
                    other => Some(Err(format!("{other:?}"))),
                }
            }
        });
        if let Err(why) = started.await {
            bail!("xtask cluster ended: {why}: {}", runner.output());
        }
        let info = serde_json::from_slice(&std::fs::read(&document)?).context("cluster.json")?;
        Ok(Self { runner, restarted: Vec::new(), dir: dir.to_owned(), info })
    }

    /// The URL of an object at one of the frontends.
    pub fn url(&self, frontend: usize, key: &str) -> String {
        format!("{}/cache/{}/{key}", self.info.data_urls[frontend], self.info.namespace)
    }

    /// One of its processes.
    pub fn process(&self, role: &str, id: u64) -> Result<ClusterProcess> {
        let found = self.info.processes.iter().find(|p| p.role == role && p.id == id);
        found.cloned().with_context(|| format!("the cluster has no {role} {id}"))
    }

    /// `kill -9` of one process, the newest of that role and id.
    pub fn kill(&mut self, role: &str, id: u64) -> Result<()> {
        let restarted = self.restarted.iter().rposition(|(r, i, _)| (r.as_str(), *i) == (role, id));
        match restarted.map(|at| self.restarted.remove(at).2) {
            // It is waited for and gone once this is dropped.
            Some(process) => drop(process),
            None => {
                let pid = self.process(role, id)?.pid;
                signal(pid, "KILL")?;
                until_gone(pid)?;
            }
        }
        Ok(())
    }

    /// Where the processes keep their data: `ROLE-ID` each, with their configuration beside.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Starts a killed process again, by the command that `cluster.json` gives.
    pub fn restart(&mut self, role: &str, id: u64) -> Result<()> {
        self.restart_with(role, id, &[])
    }

    /// The same, with more in its environment.
    pub fn restart_with(&mut self, role: &str, id: u64, variables: &[(&str, &str)]) -> Result<()> {
        let process = self.process(role, id)?;
        let (program, arguments) = process.command.split_first().context("an empty command")?;
        let log = self.dir.join(format!("{role}-{id}.again.log"));
        let mut command = Command::new(program);
        command.args(arguments).envs(variables.iter().copied());
        let process = Process::start(&mut command, &log)?;
        self.restarted.push((role.to_owned(), id, process));
        Ok(())
    }

    /// Whether the process that was last started again in this role and id has ended.
    pub fn has_ended(&mut self, role: &str, id: u64) -> Result<bool> {
        let mut processes = self.restarted.iter_mut().rev();
        let found = processes.find(|(r, i, _)| (r.as_str(), *i) == (role, id));
        let (_, _, process) = found.with_context(|| format!("{role} {id} was not started again"))?;
        Ok(process.try_wait()?.is_some())
    }

    /// What a process has logged since the cluster started.
    pub fn log(&self, role: &str, id: u64) -> String {
        std::fs::read_to_string(self.dir.join(format!("{role}-{id}.log"))).unwrap_or_default()
    }

    /// Stops everything, as Ctrl-C does; fails if a process had to be killed.
    pub async fn stop(mut self) -> Result<()> {
        for (_, _, process) in &self.restarted {
            process.interrupt()?;
        }
        self.runner.interrupt()?;
        let status = self.runner.wait(Duration::from_secs(120)).await.context("stopping the cluster")?;
        ensure!(status.success(), "the cluster stopped with {status}: {}", self.runner.output());
        for (role, id, process) in &mut self.restarted {
            let status =
                process.wait(Duration::from_secs(30)).await.with_context(|| format!("{role} {id}"))?;
            ensure!(status.success(), "{role} {id} stopped with {status}: {}", process.output());
        }
        Ok(())
    }
}

/// Where `/proc/PID/stat` has the number of threads, counted from 1 (proc_pid_stat(5)).
const THREADS_FIELD: usize = 20;

/// Waits until a killed process, a child of somebody else, has let go of its files and ports. It may then still be waited
/// for by its parent (state `Z`). Its first thread may be in that state while others still hold the files.
fn until_gone(pid: u32) -> Result<()> {
    for _ in 0..2000 {
        // `pid (name) state …`: the name may have anything in it. The state is the third field.
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let Some((_, rest)) = stat.rsplit_once(") ") else { return Ok(()) };
        let mut fields = rest.split_whitespace();
        let (state, threads) = (fields.next(), fields.nth(THREADS_FIELD - 4));
        if matches!(state, Some("Z" | "X")) && matches!(threads, Some("0" | "1")) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    bail!("process {pid} is still there long after it was killed")
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A test that failed half way: the runner stops its processes when it is interrupted; wait for that, bounded.
        if matches!(self.runner.try_wait(), Ok(None)) && self.runner.interrupt().is_ok() {
            for _ in 0..200 {
                if !matches!(self.runner.try_wait(), Ok(None)) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
}
