//! `headwater restore`: a new group of one voter from a backup.

use anyhow::{Context, Result};
use clap::Args;
use headwater_meta::{
    backup::{BackupInfo, BackupName, Target},
    offline,
};
use serde::Serialize;
use std::{path::PathBuf, time::Duration};
use tokio::time::timeout;

use super::{blocking, date, print};
use crate::{cli::OutputArgs, roles::system};

/// For reading the backup, retries and damaged ones included.
const READ_LIMIT: Duration = Duration::from_secs(300);

/// Arguments of `headwater restore`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  headwater restore --from s3://backups/headwater --data-dir /var/lib/headwater/meta --id 11 --address meta-11.example:9000"
)]
pub struct RestoreArgs {
    /// A directory, file:///DIRECTORY or s3://BUCKET/PREFIX, for its newest sound backup; with /NAME behind it for
    /// that one.
    #[arg(long, value_name = "TARGET[/NAME]")]
    from: String,
    /// The data directory of the new voter; must be empty.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// The new voter's id. Better none that was used before.
    #[arg(long)]
    id: u64,
    /// Where other voters will reach it.
    #[arg(long, value_name = "HOST:PORT")]
    address: String,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Serialize)]
struct Restored {
    backup: BackupInfo,
    /// Newer backups that were damaged, and why.
    damaged: Vec<String>,
    data_dir: PathBuf,
    id: u64,
    /// At which the new group begins.
    version: u64,
}

/// Runs it.
pub async fn restore(args: RestoreArgs) -> Result<()> {
    let (target, name) = split(&args.from);
    let target = Target::open(target)?;
    let loaded = timeout(READ_LIMIT, target.load(name)).await;
    let loaded = loaded.with_context(|| format!("{target} did not answer within {READ_LIMIT:?}"))??;
    let (dir, id, address) = (args.data_dir.clone(), args.id, args.address.clone());
    let state = loaded.sealed.state;
    let version =
        blocking(move || offline::found(&dir, id, &address, state, system().0.unix_millis())).await??;
    let restored =
        Restored { backup: loaded.info, damaged: loaded.damaged, data_dir: args.data_dir, id, version };
    print(args.output.json, &restored, || text(&restored, &args.address))
}

/// A target, and the name of a backup behind it.
pub(super) fn split(from: &str) -> (&str, Option<BackupName>) {
    match from.rsplit_once('/') {
        Some((target, "latest")) => (target, None),
        Some((target, last)) => match last.parse() {
            Ok(name) => (target, Some(name)),
            Err(_) => (from, None),
        },
        None => (from, None),
    }
}

fn text(restored: &Restored, address: &str) -> String {
    let Restored { backup, damaged, data_dir, id, version } = restored;
    let damaged: String = damaged.iter().map(|why| format!("damaged, not used: {why}\n")).collect();
    format!(
        "{damaged}restored {name} of {date}, version {from}, into {dir}
the new group has one voter, {id} at {address}, and begins at version {version}
lost: every change after that backup (API keys made or revoked, namespaces, settings)
next: 1. never start a voter of the group before again
      2. start the voter: headwater meta, with id = {id} and this data_dir
      3. point the frontends and nodes at {address}, add voters, revoke again what was revoked since",
        name = backup.name,
        date = date(backup.at),
        from = backup.version,
        dir = data_dir.display(),
    )
}
