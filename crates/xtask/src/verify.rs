//! `cargo xtask verify` and `cargo xtask fix`: spelling, format, lints and house rules. The one only reads, the other changes.

use crate::{step::Steps, test_needs::Python, workspace::Workspace};
use std::process::Command;

/// Checks everything that needs no test run.
pub fn verify() -> anyhow::Result<()> {
    let workspace = Workspace::find()?;
    let mut steps = Steps::default();
    let python = steps.run("needs", || Python::install(&workspace))?;
    check(&workspace, &python, &mut steps)?;
    rules(&workspace, &mut steps)?;
    eprint!("{}", steps.summary());
    Ok(())
}

/// The house rules. Of the whole workspace, so that nothing is built with other features than for the other tests.
///
/// # Errors
/// They are broken.
pub fn rules(workspace: &Workspace, steps: &mut Steps) -> anyhow::Result<()> {
    steps.command("rules", &mut workspace.cargo(&["test", "--quiet", "--workspace", "--test", "rules"]))
}

/// The checks that read the sources, as steps of a task.
///
/// # Errors
/// The first check that fails.
pub fn check(workspace: &Workspace, python: &Python, steps: &mut Steps) -> anyhow::Result<()> {
    let mut typos = Command::new(python.program("typos"));
    steps.command("spelling", typos.current_dir(&workspace.root))?;
    steps.command("format", &mut workspace.cargo(&["fmt", "--all", "--check"]))?;
    let lints = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    steps.command("lints", &mut workspace.cargo(&lints))
}

/// Formats and applies what the lints suggest.
pub fn fix() -> anyhow::Result<()> {
    let workspace = Workspace::find()?;
    let mut steps = Steps::default();
    let lints = ["clippy", "--fix", "--allow-dirty", "--allow-staged", "--workspace", "--all-targets"];
    steps.command("lints", &mut workspace.cargo(&lints))?;
    steps.command("format", &mut workspace.cargo(&["fmt", "--all"]))
}
