//! `cargo xtask cluster`: a two-zone cluster of processes on loopback, for tests of failures, measurements and a look
//! at several processes at work.

mod config;
mod plan;
mod state;

use crate::{
    fleet::Fleet,
    ports,
    stop::Stop,
    workspace::{self, Profile},
};
use anyhow::Context;
use plan::{Plan, Planned, Role};
use state::{Addresses, Credentials, Running, State};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

/// Options of `cargo xtask cluster`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Where configuration, data, logs and cluster.json go. Starting again with the same folder keeps its data.
    #[arg(long)]
    dir: PathBuf,
    /// Voters of the metadata group: 1, 3 or 5.
    #[arg(long, default_value_t = 1)]
    meta: usize,
    /// Storage nodes in each of the two zones.
    #[arg(long, default_value_t = 1)]
    nodes_per_zone: usize,
    /// Frontends, spread over the zones.
    #[arg(long, default_value_t = 1)]
    frontends: usize,
    /// Build and run optimised.
    #[arg(long)]
    release: bool,
    /// Run this binary instead of building one.
    #[arg(long, value_name = "PATH", conflicts_with = "release")]
    headwater: Option<PathBuf>,
    /// Log level, or directives by module.
    #[arg(long, default_value = "info,openraft=error")]
    log: String,
}

/// Runs the task until it is asked to stop or no process is left.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let address_count = Plan::addresses(options)?;
    let profile = if options.release { Profile::Release } else { Profile::Dev };
    let binary = workspace::headwater(options.headwater.as_deref(), profile)?;
    fs::create_dir_all(&options.dir).with_context(|| format!("create {}", options.dir.display()))?;
    let dir = fs::canonicalize(&options.dir)?;
    let state_file = dir.join("cluster.json");
    if state_file.exists() {
        fs::remove_file(&state_file)?;
    }
    let plan = Plan::new(options, &dir, ports::free(address_count)?)?;

    let stop = Stop::on_signals()?;
    let mut fleet = Fleet::new()?;
    let mut running = Vec::new();
    // Each role needs the one before it.
    for role in [Role::Meta, Role::Node, Role::Frontend] {
        let planned: Vec<&Planned> = plan.processes.iter().filter(|process| process.role == role).collect();
        for process in &planned {
            running.push(start(process, &binary, &dir, &mut fleet)?);
        }
        let admin: Vec<_> = planned.iter().map(|process| process.admin).collect();
        fleet.wait_ready(&format!("every {role} to be ready"), &admin, &stop)?;
    }
    let credentials = fleet.wait_for("the credentials", Duration::from_secs(10), &stop, || {
        Ok(fs::read(&plan.credentials)
            .ok()
            .and_then(|json| serde_json::from_slice::<Credentials>(&json).ok()))
    })?;
    State::new(&plan.processes, running, credentials)?.write(&state_file)?;
    println!("ready");

    while !stop.requested() && !fleet.is_empty() {
        for dead in fleet.take_dead()? {
            eprintln!("{dead}");
        }
        thread::sleep(Duration::from_millis(100));
    }
    eprintln!("stopping");
    let stopped = fleet.stop();
    fs::remove_file(&state_file).context("remove cluster.json")?;
    stopped
}

/// Writes a process' configuration and starts it.
fn start(process: &Planned, binary: &Path, dir: &Path, fleet: &mut Fleet) -> anyhow::Result<Running> {
    let name = process.name();
    let config = dir.join(format!("{name}.toml"));
    fs::write(&config, &process.config).with_context(|| format!("write {}", config.display()))?;
    let words = [
        binary.display().to_string(),
        process.role.to_string(),
        "--config".to_owned(),
        config.display().to_string(),
    ];
    let pid = fleet.start(&name, Command::new(binary).args(&words[1..]), &dir.join(format!("{name}.log")))?;
    Ok(Running {
        role: process.role,
        id: process.id,
        zone: process.zone,
        pid,
        addresses: Addresses { listen: process.listen, admin: process.admin },
        command: words.to_vec(),
    })
}
