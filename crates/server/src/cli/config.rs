//! `headwater config`.

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;
use std::path::PathBuf;

use super::output::{Out, OutputArgs};
use crate::config::{Role, dump};

/// Options of `headwater config`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  headwater config dump node --config node.toml")]
pub struct ConfigOptions {
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Check a role's file and print what is in effect: defaults, the file, and the environment. Secrets are left out.
    #[command(after_help = DUMP_HELP)]
    Dump {
        /// The role.
        #[arg(value_enum)]
        role: RoleName,
        /// Its TOML file.
        #[arg(long)]
        config: PathBuf,
    },
}

const DUMP_HELP: &str = "Examples:
  headwater config dump node --config node.toml
  HEADWATER_NODE__LOG__FORMAT=json headwater config dump node --config node.toml --json

Exit code 64: the configuration is wrong; the message names the key, what was given and what is allowed.";

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleName {
    /// A metadata voter.
    Meta,
    /// A storage node.
    Node,
    /// An HTTP frontend.
    Frontend,
}

/// Runs it.
pub fn run(options: ConfigOptions) -> Result<()> {
    let ConfigCommand::Dump { role, config } = options.command;
    let role = match role {
        RoleName::Meta => Role::Meta,
        RoleName::Node => Role::Node,
        RoleName::Frontend => Role::Frontend,
    };
    let effective = dump(role, &config)?;
    let text = toml::to_string(&without_nulls(effective.clone()))?;
    Out::new(&options.output).show(&effective, |_, _| text)
}

/// TOML has no null: what is not set is left out.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        other => other,
    }
}
