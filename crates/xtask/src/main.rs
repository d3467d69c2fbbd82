//! `cargo xtask`: the project's own tasks. Each module is one task or one tool that tasks share.

mod bench;
mod cluster;
mod demo;
mod fleet;
mod guard;
mod http;
mod install;
mod metrics;
mod ports;
mod process;
mod step;
mod stop;
mod test;
mod test_needs;
mod test_runner;
mod verify;
mod wait;
mod workspace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Development tasks of Headwater.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Install what tests need, then check format, lints and rules, build, and run every test.
    Test(test::Options),
    /// Check format, lints and rules; changes nothing.
    Verify,
    /// Format, and apply the lints' own suggestions.
    Fix,
    /// Start a two-zone cluster of processes on loopback and keep it until Ctrl-C.
    Cluster(cluster::Options),
    /// Start Headwater, push a live ladder to it and watch it.
    Demo(demo::Options),
    /// Measure against nginx on this machine.
    Bench(bench::Options),
    /// Stop the processes named on standard input once it closes (started by other tasks).
    #[command(hide = true)]
    Guard,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::Test(options) => test::run(&options),
        Task::Verify => verify::verify(),
        Task::Fix => verify::fix(),
        Task::Cluster(options) => cluster::run(&options),
        Task::Demo(options) => demo::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Guard => guard::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
