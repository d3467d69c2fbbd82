//! `headwater cluster`.

mod show;

use anyhow::Result;
use clap::{Args, Subcommand};
use headwater_client::{Admin, api::NewMetaMember};
use serde_json::json;
use std::time::Duration;

use super::{
    connect::{AdminArgs, ReadArgs},
    output::{Out, OutputArgs},
    progress,
    units::parse_duration,
};
use crate::recover::{self, ForceZoneArgs};

/// Options of `headwater cluster`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  headwater cluster status")]
pub struct ClusterOptions {
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    connection: AdminArgs,
    #[command(subcommand)]
    command: ClusterCommand,
}

#[derive(Debug, Subcommand)]
enum ClusterCommand {
    /// Show zones, shards, the metadata group and who follows it.
    #[command(
        after_help = "Examples:\n  headwater cluster status --json | jq .shards\n  headwater cluster status --stale"
    )]
    Status {
        #[command(flatten)]
        read: ReadArgs,
    },
    /// List storage nodes.
    #[command(after_help = "Example:\n  headwater cluster nodes")]
    Nodes {
        #[command(flatten)]
        read: ReadArgs,
    },
    /// List shards and who holds them.
    #[command(
        after_help = "Examples:\n  headwater cluster shards --degraded\n  headwater cluster shards --json"
    )]
    Shards {
        /// Only those with fewer than two members in sync.
        #[arg(long)]
        degraded: bool,
        #[command(flatten)]
        read: ReadArgs,
    },
    /// Move the shards of a node elsewhere, before it goes for good.
    #[command(after_help = "Example:\n  headwater cluster drain 3 --wait && headwater cluster remove 3")]
    Drain {
        /// The node's id.
        node: u64,
        /// Wait until it holds no shard.
        #[arg(long)]
        wait: bool,
        /// How long to wait at most; fails if it still holds one then.
        #[arg(long, value_name = "DURATION", default_value = "10m", requires = "wait", value_parser = parse_duration)]
        timeout: Duration,
    },
    /// Take a drain back.
    #[command(after_help = "Example:\n  headwater cluster activate 3")]
    Activate {
        /// The node's id.
        node: u64,
    },
    /// Forget a node that holds no shard. Its id is never used again.
    #[command(after_help = "Example:\n  headwater cluster remove 3")]
    Remove {
        /// The node's id.
        node: u64,
    },
    /// Look at the metadata group and change its members.
    Meta {
        #[command(subcommand)]
        command: MetaCommand,
    },
    /// Take a zone out: its nodes take no part until the fence is lifted.
    #[command(after_help = "Example:\n  headwater cluster fence b --yes")]
    Fence {
        /// The zone.
        zone: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Go on with one zone and the voter that is left, when the metadata quorum is lost for good. On that voter's machine.
    ForceZone(ForceZoneArgs),
    /// Lift the fence of a zone.
    #[command(after_help = "Example:\n  headwater cluster unfence b")]
    Unfence {
        /// The zone.
        zone: String,
    },
}

#[derive(Debug, Subcommand)]
enum MetaCommand {
    /// Show the members of the metadata group.
    #[command(after_help = "Example:\n  headwater cluster meta status")]
    Status,
    /// Add a voter that was started without `bootstrap`; it catches up as a learner first.
    #[command(after_help = "Example:\n  headwater cluster meta add 4 meta-4.example:9000")]
    Add {
        /// Its id, never used before.
        id: u64,
        /// Where it is reached, as host:port.
        address: String,
    },
    /// Remove a member. Its id must never be used again: a wiped voter comes back under a new one.
    #[command(after_help = "Example:\n  headwater cluster meta remove 2")]
    Remove {
        /// Its id.
        id: u64,
    },
}

/// Runs it.
pub async fn run(options: ClusterOptions) -> Result<()> {
    let out = Out::new(&options.output);
    if let ClusterCommand::ForceZone(args) = options.command {
        return recover::force_zone(args, options.output.json).await;
    }
    let (admin, plane) = options.connection.connect()?;
    work(options.command, &admin, &out).await.map_err(|error| plane.explain(error))
}

async fn work(command: ClusterCommand, admin: &Admin, out: &Out) -> Result<()> {
    match command {
        ClusterCommand::Status { read } => out.show(&read.of(admin).cluster().await?, show::cluster),
        ClusterCommand::Nodes { read } => {
            let nodes = read.of(admin).nodes().all().await?;
            out.show(&nodes, |out, nodes| show::nodes(out, nodes))
        }
        ClusterCommand::Shards { degraded, read } => {
            let shards = read.of(admin).shards(degraded).all().await?;
            out.show(&shards, |out, shards| show::shards(out, shards))
        }
        ClusterCommand::Drain { node, wait, timeout } => {
            admin.drain_node(node).await?;
            if wait {
                progress::follow_drain(admin, out, node, timeout).await?;
            }
            let (state, text) = match wait {
                true => ("drained", format!("node {node} holds no shard: `headwater cluster remove {node}`")),
                false => {
                    ("draining", format!("node {node} is draining: `headwater workers` shows how far it is"))
                }
            };
            out.show(&json!({"node": node, "state": state}), |_, _| text)
        }
        ClusterCommand::Activate { node } => {
            admin.activate_node(node).await?;
            out.show(&json!({"node": node, "state": "active"}), |_, _| {
                format!("node {node} gets shards again")
            })
        }
        ClusterCommand::Remove { node } => {
            admin.remove_node(node).await?;
            out.show(&json!({"removed": node}), |_, _| format!("node {node} is forgotten"))
        }
        ClusterCommand::Meta { command } => meta(command, admin, out).await,
        ClusterCommand::ForceZone(_) => unreachable!("needs no connection"),
        ClusterCommand::Fence { zone, yes } => {
            if !yes {
                super::shell::confirm(&format!("Take zone {zone} out of the cluster?"), &zone)?;
            }
            admin.fence_zone(&zone).await?;
            out.show(&json!({"fenced": zone}), |_, _| {
                format!("zone {zone} takes no part until `headwater cluster unfence {zone}`")
            })
        }
        ClusterCommand::Unfence { zone } => {
            admin.unfence_zone(&zone).await?;
            out.show(&json!({"unfenced": zone}), |_, _| format!("zone {zone} takes part again"))
        }
    }
}

async fn meta(command: MetaCommand, admin: &Admin, out: &Out) -> Result<()> {
    match command {
        MetaCommand::Status => out.show(&admin.meta().await?, show::meta),
        MetaCommand::Add { id, address } => {
            let member = NewMetaMember { id, address };
            admin.add_meta_member(&member).await?;
            out.show(&member, |_, m| format!("member {} at {} is in the group", m.id, m.address))
        }
        MetaCommand::Remove { id } => {
            admin.remove_meta_member(id).await?;
            out.show(&json!({"removed": id}), |_, _| format!("member {id} is out of the group"))
        }
    }
}
