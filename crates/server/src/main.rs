//! The `headwater` binary.

mod cli;
mod config;
mod credentials;
mod dev;
mod huge_pages;
mod recover;
mod roles;
mod size;
mod stop;

use clap::Parser;
use std::process::ExitCode;

/// Bodies are large and short-lived and cross threads: mimalloc gives them back sooner than the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The exit code of a bad configuration (`EX_USAGE` of sysexits.h).
const EXIT_CONFIG: u8 = 64;

fn main() -> ExitCode {
    huge_pages::switch_off();
    let cli = cli::Cli::parse();
    let json = cli.wants_json();
    match cli::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            cli::report(&error, json);
            match error.downcast_ref::<config::ConfigError>() {
                Some(_) => ExitCode::from(EXIT_CONFIG),
                None => ExitCode::FAILURE,
            }
        }
    }
}
