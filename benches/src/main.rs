//! `headwater-bench`: Headwater against nginx on one machine, in one run. Started by `cargo xtask bench`.
//!
//! The servers share core 0, of which only one is ever under load; this program and `wrk` have core 1. Figures of a
//! shared machine vary up to twofold between runs, so only ratios within a run mean something.

mod client;
mod floors;
mod headwater;
mod live;
mod machine;
mod nginx;
mod process;
mod put;
mod quick;
mod report;
mod stats;
mod target;
mod wrk;

use anyhow::bail;
use clap::{Parser, Subcommand};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Measures Headwater against nginx.
#[derive(Debug, Parser)]
#[command(name = "headwater-bench")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Objects of 500 KiB and 4 KiB, uploads, and live traffic: a few minutes.
    Quick(quick::Options),
}

fn main() -> ExitCode {
    let Command::Quick(options) = Cli::parse().command;
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs until the end or a signal. What was started is stopped as its owners are dropped.
fn run(options: &quick::Options) -> anyhow::Result<()> {
    machine::pin_to_client_core()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            outcome = quick::run(options) => outcome,
            _ = interrupt.recv() => bail!("interrupted"),
            _ = terminate.recv() => bail!("terminated"),
        }
    })
}
