//! Subcommands.

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

use crate::{
    config::{FrontendReady, MetaReady, NodeReady},
    dev::{self, DevOptions},
    roles,
};

/// A self-hosted, clustered origin for live video.
#[derive(Debug, Parser)]
#[command(name = "headwater", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a whole two-zone cluster in this process: for a first look, for tests and for small installations.
    ///
    /// The first start makes the namespace `live-origin` with an encoder's and a player's API key. Namespaces, keys and the
    /// shard map survive a restart. Objects live in memory, and do not.
    #[command(after_help = "Example:\n  headwater dev --data-dir ./headwater-data --listen 127.0.0.1:8080")]
    Dev(DevOptions),
    /// Run a metadata voter.
    #[command(after_help = CONFIG_HELP)]
    Meta(RoleOptions),
    /// Run a storage node.
    #[command(after_help = CONFIG_HELP)]
    Node(RoleOptions),
    /// Run an HTTP frontend.
    #[command(after_help = CONFIG_HELP)]
    Frontend(RoleOptions),
}

const CONFIG_HELP: &str = "Every key of the file can be set in the environment as HEADWATER_<ROLE>__<KEY>, \
with `__` between table and key:\n  HEADWATER_NODE__HOT_CAPACITY_BYTES=1073741824 headwater node --config node.toml\n\n\
Exit code 64: the configuration is wrong; the message names the key, what was given and what is allowed.";

#[derive(Debug, Args)]
struct RoleOptions {
    /// The role's TOML file.
    #[arg(long)]
    config: PathBuf,
}

/// Runs a command until it ends or is told to stop.
pub fn run(cli: Cli) -> Result<()> {
    // Configuration first: a mistake in it must not start anything.
    match cli.command {
        Command::Dev(options) => block_on(dev::run(options)),
        Command::Meta(options) => block_on(roles::meta::run(MetaReady::load(&options.config)?)),
        Command::Node(options) => block_on(roles::node::run(NodeReady::load(&options.config)?)),
        Command::Frontend(options) => block_on(roles::frontend::run(FrontendReady::load(&options.config)?)),
    }
}

fn block_on(work: impl Future<Output = Result<()>> + Send + 'static) -> Result<()> {
    // On a single core the scheduler without threads does the same work with less of its own.
    let single = std::thread::available_parallelism().is_ok_and(|cores| cores.get() == 1);
    let mut builder = match single {
        true => tokio::runtime::Builder::new_current_thread(),
        false => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.enable_all().build()?;
    // As a task: what the root waits for is woken as cheaply as everything else.
    runtime.block_on(async { tokio::spawn(work).await? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
