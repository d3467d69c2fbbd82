//! `headwater backup`: on demand, from a running group or from the directory of a stopped voter.

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use futures_util::StreamExt;
use headwater_meta::{
    MetaCache, MetaStore, State,
    backup::{BackupInfo, KEEP_DEFAULT, Target},
    grpc::MetaGrpcClient,
    offline,
};
use serde::Serialize;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::time::timeout;

use super::{blocking, date, print};
use crate::{cli::OutputArgs, roles::system};

/// For a quorum's word and for the whole state.
const READ_LIMIT: Duration = Duration::from_secs(30);
/// For writing to the target, its retries included.
const WRITE_LIMIT: Duration = Duration::from_secs(180);

/// Arguments of `headwater backup`.
#[derive(Debug, Args)]
#[command(subcommand_negates_reqs = true)]
#[command(
    after_help = "Examples:\n  headwater backup --meta meta-1.example:9000 --to s3://backups/headwater\n  headwater backup list s3://backups/headwater"
)]
pub struct BackupArgs {
    #[command(subcommand)]
    command: Option<BackupCommand>,
    /// Where to: a directory, file:///DIRECTORY or s3://BUCKET/PREFIX.
    #[arg(long, value_name = "TARGET", required = true)]
    to: Option<String>,
    /// Voters of the running group.
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', required_unless_present = "data_dir")]
    meta: Vec<String>,
    /// The data directory of a stopped voter instead.
    #[arg(long, value_name = "DIR", conflicts_with = "meta")]
    data_dir: Option<PathBuf>,
    /// How many backups the target keeps; the oldest are deleted.
    #[arg(long, value_name = "N", default_value_t = KEEP_DEFAULT, value_parser = keep)]
    keep: usize,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Subcommand)]
enum BackupCommand {
    /// List the backups of a target, oldest first.
    #[command(after_help = "Example:\n  headwater backup list /var/backups/headwater --json")]
    List {
        /// A directory, file:///DIRECTORY or s3://BUCKET/PREFIX.
        target: String,
    },
}

fn keep(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(keep) if keep > 0 => Ok(keep),
        _ => Err("a number of at least 1".to_owned()),
    }
}

#[derive(Debug, Serialize)]
struct Made {
    target: String,
    #[serde(flatten)]
    backup: BackupInfo,
    /// Whether a quorum confirmed that nothing newer was acknowledged when it began.
    confirmed: bool,
}

/// What is to be backed up.
struct Source {
    state: Arc<State>,
    cluster: String,
    confirmed: bool,
}

/// Runs it.
pub async fn backup(args: BackupArgs) -> Result<()> {
    if let Some(BackupCommand::List { target }) = args.command {
        return list(&target, args.output.json).await;
    }
    let Some(to) = args.to else { bail!("--to is missing") };
    let target = Target::open(&to)?;
    let source = match args.data_dir {
        Some(dir) => {
            let state = blocking(move || offline::read(&dir)).await??.state;
            Source { state: Arc::new(state), cluster: String::new(), confirmed: false }
        }
        None => running(&args.meta).await?,
    };
    let now = system().0.unix_millis();
    let saving = target.save(source.state, &source.cluster, now, args.keep);
    let saved = timeout(WRITE_LIMIT, saving).await;
    let saved = saved.with_context(|| format!("{target} did not take it within {WRITE_LIMIT:?}"))??;
    let made = Made { target: to, backup: saved, confirmed: source.confirmed };
    print(args.output.json, &made, || {
        let BackupInfo { name, version, bytes, .. } = &made.backup;
        let note = match made.confirmed {
            true => "",
            false => "\nnote: no quorum confirmed it; changes that this voter does not have are missing",
        };
        format!("{name} in {}: version {version}, {bytes} bytes{note}", made.target)
    })
}

/// The state of a running group. Without a quorum: what the voter that answers has.
async fn running(voters: &[String]) -> Result<Source> {
    let (clock, rng) = system();
    let store = MetaGrpcClient::new(voters, "backup", clock, rng)?;
    let cluster = store.membership().await?.cluster;
    let confirmed = store.linearizable_read(READ_LIMIT).await;
    let cache = MetaCache::new();
    let mut events = store.watch(0).await?;
    let read = async {
        while cache.version() < *confirmed.as_ref().unwrap_or(&1) {
            let event = events.next().await.context("the watch ended before the state was there")??;
            cache.apply(event);
        }
        anyhow::Ok(())
    };
    let late = || format!("the state was not there within {READ_LIMIT:?}");
    timeout(READ_LIMIT, read).await.with_context(late)??;
    Ok(Source { state: cache.state(), cluster, confirmed: confirmed.is_ok() })
}

async fn list(target: &str, json: bool) -> Result<()> {
    let target = Target::open(target)?;
    let backups = timeout(WRITE_LIMIT, target.list()).await;
    let backups = backups.with_context(|| format!("{target} did not answer within {WRITE_LIMIT:?}"))??;
    print(json, &backups, || match backups.as_slice() {
        [] => format!("no backups in {target}"),
        some => {
            let line = |b: &BackupInfo| {
                format!("{}  {}  version {}  {} bytes", b.name, date(b.at), b.version, b.bytes)
            };
            some.iter().map(line).collect::<Vec<_>>().join("\n")
        }
    })
}
