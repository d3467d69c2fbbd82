//! `cargo xtask bench`: builds everything optimised, installs the peers, and runs the benchmark program.

use crate::{
    install::{self, NGINX, TASKSET, WRK},
    step,
    workspace::{Profile, Workspace},
};
use std::{env, path::PathBuf, process::Command};

/// Options of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The measurements of a few minutes.
    #[arg(long, required = true)]
    quick: bool,
    /// Rounds of each closed loop; the median counts.
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: u32,
    /// Also measure this `headwater` binary, of an earlier build, in the same run.
    #[arg(long, value_name = "PATH")]
    before: Option<PathBuf>,
    /// Also write the results here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fail where a ratio is below its floor.
    #[arg(long)]
    check: bool,
}

/// Runs the task.
pub fn run(options: &Options) -> anyhow::Result<()> {
    install::programs(&[NGINX, WRK, TASKSET])?;
    let workspace = Workspace::find()?;
    let headwater = workspace.build("headwater-server", "headwater", Profile::Release)?;
    let bench = workspace.build("headwater-benches", "headwater-bench", Profile::Release)?;
    let mut command = Command::new(bench);
    command.arg("quick").arg("--headwater").arg(headwater).arg("--xtask").arg(env::current_exe()?);
    command.args(["--rounds", &options.rounds.to_string()]);
    if let Some(before) = &options.before {
        command.arg("--before").arg(before);
    }
    if let Some(json) = &options.json {
        command.arg("--json").arg(json);
    }
    if options.check {
        command.arg("--check");
    }
    step::check(&mut command)
}
