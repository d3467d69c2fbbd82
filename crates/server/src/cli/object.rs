//! `headwater object`.

mod transfer;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use headwater_client::{Client, ListedObject, Listing, api::NewPurge, header::HeaderMap};
use serde_json::{Map, Value};
use std::path::PathBuf;

use super::{
    connect::{AdminArgs, DataArgs},
    explain::Explained,
    output::{Cell, Out, OutputArgs},
    progress, units,
};

/// Options of `headwater object`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  headwater object ls -n live-origin channel/")]
pub struct ObjectOptions {
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    admin: AdminArgs,
    #[command(subcommand)]
    command: ObjectCommand,
}

#[derive(Debug, Subcommand)]
enum ObjectCommand {
    /// Store a file as an object.
    #[command(after_help = PUT_HELP)]
    Put(transfer::PutArgs),
    /// Read an object into a file.
    #[command(after_help = GET_HELP)]
    Get(transfer::GetArgs),
    /// List objects.
    #[command(
        after_help = "Examples:\n  headwater object ls channel/\n  headwater object ls -r --json | jq '.objects[].name'"
    )]
    Ls {
        /// Only keys that begin with this.
        #[arg(default_value = "")]
        prefix: String,
        /// List what lies in folders too, instead of the folders.
        #[arg(short, long)]
        recursive: bool,
    },
    /// Show the headers of an object.
    #[command(after_help = "Example:\n  headwater object stat channel/main.m3u8")]
    Stat {
        /// Key of the object.
        object: String,
    },
    /// Remove objects: some by their keys, or everything below a prefix.
    ///
    /// --prefix starts a job over all shards by the admin plane, and follows it.
    #[command(after_help = RM_HELP)]
    Rm {
        /// Keys of the objects.
        #[arg(required_unless_present = "prefix", conflicts_with = "prefix")]
        objects: Vec<String>,
        /// Everything whose key begins with this; '' for all of the namespace.
        #[arg(long)]
        prefix: Option<String>,
        /// Refuse what lies below the prefix from now on: takes a channel off the air.
        #[arg(long, conflicts_with = "objects")]
        block: bool,
        /// Do not wait for the end of the job.
        #[arg(long, conflicts_with = "objects")]
        no_wait: bool,
        /// Do not ask before all of the namespace is removed.
        #[arg(long, conflicts_with = "objects")]
        yes: bool,
    },
}

const PUT_HELP: &str = "Examples:
  headwater object put channel/init.mp4 ./init.mp4 --ttl 1h
  tar c recordings | headwater object put backup/recordings.tar -";
const GET_HELP: &str = "Examples:
  headwater object get channel/init.mp4
  headwater object get channel/main.m3u8 -
  headwater object get channel/s_1.ts - --range 0-187 | xxd";
const RM_HELP: &str = "Examples:
  headwater object rm channel/s_1.ts channel/s_2.ts
  headwater object rm --prefix channel/
  headwater object rm --prefix channel/ --block";

/// Runs it.
pub async fn run(options: ObjectOptions) -> Result<()> {
    let out = Out::new(&options.output);
    if let ObjectCommand::Rm { prefix: Some(prefix), block, no_wait, yes, .. } = &options.command {
        let purge = NewPurge { prefix: prefix.clone(), block: *block };
        return remove_prefix(&options, &out, &purge, *no_wait, *yes).await;
    }
    let (client, plane) = options.data.connect()?;
    work(options.command, &client, &out).await.map_err(|error| plane.explain(error))
}

async fn work(command: ObjectCommand, client: &Client, out: &Out) -> Result<()> {
    match command {
        ObjectCommand::Put(args) => transfer::put(args, client, out).await,
        ObjectCommand::Get(args) => transfer::get(args, client, out).await,
        ObjectCommand::Ls { prefix, recursive } => {
            let listing =
                if recursive { client.list(&prefix).await? } else { client.list_folder(&prefix).await? };
            out.show(&listing, table)
        }
        ObjectCommand::Stat { object } => {
            let Some(headers) = client.head(&object).await? else { return Err(not_there(&object)) };
            out.show(&header_map(&headers), |out, headers| {
                let pairs = headers.iter().map(|(name, value)| (name.as_str(), Cell::maybe(value.as_str())));
                out.pairs(pairs.collect())
            })
        }
        ObjectCommand::Rm { objects, .. } => {
            for object in &objects {
                client.delete(object).await?;
            }
            let document = serde_json::json!({"removed": objects});
            out.show(&document, |_, _| format!("removed {}", objects.join(", ")))
        }
    }
}

async fn remove_prefix(
    options: &ObjectOptions,
    out: &Out,
    purge: &NewPurge,
    no_wait: bool,
    yes: bool,
) -> Result<()> {
    let namespace = options.data.namespace()?;
    if purge.prefix.is_empty() && !yes {
        super::shell::confirm(&format!("Remove every object of {namespace}?"), &namespace)?;
    }
    let (admin, plane) = options.admin.connect()?;
    let work = async {
        let job = admin.start_purge(&namespace, purge).await?;
        if no_wait { Ok(job) } else { progress::follow_purge(&admin, out, job).await }
    };
    let job = work.await.map_err(|error| plane.explain(error))?;
    out.show(&job, |_, job| match job.finished_at {
        Some(_) => format!("removed {} objects", job.removed),
        None => format!("job {} removes them: `headwater workers` shows how far it is", job.id),
    })
}

fn not_there(object: &str) -> anyhow::Error {
    let hint =
        "It was never stored, was removed, or its TTL has ended. `headwater object ls` shows what there is.";
    Explained::new(format!("there is no object {object}"), hint).into()
}

fn header_map(headers: &HeaderMap) -> Map<String, Value> {
    let text = |value: &headwater_client::header::HeaderValue| {
        String::from_utf8_lossy(value.as_bytes()).into_owned()
    };
    headers.iter().map(|(name, value)| (name.to_string(), text(value).into())).collect()
}

fn table(out: &Out, listing: &Listing) -> String {
    let folders = listing
        .prefixes
        .iter()
        .map(|prefix| vec![Cell::from(&**prefix), Cell::none(), Cell::none(), Cell::none(), Cell::none()]);
    let row = |object: &ListedObject| {
        vec![
            Cell::from(&*object.name),
            units::bytes(object.size).into(),
            Cell::from(&*object.tier),
            Cell::from(&*object.last_modified),
            Cell::from(&*object.expires_at),
        ]
    };
    let rows = folders.chain(listing.objects.iter().map(row)).collect();
    out.table(&["KEY", "SIZE", "TIER", "STORED", "EXPIRES"], rows)
}

/// `FIRST-LAST`, `FIRST-` or `-COUNT`, as in an HTTP Range header.
fn parse_range(text: &str) -> Result<transfer::Span, String> {
    let wrong = || format!("{text:?} is no range: FIRST-LAST, FIRST- or -COUNT is, counted from 0");
    let (first, last) = text.split_once('-').ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
    match (first, last) {
        ("", "") => Err(wrong()),
        ("", count) => Ok(transfer::Span::Suffix(number(count)?)),
        (first, "") => Ok(transfer::Span::From(number(first)?)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if first <= last { Ok(transfer::Span::Between(first, last)) } else { Err(wrong()) }
        }
    }
}

/// A path, or `None` for `-`.
fn file_or_pipe(path: PathBuf) -> Option<PathBuf> {
    (path.as_os_str() != "-").then_some(path)
}

/// What an object's key calls its file.
fn file_name(object: &str) -> Result<PathBuf> {
    match object.rsplit('/').next() {
        Some(name) if !name.is_empty() => Ok(name.into()),
        _ => bail!("{object:?} has no file name: say where it should go"),
    }
}
