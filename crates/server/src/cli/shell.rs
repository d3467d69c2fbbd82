//! `headwater version`, `completions`, `man`; and asking before something is lost.

use anyhow::{Context, Result, bail};
use clap::Args;
use clap_complete::Shell;
use serde::Serialize;
use std::{
    fs,
    io::{self, BufRead, IsTerminal, Write},
    path::PathBuf,
};

use super::{
    explain::Explained,
    output::{Out, OutputArgs},
};

/// Options of `headwater completions`.
#[derive(Debug, Args)]
pub struct CompletionsOptions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Options of `headwater man`.
#[derive(Debug, Args)]
pub struct ManOptions {
    /// Where the pages go; it is made if it is not there.
    #[arg(long)]
    dir: PathBuf,
    #[command(flatten)]
    pub output: OutputArgs,
}

pub const COMPLETIONS_HELP: &str = "Examples:
  headwater completions bash > /etc/bash_completion.d/headwater
  headwater completions zsh > \"${fpath[1]}/_headwater\"
  headwater completions fish > ~/.config/fish/completions/headwater.fish";

/// Prints the version.
pub fn version(output: &OutputArgs) -> Result<()> {
    #[derive(Serialize)]
    struct Version {
        name: &'static str,
        version: &'static str,
    }
    let version = Version { name: "headwater", version: env!("CARGO_PKG_VERSION") };
    Out::new(output).show(&version, |_, v| format!("{} {}", v.name, v.version))
}

/// Prints a completion script.
pub fn completions(options: &CompletionsOptions, command: &mut clap::Command) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, command, "headwater", &mut script);
    #[derive(Serialize)]
    struct Script {
        shell: String,
        script: String,
    }
    let script = Script { shell: options.shell.to_string(), script: String::from_utf8(script)? };
    Out::new(&options.output).show(&script, |_, s| s.script.clone())
}

/// Writes one manual page for each command.
pub fn man(options: &ManOptions, command: clap::Command) -> Result<()> {
    let dir = &options.dir;
    fs::create_dir_all(dir)
        .and_then(|()| clap_mangen::generate_to(command, dir))
        .with_context(|| format!("writing manual pages into {}", dir.display()))?;
    let pages = fs::read_dir(dir)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut pages: Vec<String> =
        pages.filter(|name| name.starts_with("headwater") && name.ends_with(".1")).collect();
    pages.sort();
    Out::new(&options.output).show(&pages, |_, pages| format!("{} pages in {}", pages.len(), dir.display()))
}

/// Goes on only if the user types `word`.
pub fn confirm(question: &str, word: &str) -> Result<()> {
    if !io::stdin().is_terminal() {
        let hint = "There is no terminal to ask at: --yes says that it is meant.";
        return Err(Explained::new(question, hint).into());
    }
    eprint!("{question} Type {word} to go on: ");
    io::stderr().flush()?;
    let mut typed = String::new();
    io::stdin().lock().read_line(&mut typed)?;
    if typed.trim() != word {
        bail!("nothing was done");
    }
    Ok(())
}
