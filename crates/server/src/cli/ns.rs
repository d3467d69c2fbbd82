//! `headwater ns`.

use anyhow::Result;
use clap::{Args, Subcommand};
use headwater_client::{
    Admin,
    api::{Namespace, Purge},
};

use super::{
    connect::{AdminArgs, ReadArgs},
    explain::Explained,
    output::{Cell, Out, OutputArgs},
    progress,
    settings::SettingsArgs,
    units,
};

/// Options of `headwater ns`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  headwater ns create live-origin --hot-capacity 200MiB")]
pub struct NsOptions {
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    connection: AdminArgs,
    #[command(subcommand)]
    command: NsCommand,
}

#[derive(Debug, Subcommand)]
enum NsCommand {
    /// Make a namespace.
    #[command(after_help = CREATE_HELP)]
    Create {
        /// Name in URLs: 1 to 63 of a-z, 0-9, '_' and '-'.
        name: String,
        #[command(flatten)]
        settings: Box<SettingsArgs>,
    },
    /// List namespaces.
    #[command(after_help = "Examples:\n  headwater ns list\n  headwater ns list live- --json")]
    List {
        /// Only names that begin with this.
        #[arg(default_value = "")]
        prefix: String,
        #[command(flatten)]
        read: ReadArgs,
    },
    /// Show a namespace and its settings.
    #[command(after_help = "Example:\n  headwater ns show live-origin --json > live-origin.json")]
    Show {
        /// The namespace.
        name: String,
        #[command(flatten)]
        read: ReadArgs,
    },
    /// Change settings of a namespace; those that are not given stay.
    #[command(after_help = UPDATE_HELP)]
    Update {
        /// The namespace.
        name: String,
        /// Refuse if it is not this version any more; by default the version that is there when the command begins.
        #[arg(long, value_name = "VERSION")]
        if_version: Option<u64>,
        #[command(flatten)]
        settings: Box<SettingsArgs>,
    },
    /// Take names below a prefix again that was removed with `object rm --block`.
    #[command(after_help = "Example:\n  headwater ns unblock live-origin channel1/")]
    Unblock {
        /// The namespace.
        name: String,
        /// As `ns show` shows it among the blocked prefixes.
        prefix: String,
    },
    /// Delete a namespace.
    #[command(after_help = DELETE_HELP)]
    Delete {
        /// The namespace.
        name: String,
        /// Delete it with the objects that are in it.
        #[arg(long)]
        force: bool,
        /// Refuse if it is not this version any more, as `ns show` shows it.
        #[arg(long, value_name = "VERSION")]
        if_version: Option<u64>,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// Wait until its objects are gone.
        #[arg(long)]
        wait: bool,
    },
}

const CREATE_HELP: &str = "Examples:
  headwater ns create live-origin --hot-capacity 200MiB
  headwater ns create vod --default-ttl 7d --ttl-rule '*.m3u8=1h' --max-object 100MiB
  headwater ns create copy --settings live-origin.json";
const UPDATE_HELP: &str = "Examples:
  headwater ns update live-origin --default-ttl 10m
  headwater ns update live-origin --hot-capacity none --ignore-deletes
  headwater ns update live-origin --read-while-write false";
const DELETE_HELP: &str = "Examples:
  headwater ns delete vod
  headwater ns delete vod --force --yes --wait";

/// Runs it.
pub async fn run(options: NsOptions) -> Result<()> {
    let out = Out::new(&options.output);
    let (admin, plane) = options.connection.connect()?;
    work(options.command, &admin, &out).await.map_err(|error| plane.explain(error))
}

async fn work(command: NsCommand, admin: &Admin, out: &Out) -> Result<()> {
    match command {
        NsCommand::Create { name, settings } => {
            let made = admin.create_namespace_from(&name, &settings.document()?).await?;
            out.show(&made, human)
        }
        NsCommand::List { prefix, read } => {
            let all = read.of(admin).namespaces(&prefix).all().await?;
            out.show(&all, |out, all| table(out, all))
        }
        NsCommand::Show { name, read } => out.show(&read.of(admin).namespace(&name).await?, human),
        NsCommand::Update { name, if_version, settings } => {
            let patch = settings.document()?;
            if patch.is_empty() {
                let hint = "Name at least one: `headwater ns update --help` lists them.";
                return Err(Explained::new("no setting was given", hint).into());
            }
            let version = match if_version {
                Some(version) => version,
                None => admin.namespace(&name).await?.version,
            };
            out.show(&admin.update_namespace(&name, Some(version), &patch).await?, human)
        }
        NsCommand::Unblock { name, prefix } => out.show(&admin.unblock(&name, &prefix).await?, human),
        NsCommand::Delete { name, force, if_version, yes, wait } => {
            if force && !yes {
                super::shell::confirm(&format!("Delete {name} and every object in it?"), &name)?;
            }
            let purge = admin.delete_namespace(&name, if_version, force).await?.purge;
            show_deleted(admin, out, &name, purge, wait).await
        }
    }
}

async fn show_deleted(
    admin: &Admin,
    out: &Out,
    name: &str,
    mut purge: Option<Purge>,
    wait: bool,
) -> Result<()> {
    if let (true, Some(job)) = (wait, &purge) {
        purge = Some(progress::follow_purge(admin, out, job.clone()).await?);
    }
    let document = serde_json::json!({"deleted": name, "purge": purge});
    out.show(&document, |_, _| match &purge {
        Some(job) if job.finished_at.is_some() => format!("deleted {name} with {} objects", job.removed),
        Some(job) => format!("deleted {name}; its objects go in job {}: `headwater workers`", job.id),
        None => format!("deleted {name}"),
    })
}

fn table(out: &Out, all: &[Namespace]) -> String {
    let header = ["NAME", "DEFAULT TTL", "MAX TTL", "HOT CAPACITY", "USED", "OBJECTS", "UPDATED"];
    let row = |ns: &Namespace| {
        vec![
            Cell::from(&*ns.name),
            units::seconds(ns.settings.default_ttl.as_secs()).into(),
            units::seconds(ns.settings.max_ttl.as_secs()).into(),
            Cell::maybe(ns.settings.hot_capacity_bytes.map(units::bytes)),
            Cell::maybe(ns.usage.map(|usage| units::bytes(usage.bytes))),
            Cell::maybe(ns.usage.map(|usage| usage.objects)),
            Cell::from(&*ns.updated_at),
        ]
    };
    out.table(&header, all.iter().map(row).collect())
}

fn human(out: &Out, ns: &Namespace) -> String {
    let settings = &ns.settings;
    let rules = |rules: Vec<String>| if rules.is_empty() { Cell::none() } else { rules.join(", ").into() };
    let mut pairs = vec![
        ("name", Cell::from(&*ns.name)),
        ("id", ns.id.to_string().into()),
        ("version", ns.version.to_string().into()),
        ("created", Cell::from(&*ns.created_at)),
        ("updated", Cell::from(&*ns.updated_at)),
        ("default TTL", units::seconds(settings.default_ttl.as_secs()).into()),
        ("max TTL", units::seconds(settings.max_ttl.as_secs()).into()),
    ];
    let ttl_rules =
        settings.ttl_rules.iter().map(|r| format!("{}={}", r.glob, units::seconds(r.value.as_secs())));
    pairs.push(("TTL rules", rules(ttl_rules.collect())));
    pairs.push(("max object", units::bytes(settings.max_object_bytes).into()));
    pairs.push(("hot capacity", Cell::maybe(settings.hot_capacity_bytes.map(units::bytes))));
    pairs.push(("quota", quota(ns)));
    pairs.push((
        "used",
        Cell::maybe(ns.usage.map(|u| format!("{} in {} objects", units::bytes(u.bytes), u.objects))),
    ));
    pairs.push(("rate limits", units::rates(&settings.rate_limits)));
    pairs.push(("stale after", units::seconds(settings.stale_after.into()).into()));
    let cache_rules = settings.cache_control_rules.iter().map(|r| format!("{}={}", r.glob, r.value));
    pairs.push(("Cache-Control", rules(cache_rules.collect())));
    pairs.push(("CORS origins", rules(settings.cors.allowed_origins.clone())));
    pairs.push(("CORS credentials", settings.cors.allow_credentials.to_string().into()));
    pairs.push(("unique names", settings.unique_names.to_string().into()));
    pairs.push(("read while write", settings.read_while_write.to_string().into()));
    pairs.push(("write deadline", units::millis(settings.write_deadline_ms).into()));
    pairs.push(("ignore deletes", settings.ignore_deletes.to_string().into()));
    pairs.push(("digest", settings.digest.to_string().into()));
    pairs.push(("blocked prefixes", rules(ns.blocked.clone())));
    out.pairs(pairs)
}

fn quota(ns: &Namespace) -> Cell {
    match (ns.settings.max_bytes, ns.settings.max_objects) {
        (None, None) => Cell::none(),
        (Some(bytes), None) => units::bytes(bytes).into(),
        (None, Some(objects)) => format!("{objects} objects").into(),
        (Some(bytes), Some(objects)) => format!("{} in {objects} objects", units::bytes(bytes)).into(),
    }
}
