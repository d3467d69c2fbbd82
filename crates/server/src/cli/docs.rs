//! `docs/cli.md`, made from the commands themselves.

#![cfg(test)]

use clap::{Arg, ArgAction, Command, CommandFactory};
use std::fmt::Write;

const HEAD: &str = "# Command line

Made from the commands themselves; `HEADWATER_UPDATE_DOCS=1 cargo test -p headwater-server docs` renews it.
`headwater COMMAND --help` says the same. Every command of a client takes `--json` and ends with a code other than 0 when it
fails: 1 for what went wrong, 2 for arguments that are not understood, 64 for a wrong configuration file.
";

/// The whole page.
fn page() -> String {
    let mut root = super::Cli::command();
    root.build();
    let mut page = HEAD.to_owned();
    section(&mut page, &root, "");
    page
}

fn section(page: &mut String, command: &Command, parents: &str) {
    let name = format!("{parents}{}", command.get_name());
    page.push_str(&format!("\n## {name}\n"));
    let about = command.get_long_about().or_else(|| command.get_about());
    if let Some(about) = about {
        page.push_str(&format!("\n{}\n", escaped(&about.to_string())));
    }
    page.push_str(&format!("\n```\n{}\n```\n", usage(command, &name)));
    let children: Vec<&Command> = shown(command).collect();
    if !children.is_empty() {
        page.push_str("\n| command | |\n|---|---|\n");
    }
    for child in &children {
        let about = child.get_about().map(ToString::to_string).unwrap_or_default();
        let full = format!("{name} {}", child.get_name());
        let _ = writeln!(page, "| [`{full}`](#{}) | {} |", full.replace(' ', "-"), cell(&about));
    }
    // Once where it is defined, not again for each command below it.
    let args: Vec<&Arg> = command.get_arguments().filter(|arg| is_own(arg, parents)).collect();
    if !args.is_empty() {
        page.push_str("\n| argument | |\n|---|---|\n");
    }
    for arg in args {
        let _ = writeln!(page, "| `{}` | {} |", signature(arg), description(arg));
    }
    if let Some(after) = command.get_after_long_help().or_else(|| command.get_after_help()) {
        page.push_str(&format!("\n```\n{}\n```\n", after.to_string().trim_end()));
    }
    for child in children {
        section(page, child, &format!("{name} "));
    }
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|child| child.get_name() != "help" && !child.is_hide_set())
}

fn is_own(arg: &Arg, parents: &str) -> bool {
    let help = matches!(arg.get_id().as_str(), "help" | "version");
    let inherited = arg.is_global_set() && parents.split_whitespace().count() > 1;
    !help && !inherited && !arg.is_hide_set()
}

fn usage(command: &Command, name: &str) -> String {
    let mut words = vec![name.to_owned()];
    if command.get_arguments().any(|arg| !arg.is_positional()) {
        words.push("[OPTIONS]".into());
    }
    for arg in command.get_positionals() {
        let shown = signature(arg);
        words.push(if arg.is_required_set() { shown } else { format!("[{shown}]") });
    }
    if command.has_subcommands() {
        words.push("COMMAND".into());
    }
    words.join(" ")
}

/// `-n, --namespace NAMESPACE`, or `FILE`.
fn signature(arg: &Arg) -> String {
    let takes = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let names = arg.get_value_names().unwrap_or_default().iter().map(|name| name.to_string());
    let values = if takes { names.collect::<Vec<_>>().join(" ") } else { String::new() };
    let flags =
        [arg.get_short().map(|short| format!("-{short}")), arg.get_long().map(|long| format!("--{long}"))];
    let flags: Vec<String> = flags.into_iter().flatten().collect();
    let optional = arg.get_num_args().is_some_and(|count| count.min_values() == 0) && takes;
    match (flags.join(", "), values) {
        (flags, values) if flags.is_empty() => values,
        (flags, values) if values.is_empty() => flags,
        (flags, values) if optional => format!("{flags} [{values}]"),
        (flags, values) => format!("{flags} {values}"),
    }
}

fn description(arg: &Arg) -> String {
    let mut text = cell(&arg.get_help().map(ToString::to_string).unwrap_or_default());
    if !text.is_empty() && !text.ends_with('.') {
        text.push('.');
    }
    let values = arg.get_possible_values();
    if !values.is_empty() && matches!(arg.get_action(), ArgAction::Set | ArgAction::Append) {
        let names: Vec<String> = values.iter().map(|value| format!("`{}`", value.get_name())).collect();
        let _ = write!(text, " One of {}.", names.join(", "));
    }
    let defaults: Vec<String> =
        arg.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    if !defaults.is_empty() && matches!(arg.get_action(), ArgAction::Set | ArgAction::Append) {
        let _ = write!(text, " Default: {}.", defaults.join(", "));
    }
    if let Some(name) = arg.get_env() {
        let _ = write!(text, " Environment: `{}`.", name.to_string_lossy());
    }
    text
}

fn cell(text: &str) -> String {
    escaped(text).replace('\n', " ").replace('|', "\\|")
}

/// What a renderer would take for HTML.
fn escaped(text: &str) -> String {
    text.replace('<', "&lt;")
}

#[test]
fn the_page_is_what_the_commands_say() {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
    let path = std::path::Path::new(&package).join("../../docs/cli.md");
    let page = page();
    if std::env::var_os("HEADWATER_UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == page, "docs/cli.md is not what the commands say: run with HEADWATER_UPDATE_DOCS=1");
}
