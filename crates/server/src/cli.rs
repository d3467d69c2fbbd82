//! Subcommands.
//!
//! Roles run until they are stopped; everything else is a client of a running cluster, built on the SDK.

mod cluster;
mod config;
mod connect;
mod docs;
mod explain;
mod jobs;
mod key;
mod ns;
mod object;
mod output;
mod progress;
mod settings;
mod shell;
mod sign;
mod size;
mod units;

use anyhow::Result;
use clap::{Args, CommandFactory, Parser, Subcommand};
use std::path::PathBuf;

use crate::{
    config::{FrontendReady, MetaReady, NodeReady},
    dev::{self, DevOptions},
    recover, roles,
};

pub use output::{OutputArgs, report};

/// A self-hosted, clustered origin for live video.
#[derive(Debug, Parser)]
#[command(name = "headwater", version, max_term_width = 100, after_help = ROOT_HELP)]
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
    Meta(MetaOptions),
    /// Run a storage node.
    #[command(after_help = CONFIG_HELP)]
    Node(RoleOptions),
    /// Run an HTTP frontend.
    #[command(after_help = CONFIG_HELP)]
    Frontend(RoleOptions),
    /// Back the metadata up to a directory or S3, or list the backups.
    Backup(recover::BackupArgs),
    /// Found a new metadata group from a backup, when every voter is lost.
    Restore(recover::RestoreArgs),
    /// Make, list, show, change and delete namespaces.
    Ns(ns::NsOptions),
    /// Make, list and revoke API keys, and signing keys.
    Key(key::KeyOptions),
    /// Make signed URLs and viewer tokens, here, without asking the cluster.
    Sign(sign::SignOptions),
    /// Write, read, list and remove objects.
    Object(object::ObjectOptions),
    /// Look at the cluster and operate it.
    Cluster(cluster::ClusterOptions),
    /// List what is being worked on: purges and moves of shards.
    #[command(after_help = jobs::WORKERS_HELP)]
    Workers(jobs::WorkersOptions),
    /// Compute object sizes, hot capacity, disk, S3 and bandwidth for a ladder of renditions.
    Size(size::SizeOptions),
    /// Check and show configuration.
    Config(config::ConfigOptions),
    /// Print the version.
    #[command(after_help = "Examples:\n  headwater version\n  headwater version --json")]
    Version(output::OutputArgs),
    /// Print a completion script for a shell.
    #[command(after_help = shell::COMPLETIONS_HELP)]
    Completions(shell::CompletionsOptions),
    /// Write manual pages.
    #[command(after_help = "Example:\n  headwater man --dir /usr/local/share/man/man1")]
    Man(shell::ManOptions),
}

const CONFIG_HELP: &str = "Every key of the file can be set in the environment as HEADWATER_<ROLE>__<KEY>, \
with `__` between table and key:\n  HEADWATER_NODE__HOT_CAPACITY_BYTES=1073741824 headwater node --config node.toml\n\n\
Exit code 64: the configuration is wrong; the message names the key, what was given and what is allowed.";

const ROOT_HELP: &str = "\
Where a cluster is and what may be done there is taken from flags, then from the environment (HEADWATER_ADMIN_URL, \
HEADWATER_ADMIN_TOKEN, HEADWATER_DATA_URL, HEADWATER_API_KEY, HEADWATER_NAMESPACE), then from \
~/.config/headwater/config.toml, then from ./headwater-data/dev.json if a `headwater dev` was started here.

Examples:
  headwater dev
  headwater ns create live-origin --hot-capacity 200MiB
  headwater key create live-origin --permission readwrite --expires 30d --out encoder.json
  headwater object ls channel/
  headwater cluster status";

#[derive(Debug, Args)]
struct RoleOptions {
    /// The role's TOML file.
    #[arg(long)]
    config: PathBuf,
}

#[derive(Debug, Args)]
struct MetaOptions {
    #[command(flatten)]
    role: RoleOptions,
    /// Found a new cluster, if the data directory is empty: on one voter, once. As `bootstrap = true` in the file.
    #[arg(long)]
    bootstrap: bool,
    /// A member that is asked to take this voter in, as host:port; may be repeated. As `join` in the file.
    #[arg(long, value_name = "HOST:PORT")]
    join: Vec<String>,
}

impl MetaOptions {
    fn load(self) -> Result<MetaReady> {
        let mut ready = MetaReady::load(&self.role.config)?;
        ready.bootstrap |= self.bootstrap;
        ready.add_join(self.join)?;
        Ok(ready)
    }
}

impl Cli {
    /// Whether what goes wrong is to be said in JSON too.
    pub fn wants_json(&self) -> bool {
        match &self.command {
            Command::Dev(options) => options.json,
            Command::Meta(_) | Command::Node(_) | Command::Frontend(_) => false,
            Command::Backup(args) => args.output.json,
            Command::Restore(args) => args.output.json,
            Command::Ns(options) => options.output.json,
            Command::Key(options) => options.output.json,
            Command::Sign(options) => options.output.json,
            Command::Object(options) => options.output.json,
            Command::Cluster(options) => options.output.json,
            Command::Workers(options) => options.output.json,
            Command::Size(options) => options.output.json,
            Command::Config(options) => options.output.json,
            Command::Version(output) => output.json,
            Command::Completions(options) => options.output.json,
            Command::Man(options) => options.output.json,
        }
    }
}

/// Runs a command until it ends or is told to stop.
pub fn run(cli: Cli) -> Result<()> {
    // Configuration first: a mistake in it must not start anything.
    match cli.command {
        Command::Dev(options) => block_on(dev::run(options)),
        Command::Meta(options) => block_on(roles::meta::run(options.load()?)),
        Command::Node(options) => block_on(roles::node::run(NodeReady::load(&options.config)?)),
        Command::Frontend(options) => block_on(roles::frontend::run(FrontendReady::load(&options.config)?)),
        Command::Backup(args) => block_on(recover::backup(args)),
        Command::Restore(args) => block_on(recover::restore(args)),
        Command::Ns(options) => ask(ns::run(options)),
        Command::Key(options) => ask(key::run(options)),
        Command::Sign(options) => sign::run(options),
        Command::Object(options) => ask(object::run(options)),
        Command::Cluster(options) => ask(cluster::run(options)),
        Command::Workers(options) => ask(jobs::run(options)),
        Command::Size(options) => size::run(&options),
        Command::Config(options) => config::run(options),
        Command::Version(output) => shell::version(&output),
        Command::Completions(options) => shell::completions(&options, &mut Cli::command()),
        Command::Man(options) => shell::man(&options, Cli::command()),
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

/// A client's work: one thread is enough.
fn ask(work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

#[cfg(test)]
mod tests;
