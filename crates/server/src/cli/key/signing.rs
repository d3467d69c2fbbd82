//! `headwater key signing`.

use anyhow::Result;
use clap::Subcommand;
use headwater_client::{Admin, api::SigningKeyInfo};
use std::path::PathBuf;

use super::{Once, Wait, show_revoked};
use crate::cli::{
    connect::ReadArgs,
    output::{Cell, Out},
};

/// Commands over signing keys.
#[derive(Debug, Subcommand)]
pub enum SigningCommand {
    /// Make a signing key. A namespace has at most two, so that one can replace the other. Its secret is shown this one time.
    #[command(after_help = "Example:\n  headwater key signing create live-origin --out signing.json")]
    Create {
        /// The namespace.
        namespace: String,
        /// Write the JSON document into this new file, for its owner only, instead of printing it.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// List signing keys, without their secrets.
    #[command(after_help = "Example:\n  headwater key signing list live-origin")]
    List {
        /// The namespace.
        namespace: String,
        #[command(flatten)]
        read: ReadArgs,
    },
    /// Revoke a signing key: everything that it has signed is refused within a second.
    #[command(after_help = "Example:\n  headwater key signing revoke live-origin 3fGh56Jk --wait")]
    Revoke {
        /// The namespace.
        namespace: String,
        /// The signing key's id.
        id: String,
        #[command(flatten)]
        wait: Wait,
    },
}

pub(super) async fn work(command: SigningCommand, admin: &Admin, out: &Out) -> Result<()> {
    match command {
        SigningCommand::Create { namespace, out: file } => {
            let made = Once::open(file)?;
            let created = made.unless(admin.create_signing_key(&namespace).await)?;
            made.keep(out, &created, &created.key.id)
        }
        SigningCommand::List { namespace, read } => {
            let keys = read.of(admin).signing_keys(&namespace).all().await?;
            let row = |key: &SigningKeyInfo| {
                vec![Cell::from(&*key.id), Cell::from(&*key.namespace), Cell::from(&*key.created_at)]
            };
            out.show(&keys, |out, keys| {
                out.table(&["ID", "NAMESPACE", "CREATED"], keys.iter().map(row).collect())
            })
        }
        SigningCommand::Revoke { namespace, id, wait } => {
            let revoked = admin.revoke_signing_key(&namespace, &id, wait.wait).await?;
            show_revoked(out, &revoked, &wait)
        }
    }
}
