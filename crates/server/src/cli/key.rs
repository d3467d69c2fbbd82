//! `headwater key`.

mod signing;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use headwater_client::{
    Admin,
    admin::Scope,
    api::{Key, NewKey, Revoked},
    settings::Permission,
};
use serde::Serialize;
use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    connect::{AdminArgs, ReadArgs},
    explain::Explained,
    output::{Cell, Out, OutputArgs},
    settings::RateArgs,
    units::{self, parse_duration, parse_seconds},
};

/// Options of `headwater key`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  headwater key create live-origin --permission readwrite --out encoder.json"
)]
pub struct KeyOptions {
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    connection: AdminArgs,
    #[command(subcommand)]
    command: KeyCommand,
}

/// Whose key: of a namespace, or of the admin plane.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
struct Where {
    /// The namespace.
    namespace: Option<String>,
    /// A key of the admin plane.
    #[arg(long)]
    admin: bool,
}

impl Where {
    fn scope(&self) -> Scope<'_> {
        self.namespace.as_deref().map_or(Scope::Admin, Scope::Namespace)
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Allows {
    /// GET, HEAD and LIST.
    Readonly,
    /// Everything on the data plane.
    Readwrite,
    /// PUT, POST and DELETE.
    Writeonly,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make an API key. Its secret is shown this one time.
    #[command(after_help = CREATE_HELP)]
    Create {
        #[command(flatten)]
        at: Where,
        /// What it may do.
        #[arg(long, value_enum, required_unless_present = "admin", conflicts_with = "admin")]
        permission: Option<Allows>,
        /// Only keys below this prefix; its closing '/' may be left out.
        #[arg(long)]
        prefix: Option<String>,
        /// How long it is valid, like 30d; until it is revoked otherwise.
        #[arg(long, value_name = "DURATION", value_parser = parse_seconds)]
        expires: Option<u64>,
        /// Only from these client addresses, like 192.0.2.0/24; may be repeated.
        #[arg(long, value_name = "NETWORK")]
        cidr: Vec<String>,
        /// Make it usable with Digest authentication; the namespace must have `digest`.
        #[arg(long)]
        digest: bool,
        #[command(flatten)]
        rates: RateArgs,
        /// Write the JSON document into this new file, for its owner only, instead of printing it.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// List keys, without their secrets.
    #[command(after_help = "Examples:\n  headwater key list live-origin\n  headwater key list --admin")]
    List {
        #[command(flatten)]
        at: Where,
        #[command(flatten)]
        read: ReadArgs,
    },
    /// Revoke a key: frontends refuse it within a second.
    #[command(after_help = REVOKE_HELP)]
    Revoke {
        /// The namespace, unless --admin is given, and the key's id.
        #[arg(required = true, num_args = 1..=2, value_names = ["NAMESPACE", "ID"])]
        names: Vec<String>,
        /// A key of the admin plane.
        #[arg(long)]
        admin: bool,
        #[command(flatten)]
        wait: Wait,
    },
    /// Make, list and revoke the keys that sign URLs and viewer tokens.
    Signing {
        #[command(subcommand)]
        command: signing::SigningCommand,
    },
}

/// Whether to wait for the frontends.
#[derive(Debug, Clone, Args)]
pub struct Wait {
    /// Wait until every frontend that is known has confirmed, at most this long and at most 10s; fails if one has not.
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "5s", value_parser = parse_wait)]
    wait: Option<Duration>,
}

/// As long as the admin plane waits at most.
const WAIT_MAX: Duration = Duration::from_secs(10);

fn parse_wait(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        wait if wait <= WAIT_MAX => Ok(wait),
        _ => Err(format!("{text:?} is too long: at most 10s; revoking again waits again")),
    }
}

const CREATE_HELP: &str = "Examples:
  headwater key create live-origin --permission readwrite --expires 30d --out encoder.json
  headwater key create live-origin --permission readonly --prefix news/ --cidr 192.0.2.0/24
  headwater key create --admin --out admin.json";
const REVOKE_HELP: &str = "Examples:
  headwater key revoke live-origin 3fGh56Jk89Lm --wait
  headwater key revoke --admin 3fGh56Jk89Lm";

/// Runs it.
pub async fn run(options: KeyOptions) -> Result<()> {
    let out = Out::new(&options.output);
    let (admin, plane) = options.connection.connect()?;
    work(options.command, &admin, &out).await.map_err(|error| plane.explain(error))
}

async fn work(command: KeyCommand, admin: &Admin, out: &Out) -> Result<()> {
    match command {
        KeyCommand::Create { at, permission, prefix, expires, cidr, digest, rates, out: file } => {
            let permission = match permission {
                Some(Allows::Readonly) => Permission::ReadOnly,
                Some(Allows::Readwrite) => Permission::ReadWrite,
                Some(Allows::Writeonly) => Permission::WriteOnly,
                None => Permission::Admin,
            };
            let rate_limits = rates.limits();
            let key = NewKey { permission, prefix, expires_in_s: expires, cidrs: cidr, digest, rate_limits };
            let made = Once::open(file)?;
            let created = made.unless(admin.create_key(at.scope(), &key).await)?;
            made.keep(out, &created, &created.key.id)
        }
        KeyCommand::List { at, read } => {
            let keys = read.of(admin).keys(at.scope()).all().await?;
            out.show(&keys, |out, keys| table(out, keys))
        }
        KeyCommand::Revoke { names, admin: of_admin, wait } => {
            let (scope, id) = match &*names {
                [namespace, id] if !of_admin => (Scope::Namespace(namespace), id),
                [id] if of_admin => (Scope::Admin, id),
                _ => bail!("give the namespace and the key's id, or --admin and the id"),
            };
            let revoked = admin.revoke_key(scope, id, wait.wait).await?;
            show_revoked(out, &revoked, &wait)
        }
        KeyCommand::Signing { command } => signing::work(command, admin, out).await,
    }
}

/// Where a secret goes that is shown once: the file is there before the secret is made, so that it cannot get lost.
struct Once(Option<(PathBuf, File)>);

impl Once {
    fn open(path: Option<PathBuf>) -> Result<Self> {
        let Some(path) = path else { return Ok(Self(None)) };
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.with_context(|| format!("making {} (it must be new)", path.display()))?;
        Ok(Self(Some((path, file))))
    }

    /// Takes the file away again if nothing was made.
    fn unless<T, E>(&self, made: Result<T, E>) -> Result<T, E> {
        if let (Err(_), Some((path, _))) = (&made, &self.0) {
            drop(fs::remove_file(path));
        }
        made
    }

    fn keep(self, out: &Out, document: &impl Serialize, id: &str) -> Result<()> {
        let json = serde_json::to_string_pretty(document)?;
        let Some((path, mut file)) = self.0 else { return out.line(&json) };
        let written = writeln!(file, "{json}").and_then(|()| file.sync_all());
        if let Err(error) = written {
            let hint = format!("Key {id} was made and its secret is lost: revoke it and make another.");
            return Err(Explained::new(format!("writing {}: {error}", path.display()), hint).into());
        }
        #[derive(Serialize)]
        struct Written<'a> {
            id: &'a str,
            file: &'a Path,
        }
        let written = Written { id, file: &path };
        out.show(&written, |_, w| format!("key {} is in {}; it is not shown again", w.id, w.file.display()))
    }
}

/// What revoking reached; an error if it was waited for and a frontend is missing.
fn show_revoked(out: &Out, revoked: &Revoked, wait: &Wait) -> Result<()> {
    out.show(revoked, |_, revoked| {
        let Revoked { id, confirmed, pending, silent, .. } = revoked;
        let list = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let (confirmed, pending, silent) = (list(confirmed), list(pending), list(silent));
        format!("revoked {id}\nconfirmed by  {confirmed}\nnot yet       {pending}\nsilent        {silent}")
    })?;
    if wait.wait.is_none() || revoked.is_confirmed_by_all() {
        return Ok(());
    }
    let missing = [&revoked.pending[..], &revoked.silent].concat();
    let what = match (revoked.frontends_known, &missing[..]) {
        (false, _) => "the metadata does not say which frontends there are".to_owned(),
        (true, []) => "no frontend has confirmed: none is known yet".to_owned(),
        (true, missing) => format!("not every frontend has confirmed: {}", missing.join(", ")),
    };
    Err(Explained::new(what, NOT_CONFIRMED).into())
}

const NOT_CONFIRMED: &str = "The key is revoked; a frontend that is cut off from the metadata refuses it once it hears \
of it, and one that is gone is forgotten after 10 minutes. Revoking again asks again.";

fn table(out: &Out, keys: &[Key]) -> String {
    let header =
        ["ID", "PERMISSION", "PREFIX", "FROM", "DIGEST", "LIMITS", "CREATED", "EXPIRES", "LAST USED"];
    let row = |key: &Key| {
        let permission = serde_json::to_value(key.permission).ok();
        vec![
            Cell::from(&*key.id),
            Cell::maybe(permission.as_ref().and_then(|p| p.as_str())),
            Cell::maybe(key.prefix.as_ref()),
            if key.cidrs.is_empty() { Cell::none() } else { key.cidrs.join(", ").into() },
            if key.digest { "yes".into() } else { Cell::none() },
            units::rates(&key.rate_limits),
            Cell::from(&*key.created_at),
            Cell::maybe(key.expires_at.as_ref()),
            Cell::maybe(key.last_used_at.as_ref()),
        ]
    };
    out.table(&header, keys.iter().map(row).collect())
}
